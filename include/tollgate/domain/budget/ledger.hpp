#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/base/units.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/budget/refusal.hpp"
#include "tollgate/domain/budget/scope_path.hpp"
#include "tollgate/domain/budget/spend_history.hpp"

namespace tollgate::domain::budget {

class Hold;
class Ledger;
struct Books;

/// A granted hold, or the budget that refused it.
using HoldResult = boost::system::result<Hold, Refusal>;
/// Success, or the budget that refused; on refusal nothing has changed.
using ReholdResult = boost::system::result<void, Refusal>;

/// Something an operator wants to hear about, told once: by the settlement that caused it.
struct BudgetEvent {
  enum class Kind : std::uint8_t {
    threshold,  ///< spend reached `percent` of the limit for the first time in this window
    closed,     ///< an overrun broke the limit; the budget refuses until its reset
  };
  Kind kind = Kind::threshold;
  config::ScopeKind scope = config::ScopeKind::key;
  std::string_view scope_id;  ///< views live as long as the ledger
  std::string_view budget;
  std::uint32_t percent = 0;  ///< of a threshold
  base::NanoUsd limit;
  base::NanoUsd spent;
  base::WallTime window_start;
  std::optional<base::WallTime> reset_at;  ///< absent for `total`
};

/// What a settlement came to; the store's ledger row is made from it.
struct Settlement {
  base::NanoUsd amount;   ///< charged on every scope of the path
  base::NanoUsd held;     ///< what had been held
  base::NanoUsd overrun;  ///< max(0, amount - held): the provider billed more than it was capped to
  /// Budget time of the hold: decides the window the amount belongs to. Store it with the row.
  base::WallTime charged_at;
  std::vector<BudgetEvent> events;  ///< nearly always empty (then nothing is allocated)
};

/// What a call could hold at this moment: the tightest budget on its path.
struct Room {
  base::NanoUsd free;  ///< limit - spent - held, never below 0; NanoUsd::max() without budgets
  base::NanoUsd eventually;  ///< limit - spent: `free` if every other hold came back whole
};

/// One budget as the CLI, the admin API and `/tollgate/v1/me` show it.
struct BudgetRow {
  config::ScopeKind scope = config::ScopeKind::key;
  std::string_view scope_id;  ///< views live as long as the ledger
  std::string_view budget;
  config::WindowKind window = config::WindowKind::day;
  std::string_view time_zone;
  base::NanoUsd limit;
  base::NanoUsd spent;
  base::NanoUsd held;
  base::WallTime window_start;
  std::optional<base::WallTime> reset_at;  ///< absent for `total`
  bool is_closed = false;                  ///< by an overrun
};

/// A call that waits for other calls' holds to come back.
///
/// The ledger makes the whole hold for it, in the order of arrival per refusing scope, in the same
/// step in which capacity frees, so nobody can slip in between. A newcomer may still take room that
/// is too small for the first in the queue: waiting is bounded by time, idle money helps nobody.
class Waiter {
 public:
  Waiter(ScopePath who, ScopePath what, base::NanoUsd least, base::NanoUsd most)
      : who_(who), what_(what), least_(least), most_(most) {}
  virtual ~Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  /// Called at most once, without the ledger's lock, on whichever thread freed the capacity
  /// (perhaps in a Hold's destructor, or inside wait()): post to the own event loop and return. A
  /// refusal means that waiting became pointless.
  virtual void on_outcome(HoldResult outcome) noexcept = 0;

 private:
  friend class Ledger;
  friend struct Books;
  ScopePath who_;
  ScopePath what_;
  base::NanoUsd least_;
  base::NanoUsd most_;
};

/// Money held for one call on every scope of its path; gives it back when destroyed unsettled.
///
/// Place:    kept by the call (budget stage, one per attempt); from Ledger::hold.
/// Threads:  one at a time owns it. Lifetime: must die before its ledger.
/// Window:   belongs to the window open when it was made, and so does its settlement.
class Hold {
 public:
  Hold() = default;
  Hold(Hold&& other) noexcept
      : ledger_(std::exchange(other.ledger_, nullptr)),
        slot_(other.slot_),
        amount_(std::exchange(other.amount_, {})) {}
  Hold& operator=(Hold&& other) noexcept {
    if (this != &other) {
      release();
      ledger_ = std::exchange(other.ledger_, nullptr);
      slot_ = other.slot_;
      amount_ = std::exchange(other.amount_, {});
    }
    return *this;
  }
  ~Hold() { release(); }

  /// False after settle, release or a move: nothing is held.
  [[nodiscard]] explicit operator bool() const noexcept { return ledger_ != nullptr; }
  [[nodiscard]] base::NanoUsd amount() const noexcept { return amount_; }

  /// Lowers the hold to `total`; no-op when less is held. The difference is free at once.
  void shrink(base::NanoUsd total) noexcept;
  /// Makes it a hold on `what` (other model and provider scopes after a failover, the same after a
  /// rewrite that lengthened the body) of the largest amount in [least, most] that fits beside all
  /// other holds, in one step, all or nothing. A hold whose window ended is made anew in the open
  /// windows. An ended hold is refused with an empty Refusal.
  [[nodiscard]] ReholdResult rebase(const ScopePath& what, base::NanoUsd least,
                                    base::NanoUsd most) noexcept;
  [[nodiscard]] ReholdResult rebase(const ScopePath& what, base::NanoUsd total) noexcept {
    return rebase(what, total, total);
  }

  /// Charges `actual` (below 0 counts as 0), frees the rest and ends the hold. More than was held
  /// is charged truly, and closes every budget whose limit it breaks until that budget's reset. An
  /// ended hold settles nothing and returns zeros.
  [[nodiscard]] Settlement settle(base::NanoUsd actual) noexcept;
  /// Frees everything; no-op when ended.
  void release() noexcept;

 private:
  friend class Ledger;
  friend struct Books;
  Hold(Ledger* ledger, std::uint32_t slot, base::NanoUsd amount) noexcept
      : ledger_(ledger), slot_(slot), amount_(amount) {}
  Ledger* ledger_ = nullptr;
  std::uint32_t slot_ = 0;
  base::NanoUsd amount_;
};

/// Keeps every budget's cap: money is held for the most a call can cost before it starts, on all
/// scopes of its path in one step, and settled truly at its end.
///
/// Place:      domain/budget; the one authority over spend in this process. Does no IO.
/// Lifetime:   one per process; outlives workers, holds and registries; survives reload.
/// Threads:    all members, any thread. One mutex over everything, held for some 100 ns: calls
/// share
///             org, model and provider scopes, so finer locks would be taken several at a time and
///             in order, for more than the whole step costs. Never held over IO, callbacks or
///             allocation by a call (a pool of holds grows only beyond the largest number ever
///             open).
/// Invariant:  spent + held <= limit for each scope, budget, window and instant, while providers
/// keep
///             to their cap and no limit is edited below what is already used (property-tested).
/// Time:       budget time is the latest wall time the ledger has seen. A clock that steps back
/// does
///             not move it: no window opens twice, no spend moves. It waits for the clock to
///             come up again (or for a restart, see load()). A clock that steps forward opens the
///             later window early, once.
/// Free calls: a hold of 0 is always granted, on an exhausted budget too: a cap on money does not
/// stop
///             what costs none.
/// Seams:      holds live in fixed slots (a journal can mirror them); a limit may be any slice of a
///             budget (a lease from another authority is an edit of the limit).
class Ledger {
 public:
  struct Options {
    std::size_t max_waiters = 1'024;  ///< wait() refuses beyond; cost of one scan is linear in it
    std::size_t open_holds = 1'024;   ///< slots made up front
  };

  explicit Ledger(const base::Clock& clock);
  Ledger(const base::Clock& clock, Options options);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// Turns scope names into a path; names with an empty id are skipped, at most
  /// ScopePath::kCapacity kept. Scopes need no budget: one added later covers calls already in
  /// flight. Not for the hot path.
  [[nodiscard]] ScopePath resolve(std::initializer_list<ScopeName> names);

  /// Holds `amount` (below 0 counts as 0) on every scope of `who` (key, agent, team, org) and
  /// `what` (model, provider), or on none. The two paths must not share a scope.
  [[nodiscard]] HoldResult hold(const ScopePath& who, const ScopePath& what,
                                base::NanoUsd amount) noexcept {
    return hold_between(who, what, amount, amount);
  }
  /// Holds the largest amount in [least, most] that fits, in one step: what available() and then
  /// hold() would do, without the race between them.
  [[nodiscard]] HoldResult hold_between(const ScopePath& who, const ScopePath& what,
                                        base::NanoUsd least, base::NanoUsd most) noexcept;
  [[nodiscard]] Room available(const ScopePath& who, const ScopePath& what) noexcept;

  /// Queues a call whose refusal says can_wait. True: on_outcome is called once, perhaps before
  /// this returns. False: the queue is full, on_outcome is never called.
  [[nodiscard]] bool wait(const std::shared_ptr<Waiter>& waiter);
  /// True: taken out, on_outcome will not be called. False: it was, or is about to be, on another
  /// thread (then a Hold may still arrive and must be kept or dropped).
  bool cancel(const Waiter& waiter) noexcept;

  /// Takes over the budgets of a configuration; all of it or, on an error, nothing.
  ///
  /// A budget is known by (scope kind, scope id, name). Known: limit and alerts are edited in
  /// place. New, or with another window or zone: its spend is read from `history`, holds in flight
  /// on its scope count, and it is closed when an overrun on record broke its limit. Gone: dropped
  /// at once; holds in flight on it settle elsewhere as before.
  /// Not for the hot path. Errors: invalid_request (unknown zone), whatever `history` says.
  [[nodiscard]] base::Result<void> configure(const config::Snapshot& snapshot,
                                             SpendHistory& history);
  /// Sets every budget's spend from the record (and closes those whose limit an overrun has broken)
  /// and budget time to the newest row, once at start,
  /// before or after the first configure(). Rows from more than 32 days ahead of the clock are
  /// taken for a clock fault and do not move budget time.
  [[nodiscard]] base::Result<void> load(SpendHistory& history);

  /// Every budget, sorted by scope kind, id and name.
  [[nodiscard]] std::vector<BudgetRow> snapshot_all();
  /// The budgets on one path, in its order: what one agent may see of itself.
  [[nodiscard]] std::vector<BudgetRow> snapshot_of(const ScopePath& path);
  /// Calls that hold money now, and calls that wait: for metrics.
  [[nodiscard]] std::size_t open_holds() const noexcept;
  /// The sum of all open holds, each counted once however many scopes it is on.
  [[nodiscard]] base::NanoUsd held() const noexcept;
  [[nodiscard]] std::size_t waiting() const noexcept;

 private:
  friend class Hold;
  [[nodiscard]] ReholdResult rehold(Hold& hold, const ScopePath& what, base::NanoUsd least,
                                    base::NanoUsd most) noexcept;
  void shrink(Hold& hold, base::NanoUsd total) noexcept;
  [[nodiscard]] Settlement settle(Hold& hold, base::NanoUsd actual) noexcept;
  void release(Hold& hold) noexcept;

  std::unique_ptr<Books> books_;
};

inline void Hold::shrink(base::NanoUsd total) noexcept {
  if (ledger_ != nullptr && total < amount_) ledger_->shrink(*this, total);
}
inline ReholdResult Hold::rebase(const ScopePath& what, base::NanoUsd least,
                                 base::NanoUsd most) noexcept {
  if (ledger_ == nullptr) return Refusal{};
  return ledger_->rehold(*this, what, least, most);
}
inline Settlement Hold::settle(base::NanoUsd actual) noexcept {
  return ledger_ == nullptr ? Settlement{} : ledger_->settle(*this, actual);
}
inline void Hold::release() noexcept {
  if (ledger_ != nullptr) ledger_->release(*this);
}

}  // namespace tollgate::domain::budget
