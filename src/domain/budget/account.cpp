#include "domain/budget/account.hpp"

#include <algorithm>

namespace tollgate::domain::budget {

Nanos Account::threshold(std::size_t index) const noexcept {
  return narrow((Wide{limit} * percents[index] + 99) / 100);
}

void Account::set_next_alert() noexcept {
  next_alert =
      alerts_told < percents.size() ? threshold(alerts_told) : std::numeric_limits<Nanos>::max();
}

void Account::open_window(Micros now) {
  const Window window = calendar.window_at(to_wall(now));
  window_start = to_micros(window.start);
  window_end = to_micros(window.end);
  spent = 0;
  held = 0;
  is_closed = false;
  alerts_told = 0;
  set_next_alert();
}

void Account::restore_spent(Nanos amount) {
  spent = amount;
  alerts_told = 0;
  while (alerts_told < percents.size() && threshold(alerts_told) <= spent) ++alerts_told;
  set_next_alert();
}

void Account::edit(Nanos new_limit, const std::vector<std::uint32_t>& new_percents) {
  const std::uint32_t last_told = alerts_told > 0 ? percents[alerts_told - 1] : 0;
  const bool any_told = alerts_told > 0;
  if (is_closed && new_limit > limit && Wide{spent} + held <= new_limit) is_closed = false;
  limit = new_limit;
  percents = new_percents;
  std::sort(percents.begin(), percents.end());
  percents.erase(std::unique(percents.begin(), percents.end()), percents.end());
  alerts_told = 0;
  while (any_told && alerts_told < percents.size() && percents[alerts_told] <= last_told &&
         threshold(alerts_told) <= spent) {
    ++alerts_told;
  }
  set_next_alert();
}

BudgetEvent Account::event(BudgetEvent::Kind what, config::ScopeKind kind,
                           std::string_view scope_id) const {
  BudgetEvent e;
  e.kind = what;
  e.scope = kind;
  e.scope_id = scope_id;
  e.budget = name;
  e.limit = {limit};
  e.spent = {spent};
  e.window_start = to_wall(window_start);
  e.reset_at = reset_at();
  return e;
}

void Account::tell_alerts(config::ScopeKind kind, std::string_view scope_id,
                          std::vector<BudgetEvent>& events) {
  while (spent >= next_alert && alerts_told < percents.size()) {
    BudgetEvent e = event(BudgetEvent::Kind::threshold, kind, scope_id);
    e.percent = percents[alerts_told];
    events.push_back(e);
    ++alerts_told;
    set_next_alert();
  }
}

}  // namespace tollgate::domain::budget
