#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tollgate/base/secret.hpp"
#include "tollgate/config/edge.hpp"
#include "tollgate/config/loop_breaker.hpp"
#include "tollgate/config/record.hpp"
#include "tollgate/config/spending.hpp"
#include "tollgate/config/upstreams.hpp"

/// The whole configuration after validation: plain values, immutable once built, shared by
/// `std::shared_ptr<const Snapshot>`. Each request pins the one it started with. Every field has
/// its YAML key, default and unit in config/tollgate.example.yaml. A restart-only field says so.
namespace tollgate::config {

struct Snapshot {
  std::uint64_t generation = 0;  ///< counts successful loads
  std::string source_digest;     ///< hex SHA-256 of the YAML, recorded with each call
  std::vector<Listener> listeners;
  Admin admin;
  std::string control_socket = "data/tollgate.sock";    // restart-only
  std::uint32_t workers = 0;                            // restart-only; 0 = one per core
  AcceptBalance accept_balance = AcceptBalance::exact;  // restart-only
  Limits limits;
  Timeouts timeouts;
  std::map<std::string, Provider, std::less<>> providers;
  std::map<std::string, ModelAlias, std::less<>> models;
  std::map<std::string, McpServer, std::less<>> mcp_servers;
  std::map<std::string, A2aAgent, std::less<>> a2a_agents;
  std::map<std::string, Owner, std::less<>> orgs, teams, agents;
  std::vector<Key> keys;
  /// Tags with an entry of their own, sorted: scopes of the calls of the keys that bear them.
  std::vector<std::string> tags;
  std::vector<ScopedBudget> budgets;         ///< of all scopes that have names
  std::vector<ScopedRateLimit> rate_limits;  ///< the same
  std::vector<EachOf> each;                  ///< of all scopes that calls bring
  /// Header by which a trusted caller names its end user, in lower case; empty: only the body does.
  std::string end_user_header;
  std::map<std::string, Guardrail, std::less<>> guardrails;
  std::vector<std::string> default_guardrails;  ///< applied to every call
  Routing routing;
  Spending spending;
  LoopBreaker loop_breaker;
  LoopMemory loop_memory;
  Audit audit;
  std::vector<Webhook> webhooks;
  std::uint32_t alert_queue = 1'000;  ///< deliveries to webhooks under way
  std::vector<std::string>
      mcp_allowed_origins;          ///< Origin values browsers may send to /mcp and /a2a
  base::Secret mcp_session_secret;  ///< seals MCP session ids; empty: a secret of this process
  /// "https://gate.example.com/prefix": the base URL agents use, without slash at the end; empty:
  /// scheme and Host of each request.
  std::string public_url;
  Log log;
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace tollgate::config
