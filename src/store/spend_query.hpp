#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "store/sqlite.hpp"
#include "tollgate/store/audit_reader.hpp"

/// Sums of money from committed rows: whole days, quarters of an hour, and single ledger rows where
/// the asked instant lies inside a quarter. Returns SQLite codes.
namespace tollgate::store {

[[nodiscard]] int sum_since(Database& db, config::ScopeKind scope, std::string_view id,
                            std::int64_t since_us, std::int64_t& nusd);
[[nodiscard]] int sums_by_scope(Database& db, config::ScopeKind scope, std::int64_t since_us,
                                std::vector<ScopeSpend>& out);
[[nodiscard]] int has_overrun_since(Database& db, config::ScopeKind scope, std::string_view id,
                                    std::int64_t since_us, bool& found);
/// The greatest `charged_us` ever on record, kept when its row goes.
[[nodiscard]] int newest_charge(Database& db, std::optional<std::int64_t>& charged_us);

}  // namespace tollgate::store
