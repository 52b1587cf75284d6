// What happens around the calls: reloads, corrections, time and the store.
#include <algorithm>

#include "tollgate/config/names.hpp"
#include "unit/budget/simulation/simulation.hpp"

namespace tollgate::domain::budget::simulation {
namespace {

using config::WindowKind;

constexpr const char* kZones[] = {"UTC", "Europe/Berlin", "America/Havana", "Africa/Cairo"};

std::vector<Name> named_scopes() {
  std::vector<Name> all{{ScopeKind::org, "o"}, {ScopeKind::tag, "eu"}, {ScopeKind::tag, "batch"}};
  for (int i = 0; i < 6; ++i) all.emplace_back(ScopeKind::key, fmt::format("k{}", i));
  for (int i = 0; i < 3; ++i) all.emplace_back(ScopeKind::agent, fmt::format("a{}", i));
  for (int i = 0; i < 2; ++i) all.emplace_back(ScopeKind::team, fmt::format("t{}", i));
  for (int i = 0; i < 3; ++i) all.emplace_back(ScopeKind::model, fmt::format("m{}", i));
  for (int i = 0; i < 2; ++i) all.emplace_back(ScopeKind::provider, fmt::format("p{}", i));
  return all;
}

/// A limit that some tens of calls use up, of narrow scopes sooner.
std::int64_t most_of(BudgetUnit unit, bool is_narrow) {
  const std::int64_t calls = is_narrow ? 20 : 80;
  if (unit == BudgetUnit::usd) return calls * 150'000'000;
  if (unit == BudgetUnit::tokens) return calls * 1'800;
  return calls;
}

}  // namespace

void Simulation::mutate() {
  const auto random_budget = [&](const std::string& name) {
    config::Budget budget;
    budget.name = name;
    budget.unit = kUnits[pick_of(3)];
    budget.window = static_cast<WindowKind>(pick(0, 5));
    budget.time_zone = kZones[pick_of(4)];
    budget.alert_percents = {50, 80, 100};
    return budget;
  };
  const auto random_rate = [&](RateUnit unit) {
    config::RateLimit rate;
    rate.name = std::string(config::name_of(unit));
    rate.unit = unit;
    rate.per = std::chrono::milliseconds(pick(1, 20) * (chance(20) ? 1'037 : 1'000));
    return rate;
  };
  const auto limit_of = [&](BudgetUnit unit, bool is_narrow) {
    const std::int64_t most = most_of(unit, is_narrow);
    return chance(10) ? pick(0, most / 20) : pick(most / 4, most);
  };
  const auto limit_of_rate = [&](RateUnit unit) {
    return unit == RateUnit::tokens ? pick(0, 40'000) : pick(1, 15);
  };
  for (const auto& [kind, id] : named_scopes()) {
    const bool is_narrow = kind == ScopeKind::key;
    for (const char* name : {"x", "y"}) {
      const std::tuple key(kind, id, std::string(name));
      const bool is_known = budgets_.contains(key);
      if (chance(70)) continue;
      if (is_known && chance(40)) {
        budgets_.erase(key);
        continue;
      }
      if (!is_known && chance(80)) continue;
      // Often the limit alone changes.
      if (!is_known || chance(40)) budgets_[key] = {kind, id, random_budget(name)};
      config::Budget& budget = budgets_[key].budget;
      budget.limit = limit_of(budget.unit, is_narrow);
      ++totals_.edits;
    }
    for (const RateUnit unit : {RateUnit::requests, RateUnit::tokens, RateUnit::concurrent}) {
      const std::tuple key(kind, id, unit);
      const bool is_known = rates_.contains(key);
      if (chance(80)) continue;
      if (is_known && chance(40)) {
        rates_.erase(key);
        continue;
      }
      if (!is_known && chance(90)) continue;
      if (!is_known || chance(30)) rates_[key] = {kind, id, random_rate(unit)};
      rates_[key].rate.limit = limit_of_rate(unit);
      ++totals_.edits;
    }
  }
  using Owner = std::optional<ScopeKind>;
  const std::tuple<ScopeKind, Owner, std::string> origins[] = {
      {ScopeKind::session, std::nullopt, ""},
      {ScopeKind::session, ScopeKind::agent, "a0"},
      {ScopeKind::session, ScopeKind::key, "k3"},
      {ScopeKind::end_user, ScopeKind::team, "t1"},
      {ScopeKind::end_user, ScopeKind::org, "o"}};
  for (const auto& origin : origins) {
    if (chance(75)) continue;
    if (each_.contains(origin) && chance(25)) {
      each_.erase(origin);
      continue;
    }
    config::EachOf& each = each_[origin];
    std::tie(each.kind, each.owner, each.owner_id) = origin;
    if (each.budgets.empty() || chance(30)) each.budgets = {random_budget("x")};
    each.budgets[0].limit = limit_of(each.budgets[0].unit, true);
    each.rate_limits.clear();
    if (chance(30)) {
      const RateUnit unit = chance(50) ? RateUnit::requests : RateUnit::concurrent;
      each.rate_limits.push_back(random_rate(unit));
      each.rate_limits[0].limit = limit_of_rate(unit);
    }
    ++totals_.edits;
  }
}

void Simulation::make_snapshot() {
  config::Snapshot& snapshot = snapshot_;
  snapshot = {};
  for (const auto& [key, budget] : budgets_) snapshot.budgets.push_back(budget);
  for (const auto& [key, rate] : rates_) snapshot.rate_limits.push_back(rate);
  for (const auto& [key, each] : each_) snapshot.each.push_back(each);
  std::shuffle(snapshot.budgets.begin(), snapshot.budgets.end(), random_);
  snapshot.spending.live_scopes = static_cast<std::uint32_t>(chance(30) ? pick(4, 14) : 40);
  snapshot.spending.live_scope_idle = std::chrono::hours(pick(1, 12));
}

void Simulation::reconfigure() {
  busy_key_ = pick(0, 5);
  mutate();
  // The store answers of every row handed to it before.
  record(ended_.size());
  make_snapshot();
  told_.clear();
  model_.configure(snapshot_);
  std::vector<BudgetEvent> events;
  expect(ledger_->configure(snapshot_, record_, &events).has_value(),
         "a configuration was refused");
  expect(hear(events) == 0, "a reload closed a budget");
  for (const BudgetEvent& e : events) model_.tell_of(e.scope, std::string(e.scope_id));
  forget_done_waiters();
}

void Simulation::start_ledger() {
  journal_ = std::make_unique<JournalFile>();
  ledger_ = std::make_unique<Ledger>(clock_, Ledger::Options{.max_waiters = 6,
                                                             .max_waiters_of_one = 4,
                                                             .open_holds = 4,
                                                             .journal = &journal_->journal});
}

void Simulation::adjust() {
  const std::vector<Name> named = named_scopes();
  ScopeIndex index = 0;
  if (const std::vector<ScopeIndex>& live = model_.live(); !live.empty() && chance(40)) {
    index = live[pick_of(live.size())];
  } else {
    const Name& name = named[pick_of(named.size())];
    index = model_.scope(name.first, name.second);
  }
  const BudgetUnit unit = kUnits[pick_of(3)];
  const std::int64_t most = most_of(unit, true) / 4;
  const std::int64_t change = pick(-most, most);
  model_.adjust(index, unit, change);
  const Entry entry = model_.scopes[index].entries.back();
  const Name name{model_.scopes[index].kind, model_.scopes[index].id};
  std::vector<BudgetEvent> events;
  const WallTime at = ledger_->adjust({name.first, name.second}, unit, change, &events);
  expect(hear(events) == 0, "a correction closed a budget");
  expect(at == model_.now(), "adjusted at another time");
  record_.add(name, {entry.amounts, at, false});
  ++totals_.adjustments;
  forget_done_waiters();
}

void Simulation::advance_clock() {
  using namespace std::chrono;
  const std::int64_t way = pick(0, 99);
  if (way < 55) return clock_.advance(milliseconds(pick(10, 5'000)));
  if (way < 75) return clock_.advance(minutes(pick(1, 60)));
  if (way < 85) return clock_.advance(hours(pick(1, 30)));
  if (way < 89) return clock_.advance(hours(24 * pick(2, 20)));
  if (way < 91) return clock_.set_wall(clock_.wall() + hours(pick(1, 30)));
  // A correction of seconds, or of a wrong hour. The ledger has seen the time it corrects.
  if (is_stale_) static_cast<void>(ledger_->snapshot_all());
  clock_.set_wall(clock_.wall() - seconds(chance(50) ? pick(1, 60) : 7'200));
  ++totals_.steps_back;
}

void Simulation::add_row(const Held& held) {
  for (const ScopeIndex index : held.path()) {
    const ModelScope& scope = model_.scopes[index];
    record_.add({scope.kind, scope.id}, {held.amounts, held.held_at, held.is_overrun});
  }
}

void Simulation::record(std::size_t calls) {
  for (std::size_t i = 0; i < calls; ++i) {
    const Call& call = ended_[i];
    std::vector<Held*> all = call.parts;
    all.push_back(call.main);
    for (Held* const held : all) {
      if (held->slot == kNoSlot) continue;
      add_row(*held);
      recorded_.push_back(held);
    }
    rows_.insert(call.main->call);
  }
  ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(calls));
}

void Simulation::commit(std::size_t settlements) {
  std::vector<SlotNumber> slots;
  for (std::size_t i = 0; i < settlements; ++i) {
    slots.push_back(recorded_[i]->slot);
    model_.unpin(*recorded_[i]);
  }
  recorded_.erase(recorded_.begin(), recorded_.begin() + static_cast<std::ptrdiff_t>(settlements));
  ledger_->committed(slots);
}

}  // namespace tollgate::domain::budget::simulation
