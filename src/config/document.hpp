#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/values.hpp"
#include "config/yaml_node.hpp"
#include "tollgate/config/names.hpp"
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

/// One of `limit`, `tokens` and `requests`, and what they share.
struct BudgetDoc {
  std::string path;
  Budget budget;  ///< without unit and limit
  std::optional<base::NanoUsd> limit;
  std::optional<std::int64_t> tokens, requests;
};

/// One of `requests`, `tokens` and `concurrent`.
struct RateLimitDoc {
  std::string path;
  std::string name;  ///< empty: the unit's
  std::optional<std::int64_t> requests, tokens, concurrent;
  milliseconds per = RateLimit{}.per;
};

/// What a scope that has a name may use.
struct CapsDoc {
  std::vector<BudgetDoc> budgets;
  std::vector<RateLimitDoc> rate_limits;
};

struct TagDoc : CapsDoc {
  std::string path;
};

struct EachDoc : CapsDoc {
  std::string path;
  bool required = false;
};

/// `each_session` and `each_end_user` of the whole gateway or of one owner.
struct EachesDoc {
  std::optional<EachDoc> each_session, each_end_user;
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

struct ProviderDoc : UpstreamDoc, CapsDoc {
  std::optional<ProviderKind> kind;
  base::Secret api_key;
  std::string catalogue;
  std::string default_modifier;
  std::optional<OutputCapField> output_cap_field;
  ProviderTimeoutsDoc timeouts;
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

/// Prices per token, of whatever they stand for.
struct TokenPricesDoc {
  std::string path;
  std::optional<base::PicoUsdPerToken> input, output, cache_read, cache_write, cache_write_1h,
      audio_input, audio_output, audio_cache_read;
};

struct LongContextDoc : TokenPricesDoc {
  std::int64_t above = 0;
};

/// Prices of its own, or a factor on the model's.
struct ModifierDoc : TokenPricesDoc {
  std::optional<std::int64_t> factor;  ///< in millionths
  std::vector<LongContextDoc> long_context;
};

/// How a model counts its input, wherever that may be said.
struct CountingDoc {
  std::optional<Tokenizer> tokenizer;
  std::optional<std::int64_t> image_tokens, audio_tokens_per_second, document_tokens,
      server_tool_tokens;
};

/// A row of the price catalogue or a price override.
struct PriceDoc : TokenPricesDoc, CountingDoc {
  std::vector<LongContextDoc> long_context;
  std::map<std::string, ModifierDoc, std::less<>> modifiers;
  std::optional<base::NanoUsd> web_search;
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

struct DeploymentDoc : CountingDoc {
  std::string path;
  std::string provider;
  std::string model;  ///< empty: as the alias
  std::uint32_t priority = 0;
  std::uint32_t weight = 1;
  std::optional<PriceDoc> price;
  std::int64_t context_window = 0;
  std::int64_t max_output = 0;
};

struct ModelDoc : CapsDoc {
  std::string path;
  std::vector<DeploymentDoc> deployments;
  std::vector<std::string> guardrails;
};

struct OwnerDoc : CapsDoc, EachesDoc {
  std::string path;
  std::string parent;
  std::vector<std::string> guardrails;
};

struct AllowDoc {
  std::vector<std::string> surfaces{"*"};
  std::vector<std::string> models{"*"};
  std::vector<std::string> providers{"*"};
  std::vector<std::string> paths;
  std::map<std::string, std::vector<std::string>, std::less<>> mcp;
  std::map<std::string, std::vector<std::string>, std::less<>> a2a;
};

struct KeyDoc : CapsDoc, EachesDoc {
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
  NodePtr loop_breaker;  ///< read over the top-level section once that is known
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
  ProxyChoice proxy;
  base::Secret secret;
  WebhookFormat format = Webhook{}.format;
  std::vector<AlertKind> events = values_of<AlertKind>();
  std::uint32_t attempts = Webhook{}.attempts;
  std::chrono::milliseconds timeout = Webhook{}.timeout;
  std::chrono::milliseconds retry_max = Webhook{}.retry_max;
};

struct AlertsDoc {
  std::uint32_t queue = Snapshot{}.alert_queue;
  std::vector<WebhookDoc> webhooks;
};

template <class T>
using NameMap = std::map<std::string, T, std::less<>>;

struct RootDoc : EachesDoc {
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
  NameMap<TagDoc> tags;
  std::string end_user_header;
  NameMap<GuardrailDoc> guardrails;
  std::vector<std::string> default_guardrails{"default"};
  Routing routing;
  Spending spending;
  LoopBreaker loop_breaker;
  LoopMemory loop_memory;
  PricesDoc prices;
  Audit audit;
  AlertsDoc alerts;
  std::vector<std::string> mcp_allowed_origins;
  base::Secret mcp_session_secret;
  std::optional<Url> public_url;
  Log log;
};

}  // namespace tollgate::config
