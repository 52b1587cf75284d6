#include "store/retention.hpp"

#include <limits>

#include "store/schema.hpp"
#include "store/segments.hpp"
#include "store/spans.hpp"

namespace tollgate::store {

int Retention::run(std::string_view sql, std::int64_t a, std::int64_t b) {
  Statement statement;
  if (const int rc = db_.prepare(sql, statement); rc != SQLITE_OK) return rc;
  const int count = sqlite3_bind_parameter_count(statement.raw());
  if (count >= 1) statement.bind(1, a);
  if (count >= 2) statement.bind(2, b);
  return statement.run();
}

bool Retention::is_over_size(std::uint64_t limit) {
  const std::int64_t pages = db_.scalar("PRAGMA page_count") - db_.scalar("PRAGMA freelist_count");
  const std::int64_t bytes = pages * db_.scalar("PRAGMA page_size") +
                             db_.scalar("SELECT coalesce(sum(file_bytes), 0) FROM segment");
  return static_cast<std::uint64_t>(bytes) > limit;
}

Retention::Step Retention::step(base::WallTime now, const Limits& limits, std::int64_t busy_segment,
                                std::int64_t open_segment) {
  Step step;
  const std::int64_t now_us = now.time_since_epoch().count();
  const std::int64_t age_us = std::chrono::microseconds(limits.age).count();
  const std::int64_t cutoff =
      age_us > 0 ? now_us - age_us : std::numeric_limits<std::int64_t>::min();
  const bool over_size = limits.total_bytes > 0 && is_over_size(limits.total_bytes);

  step.rc = db_.exec("BEGIN IMMEDIATE");
  if (step.rc == SQLITE_OK) step.rc = delete_calls(now_us, cutoff, over_size, step);
  // Ledger rows follow the oldest calls that are left: nothing else ties the two tables in time.
  // Several, since one may bear the time of a wrong clock; and none from the future is a reason to
  // remove what is from the present.
  const std::int64_t oldest =
      db_.scalar("SELECT coalesce(min(started_us), " + std::to_string(now_us) +
                 ") FROM (SELECT started_us FROM audit ORDER BY seq LIMIT " +
                 std::to_string(kRowsPerStep) + ")");
  const bool removes =
      oldest <= now_us && db_.scalar("SELECT at FROM mark WHERE name='chain_anchor'") > 0;
  if (step.rc == SQLITE_OK && removes) step.rc = delete_ledger(oldest - kLedgerSlackUs, step);
  if (step.rc == SQLITE_OK) step.rc = delete_unauthenticated(cutoff, step);
  if (step.rc == SQLITE_OK) step.rc = delete_events(cutoff, step);
  if (step.rc == SQLITE_OK) step.rc = roll_up_quarters(now_us, step);
  if (step.rc == SQLITE_OK) step.rc = db_.exec("COMMIT");
  if (step.rc == SQLITE_OK) step.rc = delete_segments(busy_segment, open_segment, step);
  if (step.rc == SQLITE_OK && db_.scalar("PRAGMA freelist_count") > 64) {
    // Few pages at a time: each one moved is written twice.
    step.rc = db_.exec("PRAGMA incremental_vacuum(64)");
    step.more = true;
  }
  if (step.rc != SQLITE_OK) db_.rollback();
  return step;
}

bool Retention::is_expired_behind(std::int64_t seq, std::int64_t now_us, std::int64_t cutoff_us) {
  Statement span;
  if (db_.prepare("SELECT newest_us FROM audit_span WHERE first_seq > ?1 AND newest_us <= ?2 "
                  "ORDER BY first_seq LIMIT 1",
                  span) != SQLITE_OK) {
    return false;
  }
  span.bind(1, seq);
  span.bind(2, now_us);
  return span.step() == SQLITE_ROW && span.integer(0) < cutoff_us;
}

int Retention::delete_calls(std::int64_t now_us, std::int64_t cutoff_us, bool over_size,
                            Step& step) {
  // The longest run of expired rows at the old end, at most kRowsPerStep. Over size all of them
  // are.
  Statement oldest;
  if (const int rc = db_.prepare("SELECT seq, started_us FROM audit ORDER BY seq LIMIT ?", oldest);
      rc != SQLITE_OK) {
    return rc;
  }
  oldest.bind(1, kRowsPerStep);
  std::int64_t last = 0;
  std::int64_t seen = 0;
  std::int64_t seen_seq = 0;
  bool is_all_future = !over_size;
  while (oldest.step() == SQLITE_ROW) {
    ++seen;
    seen_seq = oldest.integer(0);
    if (!over_size && oldest.integer(1) > now_us) continue;
    is_all_future = false;
    if (!over_size && oldest.integer(1) >= cutoff_us) break;
    last = seen_seq;
    step.rows = static_cast<std::uint64_t>(seen);
  }
  oldest.reset();
  if (is_all_future && seen == kRowsPerStep && is_expired_behind(seen_seq, now_us, cutoff_us)) {
    last = seen_seq;
    step.rows = static_cast<std::uint64_t>(seen);
  }
  if (step.rows == 0) return SQLITE_OK;
  int rc =
      run("UPDATE mark SET (at, hash) = (SELECT seq, hash FROM audit WHERE seq=?1) "
          "WHERE name='chain_anchor'",
          last);
  if (rc == SQLITE_OK) rc = run("DELETE FROM audit WHERE seq <= ?1", last);
  // A span goes with the last row it can have; until then it says a little too much.
  const std::int64_t span = last + 1 - kSpanRows;
  if (rc == SQLITE_OK) rc = run("DELETE FROM audit_span WHERE first_seq <= ?1", span);
  if (rc == SQLITE_OK) rc = run("DELETE FROM audit_span_key WHERE first_seq <= ?1", span);
  step.more = step.more || seen == kRowsPerStep || over_size;
  return rc;
}

int Retention::delete_ledger(std::int64_t cutoff_us, Step& step) {
  const std::int64_t edge = floor_to(cutoff_us, kQuarterUs);
  // The mark first: from here on the quarters before it are known by their sums only.
  int rc = run("UPDATE mark SET at = max(at, ?1) WHERE name='ledger_rows_from'", edge);
  if (rc == SQLITE_OK) rc = run("DELETE FROM ledger_quarter WHERE quarter_us < ?1", edge);
  if (rc != SQLITE_OK) return rc;
  // The old end of the table, without an index on time: rows are in the order of settlement.
  rc =
      run("DELETE FROM ledger WHERE charged_us < ?1 AND id IN "
          "(SELECT id FROM ledger ORDER BY id LIMIT ?2)",
          edge, kRowsPerStep);
  step.more = step.more || sqlite3_changes(db_.raw()) == kRowsPerStep;
  return rc;
}

int Retention::delete_unauthenticated(std::int64_t cutoff_us, Step& step) {
  if (cutoff_us < 0) return SQLITE_OK;
  const int rc =
      run("DELETE FROM unauthenticated WHERE (second, reason) IN (SELECT second, reason "
          "FROM unauthenticated WHERE second < ?1 ORDER BY second LIMIT ?2)",
          cutoff_us / 1'000'000, kRowsPerStep);
  step.more = step.more || sqlite3_changes(db_.raw()) == kRowsPerStep;
  return rc;
}

int Retention::delete_events(std::int64_t cutoff_us, Step& step) {
  if (cutoff_us < 0) return SQLITE_OK;
  // The old end of the table, as of the ledger.
  const int rc = run(
      "DELETE FROM event WHERE at_us < ?1 AND id IN (SELECT id FROM event ORDER BY id LIMIT ?2)",
      cutoff_us, kRowsPerStep);
  step.more = step.more || sqlite3_changes(db_.raw()) == kRowsPerStep;
  return rc;
}

int Retention::roll_up_quarters(std::int64_t now_us, Step& step) {
  // Whole days only, so that a day is either in quarters or in one sum.
  const std::int64_t edge = floor_to(now_us - kQuarterDays * kDayUs, kDayUs);
  const std::int64_t done = db_.scalar("SELECT at FROM mark WHERE name='ledger_quarters_from'");
  if (edge <= done) return SQLITE_OK;
  static constexpr std::string_view kOldest =
      "SELECT scope_kind, scope_id, quarter_us FROM spend_quarter WHERE quarter_us < ?1 "
      "ORDER BY quarter_us LIMIT ?2";
  int rc = db_.exec("CREATE TEMP TABLE IF NOT EXISTS rolled(scope_kind, scope_id, quarter_us)");
  if (rc == SQLITE_OK) rc = run("DELETE FROM rolled", 0);
  if (rc == SQLITE_OK) {
    rc = run("INSERT INTO rolled " + std::string(kOldest), edge, kRowsPerStep);
  }
  const int taken = sqlite3_changes(db_.raw());
  if (rc == SQLITE_OK) {
    rc =
        run("INSERT INTO ledger_daily(scope_kind, scope_id, day_us, nusd, calls, tokens) "
            "SELECT scope_kind, scope_id, "
            "quarter_us - quarter_us % 86400000000, nusd, calls, tokens FROM spend_quarter WHERE "
            "(scope_kind, scope_id, quarter_us) IN (SELECT * FROM rolled) "
            "ON CONFLICT DO UPDATE SET " +
                add_amounts_sql(),
            0);
  }
  if (rc == SQLITE_OK) {
    rc =
        run("DELETE FROM spend_quarter WHERE (scope_kind, scope_id, quarter_us) IN "
            "(SELECT * FROM rolled)",
            0);
  }
  if (rc != SQLITE_OK) return rc;
  if (taken == kRowsPerStep) {
    step.more = true;
    return SQLITE_OK;
  }
  return run("UPDATE mark SET at = ?1 WHERE name='ledger_quarters_from'", edge);
}

int Retention::delete_segments(std::int64_t busy_segment, std::int64_t open_segment, Step& step) {
  const std::int64_t anchor = db_.scalar("SELECT at FROM mark WHERE name='chain_anchor'");
  for (;;) {
    Statement next;
    if (const int rc = db_.prepare(
            "SELECT id FROM segment WHERE last_seq <= ?1 AND id <> ?2 ORDER BY id LIMIT 1", next);
        rc != SQLITE_OK) {
      return rc;
    }
    next.bind(1, anchor);
    next.bind(2, busy_segment);
    if (next.step() != SQLITE_ROW) return SQLITE_OK;
    const std::int64_t id = next.integer(0);
    next.reset();
    if (id == open_segment) {
      step.wants_segment = true;
      return SQLITE_OK;
    }
    // The file before the row: after a crash in between, the row leads here again.
    if (remove_segment(files_, directory_, id) != 0) return SQLITE_OK;  // tried again next time
    if (const int rc = run("DELETE FROM segment WHERE id = ?1", id); rc != SQLITE_OK) return rc;
  }
}

}  // namespace tollgate::store
