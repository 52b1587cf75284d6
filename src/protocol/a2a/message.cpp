#include "tollgate/protocol/a2a/message.hpp"

#include <algorithm>
#include <array>

namespace tollgate::protocol::a2a {
namespace {

using json::NodeRef;

struct MethodRow {
  Method method;
  std::string_view name;     ///< 0.3
  std::string_view v1_name;  ///< 1.0
  bool streaming;
  bool billable;
  bool repeatable;
};
constexpr MethodRow kMethods[] = {
    {Method::message_send, "message/send", "SendMessage", false, true, false},
    {Method::message_stream, "message/stream", "SendStreamingMessage", true, true, false},
    {Method::tasks_get, "tasks/get", "GetTask", false, false, true},
    {Method::tasks_list, "tasks/list", "ListTasks", false, false, true},
    {Method::tasks_cancel, "tasks/cancel", "CancelTask", false, false, false},
    {Method::tasks_resubscribe, "tasks/resubscribe", "SubscribeToTask", true, false, true},
    {Method::push_config_set, "tasks/pushNotificationConfig/set",
     "CreateTaskPushNotificationConfig", false, false, false},
    {Method::push_config_get, "tasks/pushNotificationConfig/get", "GetTaskPushNotificationConfig",
     false, false, true},
    {Method::push_config_list, "tasks/pushNotificationConfig/list",
     "ListTaskPushNotificationConfigs", false, false, true},
    {Method::push_config_delete, "tasks/pushNotificationConfig/delete",
     "DeleteTaskPushNotificationConfig", false, false, false},
    {Method::extended_card, "agent/getAuthenticatedExtendedCard", "GetExtendedAgentCard", false,
     false, true},
};

/// A member by either of its names: 1.0 is ProtoJSON, whose readers take both.
NodeRef find_either(NodeRef object, std::string_view camel, std::string_view snake) noexcept {
  const NodeRef found = object.find(camel);
  return found ? found : object.find(snake);
}

std::string_view text_of(NodeRef node) {
  return node.is_string() ? node.text() : std::string_view{};
}
std::string_view task_id_of(NodeRef object) {
  return text_of(find_either(object, "taskId", "task_id"));
}
std::string_view context_id_of(NodeRef object) {
  return text_of(find_either(object, "contextId", "context_id"));
}

bool key_is_one_of(NodeRef member, std::initializer_list<std::string_view> keys) noexcept {
  return std::any_of(keys.begin(), keys.end(),
                     [member](std::string_view key) { return member.key_is(key); });
}

/// Members that hold no text: ids, enumerations, base64, times, credentials for webhooks.
bool is_opaque(NodeRef member) noexcept {
  if (member.is_string() &&
      key_is_one_of(member,
                    {"id",         "messageId",     "message_id",     "taskId",      "task_id",
                     "contextId",  "context_id",    "artifactId",     "artifact_id", "kind",
                     "role",       "state",         "timestamp",      "mimeType",    "mime_type",
                     "mediaType",  "media_type",    "bytes",          "raw",         "pageToken",
                     "page_token", "nextPageToken", "next_page_token"}))
    return true;
  return key_is_one_of(
      member, {"pushNotificationConfig", "push_notification_config", "taskPushNotificationConfig",
               "task_push_notification_config", "referenceTaskIds", "reference_task_ids"});
}

void append_readable(NodeRef node, std::vector<json::TextRef>& out) {
  if (node.is_array()) {
    for (const NodeRef child : node.children()) append_readable(child, out);
  } else if (node.is_object()) {
    for (const NodeRef member : node.children()) {
      if (is_opaque(member)) continue;
      if (key_is_one_of(member, {"data", "metadata"})) {
        json::append_texts(member, true, out);  // free-form: keys count, no key is opaque
      } else {
        append_readable(member, out);
      }
    }
  } else {
    json::append_texts(node, false, out);
  }
}

bool ends_stream(std::string_view state) noexcept {
  constexpr std::string_view prefix = "TASK_STATE_";
  const bool v1 = state.starts_with(prefix);
  if (v1) state.remove_prefix(prefix.size());
  constexpr std::array<std::string_view, 6> lower = {
      "completed", "canceled", "failed", "rejected", "input-required", "auth-required"};
  constexpr std::array<std::string_view, 7> upper = {"COMPLETED",    "CANCELED", "CANCELLED",
                                                     "FAILED",       "REJECTED", "INPUT_REQUIRED",
                                                     "AUTH_REQUIRED"};
  return v1 ? std::find(upper.begin(), upper.end(), state) != upper.end()
            : std::find(lower.begin(), lower.end(), state) != lower.end();
}

}  // namespace

Call classify(const jsonrpc::Message& message) {
  Call call;
  call.name = message.method;
  for (const MethodRow& row : kMethods) {
    if (message.method != row.name && message.method != row.v1_name) continue;
    call.method = row.method;
    call.name = row.name;
    call.v1 = message.method == row.v1_name;
    call.streaming = row.streaming;
    call.billable = row.billable;
    call.safe_to_repeat = row.repeatable;
    break;
  }
  const NodeRef params = message.params;
  const NodeRef sent = params.find("message");
  call.task_id = sent ? task_id_of(sent) : task_id_of(params);
  call.context_id = sent ? context_id_of(sent) : context_id_of(params);
  // In the calls about a task, `id` is the task's; beside a `taskId` it is a push config's.
  if (call.task_id.empty() && !sent && call.method != Method::other)
    call.task_id = text_of(params.find("id"));
  return call;
}

TaskInfo read_result(NodeRef result) {
  TaskInfo info;
  NodeRef body = result;
  bool is_task =
      result.find("kind").text_is("task") || (result.find("id") && result.find("status"));
  bool is_message = result.find("kind").text_is("message");
  // 1.0 wraps: the member's name says what it is.
  if (!result.find("kind")) {
    constexpr std::pair<std::string_view, std::string_view> wrappers[] = {
        {"task", "task"},
        {"message", "message"},
        {"statusUpdate", "status_update"},
        {"artifactUpdate", "artifact_update"}};
    for (const auto& [camel, snake] : wrappers) {
      const NodeRef inner = find_either(result, camel, snake);
      if (!inner.is_object()) continue;
      body = inner;
      is_task = camel == "task";
      is_message = camel == "message";
      break;
    }
  }
  info.task_id = is_task ? text_of(body.find("id")) : task_id_of(body);
  info.context_id = context_id_of(body);
  info.state = text_of(body.find("status").find("state"));
  info.is_final =
      is_message || body.find("final").as_bool().value_or(false) || ends_stream(info.state);
  return info;
}

void append_request_texts(const jsonrpc::Message& message, std::vector<json::TextRef>& out) {
  const Method method = classify(message).method;
  if (method == Method::push_config_set || method == Method::push_config_get ||
      method == Method::push_config_list || method == Method::push_config_delete)
    return;
  append_readable(message.params, out);
}

void append_response_texts(const jsonrpc::Message& message, std::vector<json::TextRef>& out) {
  json::append_texts(message.error.find("message"), false, out);
  json::append_texts(message.error.find("data"), true, out);
  append_readable(message.result, out);
  append_readable(message.params, out);
}

}  // namespace tollgate::protocol::a2a
