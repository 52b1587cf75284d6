#include "store/spans.hpp"

namespace tollgate::store {
namespace {

// A span is written twice: open, when its first row is, with bounds that hold for any row; and with
// its own bounds when it is full. In between no batch has to touch its page.
constexpr std::string_view kOpenSpan =
    "INSERT INTO audit_span(first_seq,last_seq,oldest_us,newest_us) "
    "VALUES(?1,?1+255,0,9223372036854775807)";
constexpr std::string_view kCloseSpan =
    "UPDATE audit_span SET (oldest_us,newest_us) = (SELECT min(started_us), max(started_us) "
    "FROM audit WHERE seq BETWEEN ?1 AND ?1+255) WHERE first_seq=?1";
constexpr std::string_view kAddKey =
    "INSERT OR IGNORE INTO audit_span_key(first_seq,key_id) VALUES(?,?)";

}  // namespace

int SpanWriter::prepare(Database& db) {
  int rc = db.prepare_kept(kOpenSpan, open_span_);
  if (rc == SQLITE_OK) rc = db.prepare_kept(kCloseSpan, close_span_);
  return rc == SQLITE_OK ? db.prepare_kept(kAddKey, add_key_) : rc;
}

int SpanWriter::write(std::int64_t before, std::int64_t last, const SpanKeys& keys) {
  // Span 0 is there from the start, since rows begin with 1.
  for (std::int64_t first = span_of(before) + kSpanRows; first <= last; first += kSpanRows) {
    close_span_.bind(1, first - kSpanRows);
    if (const int rc = close_span_.run(); rc != SQLITE_OK) return rc;
    open_span_.bind(1, first);
    if (const int rc = open_span_.run(); rc != SQLITE_OK) return rc;
  }
  for (const SpanKeys::Key& key : keys) {
    if (key.first_seq != known_span_) {
      known_span_ = key.first_seq;
      known_.clear();
    }
    if (known_.contains(key.key_id)) continue;
    add_key_.bind(1, key.first_seq);
    add_key_.bind(2, key.key_id);
    if (const int rc = add_key_.run(); rc != SQLITE_OK) return rc;
    known_.emplace(key.key_id);
  }
  return SQLITE_OK;
}

}  // namespace tollgate::store
