#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tollgate::domain::demo {

/// One thing the demo model does. The views are valid until the next call of Script::next.
struct Action {
  enum class Kind : std::uint8_t {
    delay,  ///< wait for `wait`
    head,   ///< send `status` and `header_lines`; the length of the body is not announced
    body,   ///< send `body`
    end,    ///< the answer is complete; the last action
    cut,    ///< break the connection; the last action (before `head`: reset before the first byte)
    hang,   ///< send nothing more, keep the connection open; the last action
  };
  Kind kind = Kind::end;
  std::chrono::milliseconds wait{0};
  int status = 0;
  std::string_view header_lines;  ///< "name: value\r\n"...
  std::string_view body;
};

/// What the demo model is asked. Views need to live only until the Script is made.
struct Request {
  std::string_view method = "POST";
  std::string_view path_and_query;  ///< with or without the leading "/v1"; query ignored
  std::string_view model;           ///< the deployment's model, "echo" or "demo/echo"
  std::string_view body;
};

/// The built-in model: what it does with one request, as a sequence of actions.
///
/// Purpose:  a provider that needs no key, no network and no luck: quick start, examples, tests.
/// The
///           same request always has the same answer (ids are a hash of it); no clock, no chance.
/// Dialects: OpenAI `/chat/completions` and `/embeddings`, Anthropic `/messages` and
///           `/messages/count_tokens`, JSON and SSE; `GET /models`; 404 elsewhere.
/// Models:   echo, slow-<n>ms (first byte late), drip-<n>ms (each chunk late), fail-<status>
///           (429 with Retry-After: 1), drop, drop-mid-stream, stall-mid-stream, silent, tool-call,
///           tool-calls-2, long-<n> (n words), secret, no-usage, bad-json, cost-<n> (bills n output
///           tokens whatever the cap), refuse. Others are 404. docs: src/domain/demo/README.md.
/// Tokens:   a quarter of the bytes, rounded up: of the request body for input, of text and tool
///           arguments for output; the output cap cuts the text at that length.
/// Lifetime: of one exchange. Threads: one. Actions are made as they are asked for: a long stream
///           is never in memory as a whole.
class Script {
 public:
  explicit Script(const Request& request);
  ~Script();
  Script(Script&&) noexcept;
  Script& operator=(Script&&) noexcept;

  /// The next action. After end, cut or hang it repeats that one.
  [[nodiscard]] const Action& next();

 private:
  class Player;
  std::unique_ptr<Player> player_;
};

/// Tokens of `bytes` bytes of text.
[[nodiscard]] constexpr std::int64_t demo_tokens(std::size_t bytes) noexcept {
  return static_cast<std::int64_t>((bytes + 3) / 4);
}

}  // namespace tollgate::domain::demo
