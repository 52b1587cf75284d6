#pragma once

#include <atomic>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/id.hpp"
#include "tollgate/domain/alerts/loop_finding.hpp"
#include "tollgate/domain/budget/event_streams.hpp"
#include "tollgate/domain/budget/ledger.hpp"
#include "tollgate/domain/loops/loop_breaker.hpp"
#include "tollgate/domain/policy/scanner.hpp"
#include "tollgate/domain/routing/retry_budget.hpp"
#include "tollgate/domain/routing/rng.hpp"
#include "tollgate/pipeline/exchange.hpp"
#include "tollgate/store/audit_store.hpp"
#include "tollgate/telemetry/worker_metrics.hpp"

namespace tollgate::pipeline {

/// Told of budget thresholds, overruns and loops; writes the log line, counts, and queues the
/// webhooks.
/// Threads: any. Must not block.
class AlertSink {
 public:
  virtual ~AlertSink() = default;
  virtual void on_budget_event(const domain::budget::BudgetEvent& event) noexcept = 0;
  virtual void on_loop(const domain::alerts::LoopFinding& finding) noexcept = 0;
};

/// Limits how often one client address may present bad keys; shared by all workers. Valid keys are
/// never held up: an address may stand for many callers, and one of them must not lock out the
/// rest.
class AuthThrottle {
 public:
  virtual ~AuthThrottle() = default;
  /// Whether this address has used up its failures for now. Ask about bad keys only.
  [[nodiscard]] virtual bool blocked(std::string_view address, base::MonoTime now) noexcept = 0;
  virtual void on_failure(std::string_view address, std::uint32_t per_minute,
                          base::MonoTime now) noexcept = 0;
};

/// What the stages of one worker work with. References outlive the worker; the scanner, rng and id
/// generator are the worker's own.
struct Services {
  const base::Clock& clock;
  domain::budget::Ledger& ledger;
  domain::budget::EventStreams& event_streams;
  store::AuditStore& store;
  domain::routing::RetryBudget& retry_budget;
  domain::loops::LoopBreaker& loops;
  AlertSink& alerts;
  AuthThrottle& throttle;
  std::atomic<std::int64_t>& in_flight;  ///< calls inside the pipeline, whole process
  telemetry::WorkerMetrics metrics;
  UpstreamClient& upstream;
  domain::policy::Scanner scanner;
  domain::routing::Rng rng;
  base::IdGenerator ids;
};

}  // namespace tollgate::pipeline
