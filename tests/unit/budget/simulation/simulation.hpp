#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/fake_clock.hpp"
#include "tollgate/domain/budget/ledger.hpp"
#include "unit/budget/simulation/model.hpp"
#include "unit/budget/simulation/totals.hpp"
#include "unit/budget/simulation/world.hpp"

namespace tollgate::domain::budget::simulation {

/// A ledger under a random schedule of calls, cancels, attempts, waits, reloads, crashes, window
/// edges and clock steps, held after each step against a model that adds up anew.
///
/// The same seed does the same, always: time is a FakeClock that moves between steps, the store and
/// the journal's file are memory, and all happens on one thread.
class Simulation {
 public:
  explicit Simulation(std::uint64_t seed);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  /// Runs so many steps, then lets all calls end; stops at the first violation.
  void run(int steps);
  /// What was found wrong first, and after which step; empty when nothing was.
  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] const Totals& totals() const { return totals_; }

 private:
  class Recorder;
  /// A call from its hold to its row.
  struct Call {
    Held* main = nullptr;
    std::vector<Held*> parts;  ///< attempts given up
  };
  /// A call as it comes: who it is, and the names that the journal writes down.
  struct Caller {
    std::string call, session, end_user;
    std::vector<ScopeIndex> who;
    ScopePath ledger_who;
    [[nodiscard]] CallRef ref() const { return {call, session, end_user}; }
  };

  std::int64_t pick(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
  }
  bool chance(int percent) { return pick(1, 100) <= percent; }
  std::size_t pick_of(std::size_t count) {
    return static_cast<std::size_t>(pick(0, static_cast<std::int64_t>(count) - 1));
  }
  /// Keeps the first thing that is not as it must be.
  template <class... Args>
  bool expect(bool is_so, fmt::format_string<Args...> what, Args&&... args) {
    if (!is_so && violation_.empty())
      violation_ = fmt::format("step {}: ", step_) + fmt::format(what, std::forward<Args>(args)...);
    return is_so;
  }

  // ---- calls (calls.cpp) ----
  void step();
  void start_call();
  void wait();
  void wait(const Caller& caller, const std::vector<ScopeIndex>& what, const Amounts& least,
            const Amounts& most);
  void cancel_wait();
  void change(Held& held);
  void shrink(Held& held);
  void rebase(Held& held);
  void split(Call& call);
  void end_call(std::size_t at);
  void settle(Held& held);
  void release(Held& held);
  /// A call of a random key; absent when there is no place for its session or end user.
  std::optional<Caller> random_caller();
  std::vector<ScopeIndex> random_what();
  Amounts random_amounts();
  ScopePath resolve(const std::vector<ScopeIndex>& path);
  Held& remember(const Caller& caller, std::vector<ScopeIndex> what, Hold hold);
  void check_grant(const Judgement& judged, const Amounts& least, const Amounts& most,
                   const Amounts& granted);
  void check_refusal(const Judgement& judged, const Refusal& refusal);
  void check_rates(const std::vector<ScopeIndex>& path, const RateStatus& rates);
  /// Thresholds that were told: once each, and not before they are reached. The number of budgets
  /// told closed.
  int hear(const std::vector<BudgetEvent>& events);
  void forget_done_waiters();

  // ---- what happens around them (around.cpp) ----
  void reconfigure();
  void mutate();
  void adjust();
  void advance_clock();
  void record(std::size_t calls);
  void commit(std::size_t settlements);
  void add_row(const Held& held);
  void make_snapshot();
  void start_ledger();

  // ---- crash.cpp ----
  void crash();
  /// What the journal must say.
  std::vector<std::pair<Trace, Held*>> traces();
  Trace trace_of(const Held& held, bool is_settled);
  /// One more step of the ledger alone, which a crash then cuts.
  void last_step(std::vector<std::pair<Trace, Held*>>& traces);
  void check_journal();

  // ---- check.cpp ----
  void check();
  /// No two steps are at one instant.
  void tick();
  [[nodiscard]] MonoMicros mono() const;
  void check_budgets();
  void check_rate_limits();
  void check_counts();
  void check_waiters();
  void quiesce();

  std::mt19937_64 random_;
  test::FakeClock clock_{"2026-10-20T12:00:00Z"};
  Record record_;
  Model model_;
  std::unique_ptr<JournalFile> journal_;
  std::unique_ptr<Ledger> ledger_;
  /// What the configuration says, by kind, id and name.
  std::map<std::tuple<ScopeKind, std::string, std::string>, config::ScopedBudget> budgets_;
  std::map<std::tuple<ScopeKind, std::string, RateUnit>, config::ScopedRateLimit> rates_;
  std::map<Model::Origin, config::EachOf> each_;

  config::Snapshot snapshot_;

  std::vector<std::unique_ptr<Held>> held_;  ///< of this process, ended ones too
  std::vector<Call> calls_;                  ///< open
  std::vector<Call> ended_;                  ///< without a row
  std::vector<Held*> recorded_;              ///< with a row, not committed
  std::set<std::string> rows_;               ///< calls that have a row
  std::vector<std::shared_ptr<Recorder>> waiting_;
  std::set<std::tuple<ScopeKind, std::string, std::string, WallTime, std::uint32_t>> told_;
  bool is_dead_ = false;       ///< holds that arrive belong to a process that is gone
  std::int64_t busy_key_ = 0;  ///< every other call is of this key: lines get long
  bool is_stale_ = false;      ///< time has passed that the ledger has not seen
  int step_ = 0;
  int next_call_ = 0;
  int checks_ = 0;
  std::string violation_;
  Totals totals_;
};

/// A call that waits in line.
class Simulation::Recorder final : public Waiter {
 public:
  Recorder(Simulation& simulation, std::shared_ptr<const Caller> from,
           std::vector<ScopeIndex> scopes, const ScopePath& path, const Amounts& at_least,
           const Amounts& at_most)
      : Waiter(from->ledger_who, path, at_least, at_most, from->ref()),
        caller(std::move(from)),
        what(std::move(scopes)),
        least(at_least),
        most(at_most),
        simulation_(simulation) {}
  void on_outcome(HoldResult outcome) noexcept override;

  bool is_done = false;
  bool is_in_line = false;
  const std::shared_ptr<const Caller> caller;  ///< the ledger views its names
  const std::vector<ScopeIndex> what;
  const Amounts least, most;

 private:
  Simulation& simulation_;
};

}  // namespace tollgate::domain::budget::simulation
