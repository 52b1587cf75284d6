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

/// The keys of one batch's rows, each at least once per span. Keeps its memory.
class SpanKeys {
 public:
  struct Key {
    std::int64_t first_seq;
    std::string_view key_id;  ///< of the record
  };
  void clear() noexcept { keys_.clear(); }
  void add(std::int64_t seq, std::string_view key_id) {
    if (key_id.empty()) return;
    const std::int64_t first = span_of(seq);
    if (keys_.empty() || keys_.back().first_seq != first || keys_.back().key_id != key_id) {
      keys_.push_back({first, key_id});
    }
  }
  [[nodiscard]] auto begin() const noexcept { return keys_.begin(); }
  [[nodiscard]] auto end() const noexcept { return keys_.end(); }

 private:
  std::vector<Key> keys_;
};

/// Writes spans inside the batch's transaction. Writer thread only.
class SpanWriter {
 public:
  [[nodiscard]] int prepare(Database& db);
  /// The rows after `before` up to `last` have been inserted; `keys` are theirs.
  /// @return SQLite's result code.
  [[nodiscard]] int write(std::int64_t before, std::int64_t last, const SpanKeys& keys);
  /// The transaction did not commit: nothing that was written counts as known.
  void forget() noexcept { known_.clear(); }

 private:
  Statement close_span_, open_span_, add_key_;
  std::int64_t known_span_ = -1;
  std::set<std::string, std::less<>> known_;  ///< keys on record for that span
};

}  // namespace tollgate::store
