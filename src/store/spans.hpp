#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "store/sqlite.hpp"
#include "tollgate/base/result.hpp"

/// Finding calls by time or by key without an index entry per call: `audit_span` has the range of
/// times of every kSpanRows rows in a row, `audit_span_key` the keys that occur among them. An
/// index on the key would make every batch rewrite one page per key that is active.
namespace tollgate::store {

/// Rows per span: seq / kSpanRows is the same. Part of the schema (docs/audit-schema.md).
inline constexpr std::int64_t kSpanRows = 256;

/// What the rows of one batch add to the spans; collected row by row. Keeps its memory.
class SpanNotes {
 public:
  struct Span {
    std::int64_t first_seq, last_seq, oldest_us, newest_us;
  };
  struct Key {
    std::int64_t first_seq;
    std::string_view key_id;  ///< of the record
  };

  void start() noexcept {
    spans_.clear();
    keys_.clear();
  }
  /// `seq` grows from call to call.
  void add(std::int64_t seq, std::int64_t started_us, std::string_view key_id);
  [[nodiscard]] const std::vector<Span>& spans() const noexcept { return spans_; }
  /// Each pair at least once, not more often than keys alternate.
  [[nodiscard]] const std::vector<Key>& keys() const noexcept { return keys_; }

 private:
  std::vector<Span> spans_;
  std::vector<Key> keys_;
};

/// Writes the notes, inside the batch's transaction. Writer thread only.
class SpanWriter {
 public:
  [[nodiscard]] int prepare(Database& db);
  /// @return SQLite's result code.
  [[nodiscard]] int write(const SpanNotes& notes);
  /// The transaction did not commit: nothing that was written counts as known.
  void forget() noexcept { known_.clear(); }

 private:
  Statement add_span_, add_key_;
  std::int64_t known_span_ = -1;
  std::set<std::string, std::less<>> known_;  ///< keys on record for that span
};

}  // namespace tollgate::store
