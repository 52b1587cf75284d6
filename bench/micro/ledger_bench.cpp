// What a hold and its settlement cost: six scopes, a budget on each, as every call pays it.
//
// `call_ns` is what one caller waits for. Its bars are held by bench/run.py (bars.py).
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/domain/budget/journal.hpp"
#include "tollgate/domain/budget/ledger.hpp"
#include "tollgate/domain/budget/pricing.hpp"
#include "tollgate/domain/keys/key_format.hpp"
#include "tollgate/domain/keys/key_registry.hpp"
#include "tollgate/store/journal_file.hpp"

namespace {

using namespace tollgate;
using config::ScopeKind;
using domain::budget::Ledger;
using domain::budget::ScopePath;

class NoHistory final : public domain::budget::SpendHistory {
  base::Result<domain::budget::Sums> settled_since(ScopeKind, std::string_view,
                                                   base::WallTime) override {
    return domain::budget::Sums{};
  }
  base::Result<std::vector<std::string>> live_scopes_since(ScopeKind, base::WallTime,
                                                           std::size_t) override {
    return std::vector<std::string>();
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
  explicit Scene(int per_scope, domain::budget::Journal* journal = nullptr)
      : ledger(clock, {.journal = journal}) {
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
        b.budget.window = static_cast<config::WindowKind>(2 + i % 4);
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
  Ledger ledger;
  ScopePath who[2];
  ScopePath what;
};

/// Tells what a thread's own iteration took: the library divides real time by the threads.
class CallTime {
 public:
  explicit CallTime(benchmark::State& state) : state_(state) {}
  CallTime(const CallTime&) = delete;
  CallTime& operator=(const CallTime&) = delete;
  ~CallTime() {
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin_;
    state_.counters["call_ns"] = benchmark::Counter(
        took.count() / static_cast<double>(state_.iterations()), benchmark::Counter::kAvgThreads);
  }

 private:
  benchmark::State& state_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

Scene& scene(int per_scope) {
  static Scene one(1), three(3);
  return per_scope == 1 ? one : three;
}

void BM_HoldSettle_SixScopes(benchmark::State& state) {
  Scene& s = scene(static_cast<int>(state.range(0)));
  const ScopePath& who = s.who[state.thread_index() % 2];
  const CallTime time(state);
  for (auto _ : state) {
    auto hold = s.ledger.hold(who, s.what, base::NanoUsd{1'000'000});
    benchmark::DoNotOptimize(hold->settle(base::NanoUsd{1'000}));
  }
}
BENCHMARK(BM_HoldSettle_SixScopes)->ArgName("budgets_per_scope")->Arg(1)->Arg(3);
BENCHMARK(BM_HoldSettle_SixScopes)->ArgName("budgets_per_scope")->Arg(1)->Threads(2)->UseRealTime();

/// A journal in plain memory.
struct Journaled {
  Journaled() {
    memory.resize(domain::budget::Journal::kChunkBytes + 512);
    const auto at = reinterpret_cast<std::uintptr_t>(memory.data());
    std::byte* const chunk = memory.data() + (512 - at % 512) % 512;
    domain::budget::Journal::format({chunk, domain::budget::Journal::kChunkBytes});
    journal.grow(chunk);
  }
  std::vector<std::byte> memory;
  domain::budget::Journal journal;
  Scene scene{1, &journal};
};

/// The journal that ships: a mapped file, and the thread that syncs it and touches its pages.
class JournalOnDisk {
 public:
  JournalOnDisk() {
    std::string name = (std::filesystem::temp_directory_path() / "tollgate-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    directory_ = name;
    store::JournalFile::Options options;
    options.database = (directory_ / "audit.db").string();
    options.wal = options.database + "-wal";
    std::ofstream(options.wal).flush();
    auto made = store::JournalFile::create(std::move(options), 1);
    if (made.has_error() || (*made)->adopt().has_error()) std::abort();
    file_ = std::move(*made);
    file_->start();
    scene = std::make_unique<Scene>(1, &file_->journal());
  }
  JournalOnDisk(const JournalOnDisk&) = delete;
  JournalOnDisk& operator=(const JournalOnDisk&) = delete;
  ~JournalOnDisk() {
    scene.reset();
    file_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  std::unique_ptr<Scene> scene;

 private:
  std::filesystem::path directory_;
  std::unique_ptr<store::JournalFile> file_;
};

/// Each iteration settles the oldest of `open` calls and begins another, so that its slots lie on
/// as many pages as those of so many calls at once.
void hold_and_settle(benchmark::State& state, Scene& s, std::size_t open) {
  const ScopePath& who = s.who[state.thread_index() % 2];
  const domain::budget::CallRef call{"req_01ARZ3NDEKTSV4RRFFQ69G5FAV", {}, {}};
  std::vector<domain::budget::HoldResult> calls;
  const auto settle = [&](domain::budget::HoldResult& hold) {
    const domain::budget::SlotNumber slot = hold->settle(base::NanoUsd{1'000}).slot;
    s.ledger.committed({&slot, 1});
  };
  for (std::size_t i = 0; i < open; ++i)
    calls.push_back(s.ledger.hold(who, s.what, base::NanoUsd{1'000'000}, call));
  std::size_t at = 0;
  {
    const CallTime time(state);
    for (auto _ : state) {
      settle(calls[at]);
      calls[at] = s.ledger.hold(who, s.what, base::NanoUsd{1'000'000}, call);
      at = at + 1 == open ? 0 : at + 1;
    }
  }
  for (auto& hold : calls) settle(hold);
}

void BM_HoldSettle_Journal(benchmark::State& state) {
  static Journaled journaled;
  hold_and_settle(state, journaled.scene, static_cast<std::size_t>(state.range(0)));
}
BENCHMARK(BM_HoldSettle_Journal)->ArgName("open")->Arg(1)->Arg(256);
BENCHMARK(BM_HoldSettle_Journal)->ArgName("open")->Arg(256)->Threads(2)->UseRealTime();

/// Long enough for several syncs, one a second.
void BM_HoldSettle_JournalFile(benchmark::State& state) {
  static JournalOnDisk on_disk;
  hold_and_settle(state, *on_disk.scene, static_cast<std::size_t>(state.range(0)));
}
BENCHMARK(BM_HoldSettle_JournalFile)->ArgName("open")->Arg(1)->Arg(256)->MinTime(4)->UseRealTime();
BENCHMARK(BM_HoldSettle_JournalFile)
    ->ArgName("open")
    ->Arg(256)
    ->Threads(2)
    ->MinTime(4)
    ->UseRealTime();

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
