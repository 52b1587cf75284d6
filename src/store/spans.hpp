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
[[nodiscard]] constexpr std::int64_t span_of(std::int64_t seq) noexcept {
  return seq - seq % kSpanRows;
}

/// What the rows of one batch say about their spans; collected row by row. Keeps its memory.
class SpanNotes {
 public:
  struct Range {
    std::int64_t first_seq, oldest_us, newest_us;
  };
  struct Key {
    std::int64_t first_seq;
    std::string_view key_id;  ///< of the record
  };
  void clear() noexcept {
    ranges_.clear();
    keys_.clear();
  }
  /// `seq` grows from call to call.
  void add(std::int64_t seq, std::int64_t started_us, std::string_view key_id);
  [[nodiscard]] const std::vector<Range>& ranges() const noexcept { return ranges_; }
  /// Each pair at least once, not more often than keys alternate.
  [[nodiscard]] const std::vector<Key>& keys() const noexcept { return keys_; }

 private:
  std::vector<Range> ranges_;
  std::vector<Key> keys_;
};

/// Writes spans inside the batch's transaction. Writer thread only.
class SpanWriter {
 public:
  [[nodiscard]] int prepare(Database& db);
  /// The rows after number `before` that `notes` are about have been inserted.
  /// @return SQLite's result code.
  [[nodiscard]] int write(std::int64_t before, const SpanNotes& notes);
  /// The transaction did not commit: nothing that was written counts as known.
  void forget() noexcept {
    keys_.clear();
    is_open_known_ = false;
  }

 private:
  [[nodiscard]] int close(std::int64_t first_seq);

  Statement read_bounds_, close_span_, open_span_, add_key_;
  SpanNotes::Range open_{};  ///< bounds of the span that is not full, when they are known
  bool is_open_known_ = false;
  std::int64_t keys_of_ = -1;
  std::set<std::string, std::less<>> keys_;  ///< keys on record for span keys_of_
};

}  // namespace tollgate::store
