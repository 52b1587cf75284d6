#pragma once

#include <optional>
#include <span>
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

  /// As settled_since, of many scopes of a kind at once, each id named once: the sums of ids[i]
  /// stand at i. Each is of one moment, not all of the same. A store that answers many at once
  /// better than one by one does so here.
  [[nodiscard]] virtual base::Result<std::vector<Sums>> settled_of_each_since(
      config::ScopeKind kind, std::span<const std::string_view> ids, base::WallTime since) {
    std::vector<Sums> all;
    all.reserve(ids.size());
    for (const std::string_view id : ids) {
      TG_TRY(const Sums sums, settled_since(kind, id, since));
      all.push_back(sums);
    }
    return all;
  }

  /// As has_overrun_since, in the same way.
  [[nodiscard]] virtual base::Result<std::vector<bool>> overruns_of_each_since(
      config::ScopeKind kind, std::span<const std::string_view> ids, base::WallTime since) {
    std::vector<bool> all;
    all.reserve(ids.size());
    for (const std::string_view id : ids) {
      TG_TRY(const bool has_overrun, has_overrun_since(kind, id, since));
      all.push_back(has_overrun);
    }
    return all;
  }

  /// The greatest `charged_at` of all rows; absent when there is none.
  [[nodiscard]] virtual base::Result<std::optional<base::WallTime>> newest_charge() = 0;

  /// The scopes of a kind that calls bring (session, end_user) with a charge at or after `since`,
  /// at most `most`, the latest first. Where there are more, the places are shared out: each
  /// owner's (what stands up to the first '/' of the id) latest, then each one's next, and so on,
  /// so that one owner's many leave out nobody else's.
  [[nodiscard]] virtual base::Result<std::vector<std::string>> live_scopes_since(
      config::ScopeKind kind, base::WallTime since, std::size_t most) = 0;
};

}  // namespace tollgate::domain::budget
