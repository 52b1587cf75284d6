#include "app/ledger_admin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/ledger_journal.hpp"
#include "tollgate/base/strings.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::app {

using config::ScopeKind;
using nlohmann::json;

namespace {

constexpr std::size_t kMostReason = 500;
constexpr int kLooks = 4;

base::Error invalid(std::string what) {
  return base::Error(base::ErrorCode::invalid_request, std::move(what));
}

template <class E>
bool read_name(const std::string& text, E& out) {
  for (const auto& entry : config::names(E{})) {
    if (entry.name != text) continue;
    out = entry.value;
    return true;
  }
  return false;
}

/// Names that may be what was meant: there may be many sessions.
constexpr std::size_t kMostCompared = 1'000;

bool is_live(ScopeKind kind) {
  return kind == ScopeKind::session || kind == ScopeKind::end_user;
}

template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map) names.push_back(name);
  return names;
}

/// The scopes of a kind that the configuration names.
std::vector<std::string> named_scopes(ScopeKind kind, const config::Snapshot& snapshot) {
  switch (kind) {
    case ScopeKind::key: {
      std::vector<std::string> names;
      for (const config::Key& key : snapshot.keys) names.push_back(key.id);
      return names;
    }
    case ScopeKind::agent:
      return names_of(snapshot.agents);
    case ScopeKind::team:
      return names_of(snapshot.teams);
    case ScopeKind::org:
      return names_of(snapshot.orgs);
    case ScopeKind::model:
      return names_of(snapshot.models);
    case ScopeKind::provider:
      return names_of(snapshot.providers);
    case ScopeKind::tag:
      return snapshot.tags;
    case ScopeKind::session:
    case ScopeKind::end_user:
      return {};
  }
  return {};
}

/// Whose budgets a session (end user) has, by its id; it counts at the next start if it was charged
/// lately.
bool is_of(const config::EachOf& each, const Adjustment& adjustment) {
  const std::string prefix =
      each.owner ? fmt::format("{}:{}/", config::name_of(*each.owner), each.owner_id) : "gateway:";
  return each.kind == adjustment.scope && adjustment.scope_id.starts_with(prefix);
}

std::size_t configured_budgets(const Adjustment& adjustment, const config::Snapshot& snapshot) {
  std::size_t count = 0;
  for (const config::ScopedBudget& budget : snapshot.budgets)
    count += budget.scope == adjustment.scope && budget.scope_id == adjustment.scope_id &&
             budget.budget.unit == adjustment.unit;
  for (const config::EachOf& each : snapshot.each) {
    if (!is_of(each, adjustment)) continue;
    for (const config::Budget& budget : each.budgets) count += budget.unit == adjustment.unit;
  }
  return count;
}

/// A name that is a slip of the pen away, or a session's without the owner before it.
std::string nearest_scope(const std::string& id, const std::vector<std::string>& known) {
  for (const std::string& name : known)
    if (name.size() > id.size() && name.ends_with("/" + id)) return name;
  return config::nearest(id, std::span(known).first(std::min(known.size(), kMostCompared)));
}

std::string quoted(const Adjustment& adjustment) {
  return fmt::format("{} \"{}\"", config::name_of(adjustment.scope),
                     base::printable(adjustment.scope_id));
}

}  // namespace

base::Result<ScopeStanding> look_up(const Adjustment& adjustment, const config::Snapshot& snapshot,
                                    domain::budget::Ledger* ledger, store::AuditReader* reader) {
  ScopeStanding standing;
  std::vector<std::string> known = named_scopes(adjustment.scope, snapshot);
  if (adjustment.scope == ScopeKind::key && reader != nullptr) {
    TG_TRY(const auto stored, reader->keys());
    for (const store::StoredKey& key : stored) known.push_back(key.key.id);
  }
  if (ledger == nullptr) {
    standing.budgets = configured_budgets(adjustment, snapshot);
  } else {
    for (const auto& row : ledger->snapshot_all()) {
      if (row.scope != adjustment.scope) continue;
      if (row.scope_id == adjustment.scope_id && row.unit == adjustment.unit) ++standing.budgets;
      if (is_live(row.scope)) known.push_back(row.scope_id);
    }
    for (const auto& row : ledger->rates_all())
      if (row.scope == adjustment.scope && is_live(row.scope)) known.push_back(row.scope_id);
  }
  standing.is_known = std::find(known.begin(), known.end(), adjustment.scope_id) != known.end();
  if (standing.is_known) return standing;
  if (reader != nullptr) {
    TG_TRY(standing.is_known, reader->is_on_record(adjustment.scope, adjustment.scope_id));
    if (standing.is_known) return standing;
    if (is_live(adjustment.scope)) {
      TG_TRY(auto ids, reader->live_scopes_since(adjustment.scope, {}, kMostCompared));
      known.insert(known.end(), ids.begin(), ids.end());
    }
  }
  standing.nearest = nearest_scope(adjustment.scope_id, known);
  return standing;
}

std::string unknown_scope(const Adjustment& adjustment, const ScopeStanding& standing) {
  std::string_view why = "the configuration does not name it";
  if (adjustment.scope == ScopeKind::key) why = "neither the configuration nor the store has it";
  if (is_live(adjustment.scope))
    why = R"(it is not in use (its id is "<owner>/<id>", as `tollgate budgets` shows it))";
  std::string text =
      fmt::format("no {} is known: {}, and nothing of it is on record", quoted(adjustment), why);
  if (!standing.nearest.empty())
    text += fmt::format("; did you mean \"{}\"?", base::printable(standing.nearest));
  return text;
}

std::string without_budget(const Adjustment& adjustment, const ScopeStanding& standing) {
  if (standing.budgets > 0) return {};
  return fmt::format("The {} has no budget in {} now: this is on record{}", quoted(adjustment),
                     config::name_of(adjustment.unit),
                     is_live(adjustment.scope) ? ", and changes no limit."
                                               : ", and counts for budgets that it gets.");
}

base::Result<Adjustment> read_adjustment(const std::string& text) {
  Adjustment out;
  try {
    const json body = json::parse(text);
    if (!read_name(body.at("scope").get<std::string>(), out.scope))
      return invalid("unknown kind of scope");
    if (!read_name(body.value("unit", "usd"), out.unit))
      return invalid("unknown unit: usd, tokens or requests");
    out.scope_id = body.at("id").get<std::string>();
    out.reason = body.at("reason").get<std::string>();
    if (!body.at("change").is_number_integer()) return invalid("`change` is no whole number");
    out.change = body.at("change").get<std::int64_t>();
  } catch (const std::exception&) {
    return invalid(
        R"(expected {"scope": "...", "id": "...", "unit": "usd", "change": 0, "reason": "..."})");
  }
  if (out.scope_id.empty()) return invalid("no scope id");
  if (out.reason.empty() || out.reason.size() > kMostReason)
    return invalid("a reason of 1 to 500 bytes is needed: the record keeps it");
  if (out.change.value == 0) return invalid("a change of nothing");
  return out;
}

std::string to_json(const Adjustment& adjustment) {
  return json{{"scope", std::string(config::name_of(adjustment.scope))},
              {"id", adjustment.scope_id},
              {"unit", std::string(config::name_of(adjustment.unit))},
              {"change", adjustment.change.value},
              {"reason", adjustment.reason}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

store::AuditRecord record_of(const Adjustment& adjustment, base::WallTime at,
                             std::string request_id, const std::string& config_digest) {
  store::AuditRecord record;
  record.request_id = std::move(request_id);
  record.started = record.held_at = at;
  record.surface = "ledger";
  record.method = "ADJUST";
  record.status = 200;
  record.config_digest = config_digest;
  add_scope(record, adjustment.scope, adjustment.scope_id);
  store::LedgerCharge& charge = record.charges.emplace_back();
  charge.kind = store::LedgerKind::adjusted;
  charge.charged_at = at;
  switch (adjustment.unit) {
    case config::BudgetUnit::usd:
      charge.amount.value = record.cost.value = adjustment.change.value;
      break;
    case config::BudgetUnit::tokens:
      charge.tokens = adjustment.change.value;
      break;
    case config::BudgetUnit::requests:
      charge.calls = adjustment.change.value;
      break;
  }
  return record;
}

store::AuditEvent event_of(const Adjustment& adjustment, const std::string& request_id) {
  store::AuditEvent event;
  event.kind = "ledger_adjusted";
  event.scope = adjustment.scope;
  event.scope_id = adjustment.scope_id;
  json detail = json::parse(to_json(adjustment));
  detail["request_id"] = request_id;
  event.detail = detail.dump();
  return event;
}

base::Result<std::vector<CounterFault>> check_counters(domain::budget::Ledger& ledger,
                                                       domain::budget::SpendHistory& history) {
  std::vector<CounterFault> faults;
  for (int look = 0; look < kLooks; ++look) {
    faults.clear();
    for (const auto& row : ledger.snapshot_all()) {
      TG_TRY(const domain::budget::Sums sums,
             history.settled_since(row.scope, row.scope_id, row.window_start));
      const base::Quantity recorded = sums.of(row.unit);
      if (row.spent == recorded || (is_live(row.scope) && row.spent < recorded)) continue;
      faults.push_back({row, recorded});
    }
    if (faults.empty()) break;
  }
  return faults;
}

}  // namespace tollgate::app
