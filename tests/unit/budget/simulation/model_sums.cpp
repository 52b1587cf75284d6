// Holds, and the sums over them.
#include <algorithm>

#include "unit/budget/simulation/model.hpp"

namespace tollgate::domain::budget::simulation {
namespace {

std::int64_t room_of(std::int64_t limit, std::int64_t used) {
  return std::max<std::int64_t>(limit - used, 0);
}

}  // namespace

std::int64_t rated(const Held& held, RateUnit unit) {
  return unit == RateUnit::tokens ? held.amounts.tokens : held.counted_requests;
}

Amounts Judgement::granted(const Amounts& least, const Amounts& most) const {
  return {{std::min(std::max(least.usd.value, most.usd.value), free[0])},
          std::min(std::max(least.tokens, most.tokens), free[1]),
          least.requests};
}

std::int64_t Model::recorded(const ModelScope& scope, BudgetUnit unit, WallTime since) const {
  std::int64_t sum = 0;
  for (const Entry& entry : scope.entries)
    if (entry.at >= since) sum += entry.amounts.of(unit);
  return sum;
}

bool Model::has_overrun(const ModelScope& scope, WallTime since) const {
  return std::any_of(scope.entries.begin(), scope.entries.end(),
                     [&](const Entry& e) { return e.is_overrun && e.at >= since; });
}

std::int64_t Model::spent(const ModelScope& scope, const ModelBudget& budget) const {
  std::int64_t sum = budget.base;
  for (std::size_t i = budget.from; i < scope.entries.size(); ++i) {
    const Entry& entry = scope.entries[i];
    if (entry.at < budget.window.start) continue;
    sum += entry.amounts.of(budget.config.unit);
  }
  return sum;
}

std::int64_t Model::held(const ModelScope& scope, const ModelBudget& budget,
                         const Held* own) const {
  std::int64_t sum = 0;
  for (const Held* const held : scope.open)
    if (held != own && held->held_at >= budget.window.start)
      sum += held->amounts.of(budget.config.unit);
  return sum;
}

std::int64_t Model::used(const ModelScope& scope, const ModelRate& rate, const Held* own) const {
  std::int64_t sum = 0;
  if (rate.config.unit == RateUnit::concurrent) {
    for (const Held* const held : scope.open)
      if (held != own) sum += held->amounts.requests;
    return sum;
  }
  const MonoMicros part = rate.part();
  for (const Held* const held : scope.rated) {
    if (held == own || held->rated_at < rate.born) continue;
    if (mono_ / part - held->rated_at / part <= 128) sum += rated(*held, rate.config.unit);
  }
  return sum;
}

std::int64_t Model::used_exactly(const ModelScope& scope, const ModelRate& rate) const {
  if (rate.config.unit == RateUnit::concurrent) return used(scope, rate);
  std::int64_t sum = 0;
  for (const Held* const held : scope.rated)
    if (held->rated_at >= rate.born && held->rated_at > mono_ - rate.length())
      sum += rated(*held, rate.config.unit);
  return sum;
}

std::optional<MonoMicros> Model::wait_of(const ModelScope& scope, const ModelRate& rate,
                                         std::int64_t asked, const Held* own) const {
  if (asked > rate.config.limit) return std::nullopt;
  // What is counted leaves in the order of its parts.
  std::vector<std::pair<MonoMicros, std::int64_t>> leaving;
  const MonoMicros part = rate.part();
  std::int64_t left = used(scope, rate, own);
  for (const Held* const held : scope.rated) {
    if (held == own || held->rated_at < rate.born) continue;
    if (mono_ / part - held->rated_at / part <= 128)
      leaving.emplace_back((held->rated_at / part + 129) * part, rated(*held, rate.config.unit));
  }
  std::sort(leaving.begin(), leaving.end());
  for (const auto& [at, amount] : leaving) {
    left -= amount;
    if (left + asked <= rate.config.limit) return at - mono_;
  }
  return std::nullopt;
}

Judgement Model::judge(const std::vector<ScopeIndex>& path, const Amounts& least,
                       const Held* own) const {
  Judgement out;
  out.free.fill(std::numeric_limits<std::int64_t>::max());
  for (const ScopeIndex index : path) {
    const ModelScope& scope = scopes[index];
    for (const ModelBudget& budget : scope.budgets) {
      const std::int64_t limit = budget.config.limit.value;
      const std::int64_t spent = this->spent(scope, budget);
      const std::int64_t held = this->held(scope, budget, own);
      const std::int64_t asked = least.of(budget.config.unit);
      const bool is_used_up = budget.is_closed || spent >= limit;
      const std::int64_t room = is_used_up ? 0 : room_of(limit, spent + held);
      std::int64_t& free = out.free[static_cast<std::size_t>(budget.config.unit)];
      free = std::min(free, room);
      if (!is_used_up && asked <= room) continue;
      const bool by_holds = !is_used_up && asked <= limit - spent;
      out.blockers.push_back({by_holds ? Blocker::Severity::others_end : Blocker::Severity::reset,
                              index, budget.config.name, Refusal::Kind::budget, limit, spent, held,
                              asked, std::nullopt});
    }
    for (const ModelRate& rate : scope.rates) {
      const std::int64_t used = this->used(scope, rate, own);
      const bool is_concurrent = rate.config.unit == RateUnit::concurrent;
      const std::int64_t asked =
          rate.config.unit == RateUnit::tokens ? least.tokens : least.requests;
      const std::int64_t room = room_of(rate.config.limit, used);
      if (rate.config.unit == RateUnit::tokens) out.free[1] = std::min(out.free[1], room);
      if (asked <= room) continue;
      const bool by_calls = is_concurrent && asked <= rate.config.limit;
      out.blockers.push_back(
          {by_calls ? Blocker::Severity::others_end : Blocker::Severity::window_slides, index,
           rate.config.name, is_concurrent ? Refusal::Kind::concurrency : Refusal::Kind::rate,
           rate.config.limit, is_concurrent ? 0 : used, is_concurrent ? used : 0, asked,
           is_concurrent ? std::nullopt : wait_of(scope, rate, asked, own)});
    }
  }
  return out;
}

void Model::open(Held& held) {
  held.counted_requests = held.amounts.requests;
  held.held_at = now_;
  held.rated_at = mono_;
  for (const ScopeIndex index : held.path()) {
    scopes[index].open.push_back(&held);
    scopes[index].rated.push_back(&held);
    ++scopes[index].pins;
  }
}

int Model::close(Held& held, const Amounts& charged) {
  const Amounts before = held.amounts;
  held.is_open = false;
  held.amounts = charged;
  for (const BudgetUnit unit : kUnits)
    held.is_overrun = held.is_overrun || charged.of(unit) > before.of(unit);
  int closed = 0;
  for (const ScopeIndex index : held.path()) {
    ModelScope& scope = scopes[index];
    std::erase(scope.open, &held);
    if (charged.is_nothing()) {
      unpin(index);
      continue;
    }
    scope.is_charged = true;
    scope.entries.push_back({held.held_at, charged, false, held.is_overrun});
    for (ModelBudget& budget : scope.budgets) {
      const BudgetUnit unit = budget.config.unit;
      const std::int64_t excess = charged.of(unit) - before.of(unit);
      if (held.held_at < budget.window.start || excess <= 0) continue;
      // A provider that bills more than its cap lifts what is used by that much, and no more.
      budget.bound += excess;
      const std::int64_t use = spent(scope, budget) + this->held(scope, budget);
      if (!budget.is_closed && use > budget.config.limit.value) {
        budget.is_closed = true;
        ++closed;
      }
    }
    for (ModelRate& rate : scope.rates)
      if (rate.config.unit == RateUnit::tokens && charged.tokens > before.tokens)
        rate.bound += charged.tokens - before.tokens;
  }
  return closed;
}

void Model::move(Held& held, const std::vector<ScopeIndex>& what, const Amounts& amounts) {
  for (const ScopeIndex index : held.what) {
    std::erase(scopes[index].open, &held);
    std::erase(scopes[index].rated, &held);
    --scopes[index].pins;
    if (std::find(what.begin(), what.end(), index) != what.end()) continue;
    // The request was made there, and counts there.
    Held& made = made_elsewhere_.emplace_back();
    made.counted_requests = held.counted_requests;
    made.rated_at = held.rated_at;
    made.is_open = false;
    scopes[index].rated.push_back(&made);
  }
  held.what = what;
  held.amounts = amounts;
  held.held_at = now_;
  held.rated_at = mono_;
  for (const ScopeIndex index : held.what) {
    scopes[index].open.push_back(&held);
    scopes[index].rated.push_back(&held);
    ++scopes[index].pins;
  }
}

void Model::unpin(Held& held) {
  for (const ScopeIndex index : held.path()) unpin(index);
}

void Model::adjust(ScopeIndex index, BudgetUnit unit, std::int64_t change) {
  ModelScope& scope = scopes[index];
  tell_of(scope.kind, scope.id);
  scope.is_charged = true;
  Amounts amounts;
  if (unit == BudgetUnit::usd) amounts.usd = {change};
  if (unit == BudgetUnit::tokens) amounts.tokens = change;
  if (unit == BudgetUnit::requests) amounts.requests = change;
  scope.entries.push_back({now_, amounts, true, false});
  for (ModelBudget& budget : scope.budgets) {
    if (budget.config.unit != unit) continue;
    const std::int64_t use = spent(scope, budget) + held(scope, budget);
    budget.bound = std::max(budget.bound, use);  // an operator may put a budget over its limit
    if (spent(scope, budget) <= budget.config.limit.value) budget.is_closed = false;
  }
}

}  // namespace tollgate::domain::budget::simulation
