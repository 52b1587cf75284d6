#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/values.hpp"
#include "tollgate/config/snapshot.hpp"

/// The configuration as the YAML spells it, before names are resolved and cross-checked. Each
/// struct belongs to one table in tables*.cpp; `path` is where it stands, for later problems.
/// Sections whose YAML equals the Snapshot's struct are read straight into that.
namespace tollgate::config {

struct ListenerDoc {
  std::string path;
  std::string name;
  Address address{"127.0.0.1", 8080};
  std::string port_file;
  std::optional<TlsServer> tls;
  bool proxy_protocol = false;
  std::vector<std::string> trusted_proxies;
};

struct AdminDoc {
  std::string path;
  bool enabled = true;
  Address address{"127.0.0.1", 9090};
  std::string port_file;
  base::Secret token;
};

struct BudgetDoc {
  std::string path;
  Budget budget;
};

/// `env` (the default), `none`, or a URL.
struct ProxyChoice {
  bool from_environment = true;
  std::optional<Url> url;
};

struct UpstreamDoc {
  std::string path;
  std::optional<Url> url;
  bool allow_plain_http = false;
  std::map<std::string, base::Secret, std::less<>> headers;
  UpstreamTls tls;
  ProxyChoice proxy;
  std::uint32_t max_connections = Origin{}.max_connections;
  std::uint32_t max_idle = Origin{}.max_idle;
  milliseconds idle_timeout = Origin{}.idle_timeout;
};

struct ProviderTimeoutsDoc {
  std::optional<milliseconds> first_byte_stream;
  std::optional<milliseconds> first_byte_json;
};

struct ProviderDoc : UpstreamDoc {
  std::optional<ProviderKind> kind;
  base::Secret api_key;
  std::string catalogue;
  ProviderTimeoutsDoc timeouts;
  std::vector<BudgetDoc> budgets;
};

struct McpServerDoc : UpstreamDoc {
  base::NanoUsd price_per_call;
  std::map<std::string, base::NanoUsd, std::less<>> tool_prices;
  std::vector<std::string> idempotent_tools;
};

struct A2aAgentDoc : UpstreamDoc {
  std::string card_path = A2aAgent{}.card_path;
  base::NanoUsd price_per_call;
};

/// A row of the price catalogue or a price override.
struct PriceDoc {
  std::string path;
  std::optional<base::PicoUsdPerToken> input, output, cache_read, cache_write, cache_write_1h;
  std::optional<base::NanoUsd> per_call;
  std::int64_t context_window = 0;
  std::int64_t max_output = 0;
};
using PriceSections =
    std::map<std::string, std::map<std::string, PriceDoc, std::less<>>, std::less<>>;

struct PricesDoc {
  std::string path;
  std::string file = "prices.yaml";
  PriceSections overrides;
};

/// The whole price file.
struct PriceFileDoc {
  std::string path;
  std::uint32_t version = 0;
  std::string vintage;
  std::string unit;
  PriceSections prices;
};

struct DeploymentDoc {
  std::string path;
  std::string provider;
  std::string model;  ///< empty: as the alias
  std::uint32_t priority = 0;
  std::uint32_t weight = 1;
  std::optional<PriceDoc> price;
  std::int64_t context_window = 0;
  std::int64_t max_output = 0;
};

struct ModelDoc {
  std::string path;
  std::vector<DeploymentDoc> deployments;
  std::vector<std::string> guardrails;
  std::vector<BudgetDoc> budgets;
};

struct OwnerDoc {
  std::string path;
  std::string parent;
  std::vector<std::string> guardrails;
  std::vector<BudgetDoc> budgets;
};

struct AllowDoc {
  std::vector<std::string> surfaces{"*"};
  std::vector<std::string> models{"*"};
  std::vector<std::string> providers{"*"};
  std::vector<std::string> paths;
  std::map<std::string, std::vector<std::string>, std::less<>> mcp;
  std::map<std::string, std::vector<std::string>, std::less<>> a2a;
};

struct KeyDoc {
  std::string path;
  std::string id;
  std::optional<base::Sha256Digest> digest;
  std::string last4;
  std::string agent, team, org;
  std::vector<std::string> tags;
  std::optional<base::WallTime> expires;
  bool disabled = false;
  AllowDoc allow;
  std::vector<std::string> guardrails;
  std::vector<BudgetDoc> budgets;
};

struct RuleDoc {
  std::string path;
  std::string name;
  std::string detector;
  std::string regex;
  std::string keyword;
  bool case_insensitive = false;
  GuardAction action = GuardAction::flag;
  std::string replacement;
};

struct GuardrailDoc {
  std::string path;
  GuardDirection direction = GuardDirection::both;
  std::map<std::string, GuardAction, std::less<>> detectors;
  std::vector<RuleDoc> rules;
};

struct WebhookDoc {
  std::string path;
  std::optional<Url> url;
  bool allow_plain_http = false;
  base::Secret secret;
  std::uint32_t attempts = Webhook{}.attempts;
};

struct AlertsDoc {
  std::vector<WebhookDoc> webhooks;
};

template <class T>
using NameMap = std::map<std::string, T, std::less<>>;

struct RootDoc {
  std::uint32_t version = 1;
  std::vector<ListenerDoc> listeners{
      ListenerDoc{"listeners[0]", "main", {"127.0.0.1", 8080}, {}, {}, false, {}}};
  AdminDoc admin;
  std::string control_socket = Snapshot{}.control_socket;
  std::uint32_t workers = 0;
  AcceptBalance accept_balance = AcceptBalance::exact;
  Limits limits;
  Timeouts timeouts;
  NameMap<ProviderDoc> providers;
  NameMap<ModelDoc> models;
  NameMap<McpServerDoc> mcp_servers;
  NameMap<A2aAgentDoc> a2a_agents;
  NameMap<OwnerDoc> orgs, teams, agents;
  std::vector<KeyDoc> keys;
  NameMap<GuardrailDoc> guardrails;
  std::vector<std::string> default_guardrails{"default"};
  Routing routing;
  Spending spending;
  PricesDoc prices;
  Audit audit;
  AlertsDoc alerts;
  std::vector<std::string> mcp_allowed_origins;
  base::Secret mcp_session_secret;
  std::optional<Url> public_url;
  Log log;
};

}  // namespace tollgate::config
