#include "store/spend_query.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <string>

#include "store/schema.hpp"
#include "store/spend_sums.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::store {
namespace {

std::string_view ledger_column(config::ScopeKind scope) noexcept {
  switch (scope) {
    case config::ScopeKind::key:
      return "key_id";
    case config::ScopeKind::agent:
      return "agent";
    case config::ScopeKind::team:
      return "team";
    case config::ScopeKind::org:
      return "org";
    case config::ScopeKind::model:
      return "model";
    case config::ScopeKind::provider:
      return "provider";
  }
  return "key_id";
}

/// One part of the time since an instant: which table has it, from when on (and until when).
struct Part {
  std::string sql;  ///< selects scope id, nusd, calls; ?1 scope kind, ?2 from, ?3 until, ?4 id
  std::int64_t from = 0;
  std::int64_t until = std::numeric_limits<std::int64_t>::max();
};

/// @param one  restrict to the scope id bound to ?4.
std::vector<Part> parts_since(Database& db, config::ScopeKind scope, std::int64_t since, bool one) {
  const std::string column(ledger_column(scope));
  const std::string only = one ? " AND scope_id=?4" : "";
  const std::int64_t rows_from = db.scalar("SELECT at FROM mark WHERE name='ledger_rows_from'");
  const std::int64_t quarter = floor_to(since, kQuarterUs);
  // Inside a quarter whose rows are there: the rest of it row by row. Else the whole quarter.
  const bool by_rows = quarter != since && quarter >= rows_from;
  std::vector<Part> parts;
  parts.push_back(
      {"SELECT scope_id, nusd, calls FROM ledger_daily WHERE scope_kind=?1 AND day_us>=?2"
       " AND day_us<?3" +
           only,
       floor_to(since, kDayUs)});
  parts.push_back(
      {"SELECT scope_id, nusd, calls FROM spend_quarter WHERE scope_kind=?1 AND "
       "quarter_us>=?2 AND quarter_us<?3" +
           only,
       by_rows ? quarter + kQuarterUs : quarter});
  if (by_rows) {
    parts.push_back({"SELECT " + column +
                         ", nusd, calls FROM ledger WHERE ?1 IS NOT NULL AND "
                         "charged_us>=?2 AND charged_us<?3 AND " +
                         column + (one ? "=?4" : " IS NOT NULL"),
                     since, quarter + kQuarterUs});
  }
  return parts;
}

template <class Each>
int for_each_row(Database& db, config::ScopeKind scope, std::string_view id, std::int64_t since,
                 bool one, Each each) {
  since = std::max<std::int64_t>(since, 0);  // "ever" may be any time before 1970
  // One snapshot for all parts: a roll-up in between must not count money twice or not at all.
  const bool own = sqlite3_get_autocommit(db.raw()) != 0;
  if (own) {
    if (const int rc = db.exec("BEGIN"); rc != SQLITE_OK) return rc;
  }
  int rc = SQLITE_OK;
  for (const Part& part : parts_since(db, scope, since, one)) {
    Statement row;
    rc = db.prepare(part.sql, row);
    if (rc != SQLITE_OK) break;
    row.bind(1, config::name_of(scope));
    row.bind(2, part.from);
    row.bind(3, part.until);
    if (one) row.bind(4, id);
    while ((rc = row.step()) == SQLITE_ROW) each(row);
    if (rc != SQLITE_DONE) break;
    rc = SQLITE_OK;
  }
  if (own) db.exec("COMMIT");
  return rc;
}

}  // namespace

int sum_since(Database& db, config::ScopeKind scope, std::string_view id, std::int64_t since_us,
              std::int64_t& nusd) {
  nusd = 0;
  return for_each_row(db, scope, id, since_us, true,
                      [&](const Statement& row) { nusd = add_saturated(nusd, row.integer(1)); });
}

int sums_by_scope(Database& db, config::ScopeKind scope, std::int64_t since_us,
                  std::vector<ScopeSpend>& out) {
  std::map<std::string, ScopeSpend, std::less<>> sums;
  const int rc = for_each_row(db, scope, {}, since_us, false, [&](const Statement& row) {
    auto found = sums.find(row.text(0));
    if (found == sums.end()) found = sums.emplace(std::string(row.text(0)), ScopeSpend()).first;
    found->second.spent.value = add_saturated(found->second.spent.value, row.integer(1));
    found->second.calls += row.integer(2);
  });
  out.clear();
  for (auto& [id, sum] : sums) {
    sum.scope_id = id;
    out.push_back(std::move(sum));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const ScopeSpend& a, const ScopeSpend& b) { return a.spent > b.spent; });
  return rc;
}

int has_overrun_since(Database& db, config::ScopeKind scope, std::string_view id,
                      std::int64_t since_us, bool& found) {
  found = false;
  Statement row;
  // From the newest row back: an overrun that broke a limit stands near the end, since little is
  // charged to a scope after it.
  if (const int rc =
          db.prepare("SELECT 1 FROM ledger WHERE overrun<>0 AND charged_us>=?1 AND " +
                         std::string(ledger_column(scope)) + "=?2 ORDER BY id DESC LIMIT 1",
                     row)) {
    return rc;
  }
  row.bind(1, since_us);
  row.bind(2, id);
  const int rc = row.step();
  found = rc == SQLITE_ROW;
  return found || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int newest_charge(Database& db, std::optional<std::int64_t>& charged_us) {
  charged_us.reset();
  Statement row;
  if (const int rc = db.prepare("SELECT at FROM mark WHERE name='ledger_newest'", row)) return rc;
  if (const int rc = row.step(); rc != SQLITE_ROW) return rc == SQLITE_DONE ? SQLITE_ERROR : rc;
  if (row.integer(0) != 0) charged_us = row.integer(0);
  return SQLITE_OK;
}

}  // namespace tollgate::store
