// What a hold and its settlement cost: six scopes, a budget on each, as every call pays it.
//
// Bars: BM_HoldSettle_SixScopes <= 500 ns on one thread; contended on two threads <= 2 us.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "tollgate/base/clock.hpp"
#include "tollgate/domain/budget/ledger.hpp"
#include "tollgate/domain/budget/pricing.hpp"
#include "tollgate/domain/keys/key_format.hpp"
#include "tollgate/domain/keys/key_registry.hpp"

namespace {

using namespace tollgate;
using config::ScopeKind;
using domain::budget::Ledger;
using domain::budget::ScopePath;

class NoHistory final : public domain::budget::SpendHistory {
  base::Result<base::NanoUsd> settled_since(ScopeKind, std::string_view, base::WallTime) override {
    return base::NanoUsd{};
  }
  base::Result<std::optional<base::WallTime>> newest_charge() override {
    return std::optional<base::WallTime>();
  }
  base::Result<bool> has_overrun_since(ScopeKind, std::string_view, base::WallTime) override {
    return false;
  }
};

/// Two callers that share team, org, model and provider; `per_scope` budgets on each scope.
struct Scene {
  explicit Scene(int per_scope) {
    config::Snapshot snapshot;
    const std::pair<ScopeKind, const char*> scopes[] = {
        {ScopeKind::key, "k0"},   {ScopeKind::key, "k1"},    {ScopeKind::agent, "a0"},
        {ScopeKind::agent, "a1"}, {ScopeKind::team, "t"},    {ScopeKind::org, "o"},
        {ScopeKind::model, "m"},  {ScopeKind::provider, "p"}};
    for (const auto& [kind, id] : scopes) {
      for (int i = 0; i < per_scope; ++i) {
        config::ScopedBudget b;
        b.scope = kind;
        b.scope_id = id;
        b.budget.name = "b" + std::to_string(i);
        b.budget.limit = {1'000'000'000'000'000'000};
        b.budget.window = static_cast<config::WindowKind>(i % 4);
        snapshot.budgets.push_back(b);
      }
    }
    NoHistory history;
    if (ledger.configure(snapshot, history).has_error()) std::abort();
    for (int i = 0; i < 2; ++i) {
      who[i] = ledger.resolve({{ScopeKind::key, "k" + std::to_string(i)},
                               {ScopeKind::agent, "a" + std::to_string(i)},
                               {ScopeKind::team, "t"},
                               {ScopeKind::org, "o"}});
    }
    what = ledger.resolve({{ScopeKind::model, "m"}, {ScopeKind::provider, "p"}});
  }

  base::SystemClock clock;
  Ledger ledger{clock};
  ScopePath who[2];
  ScopePath what;
};

Scene& scene(int per_scope) {
  static Scene one(1), three(3);
  return per_scope == 1 ? one : three;
}

void BM_HoldSettle_SixScopes(benchmark::State& state) {
  Scene& s = scene(static_cast<int>(state.range(0)));
  const ScopePath& who = s.who[state.thread_index() % 2];
  for (auto _ : state) {
    auto hold = s.ledger.hold(who, s.what, {1'000'000});
    benchmark::DoNotOptimize(hold->settle({1'000}));
  }
}
BENCHMARK(BM_HoldSettle_SixScopes)->ArgName("budgets_per_scope")->Arg(1)->Arg(3);
BENCHMARK(BM_HoldSettle_SixScopes)->ArgName("budgets_per_scope")->Arg(1)->Threads(2)->UseRealTime();

void BM_PlanHoldAndSettleCost(benchmark::State& state) {
  config::Deployment deployment;
  deployment.price.emplace();
  deployment.price->input = {2'500'000};
  deployment.price->output = {10'000'000};
  deployment.price->cache_read = base::PicoUsdPerToken{250'000};
  domain::budget::CallBound bound;
  bound.input_tokens = 1'200;
  bound.output_cap = 1'000;
  const config::Spending spending;
  for (auto _ : state) {
    auto plan = plan_hold(deployment, bound, spending);
    benchmark::DoNotOptimize(plan);
    benchmark::DoNotOptimize(
        domain::budget::settle_cost(deployment.price, {.input = 800, .output = 50}, spending));
  }
}
BENCHMARK(BM_PlanHoldAndSettleCost);

void BM_Authenticate(benchmark::State& state) {
  base::SystemClock clock;
  Ledger ledger(clock);
  domain::keys::Revocations revocations;
  config::Snapshot snapshot;
  std::string text;
  for (int i = 0; i < 1'000; ++i) {
    const base::Secret secret = domain::keys::generate_key();
    text = secret.reveal();
    config::Key key;
    key.id = "k" + std::to_string(i);
    key.digest = domain::keys::key_digest(text);
    snapshot.keys.push_back(key);
  }
  const auto registry = domain::keys::KeyRegistry::build(snapshot, {}, revocations, ledger);
  const base::WallTime now = clock.wall();
  for (auto _ : state) benchmark::DoNotOptimize(registry->authenticate(text, now));
}
BENCHMARK(BM_Authenticate);

}  // namespace

BENCHMARK_MAIN();
