#include "tollgate/telemetry/worker_metrics.hpp"

namespace tollgate::telemetry {
namespace {

constexpr std::array<std::string_view, kTokenKinds> kTokenKindNames = {
    "input", "output", "cache_read", "cache_write", "reasoning"};
constexpr std::array<std::string_view, kAttemptResults> kAttemptNames = {"ok",
                                                                         "http_3xx",
                                                                         "http_4xx",
                                                                         "http_429",
                                                                         "http_5xx",
                                                                         "dns",
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
constexpr std::array<std::string_view, kAuthFailures> kAuthNames = {
    "missing", "malformed", "unknown", "revoked", "expired", "throttled"};
constexpr std::array<std::string_view, kGuardActions> kActionNames = {"allow", "flag", "mask",
                                                                      "block"};
}  // namespace

std::string_view CallOutcome::name() const noexcept {
  if (index_ == 0) return "ok";
  if (index_ == 1) return "relayed_error";
  return base::info(static_cast<base::ErrorCode>(index_ - 2)).name;
}

std::string_view to_string(AttemptResult result) noexcept {
  return kAttemptNames[static_cast<std::size_t>(result)];
}

CoreSeries::CoreSeries(Registry& registry, std::span<const std::string_view> surfaces)
    : surface_count_(surfaces.size() + 1),
      connections_accepted_(registry.counter(Family::connections_accepted)),
      retries_refused_(registry.counter(Family::retries_refused)),
      budget_overruns_(registry.counter(Family::budget_overruns)),
      connections_(registry.gauge(Family::connections)),
      in_flight_(registry.gauge(Family::in_flight)),
      hold_waiting_(registry.gauge(Family::hold_waiting)),
      loop_delayed_(registry.gauge(Family::loop_delayed)) {
  for (std::size_t s = 0; s < surface_count_; ++s) {
    const std::string_view surface = s < surfaces.size() ? surfaces[s] : "none";
    for (std::size_t o = 0; o < CallOutcome::count(); ++o)
      requests_.push_back(
          registry.counter(Family::requests, surface, CallOutcome::from_index(o).name()));
    request_duration_.push_back(registry.histogram(Family::request_duration, surface));
    gateway_time_.push_back(registry.histogram(Family::gateway_time, surface));
    upstream_time_.push_back(registry.histogram(Family::upstream_time, surface));
    ttft_.push_back(registry.histogram(Family::ttft, surface));
  }
  for (std::size_t i = 0; i < base::error_code_count(); ++i)
    refusals_.push_back(
        registry.counter(Family::refusals, base::info(static_cast<base::ErrorCode>(i)).name));
  for (std::size_t i = 0; i < kLimitHits; ++i)
    limit_hits_[i] = registry.counter(Family::limit_hits, to_string(static_cast<LimitHit>(i)));
  for (std::size_t i = 0; i < kAuthFailures; ++i)
    auth_failures_[i] = registry.counter(Family::auth_failures, kAuthNames[i]);
}

AliasSeries AliasSeries::resolve(Registry& registry, std::string_view alias) {
  AliasSeries series;
  for (std::size_t i = 0; i < kTokenKinds; ++i)
    series.tokens[i] = registry.counter(Family::tokens, alias, kTokenKindNames[i]);
  return series;
}

DeploymentSeries DeploymentSeries::resolve(Registry& registry, std::string_view deployment,
                                           std::string_view alias, std::string_view provider) {
  DeploymentSeries series;
  for (std::size_t i = 0; i < kAttemptResults; ++i)
    series.attempts[i] = registry.counter(Family::attempts, deployment, kAttemptNames[i]);
  series.cost = registry.counter(Family::cost, alias, provider);
  return series;
}

GuardrailSeries GuardrailSeries::resolve(Registry& registry, std::string_view guardrail) {
  GuardrailSeries series;
  for (std::size_t i = 0; i < kGuardActions; ++i)
    series.verdicts[i] = registry.counter(Family::guardrail_verdicts, guardrail, kActionNames[i]);
  return series;
}

}  // namespace tollgate::telemetry
