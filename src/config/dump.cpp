#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "config/values.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/config/load.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::config {
namespace {

using Json = nlohmann::ordered_json;

std::string hidden(const base::Secret& secret) {
  return secret.empty() ? "" : "***";
}

/// What stands after the host of a webhook URL is often its only secret.
std::string without_path(const std::string& url) {
  const auto scheme = url.find("://");
  const auto path = scheme == std::string::npos ? scheme : url.find_first_of("/?", scheme + 3);
  return path == std::string::npos ? url : url.substr(0, path) + "/***";
}

/// Exact decimal text without "$", so that no reader makes a double of it.
std::string dollars(base::NanoUsd amount) {
  return base::to_string(amount).substr(1);
}

/// USD per million tokens; a pico-USD per token is a micro-USD per million.
std::string per_mtok(base::PicoUsdPerToken price) {
  return dollars(base::NanoUsd{price.value * 1'000});
}

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

Json json(const Origin& o) {
  if (o.host.empty()) return nullptr;
  return {{"url", fmt::format("{}://{}{}", o.scheme, format_address(o.host, o.port), o.base_path)},
          {"ca_file", o.tls.ca_file},
          {"client_certificate_file", o.tls.certificate_file},
          {"client_key_file", o.tls.private_key_file},
          {"verify_tls", o.tls.verify},
          {"proxy", o.proxy},
          {"proxy_authorization", hidden(o.proxy_authorization)},
          {"max_connections", o.max_connections},
          {"max_idle", o.max_idle},
          {"idle_timeout", format_duration(o.idle_timeout)},
          {"pool_key", o.pool_key}};
}

Json json(const std::vector<Header>& headers) {
  Json out = Json::object();
  for (const auto& header : headers) out[header.name] = hidden(header.value);
  return out;
}

Json json(const std::optional<Price>& price) {
  if (!price) return nullptr;
  Json out = {{"input", per_mtok(price->input)}, {"output", per_mtok(price->output)}};
  const auto optional = [&](const char* key, const auto& value) {
    if (value) out[key] = per_mtok(*value);
  };
  optional("cache_read", price->cache_read);
  optional("cache_write", price->cache_write);
  optional("cache_write_1h", price->cache_write_1h);
  out["per_call"] = dollars(price->per_call);
  return out;
}

Json json(const Provider& p) {
  Json out = {{"kind", name_of(p.kind)},
              {"origin", json(p.origin)},
              {"api_key", hidden(p.api_key)},
              {"headers", json(p.headers)},
              {"catalogue", p.catalogue}};
  if (p.first_byte_stream) out["first_byte_stream"] = format_duration(*p.first_byte_stream);
  if (p.first_byte_json) out["first_byte_json"] = format_duration(*p.first_byte_json);
  return out;
}

Json json(const ModelAlias& m) {
  Json deployments = Json::array();
  for (const auto& d : m.deployments)
    deployments.push_back({{"id", d.id},
                           {"provider", d.provider},
                           {"model", d.model},
                           {"priority", d.priority},
                           {"weight", d.weight},
                           {"price", json(d.price)},
                           {"context_window", d.context_window},
                           {"max_output", d.max_output}});
  return {{"deployments", deployments}, {"guardrails", m.guardrails}};
}

Json json(const McpServer& m) {
  Json prices = Json::object();
  for (const auto& [tool, price] : m.tool_prices) prices[tool] = dollars(price);
  return {{"origin", json(m.origin)},
          {"headers", json(m.headers)},
          {"price_per_call", dollars(m.price_per_call)},
          {"tool_prices", prices},
          {"idempotent_tools", m.idempotent_tools}};
}

Json json(const A2aAgent& a) {
  return {{"origin", json(a.origin)},
          {"card_path", a.card_path},
          {"headers", json(a.headers)},
          {"price_per_call", dollars(a.price_per_call)}};
}

Json json(const Owner& o) {
  return {{"parent", o.parent}, {"guardrails", o.guardrails}};
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
          {"guardrails", k.guardrails}};
}

Json json(const ScopedBudget& b) {
  return {{"scope", name_of(b.scope)},
          {"scope_id", b.scope_id},
          {"name", b.budget.name},
          {"limit", dollars(b.budget.limit)},
          {"window", name_of(b.budget.window)},
          {"time_zone", b.budget.time_zone},
          {"alerts", b.budget.alert_percents}};
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
      {"unpriced", name_of(s.unpriced)},
      {"unpriced_hold", dollars(s.unpriced_hold)},
      {"unbounded_input", name_of(s.unbounded_input)},
      {"unbounded_input_hold", dollars(s.unbounded_input_hold)},
      {"other_path_price", s.other_path_price ? Json(dollars(*s.other_path_price)) : Json(nullptr)},
      {"charge_abandoned_attempts", s.charge_abandoned_attempts},
      {"hold_wait", format_duration(s.hold_wait)},
      {"show_amounts", s.show_amounts}};
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
  return {{"url", without_path(w.url)}, {"secret", hidden(w.secret)}, {"attempts", w.attempts}};
}

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
      {"budgets", in_order(s.budgets)},
      {"guardrails", by_name(s.guardrails)},
      {"default_guardrails", s.default_guardrails},
      {"routing", json(s.routing)},
      {"spending", json(s.spending)},
      {"audit", json(s.audit)},
      {"webhooks", in_order(s.webhooks)},
      {"mcp_allowed_origins", s.mcp_allowed_origins},
      {"mcp_session_secret", hidden(s.mcp_session_secret)},
      {"public_url", s.public_url},
      {"log", {{"level", name_of(s.log.level)}, {"json", s.log.json}}},
  };
  // Names may hold bytes that are not UTF-8; a dump must not fail over them.
  return out.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tollgate::config
