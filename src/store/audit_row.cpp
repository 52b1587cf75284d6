#include "store/audit_row.hpp"

#include <array>
#include <cstring>

#include "store/record_json.hpp"
#include "tollgate/base/digest.hpp"

namespace tollgate::store {
namespace {

constexpr std::array<std::string_view, kAuditColumns> kColumns{"seq",
                                                               "row_version",
                                                               "request_id",
                                                               "trace_id",
                                                               "session_id",
                                                               "parent_id",
                                                               "started_us",
                                                               "key_id",
                                                               "agent",
                                                               "team",
                                                               "org",
                                                               "tags",
                                                               "client_address",
                                                               "surface",
                                                               "method",
                                                               "path",
                                                               "model_asked",
                                                               "model_served",
                                                               "provider",
                                                               "deployment",
                                                               "rpc_method",
                                                               "rpc_target",
                                                               "tool",
                                                               "task_id",
                                                               "attempts",
                                                               "attempt_count",
                                                               "verdicts",
                                                               "input_tokens",
                                                               "output_tokens",
                                                               "cache_read_tokens",
                                                               "cache_write_tokens",
                                                               "cache_write_1h_tokens",
                                                               "reasoning_tokens",
                                                               "estimated",
                                                               "cost_nusd",
                                                               "held_nusd",
                                                               "price_source",
                                                               "overrun",
                                                               "total_us",
                                                               "gateway_us",
                                                               "upstream_us",
                                                               "ttft_us",
                                                               "status",
                                                               "error_code",
                                                               "outcome",
                                                               "stream",
                                                               "output_cap_lowered",
                                                               "request_bytes",
                                                               "response_bytes",
                                                               "config_digest",
                                                               "request_body_bytes",
                                                               "request_body_sha256",
                                                               "request_body_segment",
                                                               "request_body_offset",
                                                               "request_body_stored",
                                                               "response_body_bytes",
                                                               "response_body_sha256",
                                                               "response_body_segment",
                                                               "response_body_offset",
                                                               "response_body_stored",
                                                               "hash"};

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::int64_t whole(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

/// Reads columns one after the other, as AuditRowWriter wrote them.
class Source {
 public:
  explicit Source(const Statement& row) : row_(row) {}
  std::int64_t integer() { return row_.integer(column_++); }
  bool flag() { return integer() != 0; }
  std::int64_t integer_or(std::int64_t absent) {
    const int column = column_++;
    return row_.is_null(column) ? absent : row_.integer(column);
  }
  std::string text() { return std::string(row_.text(column_++)); }
  std::string_view view() { return row_.text(column_++); }
  bool next_is_null() const { return row_.is_null(column_); }
  base::Sha256Digest digest() {
    base::Sha256Digest out{};
    const std::string_view bytes = row_.text(column_++);
    if (bytes.size() == out.size()) std::memcpy(out.data(), bytes.data(), out.size());
    return out;
  }

 private:
  const Statement& row_;
  int column_ = 0;
};

void read_body(Source& in, AuditBody& body, BodyPlace& place) {
  body.captured = !in.next_is_null();
  body.full_bytes = static_cast<std::uint64_t>(in.integer());
  body.sha256 = in.digest();
  place.segment = in.integer();
  place.offset = static_cast<std::uint64_t>(in.integer());
  place.stored_bytes = static_cast<std::uint64_t>(in.integer());
}

}  // namespace

/// Sets columns one after the other and writes their canonical form.
class AuditRowWriter::Sink {
 public:
  Sink(RowValue* values, CanonicalForm& canonical) : next_(values), canonical_(canonical) {}
  void integer(std::int64_t value) {
    set(RowValue::Type::integer).integer = value;
    canonical_.integer(value);
  }
  void flag(bool value) { integer(value ? 1 : 0); }
  void null() {
    set(RowValue::Type::null);
    canonical_.null();
  }
  void not_negative(std::int64_t value) { value < 0 ? null() : integer(value); }
  void text(std::string_view value) {  // empty = NULL
    if (value.empty()) return null();
    set(RowValue::Type::text).bytes = value;
    canonical_.bytes('T', value);
  }
  void blob(const base::Sha256Digest& value) {
    set(RowValue::Type::blob).bytes = as_text(value);
    canonical_.bytes('B', as_text(value));
  }
  void body(const AuditBody& body, const BodyPlace& place) {
    if (!body.captured) {
      for (int i = 0; i < 5; ++i) null();
      return;
    }
    integer(whole(body.full_bytes));
    blob(body.sha256);
    if (place.stored_bytes == 0) {
      for (int i = 0; i < 3; ++i) null();
      return;
    }
    integer(place.segment);
    integer(whole(place.offset));
    integer(whole(place.stored_bytes));
  }
  /// The hash itself is a column, not part of the canonical form.
  void hash(const base::Sha256Digest& value) { set(RowValue::Type::blob).bytes = as_text(value); }

 private:
  RowValue& set(RowValue::Type type) noexcept {
    next_->type = type;
    return *next_++;
  }
  RowValue* next_;
  CanonicalForm& canonical_;
};

std::size_t hashed_columns(std::int64_t row_version) noexcept {
  return row_version == 1 ? kColumns.size() - 1 : 0;
}

std::span<const std::string_view> audit_columns() noexcept {
  return kColumns;
}

std::string audit_insert_sql(std::string_view source) {
  std::string names;
  for (const std::string_view column : kColumns) {
    if (!names.empty()) names += ',';
    names += column;
  }
  // OR ROLLBACK: the transaction is given up whole, so SQLite need not copy every page it changes
  // in case the statement alone has to be undone.
  return "INSERT OR ROLLBACK INTO audit(" + names + ") SELECT * FROM " + std::string(source);
}

std::string audit_select_sql(std::string_view from) {
  std::string sql = "SELECT ";
  for (const std::string_view column : kColumns) {
    if (column != kColumns.front()) sql += ',';
    sql += column;
  }
  return sql.append(" FROM ").append(from) + ' ';
}

const base::Sha256Digest& AuditRowWriter::form(std::int64_t seq, const AuditRecord& r,
                                               const BodyPlace& request, const BodyPlace& response,
                                               const base::Sha256Digest& previous) {
  canonical_.start(previous);
  Sink out(values_.data(), canonical_);
  out.integer(seq);
  out.integer(kRowVersion);
  out.text(r.request_id);
  out.text(r.trace_id);
  out.text(r.session_id);
  out.text(r.parent_id);
  out.integer(r.started.time_since_epoch().count());
  out.text(r.principal.key_id);
  out.text(r.principal.agent);
  out.text(r.principal.team);
  out.text(r.principal.org);
  tags_.clear();
  if (!r.principal.tags.empty()) append_json(tags_, r.principal.tags);
  out.text(tags_);
  out.text(r.client_address);
  out.text(r.surface);
  out.text(r.method);
  out.text(r.path);
  out.text(r.model_asked);
  out.text(r.model_served);
  out.text(r.provider);
  out.text(r.deployment);
  out.text(r.rpc_method);
  out.text(r.rpc_target);
  out.text(r.tool);
  out.text(r.task_id);
  attempts_.clear();
  if (!r.attempts.empty()) append_json(attempts_, r.attempts);
  out.text(attempts_);
  out.integer(static_cast<std::int64_t>(r.attempts.size()));
  verdicts_.clear();
  if (!r.verdicts.empty()) append_json(verdicts_, r.verdicts);
  out.text(verdicts_);
  out.integer(r.tokens.input);
  out.integer(r.tokens.output);
  out.integer(r.tokens.cache_read);
  out.integer(r.tokens.cache_write);
  out.integer(r.tokens.cache_write_1h);
  out.integer(r.tokens.reasoning);
  out.flag(r.estimated);
  out.integer(r.cost.value);
  out.integer(r.held.value);
  out.text(r.price_source);
  out.flag(r.overrun);
  out.integer(r.total_us);
  out.not_negative(r.gateway_us);
  out.not_negative(r.upstream_us);
  out.not_negative(r.ttft_us);
  out.integer(r.status);
  out.text(r.error_code);
  out.text(to_string(r.outcome));
  out.flag(r.stream);
  out.flag(r.output_cap_lowered);
  out.integer(whole(r.request_bytes));
  out.integer(whole(r.response_bytes));
  out.text(r.config_digest);
  out.body(r.request_body, request);
  out.body(r.response_body, response);
  hash_ = base::sha256(canonical_.view());
  out.hash(hash_);
  return hash_;
}

StoredCall read_audit_row(const Statement& row) {
  StoredCall call;
  AuditRecord& r = call.record;
  Source in(row);
  call.seq = in.integer();
  in.integer();  // row_version
  r.request_id = in.text();
  r.trace_id = in.text();
  r.session_id = in.text();
  r.parent_id = in.text();
  r.started = base::WallTime(std::chrono::microseconds(in.integer()));
  r.principal.key_id = in.text();
  r.principal.agent = in.text();
  r.principal.team = in.text();
  r.principal.org = in.text();
  r.principal.tags = texts_from_json(in.view());
  r.client_address = in.text();
  r.surface = in.text();
  r.method = in.text();
  r.path = in.text();
  r.model_asked = in.text();
  r.model_served = in.text();
  r.provider = in.text();
  r.deployment = in.text();
  r.rpc_method = in.text();
  r.rpc_target = in.text();
  r.tool = in.text();
  r.task_id = in.text();
  r.attempts = attempts_from_json(in.view());
  in.integer();  // attempt_count
  r.verdicts = verdicts_from_json(in.view());
  r.tokens.input = in.integer();
  r.tokens.output = in.integer();
  r.tokens.cache_read = in.integer();
  r.tokens.cache_write = in.integer();
  r.tokens.cache_write_1h = in.integer();
  r.tokens.reasoning = in.integer();
  r.estimated = in.flag();
  r.cost = {in.integer()};
  r.held = {in.integer()};
  r.price_source = in.text();
  r.overrun = in.flag();
  r.total_us = in.integer();
  r.gateway_us = in.integer_or(-1);
  r.upstream_us = in.integer_or(-1);
  r.ttft_us = in.integer_or(-1);
  r.status = static_cast<std::int32_t>(in.integer());
  r.error_code = in.text();
  r.outcome = outcome_from_text(in.view());
  r.stream = in.flag();
  r.output_cap_lowered = in.flag();
  r.request_bytes = static_cast<std::uint64_t>(in.integer());
  r.response_bytes = static_cast<std::uint64_t>(in.integer());
  r.config_digest = in.text();
  read_body(in, r.request_body, call.request_place);
  read_body(in, r.response_body, call.response_place);
  call.hash = in.digest();
  return call;
}

bool hash_audit_row(const Statement& row, const base::Sha256Digest& previous, CanonicalForm& buffer,
                    base::Sha256Digest& out) {
  const std::size_t count = hashed_columns(row.integer(1));
  if (count == 0) return false;
  buffer.start(previous);
  for (int i = 0; i < static_cast<int>(count); ++i) {
    switch (sqlite3_column_type(row.raw(), i)) {
      case SQLITE_NULL:
        buffer.null();
        break;
      case SQLITE_INTEGER:
        buffer.integer(row.integer(i));
        break;
      case SQLITE_BLOB:
        buffer.bytes('B', row.text(i));
        break;
      default:
        buffer.bytes('T', row.text(i));
        break;
    }
  }
  out = base::sha256(buffer.view());
  return true;
}

}  // namespace tollgate::store
