#pragma once

#include <string>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/budget/ledger.hpp"
#include "tollgate/store/audit_event.hpp"
#include "tollgate/store/audit_reader.hpp"
#include "tollgate/store/audit_record.hpp"

namespace tollgate::app {

/// An operator's correction of what one scope has spent: a refund of the provider, a bill from
/// outside.
struct Adjustment {
  config::ScopeKind scope = config::ScopeKind::key;
  std::string scope_id;
  config::BudgetUnit unit = config::BudgetUnit::usd;
  base::Quantity change;  ///< added to what was spent; below 0 gives back
  std::string reason;     ///< in the operator's words
};

/// Reads {"scope", "id", "unit", "change", "reason"}; `change` a whole number of nano-USD, tokens
/// or requests. Errors: invalid_request, saying what is missing or wrong.
[[nodiscard]] base::Result<Adjustment> read_adjustment(const std::string& json);
[[nodiscard]] std::string to_json(const Adjustment& adjustment);

/// What is known of the scope that an adjustment names.
struct ScopeStanding {
  /// The configuration names it, or a key in the store is it, or its budgets or rate limits are in
  /// use, or it is on record.
  bool is_known = false;
  std::size_t budgets = 0;  ///< that count the adjustment's unit for it, now or at the next start
  std::string nearest;      ///< a known one, when it is not known and looks like a slip
};
/// @param ledger  of the running gateway; null without one
/// @param reader  null when nothing is on record yet
/// Errors: audit_unavailable.
[[nodiscard]] base::Result<ScopeStanding> look_up(const Adjustment& adjustment,
                                                  const config::Snapshot& snapshot,
                                                  domain::budget::Ledger* ledger,
                                                  store::AuditReader* reader);
/// Why a scope that is not known is not adjusted.
[[nodiscard]] std::string unknown_scope(const Adjustment& adjustment,
                                        const ScopeStanding& standing);
/// What an adjustment did not change: "" when some budget counts it.
[[nodiscard]] std::string without_budget(const Adjustment& adjustment,
                                         const ScopeStanding& standing);

/// The audit row, with its charge, and the event of an adjustment made at `at` (budget time).
[[nodiscard]] store::AuditRecord record_of(const Adjustment& adjustment, base::WallTime at,
                                           std::string request_id,
                                           const std::string& config_digest);
[[nodiscard]] store::AuditEvent event_of(const Adjustment& adjustment,
                                         const std::string& request_id);

/// One budget whose counter in memory is not what is on record.
struct CounterFault {
  domain::budget::BudgetRow row;
  base::Quantity recorded;
};
/// Compares every budget's spend with the record: what `tollgate ledger verify` asks of a running
/// gateway. Calls that end meanwhile are waited out by looking again, a few times. Sessions and end
/// users that were forgotten and came back count less than the record has.
[[nodiscard]] base::Result<std::vector<CounterFault>> check_counters(
    domain::budget::Ledger& ledger, domain::budget::SpendHistory& history);

}  // namespace tollgate::app
