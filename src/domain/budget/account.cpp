#include "domain/budget/account.hpp"

#include <algorithm>

namespace tollgate::domain::budget {
namespace {

/// Alerts closer together say nothing of a pace: calls that settle at once would.
constexpr Micros kLeastPaceTime = 60'000'000;

}  // namespace

Units Account::threshold(std::size_t index) const noexcept {
  return threshold_of(limit, percents[index]);
}

void Account::set_next_alert() noexcept {
  next_alert =
      alerts_told < percents.size() ? threshold(alerts_told) : std::numeric_limits<Units>::max();
}

void Account::open_window(Micros now) {
  const Window window = calendar.window_at(to_wall(now));
  window_start = to_micros(window.start);
  window_end = to_micros(window.end);
  spent = 0;
  held = 0;
  is_closed = false;
  alerts_told = 0;
  last_told.reset();
  set_next_alert();
}

void Account::restore_spent(Units amount) {
  spent = amount;
  alerts_told = 0;
  last_told.reset();
  while (alerts_told < percents.size() && threshold(alerts_told) <= spent) ++alerts_told;
  set_next_alert();
}

void Account::edit(Units new_limit, const std::vector<std::uint32_t>& new_percents) {
  const std::uint32_t last_percent = alerts_told > 0 ? percents[alerts_told - 1] : 0;
  const bool any_told = alerts_told > 0;
  // Calls in flight are no reason to stay closed: after a restart there would be none.
  if (is_closed && new_limit > limit && spent <= new_limit) is_closed = false;
  limit = new_limit;
  percents = new_percents;
  std::sort(percents.begin(), percents.end());
  percents.erase(std::unique(percents.begin(), percents.end()), percents.end());
  alerts_told = 0;
  while (any_told && alerts_told < percents.size() && percents[alerts_told] <= last_percent &&
         threshold(alerts_told) <= spent) {
    ++alerts_told;
  }
  set_next_alert();
}

BudgetEvent Account::event(BudgetEvent::Kind what, config::ScopeKind kind,
                           std::string_view scope_id, Micros now) const {
  BudgetEvent e;
  e.kind = what;
  e.scope = kind;
  e.scope_id = scope_id;
  e.budget = name;
  e.unit = unit;
  e.window = calendar.kind();
  e.limit = limit;
  e.spent = spent;
  e.at = to_wall(now);
  e.window_start = to_wall(window_start);
  e.reset_at = reset_at();
  if (!is_used_up()) e.projected_exhaustion_at = projected_exhaustion_at(now);
  return e;
}

std::optional<base::WallTime> Account::projected_exhaustion_at(Micros now) const noexcept {
  const SpendMark here{to_wall(now), spent};
  std::optional<base::WallTime> at;
  const auto consider = [&](const SpendMark& since) {
    const auto found = projected_exhaustion(since, here, limit);
    if (found && (!at || *found < *at)) at = found;
  };
  if (calendar.kind() != config::WindowKind::total) consider({to_wall(window_start), Units{0}});
  if (last_told && now - to_micros(last_told->at) >= kLeastPaceTime) consider(*last_told);
  if (at && to_micros(*at) >= window_end) return std::nullopt;
  return at;
}

void Account::tell_alerts(config::ScopeKind kind, std::string_view scope_id, Micros now,
                          std::vector<BudgetEvent>& events) {
  const bool is_due = spent >= next_alert && alerts_told < percents.size();
  while (spent >= next_alert && alerts_told < percents.size()) {
    BudgetEvent e = event(BudgetEvent::Kind::threshold, kind, scope_id, now);
    e.percent = percents[alerts_told];
    events.push_back(e);
    ++alerts_told;
    set_next_alert();
  }
  if (is_due && (!last_told || now - to_micros(last_told->at) >= kLeastPaceTime))
    last_told = SpendMark{to_wall(now), spent};
}

}  // namespace tollgate::domain::budget
