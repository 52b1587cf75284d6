#include "store/spans.hpp"

#include <algorithm>

namespace tollgate::store {
namespace {

constexpr std::string_view kAddSpan =
    "INSERT INTO audit_span(first_seq,last_seq,oldest_us,newest_us) VALUES(?,?,?,?) "
    "ON CONFLICT DO UPDATE SET last_seq = excluded.last_seq, "
    "oldest_us = min(oldest_us, excluded.oldest_us), "
    "newest_us = max(newest_us, excluded.newest_us)";
constexpr std::string_view kAddKey =
    "INSERT OR IGNORE INTO audit_span_key(first_seq,key_id) VALUES(?,?)";

}  // namespace

void SpanNotes::add(std::int64_t seq, std::int64_t started_us, std::string_view key_id) {
  const std::int64_t first = seq - seq % kSpanRows;
  if (spans_.empty() || spans_.back().first_seq != first) {
    spans_.push_back({first, seq, started_us, started_us});
  } else {
    Span& span = spans_.back();
    span.last_seq = seq;
    span.oldest_us = std::min(span.oldest_us, started_us);
    span.newest_us = std::max(span.newest_us, started_us);
  }
  if (key_id.empty()) return;
  if (!keys_.empty() && keys_.back().first_seq == first && keys_.back().key_id == key_id) return;
  keys_.push_back({first, key_id});
}

int SpanWriter::prepare(Database& db) {
  const int rc = db.prepare_kept(kAddSpan, add_span_);
  return rc != SQLITE_OK ? rc : db.prepare_kept(kAddKey, add_key_);
}

int SpanWriter::write(const SpanNotes& notes) {
  for (const SpanNotes::Span& span : notes.spans()) {
    add_span_.bind(1, span.first_seq);
    add_span_.bind(2, span.last_seq);
    add_span_.bind(3, span.oldest_us);
    add_span_.bind(4, span.newest_us);
    if (const int rc = add_span_.run(); rc != SQLITE_OK) return rc;
  }
  for (const SpanNotes::Key& key : notes.keys()) {
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
