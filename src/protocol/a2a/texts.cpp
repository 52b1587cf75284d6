#include <algorithm>
#include <initializer_list>

#include "tollgate/protocol/a2a/message.hpp"

namespace tollgate::protocol::a2a {
namespace {

using json::NodeRef;
using jsonrpc::Texts;

bool key_is_one_of(NodeRef member, std::initializer_list<std::string_view> keys) noexcept {
  return std::any_of(keys.begin(), keys.end(),
                     [member](std::string_view key) { return member.key_is(key); });
}

/// Ids and enumerations, which the other side compares.
bool is_fixed(NodeRef member) noexcept {
  if (key_is_one_of(member, {"referenceTaskIds", "reference_task_ids"})) return true;
  return member.is_string() &&
         key_is_one_of(member, {"id",         "messageId",     "message_id",
                                "taskId",     "task_id",       "contextId",
                                "context_id", "artifactId",    "artifact_id",
                                "kind",       "role",          "state",
                                "timestamp",  "mimeType",      "mime_type",
                                "mediaType",  "media_type",    "pageToken",
                                "page_token", "nextPageToken", "next_page_token"});
}

/// File content of 0.3 (`bytes`) and 1.0 (`raw`). Anything else in its place is text.
bool is_binary(NodeRef member) noexcept {
  return key_is_one_of(member, {"bytes", "raw"}) && jsonrpc::is_base64(member);
}

/// Where and how an agent calls back. Token and credentials belong there; the rest may not change.
void append_push_config(NodeRef config, Texts& out) {
  if (!config.is_object()) {
    json::append_texts(config, true, out.fixed);
    return;
  }
  for (const NodeRef member : config.children()) {
    jsonrpc::append_odd_key(member, out.fixed);
    if (member.is_string() && key_is_one_of(member, {"token", "credentials"})) continue;
    if (member.is_object()) {
      append_push_config(member, out);
    } else {
      json::append_texts(member, true, out.fixed);
    }
  }
}

void append_member(NodeRef member, Texts& out) {
  jsonrpc::append_odd_key(member, out.editable);
  if (is_push_config(member)) {
    append_push_config(member, out);
  } else if (is_fixed(member)) {
    json::append_texts(member, true, out.fixed);
  } else if (key_is_one_of(member, {"data", "metadata"})) {
    json::append_texts(member, true, out.editable);  // free-form: keys count, nothing is opaque
  } else if (!is_binary(member)) {
    jsonrpc::append_shaped(member, out, append_member);
  }
}

void append_readable(NodeRef node, Texts& out) {
  jsonrpc::append_shaped(node, out, append_member);
}

}  // namespace

bool is_push_config(NodeRef member) noexcept {
  return key_is_one_of(member, {"pushNotificationConfig", "push_notification_config",
                                "taskPushNotificationConfig", "task_push_notification_config"});
}

void append_request_texts(const jsonrpc::Message& message, Texts& out) {
  jsonrpc::append_envelope(message, out);
  const Method method = classify(message).method;
  if (method == Method::push_config_set || method == Method::push_config_get ||
      method == Method::push_config_list || method == Method::push_config_delete) {
    append_push_config(message.params, out);
  } else {
    append_readable(message.params, out);
  }
  append_readable(message.result, out);
  jsonrpc::append_error(message.error, out);
}

void append_response_texts(const jsonrpc::Message& message, Texts& out) {
  jsonrpc::append_envelope(message, out);
  append_readable(message.params, out);
  append_readable(message.result, out);
  jsonrpc::append_error(message.error, out);
}

}  // namespace tollgate::protocol::a2a
