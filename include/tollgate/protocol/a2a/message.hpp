#pragma once

#include <cstdint>
#include <string_view>

#include "tollgate/protocol/jsonrpc/message.hpp"
#include "tollgate/protocol/jsonrpc/texts.hpp"

/// What the gateway must know of Agent2Agent, versions 0.3 and 1.0, over JSON-RPC.
/// Source: the A2A repository, docs/specification.md at v0.3.0 and v1.0.1, read 2026-11.
namespace tollgate::protocol::a2a {

enum class Method : std::uint8_t {
  message_send,
  message_stream,
  tasks_get,
  tasks_list,
  tasks_cancel,
  tasks_resubscribe,
  push_config_set,
  push_config_get,
  push_config_list,
  push_config_delete,
  extended_card,
  other,
};

/// One call of a client, classified. Views live as long as the Document.
struct Call {
  Method method = Method::other;
  /// The one name for allow-lists and audit, whichever version was spoken: that of 0.3
  /// ("message/send", "tasks/pushNotificationConfig/set"); an unknown method's own.
  std::string_view name;
  std::string_view v1_name;  ///< that of 1.0 ("SendMessage"), for lists written in it
  bool v1 = false;           ///< the method was spelled as in 1.0
  /// `other`, but a known name in another letter case: an agent that is lenient would do what
  /// nobody here judged, so such a call is refused.
  bool is_misspelled = false;
  bool streaming = false;  ///< answered with server-sent events
  bool billable = false;   ///< makes the agent work: sending a message
  /// Sets a push notification configuration on the way, as push_config_set does.
  bool sets_push_config = false;
  /// May be sent again when it is not known if the agent had it.
  bool safe_to_repeat = false;
  /// Ids the agent made, for affinity and audit; empty when absent.
  std::string_view task_id;
  std::string_view context_id;
};
[[nodiscard]] Call classify(const jsonrpc::Message& message);
/// The method that sets a push notification configuration, in both versions' spellings.
inline constexpr std::string_view kSetPushConfig = "tasks/pushNotificationConfig/set";
inline constexpr std::string_view kSetPushConfigV1 = "CreateTaskPushNotificationConfig";
/// Whether the member is such a configuration, by any of its names.
[[nodiscard]] bool is_push_config(json::NodeRef member) noexcept;

/// What a result, or one event of a stream, tells about its task.
struct TaskInfo {
  std::string_view task_id;
  std::string_view context_id;
  std::string_view state;  ///< as sent: "completed" or "TASK_STATE_COMPLETED"; empty if none
  /// Nothing more follows in a stream: `final`, or a terminal or interrupted state.
  bool is_final = false;
};
[[nodiscard]] TaskInfo read_result(json::NodeRef result);

/// Text in a call, or in an answer that the agent posts: parts, data (keys too), metadata, and ids
/// and enumerations as `fixed`. Left out: base64 where file content belongs, and the token and
/// credentials of push notification settings, which are there on purpose.
void append_request_texts(const jsonrpc::Message& message, jsonrpc::Texts& out);
/// Text in an answer or in one event of a stream, errors and cards included.
void append_response_texts(const jsonrpc::Message& message, jsonrpc::Texts& out);

}  // namespace tollgate::protocol::a2a
