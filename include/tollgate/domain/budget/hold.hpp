#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <string_view>
#include <utility>

#include "tollgate/domain/budget/amounts.hpp"
#include "tollgate/domain/budget/refusal.hpp"
#include "tollgate/domain/budget/report.hpp"
#include "tollgate/domain/budget/scope_path.hpp"

namespace tollgate::domain::budget {

class Hold;
class Ledger;
struct Books;

/// A granted hold, or what refused it.
using HoldResult = boost::system::result<Hold, Refusal>;
/// Success, or what refused; on refusal nothing has changed.
using ReholdResult = boost::system::result<void, Refusal>;

/// The call a hold is for, as the journal writes it down. Views: read before the call returns.
struct CallRef {
  std::string_view request_id;  ///< at most JournalEntry::kIdBytes
  std::string_view session;     ///< as set_live_id writes it; empty without one
  std::string_view end_user;    ///< the same
};

/// A call that waits for other calls' holds to come back.
///
/// The ledger makes the whole hold for it, in the order of arrival per refusing scope, in the same
/// step in which capacity frees, so nobody can slip in between. A newcomer may still take room that
/// is too small for the first in the queue: waiting is bounded by time, idle money helps nobody.
class Waiter {
 public:
  /// @param call  what it views must live as long as the waiter.
  Waiter(const ScopePath& who, const ScopePath& what, const HoldRange& range, CallRef call = {})
      : who_(who), what_(what), range_(range), call_(call) {}
  Waiter(const ScopePath& who, const ScopePath& what, Amounts least, Amounts most,
         CallRef call = {})
      : Waiter(who, what, HoldRange(least, most), call) {}
  virtual ~Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  /// Called at most once, without the ledger's lock, on whichever thread freed the capacity
  /// (perhaps in a Hold's destructor, or inside wait() or another's cancel()): post to the own
  /// event loop and return. A refusal means that waiting became pointless.
  virtual void on_outcome(HoldResult outcome) noexcept = 0;

 private:
  friend class Ledger;
  friend struct Books;
  ScopePath who_;
  ScopePath what_;
  HoldRange range_;
  CallRef call_;
};

/// What a hold covers.
enum class HeldAt : std::uint8_t {
  strict_bound,  ///< the most that can be billed within the cap that the provider was sent
  estimate,      ///< our estimate of it, near a cap: more may be billed within that cap
};

/// Money, tokens and a place among the calls in flight, held on every scope of a call's path; given
/// back when destroyed unsettled.
///
/// Place:    kept by the call (budget stage); from Ledger::hold.
/// Threads:  one at a time owns it. Lifetime: must die before its ledger.
/// Window:   belongs to the windows open when it was made, and so does its settlement.
/// Requests: count against rate limits from the moment of the hold, whatever becomes of the call;
///           against budgets when it is settled.
class Hold {
 public:
  Hold() = default;
  Hold(Hold&& other) noexcept
      : ledger_(std::exchange(other.ledger_, nullptr)),
        slot_(other.slot_),
        amounts_(std::exchange(other.amounts_, {})) {}
  Hold& operator=(Hold&& other) noexcept {
    if (this != &other) {
      release();
      ledger_ = std::exchange(other.ledger_, nullptr);
      slot_ = other.slot_;
      amounts_ = std::exchange(other.amounts_, {});
    }
    return *this;
  }
  ~Hold() { release(); }

  /// False after settle, release or a move: nothing is held.
  [[nodiscard]] explicit operator bool() const noexcept { return ledger_ != nullptr; }
  [[nodiscard]] base::NanoUsd amount() const noexcept { return amounts_.usd; }
  [[nodiscard]] const Amounts& amounts() const noexcept { return amounts_; }

  /// Lowers money and tokens to `total`, each where more is held. The difference is free at once.
  void shrink(Amounts total) noexcept;
  /// Makes it a hold on `what` (other model and provider scopes after a failover, the same after a
  /// rewrite that lengthened the body) of the largest amounts in the range that fit beside all
  /// other holds, in one step, all or nothing. A hold whose window ended is made anew in the open
  /// windows. An ended hold is refused with an empty Refusal.
  [[nodiscard]] ReholdResult rebase(const ScopePath& what, const HoldRange& range) noexcept;
  [[nodiscard]] ReholdResult rebase(const ScopePath& what, Amounts least, Amounts most) noexcept {
    return rebase(what, HoldRange(least, most));
  }
  [[nodiscard]] ReholdResult rebase(const ScopePath& what, Amounts total) noexcept {
    return rebase(what, total, total);
  }
  /// Takes `charge` (at most what is held) out as a hold of its own on the same scopes, for an
  /// attempt that was given up and may yet be billed. What is left keeps the call's place (its
  /// request) and holds no money and no tokens.
  [[nodiscard]] Hold split(Amounts charge) noexcept;

  /// Charges `actual` (below 0 counts as 0), frees the rest and ends the hold. More than was held
  /// is charged truly, and closes every budget whose limit it breaks until that budget's reset. An
  /// ended hold settles nothing and returns zeros.
  /// @param is_estimated  for the journal, which tells the record after a crash.
  /// @param bound         what the hold was made at: whether more is the provider's breach.
  [[nodiscard]] Settlement settle(Amounts actual, bool is_estimated = false,
                                  HeldAt bound = HeldAt::strict_bound) noexcept;
  /// Frees everything; no-op when ended.
  void release() noexcept;

 private:
  friend class Ledger;
  friend struct Books;
  Hold(Ledger* ledger, SlotNumber slot, const Amounts& amounts) noexcept
      : ledger_(ledger), slot_(slot), amounts_(amounts) {}
  Ledger* ledger_ = nullptr;
  SlotNumber slot_ = 0;
  Amounts amounts_;
};

}  // namespace tollgate::domain::budget
