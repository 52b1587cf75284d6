#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "store/canonical_form.hpp"
#include "store/packed_record.hpp"
#include "store/row_source.hpp"
#include "store/sqlite.hpp"
#include "tollgate/store/audit_reader.hpp"
#include "tollgate/store/audit_record.hpp"

/// One row of table `audit`: its columns in one order for writing, reading and hashing.
namespace tollgate::store {

/// The form of the hash: which columns it covers. A migration that adds columns adds a version.
inline constexpr std::int64_t kRowVersion = 2;
/// Columns covered by a row version, from the first; 0 for an unknown version.
[[nodiscard]] std::size_t hashed_columns(std::int64_t row_version) noexcept;

/// All columns in the order of the hash, which comes last here (in the table it stands before those
/// of version 2).
inline constexpr std::size_t kAuditColumns = 66;
[[nodiscard]] std::span<const std::string_view> audit_columns() noexcept;
/// "INSERT OR ROLLBACK INTO audit(seq,...) SELECT * FROM <source>", in the table's order, and
/// "SELECT seq,... FROM <from>", where `from` may join other tables whose columns have other names.
[[nodiscard]] std::string audit_insert_sql(std::string_view source);
[[nodiscard]] std::string audit_select_sql(std::string_view from = "audit");

/// Where the columns that only the writer knows, those of the bodies' places, belong among the
/// others.
struct PlaceGaps {
  std::size_t request = 0;   ///< after `request_body_sha256`
  std::size_t response = 0;  ///< after `response_body_sha256`
};
/// The columns of a record that its worker knows, in canonical form, from `row_version` on.
/// @param list  memory for columns that are JSON.
[[nodiscard]] PlaceGaps append_call_columns(CanonicalForm& out, std::string& list,
                                            const AuditRecord& record);

/// Turns packed records into rows: the value of every column, and the hash.
///
/// hash = SHA-256(hash of the row before || canonical form). Keeps its buffers from row to row.
class AuditRowWriter {
 public:
  /// Forms one row. @param previous  hash of the row before. @return this row's hash.
  const base::Sha256Digest& form(std::int64_t seq, const PackedRecord& record,
                                 const BodyPlace& request, const BodyPlace& response,
                                 const base::Sha256Digest& previous);
  /// The kAuditColumns values of the row formed last, as audit_insert_sql() takes them; they point
  /// into this object.
  [[nodiscard]] const RowValue* row() const noexcept { return values_.data(); }

 private:
  std::array<RowValue, kAuditColumns> values_;
  CanonicalForm canonical_;
  base::Sha256Digest hash_{};
};

/// Reads the current row of a statement made with audit_select_sql().
[[nodiscard]] StoredCall read_audit_row(const Statement& row);

/// The hash the current row of such a statement should have; false for an unknown row version.
[[nodiscard]] bool hash_audit_row(const Statement& row, const base::Sha256Digest& previous,
                                  CanonicalForm& buffer, base::Sha256Digest& out);

[[nodiscard]] Outcome outcome_from_text(std::string_view text) noexcept;

}  // namespace tollgate::store
