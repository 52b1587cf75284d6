#pragma once

#include <cstdint>
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

/// In whose words errors are told.
enum class Dialect : std::uint8_t { openai, anthropic, jsonrpc };

/// What one request asks for, read once from method, path and headers; authentication, dispatch and
/// the log all use this object. Views point into the Target.
class Route {
 public:
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

/// The route table: one row per path, most specific first. Unknown paths give Surface::none.
[[nodiscard]] Route match_route(const protocol::http::RequestHead& head,
                                const protocol::http::Target& target) noexcept;

/// In whose words a request is refused whose path was not accepted, by how its raw path begins.
[[nodiscard]] Dialect dialect_of_unchecked(std::string_view path) noexcept;

}  // namespace tollgate::pipeline
