#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/sqlite.hpp"
#include "tollgate/store/audit_reader.hpp"

/// Sums of what was charged, from committed rows: whole days, quarters of an hour, and single
/// ledger rows where the asked instant lies inside a quarter. Returns SQLite codes.
namespace tollgate::store {

[[nodiscard]] int sums_since(Database& db, config::ScopeKind scope, std::string_view id,
                             std::int64_t since_us, domain::budget::Sums& sums);
[[nodiscard]] int sums_by_scope(Database& db, config::ScopeKind scope, std::int64_t since_us,
                                std::vector<ScopeSpend>& out);
/// As sums_since, of ids[i] at i; each id stands there once.
[[nodiscard]] int sums_of_each_since(Database& db, config::ScopeKind scope,
                                     std::span<const std::string_view> ids, std::int64_t since_us,
                                     std::vector<domain::budget::Sums>& sums);
/// As domain::budget::SpendHistory::live_scopes_since.
[[nodiscard]] int live_scopes_since(Database& db, config::ScopeKind scope, std::int64_t since_us,
                                    std::size_t most, std::vector<std::string>& ids);
/// As AuditReader::is_on_record.
[[nodiscard]] int is_on_record(Database& db, config::ScopeKind scope, std::string_view id,
                               bool& found);
[[nodiscard]] int has_overrun_since(Database& db, config::ScopeKind scope, std::string_view id,
                                    std::int64_t since_us, bool& found);
/// As has_overrun_since, of ids[i] at i; each id stands there once.
[[nodiscard]] int overruns_of_each_since(Database& db, config::ScopeKind scope,
                                         std::span<const std::string_view> ids,
                                         std::int64_t since_us, std::vector<bool>& found);
/// The column of a kind of scope in `ledger`; empty for those that stand in column `scopes`.
[[nodiscard]] std::string_view ledger_column(config::ScopeKind scope) noexcept;
/// As an element of column `scopes`, with its quotes.
[[nodiscard]] std::string scope_element(config::ScopeKind scope, std::string_view id);
/// A condition: whether column `scopes` has the element bound to `parameter`. By its bytes, as we
/// wrote them: json_each would end an id at a NUL. A quote inside an element has a backslash before
/// it, so what follows a bracket or a comma at once begins one.
[[nodiscard]] std::string has_element(const std::string& parameter);
/// The greatest `charged_us` ever on record, kept when its row goes.
[[nodiscard]] int newest_charge(Database& db, std::optional<std::int64_t>& charged_us);

}  // namespace tollgate::store
