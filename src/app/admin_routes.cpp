#include "app/admin_routes.hpp"

#include <algorithm>
#include <chrono>
#include <future>
#include <nlohmann/json.hpp>

#include "app/gateway.hpp"
#include "app/key_json.hpp"
#include "app/ledger_admin.hpp"
#include "app/loop_admin.hpp"
#include "tollgate/base/id.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/domain/budget/row_json.hpp"
#include "tollgate/store/spend_on_record.hpp"
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
      {"GET", "/loops", false, [self](const Request&) { return self.loops(); }},
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
      {"GET", "/ledger/verify", false,
       [self](const Request&) mutable { return self.verify_ledger(); }},
      {"POST", "/ledger/adjust", false,
       [self](const Request& request) mutable { return self.adjust_ledger(request); }},
      {"GET", "/loops", false, [self](const Request&) { return self.loops(); }},
      {"POST", "/loops/lift", false,
       [self](const Request& request) mutable { return self.lift_loops(request); }},
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
  return {200, "application/json", domain::budget::report_json(*gateway_.ledger_)};
}

Response AdminRoutes::loops() const {
  return {200, "application/json", stops_json(*gateway_.loops_, gateway_.clock_)};
}

Response AdminRoutes::lift_loops(const Request& request) {
  const auto wanted = read_lift(request.body);
  if (wanted.has_error()) return error_response(400, "invalid_request", wanted.error().message());
  const auto lifted = lift(*gateway_.loops_, *wanted, gateway_.clock_.mono());
  for (const domain::loops::Stop& stop : lifted) {
    gateway_.store_->note_event(event_of_lift(stop));
    telemetry::log::info("loop_lifted", {{"stop_id", stop.id},
                                         {"key_id", stop.key_id},
                                         {"target", to_string(stop.target)},
                                         {"evidence", stop.evidence}});
  }
  if (lifted.empty()) return error_response(404, "not_found", "nothing of that kind is stopped");
  return ok({{"lifted", lifted.size()}});
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

Response AdminRoutes::verify_ledger() {
  store::SpendOnRecord history(*gateway_.store_, gateway_.in_force().snapshot->audit.path,
                               [this] { return gateway_.quiesce(); });
  auto faults = check_counters(*gateway_.ledger_, history);
  if (faults.has_error())
    return error_response(faults.error().http_status(), "store", faults.error().message());
  json list = json::array();
  for (const CounterFault& fault : *faults)
    list.push_back({{"scope", std::string(config::name_of(fault.row.scope))},
                    {"id", std::string(fault.row.scope_id)},
                    {"budget", std::string(fault.row.budget)},
                    {"unit", std::string(config::name_of(fault.row.unit))},
                    {"counted", fault.row.spent.value},
                    {"recorded", fault.recorded.value}});
  const auto& journal = gateway_.journal_->journal();
  return ok({{"differences", list},
             {"budgets", gateway_.ledger_->snapshot_all().size()},
             {"open_holds", gateway_.ledger_->open_holds()},
             {"uncommitted", gateway_.ledger_->uncommitted()},
             {"journal_slots", journal.capacity()},
             {"journal_high_water", journal.high_water()}});
}

base::Result<ScopeStanding> AdminRoutes::standing_of(const Adjustment& adjustment) const {
  // Calls that ended a moment ago are on record too.
  if (!gateway_.store_->flush_now())
    return base::Error(base::ErrorCode::audit_unavailable,
                       "the record cannot be written: " + gateway_.store_->state_detail());
  const config::SnapshotPtr snapshot = gateway_.in_force().snapshot;
  TG_TRY(const auto reader, store::AuditReader::open(snapshot->audit.path));
  return look_up(adjustment, *snapshot, gateway_.ledger_.get(), reader.get());
}

Response AdminRoutes::adjust_ledger(const Request& request) {
  const auto read = read_adjustment(request.body);
  if (read.has_error()) return error_response(400, "invalid_request", read.error().message());
  auto standing = standing_of(*read);
  if (standing.has_error())
    return error_response(standing.error().http_status(), "store", standing.error().message());
  if (!standing->is_known) return error_response(404, "not_found", unknown_scope(*read, *standing));
  // Its place in the record before anything changes.
  if (!gateway_.store_->try_reserve())
    return error_response(503, "store",
                          "the record cannot be written: " + gateway_.store_->state_detail());
  base::IdGenerator ids;
  const std::string id = ids.next("adj_", gateway_.clock_.wall());
  std::vector<domain::budget::BudgetEvent> events;
  const base::WallTime at =
      gateway_.ledger_->adjust({read->scope, read->scope_id}, read->unit, read->change, &events);
  gateway_.store_->note_event(event_of(*read, id));
  gateway_.store_->record(record_of(*read, at, id, gateway_.in_force().snapshot->source_digest));
  const bool is_on_disk = gateway_.store_->flush_now();
  telemetry::log::info("ledger_adjusted", {{"id", id},
                                           {"scope", config::name_of(read->scope)},
                                           {"scope_id", read->scope_id},
                                           {"unit", config::name_of(read->unit)},
                                           {"change", read->change.value}});
  for (const auto& event : events) gateway_.alerts_->on_budget_event(event);
  json body{{"request_id", id}, {"on_disk", is_on_disk}, {"budgets", standing->budgets}};
  if (const std::string note = without_budget(*read, *standing); !note.empty()) body["note"] = note;
  return ok(body);
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
