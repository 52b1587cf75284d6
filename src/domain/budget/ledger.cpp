#include "tollgate/domain/budget/ledger.hpp"

#include <algorithm>

#include "domain/budget/books.hpp"

namespace tollgate::domain::budget {

using base::NanoUsd;

Ledger::Ledger(const base::Clock& clock) : Ledger(clock, Options()) {}
Ledger::Ledger(const base::Clock& clock, Options options)
    : books_(std::make_unique<Books>(clock, *this, options)) {}
Ledger::~Ledger() = default;

ScopePath Ledger::resolve(std::initializer_list<ScopeName> names) {
  ScopePath path;
  const std::lock_guard lock(books_->mutex);
  for (const ScopeName& name : names) {
    if (name.id.empty() || path.size_ == ScopePath::kCapacity) continue;
    const std::uint32_t number = books_->number_of(name);
    const auto end = path.scopes_.begin() + path.size_;
    if (std::find(path.scopes_.begin(), end, number) == end) path.scopes_[path.size_++] = number;
  }
  return path;
}

HoldResult Ledger::hold_between(const ScopePath& who, const ScopePath& what, NanoUsd least,
                                NanoUsd most) noexcept {
  Books& books = *books_;
  const base::WallTime wall = books.clock.wall();
  Refusal refusal;
  std::uint32_t refusing = 0;
  NanoUsd granted;
  WaitList done;
  std::unique_lock lock(books.mutex);
  books.advance(wall);
  const std::uint32_t slot = books.try_hold(who, what, least.value, most.value, refusal, refusing);
  if (slot != Books::kNone) granted.value = books.slot(slot).amount;
  books.serve_if_rolled(done);
  lock.unlock();
  Books::deliver(*this, done);
  if (slot == Books::kNone) return refusal;
  return Hold(this, slot, granted);
}

Room Ledger::available(const ScopePath& who, const ScopePath& what) noexcept {
  Books& books = *books_;
  const base::WallTime wall = books.clock.wall();
  Room room{NanoUsd::max(), NanoUsd::max()};
  WaitList done;
  {
    const std::lock_guard lock(books.mutex);
    books.advance(wall);
    Slot call;
    Books::append(call, who);
    Books::append(call, what);
    room.free.value = books.room(call);
    for (std::size_t i = 0; i < call.size; ++i) {
      for (const Account& account : books.scopes[call.scopes[i]].accounts) {
        const Nanos rest = account.is_closed ? 0 : narrow(Wide{account.limit} - account.spent);
        room.eventually.value = std::clamp<Nanos>(rest, 0, room.eventually.value);
      }
    }
    books.serve_if_rolled(done);
  }
  Books::deliver(*this, done);
  return room;
}

ReholdResult Ledger::rehold(Hold& hold, const ScopePath& what, NanoUsd least,
                            NanoUsd most) noexcept {
  Books& books = *books_;
  const base::WallTime wall = books.clock.wall();
  const Nanos low = std::max<Nanos>(least.value, 0);
  const Nanos high = std::max(low, most.value);
  ReholdResult result;
  WaitList done;
  {
    const std::lock_guard lock(books.mutex);
    books.advance(wall);
    Slot& slot = books.slot(hold.slot_);
    Slot next = slot;
    next.size = next.who_size;
    Books::append(next, what);
    // Take the old hold out, judge the new one as if it were the first, and put one of them in:
    // shared scopes then need no case of their own, and nobody sees the moment between.
    for (std::size_t i = 0; i < slot.size; ++i) books.roll(books.scopes[slot.scopes[i]]);
    books.add_held(slot, slot.held_at, -slot.amount);
    const Nanos room = books.room(next);
    if (low > room) {
      std::uint32_t refusing = 0;
      result = books.blame(next, low, refusing);
      books.add_held(slot, slot.held_at, slot.amount);
    } else {
      next.amount = std::min(high, room);
      next.held_at = books.now;
      books.add_held(next, next.held_at, next.amount);
      books.open_amount += next.amount - slot.amount;
      const Slot old = slot;
      slot = next;
      hold.amount_.value = next.amount;
      books.serve(old, done);
    }
    books.serve_if_rolled(done);
  }
  Books::deliver(*this, done);
  return result;
}

void Ledger::shrink(Hold& hold, NanoUsd total) noexcept {
  Books& books = *books_;
  const Nanos amount = std::max<Nanos>(total.value, 0);
  WaitList done;
  {
    const std::lock_guard lock(books.mutex);
    Slot& slot = books.slot(hold.slot_);
    books.add_held(slot, slot.held_at, amount - slot.amount);
    books.open_amount += amount - slot.amount;
    slot.amount = amount;
    hold.amount_.value = amount;
    books.serve(slot, done);
  }
  Books::deliver(*this, done);
}

Settlement Ledger::settle(Hold& hold, NanoUsd actual) noexcept {
  Books& books = *books_;
  Settlement out;
  out.amount.value = std::max<Nanos>(actual.value, 0);
  out.held = hold.amount_;
  out.overrun.value = std::max<Nanos>(out.amount.value - out.held.value, 0);
  WaitList done;
  {
    const std::lock_guard lock(books.mutex);
    const Slot& slot = books.slot(hold.slot_);
    out.charged_at = to_wall(slot.held_at);
    for (std::size_t i = 0; i < slot.size; ++i) {
      Scope& scope = books.scopes[slot.scopes[i]];
      scope.settled_total = add_saturated(scope.settled_total, out.amount.value);
      for (Account& account : scope.accounts) {
        if (!account.covers(slot.held_at)) continue;  // its window is over
        account.held -= slot.amount;
        account.spent = add_saturated(account.spent, out.amount.value);
        if (account.spent >= account.next_alert)
          account.tell_alerts(scope.kind, scope.id, out.events);
        // Closed, not merely full: other holds coming back must not reopen a budget whose provider
        // does not keep to its caps.
        if (out.overrun.value > 0 && !account.is_closed && account.room() < 0) {
          account.is_closed = true;
          out.events.push_back(account.event(BudgetEvent::Kind::closed, scope.kind, scope.id));
        }
      }
    }
    books.free_slot(hold.slot_);
    books.serve(slot, done);
  }
  hold.ledger_ = nullptr;
  hold.amount_ = {};
  Books::deliver(*this, done);
  return out;
}

void Ledger::release(Hold& hold) noexcept {
  Books& books = *books_;
  WaitList done;
  {
    const std::lock_guard lock(books.mutex);
    const Slot& slot = books.slot(hold.slot_);
    books.add_held(slot, slot.held_at, -slot.amount);
    books.free_slot(hold.slot_);
    books.serve(slot, done);
  }
  hold.ledger_ = nullptr;
  hold.amount_ = {};
  Books::deliver(*this, done);
}

bool Ledger::wait(const std::shared_ptr<Waiter>& waiter) {
  Books& books = *books_;
  WaitList one;
  one.emplace_back();
  one.front().waiter = waiter;
  WaitList done;
  {
    const base::WallTime wall = books.clock.wall();
    const std::lock_guard lock(books.mutex);
    books.advance(wall);
    // Once more under the lock: what came free since the refusal would wake nobody.
    WaitEntry& entry = one.front();
    entry.slot = books.try_hold(waiter->who_, waiter->what_, waiter->least_.value,
                                waiter->most_.value, entry.refusal, entry.scope);
    if (entry.slot != Books::kNone) {
      entry.granted = books.slot(entry.slot).amount;
      done.splice(done.end(), one);
    } else if (!entry.refusal.can_wait) {
      done.splice(done.end(), one);
    } else if (books.waiters.size() < books.options.max_waiters) {
      books.waiters.splice(books.waiters.end(), one);
    }
    books.serve_if_rolled(done);
  }
  Books::deliver(*this, done);
  return one.empty();
}

bool Ledger::cancel(const Waiter& waiter) noexcept {
  WaitList taken;  // dies after the lock: the waiter's destructor may be anything
  const std::lock_guard lock(books_->mutex);
  WaitList& waiters = books_->waiters;
  const auto it = std::find_if(waiters.begin(), waiters.end(), [&](const WaitEntry& entry) {
    return entry.waiter.get() == &waiter;
  });
  if (it == waiters.end()) return false;
  taken.splice(taken.end(), waiters, it);
  return true;
}

std::size_t Ledger::open_holds() const noexcept {
  const std::lock_guard lock(books_->mutex);
  return books_->open_count;
}

NanoUsd Ledger::held() const noexcept {
  const std::lock_guard lock(books_->mutex);
  return {narrow(books_->open_amount)};
}

std::size_t Ledger::waiting() const noexcept {
  const std::lock_guard lock(books_->mutex);
  return books_->waiters.size();
}

}  // namespace tollgate::domain::budget
