#include "store/audit_row.hpp"

#include <array>
#include <cstring>

#include "store/record_json.hpp"
#include "tollgate/base/digest.hpp"

namespace tollgate::store {
namespace {

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The columns that version 1 covers, `hash` not among them.
constexpr std::size_t kColumnsOfVersion1 = 60;

/// Every column but `hash`, once, in the table's order, with what of a record it holds: `visit`
/// takes the names, writes the values or reads them back.
template <class Visitor, class Seq, class Record, class Place>
void visit_columns(Visitor& visit, Seq& seq, Record& r, Place& request, Place& response) {
  visit.integer("seq", seq);
  visit.derived("row_version", kRowVersion);
  visit.text("request_id", r.request_id);
  visit.text("trace_id", r.trace_id);
  visit.text("session_id", r.session_id);
  visit.text("parent_id", r.parent_id);
  visit.time("started_us", r.started);
  visit.text("key_id", r.principal.key_id);
  visit.text("agent", r.principal.agent);
  visit.text("team", r.principal.team);
  visit.text("org", r.principal.org);
  visit.list("tags", r.principal.tags);
  visit.text("client_address", r.client_address);
  visit.text("surface", r.surface);
  visit.text("method", r.method);
  visit.text("path", r.path);
  visit.text("model_asked", r.model_asked);
  visit.text("model_served", r.model_served);
  visit.text("provider", r.provider);
  visit.text("deployment", r.deployment);
  visit.text("rpc_method", r.rpc_method);
  visit.text("rpc_target", r.rpc_target);
  visit.text("tool", r.tool);
  visit.text("task_id", r.task_id);
  visit.list("attempts", r.attempts);
  visit.derived("attempt_count", static_cast<std::int64_t>(r.attempts.size()));
  visit.list("verdicts", r.verdicts);
  visit.integer("input_tokens", r.tokens.input);
  visit.integer("output_tokens", r.tokens.output);
  visit.integer("cache_read_tokens", r.tokens.cache_read);
  visit.integer("cache_write_tokens", r.tokens.cache_write);
  visit.integer("cache_write_1h_tokens", r.tokens.cache_write_1h);
  visit.integer("reasoning_tokens", r.tokens.reasoning);
  visit.integer("estimated", r.estimated);
  visit.integer("cost_nusd", r.cost.value);
  visit.integer("held_nusd", r.held.value);
  visit.text("price_source", r.price_source);
  visit.integer("overrun", r.overrun);
  visit.integer("total_us", r.total_us);
  visit.not_negative("gateway_us", r.gateway_us);
  visit.not_negative("upstream_us", r.upstream_us);
  visit.not_negative("ttft_us", r.ttft_us);
  visit.integer("status", r.status);
  visit.text("error_code", r.error_code);
  visit.outcome("outcome", r.outcome);
  visit.integer("stream", r.stream);
  visit.integer("output_cap_lowered", r.output_cap_lowered);
  visit.integer("request_bytes", r.request_bytes);
  visit.integer("response_bytes", r.response_bytes);
  visit.text("config_digest", r.config_digest);
  visit.body("request_body_bytes", "request_body_sha256", "request_body_segment",
             "request_body_offset", "request_body_stored", r.request_body, request);
  visit.body("response_body_bytes", "response_body_sha256", "response_body_segment",
             "response_body_offset", "response_body_stored", r.response_body, response);
  // From here on of version 2.
  visit.text("end_user", r.end_user);
  visit.text("service_tier", r.service_tier);
  visit.count("audio_input_tokens", r.tokens.audio_input);
  visit.count("audio_output_tokens", r.tokens.audio_output);
  visit.count("server_tool_calls", r.server_tool_calls);
}

RowValue::Type value_type(char type) noexcept {
  switch (type) {
    case 'I':
      return RowValue::Type::integer;
    case 'T':
      return RowValue::Type::text;
    case 'B':
      return RowValue::Type::blob;
    default:
      return RowValue::Type::null;
  }
}

/// Takes the columns' names.
class Names {
 public:
  explicit Names(std::array<std::string_view, kAuditColumns>& names) : names_(names) {}
  void add(const char* name) { names_.at(next_++) = name; }
  void integer(const char* name, const auto&) { add(name); }
  void derived(const char* name, std::int64_t) { add(name); }
  void not_negative(const char* name, const auto&) { add(name); }
  void count(const char* name, const auto&) { add(name); }
  void time(const char* name, const auto&) { add(name); }
  void text(const char* name, const auto&) { add(name); }
  void list(const char* name, const auto&) { add(name); }
  void outcome(const char* name, Outcome) { add(name); }
  void body(const char* bytes, const char* digest, const char* segment, const char* offset,
            const char* stored, const AuditBody&, const BodyPlace&) {
    for (const char* name : {bytes, digest, segment, offset, stored}) add(name);
  }

 private:
  std::array<std::string_view, kAuditColumns>& names_;
  std::size_t next_ = 0;
};

void read_list(std::string_view json, std::vector<std::string>& out) {
  out = texts_from_json(json);
}
void read_list(std::string_view json, base::KeptList<AuditAttempt>& out) {
  out = attempts_from_json(json);
}
void read_list(std::string_view json, std::vector<AuditVerdict>& out) {
  out = verdicts_from_json(json);
}

/// Reads columns one after the other, as AuditRowWriter wrote them.
class Source {
 public:
  explicit Source(const Statement& row) : row_(row) {}
  template <class Number>
  void integer(const char*, Number& out) {
    out = static_cast<Number>(row_.integer(column_++));
  }
  void derived(const char*, std::int64_t) { ++column_; }
  void count(const char* name, std::int64_t& out) { integer(name, out); }
  void not_negative(const char*, std::int64_t& out) {
    const int column = column_++;
    out = row_.is_null(column) ? -1 : row_.integer(column);
  }
  void time(const char*, base::WallTime& out) {
    out = base::WallTime(std::chrono::microseconds(row_.integer(column_++)));
  }
  void text(const char*, std::string& out) { out = row_.text(column_++); }
  void list(const char*, auto& out) { read_list(row_.text(column_++), out); }
  void outcome(const char*, Outcome& out) { out = outcome_from_text(row_.text(column_++)); }
  void digest(base::Sha256Digest& out) {
    const std::string_view bytes = row_.text(column_++);
    if (bytes.size() == out.size()) std::memcpy(out.data(), bytes.data(), out.size());
  }
  void body(const char* bytes, const char*, const char* segment, const char* offset,
            const char* stored, AuditBody& body, BodyPlace& place) {
    body.captured = !row_.is_null(column_);
    integer(bytes, body.full_bytes);
    digest(body.sha256);
    integer(segment, place.segment);
    integer(offset, place.offset);
    integer(stored, place.stored_bytes);
  }

 private:
  const Statement& row_;
  int column_ = 0;
};

/// Stands for the columns that the writer adds to a record.
struct Later {};

/// Writes the columns of a record in canonical form.
class CallColumns {
 public:
  CallColumns(CanonicalForm& out, std::string& list) : out_(out), list_(list) {}
  void integer(const char*, Later) {}
  template <class Number>
  void integer(const char*, Number value) {
    out_.integer(static_cast<std::int64_t>(value));
  }
  void derived(const char*, std::int64_t value) { out_.integer(value); }
  void not_negative(const char*, std::int64_t value) {
    value < 0 ? out_.null() : out_.integer(value);
  }
  void count(const char*, std::int64_t value) { value == 0 ? out_.null() : out_.integer(value); }
  void time(const char*, base::WallTime value) { out_.integer(value.time_since_epoch().count()); }
  void text(const char*, std::string_view value) {  // empty = NULL
    value.empty() ? out_.null() : out_.bytes('T', value);
  }
  void list(const char* name, const auto& items) {
    list_.clear();
    if (!items.empty()) append_json(list_, items);
    text(name, list_);
  }
  void outcome(const char* name, Outcome value) { text(name, to_string(value)); }
  void body(const char*, const char*, const char*, const char*, const char*, const AuditBody& body,
            Later) {
    if (body.captured) {
      out_.integer(static_cast<std::int64_t>(body.full_bytes));
      out_.bytes('B', as_text(body.sha256));
    } else {
      out_.null();
      out_.null();
    }
    (gaps_.request == 0 ? gaps_.request : gaps_.response) = out_.size();
  }
  [[nodiscard]] const PlaceGaps& gaps() const noexcept { return gaps_; }

 private:
  CanonicalForm& out_;
  std::string& list_;
  PlaceGaps gaps_;
};

void append_column(const Statement& row, int column, CanonicalForm& out) {
  switch (sqlite3_column_type(row.raw(), column)) {
    case SQLITE_NULL:
      out.null();
      break;
    case SQLITE_INTEGER:
      out.integer(row.integer(column));
      break;
    case SQLITE_BLOB:
      out.bytes('B', row.text(column));
      break;
    default:
      out.bytes('T', row.text(column));
      break;
  }
}

/// The columns of a body's place.
void append_place(CanonicalForm& out, const BodyPlace& place) {
  if (place.stored_bytes == 0) {
    for (int i = 0; i < 3; ++i) out.null();
    return;
  }
  out.integer(place.segment);
  out.integer(static_cast<std::int64_t>(place.offset));
  out.integer(static_cast<std::int64_t>(place.stored_bytes));
}

}  // namespace

std::size_t hashed_columns(std::int64_t row_version) noexcept {
  if (row_version == 1) return kColumnsOfVersion1;
  return row_version == kRowVersion ? kAuditColumns - 1 : 0;
}

std::span<const std::string_view> audit_columns() noexcept {
  static const std::array<std::string_view, kAuditColumns> names = [] {
    std::array<std::string_view, kAuditColumns> out;
    Names into(out);
    const AuditRecord record;
    const BodyPlace place;
    visit_columns(into, kRowVersion, record, place, place);
    into.add("hash");
    return out;
  }();
  return names;
}

std::string audit_insert_sql(std::string_view source) {
  // As the table has them: SQLite copies the values once more when names are in another order.
  std::string names;
  const auto add = [&](std::string_view column) {
    if (!names.empty()) names += ',';
    names += column;
  };
  const auto columns = audit_columns();
  for (std::size_t i = 0; i < kAuditColumns - 1; ++i) {
    if (i == kColumnsOfVersion1) add(columns.back());
    add(columns[i]);
  }
  // OR ROLLBACK: the transaction is given up whole, so SQLite need not copy every page it changes
  // in case the statement alone has to be undone.
  return "INSERT OR ROLLBACK INTO audit(" + names + ") SELECT * FROM " + std::string(source);
}

std::string audit_select_sql(std::string_view from) {
  std::string sql = "SELECT ";
  for (const std::string_view column : audit_columns()) {
    if (column != audit_columns().front()) sql += ',';
    sql += column;
  }
  return sql.append(" FROM ").append(from) + ' ';
}

PlaceGaps append_call_columns(CanonicalForm& out, std::string& list, const AuditRecord& record) {
  CallColumns columns(out, list);
  constexpr Later later;
  visit_columns(columns, later, record, later, later);
  return columns.gaps();
}

const base::Sha256Digest& AuditRowWriter::form(std::int64_t seq, const PackedRecord& record,
                                               const BodyPlace& request, const BodyPlace& response,
                                               const base::Sha256Digest& previous) {
  canonical_.start(previous);
  canonical_.integer(seq);
  canonical_.append(record.call_columns);
  append_place(canonical_, request);
  canonical_.append(record.response_columns);
  append_place(canonical_, response);
  canonical_.append(record.last_columns);
  hash_ = base::sha256(canonical_.view());
  RowValue* value = values_.data();
  RowValue* const hash = value + kColumnsOfVersion1;
  CanonicalForm::each(canonical_.view().substr(previous.size()),
                      [&](char type, std::int64_t integer, std::string_view bytes) {
                        value->type = value_type(type);
                        value->integer = integer;
                        value->bytes = bytes;
                        if (++value == hash) ++value;
                      });
  hash->type = RowValue::Type::blob;
  hash->bytes = as_text(hash_);
  return hash_;
}

StoredCall read_audit_row(const Statement& row) {
  StoredCall call;
  Source in(row);
  visit_columns(in, call.seq, call.record, call.request_place, call.response_place);
  in.digest(call.hash);
  return call;
}

bool hash_audit_row(const Statement& row, const base::Sha256Digest& previous, CanonicalForm& buffer,
                    base::Sha256Digest& out) {
  const std::size_t count = hashed_columns(row.integer(1));
  if (count == 0) return false;
  buffer.start(previous);
  for (int i = 0; i < static_cast<int>(count); ++i) append_column(row, i, buffer);
  // What a version does not cover its rows do not have: else a version set back would hide it.
  for (int i = static_cast<int>(count); i < static_cast<int>(kAuditColumns) - 1; ++i)
    if (!row.is_null(i)) append_column(row, i, buffer);
  out = base::sha256(buffer.view());
  return true;
}

}  // namespace tollgate::store
