#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tollgate/protocol/a2a/message.hpp"
#include "tollgate/protocol/a2a/updates.hpp"
#include "unit/mcp_a2a/parsed.hpp"

namespace tollgate::protocol::a2a {
namespace {

using protocol::testing::Parsed;
using protocol::testing::request;
using protocol::testing::response;
using protocol::testing::texts;
using ::testing::ElementsAre;

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
      EXPECT_EQ(call.v1_name, c.v1);
      EXPECT_FALSE(call.is_misspelled);
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
  EXPECT_FALSE(call.is_misspelled);
  EXPECT_EQ(call.v1_name, "vendor/thing");
  for (const std::string near : {"Message/Send", "sendmessage", "TASKS/GET"}) {
    const Parsed other = request(near, "{}");
    EXPECT_EQ(classify(other.message).method, Method::other);
    EXPECT_TRUE(classify(other.message).is_misspelled) << near;
  }
  const Parsed old_card = request("agent/authenticatedExtendedCard", "{}");
  EXPECT_EQ(classify(old_card.message).method, Method::extended_card);
  EXPECT_EQ(classify(old_card.message).v1_name, "GetExtendedAgentCard");
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

TEST(A2aClassify, a_message_may_set_where_its_task_calls_back) {
  const std::pair<const char*, bool> cases[] = {
      {R"({"configuration":{"pushNotificationConfig":{"url":"u"}}})", true},
      {R"({"configuration":{"push_notification_config":{}}})", true},
      {R"({"configuration":{"blocking":true,"taskPushNotificationConfig":{"url":"u"}}})", true},
      {R"({"configuration":{"task_push_notification_config":{"url":"u"}}})", true},
      {R"({"configuration":{"push\u004eotificationConfig":{"url":"u"}}})", true},
      {R"({"configuration":{"pushNotificationConfig":null}})", false},
      {R"({"configuration":{"blocking":true}})", false},
      {R"({"configuration":[]})", false},
      {R"({"pushNotificationConfig":{"url":"u"}})", false},
  };
  for (const auto& [params, expected] : cases) {
    for (const char* method : {"message/send", "SendMessage", "SendStreamingMessage", "vendor/x"}) {
      const testing::Parsed parsed(std::string(R"({"jsonrpc":"2.0","id":1,"method":")") + method +
                                   R"(","params":)" + params + "}");
      EXPECT_EQ(classify(parsed.message).sets_push_config, expected) << method << " " << params;
    }
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
  jsonrpc::Texts out;
  append_request_texts(parsed.message, out);
  return texts(out);
}
std::vector<std::string> response_texts(const Parsed& parsed) {
  jsonrpc::Texts out;
  append_response_texts(parsed.message, out);
  return texts(out);
}

TEST(A2aTexts, of_requests) {
  const std::string file = std::string(300, 'Q') + "UI=";
  EXPECT_THAT(
      request_texts(request(
          "message/send",
          R"({"message":{"kind":"message","messageId":"m","role":"user","taskId":"t","parts":[)"
          R"({"kind":"text","text":"a"},{"kind":"data","data":{"id":"x","n":4111111111111111}},)"
          R"({"kind":"file","file":{"name":"f","mimeType":"a/b","bytes":")" +
              file +
              R"(","uri":"u"}}],"metadata":{"k":"v"}},"configuration":{"pushNotificationConfig":)"
              R"({"url":"w","token":"s","authentication":{"credentials":"c","schemes":["B"]}}}})")),
      ElementsAre("a", "#id", "x", "#n", "4111111111111111", "f", "u", "#k", "v", "=message/send",
                  "=message", "=m", "=user", "=t", "=text", "=data", "=file", "=a/b", "=w", "=B"));
  EXPECT_THAT(
      request_texts(request(
          "SendMessage", R"({"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"a"},)"
                         R"({"data":{"x":"b"},"mediaType":"a/b"},{"raw":"QUJD","filename":"f"},)"
                         R"({"url":"u"}]}})")),
      ElementsAre("a", "#x", "b", "QUJD", "f", "u", "=SendMessage", "=m", "=ROLE_USER", "=a/b"));
  EXPECT_THAT(request_texts(request("tasks/get", R"({"id":"t"})")),
              ElementsAre("=tasks/get", "=t"));
  EXPECT_THAT(
      request_texts(request("CreateTaskPushNotificationConfig",
                            R"({"taskId":"t","url":"u","authentication":{"credentials":"s"}})")),
      ElementsAre("=CreateTaskPushNotificationConfig", "=t", "=u"));
  // An id that is no string hides nothing.
  EXPECT_THAT(request_texts(request("message/send", R"({"message":{"role":{"x":"a"}}})")),
              ElementsAre("a", "=message/send"));
  EXPECT_THAT(request_texts(response(R"({"parts":[{"text":"a"}]})")), ElementsAre("a"));
}

TEST(A2aTexts, of_responses_and_stream_events) {
  EXPECT_THAT(
      response_texts(response(
          R"({"kind":"task","id":"t","status":{"state":"working","message":{"parts":[)"
          R"({"kind":"text","text":"a"}]},"timestamp":"now"},"artifacts":[{"artifactId":"i",)"
          R"("name":"n","description":"d","parts":[{"kind":"text","text":"b"}]}],)"
          R"("history":[{"parts":[{"text":"c"}]}]})")),
      ElementsAre("a", "n", "d", "b", "c", "=task", "=t", "=working", "=text", "=now", "=i",
                  "=text"));
  EXPECT_THAT(
      response_texts(response(
          R"({"artifactUpdate":{"taskId":"t","artifact":{"parts":[{"data":{"k":"v"}}]}}})")),
      ElementsAre("#k", "v", "=t"));
  EXPECT_THAT(
      response_texts(Parsed(
          R"({"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m","data":[{"r":"x"}]}})")),
      ElementsAre("m", "#r", "x"));
}

TEST(A2aUpdates, of_artifacts_in_both_shapes) {
  for (
      const std::string result :
      {R"({"kind":"artifact-update","taskId":"t","contextId":"c","append":true,"lastChunk":true,)"
       R"("artifact":{"artifactId":"a","parts":[{"kind":"text","text":"x"},{"data":1},{"text":"y"}]}})",
       R"({"artifactUpdate":{"taskId":"t","contextId":"c","append":true,"lastChunk":true,)"
       R"("artifact":{"artifactId":"a","parts":[{"text":"x"},{"text":7},{"text":"y"}]}}})",
       R"({"artifact_update":{"task_id":"t","context_id":"c","append":true,"last_chunk":true,)"
       R"("artifact":{"artifact_id":"a","parts":[{"text":"x"},{"text":"y"}]}}})"}) {
    SCOPED_TRACE(result);
    const Parsed parsed = response(result);
    const ArtifactUpdate update = read_artifact_update(parsed.message.result);
    ASSERT_TRUE(update);
    EXPECT_TRUE(update.append && update.last);
    EXPECT_TRUE(update.task_id.text_is("t"));
    EXPECT_TRUE(update.artifact_id.text_is("a"));
    std::vector<json::NodeRef> parts;
    append_part_texts(update.parts, parts);
    ASSERT_EQ(parts.size(), 2u);
    EXPECT_TRUE(parts[0].text_is("x") && parts[1].text_is("y"));
    // What is added later is an update of the same artifact, in the same shape.
    ArtifactAddress address;
    address.assign(parsed.message.id_raw, update);
    std::string text;
    append_artifact_text(text, address, "say \"z\"");
    const Parsed added(text);
    EXPECT_EQ(added.message.id_raw, "1");
    const ArtifactUpdate more = read_artifact_update(added.message.result);
    ASSERT_TRUE(more) << text;
    EXPECT_EQ(more.v1, update.v1);
    EXPECT_TRUE(more.append && !more.last);
    EXPECT_TRUE(more.task_id.text_is("t") && more.context_id.text_is("c") &&
                more.artifact_id.text_is("a"));
    EXPECT_TRUE(more.parts.at(0).find("text").text_is("say \"z\""));
  }
  for (const std::string other :
       {R"({"kind":"task","id":"t"})", R"("x")", R"({"artifactUpdate":{}})", R"({"artifact":[]})"})
    EXPECT_FALSE(read_artifact_update(response(other).message.result)) << other;
}

TEST(A2aUpdates, of_a_status) {
  const Parsed old = response(
      R"({"kind":"status-update","taskId":"t","status":{"message":{"parts":[{"text":"x"}]}}})");
  EXPECT_EQ(status_parts(old.message.result).size(), 1u);
  const Parsed v1 = response(R"({"statusUpdate":{"status":{"message":{"parts":[{"text":"x"}]}}}})");
  EXPECT_EQ(status_parts(v1.message.result).size(), 1u);
  const Parsed task = response(R"({"kind":"task","status":{"message":{"parts":[{"text":"x"}]}}})");
  EXPECT_FALSE(status_parts(task.message.result));
}

}  // namespace
}  // namespace tollgate::protocol::a2a
