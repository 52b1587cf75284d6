#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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
class Error {
 public:
  /// Only for boost::system::result, which wants one; means a bug when it is ever seen.
  Error() : Error(ErrorCode::internal_error, "unset error") {}
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  Error(ErrorCode code, std::string message, std::string detail)
      : code_(code), message_(std::move(message)), detail_(std::move(detail)) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  [[nodiscard]] int http_status() const noexcept { return info(code_).http_status; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  [[nodiscard]] const std::string& detail() const noexcept { return detail_; }
  [[nodiscard]] Side side() const noexcept { return side_; }
  [[nodiscard]] Retry retry() const noexcept { return retry_; }
  /// The request field at fault, OpenAI's `param`; empty when none.
  [[nodiscard]] const std::string& param() const noexcept { return param_; }
  /// The limit that was overrun, if one was: whoever answers with the error counts it.
  [[nodiscard]] std::optional<Limit> limit() const noexcept { return limit_; }
  /// Seconds for `Retry-After`; absent when waiting does not help.
  [[nodiscard]] std::optional<std::int64_t> retry_after_s() const noexcept {
    return retry_after_s_;
  }

  Error&& with_side(Side s) && {
    side_ = s;
    return std::move(*this);
  }
  Error&& with_retry(Retry r) && {
    retry_ = r;
    return std::move(*this);
  }
  Error&& with_param(std::string p) && {
    param_ = std::move(p);
    return std::move(*this);
  }
  Error&& with_limit(std::optional<Limit> limit) && {
    limit_ = limit;
    return std::move(*this);
  }
  Error&& with_retry_after(std::int64_t s) && {
    retry_after_s_ = s;
    return std::move(*this);
  }

 private:
  ErrorCode code_;
  Side side_ = Side::client;
  Retry retry_ = Retry::no;
  std::optional<Limit> limit_;
  std::optional<std::int64_t> retry_after_s_;
  std::string message_;
  std::string detail_;
  std::string param_;
};

}  // namespace tollgate::base
