#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/net/dns_cache.hpp"
#include "tollgate/net/upstream_client.hpp"
#include "tollgate/net/worker.hpp"
#include "tollgate/pipeline/services.hpp"
#include "tollgate/telemetry/registry.hpp"

namespace tollgate::app {

/// Budget alerts to people: a log line, a metric, and a POST to each configured webhook.
///
/// Deliveries run on a loop of their own, are retried with growing pauses (2xx is success; other
/// answers and broken connections are retried up to `attempts`), and given up with a log line.
/// At most kMaxQueued are under way; beyond that the newest is dropped and counted as failed.
/// Threads: on_budget_event from any.
class Alerts final : public pipeline::AlertSink {
 public:
  Alerts(const base::Clock& clock, net::DnsCache& dns, telemetry::Registry& registry);
  ~Alerts() override;

  void start();
  /// Cancels deliveries that wait and ends the loop.
  void stop();
  /// The webhooks of a configuration, ready to be taken over.
  struct Webhooks;
  /// Makes them; nothing changes yet. Throws std::runtime_error when TLS cannot be set up.
  [[nodiscard]] std::shared_ptr<Webhooks> prepare(const config::Snapshot& snapshot) const;
  /// Takes them over for the events from now on. Does not fail.
  void install(std::shared_ptr<Webhooks> webhooks);
  void on_budget_event(const domain::budget::BudgetEvent& event) noexcept override;

 private:
  static constexpr int kMaxQueued = 1'000;
  struct Target {
    config::Webhook webhook;
    config::Origin origin;
    std::string path;
  };
  base::Task<void> deliver(Target target, std::string body);
  void count(std::string_view result);

  net::Worker worker_;
  net::UpstreamPool pool_;
  net::UpstreamClient client_;
  telemetry::Registry& registry_;
  std::mutex mutex_;
  std::shared_ptr<const Webhooks> webhooks_;  ///< under mutex_; null before the first install
  std::atomic<int> queued_{0};
  std::vector<pipeline::CancelSignal*> waiting_;  ///< on the worker
  bool stopping_ = false;                         ///< on the worker
  bool started_ = false;
};

}  // namespace tollgate::app
