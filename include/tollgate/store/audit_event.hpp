#pragma once

#include <optional>
#include <string>

#include "tollgate/base/clock.hpp"
#include "tollgate/config/snapshot.hpp"

namespace tollgate::store {

/// Something worth keeping that is not a call: a budget's alert, a webhook given up, an adjustment
/// of the ledger, a loop that was stopped. One row of table `event`; empty texts are NULL. Holds no
/// credential.
struct AuditEvent {
  base::WallTime at{};  ///< zero: when it was handed over
  std::string kind;     ///< one of a closed set of short names
  std::optional<config::ScopeKind> scope;
  std::string scope_id;
  std::string budget;  ///< id of the budget, if it is about one
  std::string detail;  ///< a JSON object
  bool operator==(const AuditEvent&) const = default;
};

}  // namespace tollgate::store
