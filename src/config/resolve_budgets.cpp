#include <date/tz.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/resolve.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::config {
namespace {

void check_time_zone(Reader& reader, const BudgetDoc& doc) {
  const std::string& zone = doc.budget.time_zone;
  if (zone == "UTC") return;  // always there, even without a tz database
  try {
    static_cast<void>(date::locate_zone(zone));
    return;
  } catch (const std::exception&) {
  }
  std::vector<std::string> known;
  try {
    for (const auto& entry : date::get_tzdb().zones) known.push_back(entry.name());
  } catch (const std::exception&) {  // no tz database on this machine: no suggestion either
  }
  reader.problem_at(join_path(doc.path, "time_zone"),
                    fmt::format("unknown time zone {}", in_quotes(zone)),
                    "an IANA name such as \"Europe/Berlin\" or \"UTC\"", nearest(zone, known));
}

/// A name is the identity of a budget or rate limit within its scope.
void check_name(Reader& reader, const std::string& path, std::string_view kind,
                const std::string& whose, const std::string& name, std::set<std::string>& seen) {
  if (seen.insert(name).second) return;
  reader.problem_at(path,
                    fmt::format("a second {} of this {} is named {}", kind, whose, in_quotes(name)),
                    "a name of its own");
}

/// @param whose  what the scope is called in problems
std::vector<Budget> make_budgets(Reader& reader, const std::vector<BudgetDoc>& docs,
                                 const std::string& whose) {
  std::vector<Budget> budgets;
  std::set<std::string> seen;
  for (const BudgetDoc& doc : docs) {
    check_name(reader, doc.path, "budget", whose, doc.budget.name, seen);
    check_time_zone(reader, doc);
    Budget budget = doc.budget;
    // None of the three, or two: noted while reading.
    if (doc.limit) {
      budget.unit = BudgetUnit::usd;
      budget.limit = *doc.limit;
    } else if (doc.tokens) {
      budget.unit = BudgetUnit::tokens;
      budget.limit = *doc.tokens;
    } else if (doc.requests) {
      budget.unit = BudgetUnit::requests;
      budget.limit = *doc.requests;
    }
    budgets.push_back(std::move(budget));
  }
  return budgets;
}

std::vector<RateLimit> make_rate_limits(Reader& reader, const std::vector<RateLimitDoc>& docs,
                                        const std::string& whose) {
  std::vector<RateLimit> rates;
  std::set<std::string> seen;
  for (const RateLimitDoc& doc : docs) {
    RateLimit rate;
    if (doc.requests) {
      rate.unit = RateUnit::requests;
      rate.limit = *doc.requests;
    } else if (doc.tokens) {
      rate.unit = RateUnit::tokens;
      rate.limit = *doc.tokens;
    } else if (doc.concurrent) {
      rate.unit = RateUnit::concurrent;
      rate.limit = *doc.concurrent;
      if (reader.has(join_path(doc.path, "per")))
        reader.problem_at(join_path(doc.path, "per"), "is not for concurrent, which has no window",
                          "no per beside concurrent");
    } else {
      continue;  // noted while reading
    }
    rate.per = doc.per;
    rate.name = doc.name.empty() ? std::string(name_of(rate.unit)) : doc.name;
    check_name(reader, doc.path, "rate limit", whose, rate.name, seen);
    rates.push_back(std::move(rate));
  }
  return rates;
}

void add_caps(Reader& reader, const CapsDoc& doc, ScopeKind scope, const std::string& id,
              Snapshot& out) {
  const std::string whose(name_of(scope));
  for (Budget& budget : make_budgets(reader, doc.budgets, whose))
    out.budgets.push_back({scope, id, std::move(budget)});
  for (RateLimit& rate : make_rate_limits(reader, doc.rate_limits, whose))
    out.rate_limits.push_back({scope, id, std::move(rate)});
}

void add_eaches(Reader& reader, const EachesDoc& docs, std::optional<ScopeKind> owner,
                const std::string& id, Snapshot& out) {
  const auto add = [&](const std::optional<EachDoc>& doc, ScopeKind kind, const char* key) {
    if (!doc) return;
    out.each.push_back({kind, owner, id, make_budgets(reader, doc->budgets, key),
                        make_rate_limits(reader, doc->rate_limits, key), doc->required});
  };
  add(docs.each_session, ScopeKind::session, "each_session");
  add(docs.each_end_user, ScopeKind::end_user, "each_end_user");
}

/// An entry that no key bears caps nothing, and is most likely a typo. A file without keys leaves
/// them all to the store, and says nothing about their tags.
void warn_unborne(Reader& reader, const RootDoc& root) {
  if (root.keys.empty()) return;
  std::set<std::string> borne;
  for (const KeyDoc& key : root.keys) borne.insert(key.tags.begin(), key.tags.end());
  for (const auto& [tag, doc] : root.tags)
    if (!borne.contains(tag))
      reader.warning_at(doc.path, fmt::format("no key bears the tag {}", in_quotes(tag)),
                        "the tags of a key to name it",
                        nearest(tag, std::vector<std::string>(borne.begin(), borne.end())));
}

}  // namespace

void resolve_budgets(Reader& reader, const RootDoc& root, Snapshot& out) {
  const auto owners = [&](const NameMap<OwnerDoc>& docs, ScopeKind scope) {
    for (const auto& [id, doc] : docs) {
      add_caps(reader, doc, scope, id, out);
      add_eaches(reader, doc, scope, id, out);
    }
  };
  add_eaches(reader, root, std::nullopt, "", out);
  owners(root.orgs, ScopeKind::org);
  owners(root.teams, ScopeKind::team);
  owners(root.agents, ScopeKind::agent);
  for (const auto& [name, doc] : root.providers)
    add_caps(reader, doc, ScopeKind::provider, name, out);
  for (const auto& [name, doc] : root.models) add_caps(reader, doc, ScopeKind::model, name, out);
  for (const auto& [name, doc] : root.tags) {
    out.tags.push_back(name);
    add_caps(reader, doc, ScopeKind::tag, name, out);
  }
  for (const KeyDoc& doc : root.keys) {
    add_caps(reader, doc, ScopeKind::key, doc.id, out);
    add_eaches(reader, doc, ScopeKind::key, doc.id, out);
  }
  warn_unborne(reader, root);
  out.end_user_header = root.end_user_header;
}

SpendingCaps::SpendingCaps(const Snapshot& snapshot) {
  const auto in_usd = [](const Budget& budget) { return budget.unit == BudgetUnit::usd; };
  for (const auto& entry : snapshot.budgets)
    if (in_usd(entry.budget)) scopes_.emplace(entry.scope, entry.scope_id);
  // Who may leave the session (end user) out passes no budget of it.
  for (const auto& each : snapshot.each) {
    if (!each.required || std::none_of(each.budgets.begin(), each.budgets.end(), in_usd)) continue;
    if (each.owner)
      scopes_.emplace(*each.owner, each.owner_id);
    else
      everything_ = true;
  }
  const auto all = [&](ScopeKind scope, const auto& map) {
    return !map.empty() && std::all_of(map.begin(), map.end(), [&](const auto& entry) {
      return scopes_.contains({scope, entry.first});
    });
  };
  everything_ = everything_ || all(ScopeKind::provider, snapshot.providers) ||
                all(ScopeKind::model, snapshot.models);
}

bool SpendingCaps::bound(const Key& key) const {
  return everything_ || scopes_.contains({ScopeKind::key, key.id}) ||
         scopes_.contains({ScopeKind::agent, key.agent}) ||
         scopes_.contains({ScopeKind::team, key.team}) ||
         scopes_.contains({ScopeKind::org, key.org}) ||
         std::any_of(key.tags.begin(), key.tags.end(), [&](const std::string& tag) {
           return scopes_.contains({ScopeKind::tag, tag});
         });
}

}  // namespace tollgate::config
