#include "store/spend_query.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <unordered_map>

#include "store/fair_ids.hpp"
#include "store/record_json.hpp"
#include "store/schema.hpp"
#include "store/spend_sums.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::store {

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
    case config::ScopeKind::tag:
    case config::ScopeKind::session:
    case config::ScopeKind::end_user:
      break;
  }
  return {};
}

std::string scope_element(config::ScopeKind scope, std::string_view id) {
  const AuditScope one{scope, std::string(id)};
  std::string json;
  append_json(json, {&one, 1});
  return json.substr(1, json.size() - 2);
}

std::string has_element(const std::string& parameter) {
  return "(instr(scopes, '[' || " + parameter + ") = 1 OR instr(scopes, ',' || " + parameter +
         ") > 0)";
}

namespace {

enum class Whose : std::uint8_t { one, each_asked, all };

/// One part of the time since an instant: which table has it, from when on (and until when).
struct Part {
  /// Selects scope id, nusd, tokens, calls; ?1 scope kind, ?2 from, ?3 until, ?4 id, ?5 element.
  /// Of the ledger's rows for each that is asked for: what AskedScopes reads instead of an id.
  std::string sql;
  std::int64_t from = 0;
  std::int64_t until = std::numeric_limits<std::int64_t>::max();
  bool is_rows = false;
};

/// Many scopes of a kind, found in what a row of the ledger says of its scopes.
class AskedScopes {
 public:
  AskedScopes(config::ScopeKind scope, std::span<const std::string_view> ids)
      : has_column_(!ledger_column(scope).empty()) {
    places_.reserve(ids.size());
    if (!has_column_) elements_.reserve(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!has_column_) elements_.push_back(scope_element(scope, ids[i]));
      places_.emplace(has_column_ ? ids[i] : elements_[i], i);
    }
  }
  [[nodiscard]] static std::string column(config::ScopeKind scope) {
    const std::string_view own = ledger_column(scope);
    return std::string(own.empty() ? "scopes" : own);
  }
  /// Calls `each` with the place in `ids` of every scope that a row names, once.
  template <class Each>
  void find(std::string_view value, Each each) {
    if (has_column_) {
      if (const auto found = places_.find(value); found != places_.end()) each(found->second);
      return;
    }
    told_.clear();
    // By its bytes, as has_element().
    for (std::size_t from = value.find('"'); from < value.size();) {
      std::size_t end = from + 1;
      while (end < value.size() && value[end] != '"') end += value[end] == '\\' ? 2u : 1u;
      if (end >= value.size()) return;
      const auto found = places_.find(value.substr(from, end + 1 - from));
      if (found != places_.end() &&
          std::find(told_.begin(), told_.end(), found->second) == told_.end()) {
        told_.push_back(found->second);
        each(found->second);
      }
      from = value.find('"', end + 1);
    }
  }

 private:
  bool has_column_;
  std::vector<std::string> elements_;  ///< as scope_element()
  std::unordered_map<std::string_view, std::size_t> places_;
  std::vector<std::size_t> told_;  ///< of the row that is read
};

/// Part::sql of the ledger's rows.
std::string rows_sql(config::ScopeKind scope, Whose whose) {
  // None of the quarter, none to read: then the bound is NULL.
  const std::string in_time =
      "ledger.id>=(SELECT first_id FROM ledger_quarter WHERE quarter_us=?2 - ?2 % 900000000) AND "
      "charged_us>=?2 AND charged_us<?3 AND ";
  const bool one = whose == Whose::one;
  if (whose == Whose::each_asked) {
    const std::string column = AskedScopes::column(scope);
    return "SELECT " + column + ", nusd, tokens, calls FROM ledger WHERE ?1 IS NOT NULL AND " +
           in_time + column + " IS NOT NULL";
  }
  if (const std::string column(ledger_column(scope)); !column.empty()) {
    return "SELECT " + column + ", nusd, tokens, calls FROM ledger WHERE ?1 IS NOT NULL AND " +
           in_time + column + (one ? "=?4" : " IS NOT NULL");
  }
  if (one) {
    return "SELECT ?4, nusd, tokens, calls FROM ledger WHERE ?1 IS NOT NULL AND " + in_time +
           has_element("?5");
  }
  return "SELECT substr(s.value, length(?1) + 2), nusd, tokens, calls FROM ledger, "
         "json_each(ledger.scopes) AS s WHERE " +
         in_time + "substr(s.value, 1, length(?1) + 1)=?1 || ':'";
}

/// Unless of all, restricted to the scope id bound to ?4 and ?5; but the rows for each that is
/// asked for are those of all.
std::vector<Part> parts_since(Database& db, config::ScopeKind scope, std::int64_t since,
                              Whose whose) {
  const std::string only = whose == Whose::all ? "" : " AND scope_id=?4";
  const std::int64_t rows_from = db.scalar("SELECT at FROM mark WHERE name='ledger_rows_from'");
  const std::int64_t quarter = floor_to(since, kQuarterUs);
  // Inside a quarter whose rows are there: the rest of it row by row. Else the whole quarter.
  const bool by_rows = quarter != since && quarter >= rows_from;
  std::vector<Part> parts;
  parts.push_back(
      {"SELECT scope_id, nusd, tokens, calls FROM ledger_daily WHERE scope_kind=?1 AND day_us>=?2"
       " AND day_us<?3" +
           only,
       floor_to(since, kDayUs)});
  parts.push_back(
      {"SELECT scope_id, nusd, tokens, calls FROM spend_quarter WHERE scope_kind=?1 AND "
       "quarter_us>=?2 AND quarter_us<?3" +
           only,
       by_rows ? quarter + kQuarterUs : quarter});
  if (by_rows) parts.push_back({rows_sql(scope, whose), since, quarter + kQuarterUs, true});
  return parts;
}

/// One snapshot for all parts: a roll-up in between must not count money twice or not at all.
template <class Read>
int in_one_snapshot(Database& db, Read read) {
  const bool own = sqlite3_get_autocommit(db.raw()) != 0;
  if (own) {
    if (const int rc = db.exec("BEGIN"); rc != SQLITE_OK) return rc;
  }
  const int rc = read();
  if (own) db.exec("COMMIT");
  return rc;
}

int prepare_part(Database& db, config::ScopeKind scope, const Part& part, Statement& row) {
  if (const int rc = db.prepare(part.sql, row)) return rc;
  row.bind(1, config::name_of(scope));
  row.bind(2, part.from);
  row.bind(3, part.until);
  return SQLITE_OK;
}

/// Until there is none; SQLITE_OK then.
template <class Each>
int step_all(Statement& row, Each each) {
  int rc = SQLITE_OK;
  while ((rc = row.step()) == SQLITE_ROW) each(row);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void add_row(domain::budget::Sums& sums, const Statement& row) {
  sums.usd.value = add_saturated(sums.usd.value, row.integer(1));
  sums.tokens = add_saturated(sums.tokens, row.integer(2));
  sums.requests = add_saturated(sums.requests, row.integer(3));
}

template <class Each>
int for_each_row(Database& db, config::ScopeKind scope, std::string_view id, std::int64_t since,
                 bool one, Each each) {
  since = std::max<std::int64_t>(since, 0);  // "ever" may be any time before 1970
  const std::string element = scope_element(scope, id);
  return in_one_snapshot(db, [&] {
    for (const Part& part : parts_since(db, scope, since, one ? Whose::one : Whose::all)) {
      Statement row;
      if (const int rc = prepare_part(db, scope, part, row)) return rc;
      if (one) row.bind(4, id);
      if (one) row.bind(5, element);
      if (const int rc = step_all(row, each)) return rc;
    }
    return SQLITE_OK;
  });
}

}  // namespace

int sums_since(Database& db, config::ScopeKind scope, std::string_view id, std::int64_t since_us,
               domain::budget::Sums& sums) {
  sums = {};
  return for_each_row(db, scope, id, since_us, true,
                      [&](const Statement& row) { add_row(sums, row); });
}

int sums_of_each_since(Database& db, config::ScopeKind scope, std::span<const std::string_view> ids,
                       std::int64_t since_us, std::vector<domain::budget::Sums>& sums) {
  sums.assign(ids.size(), {});
  const std::int64_t since = std::max<std::int64_t>(since_us, 0);
  // In the order of the tables' keys, so that each page is read once.
  std::vector<std::size_t> order(ids.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return ids[a] < ids[b]; });
  return in_one_snapshot(db, [&] {
    for (const Part& part : parts_since(db, scope, since, Whose::each_asked)) {
      Statement row;
      if (const int rc = prepare_part(db, scope, part, row)) return rc;
      if (part.is_rows) {
        // Once over all of them, since they have no index by scope.
        AskedScopes asked(scope, ids);
        if (const int rc = step_all(row, [&](const Statement& r) {
              asked.find(r.text(0), [&](std::size_t place) { add_row(sums[place], r); });
            })) {
          return rc;
        }
        continue;
      }
      for (const std::size_t place : order) {
        row.bind(4, ids[place]);
        if (const int rc = step_all(row, [&](const Statement& r) { add_row(sums[place], r); }))
          return rc;
        row.reset();
      }
    }
    return SQLITE_OK;
  });
}

int sums_by_scope(Database& db, config::ScopeKind scope, std::int64_t since_us,
                  std::vector<ScopeSpend>& out) {
  std::map<std::string, ScopeSpend, std::less<>> sums;
  const int rc = for_each_row(db, scope, {}, since_us, false, [&](const Statement& row) {
    auto found = sums.find(row.text(0));
    if (found == sums.end()) found = sums.emplace(std::string(row.text(0)), ScopeSpend()).first;
    found->second.spent.value = add_saturated(found->second.spent.value, row.integer(1));
    found->second.tokens = add_saturated(found->second.tokens, row.integer(2));
    found->second.calls = add_saturated(found->second.calls, row.integer(3));
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

int live_scopes_since(Database& db, config::ScopeKind scope, std::int64_t since_us,
                      std::size_t most, std::vector<std::string>& ids) {
  ids.clear();
  const std::int64_t since = floor_to(std::max<std::int64_t>(since_us, 0), kQuarterUs);
  // By time, which the index has together with all that is asked for: a key's order would lead
  // through every session there ever was.
  std::string sql =
      "SELECT scope_id, quarter_us AS at FROM spend_quarter INDEXED BY spend_quarter_time "
      "WHERE quarter_us>=?2 AND scope_kind=?1";
  if (since < db.scalar("SELECT at FROM mark WHERE name='ledger_quarters_from'"))
    sql +=
        " UNION ALL SELECT scope_id, day_us FROM ledger_daily WHERE day_us>=?3 AND scope_kind=?1";
  Statement row;
  if (const int rc = db.prepare(sql + " ORDER BY at DESC, scope_id", row)) return rc;
  row.bind(1, config::name_of(scope));
  row.bind(2, since);
  row.bind(3, floor_to(since, kDayUs));
  FairIds fair(most);
  const int rc = step_all(row, [&](const Statement& r) { fair.add(r.text(0)); });
  ids = fair.take();
  return rc;
}

int is_on_record(Database& db, config::ScopeKind scope, std::string_view id, bool& found) {
  found = false;
  Statement row;
  // The sums, which have keys that begin with the scope and outlive the rows.
  if (const int rc =
          db.prepare("SELECT 1 FROM spend_quarter WHERE scope_kind=?1 AND scope_id=?2 UNION ALL "
                     "SELECT 1 FROM ledger_daily WHERE scope_kind=?1 AND scope_id=?2 LIMIT 1",
                     row)) {
    return rc;
  }
  row.bind(1, config::name_of(scope));
  row.bind(2, id);
  const int rc = row.step();
  found = rc == SQLITE_ROW;
  return found || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

namespace {

/// FROM and WHERE, with a condition to follow; ?1 since.
std::string rows_with_overrun() {
  return " FROM ledger WHERE id>=(SELECT min(first_id) FROM ledger_quarter WHERE "
         "quarter_us>=?1 - ?1 % 900000000) AND overrun<>0 AND charged_us>=?1 AND ";
}

}  // namespace

int has_overrun_since(Database& db, config::ScopeKind scope, std::string_view id,
                      std::int64_t since_us, bool& found) {
  found = false;
  const std::string column(ledger_column(scope));
  const std::string element = scope_element(scope, id);
  Statement row;
  // From the newest row back: an overrun that broke a limit stands near the end, since little is
  // charged to a scope after it.
  if (const int rc = db.prepare("SELECT 1" + rows_with_overrun() +
                                    (column.empty() ? has_element("?2") : column + "=?2") +
                                    " ORDER BY id DESC LIMIT 1",
                                row)) {
    return rc;
  }
  row.bind(1, std::max<std::int64_t>(since_us, 0));
  row.bind(2, column.empty() ? std::string_view(element) : id);
  const int rc = row.step();
  found = rc == SQLITE_ROW;
  return found || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int overruns_of_each_since(Database& db, config::ScopeKind scope,
                           std::span<const std::string_view> ids, std::int64_t since_us,
                           std::vector<bool>& found) {
  found.assign(ids.size(), false);
  const std::string column = AskedScopes::column(scope);
  Statement row;
  if (const int rc = db.prepare(
          "SELECT " + column + rows_with_overrun() + column + " IS NOT NULL ORDER BY id DESC",
          row)) {
    return rc;
  }
  row.bind(1, std::max<std::int64_t>(since_us, 0));
  AskedScopes asked(scope, ids);
  std::size_t left = ids.size();
  while (left > 0) {
    if (const int rc = row.step(); rc != SQLITE_ROW) return rc == SQLITE_DONE ? SQLITE_OK : rc;
    asked.find(row.text(0), [&](std::size_t place) {
      if (!found[place]) --left;
      found[place] = true;
    });
  }
  return SQLITE_OK;
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
