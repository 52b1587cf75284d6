#include "app/admin_routes.hpp"

#include <algorithm>
#include <chrono>
#include <future>
#include <nlohmann/json.hpp>

#include "app/gateway.hpp"
#include "app/key_json.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/telemetry/log.hpp"

namespace tollgate::app {

using admin::Request;
using admin::Response;
using nlohmann::json;

namespace {

Response ok(const json& body) {
  return {200, "application/json", body.dump()};
}

}  // namespace

std::vector<admin::Route> AdminRoutes::admin() {
  // Handlers outlive this object: they copy it (it is one reference).
  const AdminRoutes self = *this;
  return {
      {"GET", "/healthz", true,
       [](const Request&) {
         return ok({{"status", "ok"}});
       }},
      {"GET", "/readyz", true, [self](const Request&) { return self.ready(); }},
      {"GET", "/metrics", false, [self](const Request&) { return self.metrics(); }},
      {"GET", "/status", false, [self](const Request&) { return self.status(); }},
      {"GET", "/budgets", false, [self](const Request&) { return self.budgets(); }},
      {"GET", "/keys", false, [self](const Request&) { return self.keys(); }},
  };
}

std::vector<admin::Route> AdminRoutes::control() {
  AdminRoutes self = *this;
  return {
      {"GET", "/readyz", false, [self](const Request&) { return self.ready(); }},
      {"GET", "/health", false, [self](const Request&) { return self.health(); }},
      {"GET", "/metrics", false, [self](const Request&) { return self.metrics(); }},
      {"GET", "/status", false, [self](const Request&) { return self.status(); }},
      {"GET", "/budgets", false, [self](const Request&) { return self.budgets(); }},
      {"GET", "/keys", false, [self](const Request&) { return self.keys(); }},
      {"POST", "/keys", false,
       [self](const Request& request) mutable { return self.create_key(request); }},
      {"POST", "/keys/revoke", false,
       [self](const Request& request) mutable { return self.revoke_key(request); }},
      {"POST", "/reload", false, [self](const Request&) mutable { return self.reload(); }},
  };
}

Response AdminRoutes::ready() const {
  json body = {{"ready", true}};
  std::string why;
  if (gateway_.draining_.load()) {
    why = "draining";
  } else if (!gateway_.ready_.load()) {
    why = "starting";
  } else if (!gateway_.store_->writable()) {
    why = "audit store: " + gateway_.store_->state_detail();
  } else {
    for (const auto& acceptor : gateway_.acceptors_)
      if (!acceptor->listening()) why = "a listener is down";
  }
  if (why.empty()) return ok(body);
  body["ready"] = false;
  body["reason"] = why;
  return {503, "application/json", body.dump()};
}

Response AdminRoutes::health() const {
  Response answer = ready();
  json body = json::parse(answer.body);
  body["urls"] = json::array();
  for (std::size_t i = 0; i < gateway_.acceptors_.size(); ++i) {
    const auto& state = *gateway_.listener_states_[i];
    // Where this machine reaches a listener on every address.
    std::string host = gateway_.acceptors_[i]->host();
    if (host == "0.0.0.0") host = "127.0.0.1";
    if (host == "::") host = "::1";
    if (host.find(':') != std::string::npos) host.insert(0, "[").push_back(']');
    body["urls"].push_back((state.tls ? "https://" : "http://") + host + ":" +
                           std::to_string(gateway_.acceptors_[i]->port()));
  }
  answer.body = body.dump();
  return answer;
}

Response AdminRoutes::metrics() const {
  return {200, std::string(telemetry::Registry::kContentType), gateway_.registry_->render()};
}

Response AdminRoutes::status() const {
  const auto now = gateway_.clock_.mono();
  json cooling = json::array();
  for (const auto& entry : gateway_.cooldowns_.active(now))
    cooling.push_back({{"deployment", entry.deployment_id},
                       {"remaining_ms", entry.remaining.count()},
                       {"asked_by_provider", entry.asked}});
  std::int64_t sessions = 0;
  for (const auto& host : gateway_.workers_) sessions += host->sessions();
  json unverified = json::array();
  const config::SnapshotPtr snapshot = gateway_.in_force().snapshot;
  for (const auto& [name, provider] : snapshot->providers)
    if (!provider.origin.tls.verify) unverified.push_back(name);
  return ok({{"version", TOLLGATE_VERSION},
             {"generation", gateway_.generation_.load()},
             {"config_digest", snapshot->source_digest},
             {"workers", gateway_.workers_.size()},
             {"connections", sessions},
             {"in_flight", gateway_.in_flight_.load()},
             {"draining", gateway_.draining_.load()},
             {"audit_store", std::string(to_string(gateway_.store_->state()))},
             {"cooldowns", cooling},
             {"tls_verification_off", unverified}});
}

Response AdminRoutes::budgets() const {
  json rows = json::array();
  for (const auto& row : gateway_.ledger_.snapshot_all()) {
    rows.push_back(
        {{"scope", std::string(config::name_of(row.scope))},
         {"id", std::string(row.scope_id)},
         {"budget", std::string(row.budget)},
         {"window", std::string(config::name_of(row.window))},
         {"time_zone", std::string(row.time_zone)},
         {"limit_nusd", row.limit.value},
         {"spent_nusd", row.spent.value},
         {"held_nusd", row.held.value},
         {"resets_at", row.reset_at ? json(base::format_rfc3339(*row.reset_at)) : json()},
         {"closed", row.is_closed}});
  }
  return ok({{"budgets", rows}});
}

Response AdminRoutes::keys() const {
  json rows = json::array();
  const pipeline::RuntimePtr runtime = gateway_.in_force().runtime;
  const auto unwritten = gateway_.store_->unwritten_revocations();
  for (const auto& record : runtime->keys->records()) {
    config::Key key;
    key.id = record.id;
    key.last4 = record.last4;
    key.agent = record.agent;
    key.team = record.team;
    key.org = record.org;
    key.tags = record.tags;
    key.expires = record.expires;
    key.disabled = record.is_disabled;
    json& row = rows.emplace_back(describe(key, record.is_stored ? "store" : "yaml",
                                           record.is_revoked(), gateway_.clock_.wall()));
    row["unwritten"] = std::any_of(
        unwritten.begin(), unwritten.end(),
        [&record](const auto& revocation) { return revocation.digest == record.digest; });
  }
  return ok({{"keys", rows}});
}

Response AdminRoutes::create_key(const Request& request) {
  const auto [snapshot, runtime, tls] = gateway_.in_force();
  const auto taken = [&runtime = runtime](const std::string& id) {
    return runtime->keys->find_by_id(id) != nullptr;
  };
  const auto store = [this]() -> store::AuditStore& { return *gateway_.store_; };
  Response made = app::create_key(request.body, *snapshot, taken, store, gateway_.clock_);
  if (made.status != 200) return made;
  const std::string problem = gateway_.refresh_keys();
  if (!problem.empty()) return error_response(500, "internal_error", problem);
  const json body = json::parse(made.body);
  telemetry::log::info("key_created", {{"id", body["id"].get<std::string>()},
                                       {"last4", body["last4"].get<std::string>()}});
  return made;
}

Response AdminRoutes::revoke_key(const Request& request) {
  std::string id, reason;
  try {
    const json body = json::parse(request.body);
    id = body.at("id").get<std::string>();
    reason = body.value("reason", "");
  } catch (const std::exception&) {
    return error_response(400, "invalid_request", "expected {\"id\": \"...\"}");
  }
  const pipeline::RuntimePtr runtime = gateway_.in_force().runtime;
  const auto* const record = runtime->keys->find_by_id(id);
  if (record == nullptr) return error_response(404, "not_found", "no key with this id");
  store::Revocation revocation;
  revocation.digest = record->digest;
  revocation.key_id = id;
  revocation.revoked_at = gateway_.clock_.wall();
  revocation.reason = reason;
  // In force before it is on disk: a leaked key must stop now even when the disk is slow.
  gateway_.revocations_.revoke(revocation.digest);
  auto done = gateway_.store_->revoke_key(revocation).get();
  if (done.has_error()) {
    const std::string why = done.error().message() + ": " + done.error().detail();
    telemetry::log::warn("revocation_unwritten", {{"id", id}, {"message", why}});
    return error_response(done.error().http_status(), "store",
                          "revoked, but not on disk yet: a restart would forget it. It is written "
                          "as soon as the store can be written again. " +
                              why);
  }
  telemetry::log::info("key_revoked", {{"id", id}});
  return ok({{"id", id}, {"revoked", true}});
}

Response AdminRoutes::reload() {
  // Not for longer: this thread also hears revocations.
  constexpr auto kPatience = std::chrono::milliseconds(500);
  const std::shared_future<std::string> result = gateway_.reload();
  if (result.wait_for(kPatience) != std::future_status::ready)
    return {202, "application/json", json({{"reloading", true}}).dump()};
  const std::string& problem = result.get();
  if (problem.empty()) return ok({{"generation", gateway_.generation_.load()}});
  return error_response(400, "invalid_request", problem);
}

}  // namespace tollgate::app
