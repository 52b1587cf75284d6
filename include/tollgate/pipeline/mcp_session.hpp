#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tollgate/config/snapshot.hpp"

/// MCP session ids as agents see them: the server's own id, sealed for one key and one server
/// (docs/adr/0007-mcp-sessions.md). No table: any worker, and any replica that shares
/// `mcp_session_secret`, can tell whose session an id is.
namespace tollgate::pipeline {

class McpSessions {
 public:
  /// @param config  its `mcp_session_secret` seals; without one a secret of this process does, so
  ///                that sessions end with it
  explicit McpSessions(const config::Snapshot& config);

  /// The id for the agent: "tg1-", 32 hex digits of HMAC-SHA256 over key, server and id, "-", id.
  /// 37 bytes longer than the server's. @param upstream_id  visible ASCII
  [[nodiscard]] std::string seal(std::string_view key_id, std::string_view server,
                                 std::string_view upstream_id) const;
  /// The server's id (a part of `sealed`), or nothing when this key did not open the session, or
  /// not on this server. Constant time in the seal.
  [[nodiscard]] std::optional<std::string_view> open(std::string_view key_id,
                                                     std::string_view server,
                                                     std::string_view sealed) const;

 private:
  [[nodiscard]] std::string tag(std::string_view key_id, std::string_view server,
                                std::string_view upstream_id) const;
  std::string_view secret_;
};

/// What the record calls a session: "mcp-" and 32 hex digits of its digest. The id itself opens the
/// session, and is in no row.
[[nodiscard]] std::string session_label(std::string_view upstream_id);

}  // namespace tollgate::pipeline
