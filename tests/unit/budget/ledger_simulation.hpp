#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tollgate/domain/budget/window.hpp"
#include "unit/budget/ledger_fixture.hpp"

namespace tollgate::domain::budget {

using ScopeId = std::pair<ScopeKind, std::string>;
using BudgetId = std::tuple<ScopeKind, std::string, std::string>;

/// One call as the model remembers it, settled or open.
struct Call {
  std::vector<ScopeId> who, what;
  NanoUsd amount;  ///< held while open, charged once settled
  WallTime held_at;
  bool is_open = true;
  Hold hold;
};

/// A ledger under a random schedule of calls, cancels, waits, reloads, restarts and clock steps,
/// held after each step against a model that keeps every call and adds up anew.
class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed), ledger_(make_ledger()) { reconfigure(); }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) {
      step();
      check();
    }
    for (const auto& waiter : waiting_) ledger_->cancel(*waiter);
    waiting_.clear();
    while (!open_.empty()) settle(open_.size() - 1, 0);
    check();
    EXPECT_EQ(ledger_->open_holds(), 0u);
    for (const BudgetRow& row : ledger_->snapshot_all()) EXPECT_EQ(row.held, NanoUsd{});
  }

  int granted = 0, refused = 0, overruns = 0, waited = 0, reloads = 0, restarts = 0;

 private:
  class Recorder final : public Waiter {
   public:
    Recorder(Simulation& sim, std::vector<ScopeId> who, std::vector<ScopeId> what, NanoUsd amount)
        : Waiter(sim.path(who), sim.path(what), amount, amount),
          sim_(sim),
          who_(std::move(who)),
          what_(std::move(what)) {}
    void on_outcome(HoldResult outcome) noexcept override {
      is_done = true;
      if (!outcome.has_value()) return;
      ++sim_.waited;
      sim_.remember(who_, what_, std::move(*outcome));
    }
    bool is_done = false;

   private:
    Simulation& sim_;
    std::vector<ScopeId> who_, what_;
  };

  std::int64_t pick(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
  }
  bool chance(int percent) { return pick(1, 100) <= percent; }

  std::unique_ptr<Ledger> make_ledger() {
    return std::make_unique<Ledger>(clock_, Ledger::Options{.max_waiters = 6, .open_holds = 4});
  }
  ScopePath path(const std::vector<ScopeId>& scopes) {
    ScopeName names[4];
    for (std::size_t i = 0; i < scopes.size(); ++i) names[i] = {scopes[i].first, scopes[i].second};
    return ledger_->resolve({names[0], names[1], names[2], names[3]});
  }
  std::vector<ScopeId> random_who() {
    const auto k = pick(0, 5);
    return {{ScopeKind::key, "k" + std::to_string(k)},
            {ScopeKind::agent, "a" + std::to_string(k / 2)},
            {ScopeKind::team, "t" + std::to_string(chance(10) ? pick(0, 1) : k / 3)},
            {ScopeKind::org, "o"}};
  }
  std::vector<ScopeId> random_what() {
    return {{ScopeKind::model, "m" + std::to_string(pick(0, 2))},
            {ScopeKind::provider, "p" + std::to_string(pick(0, 1))}};
  }
  NanoUsd random_amount() {
    return {chance(5) ? 0 : chance(20) ? pick(1, 3) : pick(1, 400'000'000)};
  }

  void reconfigure() {
    std::vector<ScopeId> all{{ScopeKind::org, "o"}};
    for (int i = 0; i < 6; ++i) all.push_back({ScopeKind::key, "k" + std::to_string(i)});
    for (int i = 0; i < 3; ++i) all.push_back({ScopeKind::agent, "a" + std::to_string(i)});
    for (int i = 0; i < 2; ++i) all.push_back({ScopeKind::team, "t" + std::to_string(i)});
    for (int i = 0; i < 3; ++i) all.push_back({ScopeKind::model, "m" + std::to_string(i)});
    for (int i = 0; i < 2; ++i) all.push_back({ScopeKind::provider, "p" + std::to_string(i)});
    static constexpr const char* kZones[] = {"UTC", "Europe/Berlin", "America/Havana",
                                             "Africa/Cairo"};
    for (const auto& [kind, id] : all) {
      for (const char* name : {"x", "y"}) {
        const BudgetId budget{kind, id, name};
        const bool known = budgets_.count(budget) != 0;
        if (known && chance(70)) continue;
        if (known && chance(20)) {
          budgets_.erase(budget);
          continue;
        }
        if (!known && chance(50)) continue;
        config::ScopedBudget b = known && chance(60)
                                     ? budgets_.at(budget)  // only the limit changes
                                     : budget_of(kind, id, {}, static_cast<WindowKind>(pick(0, 3)),
                                                 name, kZones[pick(0, 3)], {50, 80, 100});
        b.budget.limit = {pick(0, kind == ScopeKind::key ? 3'000'000'000 : 12'000'000'000)};
        budgets_[budget] = b;
      }
    }
    config::Snapshot snapshot;
    for (const auto& [id, b] : budgets_) snapshot.budgets.push_back(b);
    std::shuffle(snapshot.budgets.begin(), snapshot.budgets.end(), random_);
    bounds_.clear();
    told_.clear();
    see_time();
    ASSERT_TRUE(ledger_->configure(snapshot, history_).has_value());
    ended_waiters();
    ++reloads;
  }

  void see_time() { now_ = std::max(now_, clock_.wall()); }

  void ended_waiters() {
    std::erase_if(waiting_, [](const auto& w) { return w->is_done; });
  }

  void remember(const std::vector<ScopeId>& who, const std::vector<ScopeId>& what, Hold hold) {
    auto call = std::make_unique<Call>();
    call->who = who;
    call->what = what;
    call->amount = hold.amount();
    call->held_at = now_;
    call->hold = std::move(hold);
    open_.push_back(call.get());
    calls_.push_back(std::move(call));
  }

  [[nodiscard]] bool on(const Call& call, const ScopeId& scope) const {
    return std::find(call.who.begin(), call.who.end(), scope) != call.who.end() ||
           std::find(call.what.begin(), call.what.end(), scope) != call.what.end();
  }
  /// Spent and held of a scope since a time, from the calls themselves.
  [[nodiscard]] std::pair<NanoUsd, NanoUsd> sums(const ScopeId& scope, WallTime since) const {
    NanoUsd spent, held;
    for (const auto& call : calls_) {
      if (call->held_at >= since && on(*call, scope))
        (call->is_open ? held : spent) += call->amount;
    }
    return {spent, held};
  }

  /// A refusal must be true: some budget on the path has no room for `asked`, `own` left out.
  void check_refusal(const std::vector<ScopeId>& who, const std::vector<ScopeId>& what,
                     NanoUsd asked, const Call* own) {
    ++refused;
    for (const auto* side : {&who, &what}) {
      for (const ScopeId& scope : *side) {
        for (const BudgetRow& row : ledger_->snapshot_of(path({scope}))) {
          auto [spent, held] = sums(scope, row.window_start);
          if (own != nullptr && own->held_at >= row.window_start && on(*own, scope)) {
            held -= own->amount;
          }
          if (row.is_closed || spent + held + asked > row.limit) return;
        }
      }
    }
    FAIL() << "refused, but everything fits";
  }

  void step() {
    const auto what = pick(0, 99);
    if (what < 35) return start_call();
    if (what < 39) return wait();
    if (what < 42) {
      if (waiting_.empty()) return;
      ledger_->cancel(*waiting_.front());
      waiting_.erase(waiting_.begin());
      return;
    }
    if (what < 44) return advance_clock();
    if (what < 46) {  // a correction of seconds, or a wrong hour
      clock_.set_wall(clock_.wall() - std::chrono::seconds(chance(50) ? pick(1, 60) : 7'200));
      return;
    }
    if (what < 48) return reconfigure();
    if (what < 49 && chance(20)) return restart();
    if (open_.empty()) return;
    const auto at = static_cast<std::size_t>(pick(0, static_cast<std::int64_t>(open_.size()) - 1));
    if (what < 60) return change(at);
    if (what < 68) {
      Call* call = open_[at];
      forget_open(at);
      call->amount = {};
      if (chance(50)) {
        call->hold.release();
      } else {
        const Hold dies = std::move(call->hold);
      }
      return;
    }
    settle(at, 6);
  }

  void start_call() {
    auto who = random_who();
    auto what = random_what();
    const NanoUsd least = random_amount();
    const NanoUsd most = chance(30) ? least + random_amount() : least;
    see_time();
    HoldResult result = ledger_->hold_between(path(who), path(what), least, most);
    ended_waiters();
    if (!result.has_value()) return check_refusal(who, what, least, nullptr);
    ++granted;
    EXPECT_GE(result->amount(), least);
    EXPECT_LE(result->amount(), most);
    remember(who, what, std::move(*result));
  }

  void wait() {
    auto waiter = std::make_shared<Recorder>(*this, random_who(), random_what(), random_amount());
    see_time();
    if (ledger_->wait(waiter) && !waiter->is_done) waiting_.push_back(waiter);
    ended_waiters();
  }

  void advance_clock() {
    const auto way = pick(0, 9);
    clock_.advance(way < 5   ? std::chrono::minutes(pick(1, 60))
                   : way < 9 ? std::chrono::hours(pick(1, 30))
                             : std::chrono::hours(24 * pick(2, 20)));
  }

  void change(std::size_t at) {
    Call& call = *open_[at];
    const auto way = pick(0, 2);
    const NanoUsd total = random_amount();
    see_time();
    if (way == 0) {
      const NanoUsd before = call.amount;
      // The waiters served by this step must see the call as it is then.
      if (total < before) call.amount = total;
      call.hold.shrink(total);
    } else if (way == 1) {
      const NanoUsd most = total + random_amount();
      const ReholdResult result = call.hold.rebase(path(call.what), total, most);
      if (result.has_error()) return check_refusal(call.who, call.what, total, &call);
      EXPECT_GE(call.hold.amount(), total);
      EXPECT_LE(call.hold.amount(), most);
      call.amount = call.hold.amount();
      call.held_at = now_;
    } else {
      auto what = random_what();
      const ReholdResult result = call.hold.rebase(path(what), total);
      if (result.has_error()) return check_refusal(call.who, what, total, &call);
      call.what = what;
      call.amount = total;
      call.held_at = now_;
    }
    EXPECT_EQ(call.hold.amount(), call.amount);
    ended_waiters();
  }

  void forget_open(std::size_t at) {
    open_[at]->is_open = false;
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(at));
  }

  void settle(std::size_t at, int overrun_percent) {
    Call& call = *open_[at];
    const bool is_over = chance(overrun_percent);
    const NanoUsd actual =
        is_over ? call.amount + NanoUsd{pick(1, 300'000'000)} : NanoUsd{pick(0, call.amount.value)};
    const NanoUsd held = call.amount;
    forget_open(at);
    call.amount = actual;
    if (is_over) ++overruns;
    const Settlement s = call.hold.settle(actual);
    EXPECT_EQ(s.amount, actual);
    EXPECT_EQ(s.held, held);
    EXPECT_EQ(s.charged_at, call.held_at);
    EXPECT_EQ(s.overrun, is_over ? actual - held : NanoUsd{});
    for (const auto* side : {&call.who, &call.what}) {
      for (const ScopeId& scope : *side) {
        history_.record(scope.first, scope.second, actual, s.charged_at);
        // A bill above the hold may lift the budgets it lies on above their bound, by that much.
        if (is_over) lifted_[scope] += actual - held;
      }
    }
    for (const BudgetEvent& e : s.events) {
      EXPECT_TRUE(told_
                      .insert({e.scope, std::string(e.scope_id), std::string(e.budget),
                               e.window_start, e.kind == BudgetEvent::Kind::closed ? 0 : e.percent})
                      .second)
          << "told twice";
    }
    ended_waiters();
  }

  void restart() {
    ++restarts;
    while (!open_.empty()) {
      Call* call = open_.back();
      forget_open(open_.size() - 1);
      call->amount = {};
      call->hold.release();
      ended_waiters();
    }
    for (const auto& waiter : waiting_) ledger_->cancel(*waiter);
    waiting_.clear();
    ledger_ = make_ledger();
    // What the process knew of time and did not write down is gone with it.
    now_ = clock_.wall();
    if (const auto newest = history_.newest_charge().value(); newest && *newest > now_)
      now_ = *newest;
    ASSERT_TRUE(ledger_->load(history_).has_value());
    reconfigure();
  }

  void check() {
    see_time();
    (void)ledger_->snapshot_all();  // opens the windows that are due, which may serve waiters
    const auto rows = ledger_->snapshot_all();
    ended_waiters();
    ASSERT_EQ(rows.size(), budgets_.size());
    for (const BudgetRow& row : rows) {
      const ScopeId scope{row.scope, std::string(row.scope_id)};
      const BudgetId id{row.scope, std::string(row.scope_id), std::string(row.budget)};
      const config::Budget& b = budgets_.at(id).budget;
      const Window window = Calendar::find(b.window, b.time_zone)->window_at(now_);
      ASSERT_EQ(row.window_start, window.start) << row.scope_id;
      ASSERT_EQ(row.limit, b.limit);
      const auto [spent, held] = sums(scope, window.start);
      ASSERT_EQ(row.spent.value, spent.value) << row.scope_id << "/" << row.budget;
      ASSERT_EQ(row.held.value, held.value) << row.scope_id << "/" << row.budget;
      // spent + held <= limit; where an edit or an overrun broke that, it only ever comes down.
      auto [it, is_new] = bounds_.try_emplace(std::pair(id, window.start),
                                              std::max(row.limit, row.spent + row.held));
      NanoUsd& bound = it->second;
      if (!is_new) {
        if (const auto lift = lifted_.find(scope); lift != lifted_.end()) bound += lift->second;
        ASSERT_LE(row.spent + row.held, bound) << row.scope_id << "/" << row.budget;
        bound = std::max(row.limit, row.spent + row.held);
      } else if (generation_checked_) {
        // A window that opens by the clock starts within its limit.
        if (reloads == reloads_checked_) {
          ASSERT_LE(row.spent + row.held, row.limit);
        }
      }
    }
    generation_checked_ = true;
    reloads_checked_ = reloads;
    lifted_.clear();
    ASSERT_EQ(ledger_->open_holds(), open_.size());
    ASSERT_EQ(ledger_->waiting(), waiting_.size());
  }

  std::mt19937_64 random_;
  FakeClock clock_{"2026-10-20T12:00:00Z"};
  FakeHistory history_;
  WallTime now_ = clock_.wall();
  std::unique_ptr<Ledger> ledger_;
  std::map<BudgetId, config::ScopedBudget> budgets_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Call*> open_;
  std::vector<std::shared_ptr<Recorder>> waiting_;
  std::map<std::pair<BudgetId, WallTime>, NanoUsd> bounds_;
  std::map<ScopeId, NanoUsd> lifted_;
  std::set<std::tuple<ScopeKind, std::string, std::string, WallTime, std::uint32_t>> told_;
  bool generation_checked_ = false;
  int reloads_checked_ = 0;
};

}  // namespace tollgate::domain::budget
