#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tollgate/base/clock.hpp"
#include "tollgate/protocol/http/header_section.hpp"

namespace tollgate::domain::routing {

/// How an attempt failed below the level of an answer. The values mirror
/// pipeline::TransportFailure, which the domain must not include.
enum class FailureKind : std::uint8_t {
  dns,
  connect,
  tls,
  pool_exhausted,    ///< every connection the configuration allows was in use
  stale_connection,  ///< a kept-alive connection had been closed by the peer: no answer byte
  reset,             ///< sent, then closed or reset before the first answer byte
  first_byte_timeout,
  cut,            ///< ended in the middle of the answer
  idle_timeout,   ///< fell silent in the middle of the answer
  invalid,        ///< not acceptable HTTP, or not the format it claims
  too_large,      ///< over a size limit of ours
  total_timeout,  ///< the call's own time was over, whatever the upstream did: no fault of it
  cancelled,      ///< the agent left, or the gateway was told to stop
};
inline constexpr std::size_t kFailureKinds = static_cast<std::size_t>(FailureKind::cancelled) + 1;
/// Stable name for metrics and audit rows ("first_byte_timeout").
[[nodiscard]] std::string_view to_string(FailureKind kind) noexcept;
/// Whether any byte of the request may have reached the upstream.
[[nodiscard]] bool may_have_been_sent(FailureKind kind) noexcept;

/// What an answer's headers say about trying again.
struct RetryHints {
  std::optional<std::chrono::milliseconds> retry_after;
  std::optional<bool> should_retry;  ///< x-should-retry, which the SDKs obey before any status rule
};
/// Reads both from an answer's head (protocol/http/retry_after.hpp says in which forms).
[[nodiscard]] RetryHints read_hints(const protocol::http::HeaderSection& headers,
                                    base::WallTime now);

/// Whether a call may be made twice.
enum class Repeat : std::uint8_t {
  safe,         ///< model calls, reads, MCP tools the configuration calls idempotent
  only_unsent,  ///< other MCP and A2A calls: again only when nothing can have been sent
};

/// What may follow an attempt.
enum class Verdict : std::uint8_t {
  final,            ///< hand this answer or error to the agent
  retry_same,       ///< the same deployment may be asked again, another one as well
  next_deployment,  ///< only another deployment can help now
};

/// What an outcome says about the deployment's health.
enum class Health : std::uint8_t { alive, failing, asked_to_wait, unknown };

/// How one attempt ended.
class AttemptOutcome {
 public:
  static AttemptOutcome failure(FailureKind kind) { return AttemptOutcome(kind); }
  /// A whole answer that nobody here can read. What is in it may be the doing of who asked: of the
  /// deployment's health it says what an answer says.
  static AttemptOutcome unreadable() {
    AttemptOutcome outcome(FailureKind::invalid);
    outcome.is_answer_ = true;
    return outcome;
  }
  /// An answer head with its status, 100-599.
  static AttemptOutcome status(int status, RetryHints hints = {}) {
    return AttemptOutcome(status, hints);
  }

  [[nodiscard]] std::optional<FailureKind> failure_kind() const noexcept { return failure_; }
  [[nodiscard]] bool is_answer() const noexcept { return is_answer_; }  ///< unreadable()
  [[nodiscard]] int http_status() const noexcept { return status_; }    ///< 0 for a failure
  [[nodiscard]] const RetryHints& hints() const noexcept { return hints_; }
  /// "connect failed", "503": for the summary of what was tried.
  [[nodiscard]] std::string text() const;

 private:
  explicit AttemptOutcome(FailureKind kind) : failure_(kind) {}
  AttemptOutcome(int status, RetryHints hints) : status_(status), hints_(hints) {}
  std::optional<FailureKind> failure_;
  bool is_answer_ = false;
  int status_ = 0;
  RetryHints hints_;
};

/// What may follow `outcome`; pure. `committed`: a byte of the answer went to the agent, so that
/// nothing may follow.
///
///   outcome                                   verdict
///   2xx, 3xx, other 4xx                       final
///   409                                       final: a conflict in the request's own state, the
///                                             same elsewhere (the SDKs retry it themselves)
///   408, 500-599 (529 with them)              retry_same
///   429                                       next_deployment
///   dns, connect, stale_connection, reset     retry_same
///   tls, pool_exhausted, first_byte_timeout, cut,
///   idle_timeout, invalid                     next_deployment
///   too_large, total_timeout, cancelled       final
/// `x-should-retry: true` makes any status >= 400 retry_same; `false` turns retry_same into
/// next_deployment: another deployment is another request.
/// Repeat::only_unsent: everything but dns, connect, tls and pool_exhausted is final.
[[nodiscard]] Verdict classify(const AttemptOutcome& outcome, Repeat repeat,
                               bool committed) noexcept;

/// dns, connect, tls, reset, first_byte_timeout, cut, idle_timeout, invalid, 5xx: failing. 429, or
/// a 408 or 5xx with Retry-After: asked_to_wait. stale_connection, pool_exhausted, too_large,
/// total_timeout, cancelled, 408: unknown. Else, and of an unreadable answer, alive.
[[nodiscard]] Health health(const AttemptOutcome& outcome) noexcept;

}  // namespace tollgate::domain::routing
