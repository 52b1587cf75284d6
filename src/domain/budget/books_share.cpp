// How much of what is free one call may take.
#include <algorithm>
#include <limits>

#include "domain/budget/books.hpp"

namespace tollgate::domain::budget {
namespace {

/// So long calls that stood side by side are expected to do so again: agents come in bursts, and
/// the first of the next one must leave something for the others.
constexpr Micros kCrowdLasts = 60'000'000;

}  // namespace

Units Books::parts_of(Scope& scope) const noexcept {
  constexpr std::uint32_t kMost = Ledger::kMostParts;
  const std::uint32_t here = std::min(scope.open + scope.waiting + 1, kMost);
  if (here >= scope.crowd || now - scope.crowd_at > kCrowdLasts) {
    scope.crowd = here;
    scope.crowd_at = now;
  }
  return scope.crowd;
}

UnitAmounts Books::grant(const Slot& slot, const Demand& demand, const UnitAmounts& free) {
  UnitAmounts granted;
  bool is_scarce = false;
  for (const auto unit : {config::BudgetUnit::usd, config::BudgetUnit::tokens}) {
    granted[unit] = std::min(demand.most[unit], free[unit]);
    // No share is less than an eighth: most calls want less, and need no counting.
    is_scarce = is_scarce || (demand.most[unit] > free[unit] / Ledger::kMostParts &&
                              demand.most[unit] > demand.useful[unit]);
  }
  granted[config::BudgetUnit::requests] = demand.least.requests();
  if (!is_scarce) return granted;
  UnitAmounts share;
  share.of.fill(std::numeric_limits<Units>::max());
  const auto leave_some = [&share](config::BudgetUnit unit, Units room, Units parts) {
    share[unit] = std::min(share[unit], std::max<Units>(room, 0) / parts);
  };
  for (std::size_t i = 0; i < slot.size; ++i) {
    Scope& scope = scopes[slot.scopes[i]];
    if (scope.accounts.empty() && scope.rates.empty()) continue;
    const Units parts = parts_of(scope);
    for (const Account& account : scope.accounts) leave_some(account.unit, account.room(), parts);
    for (const RateAccount& rate : scope.rates)
      if (rate.unit == config::RateUnit::tokens)
        leave_some(config::BudgetUnit::tokens, rate.limit - rate.used(), parts);
  }
  for (const auto unit : {config::BudgetUnit::usd, config::BudgetUnit::tokens})
    granted[unit] = std::min(granted[unit], std::max(share[unit], demand.useful[unit]));
  return granted;
}

}  // namespace tollgate::domain::budget
