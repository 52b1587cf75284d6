#include "tollgate/domain/routing/outcome.hpp"

#include <fmt/format.h>

#include <array>

#include "tollgate/protocol/http/retry_after.hpp"

namespace tollgate::domain::routing {
namespace {

constexpr std::array<std::string_view, kFailureKinds> kNames = {"dns",
                                                                "connect",
                                                                "tls",
                                                                "pool_exhausted",
                                                                "stale_connection",
                                                                "reset",
                                                                "first_byte_timeout",
                                                                "cut",
                                                                "idle_timeout",
                                                                "invalid",
                                                                "too_large",
                                                                "total_timeout",
                                                                "cancelled"};
constexpr std::array<std::string_view, kFailureKinds> kTexts = {"host name not found",
                                                                "connect failed",
                                                                "TLS failed",
                                                                "no free connection",
                                                                "connection closed",
                                                                "reset before an answer",
                                                                "no answer in time",
                                                                "cut in mid-answer",
                                                                "silent in mid-answer",
                                                                "malformed answer",
                                                                "answer over a size limit",
                                                                "out of the call's time",
                                                                "cancelled"};

bool is_retryable_status(int status) noexcept {
  return status == 408 || (status >= 500 && status <= 599);
}

}  // namespace

std::string_view to_string(FailureKind kind) noexcept {
  return kNames[static_cast<std::size_t>(kind)];
}

bool may_have_been_sent(FailureKind kind) noexcept {
  return kind != FailureKind::dns && kind != FailureKind::connect && kind != FailureKind::tls &&
         kind != FailureKind::pool_exhausted;
}

RetryHints read_hints(const protocol::http::HeaderSection& headers, base::WallTime now) {
  RetryHints hints;
  hints.retry_after = protocol::http::retry_after(headers, now);
  hints.should_retry = protocol::http::should_retry(headers);
  return hints;
}

std::string AttemptOutcome::text() const {
  if (failure_) return std::string(kTexts[static_cast<std::size_t>(*failure_)]);
  return fmt::to_string(status_);
}

Verdict classify(const AttemptOutcome& outcome, Repeat repeat, bool committed) noexcept {
  if (committed) return Verdict::final;
  if (const auto kind = outcome.failure_kind()) {
    if (repeat == Repeat::only_unsent && may_have_been_sent(*kind)) return Verdict::final;
    switch (*kind) {
      case FailureKind::dns:
      case FailureKind::connect:
      case FailureKind::stale_connection:
      case FailureKind::reset:
        return Verdict::retry_same;
      case FailureKind::tls:             // a certificate does not mend itself within a call
      case FailureKind::pool_exhausted:  // it has been waited for already
      case FailureKind::first_byte_timeout:
      case FailureKind::cut:
      case FailureKind::idle_timeout:
      case FailureKind::invalid:
        return Verdict::next_deployment;
      case FailureKind::too_large:  // the same answer would be too large again
      case FailureKind::total_timeout:
      case FailureKind::cancelled:
        return Verdict::final;
    }
    return Verdict::final;
  }
  if (repeat == Repeat::only_unsent) return Verdict::final;
  const int status = outcome.http_status();
  if (status < 400) return Verdict::final;
  const auto should_retry = outcome.hints().should_retry;
  if (should_retry == true) return Verdict::retry_same;
  if (status == 429) return Verdict::next_deployment;
  if (!is_retryable_status(status)) return Verdict::final;
  return should_retry == false ? Verdict::next_deployment : Verdict::retry_same;
}

Health health(const AttemptOutcome& outcome) noexcept {
  if (outcome.is_answer()) return Health::alive;
  if (const auto kind = outcome.failure_kind()) {
    switch (*kind) {
      case FailureKind::stale_connection:
      case FailureKind::pool_exhausted:
      case FailureKind::too_large:
      case FailureKind::total_timeout:
      case FailureKind::cancelled:
        return Health::unknown;
      case FailureKind::dns:
      case FailureKind::connect:
      case FailureKind::tls:
      case FailureKind::reset:
      case FailureKind::first_byte_timeout:
      case FailureKind::cut:
      case FailureKind::idle_timeout:
      case FailureKind::invalid:
        return Health::failing;
    }
  }
  const int status = outcome.http_status();
  if (status == 429) return Health::asked_to_wait;
  if (is_retryable_status(status)) {
    if (outcome.hints().retry_after) return Health::asked_to_wait;
    return status == 408 ? Health::unknown : Health::failing;
  }
  return Health::alive;
}

}  // namespace tollgate::domain::routing
