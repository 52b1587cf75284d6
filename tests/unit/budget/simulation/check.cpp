// What must hold after each step.
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "tollgate/config/names.hpp"
#include "unit/budget/simulation/simulation.hpp"

namespace tollgate::domain::budget::simulation {

Simulation::Simulation(std::uint64_t seed) : random_(seed) {
  start_ledger();
  check();
  reconfigure();
}

Simulation::~Simulation() {
  is_dead_ = true;
  if (ledger_)
    for (const auto& waiter : waiting_) static_cast<void>(ledger_->cancel(*waiter));
}

void Simulation::run(int steps) {
  check();
  for (; step_ < steps && violation_.empty(); ++step_) {
    step();
    ++totals_.steps;
    if (!violation_.empty()) break;
    // A report opens the windows that are due; now and then it is left to the next call to do so.
    // Then waiters would be served in the middle of it, at a moment the model does not know.
    is_stale_ = waiting_.empty() && chance(30);
    is_stale_ ? tick() : check();
  }
  if (violation_.empty()) quiesce();
  totals_.windows = model_.windows_opened;
  totals_.charged_given_up = model_.charged_given_up;
  totals_.uncharged_given_up = model_.uncharged_given_up;
  if (!violation_.empty()) ++totals_.violations;
}

void Simulation::quiesce() {
  while (!waiting_.empty()) cancel_wait();
  while (!calls_.empty()) end_call(calls_.size() - 1);
  record(ended_.size());
  check();
  commit(recorded_.size());
  check();
  check_journal();
  expect(ledger_->open_holds() == 0 && ledger_->uncommitted() == 0, "open after all calls ended");
  expect(ledger_->held() == NanoUsd{}, "{} held after all calls ended", ledger_->held().value);
  for (const BudgetRow& row : ledger_->snapshot_all())
    expect(row.held.value == 0, "{} held on \"{}\" after all calls ended", row.held.value,
           row.scope_id);
  for (const RateRow& row : ledger_->rates_all())
    expect(row.unit != RateUnit::concurrent || row.used == 0, "{} in flight on \"{}\" at the end",
           row.used, row.scope_id);
  const auto left = journal_->read(journal_->image());
  expect(left && left->empty(), "the journal is not empty after all calls ended");
}

MonoMicros Simulation::mono() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(clock_.mono().time_since_epoch())
      .count();
}

void Simulation::tick() {
  clock_.advance(std::chrono::microseconds(pick(1, 50)));
  model_.advance(clock_.wall(), mono());
}

void Simulation::check() {
  tick();
  // Opens the windows that are due, which may serve waiters; then all is as the model says.
  if (!waiting_.empty()) {
    static_cast<void>(ledger_->snapshot_all());
    forget_done_waiters();
    tick();  // a limit that begins with the next step does not know these calls
  }
  check_budgets();
  check_rate_limits();
  check_counts();
  check_waiters();
  if (++checks_ % 4 == 0) check_journal();
}

void Simulation::check_budgets() {
  std::vector<std::pair<ModelScope*, ModelBudget*>> wanted;
  for (ModelScope& scope : model_.scopes)
    for (ModelBudget& budget : scope.budgets) wanted.emplace_back(&scope, &budget);
  std::sort(wanted.begin(), wanted.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first->kind, a.first->id, a.second->config.name) <
           std::tie(b.first->kind, b.first->id, b.second->config.name);
  });
  const std::vector<BudgetRow> rows = ledger_->snapshot_all();
  if (rows.size() != wanted.size()) {
    std::set<std::string> names;  // of what one of them has, and the other has not
    const auto toggle = [&names](ScopeKind kind, const std::string& id, std::string_view budget) {
      const std::string name = fmt::format("{} {} {}", config::name_of(kind), id, budget);
      if (names.erase(name) == 0) names.insert(name);
    };
    for (const BudgetRow& row : rows) toggle(row.scope, row.scope_id, row.budget);
    for (const auto& [scope, budget] : wanted) toggle(scope->kind, scope->id, budget->config.name);
    expect(false, "{} budgets, the model says {}; they differ in {}", rows.size(), wanted.size(),
           fmt::join(names, ", "));
    return;
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const BudgetRow& row = rows[i];
    const ModelScope& scope = *wanted[i].first;
    ModelBudget& budget = *wanted[i].second;
    expect(row.scope == scope.kind && row.scope_id == scope.id &&
               row.budget == budget.config.name && row.unit == budget.config.unit,
           "a budget \"{}\" \"{}\", the model says \"{}\"", row.scope_id, row.budget, scope.id);
    expect(row.window_start == budget.window.start && row.limit == budget.config.limit,
           "\"{}\" \"{}\": another window or limit", row.scope_id, row.budget);
    const std::int64_t spent = model_.spent(scope, budget);
    const std::int64_t held = model_.held(scope, budget);
    expect(row.spent.value == spent && row.held.value == held,
           "{} \"{}\" \"{}\": spent {} held {}, the model says {} and {}",
           config::name_of(row.scope), row.scope_id, row.budget, row.spent.value, row.held.value,
           spent, held);
    expect(row.is_closed == budget.is_closed, "\"{}\" \"{}\": closed {}", row.scope_id, row.budget,
           row.is_closed);
    // The cap: spent + held <= limit. What an edit or an overrun put above it only comes down.
    const std::int64_t used = row.spent.value + row.held.value;
    expect(used <= budget.bound, "\"{}\" \"{}\": {} used of {}", row.scope_id, row.budget, used,
           budget.bound);
    budget.bound = std::max(row.limit.value, used);
  }
}

void Simulation::check_rate_limits() {
  std::vector<std::pair<ModelScope*, ModelRate*>> wanted;
  for (ModelScope& scope : model_.scopes)
    for (ModelRate& rate : scope.rates) wanted.emplace_back(&scope, &rate);
  std::sort(wanted.begin(), wanted.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first->kind, a.first->id, a.second->config.name) <
           std::tie(b.first->kind, b.first->id, b.second->config.name);
  });
  const std::vector<RateRow> rows = ledger_->rates_all();
  if (!expect(rows.size() == wanted.size(), "{} rate limits, the model says {}", rows.size(),
              wanted.size()))
    return;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const RateRow& row = rows[i];
    const ModelScope& scope = *wanted[i].first;
    ModelRate& rate = *wanted[i].second;
    expect(row.scope == scope.kind && row.scope_id == scope.id && row.name == rate.config.name &&
               row.limit == rate.config.limit,
           "a rate limit \"{}\" \"{}\", the model says \"{}\"", row.scope_id, row.name, scope.id);
    const std::int64_t used = model_.used(scope, rate);
    expect(row.used == used, "{} \"{}\" {}: used {}, the model says {}", config::name_of(row.scope),
           row.scope_id, row.name, row.used, used);
    // In no span as long as the window more than the limit.
    const std::int64_t exactly = model_.used_exactly(scope, rate);
    expect(exactly <= rate.bound, "\"{}\" {}: {} within {} ms, of {}", row.scope_id, row.name,
           exactly, row.per.count(), rate.bound);
    rate.bound = std::max(row.limit, exactly);
  }
}

void Simulation::check_counts() {
  std::size_t open = 0, uncommitted = recorded_.size();
  NanoUsd held;
  const auto add = [&](const Held& one) {
    if (one.is_open) ++open, held += one.amounts.usd;
    if (one.slot != kNoSlot) ++uncommitted;
  };
  for (const auto* calls : {&calls_, &ended_}) {
    for (const Call& call : *calls) {
      add(*call.main);
      for (const Held* const part : call.parts) add(*part);
    }
  }
  expect(ledger_->open_holds() == open, "{} holds, the model says {}", ledger_->open_holds(), open);
  expect(ledger_->uncommitted() == uncommitted, "{} uncommitted, the model says {}",
         ledger_->uncommitted(), uncommitted);
  expect(ledger_->held() == held, "{} held, the model says {}", ledger_->held().value, held.value);
  expect(ledger_->waiting() == waiting_.size(), "{} wait, the model says {}", ledger_->waiting(),
         waiting_.size());
  expect(ledger_->live_scopes() == model_.live().size(),
         "{} sessions and end users, the model says {}", ledger_->live_scopes(),
         model_.live().size());
}

void Simulation::check_waiters() {
  // Whoever would fit waits behind somebody who came before and does not.
  std::vector<std::vector<ScopeIndex>> before;
  for (const auto& waiter : waiting_) {
    std::vector<ScopeIndex> path = waiter->caller->who;
    path.insert(path.end(), waiter->what.begin(), waiter->what.end());
    if (model_.judge(path, waiter->least, nullptr).fits()) {
      const bool is_behind = std::any_of(before.begin(), before.end(), [&](const auto& other) {
        return std::find_first_of(path.begin(), path.end(), other.begin(), other.end()) !=
               path.end();
      });
      expect(is_behind, "{} waits although it fits and nobody came before", waiter->caller->call);
    }
    before.push_back(std::move(path));
  }
}

}  // namespace tollgate::domain::budget::simulation
