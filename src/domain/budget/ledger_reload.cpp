// The slow side of the ledger: configuration and restart.
#include <algorithm>
#include <chrono>
#include <set>

#include "domain/budget/books.hpp"
#include "domain/budget/spend_read.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/domain/budget/ledger.hpp"

namespace tollgate::domain::budget {
namespace {

using config::ScopeKind;

/// Rows further ahead of the clock than any honest correction of it are a clock fault.
constexpr std::chrono::hours kBelievedAhead{32 * 24};

/// Puts the record into an account. Holds in flight are added by recount().
void install(Books& books, const Incoming& in) {
  Scope* const scope = scope_of(books, in);
  Account* const account = scope == nullptr ? nullptr : find_account(*scope, in.name);
  if (account == nullptr) return;
  const bool was_closed = in.was_closed || account->is_closed;
  account->open_window(books.now);
  const Units meanwhile = scope->settled_total[in.unit] - in.total_before[in.unit];
  account->restore_spent(add_saturated(in.recorded[in.unit], meanwhile));
  account->is_closed = in.has_overrun && (was_closed || account->spent > account->limit);
  account->needs_count = true;
}

/// Counts the calls in flight wherever they are not counted yet.
void recount(Books& books) {
  for (const auto& chunk : books.slot_chunks) {
    for (std::size_t i = 0; i < Books::kChunk; ++i) {
      const Slot& slot = chunk[i];
      if (!slot.is_open) continue;
      for (std::size_t s = 0; s < slot.size; ++s) {
        Scope& scope = books.scopes[slot.scopes[s]];
        for (Account& account : scope.accounts)
          if (account.needs_count && account.covers(slot.held_at))
            account.held += slot.amounts[account.unit];
        for (RateAccount& rate : scope.rates)
          if (rate.needs_count) rate.open += rate.of(slot.amounts);
      }
    }
  }
  bool has_rates = false;
  for (Scope& scope : books.scopes) {
    for (Account& account : scope.accounts) account.needs_count = false;
    for (RateAccount& rate : scope.rates) rate.needs_count = false;
    has_rates = has_rates || !scope.rates.empty();
  }
  for (const auto& [origin, source] : books.origins)
    has_rates = has_rates || (source.is_configured && !source.limits.rates.empty());
  books.has_rates = has_rates;
}

/// What an edit has put below the spend of a budget that may be used up by it: then no settlement
/// comes that would tell it.
void tell_alerts(Books& books, std::vector<BudgetEvent>& events) {
  for (std::uint32_t number = 0; number < books.scopes.size(); ++number) {
    Scope& scope = books.scopes[number];
    books.roll(scope);  // what was spent in a window that is over crosses nothing any more
    const std::size_t before = events.size();
    for (Account& account : scope.accounts)
      account.tell_alerts(scope.kind, scope.id, books.now, events);
    if (events.size() == before) continue;
    // An idle session must not be gone, and with it the id that the events view, before they are
    // told.
    books.touch_live(number);
  }
}

base::Result<Limits> limits_of(const std::vector<config::Budget>& budgets,
                               const std::vector<config::RateLimit>& rates) {
  Limits limits{budgets, {}, rates};
  for (const config::Budget& budget : budgets) {
    TG_TRY(const Calendar calendar, Calendar::find(budget.window, budget.time_zone));
    limits.calendars.push_back(calendar);
  }
  return limits;
}

/// All that a configuration wants, with tzdata read: made before the lock.
struct Wanted {
  std::map<std::pair<ScopeKind, std::string>, Limits> named;
  std::map<Origin, Source> origins;
};

base::Error twice(std::string_view what, ScopeKind scope, const std::string& id,
                  const std::string& name) {
  return base::Error(base::ErrorCode::invalid_request,
                     "two " + std::string(what) + " named \"" + name + "\" on " +
                         std::string(config::name_of(scope)) + " \"" + id + "\"");
}

base::Result<Wanted> read_wanted(const config::Snapshot& snapshot) {
  Wanted wanted;
  for (const config::ScopedBudget& b : snapshot.budgets) {
    TG_TRY(const Calendar calendar, Calendar::find(b.budget.window, b.budget.time_zone));
    Limits& limits = wanted.named[{b.scope, b.scope_id}];
    for (const config::Budget& other : limits.budgets)
      if (other.name == b.budget.name) return twice("budgets", b.scope, b.scope_id, other.name);
    limits.budgets.push_back(b.budget);
    limits.calendars.push_back(calendar);
  }
  for (const config::ScopedRateLimit& r : snapshot.rate_limits) {
    Limits& limits = wanted.named[{r.scope, r.scope_id}];
    for (const config::RateLimit& other : limits.rates)
      if (other.name == r.rate.name) return twice("rate limits", r.scope, r.scope_id, other.name);
    limits.rates.push_back(r.rate);
  }
  for (const config::EachOf& each : snapshot.each) {
    TG_TRY(Limits limits, limits_of(each.budgets, each.rate_limits));
    wanted.origins[{each.kind, each.owner, each.owner_id}] = {each.kind, true, each.required,
                                                              std::move(limits)};
  }
  return wanted;
}

/// Adds what `wanted` has that the scope does not, whose spend the record must tell.
void find_unknown(Scope& scope, std::uint32_t number, const Limits& wanted,
                  std::vector<Incoming>& out) {
  for (std::size_t i = 0; i < wanted.budgets.size(); ++i) {
    const config::Budget& budget = wanted.budgets[i];
    const Account* const known = find_account(scope, budget.name);
    if (known != nullptr && !known->is_other(budget.unit, wanted.calendars[i])) continue;
    out.push_back({number, scope.kind, std::string(scope.id), life_of(scope), budget.name,
                   budget.unit, wanted.calendars[i], budget.limit.value,
                   known != nullptr && known->is_closed});
  }
}

}  // namespace

ScopePath Ledger::resolve(std::span<const ScopeName> names) {
  ScopePath path;
  std::vector<std::pair<std::uint32_t, ScopeName>> fresh;
  Books& books = *books_;
  {
    const std::lock_guard lock(books.mutex);
    for (const ScopeName& name : names) {
      if (name.id.empty() || path.size_ == ScopePath::kCapacity) continue;
      bool is_new = false;
      const std::uint32_t number = books.number_of(name, is_new);
      if (is_new) fresh.emplace_back(number, name);
      const auto end = path.scopes_.begin() + path.size_;
      if (std::find(path.scopes_.begin(), end, number) == end) path.scopes_[path.size_++] = number;
    }
  }
  // Before anybody can hold on them: no slot names a scope that the journal cannot tell.
  if (books.options.journal != nullptr)
    for (const auto& [number, name] : fresh) books.options.journal->name(number, name);
  return path;
}

base::Result<void> Ledger::configure(const config::Snapshot& snapshot, SpendHistory& history,
                                     std::vector<BudgetEvent>* events) {
  Books& books = *books_;
  const std::lock_guard one_at_a_time(books.reload_mutex);
  TG_TRY(const Wanted wanted, read_wanted(snapshot));

  std::map<std::uint32_t, const Limits*> by_number;
  for (const auto& [name, limits] : wanted.named) {
    const ScopeName scope{name.first, name.second};
    const ScopePath path = resolve({scope});
    if (!path.empty()) by_number[path.scopes_[0]] = &limits;
  }
  const auto limits_of_scope = [&](std::uint32_t number) -> const Limits* {
    const Scope& scope = books.scopes[number];
    if (!scope.live) {
      const auto named = by_number.find(number);
      return named == by_number.end() ? nullptr : named->second;
    }
    const auto origin = origin_of(scope.kind, scope.live->group->prefix);
    const auto source = origin ? wanted.origins.find(*origin) : wanted.origins.end();
    return source == wanted.origins.end() ? nullptr : &source->second.limits;
  };

  std::vector<Incoming> incoming;
  {
    const std::lock_guard lock(books.mutex);
    for (std::uint32_t number = 0; number < books.scopes.size(); ++number) {
      if (const Limits* const limits = limits_of_scope(number))
        find_unknown(books.scopes[number], number, *limits, incoming);
    }
  }
  TG_CHECK(read_spend(books, history, incoming));

  WaitList done;
  std::unique_lock lock(books.mutex);
  books.advance({books.clock.wall(), to_micros(books.clock.mono())});
  TG_CHECK(read_current(books, history, incoming, lock));
  static const Limits kNothing;
  for (std::uint32_t number = 0; number < books.scopes.size(); ++number) {
    const Limits* const limits = limits_of_scope(number);
    books.fit(books.scopes[number], limits == nullptr ? kNothing : *limits);
  }
  for (const Incoming& in : incoming) install(books, in);
  for (auto& [origin, source] : books.origins)
    source = Source{std::get<0>(origin), false, false, {}};
  for (const auto& [origin, source] : wanted.origins) books.origins[origin] = source;
  books.max_live = snapshot.spending.live_scopes;
  books.live_idle = std::chrono::microseconds(snapshot.spending.live_scope_idle).count();
  recount(books);
  if (events != nullptr) tell_alerts(books, *events);
  books.serve_all(done);
  lock.unlock();
  Books::deliver(*this, done);
  return {};
}

base::Result<void> Ledger::load(SpendHistory& history) {
  Books& books = *books_;
  const std::lock_guard one_at_a_time(books.reload_mutex);
  TG_TRY(const std::optional<base::WallTime> newest, history.newest_charge());
  base::WallTime known_since;
  std::set<ScopeKind> live_kinds;
  std::size_t most = 0;
  {
    const std::lock_guard lock(books.mutex);
    const base::WallTime wall = books.clock.wall();
    books.advance({wall, to_micros(books.clock.mono())});
    // Budget time must not fall back over a restart either, or a window could open twice.
    if (newest && *newest <= wall + kBelievedAhead) books.advance({*newest, 0});
    known_since = to_wall(books.now - books.live_idle);
    most = books.max_live;
    for (const auto& [origin, source] : books.origins)
      if (source.is_configured) live_kinds.insert(source.kind);
  }
  for (const ScopeKind kind : live_kinds) {
    TG_TRY(const std::vector<std::string> ids, history.live_scopes_since(kind, known_since, most));
    // The latest come first, and stand first in the order of use in the end.
    for (auto id = ids.rbegin(); id != ids.rend(); ++id) take_up(kind, *id);
  }

  std::vector<Incoming> known;
  {
    const std::lock_guard lock(books.mutex);
    for (std::uint32_t number = 0; number < books.scopes.size(); ++number) {
      const Scope& scope = books.scopes[number];
      for (const Account& account : scope.accounts)
        known.push_back({number, scope.kind, std::string(scope.id), life_of(scope),
                         std::string(account.name), account.unit, account.calendar, account.limit,
                         account.is_closed});
    }
  }
  TG_CHECK(read_spend(books, history, known));

  WaitList done;
  std::unique_lock lock(books.mutex);
  TG_CHECK(read_current(books, history, known, lock));
  for (const Incoming& in : known) install(books, in);
  recount(books);
  books.serve_all(done);
  lock.unlock();
  Books::deliver(*this, done);
  return {};
}

void Ledger::take_up(ScopeKind kind, std::string_view id) {
  Books& books = *books_;
  const std::size_t slash = id.find('/');
  if (slash == std::string_view::npos) return;
  const std::string_view prefix = id.substr(0, slash + 1);
  const auto origin = origin_of(kind, prefix);
  {
    const std::lock_guard lock(books.mutex);
    const auto found = origin ? books.origins.find(*origin) : books.origins.end();
    if (found == books.origins.end() || !found->second.is_configured) return;
  }
  const ScopePath path = resolve({ScopeName{kind, prefix}});
  const std::lock_guard lock(books.mutex);
  LiveGroup& group = books.group_of(path.scopes_[0], books.origins.at(*origin));
  // No call is on its way yet: of those that do not fit together the latest stay.
  const std::uint32_t number = books.live_scope(group, id.substr(slash + 1), 0);
  if (number != kNone) books.note_charged(number);  // it has rows
}

}  // namespace tollgate::domain::budget
