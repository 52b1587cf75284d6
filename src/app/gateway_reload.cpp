// How the gateway changes while it runs: what can take long comes first and holds nobody up.
#include <stdexcept>

#include "app/gateway.hpp"
#include "app/loading.hpp"
#include "tollgate/store/spend_on_record.hpp"
#include "tollgate/telemetry/log.hpp"

namespace tollgate::app {

using telemetry::Family;

Gateway::InForce Gateway::in_force() {
  const std::lock_guard lock(in_force_mutex_);
  return {snapshot_, runtime_, tls_};
}

void Gateway::install(InForce next) {
  for (const auto& host : workers_) host->set_runtime(next.runtime, next.tls);
  const std::lock_guard lock(in_force_mutex_);
  snapshot_.swap(next.snapshot);
  runtime_.swap(next.runtime);
  tls_.swap(next.tls);
}

std::shared_future<std::string> Gateway::reload() {
  const std::lock_guard lock(reloader_mutex_);
  std::shared_future<std::string> result = asked_.emplace_back().get_future().share();
  if (!is_reloading_) {
    if (reloader_.joinable()) reloader_.join();  // it has nothing left to do
    is_reloading_ = true;
    reloader_ = std::thread([this] { run_reloads(); });
  }
  return result;
}

bool Gateway::is_reloading() {
  const std::lock_guard lock(reloader_mutex_);
  return is_reloading_;
}

void Gateway::run_reloads() {
  for (;;) {
    std::vector<std::promise<std::string>> asked;
    {
      const std::lock_guard lock(reloader_mutex_);
      if (asked_.empty()) {
        is_reloading_ = false;
        return;
      }
      asked.swap(asked_);
    }
    const std::string problem = reload_now();
    for (auto& promise : asked) promise.set_value(problem);
  }
}

std::string Gateway::reload_now() {
  const auto count = [this](std::string_view result) {
    registry_->shared().add(registry_->counter(Family::config_reloads, result), 1);
  };
  try {
    const InForce running = in_force();
    auto next = load_or_throw(config_path_, generation_.load() + 1, running.snapshot.get());
    for (const auto& path : config::restart_only_changes(*running.snapshot, *next))
      telemetry::log::warn("restart_needed", {{"setting", path}});
    auto policy = domain::policy::PolicyEngine::compile(next->guardrails);
    if (policy.has_error()) throw std::runtime_error(policy.error().message());
    auto tls = build_tls(*next);
    std::vector<std::shared_ptr<net::asio::ssl::context>> certificates;
    for (std::size_t i = 0; i < listener_states_.size(); ++i) {
      const bool same = i < next->listeners.size() && next->listeners[i].tls.has_value();
      certificates.push_back(listener_states_[i]->tls && same
                                 ? net::make_server_context(*next->listeners[i].tls)
                                 : nullptr);
    }
    auto webhooks = alerts_->prepare(*next);

    const std::lock_guard lock(change_mutex_);
    if (draining_.load()) throw std::runtime_error("the gateway is stopping; nothing was changed");
    // Everything that can fail comes first, the ledger (which takes over all or nothing) last of
    // it; nothing after it does. The stored keys are read in here, so that none is missed.
    auto runtime = build_runtime(next, *policy);
    store::SpendOnRecord history(*store_, running.snapshot->audit.path,
                                 [this] { return quiesce(); });
    std::vector<domain::budget::BudgetEvent> events;
    auto configured = ledger_->configure(*next, history, &events);
    if (configured.has_error()) throw std::runtime_error(configured.error().message());
    alerts_->install(std::move(webhooks));
    for (const auto& event : events) alerts_->on_budget_event(event);
    for (std::size_t i = 0; i < certificates.size(); ++i)
      if (certificates[i]) listener_states_[i]->set_tls_context(certificates[i]);
    store_->reload(next->audit);
    apply_log(next->log);
    if (admin_) admin_->set_token(next->admin.token);
    install({next, std::move(runtime), std::move(tls)});
    generation_.fetch_add(1);
    cooldowns_.prune(clock_.mono());
    count("ok");
    telemetry::log::info("reloaded", {{"generation", generation_.load()}});
    return {};
  } catch (const std::exception& failure) {
    count("failed");
    log_failure("reload_failed", failure.what());
    return failure.what();
  }
}

std::string Gateway::refresh_keys() {
  const std::lock_guard lock(change_mutex_);
  const InForce running = in_force();
  try {
    install(
        {running.snapshot, build_runtime(running.snapshot, running.runtime->policy), running.tls});
    return {};
  } catch (const std::exception& failure) {
    return failure.what();
  }
}

}  // namespace tollgate::app
