#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tollgate/domain/loops/fingerprint.hpp"

/// Traffic as agents make it, for the loop breaker: bodies as the SDKs write them, times as they
/// send them. Generated, so that a scenario says what it is about and nothing else; the same on
/// every run.
namespace tollgate::domain::loops::test {

enum class Surface : std::uint8_t { chat, messages, responses, embeddings, mcp, a2a };

/// One call: when it starts (ms), how long its answer takes, what it is.
struct Event {
  std::int64_t start = 0;
  std::int64_t duration = 0;
  Surface surface = Surface::chat;
  std::function<std::string()> body;  ///< made when the call is
  bool failed = false;
  std::string key = "k1", owner = "acme", trace = {};
  std::uint32_t depth = 0;
};

struct Scenario {
  std::string name;
  std::string what;  ///< detector that should find it; empty: normal traffic
  std::vector<Event> events;
  bool is_blind_spot = false;  ///< known not to be found with the shipped settings
};

[[nodiscard]] std::vector<Scenario> normal_traffic();
[[nodiscard]] std::vector<Scenario> runaway_traffic();

/// Parses and scans the body as the gateway does. Throws when it is no such body.
[[nodiscard]] Fingerprint print_of(Surface surface, const std::string& body,
                                   std::size_t read_bytes = 16'384);

// ---- bodies ----

[[nodiscard]] std::string json_text(std::string_view text);
/// Words without meaning, the same for the same seed.
[[nodiscard]] std::string prose(std::uint64_t seed, int words);
/// An id such as `call_Xb3…`.
[[nodiscard]] std::string random_id(std::mt19937_64& rng, std::string_view prefix, int size = 24);

/// A conversation with a model that may call tools, in one of three ways to write it. Ids are made
/// anew for every tool call. A copy is a picture of its state; only the original may grow.
class Conversation {
 public:
  Conversation(Surface surface, std::string system, std::uint64_t seed);
  Conversation& user(std::string_view text);
  Conversation& assistant(std::string_view text);
  /// The model calls a tool and gets its result. `arguments` is JSON.
  Conversation& tool(std::string_view name, std::string_view arguments, std::string_view result,
                     std::string_view words = "");
  /// Several at once.
  Conversation& tools(const std::vector<std::pair<std::string, std::string>>& calls_and_arguments,
                      const std::vector<std::string>& results, std::string_view words = "");
  /// Forgets all messages but the last `keep`, and the first one if `with_task`.
  Conversation& cut_to(std::size_t keep, bool with_task = false);
  [[nodiscard]] std::string body() const;
  [[nodiscard]] Surface surface() const { return surface_; }

 private:
  Surface surface_;
  std::string system_;
  void add(std::string message);

  /// Only ever grows, so that copies may share it, each with its own piece of it.
  std::shared_ptr<std::vector<std::string>> messages_;
  std::size_t first_ = 0, end_ = 0;
  bool has_task_ = false;  ///< the very first message, in front of first_
  std::mt19937_64 rng_;
};

[[nodiscard]] std::string mcp_call(std::uint64_t id, std::string_view tool,
                                   std::string_view arguments);
[[nodiscard]] std::string a2a_message(std::mt19937_64& rng, std::string_view text,
                                      std::string_view context = "");

/// A call after another in one conversation: `think` ms of the model, then `pause` ms until the
/// next call.
class Run {
 public:
  Run(Scenario& scenario, Event like, std::uint64_t seed)
      : scenario_(scenario), like_(std::move(like)), rng_(seed) {}
  /// Adds a call and goes on to the next one's start.
  void call(std::function<std::string()> body, std::int64_t think, std::int64_t pause,
            bool failed = false);
  void call(const Conversation& conversation, std::int64_t think, std::int64_t pause,
            bool failed = false);
  [[nodiscard]] std::int64_t now() const { return like_.start; }
  std::mt19937_64& rng() { return rng_; }

 private:
  Scenario& scenario_;
  Event like_;
  std::mt19937_64 rng_;
};

}  // namespace tollgate::domain::loops::test
