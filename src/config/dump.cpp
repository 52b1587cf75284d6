#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "config/dump.hpp"
#include "config/values.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/config/load.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::config {
namespace {

using dumped::dollars;
using dumped::hidden;
using dumped::json;
using dumped::Json;

Json json(const Listener& l) {
  Json tls = nullptr;
  if (l.tls)
    tls = {{"certificate_file", l.tls->certificate_file},
           {"private_key_file", l.tls->private_key_file},
           {"client_auth", name_of(l.tls->client_auth)},
           {"client_ca_file", l.tls->client_ca_file},
           {"allow_tls12", l.tls->allow_tls12}};
  return {{"name", l.name},
          {"address", format_address(l.host, l.port)},
          {"port_file", l.port_file},
          {"tls", tls},
          {"proxy_protocol", l.proxy_protocol},
          {"trusted_proxies", l.trusted_proxies}};
}

Json json(const Limits& l) {
  return {{"request_line_bytes", l.request_line_bytes},
          {"header_bytes", l.header_bytes},
          {"header_field_bytes", l.header_field_bytes},
          {"header_count", l.header_count},
          {"body_bytes", l.body_bytes},
          {"body_memory_bytes", l.body_memory_bytes},
          {"gzip_ratio", l.gzip_ratio},
          {"json_depth", l.json_depth},
          {"json_nodes", l.json_nodes},
          {"connections", l.connections},
          {"connections_per_ip", l.connections_per_ip},
          {"requests_per_connection", l.requests_per_connection},
          {"in_flight", l.in_flight},
          {"event_streams_per_key", l.event_streams_per_key},
          {"upstream_header_bytes", l.upstream_header_bytes},
          {"response_body_bytes", l.response_body_bytes},
          {"sse_event_bytes", l.sse_event_bytes},
          {"failed_auth_per_minute", l.failed_auth_per_minute}};
}

Json json(const Timeouts& t) {
  return {{"tls_handshake", format_duration(t.tls_handshake)},
          {"header", format_duration(t.header)},
          {"body", format_duration(t.body)},
          {"keep_alive_idle", format_duration(t.keep_alive_idle)},
          {"client_write", format_duration(t.client_write)},
          {"connect", format_duration(t.connect)},
          {"upstream_tls", format_duration(t.upstream_tls)},
          {"first_byte_stream", format_duration(t.first_byte_stream)},
          {"first_byte_json", format_duration(t.first_byte_json)},
          {"stream_idle", format_duration(t.stream_idle)},
          {"total", format_duration(t.total)},
          {"pool_wait", format_duration(t.pool_wait)},
          {"drain", format_duration(t.drain)},
          {"drain_min_delay", format_duration(t.drain_min_delay)}};
}

Json json(const Owner& o) {
  return {{"parent", o.parent}, {"guardrails", o.guardrails}};
}

Json json(const LoopBreaker& l) {
  using Pair = std::pair<const char*, Json>;
  const auto time = [](milliseconds t) { return format_duration(t); };
  const auto part = [](const LoopDetector& d, std::initializer_list<Pair> own) {
    Json out = {{"mode", name_of(d.mode)}, {"action", name_of(d.action)}};
    for (const auto& [key, value] : own) out[key] = value;
    return out;
  };
  return {{"repeats", part(l.repeats, {{"limit", l.repeats.limit},
                                       {"reworded_limit", l.repeats.reworded_limit},
                                       {"standalone_limit", l.repeats.standalone_limit},
                                       {"window", time(l.repeats.window)}})},
          {"cycles",
           part(l.cycles, {{"rounds", l.cycles.rounds}, {"paced_rounds", l.cycles.paced_rounds}})},
          {"retries", part(l.retries, {{"limit", l.retries.limit},
                                       {"backoff", time(l.retries.backoff)},
                                       {"window", time(l.retries.window)}})},
          {"call_rate", part(l.call_rate, {{"factor", l.call_rate.factor},
                                           {"floor", l.call_rate.floor},
                                           {"window", time(l.call_rate.window)},
                                           {"warm_up", l.call_rate.warm_up}})},
          {"traces", part(l.traces, {{"max_depth", l.traces.max_depth},
                                     {"max_calls", l.traces.max_calls},
                                     {"window", time(l.traces.window)}})},
          {"pause", time(l.pause)},
          {"stop_for", time(l.stop_for)},
          {"delay", time(l.delay)},
          {"stop_scope", name_of(l.stop_scope)}};
}

Json json(const Key& k) {
  return {{"id", k.id},
          {"digest", "sha256:" + base::to_hex(k.digest)},
          {"last4", k.last4},
          {"agent", k.agent},
          {"team", k.team},
          {"org", k.org},
          {"tags", k.tags},
          {"expires", k.expires ? Json(base::format_rfc3339(*k.expires)) : Json(nullptr)},
          {"disabled", k.disabled},
          {"allow",
           {{"surfaces", k.allow.surfaces},
            {"models", k.allow.models},
            {"providers", k.allow.providers},
            {"paths", k.allow.paths},
            {"mcp", k.allow.mcp},
            {"a2a", k.allow.a2a}}},
          {"guardrails", k.guardrails},
          {"loop_breaker", k.loop_breaker ? json(*k.loop_breaker) : Json(nullptr)}};
}

Json json(const Budget& b) {
  return {
      {"name", b.name},
      {"unit", name_of(b.unit)},
      {"limit", b.unit == BudgetUnit::usd ? Json(dollars({b.limit.value})) : Json(b.limit.value)},
      {"window", name_of(b.window)},
      {"time_zone", b.time_zone},
      {"alerts", b.alert_percents}};
}

Json json(const RateLimit& r) {
  Json out = {{"name", r.name}, {"unit", name_of(r.unit)}, {"limit", r.limit}};
  if (r.unit != RateUnit::concurrent) out["per"] = format_duration(r.per);
  return out;
}

template <class T>
Json in_scope(ScopeKind scope, const std::string& id, const T& value) {
  Json out = {{"scope", name_of(scope)}, {"scope_id", id}};
  out.update(json(value));
  return out;
}

Json json(const ScopedBudget& b) {
  return in_scope(b.scope, b.scope_id, b.budget);
}

Json json(const ScopedRateLimit& r) {
  return in_scope(r.scope, r.scope_id, r.rate);
}

Json json(const Guardrail& g) {
  Json rules = Json::array();
  for (const auto& r : g.rules)
    rules.push_back({{"name", r.name},
                     {"kind", name_of(r.kind)},
                     {"pattern", r.pattern},
                     {"case_insensitive", r.case_insensitive},
                     {"action", name_of(r.action)},
                     {"replacement", r.replacement}});
  return {{"direction", name_of(g.direction)}, {"rules", rules}};
}

Json json(const Routing& r) {
  return {{"max_attempts", r.max_attempts},
          {"retries_per_deployment", r.retries_per_deployment},
          {"backoff_base", format_duration(r.backoff_base)},
          {"backoff_max", format_duration(r.backoff_max)},
          {"retry_budget_percent", r.retry_budget_percent},
          {"retry_budget_min", r.retry_budget_min},
          {"cooldown", format_duration(r.cooldown)},
          {"cooldown_max", format_duration(r.cooldown_max)},
          {"cooldown_failures", r.cooldown_failures},
          {"dns_ttl", format_duration(r.dns_ttl)},
          {"dns_stale", format_duration(r.dns_stale)}};
}

Json json(const Spending& s) {
  return {
      {"default_output_cap", s.default_output_cap},
      {"min_output_tokens", s.min_output_tokens},
      {"useful_output_tokens", s.useful_output_tokens},
      {"estimate_near_cap", s.estimate_near_cap},
      {"on_ignored_cap", name_of(s.on_ignored_cap)},
      {"unpriced", name_of(s.unpriced)},
      {"unpriced_hold", dollars(s.unpriced_hold)},
      {"unknown_modifier", name_of(s.unknown_modifier)},
      {"unknown_modifier_hold", dollars(s.unknown_modifier_hold)},
      {"unbounded_input", name_of(s.unbounded_input)},
      {"unbounded_input_hold", dollars(s.unbounded_input_hold)},
      {"other_path_price", s.other_path_price ? Json(dollars(*s.other_path_price)) : Json(nullptr)},
      {"abandoned_attempts", name_of(s.abandoned_attempts)},
      {"silent_output_rate", s.silent_output_rate},
      {"hold_wait", format_duration(s.hold_wait)},
      {"journal_sync", format_duration(s.journal_sync)},
      {"live_scopes", s.live_scopes},
      {"live_scope_idle", format_duration(s.live_scope_idle)},
      {"show_amounts", s.show_amounts}};
}

Json json(const LoopMemory& m) {
  return {{"entries", m.entries},
          {"traces", m.traces},
          {"keys", m.keys},
          {"stops", m.stops},
          {"read_bytes", m.read_bytes}};
}

Json json(const Audit& a) {
  return {{"path", a.path},
          {"bodies", name_of(a.bodies)},
          {"body_bytes", a.body_bytes},
          {"queue", a.queue},
          {"queue_body_bytes", a.queue_body_bytes},
          {"on_full", name_of(a.on_full)},
          {"flush_interval", format_duration(a.flush_interval)},
          {"batch", a.batch},
          {"sync_full", a.sync_full},
          {"retention_age", format_duration(a.retention_age)},
          {"retention_bytes", a.retention_bytes},
          {"segment_bytes", a.segment_bytes},
          {"min_free_bytes", a.min_free_bytes}};
}

Json json(const Webhook& w) {
  Json events = Json::array();
  for (const AlertKind event : w.events) events.push_back(name_of(event));
  // What stands after the host is often a webhook's only secret.
  const Origin& o = w.origin;
  return {{"url", fmt::format("{}://{}{}", o.scheme, format_address(o.host, o.port),
                              w.target == "/" ? "/" : "/***")},
          {"proxy", o.proxy},
          {"proxy_authorization", hidden(o.proxy_authorization)},
          {"secret", hidden(w.secret)},
          {"format", name_of(w.format)},
          {"events", events},
          {"attempts", w.attempts},
          {"timeout", format_duration(w.timeout)},
          {"retry_max", format_duration(w.retry_max)}};
}

Json json(const EachOf& each);  // holds lists itself

template <class T>
Json by_name(const std::map<std::string, T, std::less<>>& map) {
  Json out = Json::object();
  for (const auto& [name, value] : map) out[name] = json(value);
  return out;
}

template <class T>
Json in_order(const std::vector<T>& list) {
  Json out = Json::array();
  for (const auto& value : list) out.push_back(json(value));
  return out;
}

Json json(const EachOf& e) {
  return {{"kind", name_of(e.kind)},
          {"owner", e.owner ? Json(name_of(*e.owner)) : Json(nullptr)},
          {"owner_id", e.owner_id},
          {"budgets", in_order(e.budgets)},
          {"rate_limits", in_order(e.rate_limits)},
          {"required", e.required}};
}

}  // namespace

std::string dump(const Snapshot& s) {
  const Json out = {
      {"generation", s.generation},
      {"source_digest", s.source_digest},
      {"listeners", in_order(s.listeners)},
      {"admin",
       {{"enabled", s.admin.enabled},
        {"address", format_address(s.admin.host, s.admin.port)},
        {"port_file", s.admin.port_file},
        {"token", hidden(s.admin.token)}}},
      {"control_socket", s.control_socket},
      {"workers", s.workers},
      {"accept_balance", name_of(s.accept_balance)},
      {"limits", json(s.limits)},
      {"timeouts", json(s.timeouts)},
      {"providers", by_name(s.providers)},
      {"models", by_name(s.models)},
      {"mcp_servers", by_name(s.mcp_servers)},
      {"a2a_agents", by_name(s.a2a_agents)},
      {"orgs", by_name(s.orgs)},
      {"teams", by_name(s.teams)},
      {"agents", by_name(s.agents)},
      {"keys", in_order(s.keys)},
      {"tags", s.tags},
      {"budgets", in_order(s.budgets)},
      {"rate_limits", in_order(s.rate_limits)},
      {"each", in_order(s.each)},
      {"end_user_header", s.end_user_header},
      {"guardrails", by_name(s.guardrails)},
      {"default_guardrails", s.default_guardrails},
      {"routing", json(s.routing)},
      {"spending", json(s.spending)},
      {"loop_breaker", json(s.loop_breaker)},
      {"loop_memory", json(s.loop_memory)},
      {"audit", json(s.audit)},
      {"webhooks", in_order(s.webhooks)},
      {"alert_queue", s.alert_queue},
      {"mcp_allowed_origins", s.mcp_allowed_origins},
      {"mcp_session_secret", hidden(s.mcp_session_secret)},
      {"public_url", s.public_url},
      {"log", {{"level", name_of(s.log.level)}, {"json", s.log.json}}},
  };
  // Names may hold bytes that are not UTF-8; a dump must not fail over them.
  return out.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tollgate::config
