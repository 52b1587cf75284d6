#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/budget/amounts.hpp"
#include "tollgate/domain/budget/report.hpp"

namespace tollgate::domain::alerts {

/// A charge that went on record beside the ledger: of a call that a crash left open.
struct RecoveredCharge {
  std::vector<std::pair<config::ScopeKind, std::string>> scopes;
  budget::Amounts amounts;
  base::WallTime charged_at;
};

/// The thresholds that such charges crossed. The ledger, which takes over spend from the record,
/// counts them as told; the settlement that would have told them did not come.
///
/// @param rows     the budgets after Ledger::load: what is spent with the charges. The events have
///                 their views.
/// @param budgets  with the thresholds. Those of sessions and end users are not among them, and
///                 are not told.
/// @param now      budget time
[[nodiscard]] std::vector<budget::BudgetEvent> missed_thresholds(
    std::span<const budget::BudgetRow> rows, std::span<const config::ScopedBudget> budgets,
    std::span<const RecoveredCharge> charges, base::WallTime now);

}  // namespace tollgate::domain::alerts
