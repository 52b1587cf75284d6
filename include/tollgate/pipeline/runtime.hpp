#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tollgate/base/secret.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/budget/ledger.hpp"
#include "tollgate/domain/keys/key_registry.hpp"
#include "tollgate/domain/policy/engine.hpp"
#include "tollgate/domain/policy/secrets.hpp"
#include "tollgate/domain/routing/plan.hpp"
#include "tollgate/protocol/http/forwarding.hpp"
#include "tollgate/telemetry/worker_metrics.hpp"

namespace tollgate::pipeline {

/// One deployment, with everything a call needs of it already looked up.
struct DeploymentRuntime {
  domain::budget::ScopePath scopes;  ///< model, provider
  telemetry::DeploymentSeries series;
  /// What is sent to the provider as a credential, and must never come back to an agent.
  std::unique_ptr<const domain::policy::Secrets> secrets;
  /// The header lines that every request to the provider carries, its credential among them.
  base::Secret header_lines;
  /// Names of those that the configuration sets: an agent's field of that name gives way.
  protocol::http::FieldNames header_names;
};

/// One model alias, ready for calls.
struct AliasRuntime {
  AliasRuntime(const config::ModelAlias& alias, const config::Snapshot& snapshot,
               domain::routing::CooldownTable& cooldowns, domain::budget::Ledger& ledger,
               telemetry::Registry& registry,
               domain::routing::Callee callee = domain::routing::Callee::model);
  domain::routing::RoutableAlias routable;
  std::vector<DeploymentRuntime> deployments;  ///< in the order of routable.deployments()
  telemetry::AliasSeries series;
  /// The runtime of a plan's candidate.
  [[nodiscard]] const DeploymentRuntime& of(const domain::routing::Candidate& candidate) const {
    return deployments[static_cast<std::size_t>(candidate.target - routable.deployments().data())];
  }
};

/// One MCP server or A2A agent: a plan of one deployment, so that the router needs no second path.
struct PeerRuntime {
  config::Snapshot made_up;  ///< one provider made from the peer: origin, headers
  config::ModelAlias alias;  ///< "mcp/<server>" or "a2a/<agent>", one deployment
  std::unique_ptr<AliasRuntime> target;
  const config::McpServer* mcp = nullptr;
  const config::A2aAgent* a2a = nullptr;
};

/// The configuration compiled for calls: immutable, shared by all workers, pinned by each call.
///
/// Built off the loops at start, at a reload, and when a key is added (then with the policy of the
/// one before; the aliases are built again: milliseconds, and no half-updated state). Pools,
/// cooldowns, ledger and counters live outside and survive.
class Runtime {
 public:
  using PolicyPtr = std::shared_ptr<const domain::policy::PolicyEngine>;

  /// What outlives every Runtime and is shared between them.
  struct Shared {
    domain::budget::Ledger& ledger;
    domain::keys::Revocations& revocations;
    domain::routing::CooldownTable& cooldowns;
    telemetry::Registry& registry;
  };
  /// @param policy  compiled from the snapshot's guardrails before; null: is compiled here
  /// Errors: invalid_request naming the guardrail rule that does not compile.
  [[nodiscard]] static base::Result<std::shared_ptr<const Runtime>> build(
      config::SnapshotPtr snapshot, std::span<const config::Key> stored_keys, Shared shared,
      PolicyPtr policy = nullptr);

  config::SnapshotPtr snapshot;
  std::shared_ptr<const domain::keys::KeyRegistry> keys;
  PolicyPtr policy;
  std::map<std::string, std::unique_ptr<AliasRuntime>, std::less<>> aliases;
  std::map<std::string, std::unique_ptr<PeerRuntime>, std::less<>> mcp, a2a;
  /// Providers of `other` paths that name no model.
  std::map<std::string, std::unique_ptr<AliasRuntime>, std::less<>> provider_routes;
  std::map<std::string, telemetry::GuardrailSeries, std::less<>> guardrail_series;

 private:
  std::vector<std::unique_ptr<config::ModelAlias>> made_up_;  ///< behind provider_routes
};
using RuntimePtr = std::shared_ptr<const Runtime>;

}  // namespace tollgate::pipeline
