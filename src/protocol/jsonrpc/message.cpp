#include "tollgate/protocol/jsonrpc/message.hpp"

#include "tollgate/json/writer.hpp"

namespace tollgate::protocol::jsonrpc {
namespace {

base::Error refuse(std::string message) {
  return base::Error(base::ErrorCode::invalid_request, std::move(message));
}

/// A string, a number or null (JSON-RPC 2.0, section 4). Fractions are allowed there, but two
/// spellings of one number would be two ids: only whole numbers here.
bool is_id(json::NodeRef id) {
  return id.is_string() || id.as_int64().has_value() || id.is_null();
}

}  // namespace

base::Result<Message> read_message(const json::Document& body) {
  Message message;
  message.root = body.root();
  if (message.root.is_array()) return refuse("JSON-RPC batches are not accepted");
  if (!message.root.is_object()) return refuse("a JSON-RPC message is an object");
  json::NodeRef version;
  for (const json::NodeRef member : message.root.children()) {
    if (member.key_is("jsonrpc")) {
      version = member;
    } else if (member.key_is("id")) {
      message.id = member;
    } else if (member.key_is("method")) {
      message.method_node = member;
    } else if (member.key_is("params")) {
      message.params = member;
    } else if (member.key_is("result")) {
      message.result = member;
    } else if (member.key_is("error")) {
      message.error = member;
    }
  }
  if (!version.text_is("2.0")) return refuse("`jsonrpc` must be \"2.0\"");
  if (message.id && !is_id(message.id)) {
    return refuse("`id` must be a string, a whole number or null");
  }
  message.id_raw = message.id.raw();
  if (!message.method_node) {
    if (!message.id || bool(message.result) == bool(message.error)) {
      return refuse("a message has a `method`, or an `id` with either `result` or `error`");
    }
    message.kind = MessageKind::response;
    return message;
  }
  if (!message.method_node.is_string() || message.method_node.raw().size() <= 2) {
    return refuse("`method` must be a string that is not empty");
  }
  if (message.result || message.error) {
    return refuse("a message with a `method` has no `result` and no `error`");
  }
  if (message.params && !message.params.is_object() && !message.params.is_array()) {
    return refuse("`params` must be an object or an array");
  }
  message.method = message.method_node.text();
  message.kind = message.id ? MessageKind::request : MessageKind::notification;
  return message;
}

std::string_view id_or_null(const json::Document& body) {
  const json::NodeRef id = body.root().find("id");
  return id && is_id(id) ? id.raw() : std::string_view("null");
}

int error_number(base::ErrorCode code) noexcept {
  using base::ErrorCode;
  switch (code) {
    case ErrorCode::invalid_json:
      return -32700;
    case ErrorCode::invalid_request:
    case ErrorCode::bad_http:
    case ErrorCode::request_timeout:
    case ErrorCode::request_too_large:
    case ErrorCode::uri_too_long:
    case ErrorCode::unsupported_media_type:
    case ErrorCode::expectation_failed:
    case ErrorCode::headers_too_large:
      return -32600;
    case ErrorCode::not_found:
    case ErrorCode::method_not_allowed:
    case ErrorCode::not_supported:
      return -32601;
    case ErrorCode::model_not_found:
      return -32602;
    case ErrorCode::internal_error:
    case ErrorCode::client_closed:
      return -32603;
    case ErrorCode::invalid_api_key:
      return -32010;
    case ErrorCode::permission_denied:
    case ErrorCode::model_not_allowed:
    case ErrorCode::origin_denied:
      return -32011;
    case ErrorCode::budget_exceeded:
    case ErrorCode::unpriced_model:
    case ErrorCode::unbounded_input:
      return -32012;
    case ErrorCode::guardrail_blocked:
      return -32013;
    case ErrorCode::rate_limited:
    case ErrorCode::loop_detected:
    case ErrorCode::upstream_rate_limited:
      return -32014;
    case ErrorCode::upstream_failed:
    case ErrorCode::upstream_invalid:
    case ErrorCode::upstream_cut:
    case ErrorCode::upstream_timeout:
    case ErrorCode::stream_limit:
    case ErrorCode::call_timeout:
      return -32015;
    case ErrorCode::no_deployment:
    case ErrorCode::overloaded:
    case ErrorCode::audit_unavailable:
    case ErrorCode::draining:
      return -32016;
  }
  return -32603;
}

std::string error_body(const base::Error& error, std::string_view id_raw,
                       std::string_view request_id, int upstream_status) {
  std::string out;
  json::Writer w(out);
  w.begin_object().member("jsonrpc", "2.0").key("id").raw(id_raw.empty() ? "null" : id_raw);
  w.key("error").begin_object().member("code", std::int64_t{error_number(error.code())});
  w.member("message", error.message()).key("data").begin_object();
  w.member("code", base::info(error.code()).name);
  if (upstream_status != 0) w.member("upstream_status", std::int64_t{upstream_status});
  if (!error.param().empty()) w.member("param", error.param());
  if (error.retry_after_s()) w.member("retry_after_s", *error.retry_after_s());
  if (!request_id.empty()) w.member("request_id", request_id);
  w.end_object().end_object().end_object();
  return out;
}

}  // namespace tollgate::protocol::jsonrpc
