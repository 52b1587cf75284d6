// Reading the ledger: its rows, and whether they agree with the audit rows and their own sums.
#include <fmt/format.h>

#include <algorithm>

#include "store/reader_connection.hpp"
#include "store/spend_query.hpp"
#include "store/spend_sums.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/store/ledger_rows.hpp"

namespace tollgate::store {
namespace {

constexpr std::size_t kMostProblems = 20;
constexpr std::size_t kMostRows = 100'000;

void note(LedgerReport& report, std::string problem) {
  if (report.differences++ < static_cast<std::int64_t>(kMostProblems))
    report.problems.push_back(std::move(problem));
}

std::string usd(std::int64_t nusd) {
  return base::to_string(base::NanoUsd{nusd});
}

/// Runs `sql` and gives each row to `each`.
template <class Each>
int for_each(Database& db, const std::string& sql, Each&& each) {
  Statement row;
  if (const int rc = db.prepare(sql, row); rc != SQLITE_OK) return rc;
  int rc = SQLITE_OK;
  while ((rc = row.step()) == SQLITE_ROW) each(row);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/// The rows of every scope, one after the other: kind, id, quarter, nusd, tokens, calls.
std::string rows_by_scope() {
  std::string sql;
  const std::string sums =
      fmt::format("charged_us-charged_us%{} AS q, nusd, tokens, calls", kQuarterUs);
  for (const auto& [kind, column] :
       {std::pair("key", "key_id"), std::pair("agent", "agent"), std::pair("team", "team"),
        std::pair("org", "org"), std::pair("model", "model"), std::pair("provider", "provider")}) {
    sql += fmt::format("SELECT '{}' AS k, {} AS s, {} FROM ledger WHERE {} IS NOT NULL UNION ALL ",
                       kind, column, sums, column);
  }
  return sql + fmt::format(
                   "SELECT substr(value, 1, instr(value, ':') - 1), "
                   "substr(value, instr(value, ':') + 1), {} FROM ledger, json_each(ledger.scopes)",
                   sums);
}

int check_calls(Database& db, LedgerReport& report) {
  int rc =
      for_each(db, "SELECT count(*), coalesce(sum(cost_nusd), 0) FROM audit WHERE cost_nusd<>0",
               [&](const Statement& row) {
                 report.calls = row.integer(0);
                 report.audit.value = row.integer(1);
               });
  if (rc == SQLITE_OK)
    rc = for_each(db, "SELECT count(*) FROM ledger",
                  [&](const Statement& row) { report.rows = row.integer(0); });
  if (rc == SQLITE_OK)
    rc = for_each(db,
                  "SELECT coalesce(sum(nusd), 0) FROM ledger "
                  "WHERE call_id IN (SELECT request_id FROM audit)",
                  [&](const Statement& row) { report.ledger.value = row.integer(0); });
  if (rc == SQLITE_OK)
    rc =
        for_each(db,
                 "SELECT a.request_id, a.cost_nusd, coalesce(l.nusd, 0) FROM audit AS a LEFT JOIN "
                 "(SELECT call_id, sum(nusd) AS nusd FROM ledger GROUP BY call_id) AS l "
                 "ON l.call_id=a.request_id WHERE a.cost_nusd<>coalesce(l.nusd, 0)",
                 [&](const Statement& row) {
                   note(report, fmt::format("call {}: its audit row says {}, its ledger rows {}",
                                            row.text(0), usd(row.integer(1)), usd(row.integer(2))));
                 });
  return rc;
}

int check_sums(Database& db, LedgerReport& report) {
  const std::string rows = rows_by_scope();
  const std::string sql =
      "WITH kept(at) AS (SELECT at FROM mark WHERE name='ledger_rows_from'), "
      "days(at) AS (SELECT at FROM mark WHERE name='ledger_quarters_from'), "
      "sums AS (SELECT k, s, q, sum(nusd) AS n, sum(tokens) AS t, sum(calls) AS c FROM (" +
      rows +
      "), kept, days WHERE q>=kept.at AND q>=days.at GROUP BY k, s, q), "
      "known AS (SELECT scope_kind AS k, scope_id AS s, quarter_us AS q, nusd AS n, tokens AS t, "
      "calls AS c FROM spend_quarter, kept, days WHERE quarter_us>=kept.at AND "
      "quarter_us>=days.at) "
      "SELECT k, s, q, n, t, c, 'ledger rows' FROM (SELECT * FROM sums EXCEPT SELECT * FROM known) "
      "UNION ALL "
      "SELECT k, s, q, n, t, c, 'sums' FROM (SELECT * FROM known EXCEPT SELECT * FROM sums) "
      "ORDER BY 3, 1, 2";
  return for_each(db, sql, [&](const Statement& row) {
    note(report,
         fmt::format("{} \"{}\", quarter {}: the {} say {}, {} tokens, {} calls, and nothing else "
                     "says so",
                     row.text(0), row.text(1), row.integer(2), row.text(6), usd(row.integer(3)),
                     row.integer(4), row.integer(5)));
  });
}

}  // namespace

base::Result<LedgerReport> AuditReader::check_ledger() {
  LedgerReport report;
  // One snapshot for all questions: rows come in meanwhile. Without a time limit, as verify_chain.
  Database& db = connection_->db;
  int rc = db.exec("BEGIN");
  if (rc == SQLITE_OK) rc = check_calls(db, report);
  if (rc == SQLITE_OK) rc = check_sums(db, report);
  db.exec("COMMIT");
  if (rc != SQLITE_OK) return connection_->error(rc);
  return report;
}

base::Result<std::vector<LedgerRow>> AuditReader::ledger_rows(const LedgerFilter& filter) {
  const Connection::Limited limited(*connection_);
  std::string sql =
      "SELECT id, call_id, charge, charged_us, nusd, tokens, calls, kind, estimated, overrun, "
      "key_id, agent, team, org, model, provider, scopes FROM ledger WHERE charged_us>=?1";
  if (filter.scope) {
    const std::string_view column = ledger_column(*filter.scope);
    if (!column.empty()) {
      sql += fmt::format(" AND {}=?2", column);
    } else {
      sql += " AND " + has_element("?2");
    }
  }
  if (!filter.call_id.empty()) sql += " AND call_id=?3";
  sql += " ORDER BY id DESC LIMIT ?4";
  Statement row;
  if (const int rc = connection_->db.prepare(sql, row)) return connection_->error(rc);
  row.bind(1, filter.since ? filter.since->time_since_epoch().count() : std::int64_t{0});
  std::string scope = filter.scope_id;
  if (filter.scope && ledger_column(*filter.scope).empty())
    scope = scope_element(*filter.scope, filter.scope_id);
  if (filter.scope) row.bind(2, scope);
  if (!filter.call_id.empty()) row.bind(3, filter.call_id);
  row.bind(4, static_cast<std::int64_t>(std::min(filter.limit, kMostRows)));
  std::vector<LedgerRow> rows;
  int rc = SQLITE_OK;
  while ((rc = row.step()) == SQLITE_ROW) {
    const auto text = [&row](int at) { return std::string(row.text(at)); };
    LedgerRow& out = rows.emplace_back();
    out.id = row.integer(0);
    out.call_id = text(1);
    out.charge = row.integer(2);
    out.charged_at = base::WallTime(std::chrono::microseconds(row.integer(3)));
    out.amounts = {{row.integer(4)}, row.integer(5), row.integer(6)};
    out.kind = text(7);
    out.estimated = row.integer(8) != 0;
    out.overrun = row.integer(9) != 0;
    out.key = text(10);
    out.agent = text(11);
    out.team = text(12);
    out.org = text(13);
    out.model = text(14);
    out.provider = text(15);
    out.scopes = text(16);
  }
  if (rc != SQLITE_DONE) return connection_->error(rc);
  return rows;
}

}  // namespace tollgate::store
