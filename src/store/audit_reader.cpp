#include "tollgate/store/audit_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>

#include "store/audit_row.hpp"
#include "store/journal_epoch.hpp"
#include "store/key_rows.hpp"
#include "store/reader_connection.hpp"
#include "store/schema.hpp"
#include "store/segments.hpp"
#include "store/spend_query.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::store {
namespace {

constexpr std::size_t kMaxRows = 10'000;

/// The WHERE clause of a filter and what to bind to it, in step.
class Conditions {
 public:
  void text(std::string_view condition, const std::string& value) {
    if (!value.empty()) add(condition, value);
  }
  void number(std::string_view condition, std::optional<std::int64_t> value) {
    if (value) add(condition, *value);
  }
  [[nodiscard]] std::string sql() const { return sql_.empty() ? "" : "WHERE " + sql_; }
  void bind(Statement& statement) const {
    int index = 0;
    for (const auto& value : values_) {
      ++index;
      if (const auto* text = std::get_if<std::string>(&value)) {
        statement.bind(index, *text);
      } else {
        statement.bind(index, std::get<std::int64_t>(value));
      }
    }
  }

 private:
  void add(std::string_view condition, std::variant<std::int64_t, std::string> value) {
    if (!sql_.empty()) sql_ += " AND ";
    sql_ += condition;
    values_.push_back(std::move(value));
  }
  std::string sql_;
  std::vector<std::variant<std::int64_t, std::string>> values_;
};

std::optional<config::ScopeKind> scope_from_text(std::string_view text) {
  for (const auto& entry : config::names(config::ScopeKind()))
    if (entry.name == text) return entry.value;
  return std::nullopt;
}

base::Result<std::vector<StoredCall>> collect(AuditReader::Connection& connection, Statement& row) {
  std::vector<StoredCall> calls;
  int rc = SQLITE_OK;
  while ((rc = row.step()) == SQLITE_ROW) calls.push_back(read_audit_row(row));
  if (rc != SQLITE_DONE) return connection.error(rc);
  return calls;
}

}  // namespace

AuditReader::AuditReader(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)) {}
AuditReader::~AuditReader() = default;

base::Result<std::unique_ptr<AuditReader>> AuditReader::open(const std::string& path,
                                                             ReaderOptions options) {
  auto connection = std::make_unique<Connection>(path, options);
  TG_CHECK(connection->open());
  return std::unique_ptr<AuditReader>(new AuditReader(std::move(connection)));
}

base::Result<std::vector<StoredCall>> AuditReader::tail(std::size_t n) {
  const Connection::Limited limited(*connection_);
  Statement row;
  if (const int rc =
          connection_->db.prepare(audit_select_sql() + "ORDER BY seq DESC LIMIT ?", row)) {
    return connection_->error(rc);
  }
  row.bind(1, static_cast<std::int64_t>(std::min(n, kMaxRows)));
  TG_TRY(auto calls, collect(*connection_, row));
  std::reverse(calls.begin(), calls.end());
  return calls;
}

base::Result<std::vector<StoredCall>> AuditReader::after(std::int64_t seq, std::size_t limit) {
  const Connection::Limited limited(*connection_);
  Statement row;
  if (const int rc =
          connection_->db.prepare(audit_select_sql() + "WHERE seq > ? ORDER BY seq LIMIT ?", row)) {
    return connection_->error(rc);
  }
  row.bind(1, seq);
  row.bind(2, static_cast<std::int64_t>(std::min(limit, kMaxRows)));
  return collect(*connection_, row);
}

base::Result<std::optional<StoredCall>> AuditReader::show(std::string_view request_id) {
  const Connection::Limited limited(*connection_);
  Statement row;
  if (const int rc = connection_->db.prepare(audit_select_sql() + "WHERE request_id=?", row)) {
    return connection_->error(rc);
  }
  row.bind(1, request_id);
  const int rc = row.step();
  if (rc == SQLITE_DONE) return std::optional<StoredCall>();
  if (rc != SQLITE_ROW) return connection_->error(rc);
  return std::optional<StoredCall>(read_audit_row(row));
}

base::Result<std::vector<StoredCall>> AuditReader::query(const CallFilter& filter) {
  const Connection::Limited limited(*connection_);
  const bool has_key = !filter.key.empty();
  const bool has_time = filter.since || filter.until;
  Conditions where;
  std::string from = "audit";
  std::string order = "seq DESC";
  if (has_key || has_time) {
    // Only the spans that can have such calls, the newest first, so that the limit ends the walk.
    // Without the + SQLite would first build an index on the key, for this one query.
    using Limits = std::numeric_limits<std::int64_t>;
    where.number("started_us>=?1", filter.since ? base::to_micros(*filter.since) : Limits::min());
    where.number("started_us<?2", filter.until ? base::to_micros(*filter.until) : Limits::max());
    where.text("+key_id=?3", filter.key);
    where.number("span<?", filter.before_seq);
    std::string spans = "SELECT first_seq FROM audit_span WHERE newest_us>=?1 AND oldest_us<?2";
    if (has_key) {
      const std::string in_time = has_time ? " AND first_seq IN (" + spans + ")" : "";
      spans = "SELECT first_seq FROM audit_span_key WHERE key_id=?3" + in_time;
    }
    from = "(SELECT first_seq AS span FROM (" + spans +
           ")) CROSS JOIN audit ON seq BETWEEN span AND span+255";
    order = "span DESC, seq DESC";
  }
  where.text("agent=?", filter.agent);
  where.text("team=?", filter.team);
  where.text("surface=?", filter.surface);
  where.text("model_asked=?", filter.model);
  where.text("session_id=?", filter.session);
  where.text("error_code=?", filter.error_code);
  if (filter.outcome) where.text("outcome=?", std::string(to_string(*filter.outcome)));
  if (filter.status) where.number("status=?", *filter.status);
  where.number("seq<?", filter.before_seq);
  Statement row;
  const std::string sql = audit_select_sql(from) + where.sql() + " ORDER BY " + order + " LIMIT " +
                          std::to_string(std::min(filter.limit, kMaxRows));
  if (const int rc = connection_->db.prepare(sql, row)) return connection_->error(rc);
  where.bind(row);
  return collect(*connection_, row);
}

base::Result<std::string> AuditReader::read_body(const AuditBody& body, const BodyPlace& place) {
  std::string bytes;
  if (place.stored_bytes == 0) return bytes;
  const int error = read_segment(connection_->files, connection_->directory, place.segment,
                                 place.offset, place.stored_bytes, bytes);
  if (error == ENOENT) {
    return base::Error(base::ErrorCode::not_found, "the body is no longer kept");
  }
  if (error != 0) {
    return base::Error(
        base::ErrorCode::audit_unavailable,
        error == EBADMSG ? "the body segment is damaged" : std::generic_category().message(error));
  }
  if (body.full_bytes == bytes.size() && base::sha256(bytes) != body.sha256) {
    return base::Error(base::ErrorCode::audit_unavailable,
                       "the stored body does not have the digest on record");
  }
  return bytes;
}

base::Result<domain::budget::Sums> AuditReader::spend_since(config::ScopeKind scope,
                                                            std::string_view id,
                                                            base::WallTime since) {
  const Connection::Limited limited(*connection_);
  domain::budget::Sums sums;
  if (const int rc = sums_since(connection_->db, scope, id, base::to_micros(since), sums)) {
    return connection_->error(rc);
  }
  return sums;
}

base::Result<std::vector<domain::budget::Sums>> AuditReader::spend_of_each_since(
    config::ScopeKind scope, std::span<const std::string_view> ids, base::WallTime since) {
  const Connection::Limited limited(*connection_, ids.size());
  std::vector<domain::budget::Sums> sums;
  if (const int rc =
          sums_of_each_since(connection_->db, scope, ids, base::to_micros(since), sums)) {
    return connection_->error(rc);
  }
  return sums;
}

base::Result<std::vector<bool>> AuditReader::overruns_of_each_since(
    config::ScopeKind scope, std::span<const std::string_view> ids, base::WallTime since) {
  const Connection::Limited limited(*connection_, ids.size());
  std::vector<bool> found;
  if (const int rc = store::overruns_of_each_since(connection_->db, scope, ids,
                                                   base::to_micros(since), found)) {
    return connection_->error(rc);
  }
  return found;
}

base::Result<std::vector<std::string>> AuditReader::live_scopes_since(config::ScopeKind scope,
                                                                      base::WallTime since,
                                                                      std::size_t most) {
  const Connection::Limited limited(*connection_, most);
  std::vector<std::string> ids;
  if (const int rc =
          store::live_scopes_since(connection_->db, scope, base::to_micros(since), most, ids)) {
    return connection_->error(rc);
  }
  return ids;
}

base::Result<bool> AuditReader::is_on_record(config::ScopeKind scope, std::string_view id) {
  const Connection::Limited limited(*connection_);
  bool found = false;
  if (const int rc = store::is_on_record(connection_->db, scope, id, found))
    return connection_->error(rc);
  return found;
}

base::Result<bool> AuditReader::has_overrun_since(config::ScopeKind scope, std::string_view id,
                                                  base::WallTime since) {
  const Connection::Limited limited(*connection_);
  bool found = false;
  if (const int rc =
          store::has_overrun_since(connection_->db, scope, id, base::to_micros(since), found)) {
    return connection_->error(rc);
  }
  return found;
}

base::Result<std::vector<ScopeSpend>> AuditReader::spend_by_scope(config::ScopeKind scope,
                                                                  base::WallTime since) {
  const Connection::Limited limited(*connection_);
  std::vector<ScopeSpend> sums;
  if (const int rc = sums_by_scope(connection_->db, scope, base::to_micros(since), sums)) {
    return connection_->error(rc);
  }
  return sums;
}

base::Result<std::optional<base::WallTime>> AuditReader::newest_charge() {
  const Connection::Limited limited(*connection_);
  std::optional<std::int64_t> us;
  if (const int rc = store::newest_charge(connection_->db, us)) return connection_->error(rc);
  if (!us) return std::optional<base::WallTime>();
  return std::optional(base::WallTime(std::chrono::microseconds(*us)));
}

base::Result<std::vector<AuditEvent>> AuditReader::events(base::WallTime since,
                                                          std::string_view kind,
                                                          std::size_t limit) {
  const Connection::Limited limited(*connection_);
  Statement row;
  if (const int rc = connection_->db.prepare(
          "SELECT at_us,kind,scope_kind,scope_id,budget,detail FROM event WHERE at_us>=?1 "
          "AND ?2 IN (kind, '') ORDER BY id DESC LIMIT ?3",
          row)) {
    return connection_->error(rc);
  }
  row.bind(1, base::to_micros(since));
  row.bind(2, kind);
  row.bind(3, static_cast<std::int64_t>(std::min(limit, kMaxRows)));
  std::vector<AuditEvent> out;
  int rc = SQLITE_OK;
  while ((rc = row.step()) == SQLITE_ROW) {
    out.push_back({base::WallTime(std::chrono::microseconds(row.integer(0))),
                   std::string(row.text(1)), scope_from_text(row.text(2)), std::string(row.text(3)),
                   std::string(row.text(4)), std::string(row.text(5))});
  }
  if (rc != SQLITE_DONE) return connection_->error(rc);
  return out;
}

base::Result<std::optional<std::uint64_t>> AuditReader::journal_epoch() {
  const Connection::Limited limited(*connection_);
  std::optional<std::uint64_t> epoch;
  TG_CHECK(read_journal_epoch(connection_->db, epoch));
  return epoch;
}

base::Result<std::vector<StoredKey>> AuditReader::keys() {
  const Connection::Limited limited(*connection_);
  return select_keys(connection_->db);
}

base::Result<std::vector<Revocation>> AuditReader::revocations() {
  const Connection::Limited limited(*connection_);
  return select_revocations(connection_->db);
}

base::Result<std::vector<UnauthenticatedCount>> AuditReader::unauthenticated(base::WallTime since,
                                                                             std::size_t limit) {
  const Connection::Limited limited(*connection_);
  Statement row;
  if (const int rc = connection_->db.prepare(
          "SELECT second,reason,count,first_address FROM unauthenticated WHERE second>=? "
          "ORDER BY second, reason LIMIT ?",
          row)) {
    return connection_->error(rc);
  }
  row.bind(1, base::to_micros(since) / 1'000'000);
  row.bind(2, static_cast<std::int64_t>(std::min(limit, kMaxRows)));
  std::vector<UnauthenticatedCount> out;
  int rc = SQLITE_OK;
  while ((rc = row.step()) == SQLITE_ROW) {
    out.push_back(
        {row.integer(0), std::string(row.text(1)), row.integer(2), std::string(row.text(3))});
  }
  if (rc != SQLITE_DONE) return connection_->error(rc);
  return out;
}

}  // namespace tollgate::store
