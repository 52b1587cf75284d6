// The slow side of the ledger: configuration, restart, reports.
#include <algorithm>
#include <chrono>
#include <tuple>

#include "domain/budget/books.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/domain/budget/ledger.hpp"

namespace tollgate::domain::budget {
namespace {

using base::NanoUsd;

/// Rows further ahead of the clock than any honest correction of it are a clock fault.
constexpr std::chrono::hours kBelievedAhead{32 * 24};
constexpr int kReadAttempts = 3;
constexpr std::size_t kScopesPerLock = 256;

/// A budget on its way into the ledger.
struct Incoming {
  std::uint32_t scope;
  std::string_view name;
  std::string_view time_zone;
  Calendar calendar;
  Nanos limit;
  std::vector<std::uint32_t> percents;
  bool needs_history = false;
  bool was_closed = false;
  // What the record said, and when in the life of the scope it was asked.
  Micros since = 0;
  Nanos recorded = 0;
  Nanos total_before = 0;
  bool has_overrun = false;
};

Account* find_account(Scope& scope, std::string_view name) {
  for (Account& account : scope.accounts) {
    if (account.name == name) return &account;
  }
  return nullptr;
}

/// Reads the spend of one scope in its open window. What is settled during the read may or may not
/// be in it: read again until nothing was; failing that, install() counts it (never too little).
base::Result<void> read_spend(Books& books, SpendHistory& history, Incoming& in) {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    ScopeName name;
    {
      const std::lock_guard lock(books.mutex);
      const Scope& scope = books.scopes[in.scope];
      name = {scope.kind, scope.id};
      books.advance(books.clock.wall());
      in.since = to_micros(in.calendar.window_start(to_wall(books.now)));
      in.total_before = scope.settled_total;
    }
    TG_TRY(const NanoUsd recorded, history.settled_since(name.kind, name.id, to_wall(in.since)));
    in.recorded = recorded.value;
    in.has_overrun = false;
    // A cap that calls within their holds have used up is full; one broken by an overrun is closed.
    if (in.was_closed || in.recorded > in.limit) {
      TG_TRY(in.has_overrun, history.has_overrun_since(name.kind, name.id, to_wall(in.since)));
    }
    const std::lock_guard lock(books.mutex);
    if (books.scopes[in.scope].settled_total == in.total_before) break;
  }
  return {};
}

/// Whether the window that was asked about is still the open one.
bool is_current(const Books& books, const Incoming& in) {
  return to_micros(in.calendar.window_start(to_wall(books.now))) == in.since;
}

/// Puts the record into an account. Holds in flight are added by recount_held().
void install(Books& books, const Incoming& in, Account& account) {
  const bool was_closed = account.is_closed;
  account.open_window(books.now);
  const Nanos settled_meanwhile = books.scopes[in.scope].settled_total - in.total_before;
  account.restore_spent(add_saturated(in.recorded, settled_meanwhile));
  account.is_closed = in.has_overrun && (was_closed || account.spent > account.limit);
}

/// Counts the holds in flight into the accounts just installed: those of `fresh`, by scope and
/// name.
void recount_held(Books& books, const std::vector<std::vector<std::string_view>>& fresh) {
  for (const auto& chunk : books.slot_chunks) {
    for (std::size_t i = 0; i < Books::kChunk; ++i) {
      const Slot& slot = chunk[i];
      if (!slot.is_open) continue;
      for (std::size_t s = 0; s < slot.size; ++s) {
        const std::uint32_t number = slot.scopes[s];
        if (number >= fresh.size()) continue;
        for (const std::string_view name : fresh[number]) {
          Account* account = find_account(books.scopes[number], name);
          if (account != nullptr && account->covers(slot.held_at)) account->held += slot.amount;
        }
      }
    }
  }
}

base::Error duplicate(const config::ScopedBudget& b) {
  return base::Error(base::ErrorCode::invalid_request,
                     "two budgets named \"" + b.budget.name + "\" on " +
                         std::string(config::name_of(b.scope)) + " \"" + b.scope_id + "\"");
}

}  // namespace

base::Result<void> Ledger::configure(const config::Snapshot& snapshot, SpendHistory& history) {
  Books& books = *books_;
  const std::lock_guard one_at_a_time(books.reload_mutex);

  std::vector<Incoming> incoming;
  incoming.reserve(snapshot.budgets.size());
  for (const config::ScopedBudget& b : snapshot.budgets) {
    // Reads tzdata: before the lock.
    TG_TRY(const Calendar calendar, Calendar::find(b.budget.window, b.budget.time_zone));
    incoming.push_back({0, b.budget.name, b.budget.time_zone, calendar, b.budget.limit.value,
                        b.budget.alert_percents});
  }
  {
    const std::lock_guard lock(books.mutex);
    for (std::size_t i = 0; i < incoming.size(); ++i) {
      const config::ScopedBudget& b = snapshot.budgets[i];
      Incoming& in = incoming[i];
      in.scope = books.number_of({b.scope, b.scope_id});
      in.name = books.intern(in.name);
      in.time_zone = books.intern(in.time_zone);
      const Account* known = find_account(books.scopes[in.scope], in.name);
      in.needs_history = known == nullptr || known->calendar != in.calendar;
      in.was_closed = known != nullptr && known->is_closed;
    }
  }
  std::vector<std::pair<std::uint32_t, std::string_view>> wanted;
  wanted.reserve(incoming.size());
  for (const Incoming& in : incoming) wanted.emplace_back(in.scope, in.name);
  std::sort(wanted.begin(), wanted.end());
  if (std::adjacent_find(wanted.begin(), wanted.end()) != wanted.end()) {
    for (std::size_t i = 0; i < incoming.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (incoming[i].scope == incoming[j].scope && incoming[i].name == incoming[j].name) {
          return duplicate(snapshot.budgets[i]);
        }
      }
    }
  }
  for (Incoming& in : incoming) {
    if (in.needs_history) TG_CHECK(read_spend(books, history, in));
  }

  WaitList done;
  std::unique_lock lock(books.mutex);
  books.advance(books.clock.wall());
  // A window may have ended while the record was read: then read anew. At most one does.
  for (bool all_current = false; !all_current;) {
    all_current = true;
    for (Incoming& in : incoming) {
      if (!in.needs_history || is_current(books, in)) continue;
      all_current = false;
      lock.unlock();
      TG_CHECK(read_spend(books, history, in));
      lock.lock();
    }
  }
  for (std::uint32_t number = 0; number < books.scopes.size(); ++number) {
    std::erase_if(books.scopes[number].accounts, [&](const Account& account) {
      return !std::binary_search(wanted.begin(), wanted.end(), std::pair(number, account.name));
    });
  }
  std::vector<std::vector<std::string_view>> fresh(books.scopes.size());
  for (Incoming& in : incoming) {
    Scope& scope = books.scopes[in.scope];
    Account* account = find_account(scope, in.name);
    if (account == nullptr) {
      scope.accounts.emplace_back(in.calendar);
      account = &scope.accounts.back();
      account->name = in.name;
    }
    account->time_zone = in.time_zone;
    if (in.needs_history) account->calendar = in.calendar;
    account->edit(in.limit, in.percents);
    if (in.needs_history) {
      install(books, in, *account);
      fresh[in.scope].push_back(in.name);
    }
  }
  recount_held(books, fresh);
  books.serve_all(done);
  lock.unlock();
  Books::deliver(*this, done);
  return {};
}

base::Result<void> Ledger::load(SpendHistory& history) {
  Books& books = *books_;
  const std::lock_guard one_at_a_time(books.reload_mutex);
  TG_TRY(const std::optional<base::WallTime> newest, history.newest_charge());
  std::vector<Incoming> known;
  {
    const std::lock_guard lock(books.mutex);
    const base::WallTime wall = books.clock.wall();
    books.advance(wall);
    // Budget time must not fall back over a restart either, or a window could open twice.
    if (newest && *newest <= wall + kBelievedAhead) books.advance(*newest);
    for (std::uint32_t number = 0; number < books.scopes.size(); ++number) {
      for (const Account& account : books.scopes[number].accounts) {
        known.push_back({number, account.name, account.time_zone, account.calendar, account.limit,
                         account.percents, true});
      }
    }
  }
  for (Incoming& in : known) TG_CHECK(read_spend(books, history, in));

  WaitList done;
  std::unique_lock lock(books.mutex);
  for (bool all_current = false; !all_current;) {
    all_current = true;
    for (Incoming& in : known) {
      if (is_current(books, in)) continue;
      all_current = false;
      lock.unlock();
      TG_CHECK(read_spend(books, history, in));
      lock.lock();
    }
  }
  std::vector<std::vector<std::string_view>> fresh(books.scopes.size());
  for (Incoming& in : known) {
    Account* account = find_account(books.scopes[in.scope], in.name);
    if (account == nullptr) continue;
    install(books, in, *account);
    fresh[in.scope].push_back(in.name);
  }
  recount_held(books, fresh);
  books.serve_all(done);
  lock.unlock();
  Books::deliver(*this, done);
  return {};
}

std::vector<BudgetRow> Ledger::snapshot_all() {
  Books& books = *books_;
  std::vector<BudgetRow> rows;
  WaitList done;
  // A few scopes at a time, so that a report over many budgets never keeps calls waiting.
  for (std::size_t next = 0, count = 1; next < count;) {
    const std::lock_guard lock(books.mutex);
    books.advance(books.clock.wall());
    count = books.scopes.size();
    for (const std::size_t end = std::min(count, next + kScopesPerLock); next < end; ++next) {
      Scope& scope = books.scopes[next];
      books.roll(scope);
      for (const Account& account : scope.accounts) rows.push_back(Books::row(scope, account));
    }
    books.serve_if_rolled(done);
  }
  Books::deliver(*this, done);
  std::sort(rows.begin(), rows.end(), [](const BudgetRow& a, const BudgetRow& b) {
    return std::tie(a.scope, a.scope_id, a.budget) < std::tie(b.scope, b.scope_id, b.budget);
  });
  return rows;
}

std::vector<BudgetRow> Ledger::snapshot_of(const ScopePath& path) {
  Books& books = *books_;
  std::vector<BudgetRow> rows;
  WaitList done;
  {
    const std::lock_guard lock(books.mutex);
    books.advance(books.clock.wall());
    for (std::size_t i = 0; i < path.size_; ++i) {
      Scope& scope = books.scopes[path.scopes_[i]];
      books.roll(scope);
      for (const Account& account : scope.accounts) rows.push_back(Books::row(scope, account));
    }
    books.serve_if_rolled(done);
  }
  Books::deliver(*this, done);
  return rows;
}

}  // namespace tollgate::domain::budget
