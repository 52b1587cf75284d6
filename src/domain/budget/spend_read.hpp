#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "domain/budget/books.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/domain/budget/spend_history.hpp"

/// What the record says of budgets, at a start and at a reload. It is asked without the ledger's
/// lock, beside calls.
namespace tollgate::domain::budget {

/// A budget whose spend the record tells.
struct Incoming {
  std::uint32_t scope;
  config::ScopeKind kind;
  std::string scope_id;
  std::uint64_t life;  ///< a live scope may be gone, and its number another's or it have come anew
  std::string name;
  config::BudgetUnit unit;
  Calendar calendar;
  Units limit;
  bool was_closed = false;
  // What the record said, and when in the life of the scope it was asked.
  Micros since = 0;
  UnitAmounts recorded{};  ///< below 0 where more was given back than spent
  UnitAmounts total_before{};
  bool has_overrun = false;
};

/// Of a scope that is never forgotten 0.
[[nodiscard]] std::uint64_t life_of(const Scope& scope) noexcept;
/// Null when the scope has been forgotten since. Under the lock.
[[nodiscard]] Scope* scope_of(Books& books, const Incoming& in);

/// Reads the spend of scopes in their open windows: those of one kind whose windows began at the
/// same time with one question. What is settled during the read may or may not be in it: read again
/// until nothing was; failing that, what was settled since the question counts (never too little).
[[nodiscard]] base::Result<void> read_spend(Books& books, SpendHistory& history,
                                            std::vector<Incoming>& all);
/// Reads anew what a window's end has made old since. Comes back with the lock.
[[nodiscard]] base::Result<void> read_current(Books& books, SpendHistory& history,
                                              std::vector<Incoming>& all,
                                              std::unique_lock<std::mutex>& lock);

}  // namespace tollgate::domain::budget
