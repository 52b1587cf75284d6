#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "tollgate/protocol/http/request_head.hpp"
#include "tollgate/protocol/http/target.hpp"

namespace tollgate::pipeline {

/// What an agent can talk to. The names are those of `allow.surfaces` and of the audit log.
enum class Surface : std::uint8_t {
  chat,
  embeddings,
  messages,
  count_tokens,
  models,
  other,
  mcp,
  a2a,
  me,
  probe,
  none
};
[[nodiscard]] std::string_view to_string(Surface surface) noexcept;
inline constexpr std::size_t kSurfaces = static_cast<std::size_t>(Surface::none) + 1;
/// Whether budgets and rate limits of the caller stop it here. All but how a caller learns what has
/// stopped it (`me`) and what needs no key; without default, so that a new surface has to say.
[[nodiscard]] bool is_limited(Surface surface) noexcept;

/// In whose words errors are told.
enum class Dialect : std::uint8_t { openai, anthropic, jsonrpc };

/// Which methods a path takes.
enum class Methods : std::uint8_t {
  get,   ///< and HEAD
  post,  ///< its body is JSON
  rpc,   ///< POST with JSON, GET of a stream, DELETE of a session
  any,   ///< all but OPTIONS
};
[[nodiscard]] bool admits(Methods methods, protocol::http::Method method) noexcept;

/// One row of the route table. Every request that is served matched one: what must hold on every
/// path is tested over route_table().
struct RouteRow {
  /// How a path goes on behind `path`.
  enum class Then : std::uint8_t {
    nothing,
    name,      ///< up to the next slash, and then `rest`
    long_name  ///< whatever it holds
  };
  std::string_view path;
  Then then = Then::nothing;
  std::string_view rest = {};
  Methods methods = Methods::post;
  /// With another method the path may be that of a later row.
  bool is_for_its_methods = false;
  Surface surface = Surface::none;
  Dialect dialect = Dialect::openai;
  std::string_view upstream_path = {};  ///< of `other` it is the path as it came
};

/// Most specific first.
[[nodiscard]] std::span<const RouteRow> route_table() noexcept;

/// What one request asks for, read once from method, path and headers; authentication, dispatch and
/// the log all use this object. Views point into the Target.
class Route {
 public:
  const RouteRow* row = nullptr;  ///< null for Surface::none
  Surface surface = Surface::none;
  Dialect dialect = Dialect::openai;
  bool method_allowed = false;
  /// Comma list for the Allow header of a 405.
  std::string_view allowed_methods;
  /// MCP server, A2A agent, or the model of /v1/models/{id}; empty when there is none.
  std::string_view name;
  /// The A2A agent card is asked for.
  bool agent_card = false;
  /// The path an upstream of the same dialect knows ("/v1/messages"), raw.
  std::string_view upstream_path;
  /// The body must be JSON (all but `other`).
  bool json_body = false;
};

/// By the first row of the route table that fits. Unknown paths give Surface::none.
[[nodiscard]] Route match_route(const protocol::http::RequestHead& head,
                                const protocol::http::Target& target) noexcept;

/// In whose words a request is refused whose path was not accepted, by how its raw path begins.
[[nodiscard]] Dialect dialect_of_unchecked(std::string_view path) noexcept;

}  // namespace tollgate::pipeline
