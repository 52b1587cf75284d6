#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tollgate/protocol/a2a/message.hpp"
#include "unit/mcp_a2a/parsed.hpp"

namespace tollgate::protocol::a2a {
namespace {

using protocol::testing::Parsed;
using protocol::testing::request;
using protocol::testing::response;
using protocol::testing::texts;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(A2aClassify, both_spellings_of_every_method) {
  struct Case {
    std::string_view v03, v1;
    Method method;
    bool streaming = false, billable = false, safe = true;
  };
  const Case cases[] = {
      {"message/send", "SendMessage", Method::message_send, false, true, false},
      {"message/stream", "SendStreamingMessage", Method::message_stream, true, true, false},
      {"tasks/get", "GetTask", Method::tasks_get},
      {"tasks/list", "ListTasks", Method::tasks_list},
      {"tasks/cancel", "CancelTask", Method::tasks_cancel, false, false, false},
      {"tasks/resubscribe", "SubscribeToTask", Method::tasks_resubscribe, true},
      {"tasks/pushNotificationConfig/set", "CreateTaskPushNotificationConfig",
       Method::push_config_set, false, false, false},
      {"tasks/pushNotificationConfig/get", "GetTaskPushNotificationConfig",
       Method::push_config_get},
      {"tasks/pushNotificationConfig/list", "ListTaskPushNotificationConfigs",
       Method::push_config_list},
      {"tasks/pushNotificationConfig/delete", "DeleteTaskPushNotificationConfig",
       Method::push_config_delete, false, false, false},
      {"agent/getAuthenticatedExtendedCard", "GetExtendedAgentCard", Method::extended_card},
  };
  for (const Case& c : cases) {
    for (const std::string_view spelling : {c.v03, c.v1}) {
      SCOPED_TRACE(spelling);
      const Parsed parsed = request(std::string(spelling), "{}");
      const Call call = classify(parsed.message);
      EXPECT_EQ(call.method, c.method);
      EXPECT_EQ(call.name, c.v03);
      EXPECT_EQ(call.v1, spelling == c.v1);
      EXPECT_EQ(call.streaming, c.streaming);
      EXPECT_EQ(call.billable, c.billable);
      EXPECT_EQ(call.safe_to_repeat, c.safe);
    }
  }
  const Parsed parsed = request("vendor/thing", "{}");
  const Call call = classify(parsed.message);
  EXPECT_EQ(call.method, Method::other);
  EXPECT_EQ(call.name, "vendor/thing");
  EXPECT_FALSE(call.billable || call.streaming || call.safe_to_repeat);
  EXPECT_EQ(classify(request("Message/Send", "{}").message).method, Method::other);
}

TEST(A2aClassify, ids) {
  struct Case {
    std::string_view method, params, task, context;
  };
  const Case cases[] = {
      {"message/send", R"({"message":{"messageId":"m","taskId":"t","contextId":"c"}})", "t", "c"},
      {"SendMessage", R"({"message":{"message_id":"m","task_id":"t","context_id":"c"}})", "t", "c"},
      {"message/send", R"({"message":{"messageId":"m"},"id":"not a task"})", "", ""},
      {"tasks/get", R"({"id":"t"})", "t", ""},
      {"GetTask", R"({"id":"t","historyLength":1})", "t", ""},
      {"ListTasks", R"({"contextId":"c"})", "", "c"},
      {"tasks/pushNotificationConfig/set", R"({"taskId":"t","pushNotificationConfig":{"id":"p"}})",
       "t", ""},
      {"GetTaskPushNotificationConfig", R"({"taskId":"t","id":"p"})", "t", ""},
      {"vendor/x", R"({"id":"y"})", "", ""},
      {"tasks/get", R"({"id":7})", "", ""},
      {"tasks/get", R"(["t"])", "", ""},
  };
  for (const Case& c : cases) {
    const Parsed parsed = request(std::string(c.method), std::string(c.params));
    const Call call = classify(parsed.message);
    EXPECT_EQ(call.task_id, c.task) << c.params;
    EXPECT_EQ(call.context_id, c.context) << c.params;
  }
}

TEST(A2aResult, both_shapes) {
  struct Case {
    std::string_view result, task, context, state;
    bool is_final = false;
  };
  const Case cases[] = {
      {R"({"kind":"task","id":"t","contextId":"c","status":{"state":"submitted"}})", "t", "c",
       "submitted"},
      {R"({"kind":"task","id":"t","contextId":"c","status":{"state":"completed"}})", "t", "c",
       "completed", true},
      {R"({"kind":"message","messageId":"m","taskId":"t","contextId":"c"})", "t", "c", "", true},
      {R"({"kind":"status-update","taskId":"t","contextId":"c","status":{"state":"working"},"final":false})",
       "t", "c", "working"},
      {R"({"kind":"status-update","taskId":"t","contextId":"c","status":{"state":"working"},"final":true})",
       "t", "c", "working", true},
      {R"({"kind":"artifact-update","taskId":"t","contextId":"c","artifact":{}})", "t", "c", ""},
      {R"({"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}})", "t", "c",
       "TASK_STATE_WORKING"},
      {R"({"task":{"id":"t","status":{"state":"TASK_STATE_INPUT_REQUIRED"}}})", "t", "",
       "TASK_STATE_INPUT_REQUIRED", true},
      {R"({"message":{"messageId":"m","contextId":"c"}})", "", "c", "", true},
      {R"({"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_FAILED"}}})",
       "t", "c", "TASK_STATE_FAILED", true},
      {R"({"status_update":{"task_id":"t","status":{"state":"TASK_STATE_CANCELED"}}})", "t", "",
       "TASK_STATE_CANCELED", true},
      {R"({"artifactUpdate":{"taskId":"t","contextId":"c"}})", "t", "c", ""},
      {R"({"id":"t","contextId":"c","status":{"state":"TASK_STATE_COMPLETED"}})", "t", "c",
       "TASK_STATE_COMPLETED", true},
      {R"({"tasks":[]})", "", "", ""},
      {R"("odd")", "", "", ""},
  };
  for (const Case& c : cases) {
    const Parsed parsed = response(std::string(c.result));
    const TaskInfo info = read_result(parsed.message.result);
    EXPECT_EQ(info.task_id, c.task) << c.result;
    EXPECT_EQ(info.context_id, c.context) << c.result;
    EXPECT_EQ(info.state, c.state) << c.result;
    EXPECT_EQ(info.is_final, c.is_final) << c.result;
  }
}

std::vector<std::string> request_texts(const Parsed& parsed) {
  std::vector<json::TextRef> out;
  append_request_texts(parsed.message, out);
  return texts(out);
}
std::vector<std::string> response_texts(const Parsed& parsed) {
  std::vector<json::TextRef> out;
  append_response_texts(parsed.message, out);
  return texts(out);
}

TEST(A2aTexts, of_requests) {
  EXPECT_THAT(
      request_texts(request(
          "message/send",
          R"({"message":{"kind":"message","messageId":"m","role":"user","taskId":"t","parts":[)"
          R"({"kind":"text","text":"a"},{"kind":"data","data":{"id":"x","n":4111111111111111}},)"
          R"({"kind":"file","file":{"name":"f","mimeType":"a/b","bytes":"QUJD","uri":"u"}}],)"
          R"("metadata":{"k":"v"}},"configuration":{"pushNotificationConfig":{"token":"s"}}})")),
      ElementsAre("a", "#id", "x", "#n", "4111111111111111", "f", "u", "#k", "v"));
  EXPECT_THAT(
      request_texts(request(
          "SendMessage", R"({"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"a"},)"
                         R"({"data":{"x":"b"},"mediaType":"a/b"},{"raw":"QUJD","filename":"f"},)"
                         R"({"url":"u"}]}})")),
      ElementsAre("a", "#x", "b", "f", "u"));
  EXPECT_THAT(request_texts(request("tasks/get", R"({"id":"t"})")), IsEmpty());
  EXPECT_THAT(
      request_texts(request("CreateTaskPushNotificationConfig",
                            R"({"taskId":"t","url":"u","authentication":{"credentials":"s"}})")),
      IsEmpty());
  // An id that is no string hides nothing.
  EXPECT_THAT(request_texts(request("message/send", R"({"message":{"role":{"x":"a"}}})")),
              ElementsAre("a"));
}

TEST(A2aTexts, of_responses_and_stream_events) {
  EXPECT_THAT(
      response_texts(response(
          R"({"kind":"task","id":"t","status":{"state":"working","message":{"parts":[)"
          R"({"kind":"text","text":"a"}]},"timestamp":"now"},"artifacts":[{"artifactId":"i",)"
          R"("name":"n","description":"d","parts":[{"kind":"text","text":"b"}]}],)"
          R"("history":[{"parts":[{"text":"c"}]}]})")),
      ElementsAre("a", "n", "d", "b", "c"));
  EXPECT_THAT(
      response_texts(response(
          R"({"artifactUpdate":{"taskId":"t","artifact":{"parts":[{"data":{"k":"v"}}]}}})")),
      ElementsAre("#k", "v"));
  EXPECT_THAT(
      response_texts(Parsed(
          R"({"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m","data":[{"r":"x"}]}})")),
      ElementsAre("m", "#r", "x"));
}

}  // namespace
}  // namespace tollgate::protocol::a2a
