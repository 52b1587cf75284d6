#pragma once

#include <array>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/row_source.hpp"
#include "store/sqlite.hpp"
#include "tollgate/store/audit_reader.hpp"
#include "tollgate/store/audit_record.hpp"

/// One row of table `audit`: its columns in one order for writing, reading and hashing.
namespace tollgate::store {

/// The form of the hash: which columns it covers. A migration that adds columns adds a version.
inline constexpr std::int64_t kRowVersion = 1;
/// Columns covered by a row version, from the first; 0 for an unknown version.
[[nodiscard]] std::size_t hashed_columns(std::int64_t row_version) noexcept;

/// All columns in order; the last is `hash`.
inline constexpr std::size_t kAuditColumns = 61;
[[nodiscard]] std::span<const std::string_view> audit_columns() noexcept;
/// "INSERT OR ROLLBACK INTO audit(seq,...) SELECT * FROM <source>" and "SELECT seq,... FROM
/// <from>", where `from` may join other tables whose columns have other names.
[[nodiscard]] std::string audit_insert_sql(std::string_view source);
[[nodiscard]] std::string audit_select_sql(std::string_view from = "audit");

/// A row's canonical form as it grows; keeps its memory. Plain stores, since it is written for
/// every column of every row.
class CanonicalForm {
 public:
  void start(const base::Sha256Digest& previous) noexcept {
    std::memcpy(buffer_.data(), previous.data(), previous.size());
    used_ = previous.size();
  }
  void null() noexcept { *room(1) = 'N'; }
  void integer(std::int64_t value) noexcept {
    char* const at = room(9);
    at[0] = 'I';
    little_endian(at + 1, static_cast<std::uint64_t>(value), 8);
  }
  void bytes(char type, std::string_view value) noexcept {
    char* const at = room(5 + value.size());
    at[0] = type;
    little_endian(at + 1, value.size(), 4);
    if (!value.empty()) std::memcpy(at + 5, value.data(), value.size());
  }
  [[nodiscard]] std::string_view view() const noexcept { return {buffer_.data(), used_}; }

 private:
  static void little_endian(char* at, std::uint64_t value, int count) noexcept {
    for (int i = 0; i < count; ++i) at[i] = static_cast<char>(value >> (8 * i));
  }
  char* room(std::size_t size) noexcept {
    if (used_ + size > buffer_.size()) buffer_.resize(2 * (used_ + size));
    used_ += size;
    return buffer_.data() + used_ - size;
  }
  std::vector<char> buffer_ = std::vector<char>(4'096);
  std::size_t used_ = 0;
};

/// Turns records into rows: the value of every column, and the hash, in one pass.
///
/// hash = SHA-256(hash of the row before || canonical form). The canonical form has, per column in
/// order, one type byte and the value: 'N'; 'I' and 8 bytes little-endian; 'T' or 'B', 4 bytes
/// length little-endian, and the bytes. It is a function of what SQLite stores, so that any reader
/// can recompute it. Keeps its buffers from row to row.
class AuditRowWriter {
 public:
  /// Forms the row of one record, which must live as long as the row.
  /// @param previous  hash of the row before. @return this row's hash.
  const base::Sha256Digest& form(std::int64_t seq, const AuditRecord& record,
                                 const BodyPlace& request, const BodyPlace& response,
                                 const base::Sha256Digest& previous);
  /// The kAuditColumns values of the row formed last.
  [[nodiscard]] const RowValue* row() const noexcept { return values_.data(); }

 private:
  class Sink;
  std::array<RowValue, kAuditColumns> values_;
  CanonicalForm canonical_;
  std::array<std::string, 3> lists_;  ///< tags, attempts, verdicts as JSON
  base::Sha256Digest hash_{};
};

/// Reads the current row of a statement made with audit_select_sql().
[[nodiscard]] StoredCall read_audit_row(const Statement& row);

/// The hash the current row of such a statement should have; false for an unknown row version.
[[nodiscard]] bool hash_audit_row(const Statement& row, const base::Sha256Digest& previous,
                                  CanonicalForm& buffer, base::Sha256Digest& out);

[[nodiscard]] Outcome outcome_from_text(std::string_view text) noexcept;

}  // namespace tollgate::store
