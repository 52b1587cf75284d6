#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tollgate::base {

/// The stable name of everything that can go wrong with a call.
///
/// Values are part of the API: agents read them in `error.code`, the audit log stores them, metrics
/// use them as a closed label set. Add, never rename. docs/errors.md lists them.
enum class ErrorCode : std::uint8_t {
#define TG_ERROR(code, status, openai, anthropic, meaning) code,
#include "tollgate/base/error_codes.def"
#undef TG_ERROR
};

/// The bounds of the configuration whose overrun is counted.
enum class Limit : std::uint8_t {
#define TG_LIMIT(id, name) id,
#include "tollgate/base/limits.def"
#undef TG_LIMIT
};
/// As the configuration calls it: "header_count", "timeouts.header".
[[nodiscard]] std::string_view to_string(Limit limit) noexcept;
[[nodiscard]] std::size_t limit_count() noexcept;

/// Where the fault lies. Decides who is counted against (cooldowns count `upstream` only).
enum class Side : std::uint8_t { client, gateway, upstream, store };

/// Whether the router may try again, and with what.
enum class Retry : std::uint8_t { no, new_connection, other_deployment };

/// Static facts of a code, from error_codes.def.
struct ErrorInfo {
  std::string_view name;
  int http_status;
  std::string_view openai_type;
  std::string_view anthropic_type;
  std::string_view meaning;
};
[[nodiscard]] const ErrorInfo& info(ErrorCode code) noexcept;
[[nodiscard]] std::size_t error_code_count() noexcept;

/// A failure as a value: what to tell the caller, and what only the log may know.
///
/// `message` goes to the caller: it must hold no secret, no prompt text, no upstream address.
/// `detail` goes to the log only. Has constructors (never an aggregate): g++ 12 destroys aggregate
/// temporaries twice inside co_await expressions.
///
/// One pointer wide, and everything but moving it is out of line and cold: errors are returned from
/// nearly every function on the path of a call and made by nearly none, so what counts is how
/// little they add to the code of the calls that succeed. A moved-from Error reads as
/// internal_error.
class Error {
 public:
  /// Only for boost::system::result, which wants one; means a bug when it is ever seen.
  [[gnu::cold]] Error();
  [[gnu::cold]] Error(ErrorCode code, const char* message);
  [[gnu::cold]] Error(ErrorCode code, std::string_view message);
  [[gnu::cold]] Error(ErrorCode code, std::string message);
  [[gnu::cold]] Error(ErrorCode code, std::string message, std::string detail);
  [[gnu::cold]] Error(const Error& other);
  Error(Error&& other) noexcept : facts_(std::exchange(other.facts_, nullptr)) {}
  [[gnu::cold]] Error& operator=(const Error& other);
  Error& operator=(Error&& other) noexcept {
    std::swap(facts_, other.facts_);
    return *this;
  }
  ~Error() {
    if (facts_ != nullptr) destroy();
  }

  [[nodiscard]] ErrorCode code() const noexcept;
  [[nodiscard]] int http_status() const noexcept { return info(code()).http_status; }
  [[nodiscard]] const std::string& message() const noexcept;
  [[nodiscard]] const std::string& detail() const noexcept;
  [[nodiscard]] Side side() const noexcept;
  [[nodiscard]] Retry retry() const noexcept;
  /// The request field at fault, OpenAI's `param`; empty when none.
  [[nodiscard]] const std::string& param() const noexcept;
  /// The limit that was overrun, if one was: whoever answers with the error counts it.
  [[nodiscard]] std::optional<Limit> limit() const noexcept;
  /// Seconds for `Retry-After`; absent when waiting does not help.
  [[nodiscard]] std::optional<std::int64_t> retry_after_s() const noexcept;

  [[gnu::cold]] Error&& with_side(Side s) &&;
  [[gnu::cold]] Error&& with_retry(Retry r) &&;
  [[gnu::cold]] Error&& with_param(std::string p) &&;
  [[gnu::cold]] Error&& with_limit(std::optional<Limit> limit) &&;
  [[gnu::cold]] Error&& with_retry_after(std::int64_t s) &&;

 private:
  struct Facts;
  [[gnu::cold]] void destroy() noexcept;
  [[nodiscard]] const Facts& facts() const noexcept;
  [[nodiscard]] Facts& own();

  Facts* facts_;  ///< owned
};

}  // namespace tollgate::base
