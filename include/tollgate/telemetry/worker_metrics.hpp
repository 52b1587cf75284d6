#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tollgate/base/error.hpp"
#include "tollgate/base/units.hpp"
#include "tollgate/telemetry/registry.hpp"

namespace tollgate::telemetry {

/// How a call ended, as one small index: ok, an upstream's error passed on, or an error code.
class CallOutcome {
 public:
  static constexpr CallOutcome ok() { return CallOutcome(0); }
  static constexpr CallOutcome relayed_error() { return CallOutcome(1); }
  static constexpr CallOutcome error(base::ErrorCode code) {
    return CallOutcome(2 + static_cast<std::size_t>(code));
  }
  [[nodiscard]] constexpr std::size_t index() const noexcept { return index_; }
  [[nodiscard]] static std::size_t count() noexcept { return 2 + base::error_code_count(); }
  [[nodiscard]] std::string_view name() const noexcept;
  [[nodiscard]] static CallOutcome from_index(std::size_t index) noexcept {
    return CallOutcome(index);
  }

 private:
  explicit constexpr CallOutcome(std::size_t index) : index_(index) {}
  std::size_t index_;
};

enum class TokenKind : std::uint8_t { input, output, cache_read, cache_write, reasoning };
inline constexpr std::size_t kTokenKinds = 5;

/// How an attempt ended. The transport failures are in the order of routing::FailureKind, so that
/// `transport(kind)` is one addition.
enum class AttemptResult : std::uint8_t {
  ok,
  http_3xx,
  http_4xx,
  http_429,
  http_5xx,
  dns,
  connect,
  tls,
  pool_exhausted,
  stale_connection,
  reset,
  first_byte_timeout,
  cut,
  idle_timeout,
  invalid,
  too_large,
  total_timeout,
  cancelled,
};
inline constexpr std::size_t kAttemptResults = 18;
[[nodiscard]] constexpr AttemptResult attempt_status(int status) noexcept {
  if (status == 429) return AttemptResult::http_429;
  if (status >= 500) return AttemptResult::http_5xx;
  if (status >= 400) return AttemptResult::http_4xx;
  return status >= 300 ? AttemptResult::http_3xx : AttemptResult::ok;
}
/// @param failure_kind  routing::FailureKind.
template <class FailureKind>
[[nodiscard]] constexpr AttemptResult attempt_failure(FailureKind failure_kind) noexcept {
  return static_cast<AttemptResult>(static_cast<std::size_t>(AttemptResult::dns) +
                                    static_cast<std::size_t>(failure_kind));
}
[[nodiscard]] std::string_view to_string(AttemptResult result) noexcept;

/// Limits whose hits are counted, from base/limits.def.
using LimitHit = base::Limit;
inline constexpr std::size_t kLimitHits = 0
#define TG_LIMIT(id, name) +1
#include "tollgate/base/limits.def"
#undef TG_LIMIT
    ;

enum class AuthFailure : std::uint8_t { missing, malformed, unknown, revoked, expired, throttled };
inline constexpr std::size_t kAuthFailures = 6;

/// Action of a guardrail match, in the order of config::GuardAction.
inline constexpr std::size_t kGuardActions = 4;

/// The series that exist from the start, as arrays indexed by enumeration. One per process.
///
/// @param surfaces  surface names in the order of the caller's enumeration
/// (config::surface_names());
///                  one more, "none", is added for what matched no surface.
class CoreSeries {
 public:
  CoreSeries(Registry& registry, std::span<const std::string_view> surfaces);
  [[nodiscard]] std::size_t no_surface() const noexcept { return surface_count_ - 1; }

 private:
  friend class WorkerMetrics;
  std::size_t surface_count_;
  std::vector<CounterId> requests_;  ///< [surface][outcome]
  std::vector<HistogramId> request_duration_, gateway_time_, upstream_time_, ttft_;
  std::vector<CounterId> refusals_;  ///< [error code]
  std::array<CounterId, kLimitHits> limit_hits_;
  std::array<CounterId, kAuthFailures> auth_failures_;
  CounterId connections_accepted_, retries_refused_, budget_overruns_;
  GaugeId connections_, in_flight_, hold_waiting_, loop_delayed_;
};

/// Series of one model alias; resolve when a snapshot is built, keep beside the alias.
struct AliasSeries {
  std::array<CounterId, kTokenKinds> tokens;
  [[nodiscard]] static AliasSeries resolve(Registry& registry, std::string_view alias);
};
/// Series of one deployment.
struct DeploymentSeries {
  std::array<CounterId, kAttemptResults> attempts;
  CounterId cost;
  [[nodiscard]] static DeploymentSeries resolve(Registry& registry, std::string_view deployment,
                                                std::string_view alias, std::string_view provider);
};
/// Series of one guardrail.
struct GuardrailSeries {
  std::array<CounterId, kGuardActions> verdicts;
  [[nodiscard]] static GuardrailSeries resolve(Registry& registry, std::string_view guardrail);
};

/// A counter and the lane to count in.
class BoundCounter {
 public:
  BoundCounter(Lane& lane, CounterId id) : lane_(lane), id_(id) {}
  void inc(std::int64_t n = 1) noexcept { lane_.add(id_, n); }

 private:
  Lane& lane_;
  CounterId id_;
};
class BoundGauge {
 public:
  BoundGauge(Lane& lane, GaugeId id) : lane_(lane), id_(id) {}
  void inc() noexcept { lane_.add(id_, 1); }
  void dec() noexcept { lane_.add(id_, -1); }

 private:
  Lane& lane_;
  GaugeId id_;
};
class BoundHistogram {
 public:
  BoundHistogram(Lane& lane, HistogramId id) : lane_(lane), id_(id) {}
  void observe(std::chrono::nanoseconds time) noexcept { lane_.observe(id_, time.count()); }

 private:
  Lane& lane_;
  HistogramId id_;
};

/// What a worker counts with: every access is an array index and an addition, no lock, no string.
///
/// `surface` is any enumeration or integer in the order given to CoreSeries; out of range counts as
/// "none". Lifetime: of the worker; refers to series and lane. Threads: the lane's.
class WorkerMetrics {
 public:
  WorkerMetrics(const CoreSeries& series, Lane& lane) : series_(series), lane_(lane) {}

  template <class Surface>
  [[nodiscard]] BoundCounter requests(Surface surface, CallOutcome outcome) noexcept {
    return {lane_, series_.requests_[clamp(surface) * CallOutcome::count() + outcome.index()]};
  }
  template <class Surface>
  [[nodiscard]] BoundHistogram request_duration(Surface surface) noexcept {
    return {lane_, series_.request_duration_[clamp(surface)]};
  }
  template <class Surface>
  [[nodiscard]] BoundHistogram gateway_time(Surface surface) noexcept {
    return {lane_, series_.gateway_time_[clamp(surface)]};
  }
  template <class Surface>
  [[nodiscard]] BoundHistogram upstream_time(Surface surface) noexcept {
    return {lane_, series_.upstream_time_[clamp(surface)]};
  }
  template <class Surface>
  [[nodiscard]] BoundHistogram ttft(Surface surface) noexcept {
    return {lane_, series_.ttft_[clamp(surface)]};
  }
  [[nodiscard]] BoundCounter refusals(base::ErrorCode code) noexcept {
    return {lane_, series_.refusals_[static_cast<std::size_t>(code)]};
  }
  [[nodiscard]] BoundCounter limit_hits(LimitHit limit) noexcept {
    return {lane_, series_.limit_hits_[static_cast<std::size_t>(limit)]};
  }
  [[nodiscard]] BoundCounter auth_failures(AuthFailure reason) noexcept {
    return {lane_, series_.auth_failures_[static_cast<std::size_t>(reason)]};
  }
  [[nodiscard]] BoundCounter connections_accepted() noexcept {
    return {lane_, series_.connections_accepted_};
  }
  [[nodiscard]] BoundCounter retries_refused() noexcept {
    return {lane_, series_.retries_refused_};
  }
  [[nodiscard]] BoundCounter budget_overruns() noexcept {
    return {lane_, series_.budget_overruns_};
  }
  [[nodiscard]] BoundGauge connections() noexcept { return {lane_, series_.connections_}; }
  [[nodiscard]] BoundGauge in_flight() noexcept { return {lane_, series_.in_flight_}; }
  [[nodiscard]] BoundGauge hold_waiting() noexcept { return {lane_, series_.hold_waiting_}; }
  [[nodiscard]] BoundGauge loop_delayed() noexcept { return {lane_, series_.loop_delayed_}; }

  [[nodiscard]] BoundCounter tokens(const AliasSeries& alias, TokenKind kind) noexcept {
    return {lane_, alias.tokens[static_cast<std::size_t>(kind)]};
  }
  [[nodiscard]] BoundCounter attempts(const DeploymentSeries& deployment,
                                      AttemptResult result) noexcept {
    return {lane_, deployment.attempts[static_cast<std::size_t>(result)]};
  }
  void cost(const DeploymentSeries& deployment, base::NanoUsd amount) noexcept {
    lane_.add(deployment.cost, amount.value);
  }
  /// @param action  config::GuardAction.
  template <class GuardAction>
  [[nodiscard]] BoundCounter guardrail_verdicts(const GuardrailSeries& guardrail,
                                                GuardAction action) noexcept {
    return {lane_, guardrail.verdicts[static_cast<std::size_t>(action) % kGuardActions]};
  }
  [[nodiscard]] Lane& lane() noexcept { return lane_; }

 private:
  template <class Surface>
  [[nodiscard]] std::size_t clamp(Surface surface) const noexcept {
    return std::min(static_cast<std::size_t>(surface), series_.no_surface());
  }
  const CoreSeries& series_;
  Lane& lane_;
};

}  // namespace tollgate::telemetry
