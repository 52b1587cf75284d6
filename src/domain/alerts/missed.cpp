#include "tollgate/domain/alerts/missed.hpp"

#include <algorithm>

#include "domain/budget/units.hpp"
#include "tollgate/domain/budget/projection.hpp"

namespace tollgate::domain::alerts {

using budget::BudgetEvent;
using budget::BudgetRow;
using budget::Units;

namespace {

/// What of the charges counts in the open window of a budget.
Units sum_of(const BudgetRow& row, std::span<const RecoveredCharge> charges) {
  Units sum = 0;
  for (const RecoveredCharge& charge : charges) {
    const bool is_on_path =
        std::any_of(charge.scopes.begin(), charge.scopes.end(), [&](const auto& scope) {
          return scope.first == row.scope && scope.second == row.scope_id;
        });
    if (is_on_path && charge.charged_at >= row.window_start)
      sum = budget::add_saturated(sum, budget::UnitAmounts(charge.amounts)[row.unit]);
  }
  return sum;
}

BudgetEvent event_of(const BudgetRow& row, std::uint32_t percent, base::WallTime now) {
  BudgetEvent event;
  event.scope = row.scope;
  event.scope_id = row.scope_id;
  event.budget = row.budget;
  event.percent = percent;
  event.unit = row.unit;
  event.window = row.window;
  event.limit = row.limit;
  event.spent = row.spent;
  event.at = now;
  event.window_start = row.window_start;
  event.reset_at = row.reset_at;
  if (row.window == config::WindowKind::total || row.is_closed) return event;
  const auto used_up =
      budget::projected_exhaustion({row.window_start, 0}, {now, row.spent}, row.limit);
  if (used_up && row.reset_at && *used_up < *row.reset_at) event.projected_exhaustion_at = used_up;
  return event;
}

}  // namespace

std::vector<BudgetEvent> missed_thresholds(std::span<const BudgetRow> rows,
                                           std::span<const config::ScopedBudget> budgets,
                                           std::span<const RecoveredCharge> charges,
                                           base::WallTime now) {
  std::vector<BudgetEvent> missed;
  for (const BudgetRow& row : rows) {
    const Units added = sum_of(row, charges);
    if (added == 0) continue;
    const auto configured =
        std::find_if(budgets.begin(), budgets.end(), [&](const config::ScopedBudget& b) {
          return b.scope == row.scope && b.scope_id == row.scope_id && b.budget.name == row.budget;
        });
    if (configured == budgets.end()) continue;
    const Units before = row.spent.value - added;
    for (const std::uint32_t percent : configured->budget.alert_percents) {
      const Units due = budget::threshold_of(row.limit.value, percent);
      if (before < due && due <= row.spent.value) missed.push_back(event_of(row, percent, now));
    }
  }
  return missed;
}

}  // namespace tollgate::domain::alerts
