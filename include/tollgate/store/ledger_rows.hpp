#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/budget/amounts.hpp"

namespace tollgate::store {

/// One row of table `ledger` as read back.
struct LedgerRow {
  std::int64_t id = 0;
  std::string call_id;
  std::int64_t charge = 0;  ///< number of the charge within its call
  base::WallTime charged_at;
  domain::budget::Amounts amounts;  ///< `requests`: calls
  std::string kind;
  bool estimated = false;
  bool overrun = false;
  std::string key, agent, team, org, model, provider;
  std::string scopes;  ///< JSON array of "kind:id" of all others; empty when there are none
};

/// Which rows of the ledger. Absent and empty: all.
struct LedgerFilter {
  std::optional<config::ScopeKind> scope;
  std::string scope_id;
  std::string call_id;
  std::optional<base::WallTime> since;  ///< by the time of the hold
  std::size_t limit = 100;
};

/// Whether what is written down about money agrees with itself.
struct LedgerReport {
  std::int64_t calls = 0;             ///< audit rows that cost anything
  std::int64_t rows = 0;              ///< ledger rows
  base::NanoUsd audit;                ///< sum of the costs of audit rows
  base::NanoUsd ledger;               ///< sum of ledger rows of calls that have an audit row
  std::int64_t differences = 0;       ///< calls and sums that disagree
  std::vector<std::string> problems;  ///< the first of them, each a line
};

}  // namespace tollgate::store
