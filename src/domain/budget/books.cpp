#include "domain/budget/books.hpp"

#include <algorithm>
#include <limits>

namespace tollgate::domain::budget {

Books::Books(const base::Clock& c, Ledger& owner, Ledger::Options o)
    : clock(c), ledger(owner), options(o) {
  while (slot_chunks.size() * kChunk < std::max<std::size_t>(options.open_holds, 1)) add_chunk();
}

std::string_view Books::intern(std::string_view text) {
  auto it = names.find(text);
  if (it == names.end()) it = names.emplace(text).first;
  return *it;
}

std::uint32_t Books::number_of(ScopeName name) {
  if (const auto it = scope_numbers.find({name.kind, name.id}); it != scope_numbers.end()) {
    return it->second;
  }
  const auto number = static_cast<std::uint32_t>(scopes.size());
  Scope scope;
  scope.kind = name.kind;
  scope.id = intern(name.id);
  scope_numbers.emplace(std::pair(scope.kind, scope.id), number);
  scopes.push_back(std::move(scope));
  return number;
}

void Books::add_chunk() {
  const auto base = static_cast<std::uint32_t>(slot_chunks.size() * kChunk);
  slot_chunks.push_back(std::make_unique<Slot[]>(kChunk));
  for (std::uint32_t i = kChunk; i-- > 0;) {
    slot(base + i).next_free = first_free;
    first_free = base + i;
  }
}

std::uint32_t Books::take_slot() {
  if (first_free == kNone) add_chunk();
  const std::uint32_t number = first_free;
  Slot& taken = slot(number);
  first_free = taken.next_free;
  taken.amount = 0;
  taken.size = 0;
  taken.who_size = 0;
  taken.is_open = true;
  ++open_count;
  return number;
}

void Books::free_slot(std::uint32_t number) noexcept {
  Slot& freed = slot(number);
  open_amount -= freed.amount;
  freed.is_open = false;
  freed.next_free = first_free;
  first_free = number;
  --open_count;
}

void Books::append(Slot& slot, const ScopePath& path) noexcept {
  for (std::size_t i = 0; i < path.size_; ++i) slot.scopes[slot.size++] = path.scopes_[i];
}

Nanos Books::room(const Slot& slot) {
  Nanos least = std::numeric_limits<Nanos>::max();
  for (std::size_t i = 0; i < slot.size; ++i) {
    for (Account& account : scopes[slot.scopes[i]].accounts) {
      roll(account);
      least = std::min(least, account.is_closed ? 0 : account.room());
    }
  }
  return std::max<Nanos>(least, 0);
}

Refusal Books::blame(const Slot& slot, Nanos asked, std::uint32_t& refusing) const {
  const Account* found = nullptr;
  const Scope* found_scope = nullptr;
  bool can_wait = false;
  for (std::size_t i = 0; i < slot.size; ++i) {
    const Scope& scope = scopes[slot.scopes[i]];
    for (const Account& account : scope.accounts) {
      if (!account.is_closed && asked <= account.room()) continue;
      const bool by_holds =
          !account.is_closed && asked <= narrow(Wide{account.limit} - account.spent);
      if (found != nullptr && (by_holds || !can_wait)) continue;
      found = &account;
      found_scope = &scope;
      refusing = slot.scopes[i];
      can_wait = by_holds;
    }
  }
  Refusal refusal;
  refusal.asked = {asked};
  if (found == nullptr) return refusal;
  refusal.scope = found_scope->kind;
  refusal.scope_id = found_scope->id;
  refusal.budget = found->name;
  refusal.window = found->calendar.kind();
  refusal.limit = {found->limit};
  refusal.spent = {found->spent};
  refusal.held = {narrow(found->held)};
  refusal.reset_at = found->reset_at();
  refusal.can_wait = can_wait;
  refusal.is_closed = found->is_closed;
  return refusal;
}

void Books::add_held(const Slot& slot, Micros held_at, Nanos amount) noexcept {
  for (std::size_t i = 0; i < slot.size; ++i) {
    for (Account& account : scopes[slot.scopes[i]].accounts) {
      if (account.covers(held_at)) account.held += amount;
    }
  }
}

std::uint32_t Books::try_hold(const ScopePath& who, const ScopePath& what, Nanos least, Nanos most,
                              Refusal& refusal, std::uint32_t& refusing) {
  least = std::max<Nanos>(least, 0);
  most = std::max(least, most);
  const std::uint32_t number = take_slot();
  Slot& fresh = slot(number);
  append(fresh, who);
  fresh.who_size = fresh.size;
  append(fresh, what);
  const Nanos free = room(fresh);
  if (least > free) {
    refusal = blame(fresh, least, refusing);
    free_slot(number);
    return kNone;
  }
  fresh.amount = std::min(most, free);
  fresh.held_at = now;
  add_held(fresh, now, fresh.amount);
  open_amount += fresh.amount;
  return number;
}

void Books::serve(const Slot& freed, WaitList& done) {
  if (waiters.empty()) return;
  advance(clock.wall());
  ++scan;
  for (std::size_t i = 0; i < freed.size; ++i) scopes[freed.scopes[i]].freed_in = scan;
  scan_waiters(false, done);
  if (has_rolled) serve_all(done);
}

void Books::serve_all(WaitList& done) {
  // Budget time stands still here, so the second round opens no further window.
  do {
    has_rolled = false;
    if (waiters.empty()) return;
    ++scan;
    scan_waiters(true, done);
  } while (has_rolled);
}

void Books::scan_waiters(bool everywhere, WaitList& done) {
  for (auto it = waiters.begin(); it != waiters.end();) {
    WaitEntry& entry = *it;
    const auto here = it++;
    const Scope& line = scopes[entry.scope];
    if (line.stuck_in == scan || (!everywhere && line.freed_in != scan)) continue;
    std::uint32_t refusing = entry.scope;
    const Waiter& waiter = *entry.waiter;
    entry.slot = try_hold(waiter.who_, waiter.what_, waiter.least_.value, waiter.most_.value,
                          entry.refusal, refusing);
    if (entry.slot != kNone) {
      entry.granted = slot(entry.slot).amount;
    } else if (entry.refusal.can_wait) {
      // It keeps its place in the order of arrival, now in the line of the budget that refuses.
      entry.scope = refusing;
      scopes[refusing].stuck_in = scan;
      continue;
    }
    done.splice(done.end(), waiters, here);
  }
}

void Books::deliver(Ledger& ledger, WaitList& done) {
  for (WaitEntry& entry : done) {
    if (entry.granted >= 0) {
      entry.waiter->on_outcome(Hold(&ledger, entry.slot, {entry.granted}));
    } else {
      entry.waiter->on_outcome(entry.refusal);
    }
  }
}

BudgetRow Books::row(const Scope& scope, const Account& account) {
  BudgetRow row;
  row.scope = scope.kind;
  row.scope_id = scope.id;
  row.budget = account.name;
  row.window = account.calendar.kind();
  row.time_zone = account.time_zone;
  row.limit = {account.limit};
  row.spent = {account.spent};
  row.held = {narrow(account.held)};
  row.window_start = to_wall(account.window_start);
  row.reset_at = account.reset_at();
  row.is_closed = account.is_closed;
  return row;
}

}  // namespace tollgate::domain::budget
