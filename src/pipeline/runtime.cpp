#include "tollgate/pipeline/runtime.hpp"

#include <fmt/format.h>

namespace tollgate::pipeline {

using config::ScopeKind;

AliasRuntime::AliasRuntime(const config::ModelAlias& alias, const config::Snapshot& snapshot,
                           domain::routing::CooldownTable& cooldowns,
                           domain::budget::Ledger& ledger, telemetry::Registry& registry)
    : routable(alias, snapshot.providers, cooldowns),
      series(telemetry::AliasSeries::resolve(registry, alias.name)) {
  for (const auto& target : routable.deployments()) {
    DeploymentRuntime runtime;
    runtime.scopes = ledger.resolve(
        {{ScopeKind::model, alias.name}, {ScopeKind::provider, target.provider->name}});
    runtime.series = telemetry::DeploymentSeries::resolve(registry, target.deployment->id,
                                                          alias.name, target.provider->name);
    deployments.push_back(std::move(runtime));
  }
}

namespace {

/// A peer as a provider with one deployment; its name cannot clash with a model alias in the
/// ledger.
std::unique_ptr<PeerRuntime> make_peer(std::string_view kind, const std::string& name,
                                       const config::Origin& origin,
                                       const std::vector<config::Header>& headers,
                                       base::NanoUsd price, const Runtime::Shared& shared) {
  auto peer = std::make_unique<PeerRuntime>();
  const std::string scope = fmt::format("{}/{}", kind, name);
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
                                                shared.ledger, shared.registry);
  return peer;
}

}  // namespace

base::Result<std::shared_ptr<const Runtime>> Runtime::build(config::SnapshotPtr snapshot,
                                                            std::span<const config::Key> stored,
                                                            Shared shared) {
  auto runtime = std::make_shared<Runtime>();
  TG_TRY(runtime->policy, domain::policy::PolicyEngine::compile(snapshot->guardrails));
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
    auto peer =
        make_peer("mcp", name, server.origin, server.headers, server.price_per_call, shared);
    peer->mcp = &server;
    runtime->mcp.emplace(name, std::move(peer));
  }
  for (const auto& [name, agent] : snapshot->a2a_agents) {
    auto peer = make_peer("a2a", name, agent.origin, agent.headers, agent.price_per_call, shared);
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
