#pragma once

#include <optional>
#include <string_view>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/base/units.hpp"
#include "tollgate/config/snapshot.hpp"

namespace tollgate::domain::budget {

/// What the ledger asks of the store: the spend on record. Implemented by store over its ledger
/// rows.
///
/// Called at start and when a reload brings a budget or a window the ledger does not know, on the
/// thread that reloads, never under the ledger's lock. May block.
class SpendHistory {
 public:
  virtual ~SpendHistory() = default;

  /// Sum of what was settled for a scope by rows whose `charged_at` (Settlement::charged_at, the
  /// time of the hold, not of the settlement) is at or after `since`.
  ///
  /// Must see every row handed to the store before the call: flush the queue first.
  [[nodiscard]] virtual base::Result<base::NanoUsd> settled_since(config::ScopeKind kind,
                                                                  std::string_view scope_id,
                                                                  base::WallTime since) = 0;

  /// Whether a row of the scope, with a `charged_at` at or after `since`, says that more was billed
  /// than held. Asked only for a budget that is closed, or whose limit the spend has broken. Sees
  /// the same rows as settled_since.
  [[nodiscard]] virtual base::Result<bool> has_overrun_since(config::ScopeKind kind,
                                                             std::string_view scope_id,
                                                             base::WallTime since) = 0;

  /// The greatest `charged_at` of all rows; absent when there is none.
  [[nodiscard]] virtual base::Result<std::optional<base::WallTime>> newest_charge() = 0;
};

}  // namespace tollgate::domain::budget
