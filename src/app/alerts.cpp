#include "app/alerts.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "tollgate/base/strings.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/json/writer.hpp"
#include "tollgate/telemetry/log.hpp"

namespace tollgate::app {
namespace {

constexpr auto kAttemptTime = std::chrono::seconds(10);
constexpr auto kFirstPause = std::chrono::seconds(1);

std::string_view kind_name(domain::budget::BudgetEvent::Kind kind) {
  return kind == domain::budget::BudgetEvent::Kind::threshold ? "budget_threshold"
                                                              : "budget_closed";
}

std::string event_body(const domain::budget::BudgetEvent& event, base::WallTime now) {
  std::string body;
  json::Writer out(body);
  out.begin_object();
  out.member("event", kind_name(event.kind)).member("at", base::format_rfc3339(now));
  out.member("scope", config::name_of(event.scope)).member("scope_id", event.scope_id);
  out.member("budget", event.budget);
  if (event.kind == domain::budget::BudgetEvent::Kind::threshold)
    out.member("percent", static_cast<std::int64_t>(event.percent));
  out.member("limit_usd", to_string(event.limit).substr(1));
  out.member("spent_usd", to_string(event.spent).substr(1));
  out.member("limit_nusd", event.limit.value).member("spent_nusd", event.spent.value);
  out.member("window_start", base::format_rfc3339(event.window_start));
  if (event.reset_at) out.member("resets_at", base::format_rfc3339(*event.reset_at));
  out.end_object();
  return body;
}

std::string signature(const base::Secret& secret, std::string_view body) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> mac{};
  unsigned length = 0;
  const std::string_view key = secret.reveal();
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(body.data()), body.size(), mac.data(), &length);
  return base::to_hex(std::span(mac.data(), length));
}

}  // namespace

Alerts::Alerts(const base::Clock& clock, net::DnsCache& dns, telemetry::Registry& registry)
    : worker_(999, clock), pool_(worker_, dns), client_(worker_, pool_), registry_(registry) {}

Alerts::~Alerts() {
  stop();
}

void Alerts::start() {
  started_ = true;
  worker_.start();
}

void Alerts::stop() {
  if (!std::exchange(started_, false)) return;
  worker_.post([this] {
    stopping_ = true;
    for (pipeline::CancelSignal* signal : waiting_) signal->cancel();
    pool_.close_idle();
  });
  worker_.release();
  worker_.join();
}

struct Alerts::Webhooks {
  std::vector<Target> targets;
  std::shared_ptr<const net::TlsContexts> tls;
};

std::shared_ptr<Alerts::Webhooks> Alerts::prepare(const config::Snapshot& snapshot) const {
  auto webhooks = std::make_shared<Webhooks>();
  auto contexts = std::make_shared<net::TlsContexts>();
  for (const config::Webhook& webhook : snapshot.webhooks) {
    Target target;
    target.webhook = webhook;
    std::string_view url = webhook.url;
    const std::size_t scheme = url.find("://");
    target.origin.scheme = base::to_lower(url.substr(0, scheme));
    url.remove_prefix(scheme + 3);
    const std::size_t slash = url.find('/');
    std::string_view authority = url.substr(0, slash);
    target.path = slash == std::string_view::npos ? "/" : std::string(url.substr(slash));
    target.origin.port = target.origin.scheme == "https" ? 443 : 80;
    const std::size_t colon = authority.rfind(':');
    if (colon != std::string_view::npos && !authority.ends_with(']')) {
      target.origin.port = static_cast<std::uint16_t>(
          base::parse_u64(authority.substr(colon + 1)).value_or(target.origin.port));
      authority = authority.substr(0, colon);
    }
    if (authority.starts_with('[')) authority = authority.substr(1, authority.size() - 2);
    target.origin.host = base::to_lower(authority);
    target.origin.pool_key =
        fmt::format("{}://{}:{}", target.origin.scheme, target.origin.host, target.origin.port);
    target.origin.idle_timeout = std::chrono::seconds(5);
    if (target.origin.scheme == "https")
      contexts->emplace(target.origin.pool_key, net::make_client_context(config::UpstreamTls{}));
    webhooks->targets.push_back(std::move(target));
  }
  webhooks->tls = std::move(contexts);
  return webhooks;
}

void Alerts::install(std::shared_ptr<Webhooks> webhooks) {
  worker_.post([this, contexts = webhooks->tls] { pool_.set_tls_contexts(contexts); });
  const std::lock_guard lock(mutex_);
  webhooks_ = std::move(webhooks);
}

void Alerts::count(std::string_view result) {
  registry_.shared().add(registry_.counter(telemetry::Family::webhook_deliveries, result), 1);
}

void Alerts::on_budget_event(const domain::budget::BudgetEvent& event) noexcept {
  registry_.shared().add(registry_.counter(telemetry::Family::alerts, config::name_of(event.scope)),
                         1);
  telemetry::log::warn(kind_name(event.kind), {{"scope", config::name_of(event.scope)},
                                               {"scope_id", event.scope_id},
                                               {"budget", event.budget},
                                               {"percent", event.percent},
                                               {"limit", event.limit},
                                               {"spent", event.spent}});
  const std::string body = event_body(event, worker_.clock().wall());
  const std::lock_guard lock(mutex_);
  if (webhooks_ == nullptr) return;
  for (const Target& target : webhooks_->targets) {
    if (queued_.fetch_add(1) >= kMaxQueued) {
      queued_.fetch_sub(1);
      count("failed");
      continue;
    }
    worker_.post([this, target, body] { base::spawn("webhook", deliver(target, body)); });
  }
}

base::Task<void> Alerts::deliver(Target target, std::string body) {
  std::string header_lines = "Content-Type: application/json\r\nUser-Agent: tollgate\r\n";
  if (!target.webhook.secret.empty())
    header_lines +=
        fmt::format("x-tollgate-signature: sha256={}\r\n", signature(target.webhook.secret, body));
  const std::string_view piece = body;
  std::string last = "not tried";
  auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(kFirstPause);
  for (std::uint32_t attempt = 1; !stopping_; ++attempt) {
    pipeline::CancelSignal cancel;
    waiting_.push_back(&cancel);
    pipeline::WireRequest request;
    request.method = "POST";
    request.path_and_query = target.path;
    request.header_lines = header_lines;
    request.body = std::span(&piece, 1);
    request.has_body = true;
    request.deadline = base::Deadline::after(worker_.now(), kAttemptTime);
    request.connect_timeout = request.tls_timeout = request.first_byte_timeout =
        request.idle_timeout = request.write_timeout = request.pool_wait = kAttemptTime;
    bool delivered = false;
    {
      const auto exchange = client_.open(target.origin, cancel);
      const auto failure = co_await exchange->start(request);
      if (failure == pipeline::TransportFailure::none) {
        const int status = exchange->head().status;
        delivered = status >= 200 && status < 300;
        last = fmt::format("status {}", status);
      } else {
        last = std::string(to_string(failure));
      }
    }
    std::erase(waiting_, &cancel);
    if (delivered) {
      count("delivered");
      queued_.fetch_sub(1);
      co_return;
    }
    if (attempt >= target.webhook.attempts) break;
    count("retried");
    waiting_.push_back(&cancel);
    const base::Deadline until(worker_.now() + pause);
    co_await client_.sleep_until(until, cancel);
    std::erase(waiting_, &cancel);
    pause *= 2;
  }
  count("failed");
  queued_.fetch_sub(1);
  telemetry::log::error("webhook_failed", {{"host", target.origin.host}, {"last", last}});
}

}  // namespace tollgate::app
