#include "tollgate/domain/budget/ledger.hpp"

#include <algorithm>

#include "domain/budget/books.hpp"

namespace tollgate::domain::budget {

using base::NanoUsd;
using State = JournalEntry::State;

Ledger::Ledger(const base::Clock& clock) : Ledger(clock, Options()) {}
Ledger::Ledger(const base::Clock& clock, Options options)
    : books_(std::make_unique<Books>(clock, *this, options)) {}
Ledger::~Ledger() = default;

HoldResult Ledger::hold_between(const ScopePath& who, const ScopePath& what, const HoldRange& range,
                                const CallRef& call, RateStatus* rates) noexcept {
  Books& books = *books_;
  const Books::Time time = books.read_clocks();
  Refusal refusal;
  std::uint32_t refusing = 0;
  Amounts granted;
  WaitList done;
  std::unique_lock lock(books.mutex);
  books.advance(time);
  const Demand demand(range);
  const SlotNumber slot = books.try_hold(who, what, demand, refusal, refusing);
  if (slot != kNoSlot) granted = books.slot(slot).amounts.amounts();
  if (rates != nullptr && books.has_rates.load(std::memory_order_relaxed))
    books.rate_status(who, what, *rates);
  books.serve_if_rolled(done);
  lock.unlock();
  Books::deliver(*this, done);
  if (slot == kNoSlot) return refusal;
  books.write_hold(slot, call);
  return Hold(this, slot, granted);
}

RateStatus Ledger::rate_status(const ScopePath& who, const ScopePath& what) noexcept {
  RateStatus status;
  Books& books = *books_;
  if (!books.has_rates.load(std::memory_order_relaxed)) return status;
  const Books::Time time = books.read_clocks();
  const std::lock_guard lock(books.mutex);
  books.advance(time);
  books.rate_status(who, what, status);
  return status;
}

ReholdResult Ledger::rehold(Hold& hold, const ScopePath& what, const HoldRange& range) noexcept {
  Books& books = *books_;
  const Books::Time time = books.read_clocks();
  Demand demand(range);
  ReholdResult result;
  WaitList done;
  {
    const std::lock_guard lock(books.mutex);
    books.advance(time);
    Slot& slot = books.slot(hold.slot_);
    // A call is counted once, whatever its attempts.
    demand.least[config::BudgetUnit::requests] = slot.amounts.requests();
    Slot next = slot;
    next.size = next.who_size;
    Books::append(next, what);
    // Take the old hold out, judge the new one as if it were the first, and put one of them in:
    // shared scopes then need no case of their own, and nobody sees the moment between.
    for (std::size_t i = 0; i < slot.size; ++i) books.roll(books.scopes[slot.scopes[i]]);
    books.take_out(slot);
    books.count_open(slot, -1);
    UnitAmounts free;
    if (!books.fits(next, demand.least, free)) {
      std::uint32_t refusing = 0;
      result = books.blame(next, demand.least, refusing);
      books.count_open(slot, +1);
      books.add(slot);
    } else {
      next.amounts = books.grant(next, demand, free);
      next.held_at = books.now;
      next.rated_at = books.mono;
      for (std::size_t i = next.who_size; i < next.size; ++i) next.names[i] = next.scopes[i];
      books.add(next);
      books.keep_requests(slot, next);
      books.open_usd += Wide{next.amounts.usd()} - slot.amounts.usd();
      books.count_open(next, +1);
      const Slot old = slot;
      slot = next;
      hold.amounts_ = next.amounts.amounts();
      books.serve(old, done);
    }
    books.serve_if_rolled(done);
  }
  Books::deliver(*this, done);
  if (!result.has_error()) books.rewrite_hold(hold.slot_);
  return result;
}

void Ledger::shrink(Hold& hold, const Amounts& total) noexcept {
  Books& books = *books_;
  const UnitAmounts wanted(total);
  WaitList done;
  {
    const std::lock_guard lock(books.mutex);
    Slot& slot = books.slot(hold.slot_);
    books.take_out(slot);
    books.open_usd -= slot.amounts.usd();
    for (const auto unit : {config::BudgetUnit::usd, config::BudgetUnit::tokens})
      slot.amounts[unit] = std::min(slot.amounts[unit], wanted[unit]);
    books.add(slot);
    books.open_usd += slot.amounts.usd();
    hold.amounts_ = slot.amounts.amounts();
    books.serve(slot, done);
  }
  Books::deliver(*this, done);
  books.write_amounts(hold.slot_, State::held, hold.amounts_);
}

Hold Ledger::split(Hold& hold, const Amounts& charge) noexcept {
  Books& books = *books_;
  const UnitAmounts wanted(charge);
  Amounts taken;
  SlotNumber number = kNoSlot;
  WaitList done;
  {
    const std::lock_guard lock(books.mutex);
    Slot& slot = books.slot(hold.slot_);
    number = books.copy_slot(slot);
    if (number == kNoSlot) return {};
    Slot& part = books.slot(number);
    books.take_out(slot);
    books.open_usd -= slot.amounts.usd();
    for (const auto unit : {config::BudgetUnit::usd, config::BudgetUnit::tokens}) {
      part.amounts[unit] = std::min(slot.amounts[unit], wanted[unit]);
      slot.amounts[unit] = 0;
    }
    books.add(slot);
    books.add(part);
    books.open_usd += part.amounts.usd();
    taken = part.amounts.amounts();
    hold.amounts_ = slot.amounts.amounts();
    books.serve(slot, done);
  }
  Books::deliver(*this, done);
  // In this order: killed in between, the part is charged twice rather than never.
  books.write_attempt(number, hold.slot_, taken);
  books.write_amounts(hold.slot_, State::held, hold.amounts_);
  return Hold(this, number, taken);
}

Settlement Ledger::settle(Hold& hold, const Amounts& actual, bool is_estimated,
                          HeldAt bound) noexcept {
  Books& books = *books_;
  const UnitAmounts charged(actual);
  Settlement out;
  out.charged = charged.amounts();
  out.amount = out.charged.usd;
  out.held = hold.amounts_.usd;
  out.overrun.value = std::max<Units>(out.amount.value - out.held.value, 0);
  out.is_overrun = !UnitAmounts(hold.amounts_).covers(charged);
  const bool is_to_be_recorded = !out.charged.is_nothing() && books.options.journal != nullptr;
  if (is_to_be_recorded) {
    out.slot = hold.slot_;
    books.write_amounts(hold.slot_, State::settled, out.charged, is_estimated);
  } else {
    // Before the slot is anybody else's.
    books.write_free(hold.slot_);
  }
  WaitList done;
  {
    const std::lock_guard lock(books.mutex);
    const Slot& slot = books.slot(hold.slot_);
    out.charged_at = to_wall(slot.held_at);
    for (std::size_t i = 0; i < slot.size; ++i) {
      Scope& scope = books.scopes[slot.scopes[i]];
      for (std::size_t u = 0; u < UnitAmounts::kUnits; ++u)
        scope.settled_total.of[u] = add_saturated(scope.settled_total.of[u], charged.of[u]);
      if (!out.charged.is_nothing()) books.note_charged(slot.scopes[i]);
      const std::size_t told = out.events.size();
      for (Account& account : scope.accounts) {
        if (!account.covers(slot.held_at)) continue;  // its window is over
        const Units cost = charged[account.unit];
        const Units held = slot.amounts[account.unit];
        account.held -= held;
        account.spent = add_saturated(account.spent, cost);
        if (account.spent >= account.next_alert)
          account.tell_alerts(scope.kind, scope.id, books.now, out.events);
        // Closed, not merely full: other holds coming back must not reopen a budget whose provider
        // does not keep to its caps. What was held at an estimate is no word on the provider: that
        // closes a budget only when its limit is truly passed.
        const bool is_broken =
            bound == HeldAt::estimate ? account.spent > account.limit : account.room() < 0;
        if (cost > held && !account.is_closed && is_broken) {
          account.is_closed = true;
          out.events.push_back(
              account.event(BudgetEvent::Kind::closed, scope.kind, scope.id, books.now));
        }
      }
      if (out.events.size() != told && scope.live) {
        // The events view its id, and what counted as its use so far was the call's beginning.
        books.advance(books.read_clocks());
        books.touch_live(slot.scopes[i]);
      }
      for (RateAccount& rate : scope.rates) {
        if (!rate.window) {
          rate.open -= slot.amounts.requests();
        } else if (rate.unit == config::RateUnit::tokens) {
          // Counted from the time of the hold on, as what it came to.
          rate.window->take_back(slot.rated_at, slot.amounts.tokens());
          rate.window->add(slot.rated_at, charged.tokens());
        }
      }
    }
    books.close_slot(hold.slot_, is_to_be_recorded);
    books.serve(slot, done);
  }
  hold.ledger_ = nullptr;
  hold.amounts_ = {};
  Books::deliver(*this, done);
  return out;
}

void Ledger::release(Hold& hold) noexcept {
  Books& books = *books_;
  books.write_free(hold.slot_);
  WaitList done;
  {
    const std::lock_guard lock(books.mutex);
    Slot& slot = books.slot(hold.slot_);
    // A request that was let in counts against rate limits, whatever came of it.
    for (std::size_t i = 0; i < slot.size; ++i) {
      for (RateAccount& rate : books.scopes[slot.scopes[i]].rates) {
        if (!rate.window) {
          rate.open -= slot.amounts.requests();
        } else if (rate.unit == config::RateUnit::tokens) {
          rate.window->take_back(slot.rated_at, slot.amounts.tokens());
        }
      }
    }
    books.add_to_budgets(slot, slot.amounts, -1);
    books.close_slot(hold.slot_, false);
    books.serve(slot, done);
  }
  hold.ledger_ = nullptr;
  hold.amounts_ = {};
  Books::deliver(*this, done);
}

void Ledger::committed(std::span<const SlotNumber> slots) noexcept {
  Books& books = *books_;
  for (const SlotNumber slot : slots) books.write_free(slot);
  const std::lock_guard lock(books.mutex);
  for (const SlotNumber slot : slots) books.free_slot(slot);
  books.uncommitted_count -= slots.size();
}

bool Ledger::wait(const std::shared_ptr<Waiter>& waiter) {
  Books& books = *books_;
  const Books::Time time = books.read_clocks();
  WaitList one;  // made before the lock
  one.emplace_back();
  WaitEntry& entry = one.back();
  entry.waiter = waiter;
  WaitList done;
  {
    const std::lock_guard lock(books.mutex);
    books.advance(time);
    entry.slot = books.try_hold(waiter->who_, waiter->what_, Demand(waiter->range_), entry.refusal,
                                entry.scope);
    if (entry.slot != kNoSlot) {
      entry.granted = books.slot(entry.slot).amounts.amounts();
      done.splice(done.end(), one);
    } else if (!entry.refusal.can_wait) {
      done.splice(done.end(), one);
    } else if (books.has_place_in_line(*waiter)) {
      ++books.scopes[entry.scope].waiting;
      books.enter_line(*waiter);
      books.waiters.splice(books.waiters.end(), one);
    }
    books.serve_if_rolled(done);
  }
  Books::deliver(*this, done);
  return one.empty();
}

bool Ledger::cancel(const Waiter& waiter) noexcept {
  WaitList taken;  // dies after the lock: the waiter's destructor may be anything
  Books& books = *books_;
  const Books::Time time = books.read_clocks();
  const std::lock_guard lock(books.mutex);
  books.advance(time);
  const auto it =
      std::find_if(books.waiters.begin(), books.waiters.end(),
                   [&](const WaitEntry& entry) { return entry.waiter.get() == &waiter; });
  if (it == books.waiters.end()) return false;
  // Nobody stood behind it who would fit now: it held nothing.
  --books.scopes[it->scope].waiting;
  books.leave_line(waiter);
  taken.splice(taken.end(), books.waiters, it);
  return true;
}

std::optional<base::WallTime> Ledger::open_windows(const Waiter& waiter) noexcept {
  Books& books = *books_;
  const Books::Time time = books.read_clocks();
  std::optional<base::WallTime> next;
  WaitList done;
  {
    const std::lock_guard lock(books.mutex);
    books.advance(time);
    for (const ScopePath* path : {&waiter.who_, &waiter.what_}) {
      for (std::size_t i = 0; i < path->size_; ++i) {
        Scope& scope = books.scopes[path->scopes_[i]];
        books.roll(scope);
        for (const Account& account : scope.accounts) {
          const auto reset = account.reset_at();
          if (reset && (!next || *reset < *next)) next = reset;
        }
      }
    }
    books.serve_if_rolled(done);
  }
  Books::deliver(*this, done);
  return next;
}

}  // namespace tollgate::domain::budget
