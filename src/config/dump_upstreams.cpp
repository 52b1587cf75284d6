// Where calls go, and what they cost there, as JSON.
#include <fmt/format.h>

#include "config/dump.hpp"
#include "config/values.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::config::dumped {

std::string hidden(const base::Secret& secret) {
  return secret.empty() ? "" : "***";
}

std::string dollars(base::NanoUsd amount) {
  return base::to_string(amount).substr(1);
}

namespace {

/// USD per million tokens; a pico-USD per token is a micro-USD per million.
std::string per_mtok(base::PicoUsdPerToken price) {
  return dollars(base::NanoUsd{price.value * 1'000});
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

Json json(const TokenPrices& prices) {
  Json out = {{"input", per_mtok(prices.input)}, {"output", per_mtok(prices.output)}};
  const auto optional = [&](const char* key, const auto& value) {
    if (value) out[key] = per_mtok(*value);
  };
  optional("cache_read", prices.cache_read);
  optional("cache_write", prices.cache_write);
  optional("cache_write_1h", prices.cache_write_1h);
  optional("audio_input", prices.audio_input);
  optional("audio_output", prices.audio_output);
  optional("audio_cache_read", prices.audio_cache_read);
  return out;
}

Json json(const Tariff& tariff) {
  Json out = json(static_cast<const TokenPrices&>(tariff));
  for (const LongContextPrices& row : tariff.long_context) {
    Json prices = {{"above", row.above}};
    prices.update(json(static_cast<const TokenPrices&>(row)));
    out["long_context"].push_back(std::move(prices));
  }
  return out;
}

Json json(const std::optional<Price>& price) {
  if (!price) return nullptr;
  Json out = json(static_cast<const Tariff&>(*price));
  for (const ModifierTariff& modifier : price->modifiers)
    out["modifiers"][modifier.name] = json(static_cast<const Tariff&>(modifier));
  if (price->web_search) out["web_search"] = dollars(*price->web_search);
  out["per_call"] = dollars(price->per_call);
  return out;
}

Json json(const std::optional<std::int64_t>& count) {
  return count ? Json(*count) : Json(nullptr);
}

}  // namespace

Json json(const Provider& p) {
  Json out = {{"kind", name_of(p.kind)},
              {"origin", json(p.origin)},
              {"api_key", hidden(p.api_key)},
              {"headers", json(p.headers)},
              {"catalogue", p.catalogue},
              {"default_modifier", p.default_modifier},
              {"output_cap_field", name_of(p.output_cap_field)}};
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
                           {"max_output", d.max_output},
                           {"tokenizer", name_of(d.tokenizer)},
                           {"image_tokens", json(d.media.image)},
                           {"audio_tokens_per_second", json(d.media.audio_second)},
                           {"document_tokens", json(d.media.document)},
                           {"server_tool_tokens", json(d.media.server_tool)}});
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

}  // namespace tollgate::config::dumped
