#pragma once

#include <cstdint>
#include <string_view>

#include "store/sqlite.hpp"

/// Rows of this process as a table that SQLite can read, so that one `INSERT … SELECT` writes a
/// whole batch: cursors, transaction bookkeeping and the statement's set-up are paid once per batch
/// instead of once per row, and no value passes through a bound parameter.
namespace tollgate::store {

/// One value of a row. `bytes` points into memory that outlives the row.
struct RowValue {
  enum class Type : std::uint8_t { null, integer, text, blob };
  Type type = Type::null;
  std::int64_t integer = 0;
  std::string_view bytes;
};

/// A list of rows, walked by one statement at a time. Called by SQLite, through C: nothing may
/// throw out of it (an allocation that fails ends the process, as it would on any thread of ours).
class RowSource {
 public:
  RowSource() = default;
  RowSource(const RowSource&) = delete;
  RowSource& operator=(const RowSource&) = delete;
  virtual ~RowSource() = default;
  /// Back to before the first row; SQLite calls it once before it reads.
  virtual void rewind() noexcept = 0;
  /// Moves to the next row and returns its values in the order of the columns, valid until the next
  /// call; null at the end.
  [[nodiscard]] virtual const RowValue* next() noexcept = 0;
};

/// Makes `source` readable as table `name` with the given number of columns (c0, c1, ...) on one
/// connection, for as long as that is open. It needs no row in the schema, and no other connection
/// sees it.
/// @return SQLite's result code.
int register_source(Database& db, const char* name, int columns, RowSource& source);

}  // namespace tollgate::store
