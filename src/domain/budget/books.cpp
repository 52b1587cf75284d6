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

std::uint32_t Books::number_of(ScopeName name, bool& is_new) {
  const auto it = scope_numbers.find({name.kind, name.id});
  is_new = it == scope_numbers.end();
  if (!is_new) return it->second;
  const auto number = static_cast<std::uint32_t>(scopes.size());
  Scope scope;
  scope.kind = name.kind;
  scope.id = intern(name.id);
  scope_numbers.emplace(std::pair(scope.kind, scope.id), number);
  scopes.push_back(std::move(scope));
  return number;
}

void Books::add_chunk() {
  slot_chunks.push_back(std::make_unique<Slot[]>(kChunk));
  free_slots.grow(kChunk);
}

SlotNumber Books::take_slot(bool may_use_reserve) {
  if (options.journal != nullptr) {
    // The last of them are for attempts of calls that are under way: those cannot be refused.
    const std::size_t used = slot_chunks.size() * kChunk - free_slots.size();
    const std::size_t places = options.journal->capacity();
    if (used >= places - (may_use_reserve ? 0 : places / 16)) return kNoSlot;
  }
  if (free_slots.empty()) add_chunk();
  const SlotNumber number = free_slots.take();
  Slot& taken = slot(number);
  taken.amounts = {};
  taken.size = 0;
  taken.who_size = 0;
  taken.is_open = true;
  ++open_count;
  return number;
}

void Books::refer(const Slot& slot) noexcept {
  count_open(slot, +1);
  for (std::size_t i = 0; i < slot.size; ++i) refer_to_live(slot.scopes[i]);
}

void Books::close_slot(SlotNumber number, bool is_to_be_recorded) noexcept {
  Slot& closed = slot(number);
  count_open(closed, -1);
  open_usd -= closed.amounts.usd();
  closed.is_open = false;
  --open_count;
  if (is_to_be_recorded && options.journal != nullptr) {
    ++uncommitted_count;
  } else {
    free_slot(number);
  }
}

void Books::free_slot(SlotNumber number) noexcept {
  Slot& freed = slot(number);
  for (std::size_t i = 0; i < freed.size; ++i) unrefer_live(freed.scopes[i]);
  free_slots.put(number);
}

void Books::append(Slot& slot, const ScopePath& path) noexcept {
  for (std::size_t i = 0; i < path.size_ && slot.size < Slot::kScopes; ++i)
    slot.scopes[slot.size++] = path.scopes_[i];
}

bool Books::fits(const Slot& slot, const UnitAmounts& least, UnitAmounts& free) {
  free.of.fill(std::numeric_limits<Units>::max());
  bool all = true;
  for (std::size_t i = 0; i < slot.size; ++i) {
    Scope& scope = scopes[slot.scopes[i]];
    for (Account& account : scope.accounts) {
      roll(account);
      const Units room = account.is_used_up() ? 0 : std::max<Units>(account.room(), 0);
      if (account.is_used_up() || least[account.unit] > room) all = false;
      free[account.unit] = std::min(free[account.unit], room);
    }
    for (RateAccount& rate : scope.rates) {
      if (rate.window) rate.window->advance(mono);
      const Units room = std::max<Units>(rate.limit - rate.used(), 0);
      if (rate.of(least) > room) all = false;
      if (rate.unit != config::RateUnit::tokens) continue;
      Units& tokens = free[config::BudgetUnit::tokens];
      tokens = std::min(tokens, room);
    }
  }
  return all;
}

void Books::add_to_budgets(const Slot& slot, const UnitAmounts& amounts, int sign) noexcept {
  for (std::size_t i = 0; i < slot.size; ++i) {
    for (Account& account : scopes[slot.scopes[i]].accounts) {
      if (account.covers(slot.held_at)) account.held += sign * Wide{amounts[account.unit]};
    }
  }
}

void Books::add(const Slot& slot) noexcept {
  add_to_budgets(slot, slot.amounts, +1);
  if (!has_rates.load(std::memory_order_relaxed)) return;
  for (std::size_t i = 0; i < slot.size; ++i) {
    for (RateAccount& rate : scopes[slot.scopes[i]].rates) {
      if (rate.window) {
        rate.window->advance(slot.rated_at);
        rate.window->add(slot.rated_at, rate.of(slot.amounts));
      } else {
        rate.open += rate.of(slot.amounts);
      }
    }
  }
}

void Books::take_out(const Slot& slot) noexcept {
  add_to_budgets(slot, slot.amounts, -1);
  if (!has_rates.load(std::memory_order_relaxed)) return;
  for (std::size_t i = 0; i < slot.size; ++i) {
    for (RateAccount& rate : scopes[slot.scopes[i]].rates) {
      if (rate.window) {
        rate.window->take_back(slot.rated_at, rate.of(slot.amounts));
      } else {
        rate.open -= rate.of(slot.amounts);
      }
    }
  }
}

void Books::keep_requests(const Slot& old, const Slot& next) noexcept {
  if (!has_rates.load(std::memory_order_relaxed)) return;
  const auto begin = next.scopes.begin() + next.who_size;
  const auto end = next.scopes.begin() + next.size;
  for (std::size_t i = old.who_size; i < old.size; ++i) {
    if (std::find(begin, end, old.scopes[i]) != end) continue;
    for (RateAccount& rate : scopes[old.scopes[i]].rates)
      if (rate.window && rate.unit == config::RateUnit::requests)
        rate.window->add(old.rated_at, old.amounts.requests());
  }
}

void Books::rate_status(const ScopePath& who, const ScopePath& what, RateStatus& out) {
  out = {};
  for (const ScopePath* path : {&who, &what}) {
    for (std::size_t i = 0; i < path->size_; ++i) {
      for (RateAccount& rate : scopes[path->scopes_[i]].rates) {
        if (!rate.window) continue;
        rate.window->advance(mono);
        RateStatus::One& one = rate.unit == config::RateUnit::tokens ? out.tokens : out.requests;
        const Units remaining = std::max<Units>(rate.limit - rate.used(), 0);
        if (one.is_limited && one.remaining <= remaining) continue;
        one = {true, rate.limit, remaining,
               std::chrono::microseconds(std::max<Micros>(rate.window->empty_after(mono), 0))};
      }
    }
  }
}

SlotNumber Books::try_hold(const ScopePath& who, const ScopePath& what, const Demand& demand,
                           Refusal& refusal, std::uint32_t& refusing) {
  const SlotNumber number = take_slot(false);
  if (number == kNoSlot) {
    refusal.kind = Refusal::Kind::full;
    return kNoSlot;
  }
  Slot& fresh = slot(number);
  append(fresh, who);
  fresh.who_size = fresh.size;
  append(fresh, what);
  UnitAmounts free;
  if (!fits(fresh, demand.least, free)) {
    refusal = blame(fresh, demand.least, refusing);
    fresh.size = 0;
    close_slot(number, false);
    return kNoSlot;
  }
  fresh.amounts = grant(fresh, demand, free);
  fresh.held_at = now;
  fresh.rated_at = mono;
  refer(fresh);
  if (options.journal != nullptr) {
    for (std::size_t i = 0; i < fresh.size; ++i) {
      const Scope& scope = scopes[fresh.scopes[i]];
      fresh.names[i] = scope.live ? scope.live->group->number : fresh.scopes[i];
    }
  }
  add(fresh);
  open_usd += fresh.amounts.usd();
  return number;
}

SlotNumber Books::copy_slot(const Slot& of) {
  const SlotNumber number = take_slot(true);
  if (number == kNoSlot) return number;
  Slot& copy = slot(number);
  copy = of;
  copy.amounts = {};
  refer(copy);
  return number;
}

void Books::serve(const Slot& freed, WaitList& done) {
  if (waiters.empty()) return;
  advance(read_clocks());
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
    if (!everywhere && line.freed_in != scan) continue;
    // Who needs no less than one that did not fit does not fit either; who needs less may, and is
    // tried before calls that come anew.
    const UnitAmounts least(entry.waiter->range_.least);
    if (line.stuck_in == scan && least.covers(line.stuck_at)) continue;
    std::uint32_t refusing = entry.scope;
    const Waiter& waiter = *entry.waiter;
    --scopes[entry.scope].waiting;
    entry.slot =
        try_hold(waiter.who_, waiter.what_, Demand(waiter.range_), entry.refusal, refusing);
    if (entry.slot != kNoSlot) {
      entry.granted = slot(entry.slot).amounts.amounts();
    } else if (entry.refusal.can_wait) {
      // It keeps its place in the order of arrival, now in the line of the budget that refuses.
      entry.scope = refusing;
      scopes[refusing].stuck_in = scan;
      scopes[refusing].stuck_at = least;
      ++scopes[refusing].waiting;
      continue;
    }
    leave_line(waiter);
    done.splice(done.end(), waiters, here);
  }
}

void Books::deliver(Ledger& ledger, WaitList& done) {
  for (WaitEntry& entry : done) {
    if (entry.slot != kNoSlot) {
      ledger.books_->write_hold(entry.slot, entry.waiter->call_);
      entry.waiter->on_outcome(Hold(&ledger, entry.slot, entry.granted));
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
  row.unit = account.unit;
  row.window = account.calendar.kind();
  row.time_zone = account.time_zone;
  row.limit = account.limit;
  row.spent = account.spent;
  row.held = narrow(account.held);
  row.window_start = to_wall(account.window_start);
  row.reset_at = account.reset_at();
  row.is_closed = account.is_closed;
  return row;
}

RateRow Books::row(const Scope& scope, const RateAccount& rate) {
  RateRow row;
  row.scope = scope.kind;
  row.scope_id = scope.id;
  row.name = rate.name;
  row.unit = rate.unit;
  row.limit = rate.limit;
  row.used = rate.used();
  row.per = rate.per;
  return row;
}

}  // namespace tollgate::domain::budget
