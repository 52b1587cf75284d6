#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/budget/hold.hpp"
#include "tollgate/domain/budget/live_sources.hpp"
#include "tollgate/domain/budget/spend_history.hpp"

namespace tollgate::domain::budget {

class Journal;

/// Keeps every budget's cap and every rate limit: what a call can use at most is held before it
/// starts, on all scopes of its path in one step, and settled truly at its end.
///
/// Place:      domain/budget; the one authority over spend in this process. Does no IO.
/// Lifetime:   one per process; outlives workers, holds and registries; survives reload.
/// Threads:    all members, any thread. One mutex over everything, held for some 100 ns: calls
///             share org, model and provider scopes, so finer locks would be taken several at a
///             time and in order, for more than the whole step costs. Never held over IO, callbacks
///             or allocation by a call (a pool of holds grows only beyond the largest number ever
///             open; a session or end user seen for the first time is allocated once).
/// Invariant:  spent + held <= limit for each scope, budget, window and instant, while providers
///             keep to their cap and no limit is edited below what is already used
///             (property-tested).
/// Time:       budget time is the latest wall time the ledger has seen. A clock that steps back
///             does not move it: no window opens twice, no spend moves. It waits for the clock to
///             come up again (or for a restart, see load()). A clock that steps forward opens the
///             later window early, once. Rate limits run on the monotonic clock.
/// Free calls: a budget that is used up, or closed, refuses those too: a key whose money is gone
///             does nothing any more. Holds of others in flight do not stop what costs nothing.
/// Crash:      with a journal every open hold is written to its slot before hold() returns, and its
///             settlement before settle() returns, outside the lock. The slot of a settlement frees
///             by committed().
/// Seams:      a limit may be any slice of a budget (a lease from another authority is an edit of
///             the limit).
class Ledger {
 public:
  struct Options {
    std::size_t max_waiters = 1'024;  ///< wait() refuses beyond; cost of one scan is linear in it
    /// Of them by one caller, the first scope of `who`: the others' waits must not end at the first
    /// because one key has filled the line.
    std::size_t max_waiters_of_one = 256;
    std::size_t open_holds = 1'024;  ///< slots made up front
    Journal* journal = nullptr;      ///< outlives the ledger; null: nothing survives a crash
  };

  explicit Ledger(const base::Clock& clock);
  Ledger(const base::Clock& clock, Options options);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// Turns scope names into a path; names with an empty id are skipped, at most
  /// ScopePath::kCapacity kept. Scopes need no budget: one added later covers calls already in
  /// flight. Not for the hot path.
  [[nodiscard]] ScopePath resolve(std::initializer_list<ScopeName> names) {
    return resolve(std::span(names.begin(), names.size()));
  }
  [[nodiscard]] ScopePath resolve(std::span<const ScopeName> names);

  /// Whose sessions and end users the calls of a key count for (config `each_session`,
  /// `each_end_user`), as configured last. Valid across reloads, as a path is. Not for the hot
  /// path.
  [[nodiscard]] LiveSources live_sources(const KeyOwners& owners);
  /// Adds the scopes of a call's own session and end user to the path of its key. The path is good
  /// for a minute, while it holds something or waits in line, and for a minute after a wait; then
  /// their place may be another's.
  ///
  /// Of spending.live_scopes known ones the owner that has the most gives one up that was idle for
  /// a minute, one without a charge first, and its spend is forgotten here: nobody can take the
  /// places of others.
  ///
  /// Errors: invalid_request (one is required and the call names none), overloaded
  /// (spending.live_scopes are known, and none can be given up).
  [[nodiscard]] base::Result<void> add_live(const LiveSources& sources, const CallRef& call,
                                            ScopePath& path);

  /// Holds `amount` on every scope of `who` (key, agent, team, org, ...) and `what` (model,
  /// provider), or on none. The two paths must not share a scope.
  [[nodiscard]] HoldResult hold(const ScopePath& who, const ScopePath& what, Amounts amount,
                                const CallRef& call = {}) noexcept {
    return hold_between(who, what, amount, amount, call);
  }
  /// Holds of each unit the largest amount of the range that fits, in one step: between asking for
  /// room and holding it another call could take it.
  ///
  /// Where calls stand side by side each gets its share, so that none takes all that is left: of
  /// what is free on a scope, one part of as many as calls hold or wait there, it among them (now,
  /// or at once within the last minute), and of kMostParts at most; `range.useful` in any case. A
  /// call that is alone gets all it asks for that is free.
  /// @param rates  filled in, granted or refused, when there are rate limits on the path.
  [[nodiscard]] HoldResult hold_between(const ScopePath& who, const ScopePath& what,
                                        const HoldRange& range, const CallRef& call = {},
                                        RateStatus* rates = nullptr) noexcept;
  /// The same, and all that is free up to `most`.
  [[nodiscard]] HoldResult hold_between(const ScopePath& who, const ScopePath& what,
                                        const Amounts& least, const Amounts& most,
                                        const CallRef& call = {},
                                        RateStatus* rates = nullptr) noexcept {
    return hold_between(who, what, HoldRange(least, most), call, rates);
  }
  /// Of each unit the tightest rate limit on a path, as it is now.
  [[nodiscard]] RateStatus rate_status(const ScopePath& who, const ScopePath& what) noexcept;
  /// Calls beyond so many make shares no smaller: of a scope that many use, each takes at most an
  /// eighth of what is free, and what is free comes to rest at eight such holds.
  static constexpr std::int64_t kMostParts = 8;

  /// Queues a call whose refusal says can_wait. True: on_outcome is called once, perhaps before
  /// this returns. False: the queue is full, or has as many of this caller's calls as one may have;
  /// on_outcome is never called.
  [[nodiscard]] bool wait(const std::shared_ptr<Waiter>& waiter);
  /// True: taken out, on_outcome will not be called. False: it was, or is about to be, on another
  /// thread (then a Hold may still arrive and must be kept or dropped). Others who stood behind it
  /// may be told before this returns.
  bool cancel(const Waiter& waiter) noexcept;
  /// Opens the windows on a waiting call's path whose time has come, and serves the line with what
  /// they bring: without it a window opens only when some call touches it.
  /// @return when the next of them opens, later than now by the clock; absent where none does.
  std::optional<base::WallTime> open_windows(const Waiter& waiter) noexcept;

  /// The rows of these settlements are on disk: their slots are free. Any thread, one lock for all.
  void committed(std::span<const SlotNumber> slots) noexcept;

  /// Takes over budgets, rate limits and live sources of a configuration; all of it or, on an
  /// error, nothing.
  ///
  /// A budget is known by (scope kind, scope id, name). Known: limit and alerts are edited in
  /// place. New, or with another unit, window or zone: its spend is read from `history`, holds in
  /// flight on its scope count, and it is closed when an overrun on record broke its limit. Gone:
  /// dropped at once; holds in flight on it settle elsewhere as before. A rate limit keeps its
  /// count while unit and window stay; a new one counts calls in flight and requests from now on.
  /// Not for the hot path. Errors: invalid_request (unknown zone), whatever `history` says.
  /// @param events  gets the thresholds that edits have put below what known budgets have spent.
  ///                Null: the next settlement on each tells them.
  [[nodiscard]] base::Result<void> configure(const config::Snapshot& snapshot,
                                             SpendHistory& history,
                                             std::vector<BudgetEvent>* events = nullptr);
  /// Sets every budget's spend from the record (and closes those whose limit an overrun has broken)
  /// and budget time to the newest row, and takes up the sessions and end users that calls brought
  /// lately; once at start, after the first configure(). Rows from more than 32 days ahead of the
  /// clock are taken for a clock fault and do not move budget time.
  [[nodiscard]] base::Result<void> load(SpendHistory& history);

  /// Adds to the spend of one scope's budgets that count in `unit`, or takes from it, in the
  /// windows open now: an operator's correction, recorded by the caller under the time returned.
  /// Where more is given back than was spent, so much more than the limit fits until the window
  /// ends.
  /// @param events  gets the thresholds that it crosses; null as of configure().
  [[nodiscard]] base::WallTime adjust(ScopeName scope, config::BudgetUnit unit,
                                      base::Quantity change,
                                      std::vector<BudgetEvent>* events = nullptr);

  /// Every budget, sorted by scope kind, id and name.
  [[nodiscard]] std::vector<BudgetRow> snapshot_all();
  /// The budgets on one path, in its order: what one agent may see of itself.
  [[nodiscard]] std::vector<BudgetRow> snapshot_of(const ScopePath& path);
  /// Every rate limit, sorted likewise.
  [[nodiscard]] std::vector<RateRow> rates_all();
  [[nodiscard]] std::vector<RateRow> rates_of(const ScopePath& path);
  /// Calls that hold money now, and calls that wait: for metrics.
  [[nodiscard]] std::size_t open_holds() const noexcept;
  /// Settlements whose rows are not on disk yet.
  [[nodiscard]] std::size_t uncommitted() const noexcept;
  /// The sum of all open holds, each counted once however many scopes it is on.
  [[nodiscard]] base::NanoUsd held() const noexcept;
  [[nodiscard]] std::size_t waiting() const noexcept;
  /// Sessions and end users known now.
  [[nodiscard]] std::size_t live_scopes() const noexcept;

 private:
  friend class Hold;
  friend struct Books;
  [[nodiscard]] ReholdResult rehold(Hold& hold, const ScopePath& what,
                                    const HoldRange& range) noexcept;
  void shrink(Hold& hold, const Amounts& total) noexcept;
  [[nodiscard]] Hold split(Hold& hold, const Amounts& charge) noexcept;
  [[nodiscard]] Settlement settle(Hold& hold, const Amounts& actual, bool is_estimated,
                                  HeldAt bound) noexcept;
  void release(Hold& hold) noexcept;
  /// A session or end user that was there before the restart.
  void take_up(config::ScopeKind kind, std::string_view id);

  std::unique_ptr<Books> books_;
};

inline void Hold::shrink(Amounts total) noexcept {
  if (ledger_ != nullptr && (total.usd < amounts_.usd || total.tokens < amounts_.tokens))
    ledger_->shrink(*this, total);
}
inline ReholdResult Hold::rebase(const ScopePath& what, const HoldRange& range) noexcept {
  if (ledger_ == nullptr) return Refusal{};
  return ledger_->rehold(*this, what, range);
}
inline Hold Hold::split(Amounts charge) noexcept {
  return ledger_ == nullptr ? Hold() : ledger_->split(*this, charge);
}
inline Settlement Hold::settle(Amounts actual, bool is_estimated, HeldAt bound) noexcept {
  return ledger_ == nullptr ? Settlement{} : ledger_->settle(*this, actual, is_estimated, bound);
}
inline void Hold::release() noexcept {
  if (ledger_ != nullptr) ledger_->release(*this);
}

}  // namespace tollgate::domain::budget
