#include "store/schema.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

namespace tollgate::store {
namespace {

// 1: calls, their bodies' segments, the hash chain's ends, failed authentication.
constexpr std::string_view kCalls = R"sql(
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  row_version INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  trace_id TEXT,
  session_id TEXT,
  parent_id TEXT,
  started_us INTEGER NOT NULL,
  key_id TEXT,
  agent TEXT,
  team TEXT,
  org TEXT,
  tags TEXT,
  client_address TEXT,
  surface TEXT,
  method TEXT,
  path TEXT,
  model_asked TEXT,
  model_served TEXT,
  provider TEXT,
  deployment TEXT,
  rpc_method TEXT,
  rpc_target TEXT,
  tool TEXT,
  task_id TEXT,
  attempts TEXT,
  attempt_count INTEGER NOT NULL,
  verdicts TEXT,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  cache_write_1h_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  estimated INTEGER NOT NULL,
  cost_nusd INTEGER NOT NULL,
  held_nusd INTEGER NOT NULL,
  price_source TEXT,
  overrun INTEGER NOT NULL,
  total_us INTEGER NOT NULL,
  gateway_us INTEGER,
  upstream_us INTEGER,
  ttft_us INTEGER,
  status INTEGER NOT NULL,
  error_code TEXT,
  outcome TEXT NOT NULL,
  stream INTEGER NOT NULL,
  output_cap_lowered INTEGER NOT NULL,
  request_bytes INTEGER NOT NULL,
  response_bytes INTEGER NOT NULL,
  config_digest TEXT,
  request_body_bytes INTEGER,
  request_body_sha256 BLOB,
  request_body_segment INTEGER,
  request_body_offset INTEGER,
  request_body_stored INTEGER,
  response_body_bytes INTEGER,
  response_body_sha256 BLOB,
  response_body_segment INTEGER,
  response_body_offset INTEGER,
  response_body_stored INTEGER,
  hash BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX audit_request ON audit(request_id);
CREATE INDEX audit_started ON audit(started_us);
CREATE INDEX audit_key ON audit(key_id, started_us);
CREATE INDEX audit_session ON audit(session_id) WHERE session_id IS NOT NULL;
CREATE INDEX audit_trace ON audit(trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX audit_not_ok ON audit(outcome, started_us) WHERE outcome <> 'ok';

CREATE TABLE segment (
  id INTEGER PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('open', 'closed', 'compressed')),
  last_seq INTEGER NOT NULL,
  raw_bytes INTEGER NOT NULL,
  file_bytes INTEGER NOT NULL
) STRICT;

CREATE TABLE mark (
  name TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  hash BLOB
) STRICT, WITHOUT ROWID;
INSERT INTO mark VALUES ('chain_anchor', 0, zeroblob(32)), ('chain_head', 0, zeroblob(32));

CREATE TABLE unauthenticated (
  second INTEGER NOT NULL,
  reason TEXT NOT NULL,
  count INTEGER NOT NULL,
  first_address TEXT,
  PRIMARY KEY (second, reason)
) STRICT, WITHOUT ROWID;
)sql";

// 2: money.
constexpr std::string_view kMoney = R"sql(
CREATE TABLE ledger (
  id INTEGER PRIMARY KEY,
  call_id TEXT NOT NULL,
  charge INTEGER NOT NULL,
  charged_us INTEGER NOT NULL,
  nusd INTEGER NOT NULL,
  calls INTEGER NOT NULL,
  kind TEXT NOT NULL,
  estimated INTEGER NOT NULL,
  overrun INTEGER NOT NULL,
  key_id TEXT,
  agent TEXT,
  team TEXT,
  org TEXT,
  model TEXT,
  provider TEXT
) STRICT;

CREATE TABLE spend_quarter (
  scope_kind TEXT NOT NULL,
  scope_id TEXT NOT NULL,
  quarter_us INTEGER NOT NULL,
  nusd INTEGER NOT NULL,
  calls INTEGER NOT NULL,
  PRIMARY KEY (scope_kind, scope_id, quarter_us)
) STRICT, WITHOUT ROWID;
CREATE INDEX spend_quarter_time ON spend_quarter(quarter_us);

CREATE TABLE ledger_daily (
  scope_kind TEXT NOT NULL,
  scope_id TEXT NOT NULL,
  day_us INTEGER NOT NULL,
  nusd INTEGER NOT NULL,
  calls INTEGER NOT NULL,
  PRIMARY KEY (scope_kind, scope_id, day_us)
) STRICT, WITHOUT ROWID;

INSERT INTO mark(name, at) VALUES
  ('ledger_rows_from', 0), ('ledger_quarters_from', 0), ('ledger_newest', 0);
)sql";

// 3: virtual keys made at run time, and revocations of all keys.
constexpr std::string_view kKeys = R"sql(
CREATE TABLE virtual_key (
  id TEXT PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  last4 TEXT NOT NULL,
  agent TEXT,
  team TEXT,
  org TEXT,
  tags TEXT,
  guardrails TEXT,
  allow TEXT,
  expires_us INTEGER,
  created_us INTEGER NOT NULL,
  revoked_us INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE revocation (
  digest BLOB PRIMARY KEY,
  key_id TEXT,
  revoked_us INTEGER NOT NULL,
  reason TEXT
) STRICT, WITHOUT ROWID;
)sql";

// 4: spans of 256 rows (spans.hpp) instead of an index entry per call for its time and its key,
// which were a fifth of the cost of a row, and for each active key a page rewritten by every batch.
constexpr std::string_view kSpans = R"sql(
CREATE TABLE audit_span (
  first_seq INTEGER PRIMARY KEY,
  last_seq INTEGER NOT NULL,
  oldest_us INTEGER NOT NULL,
  newest_us INTEGER NOT NULL
) STRICT;
INSERT INTO audit_span
  SELECT seq - seq % 256, seq - seq % 256 + 255, min(started_us), max(started_us)
  FROM audit GROUP BY 1;
-- The span that the next rows belong to, from the chain's head: its row may have expired.
INSERT OR REPLACE INTO audit_span
  SELECT at - at % 256, at - at % 256 + 255, 0, 9223372036854775807
  FROM mark WHERE name = 'chain_head';

CREATE TABLE audit_span_key (
  first_seq INTEGER NOT NULL,
  key_id TEXT NOT NULL,
  PRIMARY KEY (first_seq, key_id)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO audit_span_key
  SELECT seq - seq % 256, key_id FROM audit WHERE key_id IS NOT NULL ORDER BY seq;

DROP INDEX audit_started;
DROP INDEX audit_key;
)sql";

// 5: tokens and calls beside money, charges of scopes without a column, events; columns of version
// 2 of a row. They stand behind `hash`, so those that version 1 covers are still the first ones.
constexpr std::string_view kAmounts = R"sql(
ALTER TABLE audit ADD COLUMN end_user TEXT;
ALTER TABLE audit ADD COLUMN service_tier TEXT;
ALTER TABLE audit ADD COLUMN audio_input_tokens INTEGER;
ALTER TABLE audit ADD COLUMN audio_output_tokens INTEGER;
ALTER TABLE audit ADD COLUMN server_tool_calls INTEGER;

ALTER TABLE ledger ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN scopes TEXT;
ALTER TABLE spend_quarter ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger_daily ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;

-- Rows of a quarter have an id from here on: a window that begins inside one reads those, not the
-- table.
CREATE TABLE ledger_quarter (
  quarter_us INTEGER PRIMARY KEY,
  first_id INTEGER NOT NULL
) STRICT;
INSERT INTO ledger_quarter
  SELECT charged_us - charged_us % 900000000, min(id) FROM ledger GROUP BY 1;

CREATE TABLE event (
  id INTEGER PRIMARY KEY,
  at_us INTEGER NOT NULL,
  kind TEXT NOT NULL,
  scope_kind TEXT,
  scope_id TEXT,
  budget TEXT,
  detail TEXT
) STRICT;
)sql";

constexpr std::array kMigrations{Migration{1, kCalls}, Migration{2, kMoney}, Migration{3, kKeys},
                                 Migration{4, kSpans}, Migration{5, kAmounts}};

base::Error failed(const Database& db, std::string what) {
  return {base::ErrorCode::audit_unavailable, std::move(what) + ": " + db.error_text()};
}

}  // namespace

std::span<const Migration> migrations() noexcept {
  return kMigrations;
}
int newest_schema() noexcept {
  return kMigrations.back().version;
}

std::string add_amounts_sql() {
  const std::string most = "9223372036854775807";
  const std::string least = "(-9223372036854775807 - 1)";  // its digits alone would be a REAL
  std::string sql = "calls = calls + excluded.calls";
  for (const char* const column : {"nusd", "tokens"}) {
    sql += fmt::format(
        ", {0} = CASE WHEN excluded.{0} >= 0 AND {0} > {1} - excluded.{0} THEN {1} "
        "WHEN excluded.{0} < 0 AND {0} < {2} - excluded.{0} THEN {2} "
        "ELSE {0} + excluded.{0} END",
        column, most, least);
  }
  return sql;
}

int prepare_empty_file(Database& db) noexcept {
  // In this order: page size and vacuum mode only take effect before the first table and before
  // WAL. 8 KB: a batch touches about ten pages that it fills only partly (index tails, marks), each
  // written and checksummed whole; 16 KB pages cost 20 to 30 % more CPU a row, 4 KB ones about 10 %
  // (bench/micro/store_bench).
  for (const char* sql : {"PRAGMA page_size=8192", "PRAGMA auto_vacuum=INCREMENTAL"}) {
    if (const int rc = db.exec(sql); rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

base::Result<void> check_schema(Database& db) {
  const std::int64_t version = db.scalar("PRAGMA user_version", -1);
  const std::int64_t application = db.scalar("PRAGMA application_id", -1);
  const std::int64_t tables = db.scalar("SELECT count(*) FROM sqlite_schema", -1);
  if (version < 0 || application < 0 || tables < 0) {
    const int rc = sqlite3_errcode(db.raw()) & 0xff;
    const bool damaged = rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB;
    return failed(db, std::string("cannot read the database") +
                          (damaged ? " (recover with: sqlite3 OLD.db .recover | sqlite3 NEW.db, or "
                                     "move the file away)"
                                   : ""));
  }
  if (application != kApplicationId && (application != 0 || tables != 0)) {
    return base::Error(base::ErrorCode::audit_unavailable,
                       "the file is a SQLite database but not Tollgate's; name another audit.path");
  }
  if (version > newest_schema()) {
    return base::Error(base::ErrorCode::audit_unavailable,
                       "the database has schema " + std::to_string(version) +
                           ", this Tollgate knows up to " + std::to_string(newest_schema()) +
                           "; use the newer Tollgate that wrote it, or name another audit.path");
  }
  return {};
}

base::Result<void> migrate(Database& db, int target) {
  TG_CHECK(check_schema(db));
  const std::int64_t version = db.scalar("PRAGMA user_version", -1);
  for (const Migration& step : migrations()) {
    if (step.version <= version || step.version > target) continue;
    std::string sql = "BEGIN IMMEDIATE;";
    sql += step.sql;
    sql += "PRAGMA application_id=" + std::to_string(kApplicationId) + ";";
    sql += "PRAGMA user_version=" + std::to_string(step.version) + ";COMMIT;";
    if (db.exec(sql.c_str()) != SQLITE_OK) {
      auto error = failed(db, "migration to schema " + std::to_string(step.version) + " failed");
      db.rollback();
      return error;
    }
  }
  return {};
}

}  // namespace tollgate::store
