// What the ledger tells of itself, and what an operator puts right.
#include <algorithm>
#include <tuple>

#include "domain/budget/books.hpp"

namespace tollgate::domain::budget {
namespace {

constexpr std::size_t kScopesPerLock = 256;

/// Calls `each(scope)` for every scope, a few at a time, so that a report over many budgets never
/// keeps calls waiting.
template <class Each>
void for_each_scope(Ledger& ledger, Books& books, Each&& each) {
  WaitList done;
  for (std::size_t next = 0, count = 1; next < count;) {
    const Books::Time time = books.read_clocks();
    const std::lock_guard lock(books.mutex);
    books.advance(time);
    count = books.scopes.size();
    for (const std::size_t end = std::min(count, next + kScopesPerLock); next < end; ++next) {
      books.roll(books.scopes[next]);
      each(books.scopes[next]);
    }
    books.serve_if_rolled(done);
  }
  Books::deliver(ledger, done);
}

template <class Row>
void sort_rows(std::vector<Row>& rows, std::string_view Row::*name) {
  std::sort(rows.begin(), rows.end(), [name](const Row& a, const Row& b) {
    return std::tie(a.scope, a.scope_id, a.*name) < std::tie(b.scope, b.scope_id, b.*name);
  });
}

}  // namespace

std::vector<BudgetRow> Ledger::snapshot_all() {
  std::vector<BudgetRow> rows;
  for_each_scope(*this, *books_, [&](const Scope& scope) {
    for (const Account& account : scope.accounts) rows.push_back(Books::row(scope, account));
  });
  sort_rows(rows, &BudgetRow::budget);
  return rows;
}

std::vector<RateRow> Ledger::rates_all() {
  std::vector<RateRow> rows;
  for_each_scope(*this, *books_, [&](const Scope& scope) {
    for (const RateAccount& rate : scope.rates) rows.push_back(Books::row(scope, rate));
  });
  sort_rows(rows, &RateRow::name);
  return rows;
}

std::vector<BudgetRow> Ledger::snapshot_of(const ScopePath& path) {
  Books& books = *books_;
  std::vector<BudgetRow> rows;
  WaitList done;
  const Books::Time time = books.read_clocks();
  {
    const std::lock_guard lock(books.mutex);
    books.advance(time);
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

std::vector<RateRow> Ledger::rates_of(const ScopePath& path) {
  Books& books = *books_;
  std::vector<RateRow> rows;
  const Books::Time time = books.read_clocks();
  const std::lock_guard lock(books.mutex);
  books.advance(time);
  for (std::size_t i = 0; i < path.size_; ++i) {
    Scope& scope = books.scopes[path.scopes_[i]];
    books.roll(scope);
    for (const RateAccount& rate : scope.rates) rows.push_back(Books::row(scope, rate));
  }
  return rows;
}

base::WallTime Ledger::adjust(ScopeName name, config::BudgetUnit unit, base::Quantity change,
                              std::vector<BudgetEvent>* events) {
  Books& books = *books_;
  WaitList done;
  base::WallTime at;
  const Books::Time time = books.read_clocks();
  {
    const std::lock_guard lock(books.mutex);
    books.advance(time);
    at = to_wall(books.now);
    // A scope that is not known has no budgets; should it get some, the record tells their spend.
    if (const std::uint32_t number = books.find(name); number != kNone) {
      Scope& scope = books.scopes[number];
      books.roll(scope);
      books.note_charged(number);
      books.touch_live(number);  // the events view its id
      scope.settled_total[unit] = add_saturated(scope.settled_total[unit], change.value);
      for (Account& account : scope.accounts) {
        if (account.unit != unit) continue;
        // Perhaps below nothing, as the record then has it: whoever reads that must find the same.
        account.spent = add_saturated(account.spent, change.value);
        if (events != nullptr) account.tell_alerts(scope.kind, scope.id, books.now, *events);
        // Credit for what a provider billed too much reopens what that closed, as a restart would.
        if (account.is_closed && account.spent <= account.limit) account.is_closed = false;
      }
    }
    books.serve_all(done);
  }
  Books::deliver(*this, done);
  return at;
}

std::size_t Ledger::open_holds() const noexcept {
  const std::lock_guard lock(books_->mutex);
  return books_->open_count;
}

std::size_t Ledger::uncommitted() const noexcept {
  const std::lock_guard lock(books_->mutex);
  return books_->uncommitted_count;
}

base::NanoUsd Ledger::held() const noexcept {
  const std::lock_guard lock(books_->mutex);
  return {narrow(books_->open_usd)};
}

std::size_t Ledger::waiting() const noexcept {
  const std::lock_guard lock(books_->mutex);
  return books_->waiters.size();
}

}  // namespace tollgate::domain::budget
