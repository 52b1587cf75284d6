#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/result.hpp"
#include "tollgate/json/splice.hpp"
#include "tollgate/protocol/http/header_section.hpp"
#include "tollgate/protocol/jsonrpc/message.hpp"
#include "tollgate/protocol/jsonrpc/texts.hpp"

/// What the gateway must know of the Model Context Protocol, 2024-11-05 to 2026-07-28.
/// Source: the modelcontextprotocol repository, docs/specification, read 2026-11.
namespace tollgate::protocol::mcp {

/// Methods the gateway treats apart. `other` passes if the key may use the server.
enum class Method : std::uint8_t {
  initialize,
  ping,
  server_discover,
  tools_list,
  tools_call,
  resources_list,
  resources_templates_list,
  resources_read,
  resources_subscribe,
  resources_unsubscribe,
  prompts_list,
  prompts_get,
  completion_complete,
  logging_set_level,
  subscriptions_listen,
  tasks_get,
  tasks_result,
  tasks_list,
  tasks_cancel,
  notification,  ///< any notifications/...
  response,      ///< the answer to a server's request (sampling, elicitation, roots)
  other,
};

/// One message of a client, classified. Views live as long as the Document.
struct Call {
  Method method = Method::other;
  std::string_view method_name;  ///< as sent; empty for responses
  /// What it acts on: the tool's or prompt's name, the resource's URI; else empty.
  std::string_view subject;
  /// `_meta["io.modelcontextprotocol/protocolVersion"]`: present in 2026-07-28 and later only.
  std::string_view protocol_version;
  /// Stateless (2026-07-28 and later): no session, headers must repeat the body.
  bool modern = false;
};

/// Errors: invalid_request when a method that acts on something does not name it as a string.
[[nodiscard]] base::Result<Call> classify(const jsonrpc::Message& message);

/// Whether the call costs the per-call price: tools/call only.
[[nodiscard]] bool is_billable(const Call& call) noexcept;

/// Whether the call may be sent again when it is not known if the server had it.
/// @param idempotent_tools  globs over tool names, from the configuration; a server's own
///                          idempotentHint is not trusted
[[nodiscard]] bool is_safe_to_repeat(const Call& call,
                                     std::span<const std::string> idempotent_tools) noexcept;

/// A refusal in the words of MCP, where a base::Error has no number for it.
struct Fault {
  int http_status;
  int number;  ///< JSON-RPC error code
  std::string message;
};
inline constexpr int kHeaderMismatch = -32020;
inline constexpr int kMissingCapability = -32021;
inline constexpr int kUnsupportedVersion = -32022;
inline constexpr int kUrlElicitationRequired = -32042;
inline constexpr int kMethodNotFound = -32601;

/// 2026-07-28: MCP-Protocol-Version, Mcp-Method and (for calls, reads and prompts) Mcp-Name must be
/// there and say what the body says, or a header-reading hop and the server see different calls.
/// Absent when all is well, and for older versions, whose servers do not read these headers.
[[nodiscard]] std::optional<Fault> check_headers(const Call& call,
                                                 const http::HeaderSection& headers);

/// The HTTP status that goes with a JSON-RPC error of ours.
[[nodiscard]] int http_status_of(int number, bool modern) noexcept;

/// Whether a version, a date, is 2026-07-28 or later.
[[nodiscard]] bool is_modern_version(std::string_view version) noexcept;
/// 1 to 4096 visible ASCII characters.
[[nodiscard]] bool is_session_id(std::string_view text) noexcept;

// ---- text that somebody will read ----

/// Text in a message to the server, its envelope and `_meta` included. Left out: base64 where
/// binary content belongs. Names, cursors, tokens and opaque state are `fixed`.
void append_request_texts(const jsonrpc::Message& message, jsonrpc::Texts& out);
/// Text in a message to the agent: results of any method (content, structuredContent, resource
/// text, descriptions and schemas of tools), errors, and the server's requests and notifications.
void append_response_texts(const jsonrpc::Message& message, jsonrpc::Texts& out);

/// Text that a server may send in pieces over several notifications: log data, progress messages.
struct Continuing {
  json::NodeRef text;         ///< the string; nothing when the message is no such notification
  std::string_view kind;      ///< method
  std::string_view sequence;  ///< raw progress token, or the logger's name
};
[[nodiscard]] Continuing read_continuing(const jsonrpc::Message& message);

// ---- lists ----

/// Takes every tool that `allowed` refuses out of a tools/list result, element by element; the
/// bytes of the rest stay. A tool without a name is taken out.
/// @return how many were taken out; the edits are in `splicer`
std::size_t filter_tools(json::NodeRef result,
                         const std::function<bool(std::string_view name)>& allowed,
                         json::Splicer& splicer);

}  // namespace tollgate::protocol::mcp
