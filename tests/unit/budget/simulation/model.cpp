// Configuration, restart, sessions and end users.
#include "unit/budget/simulation/model.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tollgate/config/names.hpp"
#include "unit/budget/keep_fairly.hpp"

namespace tollgate::domain::budget::simulation {

ScopeIndex Model::scope(ScopeKind kind, const std::string& id) {
  const auto [it, is_new] = index_.try_emplace({kind, id}, scopes.size());
  if (is_new) {
    ModelScope& fresh = scopes.emplace_back();
    fresh.kind = kind;
    fresh.id = id;
  }
  return it->second;
}

void Model::advance(WallTime wall, MonoMicros mono) {
  now_ = std::max(now_, wall);
  mono_ = mono;
  for (ModelScope& scope : scopes) {
    for (ModelBudget& budget : scope.budgets) {
      if (now_ < budget.window.end) continue;
      budget.window = budget.calendar.window_at(now_);
      ++windows_opened;
      budget.base = 0;
      budget.is_closed = false;
      budget.bound = budget.config.limit.value;
    }
  }
}

void Model::read_record(ModelScope& scope, ModelBudget& budget, bool was_closed) {
  budget.window = budget.calendar.window_at(now_);
  budget.base = recorded(scope, budget.config.unit, budget.window.start);
  budget.from = scope.entries.size();
  const std::int64_t limit = budget.config.limit.value;
  budget.is_closed = (was_closed || budget.base > limit) && has_overrun(scope, budget.window.start);
}

void Model::fit(ModelScope& scope, const std::vector<config::Budget>& budgets,
                const std::vector<config::RateLimit>& rates, bool is_fresh) {
  std::erase_if(scope.budgets, [&](const ModelBudget& b) {
    return std::none_of(budgets.begin(), budgets.end(),
                        [&](const config::Budget& w) { return w.name == b.config.name; });
  });
  for (const config::Budget& wanted : budgets) {
    const Calendar calendar = *Calendar::find(wanted.window, wanted.time_zone);
    auto known = std::find_if(scope.budgets.begin(), scope.budgets.end(),
                              [&](const ModelBudget& b) { return b.config.name == wanted.name; });
    if (known != scope.budgets.end() && known->config.unit == wanted.unit &&
        known->calendar == calendar) {
      const bool is_raised = wanted.limit > known->config.limit;
      known->config = wanted;
      const std::int64_t use = spent(scope, *known) + held(scope, *known);
      if (is_raised && spent(scope, *known) <= wanted.limit.value) known->is_closed = false;
      known->bound = std::max(wanted.limit.value, use);
      continue;
    }
    bool was_closed = false;
    if (known == scope.budgets.end()) {
      scope.budgets.push_back({wanted, calendar});
      known = std::prev(scope.budgets.end());
    } else {
      was_closed = known->is_closed;
      *known = {wanted, calendar};
    }
    if (is_fresh) {
      // A session that was forgotten begins anew.
      known->window = calendar.window_at(now_);
      known->from = scope.entries.size();
    } else {
      read_record(scope, *known, was_closed);
    }
    known->bound = std::max(wanted.limit.value, spent(scope, *known) + held(scope, *known));
  }
  std::erase_if(scope.rates, [&](const ModelRate& r) {
    return std::none_of(rates.begin(), rates.end(), [&](const config::RateLimit& w) {
      return w.name == r.config.name && w.unit == r.config.unit &&
             (w.per == r.config.per || w.unit == RateUnit::concurrent);
    });
  });
  for (const config::RateLimit& wanted : rates) {
    auto known = std::find_if(scope.rates.begin(), scope.rates.end(),
                              [&](const ModelRate& r) { return r.config.name == wanted.name; });
    if (known == scope.rates.end()) {
      scope.rates.push_back({wanted, mono_});
      known = std::prev(scope.rates.end());
    }
    known->config = wanted;
    known->bound = std::max(wanted.limit, used(scope, *known));
  }
}

const config::EachOf* Model::source_of(const ModelScope& scope) const {
  const std::string prefix = scope.id.substr(0, scope.id.find('/'));
  for (const auto& [origin, each] : sources_) {
    if (each.kind != scope.kind) continue;
    const bool is_own =
        each.owner ? prefix == fmt::format("{}:{}", config::name_of(*each.owner), each.owner_id)
                   : prefix.starts_with("gateway:");
    if (is_own) return &each;
  }
  return nullptr;
}

void Model::configure(const config::Snapshot& snapshot) {
  sources_.clear();
  for (const config::EachOf& each : snapshot.each)
    sources_[{each.kind, each.owner, each.owner_id}] = each;
  max_live_ = snapshot.spending.live_scopes;
  live_idle_ = snapshot.spending.live_scope_idle;
  struct Wanted {
    std::vector<config::Budget> budgets;
    std::vector<config::RateLimit> rates;
  };
  std::map<ScopeIndex, Wanted> wanted;
  for (const config::ScopedBudget& b : snapshot.budgets)
    wanted[scope(b.scope, b.scope_id)].budgets.push_back(b.budget);
  for (const config::ScopedRateLimit& r : snapshot.rate_limits)
    wanted[scope(r.scope, r.scope_id)].rates.push_back(r.rate);
  for (const ScopeIndex live : live())
    if (const config::EachOf* const each = source_of(scopes[live]))
      wanted[live] = {each->budgets, each->rate_limits};
  for (ScopeIndex i = 0; i < scopes.size(); ++i)
    fit(scopes[i], wanted[i].budgets, wanted[i].rates, false);
}

void Model::forget_holds() {
  for (ModelScope& scope : scopes) {
    scope.open.clear();
    scope.rated.clear();
    scope.pins = 0;
  }
}

void Model::restart(WallTime wall, MonoMicros mono) {
  mono_ = mono;
  // The first configure() reads what is on record at the time of the clock ...
  now_ = wall;
  for (ModelScope& scope : scopes) {
    for (ModelRate& rate : scope.rates) {
      rate.born = mono;
      rate.bound = rate.config.limit;
    }
    if (scope.is_live) continue;
    for (ModelBudget& budget : scope.budgets) {
      const Window before = budget.window;
      read_record(scope, budget, false);
      const std::int64_t use = spent(scope, budget);
      // Nothing that was open can have become more.
      if (budget.window != before) budget.bound = std::max(budget.config.limit.value, use);
    }
  }
  // ... load() at that of the newest row, and it takes up who called lately.
  std::map<ScopeIndex, WallTime> charged;
  for (ScopeIndex i = 0; i < scopes.size(); ++i) {
    for (const Entry& entry : scopes[i].entries) {
      now_ = std::max(now_, entry.at);
      WallTime& last = charged.try_emplace(i, entry.at).first->second;
      last = std::max(last, entry.at);
    }
  }
  for (const ScopeIndex live : live()) forget(live);
  for (const ScopeKind kind : {ScopeKind::session, ScopeKind::end_user}) {
    if (std::none_of(sources_.begin(), sources_.end(),
                     [&](const auto& s) { return s.second.kind == kind; }))
      continue;
    std::vector<std::pair<WallTime, ScopeIndex>> lately;
    for (const auto& [i, last] : charged)
      if (scopes[i].kind == kind && last >= now_ - live_idle_) lately.emplace_back(last, i);
    std::sort(lately.begin(), lately.end(), [this](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : scopes[a.second].id < scopes[b.second].id;
    });
    keep_fairly(lately, max_live_, [this](const auto& entry) { return scopes[entry.second].id; });
    for (auto it = lately.rbegin(); it != lately.rend(); ++it) {
      const config::EachOf* const each = source_of(scopes[it->second]);
      if (each != nullptr && touch({it->second, each}, {})) scopes[it->second].is_charged = true;
    }
  }
  for (ModelScope& scope : scopes) {
    for (ModelBudget& budget : scope.budgets) {
      const Window before = budget.window;
      read_record(scope, budget, budget.is_closed);
      const std::int64_t use = spent(scope, budget);
      if (scope.is_live || budget.window != before)
        budget.bound = std::max(budget.config.limit.value, use);
    }
  }
}

std::vector<Model::LiveName> Model::live_names(const KeyOwners& owners, const std::string& session,
                                               const std::string& end_user) {
  std::vector<LiveName> names;
  for (const auto& [origin, each] : sources_) {
    const std::string& id = each.kind == ScopeKind::session ? session : end_user;
    if (id.empty() || (each.budgets.empty() && each.rate_limits.empty())) continue;
    std::string prefix;
    for (const auto& [owner_kind, owner] :
         {std::pair(ScopeKind::org, owners.org), std::pair(ScopeKind::team, owners.team),
          std::pair(ScopeKind::agent, owners.agent), std::pair(ScopeKind::key, owners.key)}) {
      if (!each.owner && prefix.empty())
        prefix = fmt::format("gateway:{}:{}/", config::name_of(owner_kind), owner);
      if (each.owner == owner_kind && each.owner_id == owner)
        prefix = fmt::format("{}:{}/", config::name_of(owner_kind), owner);
    }
    if (!prefix.empty()) names.push_back({scope(each.kind, prefix + id), &each});
  }
  return names;
}

std::vector<ScopeIndex> Model::live() const {
  std::vector<ScopeIndex> all;
  for (ScopeIndex i = 0; i < scopes.size(); ++i)
    if (scopes[i].is_live) all.push_back(i);
  return all;
}

void Model::use(ScopeIndex index) {
  scopes[index].used_at = now_;
  scopes[index].rests_since = ++steps_;
}

void Model::unpin(ScopeIndex index) {
  if (--scopes[index].pins == 0) scopes[index].rests_since = ++steps_;
}

void Model::tell_of(ScopeKind kind, const std::string& id) {
  const ScopeIndex index = scope(kind, id);
  if (scopes[index].is_live) use(index);
}

void Model::tell_at_end(ScopeKind kind, const std::string& id) {
  scopes[scope(kind, id)].used_at = now_;
}

void Model::enter_line(const std::vector<ScopeIndex>& who) {
  for (const ScopeIndex index : who) ++scopes[index].pins;
}

void Model::leave_line(const std::vector<ScopeIndex>& who) {
  for (const ScopeIndex index : who) {
    unpin(index);
    if (scopes[index].is_live) use(index);
  }
}

template <class Which>
std::optional<ScopeIndex> Model::longest_idle(std::chrono::microseconds idle,
                                              Which is_meant) const {
  std::optional<ScopeIndex> found;
  for (const ScopeIndex i : live()) {
    const ModelScope& scope = scopes[i];
    if (scope.pins > 0 || !is_meant(scope)) continue;
    if (!found || scope.rests_since < scopes[*found].rests_since) found = i;
  }
  if (found && now_ - scopes[*found].used_at < idle) return std::nullopt;
  return found;
}

std::map<std::pair<ScopeKind, std::string>, std::size_t> Model::known_of() const {
  std::map<std::pair<ScopeKind, std::string>, std::size_t> known;
  for (const ScopeIndex i : live()) ++known[{scopes[i].kind, scopes[i].owner()}];
  return known;
}

bool Model::has_place_for(const ModelScope& fresh) const {
  const std::size_t all = live().size();
  if (all >= max_live_) return false;
  // Nobody has more than eight times what is free.
  return known_of()[{fresh.kind, fresh.owner()}] < 8 * (max_live_ - all);
}

std::optional<ScopeIndex> Model::given_up_for(const ModelScope& fresh,
                                              std::chrono::microseconds idle) const {
  using Owner = std::pair<ScopeKind, std::string>;
  const Owner asks(fresh.kind, fresh.owner());
  std::map<Owner, std::size_t> known = known_of();
  known.try_emplace(asks, 0);
  Owner gives = asks;
  for (const auto& [owner, count] : known) {
    // Of several that have the most the last, but the one that asks before any other.
    const std::size_t most = known.at(gives);
    if (count > most || (count == most && gives != asks)) gives = owner;
  }
  for (const auto& from :
       {std::pair(gives, false), std::pair(gives, true), std::pair(asks, false)}) {
    const auto found = longest_idle(idle, [&](const ModelScope& scope) {
      return Owner(scope.kind, scope.owner()) == from.first && scope.is_charged == from.second;
    });
    if (found) return found;
  }
  return std::nullopt;
}

bool Model::touch(const LiveName& name, std::chrono::microseconds idle) {
  ModelScope& scope = scopes[name.scope];
  if (scope.is_live) {
    use(name.scope);
    return true;
  }
  for (int i = 0; i < 2; ++i)
    if (const auto found = longest_idle(live_idle_, [](const ModelScope&) { return true; }))
      forget(*found);
  bool is_made = false;
  for (int i = 0; i < 2 && !has_place_for(scope); ++i) {
    const auto found = given_up_for(scope, idle);
    if (!found) break;
    is_made = true;
    ++(scopes[*found].is_charged ? charged_given_up : uncharged_given_up);
    forget(*found);
  }
  if (live().size() >= max_live_ || (!is_made && !has_place_for(scope))) return false;
  scope.is_live = true;
  use(name.scope);
  fit(scope, name.source->budgets, name.source->rate_limits, true);
  return true;
}

void Model::forget(ScopeIndex index) {
  ModelScope& scope = scopes[index];
  scope.is_live = scope.is_charged = false;
  scope.budgets.clear();
  scope.rates.clear();
  scope.rated.clear();
}

}  // namespace tollgate::domain::budget::simulation
