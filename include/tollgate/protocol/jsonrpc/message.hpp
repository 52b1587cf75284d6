#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tollgate/base/result.hpp"
#include "tollgate/json/document.hpp"

namespace tollgate::protocol::jsonrpc {

enum class MessageKind : std::uint8_t { request, notification, response };

/// One JSON-RPC 2.0 message, as MCP and A2A send it. Views point into the Document.
struct Message {
  MessageKind kind = MessageKind::request;
  std::string_view method;  ///< unescaped; empty for responses
  /// The id's bytes (`7`, `"a1"`, `null`), to be sent back as they are; empty for notifications.
  std::string_view id_raw;
  json::NodeRef root, id, method_node, params, result, error;
};

/// Reads a message from a parsed body.
/// Errors: invalid_request for a batch (removed from MCP in 2025-06-18, never in A2A), a `jsonrpc`
/// other than "2.0", an id that is not a string, integer or null, a method that is not a string,
/// params that are not an object or array, or a shape that is none of the three kinds.
[[nodiscard]] base::Result<Message> read_message(const json::Document& body);

/// The id of a body that read_message refused, to answer with; "null" when it has no usable one.
[[nodiscard]] std::string_view id_or_null(const json::Document& body);

/// JSON-RPC's number for one of our codes. -32700, -32600, -32601, -32602 and -32603 as the
/// specification has them; what has no number there is in -32010..-32019, which neither MCP
/// (-32002, -32020..-32099) nor A2A (-32001..-32009) uses; docs/errors.md lists them.
[[nodiscard]] int error_number(base::ErrorCode code) noexcept;

/// `{"jsonrpc":"2.0","id":…,"error":{"code":…,"message":…,"data":{"code":…,"request_id":…}}}`.
/// @param id_raw  JSON bytes of the id; empty is written as null.
/// @param upstream_status  of the HTTP answer the error is about; 0 when it is about none
[[nodiscard]] std::string error_body(const base::Error& error, std::string_view id_raw,
                                     std::string_view request_id, int upstream_status = 0);

}  // namespace tollgate::protocol::jsonrpc
