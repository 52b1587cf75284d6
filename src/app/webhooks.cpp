#include "app/webhooks.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "tollgate/base/digest.hpp"
#include "tollgate/domain/alerts/retry_schedule.hpp"
#include "tollgate/protocol/http/retry_after.hpp"
#include "tollgate/telemetry/log.hpp"

namespace tollgate::app {

using domain::alerts::Alert;
using domain::alerts::FailureReason;

namespace {

/// A burst of alerts must not look like an attack to the one who receives them.
constexpr std::uint32_t kConnectionsPerHost = 8;
/// Attempts that were cancelled end at once; this only keeps a stop from waiting for ever.
constexpr std::chrono::seconds kCancelPatience(5);

std::string signature(const base::Secret& secret, std::string_view body) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> mac{};
  unsigned length = 0;
  const std::string_view key = secret.reveal();
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(body.data()), body.size(), mac.data(), &length);
  return base::to_hex(std::span(mac.data(), length));
}

/// Stands in a list of signals for as long as a wait may be cancelled. Worker's thread.
class Listed {
 public:
  Listed(std::vector<pipeline::CancelSignal*>& list, pipeline::CancelSignal& signal)
      : list_(list), signal_(&signal) {
    list_.push_back(signal_);
  }
  ~Listed() { std::erase(list_, signal_); }
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;

 private:
  std::vector<pipeline::CancelSignal*>& list_;
  pipeline::CancelSignal* signal_;
};

/// A signal may take itself off the list.
void cancel_all(std::vector<pipeline::CancelSignal*> signals) {
  for (pipeline::CancelSignal* signal : signals) signal->cancel();
}

}  // namespace

struct WebhookSender::Webhooks {
  std::vector<std::shared_ptr<const config::Webhook>> targets;
  std::shared_ptr<const net::TlsContexts> tls;
  std::int64_t most = 0;
  /// How many of these may be about loops, which agents cause by how they call: what is left stays
  /// free for alerts of budgets, however many agents run in circles.
  [[nodiscard]] std::int64_t most_loops() const noexcept { return most - most / 2; }
};

/// One alert on its way to one webhook.
struct WebhookSender::Delivery {
  Delivery(std::shared_ptr<const config::Webhook> to, const Alert& alert)
      : webhook(std::move(to)),
        is_of_loop(alert.kind == config::AlertKind::loop_detected),
        event_id(alert.id),
        scope(alert.scope),
        scope_id(alert.scope_id),
        budget(alert.budget),
        body(body_of(alert, webhook->format)) {}

  std::shared_ptr<const config::Webhook> webhook;
  bool is_of_loop;
  std::string event_id;
  config::ScopeKind scope;
  std::string scope_id, budget;
  std::string body;
};

/// What came of one attempt.
class WebhookSender::Attempt {
 public:
  Attempt() = default;
  int status = 0;  ///< 0: no answer
  std::optional<std::chrono::milliseconds> retry_after;
  std::string error;
  [[nodiscard]] bool is_delivered() const noexcept { return status >= 200 && status < 300; }
};

WebhookSender::WebhookSender(const base::Clock& clock, net::DnsCache& dns,
                             telemetry::Registry& registry, store::AuditStore& store)
    : worker_(999, clock),
      pool_(worker_, dns),
      client_(worker_, pool_),
      registry_(registry),
      store_(store) {}

WebhookSender::~WebhookSender() {
  stop(std::chrono::milliseconds(0));
}

void WebhookSender::start() {
  started_ = true;
  worker_.start();
}

void WebhookSender::stop(std::chrono::milliseconds grace) {
  if (!std::exchange(started_, false)) return;
  worker_.post([this, grace] {
    stopping_ = true;
    cancel_all(pausing_);
    if (under_way_.load() > 0) base::spawn("webhooks_stop", cut_off(grace));
  });
  {
    std::unique_lock lock(mutex_);
    const bool done = all_done_.wait_for(lock, grace + kCancelPatience,
                                         [this] { return under_way_.load() == 0; });
    if (!done) telemetry::log::error("webhooks_not_ended", {{"deliveries", under_way_.load()}});
  }
  worker_.post([this] { pool_.close_idle(); });
  worker_.release();
  worker_.join();
}

base::Task<void> WebhookSender::cut_off(std::chrono::milliseconds grace) {
  const base::Deadline until(worker_.now() + grace);
  co_await client_.sleep_until(until, none_left_);
  cancel_all(attempting_);
}

std::shared_ptr<const WebhookSender::Webhooks> WebhookSender::prepare(
    const config::Snapshot& snapshot) const {
  auto webhooks = std::make_shared<Webhooks>();
  auto contexts = std::make_shared<net::TlsContexts>();
  webhooks->most = snapshot.alert_queue;
  for (const config::Webhook& webhook : snapshot.webhooks) {
    auto target = std::make_shared<config::Webhook>(webhook);
    config::Origin& origin = target->origin;
    origin.idle_timeout = std::chrono::seconds(5);
    origin.max_connections = kConnectionsPerHost;
    if (origin.scheme == "https" && !contexts->contains(origin.pool_key))
      contexts->emplace(origin.pool_key, net::make_client_context(origin.tls));
    webhooks->targets.push_back(std::move(target));
  }
  webhooks->tls = std::move(contexts);
  return webhooks;
}

void WebhookSender::install(std::shared_ptr<const Webhooks> webhooks) {
  worker_.post([this, contexts = webhooks->tls] { pool_.set_tls_contexts(contexts); });
  const std::lock_guard lock(mutex_);
  webhooks_ = std::move(webhooks);
}

void WebhookSender::count(std::string_view result) {
  registry_.shared().add(registry_.counter(telemetry::Family::webhook_deliveries, result), 1);
}

void WebhookSender::send(const Alert& alert) {
  std::shared_ptr<const Webhooks> webhooks;
  {
    const std::lock_guard lock(mutex_);
    webhooks = webhooks_;
  }
  if (webhooks == nullptr) return;
  for (const auto& target : webhooks->targets) {
    const auto& wanted = target->events;
    if (std::find(wanted.begin(), wanted.end(), alert.kind) == wanted.end()) continue;
    auto delivery = std::make_shared<const Delivery>(target, alert);
    if (!enter(*delivery, *webhooks)) {
      fail(*delivery, FailureReason::queue_full, 0, {});
      finish(*delivery);
      continue;
    }
    worker_.post(
        [this, delivery = std::move(delivery)] { base::spawn("webhook", deliver(delivery)); });
  }
}

base::Task<WebhookSender::Attempt> WebhookSender::attempt(const Delivery& delivery) {
  const config::Webhook& webhook = *delivery.webhook;
  std::string header_lines = fmt::format(
      "Content-Type: application/json\r\nUser-Agent: tollgate\r\nx-tollgate-event-id: {}\r\n",
      delivery.event_id);
  if (!webhook.secret.empty())
    header_lines += fmt::format("x-tollgate-signature: sha256={}\r\n",
                                signature(webhook.secret, delivery.body));
  const std::string_view piece = delivery.body;
  pipeline::CancelSignal cancel;
  const Listed listed(attempting_, cancel);
  pipeline::WireRequest request;
  request.method = "POST";
  request.path_and_query = webhook.target;
  request.header_lines = header_lines;
  request.body = std::span(&piece, 1);
  request.has_body = true;
  request.deadline = base::Deadline::after(worker_.now(), webhook.timeout);
  request.connect_timeout = request.tls_timeout = request.first_byte_timeout =
      request.idle_timeout = request.write_timeout = request.pool_wait = webhook.timeout;
  Attempt result;
  const auto exchange = client_.open(webhook.origin, cancel);
  const auto failure = co_await exchange->start(request);
  if (failure == pipeline::TransportFailure::none) {
    const auto& head = exchange->head();
    result.status = head.status;
    result.retry_after = protocol::http::retry_after(head.headers, worker_.clock().wall());
    result.error = fmt::format("status {}", head.status);
  } else {
    result.error = to_string(failure);
  }
  co_return result;
}

base::Task<void> WebhookSender::pause(std::chrono::milliseconds how_long) {
  pipeline::CancelSignal cancel;
  const Listed listed(pausing_, cancel);
  const base::Deadline until(worker_.now() + how_long);
  co_await client_.sleep_until(until, cancel);
}

base::Task<void> WebhookSender::deliver(DeliveryPtr delivery) {
  const config::Webhook& webhook = *delivery->webhook;
  domain::alerts::RetrySchedule schedule(webhook.attempts, webhook.retry_max);
  FailureReason reason = FailureReason::stopped;
  std::uint32_t attempts = 0;
  std::string last_error;
  bool is_delivered = false;
  while (!stopping_) {
    Attempt tried = co_await attempt(*delivery);
    ++attempts;
    is_delivered = tried.is_delivered();
    if (is_delivered) break;
    last_error = std::move(tried.error);
    const auto wait = schedule.after_failure(tried.status, tried.retry_after);
    if (!wait) {
      reason = FailureReason::given_up;
      break;
    }
    if (stopping_) break;
    count("retried");
    co_await pause(*wait);
  }
  if (is_delivered)
    count("delivered");
  else
    fail(*delivery, reason, attempts, last_error);
  finish(*delivery);
}

bool WebhookSender::enter(const Delivery& delivery, const Webhooks& webhooks) noexcept {
  const bool is_room = under_way_.fetch_add(1) < webhooks.most;
  if (!delivery.is_of_loop) return is_room;
  return loops_under_way_.fetch_add(1) < webhooks.most_loops() && is_room;
}

void WebhookSender::finish(const Delivery& delivery) noexcept {
  const std::lock_guard lock(mutex_);
  if (delivery.is_of_loop) loops_under_way_.fetch_sub(1);
  if (under_way_.fetch_sub(1) > 1) return;
  all_done_.notify_all();
  worker_.post([this] {
    if (stopping_ && under_way_.load() == 0) none_left_.cancel();
  });
}

void WebhookSender::fail(const Delivery& delivery, FailureReason reason, std::uint32_t attempts,
                         const std::string& last_error) {
  count("failed");
  registry_.shared().add(
      registry_.counter(telemetry::Family::webhook_dead_letters, to_string(reason)), 1);
  const std::string& host = delivery.webhook->origin.host;
  telemetry::log::error(domain::alerts::kDeadLetterKind, {{"id", delivery.event_id},
                                                          {"host", host},
                                                          {"reason", to_string(reason)},
                                                          {"attempts", attempts},
                                                          {"last_error", last_error}});
  domain::alerts::DeadLetter letter;
  letter.event_id = delivery.event_id;
  letter.format = delivery.webhook->format;
  letter.host = host;
  letter.reason = reason;
  letter.attempts = attempts;
  letter.last_error = last_error;
  letter.body = delivery.body;
  store::AuditEvent event;
  event.kind = domain::alerts::kDeadLetterKind;
  event.scope = delivery.scope;
  event.scope_id = delivery.scope_id;
  event.budget = delivery.budget;
  event.detail = to_json(letter);
  store_.note_event(std::move(event));
}

}  // namespace tollgate::app
