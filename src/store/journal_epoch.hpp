#pragma once

#include <cstdint>
#include <optional>

#include "store/sqlite.hpp"
#include "tollgate/base/result.hpp"

/// Mark `journal_epoch`: the identity of the crash journal that goes with the file. All 64 bits of
/// it, as SQLite's signed integer.
namespace tollgate::store {

[[nodiscard]] base::Result<void> write_journal_epoch(Database& db, std::uint64_t epoch);
[[nodiscard]] base::Result<void> read_journal_epoch(Database& db,
                                                    std::optional<std::uint64_t>& epoch);

}  // namespace tollgate::store
