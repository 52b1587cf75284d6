#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/budget/amounts.hpp"

namespace tollgate::domain::budget {

/// Sums over rows of the ledger.
using Sums = Amounts;

/// What the ledger asks of the store: the spend on record. Implemented by store over its ledger
/// rows.
///
/// Called at start and when a reload brings a budget or a window the ledger does not know, on the
/// thread that reloads, never under the ledger's lock. May block. Every question sees every row
/// handed to the store before it: flush the queue first.
class SpendHistory {
 public:
  virtual ~SpendHistory() = default;

  /// Sums, which corrections may put below 0, of what was settled for a scope by rows whose
  /// `charged_at` (Settlement::charged_at, the time of the hold, not of the settlement) is at or
  /// after `since`.
  [[nodiscard]] virtual base::Result<Sums> settled_since(config::ScopeKind kind,
                                                         std::string_view scope_id,
                                                         base::WallTime since) = 0;

  /// Whether a row of the scope, with a `charged_at` at or after `since`, says that more was billed
  /// than held. Asked only for a budget that is closed, or whose limit the spend has broken.
  [[nodiscard]] virtual base::Result<bool> has_overrun_since(config::ScopeKind kind,
                                                             std::string_view scope_id,
                                                             base::WallTime since) = 0;

  /// The greatest `charged_at` of all rows; absent when there is none.
  [[nodiscard]] virtual base::Result<std::optional<base::WallTime>> newest_charge() = 0;

  /// The scopes of a kind that calls bring (session, end_user) with a charge at or after `since`,
  /// the latest first, at most `most`.
  [[nodiscard]] virtual base::Result<std::vector<std::string>> live_scopes_since(
      config::ScopeKind kind, base::WallTime since, std::size_t most) = 0;
};

}  // namespace tollgate::domain::budget
