#include "store/spans.hpp"

#include <algorithm>

namespace tollgate::store {
namespace {

// A span is written twice: open, when its first row is, with bounds that hold for any row; and with
// its own bounds when it is full. In between no batch has to touch its page.
constexpr std::string_view kOpenSpan =
    "INSERT INTO audit_span(first_seq,last_seq,oldest_us,newest_us) "
    "VALUES(?1,?1+255,0,9223372036854775807)";
constexpr std::string_view kCloseSpan =
    "UPDATE audit_span SET oldest_us=?2, newest_us=?3 WHERE first_seq=?1";
constexpr std::string_view kReadBounds =
    "SELECT min(started_us), max(started_us) FROM audit WHERE seq BETWEEN ?1 AND ?1+255";
constexpr std::string_view kAddKey =
    "INSERT OR IGNORE INTO audit_span_key(first_seq,key_id) VALUES(?,?)";

void include(SpanNotes::Range& range, std::int64_t oldest_us, std::int64_t newest_us) noexcept {
  range.oldest_us = std::min(range.oldest_us, oldest_us);
  range.newest_us = std::max(range.newest_us, newest_us);
}

}  // namespace

void SpanNotes::add(std::int64_t seq, std::int64_t started_us, std::string_view key_id) {
  const std::int64_t first = span_of(seq);
  if (ranges_.empty() || ranges_.back().first_seq != first) {
    ranges_.push_back({first, started_us, started_us});
  } else {
    include(ranges_.back(), started_us, started_us);
  }
  if (key_id.empty()) return;
  if (keys_.empty() || keys_.back().first_seq != first || keys_.back().key_id != key_id) {
    keys_.push_back({first, key_id});
  }
}

int SpanWriter::prepare(Database& db) {
  int rc = db.prepare_kept(kOpenSpan, open_span_);
  if (rc == SQLITE_OK) rc = db.prepare_kept(kCloseSpan, close_span_);
  if (rc == SQLITE_OK) rc = db.prepare_kept(kReadBounds, read_bounds_);
  return rc == SQLITE_OK ? db.prepare_kept(kAddKey, add_key_) : rc;
}

int SpanWriter::write(std::int64_t before, const SpanNotes& notes) {
  // Rows begin with 1 and have no gaps: the span of the row before is on record, and open.
  std::int64_t open = span_of(before);
  for (const SpanNotes::Range& range : notes.ranges()) {
    if (range.first_seq == open) {
      include(open_, range.oldest_us, range.newest_us);
      continue;
    }
    if (const int rc = close(open); rc != SQLITE_OK) return rc;
    open_span_.bind(1, range.first_seq);
    if (const int rc = open_span_.run(); rc != SQLITE_OK) return rc;
    open = range.first_seq;
    open_ = range;
    is_open_known_ = true;
  }
  for (const SpanNotes::Key& key : notes.keys()) {
    if (key.first_seq != keys_of_) {
      keys_of_ = key.first_seq;
      keys_.clear();
    }
    if (keys_.contains(key.key_id)) continue;
    add_key_.bind(1, key.first_seq);
    add_key_.bind(2, key.key_id);
    if (const int rc = add_key_.run(); rc != SQLITE_OK) return rc;
    keys_.emplace(key.key_id);
  }
  return SQLITE_OK;
}

int SpanWriter::close(std::int64_t first_seq) {
  if (!is_open_known_) {
    // Begun before a start or a failed transaction: its rows tell.
    const ScopedReset reset(read_bounds_);
    read_bounds_.bind(1, first_seq);
    if (const int rc = read_bounds_.step(); rc != SQLITE_ROW) return rc;
    if (read_bounds_.is_null(0)) return SQLITE_OK;  // retention has removed them, and the span
    open_ = {first_seq, read_bounds_.integer(0), read_bounds_.integer(1)};
  }
  close_span_.bind(1, first_seq);
  close_span_.bind(2, open_.oldest_us);
  close_span_.bind(3, open_.newest_us);
  return close_span_.run();
}

}  // namespace tollgate::store
