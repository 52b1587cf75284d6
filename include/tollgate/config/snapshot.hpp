#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/digest.hpp"
#include "tollgate/base/secret.hpp"
#include "tollgate/base/units.hpp"

/// The whole configuration after validation: plain values, immutable once built, shared by
/// `std::shared_ptr<const Snapshot>`. Each request pins the one it started with. Every field has
/// its YAML key, default and unit in config/tollgate.example.yaml. A restart-only field says so.
namespace tollgate::config {

using std::chrono::milliseconds;

// ---- edge ----

enum class ClientAuth : std::uint8_t { none, optional, require };
enum class AcceptBalance : std::uint8_t { exact, kernel };

struct TlsServer {
  std::string certificate_file;
  std::string private_key_file;
  std::string client_ca_file;  ///< empty unless client_auth is not none
  ClientAuth client_auth = ClientAuth::none;
  bool allow_tls12 = true;
};

struct Listener {  // restart-only, except certificates (read again on reload)
  std::string name;
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;  ///< 0 = any free port, logged and written to `port_file`
  std::string port_file;
  std::optional<TlsServer> tls;
  bool proxy_protocol = false;               ///< v1 and v2, from trusted_proxies only
  std::vector<std::string> trusted_proxies;  ///< CIDRs whose X-Forwarded-For is believed
};

struct Admin {  // restart-only, except the token
  bool enabled = true;
  std::string host = "127.0.0.1";
  std::uint16_t port = 9090;
  std::string port_file;
  base::Secret token;  ///< empty: only /healthz and /readyz answer
};

struct Limits {
  std::uint32_t request_line_bytes = 8 * 1024;
  std::uint32_t header_bytes = 64 * 1024;
  std::uint32_t header_field_bytes = 16 * 1024;
  std::uint32_t header_count = 100;
  std::uint64_t body_bytes = 16ull << 20;
  std::uint64_t body_memory_bytes = 512ull << 20;  ///< all bodies being read or worked on
  std::uint32_t gzip_ratio = 20;  ///< largest inflated:deflated ratio of a request body
  std::uint32_t json_depth = 64;
  std::uint32_t json_nodes = 1'000'000;  ///< values in one request body
  std::uint32_t connections = 10'000;
  std::uint32_t connections_per_ip = 1'024;
  std::uint32_t requests_per_connection = 10'000;
  std::uint32_t in_flight = 20'000;  ///< requests inside the pipeline at once
  std::uint32_t upstream_header_bytes = 64 * 1024;
  std::uint64_t response_body_bytes = 32ull << 20;  ///< a JSON answer, buffered whole
  std::uint32_t sse_event_bytes = 1 << 20;
  std::uint32_t failed_auth_per_minute = 600;  ///< per client address; then 429 instead of 401
};

struct Timeouts {
  milliseconds tls_handshake{5'000};
  milliseconds header{10'000};
  milliseconds body{60'000};  ///< whole body after its head
  milliseconds keep_alive_idle{60'000};
  milliseconds client_write{30'000};  ///< no progress writing to the agent
  milliseconds connect{5'000};        ///< TCP to one upstream address
  milliseconds upstream_tls{5'000};
  milliseconds first_byte_stream{60'000};
  milliseconds first_byte_json{600'000};
  milliseconds stream_idle{120'000};  ///< between two reads of a stream
  milliseconds total{1'200'000};      ///< whole call, streams included
  milliseconds pool_wait{5'000};      ///< for a free connection when the origin is at its limit
  milliseconds drain{30'000};
  milliseconds drain_min_delay{0};  ///< not ready, still accepting
};

// ---- upstreams ----

enum class ProviderKind : std::uint8_t { openai, anthropic, openai_compatible, demo };

struct UpstreamTls {
  std::string ca_file;           ///< empty: the system's bundle
  std::string certificate_file;  ///< client certificate, optional
  std::string private_key_file;
  bool verify = true;  ///< false is logged loudly at start and shown in /status
};

/// One network peer and how to reach it: the key of connection pools.
struct Origin {
  std::string scheme;  ///< "http" or "https"
  std::string host;    ///< lower case; an IPv6 address stands without brackets
  std::uint16_t port = 0;
  /// "" or "/v1" style. Of a provider without trailing slash; of an MCP or A2A endpoint as written.
  std::string base_path;
  UpstreamTls tls;
  std::string proxy;  ///< "" = none; "http://host:port" for CONNECT (https) or absolute-form (http)
  base::Secret proxy_authorization;       ///< value of Proxy-Authorization; empty = none
  std::uint32_t max_connections = 1'024;  ///< per worker
  std::uint32_t max_idle = 128;           ///< per worker
  milliseconds idle_timeout{55'000};
  /// Equal for origins that may share connections.
  std::string pool_key;
};

struct Header {
  std::string name;
  base::Secret value;
};

/// Where a price comes from; the audit row says it.
enum class PriceSource : std::uint8_t {
  catalogue,  ///< the price file
  overrides,  ///< prices.overrides, or the deployment's own price
  per_call,   ///< a flat price per call: a tool, an agent, another /v1 path
};

struct Price {
  base::PicoUsdPerToken input;
  base::PicoUsdPerToken output;
  std::optional<base::PicoUsdPerToken> cache_read;      ///< absent: as input
  std::optional<base::PicoUsdPerToken> cache_write;     ///< absent: as input
  std::optional<base::PicoUsdPerToken> cache_write_1h;  ///< absent: as cache_write
  base::NanoUsd per_call;                               ///< added to every call
  PriceSource source = PriceSource::per_call;
};

struct CatalogueEntry {
  std::optional<Price> price;
  std::int64_t context_window = 0;  ///< tokens; 0 = not known
  std::int64_t max_output = 0;      ///< tokens; 0 = not known
};

struct Provider {
  std::string name;
  ProviderKind kind = ProviderKind::openai;
  Origin origin;  ///< unused for demo
  base::Secret api_key;
  std::vector<Header> headers;  ///< sent with every call
  /// Price catalogue section ("openai", "anthropic", ...); default from the kind.
  std::string catalogue;
  std::optional<milliseconds> first_byte_stream;
  std::optional<milliseconds> first_byte_json;
};

struct Deployment {
  std::string id;  ///< "alias/provider/model", unique and stable across reloads; cooldown key
  std::string provider;
  std::string model;           ///< the provider's own name
  std::uint32_t priority = 0;  ///< lower first
  std::uint32_t weight = 1;    ///< inside a priority; 0 = never chosen unless alone
  std::optional<Price> price;  ///< resolved: override, else catalogue
  std::int64_t context_window = 0;
  std::int64_t max_output = 0;
};

struct ModelAlias {
  std::string name;
  std::vector<Deployment> deployments;  ///< sorted by priority
  std::vector<std::string> guardrails;
};

struct McpServer {
  std::string name;
  Origin origin;  ///< base_path = the server's endpoint path
  std::vector<Header> headers;
  base::NanoUsd price_per_call;  ///< tools/call; other methods are free
  std::map<std::string, base::NanoUsd, std::less<>> tool_prices;
  std::vector<std::string> idempotent_tools;  ///< may be repeated after a failure (globs)
};

struct A2aAgent {
  std::string name;
  Origin origin;  ///< base_path = the JSON-RPC endpoint path
  std::string card_path = "/.well-known/agent-card.json";  ///< on the origin's host
  std::vector<Header> headers;
  base::NanoUsd price_per_call;  ///< message/send, message/stream and their v1.0 names
};

struct Routing {
  std::uint32_t max_attempts = 4;  ///< over all deployments, first one included
  std::uint32_t retries_per_deployment = 1;
  milliseconds backoff_base{100};
  milliseconds backoff_max{2'000};
  std::uint32_t retry_budget_percent = 20;  ///< of calls in the last 10 s ...
  std::uint32_t retry_budget_min = 10;      ///< ... or this many, if more
  milliseconds cooldown{5'000};             ///< after a failure that tells no Retry-After
  milliseconds cooldown_max{300'000};       ///< cap on what Retry-After may ask
  std::uint32_t cooldown_failures = 3;      ///< connect/5xx failures in a row; 429 cools at once
  milliseconds dns_ttl{30'000};
  milliseconds dns_stale{300'000};  ///< a stale answer is used that long when DNS fails
};

// ---- who may, and for how much ----

enum class WindowKind : std::uint8_t { day, week, month, total };

struct Budget {
  std::string name = "default";  ///< identity = (scope kind, scope id, name), never its position
  base::NanoUsd limit;
  WindowKind window = WindowKind::day;
  std::string time_zone = "UTC";  ///< IANA
  std::vector<std::uint32_t> alert_percents{80};
};

/// Names of scopes in YAML, SQL, metrics and refusals.
enum class ScopeKind : std::uint8_t { key, agent, team, org, model, provider };

struct Allow {
  std::vector<std::string>
      surfaces;  ///< globs over surface names; default all LLM surfaces, mcp, a2a
  std::vector<std::string> models;     ///< globs over aliases; default "*"
  std::vector<std::string> providers;  ///< globs; default "*"
  std::vector<std::string> paths;      ///< globs over other /v1/* paths; default none
  /// server -> tool globs; an absent server is not reachable.
  std::map<std::string, std::vector<std::string>, std::less<>> mcp;
  /// agent -> method globs; an absent agent is not reachable.
  std::map<std::string, std::vector<std::string>, std::less<>> a2a;
};

struct Key {
  std::string id;
  base::Sha256Digest digest{};
  std::string last4;
  std::string agent, team, org;  ///< owners; may be empty
  std::vector<std::string> tags;
  std::optional<base::WallTime> expires;
  bool disabled = false;
  Allow allow;
  std::vector<std::string> guardrails;
};

struct Owner {  // org, team or agent
  std::string id;
  std::string parent;  ///< team of an agent, org of a team; may be empty
  std::vector<std::string> guardrails;
};

struct ScopedBudget {
  ScopeKind scope = ScopeKind::key;
  std::string scope_id;
  Budget budget;
};

enum class UnpricedAction : std::uint8_t { refuse, hold };

struct Spending {
  std::int64_t default_output_cap = 4'096;  ///< tokens, when neither agent nor catalogue says
  std::int64_t min_output_tokens = 16;      ///< never lower the agent's cap below this
  UnpricedAction unpriced = UnpricedAction::refuse;
  base::NanoUsd unpriced_hold;  ///< held and charged per call of an unpriced model
  UnpricedAction unbounded_input = UnpricedAction::refuse;
  base::NanoUsd unbounded_input_hold;
  std::optional<base::NanoUsd>
      other_path_price;                   ///< other /v1/*: charged per call; absent = refused
  bool charge_abandoned_attempts = true;  ///< settle an attempt cut after sending as estimated
  milliseconds hold_wait{0};  ///< wait for other calls' holds at most this long; 0 = refuse
  bool show_amounts = true;   ///< name limit and spend in 402 messages
};

// ---- policy ----

enum class GuardAction : std::uint8_t { allow, flag, mask, block };
enum class GuardDirection : std::uint8_t { request, response, both };
enum class RuleKind : std::uint8_t { detector, regex, keyword };

struct GuardRule {
  std::string name;  ///< shown in verdicts; for detectors = the detector's name
  RuleKind kind = RuleKind::detector;
  /// detector: email | payment_card | iban | api_key | private_key; regex: the pattern; keyword:
  /// the word
  std::string pattern;
  bool case_insensitive = false;
  GuardAction action = GuardAction::flag;
  std::string replacement;  ///< for mask; default "[REDACTED:<name>]"
  std::string path;         ///< "guardrails.strict.rules[0]" in the YAML; empty for the built-in
};

struct Guardrail {
  std::string name;
  GuardDirection direction = GuardDirection::both;
  std::vector<GuardRule> rules;
};

// ---- audit ----

enum class BodyCapture : std::uint8_t { none, masked, full };
enum class AuditOnFull : std::uint8_t { refuse, drop };

struct Audit {
  std::string path = "data/tollgate.db";  // restart-only
  BodyCapture bodies = BodyCapture::masked;
  std::uint32_t body_bytes = 64 * 1024;  ///< stored per body; digest and length are of the whole
  std::uint32_t queue = 65'536;          // restart-only; records
  std::uint64_t queue_body_bytes = 256ull << 20;  // restart-only; bodies in the queue
  AuditOnFull on_full = AuditOnFull::refuse;
  milliseconds flush_interval{25};
  std::uint32_t batch = 1'000;
  bool sync_full = false;  // restart-only; synchronous=FULL
  std::chrono::hours retention_age{30 * 24};
  std::uint64_t retention_bytes = 10ull << 30;
  std::uint64_t segment_bytes = 64ull << 20;
  std::uint64_t min_free_bytes = 64ull << 20;  ///< below this the disk counts as full
};

struct Webhook {
  std::string url;
  base::Secret secret;  ///< HMAC-SHA256 of the body in x-tollgate-signature, when set
  std::uint32_t attempts = 5;
};

enum class LogLevel : std::uint8_t { debug, info, warn, error };

struct Log {
  LogLevel level = LogLevel::info;
  bool json = true;
};

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
  std::vector<ScopedBudget> budgets;  ///< of all scopes
  std::map<std::string, Guardrail, std::less<>> guardrails;
  std::vector<std::string> default_guardrails;  ///< applied to every call
  Routing routing;
  Spending spending;
  Audit audit;
  std::vector<Webhook> webhooks;
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
