#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "store/sqlite.hpp"
#include "tollgate/base/result.hpp"

/// The schema as numbered, forward-only steps. docs/audit-schema.md describes the result.
namespace tollgate::store {

/// "Toll" in ASCII: tells our files from other SQLite files.
inline constexpr std::int64_t kApplicationId = 0x546f6c6c;

/// One step; `user_version` is its number once it has run. Never edit a released one: add another.
struct Migration {
  int version;
  std::string_view sql;
};
[[nodiscard]] std::span<const Migration> migrations() noexcept;
[[nodiscard]] int newest_schema() noexcept;

/// Sets what must be set before the first table exists (page size, vacuum mode, WAL).
int prepare_empty_file(Database& db) noexcept;
/// Whether the file may be used at all; changes nothing.
/// Errors (audit_unavailable): newer file, not ours, unreadable.
[[nodiscard]] base::Result<void> check_schema(Database& db);
/// Runs the missing steps up to `target`, each in a transaction with its version.
/// Errors (audit_unavailable): as check_schema, and SQLite's.
[[nodiscard]] base::Result<void> migrate(Database& db, int target);

/// What `ON CONFLICT DO UPDATE SET` needs to add the amounts of a row of `spend_quarter` or
/// `ledger_daily` to those that are there. Saturates: an overflow would turn a sum into a REAL,
/// which the table refuses for ever.
[[nodiscard]] std::string add_amounts_sql();

/// Length of a bucket of `spend_quarter`: every time zone in use is off UTC by a multiple of it, so
/// every calendar window starts on a bucket.
inline constexpr std::int64_t kQuarterUs = 15ll * 60 * 1'000'000;
inline constexpr std::int64_t kDayUs = 24ll * 3600 * 1'000'000;
[[nodiscard]] constexpr std::int64_t floor_to(std::int64_t us, std::int64_t unit) noexcept {
  const std::int64_t rest = us % unit;
  return us - (rest < 0 ? rest + unit : rest);
}

}  // namespace tollgate::store
