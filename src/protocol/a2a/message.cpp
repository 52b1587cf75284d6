#include "tollgate/protocol/a2a/message.hpp"

#include <algorithm>
#include <array>

#include "protocol/a2a/members.hpp"
#include "tollgate/base/strings.hpp"

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
    {Method::push_config_set, kSetPushConfig, kSetPushConfigV1, false, false, false},
    {Method::push_config_get, "tasks/pushNotificationConfig/get", "GetTaskPushNotificationConfig",
     false, false, true},
    {Method::push_config_list, "tasks/pushNotificationConfig/list",
     "ListTaskPushNotificationConfigs", false, false, true},
    {Method::push_config_delete, "tasks/pushNotificationConfig/delete",
     "DeleteTaskPushNotificationConfig", false, false, false},
    {Method::extended_card, "agent/getAuthenticatedExtendedCard", "GetExtendedAgentCard", false,
     false, true},
};

/// 0.2 and the prose of 0.3 leave out the `get`; agents answer it as the other.
constexpr std::string_view kOldExtendedCard = "agent/authenticatedExtendedCard";

std::string_view text_of(NodeRef node) {
  return node.is_string() ? node.text() : std::string_view{};
}
std::string_view task_id_of(NodeRef object) {
  return text_of(find_either(object, "taskId", "task_id"));
}
std::string_view context_id_of(NodeRef object) {
  return text_of(find_either(object, "contextId", "context_id"));
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
  call.name = call.v1_name = message.method;
  for (const MethodRow& row : kMethods) {
    const bool old = row.method == Method::extended_card && message.method == kOldExtendedCard;
    if (message.method != row.name && message.method != row.v1_name && !old) {
      call.is_misspelled = call.is_misspelled || base::iequals(message.method, row.name) ||
                           base::iequals(message.method, row.v1_name);
      continue;
    }
    call.method = row.method;
    call.name = row.name;
    call.v1_name = row.v1_name;
    call.v1 = message.method == row.v1_name;
    call.is_misspelled = false;
    call.streaming = row.streaming;
    call.billable = row.billable;
    call.safe_to_repeat = row.repeatable;
    break;
  }
  const NodeRef params = message.params;
  for (const NodeRef member : params.find("configuration").children())
    call.sets_push_config = call.sets_push_config || (is_push_config(member) && !member.is_null());
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

}  // namespace tollgate::protocol::a2a
