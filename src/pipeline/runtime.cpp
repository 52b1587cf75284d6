#include "tollgate/pipeline/runtime.hpp"

#include <fmt/format.h>

#include "tollgate/base/strings.hpp"
#include "tollgate/protocol/http/head_writer.hpp"

namespace tollgate::pipeline {

using config::ScopeKind;
using domain::routing::Callee;

namespace {

/// Headers whose value is no credential, whatever it looks like.
bool is_public_header(std::string_view name) {
  for (const std::string_view known :
       {"accept", "accept-language", "anthropic-beta", "anthropic-version", "content-type",
        "http-referer", "openai-beta", "origin", "referer", "traceparent", "user-agent", "x-title"})
    if (base::iequals(name, known)) return true;
  return false;
}

bool names_credential(std::string_view name) {
  const std::string lower = base::to_lower(name);
  for (const std::string_view part :
       {"auth", "cookie", "credential", "key", "pass", "secret", "session", "signature", "token"})
    if (lower.find(part) != std::string::npos) return true;
  return false;
}

/// A word that nobody would write by chance: masking it in answers harms no text.
bool looks_random(std::string_view value) {
  constexpr std::size_t kLeast = 16;
  return value.size() >= kLeast && value.find(' ') == std::string_view::npos &&
         value.find("://") == std::string_view::npos;
}

/// What a provider is sent that must not come back: its key, and headers that hold one, with and
/// without the scheme word before it.
std::vector<std::string> credential_values(const config::Provider& provider) {
  std::vector<std::string> values;
  const auto add = [&values](std::string_view value) {
    values.emplace_back(value);
    if (const std::size_t space = value.find(' '); space != std::string_view::npos)
      values.emplace_back(base::trim_ows(value.substr(space + 1)));
  };
  if (!provider.api_key.empty()) values.emplace_back(provider.api_key.reveal());
  for (const auto& header : provider.headers) {
    const std::string_view value = header.value.reveal();
    if (is_public_header(header.name)) continue;
    if (names_credential(header.name) || looks_random(value)) add(value);
  }
  return values;
}

base::Secret render_header_lines(const config::Provider& provider) {
  using protocol::http::append_field;
  // Guards and usage must be able to read the answer.
  std::string lines = "Accept-Encoding: identity\r\n";
  if (!provider.api_key.empty()) {
    if (provider.kind == config::ProviderKind::anthropic) {
      append_field(lines, "x-api-key", provider.api_key.reveal());
    } else {
      append_field(lines, "Authorization", fmt::format("Bearer {}", provider.api_key.reveal()));
    }
  }
  for (const auto& header : provider.headers)
    append_field(lines, header.name, header.value.reveal());
  return base::Secret(std::move(lines));
}

}  // namespace

AliasRuntime::AliasRuntime(const config::ModelAlias& alias, const config::Snapshot& snapshot,
                           domain::routing::CooldownTable& cooldowns,
                           domain::budget::Ledger& ledger, telemetry::Registry& registry,
                           Callee callee)
    : routable(alias, snapshot.providers, cooldowns, callee),
      series(telemetry::AliasSeries::resolve(registry, alias.name)) {
  for (const auto& target : routable.deployments()) {
    DeploymentRuntime runtime;
    runtime.scopes = ledger.resolve(
        {{ScopeKind::model, alias.name}, {ScopeKind::provider, target.provider->name}});
    runtime.series = telemetry::DeploymentSeries::resolve(registry, target.deployment->id,
                                                          alias.name, target.provider->name);
    runtime.secrets =
        std::make_unique<domain::policy::Secrets>(credential_values(*target.provider));
    runtime.header_lines = render_header_lines(*target.provider);
    for (const auto& header : target.provider->headers) runtime.header_names.add(header.name);
    deployments.push_back(std::move(runtime));
  }
}

namespace {

/// A peer as a provider with one deployment; its name cannot clash with a model alias in the
/// ledger.
std::unique_ptr<PeerRuntime> make_peer(Callee callee, const std::string& name,
                                       const config::Origin& origin,
                                       const std::vector<config::Header>& headers,
                                       base::NanoUsd price, const Runtime::Shared& shared) {
  auto peer = std::make_unique<PeerRuntime>();
  const bool is_mcp = callee == Callee::mcp_server;
  const std::string scope = fmt::format("{}/{}", is_mcp ? "mcp" : "a2a", name);
  config::Provider provider;
  provider.name = scope;
  provider.kind = config::ProviderKind::openai_compatible;
  provider.origin = origin;
  provider.headers = headers;
  peer->made_up.providers.emplace(scope, std::move(provider));
  config::Deployment deployment;
  deployment.id = scope;
  deployment.provider = scope;
  deployment.model = name;
  config::Price flat;
  flat.per_call = price;
  deployment.price = flat;
  peer->alias.name = scope;
  peer->alias.deployments.push_back(std::move(deployment));
  // The routable view points at the provider it is given, which must live as long as the peer.
  peer->target = std::make_unique<AliasRuntime>(peer->alias, peer->made_up, shared.cooldowns,
                                                shared.ledger, shared.registry, callee);
  return peer;
}

}  // namespace

base::Result<std::shared_ptr<const Runtime>> Runtime::build(config::SnapshotPtr snapshot,
                                                            std::span<const config::Key> stored,
                                                            Shared shared, PolicyPtr policy) {
  auto runtime = std::make_shared<Runtime>();
  runtime->policy = std::move(policy);
  if (!runtime->policy) {
    TG_TRY(runtime->policy, domain::policy::PolicyEngine::compile(snapshot->guardrails));
  }
  runtime->keys =
      domain::keys::KeyRegistry::build(*snapshot, stored, shared.revocations, shared.ledger);
  for (const auto& [name, alias] : snapshot->models)
    runtime->aliases.emplace(
        name, std::make_unique<AliasRuntime>(alias, *snapshot, shared.cooldowns, shared.ledger,
                                             shared.registry));
  for (const auto& [name, provider] : snapshot->providers) {
    auto alias = std::make_unique<config::ModelAlias>();
    alias->name = fmt::format("other/{}", name);
    config::Deployment deployment;
    deployment.id = alias->name;
    deployment.provider = name;
    if (snapshot->spending.other_path_price) {
      config::Price flat;
      flat.per_call = *snapshot->spending.other_path_price;
      deployment.price = flat;
    }
    alias->deployments.push_back(std::move(deployment));
    runtime->provider_routes.emplace(
        name, std::make_unique<AliasRuntime>(*alias, *snapshot, shared.cooldowns, shared.ledger,
                                             shared.registry));
    runtime->made_up_.push_back(std::move(alias));
  }
  for (const auto& [name, server] : snapshot->mcp_servers) {
    auto peer = make_peer(Callee::mcp_server, name, server.origin, server.headers,
                          server.price_per_call, shared);
    peer->mcp = &server;
    runtime->mcp.emplace(name, std::move(peer));
  }
  for (const auto& [name, agent] : snapshot->a2a_agents) {
    auto peer = make_peer(Callee::a2a_agent, name, agent.origin, agent.headers,
                          agent.price_per_call, shared);
    peer->a2a = &agent;
    runtime->a2a.emplace(name, std::move(peer));
  }
  for (const auto& [name, guardrail] : snapshot->guardrails)
    runtime->guardrail_series.emplace(name,
                                      telemetry::GuardrailSeries::resolve(shared.registry, name));
  // Compile the usual combination now, so that the first call does not.
  TG_CHECK(runtime->policy->rules_for(snapshot->default_guardrails));
  runtime->snapshot = std::move(snapshot);
  return std::shared_ptr<const Runtime>(std::move(runtime));
}

}  // namespace tollgate::pipeline
