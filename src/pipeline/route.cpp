#include "tollgate/pipeline/route.hpp"

#include <array>

#include "tollgate/base/strings.hpp"
#include "tollgate/domain/keys/key_format.hpp"

namespace tollgate::pipeline {

using protocol::http::Method;

namespace {

constexpr std::array<std::string_view, kSurfaces> kNames = {
    "chat", "embeddings", "messages", "count_tokens", "models", "other",
    "mcp",  "a2a",        "me",       "probe",        "none"};

struct Exact {
  std::string_view path;
  std::string_view upstream_path;
  Method method;
  Surface surface;
  Dialect dialect;
};

constexpr Exact kExact[] = {
    {"/v1/chat/completions", "/v1/chat/completions", Method::post, Surface::chat, Dialect::openai},
    {"/v1/embeddings", "/v1/embeddings", Method::post, Surface::embeddings, Dialect::openai},
    {"/v1/messages", "/v1/messages", Method::post, Surface::messages, Dialect::anthropic},
    {"/anthropic/v1/messages", "/v1/messages", Method::post, Surface::messages, Dialect::anthropic},
    {"/v1/messages/count_tokens", "/v1/messages/count_tokens", Method::post, Surface::count_tokens,
     Dialect::anthropic},
    {"/anthropic/v1/messages/count_tokens", "/v1/messages/count_tokens", Method::post,
     Surface::count_tokens, Dialect::anthropic},
    {"/v1/models", "/v1/models", Method::get, Surface::models, Dialect::openai},
    {"/anthropic/v1/models", "/v1/models", Method::get, Surface::models, Dialect::anthropic},
    {"/tollgate/v1/me", "", Method::get, Surface::me, Dialect::openai},
};

std::string_view method_list(Method method) {
  return method == Method::get ? "GET, HEAD" : "POST";
}

/// "name" of "/mcp/name" or "/mcp/name/rest".
std::string_view segment(std::string_view path, std::string_view& rest) {
  const std::size_t slash = path.find('/');
  rest = slash == std::string_view::npos ? std::string_view{} : path.substr(slash);
  return path.substr(0, slash);
}

/// What an upstream may make of a path: some take what follows a `;` for parameters, some cut white
/// space and slashes at its end.
std::string_view bare(std::string_view path) {
  path = path.substr(0, path.find(';'));
  const std::size_t last = path.find_last_not_of(" \t/");
  return last == std::string_view::npos ? std::string_view{} : path.substr(0, last + 1);
}

}  // namespace

std::string_view to_string(Surface surface) noexcept {
  return kNames[static_cast<std::size_t>(surface)];
}

Route match_route(const protocol::http::RequestHead& head,
                  const protocol::http::Target& target) noexcept {
  Route route;
  std::string_view path = target.path();
  // Upstreams serve a path with and without a slash at its end: so it is one path here too.
  if (path.size() > 1 && path.ends_with('/') && !path.starts_with("/mcp/") &&
      !path.starts_with("/a2a/"))
    path.remove_suffix(1);
  const bool is_get = head.method == Method::get || head.method == Method::head;
  const bool anthropic_caller = head.find(protocol::http::HeaderId::anthropic_version) != nullptr;
  for (const Exact& row : kExact) {
    if (row.path != path) {
      // Some upstreams would take it for the path; it must not pass as `other`.
      if (base::iequals(row.path, bare(path))) return route;
      continue;
    }
    route.surface = row.surface;
    route.dialect = row.dialect;
    // Both vendors list models at one path; their SDKs differ by this header.
    if (row.surface == Surface::models && anthropic_caller) route.dialect = Dialect::anthropic;
    route.allowed_methods = method_list(row.method);
    route.method_allowed = row.method == Method::get ? is_get : head.method == row.method;
    route.upstream_path = row.upstream_path;
    route.json_body = row.method == Method::post;
    return route;
  }
  std::string_view rest;
  if (path.starts_with("/mcp/")) {
    route.surface = Surface::mcp;
    route.dialect = Dialect::jsonrpc;
    route.name = segment(path.substr(5), rest);
    route.allowed_methods = "POST, GET, DELETE";
    route.method_allowed =
        head.method == Method::post || head.method == Method::get || head.method == Method::del;
    route.json_body = head.method == Method::post;
    if (!rest.empty()) route.surface = Surface::none;
    return route;
  }
  if (path.starts_with("/a2a/")) {
    route.surface = Surface::a2a;
    route.dialect = Dialect::jsonrpc;
    route.name = segment(path.substr(5), rest);
    if (rest.empty() || rest == "/") {
      route.allowed_methods = "POST";
      route.method_allowed = head.method == Method::post;
      route.json_body = true;
    } else if (rest == "/.well-known/agent-card.json" || rest == "/.well-known/agent.json") {
      route.agent_card = true;
      route.allowed_methods = "GET, HEAD";
      route.method_allowed = is_get;
    } else {
      route.surface = Surface::none;
    }
    return route;
  }
  if (path.starts_with("/v1/models/") && is_get) {
    route.surface = Surface::models;
    route.dialect = anthropic_caller ? Dialect::anthropic : Dialect::openai;
    route.name = path.substr(11);
    route.allowed_methods = "GET, HEAD";
    route.method_allowed = true;
    return route;
  }
  if (path.starts_with("/v1/")) {
    // Forwarded as it stands, and a virtual key goes to no provider.
    if (domain::keys::contains_key(path) || domain::keys::contains_key(target.raw_path()))
      return route;
    route.surface = Surface::other;
    route.dialect = anthropic_caller ? Dialect::anthropic : Dialect::openai;
    route.allowed_methods = "GET, HEAD, POST, PUT, PATCH, DELETE";
    route.method_allowed = head.method != Method::options;
    route.upstream_path = target.raw_path();
    return route;
  }
  if (path == "/" && is_get) {
    // Some agent CLIs probe the base URL before their first call.
    route.surface = Surface::probe;
    route.allowed_methods = "GET, HEAD";
    route.method_allowed = true;
    return route;
  }
  if (anthropic_caller) route.dialect = Dialect::anthropic;
  return route;
}

Dialect dialect_of_unchecked(std::string_view path) noexcept {
  if (path.starts_with("/mcp/") || path.starts_with("/a2a/")) return Dialect::jsonrpc;
  if (path.starts_with("/v1/messages") || path.starts_with("/anthropic/"))
    return Dialect::anthropic;
  return Dialect::openai;
}

}  // namespace tollgate::pipeline
