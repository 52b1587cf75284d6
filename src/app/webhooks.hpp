#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/alerts/alert.hpp"
#include "tollgate/net/dns_cache.hpp"
#include "tollgate/net/upstream_client.hpp"
#include "tollgate/net/worker.hpp"
#include "tollgate/store/audit_store.hpp"
#include "tollgate/telemetry/registry.hpp"

namespace tollgate::app {

/// Brings alerts to the configured webhooks, or leaves a dead letter on record for each that it
/// could not bring.
///
/// Deliveries run on a loop of their own, beside one another and in no order. 2xx is success; what
/// else happens is tried again by domain::alerts::RetrySchedule. At most Snapshot::alert_queue are
/// under way, half of them (rounded up) about loops; what comes on top of them is not tried. A
/// crash loses those under way: the event on record says what they were. Threads: send and
/// under_way from any; the rest from the owner's.
class WebhookSender {
 public:
  WebhookSender(const base::Clock& clock, net::DnsCache& dns, telemetry::Registry& registry,
                store::AuditStore& store);
  ~WebhookSender();
  WebhookSender(const WebhookSender&) = delete;
  WebhookSender& operator=(const WebhookSender&) = delete;

  void start();
  /// Lets attempts under way come to their end for at most `grace`, begins no other, and has put on
  /// record what is left when it returns. Nothing may be sent afterwards. Idempotent.
  void stop(std::chrono::milliseconds grace);

  /// The webhooks of a configuration, ready to be taken over.
  struct Webhooks;
  /// Makes them; nothing changes yet. Throws std::runtime_error when TLS cannot be set up.
  [[nodiscard]] std::shared_ptr<const Webhooks> prepare(const config::Snapshot& snapshot) const;
  /// Takes them over for what is sent from now on. Does not fail.
  void install(std::shared_ptr<const Webhooks> webhooks);

  /// Sends an alert to each webhook that wants it. Does not wait.
  void send(const domain::alerts::Alert& alert);
  /// How many deliveries are under way.
  [[nodiscard]] std::int64_t under_way() const noexcept { return under_way_.load(); }

 private:
  struct Delivery;
  using DeliveryPtr = std::shared_ptr<const Delivery>;
  class Attempt;

  base::Task<void> deliver(DeliveryPtr delivery);
  base::Task<Attempt> attempt(const Delivery& delivery);
  base::Task<void> pause(std::chrono::milliseconds how_long);
  /// Ends what is left of the attempts once `grace` is over.
  base::Task<void> cut_off(std::chrono::milliseconds grace);
  /// Counts it as under way, until finish. @return whether it may be tried
  bool enter(const Delivery& delivery, const Webhooks& webhooks) noexcept;
  void finish(const Delivery& delivery) noexcept;
  void fail(const Delivery& delivery, domain::alerts::FailureReason reason, std::uint32_t attempts,
            const std::string& last_error);
  void count(std::string_view result);

  net::Worker worker_;
  net::UpstreamPool pool_;
  net::UpstreamClient client_;
  telemetry::Registry& registry_;
  store::AuditStore& store_;
  std::mutex mutex_;                          ///< of webhooks_ and all_done_
  std::shared_ptr<const Webhooks> webhooks_;  ///< null before the first install
  std::condition_variable all_done_;
  std::atomic<std::int64_t> under_way_{0}, loops_under_way_{0};
  bool started_ = false;
  // On the worker:
  std::vector<pipeline::CancelSignal*> attempting_, pausing_;
  pipeline::CancelSignal none_left_;
  bool stopping_ = false;
};

}  // namespace tollgate::app
