#include <fmt/format.h>

#include "config/resolve.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::config {
namespace {

Origin make_origin(Reader& reader, const UpstreamDoc& doc, const char* url_key, const Url& url) {
  if (url.scheme == "http" && !is_loopback(url.host) && !doc.allow_plain_http)
    reader.problem_at(join_path(doc.path, url_key), "is plain http to another machine",
                      "https, or allow_plain_http: true");
  // By the keys, not their values: a file that cannot be read is reported already.
  if (reader.has(join_path(doc.path, "client_certificate_file")) !=
      reader.has(join_path(doc.path, "client_key_file")))
    reader.problem_at(doc.path, "has only one of client_certificate_file and client_key_file",
                      "both or none");
  if (!doc.tls.verify)
    reader.warning_at(join_path(doc.path, "verify_tls"),
                      "the upstream's certificate is not checked",
                      "ca_file with the upstream's own CA");

  Origin origin = origin_of(reader, url, doc.tls, doc.proxy);
  origin.base_path = url.path == "/" ? "" : url.path;
  origin.max_connections = doc.max_connections;
  origin.max_idle = doc.max_idle;
  origin.idle_timeout = doc.idle_timeout;
  return origin;
}

std::vector<Header> make_headers(const UpstreamDoc& doc) {
  std::vector<Header> headers;
  for (const auto& [name, value] : doc.headers) headers.push_back({name, value});
  return headers;
}

std::optional<Url> default_url(ProviderKind kind) {
  std::string why;
  switch (kind) {
    case ProviderKind::openai:
      return parse_url("https://api.openai.com/v1", {}, why);
    case ProviderKind::anthropic:
      return parse_url("https://api.anthropic.com", {}, why);
    case ProviderKind::openai_compatible:
    case ProviderKind::demo:
      return std::nullopt;
  }
  return std::nullopt;
}

OutputCapField default_cap_field(ProviderKind kind) {
  switch (kind) {
    case ProviderKind::openai:
      return OutputCapField::max_completion_tokens;
    case ProviderKind::anthropic:
    case ProviderKind::openai_compatible:
    case ProviderKind::demo:
      return OutputCapField::max_tokens;
  }
  return OutputCapField::max_tokens;
}

Provider make_provider(Reader& reader, const std::string& name, const ProviderDoc& doc) {
  Provider provider;
  provider.name = name;
  std::optional<ProviderKind> kind = doc.kind;
  for (const auto& known : names(ProviderKind{}))
    if (!kind && !reader.has(join_path(doc.path, "kind")) && known.name == name) kind = known.value;
  if (!kind) {
    if (!reader.has(join_path(doc.path, "kind"))) {
      std::vector<std::string> kinds;
      for (const auto& known : names(ProviderKind{})) kinds.emplace_back(known.name);
      reader.problem_at_key(doc.path, "kind is missing", one_of(kinds));
    }
    return provider;
  }
  provider.kind = *kind;
  provider.api_key = doc.api_key;
  provider.headers = make_headers(doc);
  provider.first_byte_stream = doc.timeouts.first_byte_stream;
  provider.first_byte_json = doc.timeouts.first_byte_json;
  provider.output_cap_field = doc.output_cap_field.value_or(default_cap_field(*kind));
  if (*kind == ProviderKind::anthropic && reader.has(join_path(doc.path, "output_cap_field")))
    reader.problem_at_key(join_path(doc.path, "output_cap_field"),
                          "means nothing to Anthropic's API, which has max_tokens only",
                          "no such key, or another kind");
  if (*kind == ProviderKind::demo) {
    for (const char* key :
         {"base_url", "api_key", "proxy", "ca_file", "headers", "output_cap_field"})
      if (reader.has(join_path(doc.path, key)))
        reader.problem_at_key(join_path(doc.path, key),
                              "means nothing to the built-in demo provider",
                              "no such key, or another kind");
    return provider;
  }
  const bool url_given = reader.has(join_path(doc.path, "base_url"));
  const auto url = doc.url || url_given ? doc.url : default_url(*kind);
  if (!url) {
    if (!url_given)
      reader.problem_at_key(
          doc.path, fmt::format("base_url is missing, and {} has none of its own", name_of(*kind)),
          "a URL such as \"https://host/v1\"");
    return provider;
  }
  provider.origin = make_origin(reader, doc, "base_url", *url);
  while (provider.origin.base_path.ends_with('/')) provider.origin.base_path.pop_back();
  const bool vendor = *kind != ProviderKind::openai_compatible;
  if (vendor && doc.api_key.empty() && !reader.has(join_path(doc.path, "api_key")) &&
      doc.headers.empty())
    reader.warning_at(doc.path, "has no api_key; its calls go out without a credential",
                      "api_key: ${env:NAME}");
  return provider;
}

}  // namespace

Origin origin_of(Reader& reader, const Url& url, const UpstreamTls& tls,
                 const ProxyChoice& choice) {
  Origin origin;
  origin.scheme = url.scheme;
  origin.host = url.host;
  origin.port = url.port;
  origin.tls = tls;
  const auto proxy = choice.from_environment ? proxy_from_environment(reader, url) : choice.url;
  if (proxy) {
    origin.proxy = fmt::format("http://{}", format_address(proxy->host, proxy->port));
    if (!proxy->userinfo.empty())
      origin.proxy_authorization = base::Secret("Basic " + base64(percent_decode(proxy->userinfo)));
  }
  // Connections may be shared when the peer, the way to it and the TLS profile are the same; the
  // proxy's credential counts by digest, because pool keys are shown.
  std::string proxy_user;
  if (!origin.proxy_authorization.empty())
    proxy_user = base::to_hex(base::sha256(origin.proxy_authorization.reveal())).substr(0, 16);
  origin.pool_key = fmt::format("{}://{}", origin.scheme, format_address(origin.host, origin.port));
  if (!origin.proxy.empty()) origin.pool_key += fmt::format(" via {}", origin.proxy);
  if (!proxy_user.empty()) origin.pool_key += fmt::format(" as {}", proxy_user);
  if (origin.scheme == "https") {
    if (!tls.ca_file.empty()) origin.pool_key += fmt::format(" ca {}", tls.ca_file);
    if (!tls.certificate_file.empty())
      origin.pool_key += fmt::format(" cert {} {}", tls.certificate_file, tls.private_key_file);
    if (!tls.verify) origin.pool_key += " unverified";
  }
  return origin;
}

void resolve_upstreams(Reader& reader, const RootDoc& root, Snapshot& out) {
  for (const auto& [name, doc] : root.providers)
    out.providers.emplace(name, make_provider(reader, name, doc));
  for (const auto& [name, doc] : root.mcp_servers) {
    McpServer server;
    server.name = name;
    if (doc.url) server.origin = make_origin(reader, doc, "url", *doc.url);
    server.headers = make_headers(doc);
    server.price_per_call = doc.price_per_call;
    server.tool_prices = doc.tool_prices;
    server.idempotent_tools = doc.idempotent_tools;
    out.mcp_servers.emplace(name, std::move(server));
  }
  for (const auto& [name, doc] : root.a2a_agents) {
    A2aAgent agent;
    agent.name = name;
    if (doc.url) agent.origin = make_origin(reader, doc, "url", *doc.url);
    if (!doc.card_path.starts_with('/') || !is_field_value(doc.card_path))
      reader.problem_at(join_path(doc.path, "card_path"), "is not a path",
                        "a path such as \"/.well-known/agent-card.json\"");
    agent.card_path = doc.card_path;
    agent.headers = make_headers(doc);
    agent.price_per_call = doc.price_per_call;
    out.a2a_agents.emplace(name, std::move(agent));
  }
}

}  // namespace tollgate::config
