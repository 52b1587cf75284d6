#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "support/fake_clock.hpp"
#include "support/temp_dir.hpp"
#include "tollgate/config/load.hpp"
#include "tollgate/pipeline/chain.hpp"
#include "tollgate/pipeline/runtime.hpp"
#include "tollgate/stages/stages.hpp"

namespace tollgate::stages::testing {

struct QuietAlerts final : pipeline::AlertSink {
  void on_budget_event(const domain::budget::BudgetEvent&) noexcept override {}
  void on_loop(const domain::alerts::LoopFinding&) noexcept override {}
};
struct NoThrottle final : pipeline::AuthThrottle {
  bool blocked(std::string_view, base::MonoTime) noexcept override { return false; }
  void on_failure(std::string_view, std::uint32_t, base::MonoTime) noexcept override {}
};
struct NoUpstream : pipeline::UpstreamClient {
  std::unique_ptr<pipeline::UpstreamExchange> open(const config::Origin&,
                                                   pipeline::CancelSignal&) override {
    return nullptr;
  }
  std::unique_ptr<pipeline::UpstreamExchange> open_demo(pipeline::CancelSignal&) override {
    return nullptr;
  }
  base::Task<bool> sleep_until(base::Deadline, pipeline::CancelSignal&) override { co_return true; }
  void post(std::function<void()>) override {}
};

/// What the calls of a worker share, made from a configuration: a real ledger, store and breaker
/// on a clock that stands still, and no sockets.
struct StageWorld {
  StageWorld(const std::string& yaml, test::FakeClock& time, pipeline::UpstreamClient& upstream,
             pipeline::AlertSink& alerts)
      : clock(time) {
    auto loaded = config::load_text(yaml, dir.file("tollgate.yaml"), config::SystemEnv());
    for (const auto& problem : loaded.problems) ADD_FAILURE() << config::to_string(problem);
    store::StoreOptions options;
    options.audit.path = dir.file("audit.db");
    store = store::AuditStore::open(std::move(options), clock).value();
    const pipeline::Runtime::Shared parts{ledger, revocations, cooldowns, registry};
    runtime = pipeline::Runtime::build(loaded.snapshot, {}, parts).value();
    services.reset(new pipeline::Services{clock,
                                          ledger,
                                          event_streams,
                                          *store,
                                          retry_budget,
                                          breaker,
                                          alerts,
                                          throttle,
                                          in_flight,
                                          telemetry::WorkerMetrics(series, registry.lane(0)),
                                          upstream,
                                          {},
                                          domain::routing::Rng(1),
                                          {}});
  }

  ::tollgate::testing::TempDir dir;
  test::FakeClock& clock;
  domain::budget::Ledger ledger{clock};
  domain::budget::EventStreams event_streams;
  domain::keys::Revocations revocations;
  domain::routing::CooldownTable cooldowns;
  domain::routing::RetryBudget retry_budget;
  domain::loops::LoopBreaker breaker{config::LoopMemory{}};
  telemetry::Registry registry{1};
  telemetry::CoreSeries series{registry, {}};
  NoThrottle throttle;
  std::atomic<std::int64_t> in_flight{0};
  std::unique_ptr<store::AuditStore> store;
  pipeline::RuntimePtr runtime;
  std::unique_ptr<pipeline::Services> services;
};

}  // namespace tollgate::stages::testing
