#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tollgate/base/secret.hpp"
#include "tollgate/base/units.hpp"

/// Where calls go, and what they cost there. Parts of the Snapshot.
namespace tollgate::config {

using std::chrono::milliseconds;

enum class ProviderKind : std::uint8_t { openai, anthropic, openai_compatible, demo };

/// The field of a chat completion in which a provider is known to obey an output cap.
enum class OutputCapField : std::uint8_t {
  max_tokens,             ///< the older name: compatible hosts may ignore or refuse the newer
  max_completion_tokens,  ///< OpenAI and Azure, whose reasoning models refuse the older
};

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

/// What one token of each kind costs.
struct TokenPrices {
  base::PicoUsdPerToken input;
  base::PicoUsdPerToken output;
  std::optional<base::PicoUsdPerToken> cache_read;        ///< absent: as input
  std::optional<base::PicoUsdPerToken> cache_write;       ///< absent: as input
  std::optional<base::PicoUsdPerToken> cache_write_1h;    ///< absent: as cache_write
  std::optional<base::PicoUsdPerToken> audio_input;       ///< absent: not known
  std::optional<base::PicoUsdPerToken> audio_output;      ///< absent: not known
  std::optional<base::PicoUsdPerToken> audio_cache_read;  ///< absent: as audio_input
};

/// Prices of a whole call whose input, caches included, has more than `above` tokens.
struct LongContextPrices : TokenPrices {
  std::int64_t above = 0;
};

struct Tariff : TokenPrices {
  std::vector<LongContextPrices> long_context;  ///< by `above`, each once
};

/// A tariff for calls that are not served as usual.
struct ModifierTariff : Tariff {
  /// The provider's own word: a service tier ("batch", "flex", "priority"), Anthropic's `speed`
  /// ("fast") or `inference_geo` ("us"). Several at once are joined by "+", in that order.
  std::string name;
};

struct Price : Tariff {
  std::vector<ModifierTariff> modifiers;  ///< by name; one that is not here has no known price
  /// What calls are served as that ask for nothing else, as far as the operator says: a project's
  /// default tier at OpenAI, a workspace's default geography at Anthropic. Empty: as usual.
  std::string default_modifier;
  std::optional<base::NanoUsd> web_search;  ///< per search the provider ran; absent: not known
  base::NanoUsd per_call;                   ///< added to every call
  PriceSource source = PriceSource::per_call;
};

/// Whose tokenizer a model has, as far as that is known: estimates of tokens go by it.
enum class Tokenizer : std::uint8_t { generic, openai, anthropic, gemini };

/// The most tokens that input counts which is no text. Absent: what domain::tokens knows of the
/// model; nothing is known of a tool that the provider runs.
struct MediaTokens {
  std::optional<std::int64_t> image;         ///< one image
  std::optional<std::int64_t> audio_second;  ///< a second of audio
  std::optional<std::int64_t> document;      ///< one document (PDF); absent: the context window
  std::optional<std::int64_t> server_tool;   ///< what one use of a provider's tool brings
};

struct CatalogueEntry {
  std::optional<Price> price;
  std::optional<Tokenizer> tokenizer;
  MediaTokens media;
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
  std::string default_modifier;                                             ///< see Price
  OutputCapField output_cap_field = OutputCapField::max_completion_tokens;  ///< default by kind
  std::optional<milliseconds> first_byte_stream;
  std::optional<milliseconds> first_byte_json;
};

struct Deployment {
  std::string id;  ///< "alias/provider/model", unique and stable across reloads; cooldown key
  std::string provider;
  std::string model;             ///< the provider's own name
  std::uint32_t priority = 0;    ///< lower first
  std::uint32_t weight = 1;      ///< inside a priority; 0 = never chosen unless alone
  std::optional<Price> price;    ///< resolved: override, else catalogue
  std::string default_modifier;  ///< its provider's
  std::int64_t context_window = 0;
  std::int64_t max_output = 0;
  Tokenizer tokenizer = Tokenizer::generic;  ///< resolved: said, else by model and provider
  MediaTokens media;                         ///< resolved: said here, else by the catalogue
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

}  // namespace tollgate::config
