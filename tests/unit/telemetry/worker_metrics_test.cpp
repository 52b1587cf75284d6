#include "tollgate/telemetry/worker_metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace tollgate::telemetry {
namespace {

using base::ErrorCode;
using ::testing::HasSubstr;

enum class Surface : std::uint8_t { chat, messages };
enum class FailureKind : std::uint8_t {
  dns,
  connect,
  tls,
  pool_exhausted,
  stale_connection,
  reset
};
enum class GuardAction : std::uint8_t { allow, flag, mask, block };
constexpr std::array<std::string_view, 2> kSurfaces = {"chat", "messages"};

class WorkerMetricsStory : public ::testing::Test {
 protected:
  Registry registry{1};
  CoreSeries core{registry, kSurfaces};
  WorkerMetrics metrics{core, registry.lane(0)};
};

TEST_F(WorkerMetricsStory, CallsBySurfaceAndOutcome) {
  metrics.requests(Surface::chat, CallOutcome::ok()).inc();
  metrics.requests(Surface::messages, CallOutcome::error(ErrorCode::budget_exceeded)).inc();
  metrics.requests(Surface::messages, CallOutcome::relayed_error()).inc(2);
  metrics.requests(99, CallOutcome::error(ErrorCode::bad_http)).inc();
  EXPECT_EQ(registry.value(Family::requests, "chat", "ok"), 1);
  EXPECT_EQ(registry.value(Family::requests, "messages", "budget_exceeded"), 1);
  EXPECT_EQ(registry.value(Family::requests, "messages", "relayed_error"), 2);
  EXPECT_EQ(registry.value(Family::requests, "none", "bad_http"), 1);
}

TEST_F(WorkerMetricsStory, EveryOutcomeHasItsOwnSeries) {
  for (std::size_t i = 0; i < CallOutcome::count(); ++i)
    metrics.requests(Surface::chat, CallOutcome::from_index(i))
        .inc(static_cast<std::int64_t>(i) + 1);
  for (std::size_t i = 0; i < CallOutcome::count(); ++i)
    EXPECT_EQ(registry.value(Family::requests, "chat", CallOutcome::from_index(i).name()),
              static_cast<std::int64_t>(i) + 1);
}

TEST_F(WorkerMetricsStory, RefusalsByCode) {
  for (std::size_t i = 0; i < base::error_code_count(); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    metrics.refusals(code).inc();
    EXPECT_EQ(registry.value(Family::refusals, base::info(code).name), 1);
  }
}

TEST_F(WorkerMetricsStory, Times) {
  metrics.request_duration(Surface::chat).observe(std::chrono::milliseconds(7));
  metrics.gateway_time(Surface::chat).observe(std::chrono::microseconds(11));
  metrics.upstream_time(Surface::messages).observe(std::chrono::seconds(1));
  metrics.ttft(Surface::messages).observe(std::chrono::milliseconds(300));
  EXPECT_EQ(registry.count(Family::request_duration, "chat"), 1);
  EXPECT_EQ(registry.count(Family::gateway_time, "chat"), 1);
  EXPECT_EQ(registry.count(Family::upstream_time, "messages"), 1);
  EXPECT_EQ(registry.count(Family::ttft, "messages"), 1);
  EXPECT_EQ(registry.count(Family::ttft, "chat"), 0);
}

TEST_F(WorkerMetricsStory, LimitsAuthAndConnections) {
  metrics.limit_hits(LimitHit::connections).inc();
  metrics.limit_hits(LimitHit::audit_queue).inc();
  metrics.auth_failures(AuthFailure::missing).inc();
  metrics.auth_failures(AuthFailure::throttled).inc();
  metrics.connections_accepted().inc();
  metrics.connections().inc();
  metrics.in_flight().inc();
  metrics.in_flight().inc();
  metrics.in_flight().dec();
  metrics.retries_refused().inc();
  metrics.budget_overruns().inc();
  EXPECT_EQ(registry.value(Family::limit_hits, "connections"), 1);
  EXPECT_EQ(registry.value(Family::limit_hits, "audit_queue"), 1) << "the last of the names";
  EXPECT_EQ(registry.value(Family::auth_failures, "missing"), 1);
  EXPECT_EQ(registry.value(Family::auth_failures, "throttled"), 1);
  EXPECT_EQ(registry.value(Family::connections_accepted), 1);
  EXPECT_EQ(registry.value(Family::connections), 1);
  EXPECT_EQ(registry.value(Family::in_flight), 1);
  EXPECT_EQ(registry.value(Family::retries_refused), 1);
  EXPECT_EQ(registry.value(Family::budget_overruns), 1);
}

TEST_F(WorkerMetricsStory, TokensAndCostByAlias) {
  const AliasSeries alias = AliasSeries::resolve(registry, "chat");
  const DeploymentSeries deployment =
      DeploymentSeries::resolve(registry, "chat/openai/gpt", "chat", "openai");
  metrics.tokens(alias, TokenKind::input).inc(100);
  metrics.tokens(alias, TokenKind::reasoning).inc(7);
  metrics.cost(deployment, base::NanoUsd{2'500'000});
  EXPECT_EQ(registry.value(Family::tokens, "chat", "input"), 100);
  EXPECT_EQ(registry.value(Family::tokens, "chat", "reasoning"), 7);
  EXPECT_EQ(registry.value(Family::cost, "chat", "openai"), 2'500'000);
  EXPECT_THAT(registry.render(), HasSubstr("{alias=\"chat\",provider=\"openai\"} 0.0025\n"));
}

TEST_F(WorkerMetricsStory, AttemptsByDeploymentAndEnd) {
  const DeploymentSeries d = DeploymentSeries::resolve(registry, "d", "chat", "openai");
  metrics.attempts(d, attempt_status(200)).inc();
  metrics.attempts(d, attempt_status(302)).inc();
  metrics.attempts(d, attempt_status(404)).inc();
  metrics.attempts(d, attempt_status(429)).inc();
  metrics.attempts(d, attempt_status(503)).inc();
  metrics.attempts(d, attempt_failure(FailureKind::connect)).inc();
  metrics.attempts(d, attempt_failure(FailureKind::reset)).inc();
  for (const char* outcome :
       {"ok", "http_3xx", "http_4xx", "http_429", "http_5xx", "connect", "reset"})
    EXPECT_EQ(registry.value(Family::attempts, "d", outcome), 1) << outcome;
  EXPECT_EQ(to_string(AttemptResult::cancelled), "cancelled");
}

TEST_F(WorkerMetricsStory, GuardrailVerdicts) {
  const GuardrailSeries pii = GuardrailSeries::resolve(registry, "pii");
  metrics.guardrail_verdicts(pii, GuardAction::mask).inc(3);
  EXPECT_EQ(registry.value(Family::guardrail_verdicts, "pii", "mask"), 3);
}

}  // namespace
}  // namespace tollgate::telemetry
