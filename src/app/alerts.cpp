#include "app/alerts.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tollgate/base/time_format.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/domain/alerts/missed.hpp"
#include "tollgate/domain/budget/refusal.hpp"
#include "tollgate/store/audit_reader.hpp"
#include "tollgate/telemetry/log.hpp"

namespace tollgate::app {
namespace {

/// Of the thresholds told since a window opened; the newest are read.
constexpr std::size_t kMostEventsRead = 10'000;

}  // namespace

Alerts::Alerts(const base::Clock& clock, net::DnsCache& dns, telemetry::Registry& registry,
               store::AuditStore& store)
    : clock_(clock), registry_(registry), store_(store), webhooks_(clock, dns, registry, store) {}

std::string Alerts::next_id() {
  const std::lock_guard lock(ids_mutex_);
  return ids_.next("evt_", clock_.wall());
}

void Alerts::tell_missed(domain::budget::Ledger& ledger, const config::Snapshot& snapshot,
                         const LedgerJournal::Recovered& recovered) {
  if (recovered.holds.empty()) return;
  std::vector<domain::alerts::RecoveredCharge> charges;
  for (const store::FoundHold& hold : recovered.holds)
    charges.push_back({hold.scopes, hold.amounts, hold.held_at});
  const auto rows = ledger.snapshot_all();
  const auto missed =
      domain::alerts::missed_thresholds(rows, snapshot.budgets, charges, clock_.wall());
  if (missed.empty()) return;
  // Calls that had been settled told of it, and mostly it is on record.
  base::WallTime since = missed.front().window_start;
  for (const auto& event : missed) since = std::min(since, event.window_start);
  const auto fail = [](const base::Error& error) {
    telemetry::log::error("alerts_not_told", {{"message", error.message()}});
  };
  auto reader = store::AuditReader::open(snapshot.audit.path);
  if (reader.has_error()) return fail(reader.error());
  const auto told = (*reader)->events(since, config::name_of(config::AlertKind::budget_threshold),
                                      kMostEventsRead);
  if (told.has_error()) return fail(told.error());
  for (const auto& event : missed) {
    const bool is_told = std::any_of(told->begin(), told->end(), [&](const auto& row) {
      if (row.at < event.window_start || row.scope != event.scope ||
          row.scope_id != event.scope_id || row.budget != event.budget)
        return false;
      const auto detail = nlohmann::json::parse(row.detail, nullptr, false);
      return detail.is_object() && detail.value("percent", std::uint32_t{0}) == event.percent;
    });
    if (!is_told) on_budget_event(event);
  }
}

void Alerts::on_budget_event(const domain::budget::BudgetEvent& event) noexcept {
  const domain::alerts::Alert alert = domain::alerts::make_alert(event, next_id());
  const auto text_of = [](const std::optional<base::WallTime>& at) {
    return at ? base::format_rfc3339(*at) : std::string();
  };
  telemetry::log::warn(config::name_of(alert.kind),
                       {{"id", alert.id},
                        {"scope", config::name_of(event.scope)},
                        {"scope_id", event.scope_id},
                        {"budget", event.budget},
                        {"percent", event.percent},
                        {"limit", domain::budget::to_string(event.limit, event.unit)},
                        {"spent", domain::budget::to_string(event.spent, event.unit)},
                        {"resets_at", text_of(event.reset_at)},
                        {"projected_exhaustion_at", text_of(event.projected_exhaustion_at)}});
  tell(alert);
}

void Alerts::on_loop(const domain::alerts::LoopFinding& finding) noexcept {
  const domain::alerts::Alert alert = domain::alerts::make_alert(finding, next_id());
  const domain::loops::Verdict& verdict = finding.verdict;
  const auto until = domain::alerts::stopped_until(finding);
  telemetry::log::warn(config::name_of(alert.kind),
                       {{"id", alert.id},
                        {"key_id", finding.key_id},
                        {"trace", finding.trace},
                        {"detector", to_string(verdict.detector)},
                        {"mode", config::name_of(verdict.mode)},
                        {"action", config::name_of(verdict.action)},
                        {"target", to_string(verdict.target)},
                        {"evidence", verdict.evidence},
                        {"request_id", finding.request_id},
                        {"stop_id", verdict.stop_id},
                        {"until", until ? base::format_rfc3339(*until) : std::string()},
                        {"untold", verdict.untold}});
  tell(alert);
}

void Alerts::tell(const domain::alerts::Alert& alert) {
  const std::string_view kind = config::name_of(alert.kind);
  registry_.shared().add(
      registry_.counter(telemetry::Family::alerts, config::name_of(alert.scope), kind), 1);
  store::AuditEvent row;
  row.at = alert.at;
  row.kind = kind;
  row.scope = alert.scope;
  row.scope_id = alert.scope_id;
  row.budget = alert.budget;
  row.detail = alert.detail;
  store_.note_event(std::move(row));
  webhooks_.send(alert);
}

}  // namespace tollgate::app
