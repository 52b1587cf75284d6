#include "tollgate/pipeline/route.hpp"

#include <algorithm>
#include <array>

#include "tollgate/base/strings.hpp"
#include "tollgate/domain/keys/key_format.hpp"

namespace tollgate::pipeline {

using protocol::http::Method;

namespace {

constexpr std::array<std::string_view, kSurfaces> kNames = {
    "chat", "embeddings", "messages", "count_tokens", "models", "other",
    "mcp",  "a2a",        "me",       "probe",        "none"};

using Then = RouteRow::Then;

constexpr RouteRow kRows[] = {
    {.path = "/v1/chat/completions",
     .surface = Surface::chat,
     .upstream_path = "/v1/chat/completions"},
    {.path = "/v1/embeddings", .surface = Surface::embeddings, .upstream_path = "/v1/embeddings"},
    {.path = "/v1/messages",
     .surface = Surface::messages,
     .dialect = Dialect::anthropic,
     .upstream_path = "/v1/messages"},
    {.path = "/anthropic/v1/messages",
     .surface = Surface::messages,
     .dialect = Dialect::anthropic,
     .upstream_path = "/v1/messages"},
    {.path = "/v1/messages/count_tokens",
     .surface = Surface::count_tokens,
     .dialect = Dialect::anthropic,
     .upstream_path = "/v1/messages/count_tokens"},
    {.path = "/anthropic/v1/messages/count_tokens",
     .surface = Surface::count_tokens,
     .dialect = Dialect::anthropic,
     .upstream_path = "/v1/messages/count_tokens"},
    {.path = "/v1/models",
     .methods = Methods::get,
     .surface = Surface::models,
     .upstream_path = "/v1/models"},
    {.path = "/anthropic/v1/models",
     .methods = Methods::get,
     .surface = Surface::models,
     .dialect = Dialect::anthropic,
     .upstream_path = "/v1/models"},
    {.path = "/tollgate/v1/me", .methods = Methods::get, .surface = Surface::me},
    {.path = "/mcp/",
     .then = Then::name,
     .methods = Methods::rpc,
     .surface = Surface::mcp,
     .dialect = Dialect::jsonrpc},
    {.path = "/a2a/", .then = Then::name, .surface = Surface::a2a, .dialect = Dialect::jsonrpc},
    {.path = "/a2a/",
     .then = Then::name,
     .rest = "/",
     .surface = Surface::a2a,
     .dialect = Dialect::jsonrpc},
    {.path = "/a2a/",
     .then = Then::name,
     .rest = "/.well-known/agent-card.json",
     .methods = Methods::get,
     .surface = Surface::a2a,
     .dialect = Dialect::jsonrpc},
    {.path = "/a2a/",
     .then = Then::name,
     .rest = "/.well-known/agent.json",
     .methods = Methods::get,
     .surface = Surface::a2a,
     .dialect = Dialect::jsonrpc},
    {.path = "/v1/models/",
     .then = Then::long_name,
     .methods = Methods::get,
     .is_for_its_methods = true,
     .surface = Surface::models},
    {.path = "/v1/", .then = Then::long_name, .methods = Methods::any, .surface = Surface::other},
    // Some agent CLIs probe the base URL before their first call.
    {.path = "/", .methods = Methods::get, .is_for_its_methods = true, .surface = Surface::probe},
};

std::string_view method_list(Methods methods) {
  switch (methods) {
    case Methods::get:
      return "GET, HEAD";
    case Methods::post:
      return "POST";
    case Methods::rpc:
      return "POST, GET, DELETE";
    case Methods::any:
      return "GET, HEAD, POST, PUT, PATCH, DELETE";
  }
  return {};
}

bool is_rpc_path(std::string_view path) {
  return path.starts_with("/mcp/") || path.starts_with("/a2a/");
}

bool fits(const RouteRow& row, std::string_view path, std::string_view& name) {
  if (row.then == Then::nothing) return path == row.path;
  if (!path.starts_with(row.path)) return false;
  name = path.substr(row.path.size());
  if (row.then == Then::long_name) return true;
  const std::size_t slash = std::min(name.find('/'), name.size());
  const bool is_all = name.substr(slash) == row.rest;
  name = name.substr(0, slash);
  return is_all;
}

/// What an upstream may make of a path: some take what follows a `;` for parameters, some cut white
/// space and slashes at its end.
std::string_view bare(std::string_view path) {
  path = path.substr(0, path.find(';'));
  const std::size_t last = path.find_last_not_of(" \t/");
  return last == std::string_view::npos ? std::string_view{} : path.substr(0, last + 1);
}

}  // namespace

std::span<const RouteRow> route_table() noexcept {
  return kRows;
}

bool admits(Methods methods, Method method) noexcept {
  const bool is_get = method == Method::get;
  switch (methods) {
    case Methods::get:
      return is_get || method == Method::head;
    case Methods::post:
      return method == Method::post;
    case Methods::rpc:
      return is_get || method == Method::post || method == Method::del;
    case Methods::any:
      return method != Method::options;
  }
  return false;
}

bool is_limited(Surface surface) noexcept {
  switch (surface) {
    case Surface::chat:
    case Surface::embeddings:
    case Surface::messages:
    case Surface::count_tokens:
    case Surface::models:
    case Surface::other:
    case Surface::mcp:
    case Surface::a2a:
      return true;
    case Surface::me:
    case Surface::probe:
    case Surface::none:
      return false;
  }
  return true;
}

std::string_view to_string(Surface surface) noexcept {
  return kNames[static_cast<std::size_t>(surface)];
}

Route match_route(const protocol::http::RequestHead& head,
                  const protocol::http::Target& target) noexcept {
  Route route;
  std::string_view path = target.path();
  const bool is_rpc = is_rpc_path(path);
  // Upstreams serve a path with and without a slash at its end: so it is one path here too.
  if (path.size() > 1 && path.ends_with('/') && !is_rpc) path.remove_suffix(1);
  const bool anthropic_caller = head.find(protocol::http::HeaderId::anthropic_version) != nullptr;
  const std::string_view taken_for = bare(path);
  for (const RouteRow& row : kRows) {
    std::string_view name;
    if (!fits(row, path, name)) {
      // Some upstreams would take it for the path; it must not pass as `other`.
      if (row.then == Then::nothing && base::iequals(row.path, taken_for)) return route;
      continue;
    }
    const bool is_admitted = admits(row.methods, head.method);
    if (row.is_for_its_methods && !is_admitted) continue;
    const bool is_other = row.surface == Surface::other;
    // Forwarded as it stands, and a virtual key goes to no provider.
    if (is_other &&
        (domain::keys::contains_key(path) || domain::keys::contains_key(target.raw_path())))
      return route;
    route.row = &row;
    route.surface = row.surface;
    route.dialect = row.dialect;
    // Both vendors have these paths; their SDKs differ by this header.
    if ((is_other || row.surface == Surface::models) && anthropic_caller)
      route.dialect = Dialect::anthropic;
    route.allowed_methods = method_list(row.methods);
    route.method_allowed = is_admitted;
    if (!is_other) route.name = name;
    route.upstream_path = is_other ? target.raw_path() : row.upstream_path;
    route.json_body = head.method == Method::post && !is_other;
    route.agent_card = row.surface == Surface::a2a && row.methods == Methods::get;
    return route;
  }
  if (is_rpc) {
    route.dialect = Dialect::jsonrpc;
  } else if (anthropic_caller) {
    route.dialect = Dialect::anthropic;
  }
  return route;
}

Dialect dialect_of_unchecked(std::string_view path) noexcept {
  if (is_rpc_path(path)) return Dialect::jsonrpc;
  if (path.starts_with("/v1/messages") || path.starts_with("/anthropic/"))
    return Dialect::anthropic;
  return Dialect::openai;
}

}  // namespace tollgate::pipeline
