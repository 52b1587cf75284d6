#pragma once

#include <chrono>
#include <memory>
#include <mutex>

#include "app/ledger_journal.hpp"
#include "app/webhooks.hpp"
#include "tollgate/base/clock.hpp"
#include "tollgate/base/id.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/alerts/alert.hpp"
#include "tollgate/pipeline/services.hpp"
#include "tollgate/store/audit_store.hpp"
#include "tollgate/telemetry/registry.hpp"

namespace tollgate::app {

/// Tells people of what happens to budgets, and of loops: a log line, a metric, an event on record,
/// and a POST to each webhook that wants it (WebhookSender). Threads: on_budget_event and on_loop
/// from any; the rest from the owner's.
class Alerts final : public pipeline::AlertSink {
 public:
  Alerts(const base::Clock& clock, net::DnsCache& dns, telemetry::Registry& registry,
         store::AuditStore& store);

  void start() { webhooks_.start(); }
  /// As WebhookSender::stop. Before the store is stopped, for the sake of the dead letters.
  void stop(std::chrono::milliseconds grace) { webhooks_.stop(grace); }
  /// As WebhookSender's.
  [[nodiscard]] std::shared_ptr<const WebhookSender::Webhooks> prepare(
      const config::Snapshot& snapshot) const {
    return webhooks_.prepare(snapshot);
  }
  void install(std::shared_ptr<const WebhookSender::Webhooks> webhooks) {
    webhooks_.install(std::move(webhooks));
  }
  [[nodiscard]] std::int64_t deliveries_under_way() const noexcept { return webhooks_.under_way(); }

  /// Tells the thresholds that calls a crash had left open crossed when they went on record, but
  /// for those on record as told. At a start, after Ledger::load; a record that cannot be read is
  /// logged, and nothing told.
  void tell_missed(domain::budget::Ledger& ledger, const config::Snapshot& snapshot,
                   const LedgerJournal::Recovered& recovered);

  void on_budget_event(const domain::budget::BudgetEvent& event) noexcept override;
  void on_loop(const domain::alerts::LoopFinding& finding) noexcept override;

 private:
  [[nodiscard]] std::string next_id();
  /// All but the log line, which has members of its own for each kind.
  void tell(const domain::alerts::Alert& alert);

  const base::Clock& clock_;
  telemetry::Registry& registry_;
  store::AuditStore& store_;
  std::mutex ids_mutex_;
  base::IdGenerator ids_;
  WebhookSender webhooks_;
};

}  // namespace tollgate::app
