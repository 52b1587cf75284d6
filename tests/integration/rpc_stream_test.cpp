// Text that a JSON-RPC stream carries over several events: what the agent reads is guarded as one
// text, and benign text arrives whole.
#include "integration/rpc_fixture.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string artifact(const std::string& text, const std::string& more, bool v1 = false,
                     const std::string& id = "a") {
  const std::string body = R"("taskId":"t1","contextId":"c",)" + more +
                           R"("artifact":{"artifactId":")" + id + R"(","parts":[{)" +
                           (v1 ? "" : R"("kind":"text",)") + R"("text":")" + text + "\"}]}";
  return sse_data(rpc_result(
      v1 ? R"({"artifactUpdate":{)" + body + "}}" : R"({"kind":"artifact-update",)" + body + "}",
      "\"a1\""));
}
std::string status(const std::string& state, bool v1 = false, const std::string& text = "") {
  const std::string message =
      text.empty() ? "" : R"(,"message":{"parts":[{"text":")" + text + "\"}]}";
  const std::string body =
      R"("taskId":"t1","contextId":"c","status":{"state":")" + state + "\"" + message + "}";
  return sse_data(rpc_result(
      v1 ? R"({"statusUpdate":{)" + body + "}}" : R"({"kind":"status-update",)" + body + "}",
      "\"a1\""));
}

class RpcStreams : public RpcTest {
 protected:
  RpcStreams() : RpcTest({}, "routing: {cooldown_failures: 1000}\n") {}
  std::vector<SseEvent> run(const std::string& path, const std::string& body,
                            const std::vector<std::string>& events) {
    upstream.on("POST", path == "/mcp/tools" ? "/mcp-endpoint" : "/a2a-endpoint",
                {Answer::sse(events, 5ms)});
    RawClient client = daemon.connect();
    client.send(daemon.post_bytes(path, body, "agent", mcp_headers));
    EXPECT_EQ(client.read_head().status, 200);
    auto seen = client.all_events();
    is_complete = client.body_complete();
    return seen;
  }
  std::vector<SseEvent> a2a_stream(const std::vector<std::string>& events) {
    return run("/a2a/planner", a2a_message("message/stream"), events);
  }
  /// What a client that appends has in an artifact at the end.
  static std::string text_of(const std::vector<SseEvent>& events, const std::string& id = "a") {
    std::string text;
    for (const SseEvent& event : events) {
      const json message = json::parse(event.data);
      EXPECT_EQ(message["id"], "a1") << event.data;
      json update = message.value("result", json::object());
      if (update.contains("artifactUpdate")) update = update["artifactUpdate"];
      if (!update.contains("artifact") || update["artifact"]["artifactId"] != id) continue;
      EXPECT_EQ(update["taskId"], "t1");
      if (!update.value("append", false)) text.clear();
      for (const json& part : update["artifact"]["parts"]) text += part.value("text", "");
    }
    return text;
  }
  bool is_complete = false;
};

TEST_F(RpcStreams, ACredentialOfThePeerCutAnywhereDoesNotPass) {
  const std::string credential = "a2a-credential-1";
  const std::string text = "it is " + credential + " and that was it";
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    SCOPED_TRACE(cut);
    const auto events = a2a_stream(
        {status("working"), artifact(text.substr(0, cut), R"("append":false,)"),
         artifact(text.substr(cut), R"("append":true,"lastChunk":true,)"), status("completed")});
    EXPECT_EQ(text_of(events), "it is [REDACTED:provider_credential] and that was it");
    EXPECT_TRUE(is_complete);
  }
  // Messages of their own go out at once: the one that would complete it ends the stream.
  for (std::size_t cut = 1; cut < credential.size(); cut += 3) {
    SCOPED_TRACE(cut);
    const auto events =
        a2a_stream({status("working", false, "is " + credential.substr(0, cut)),
                    status("working", false, credential.substr(cut) + "."), status("completed")});
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(json::parse(events[1].data)["error"]["data"]["code"], "upstream_invalid");
  }
}

TEST_F(RpcStreams, TextThatIsJsonIsReadWithItsEscapesResolved) {
  const std::string hidden = "AKIA\\\\u0049" + kAwsKey.substr(5);
  const std::string result =
      R"({"content":[{"type":"text","text":"{\"key\":\")" + hidden + R"(\"}"}]})";
  const auto check = [&](const json& message) {
    const std::string text = message["result"]["content"][0]["text"];
    EXPECT_EQ(json::parse(text, nullptr, false), json({{"key", "[REDACTED:api_key]"}})) << text;
  };
  const auto events = run("/mcp/tools", tool_call("add"), {sse_data(rpc_result(result))});
  ASSERT_EQ(events.size(), 1u);
  check(json::parse(events[0].data));
  upstream.on("POST", "/mcp-endpoint", {Answer::json(200, rpc_result(result))});
  check(json::parse(daemon.post("/mcp/tools", tool_call("add"), "agent", mcp_headers).body));
}

TEST_F(RpcStreams, ASecretCutAnywhereByArtifactUpdatesIsMasked) {
  const std::string text = "the key is " + kAwsKey + " and that was it";
  for (const bool v1 : {false, true}) {
    for (std::size_t cut = 1; cut < text.size(); cut += 3) {
      SCOPED_TRACE(cut);
      const auto events =
          a2a_stream({status(v1 ? "TASK_STATE_WORKING" : "working", v1),
                      artifact(text.substr(0, cut), R"("append":false,)", v1),
                      artifact(text.substr(cut), R"("append":true,"lastChunk":true,)", v1),
                      status(v1 ? "TASK_STATE_COMPLETED" : "completed", v1)});
      EXPECT_EQ(text_of(events), "the key is [REDACTED:api_key] and that was it");
      ASSERT_FALSE(events.empty());
      EXPECT_NE(events.back().data.find(v1 ? "COMPLETED" : "completed"), std::string::npos);
      EXPECT_TRUE(is_complete);
    }
  }
}

TEST_F(RpcStreams, OneByteAtATimeAndWithoutALastChunk) {
  const std::string text = "a " + kAwsKey + " b@example";
  std::vector<std::string> events = {status("working")};
  for (std::size_t i = 0; i < text.size(); ++i)
    events.push_back(artifact(text.substr(i, 1), i == 0 ? "" : R"("append":true,)"));
  for (const bool has_end : {true, false}) {
    if (has_end) events.push_back(status("completed"));
    const auto seen = a2a_stream(events);
    EXPECT_EQ(text_of(seen), "a [REDACTED:api_key] b@example");
    if (has_end) events.pop_back();
  }
}

TEST_F(RpcStreams, ArtifactsDoNotMixAndManyOfThemStayBounded) {
  std::vector<std::string> events;
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 40; ++i)
      events.push_back(artifact(round == 0 ? "one" : "two", round == 0 ? "" : R"("append":true,)",
                                false, "a" + std::to_string(i)));
  events.push_back(status("completed"));
  const auto seen = a2a_stream(events);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(text_of(seen, "a" + std::to_string(i)), "onetwo") << i;
}

TEST_F(RpcStreams, AnArtifactThatBeginsAnewDoesNotContinueTheOldText) {
  const auto seen = a2a_stream(
      {artifact("first AKIA", ""), artifact("IOSFODNN7EXAMPLE second", ""), status("completed")});
  EXPECT_EQ(text_of(seen), "IOSFODNN7EXAMPLE second");
}

TEST_F(RpcStreams, StatusMessagesGoOutAtOnceAndHideTheRestOfASecret) {
  const auto seen =
      a2a_stream({status("working", false, "use " + kAwsKey.substr(0, 12)),
                  status("working", false, kAwsKey.substr(12) + " now"), status("completed")});
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_NE(seen[0].data.find("use " + kAwsKey.substr(0, 12)), std::string::npos)
      << "words do not move from one message to the next";
  EXPECT_EQ(seen[1].data.find(kAwsKey.substr(12)), std::string::npos) << seen[1].data;
  EXPECT_NE(seen[1].data.find(" now"), std::string::npos) << seen[1].data;
  const auto benign = a2a_stream({status("working", false, "Looking up flights"),
                                  status("working", false, "Booking"), status("completed")});
  ASSERT_EQ(benign.size(), 3u);
  EXPECT_NE(benign[0].data.find("Looking up flights\""), std::string::npos);
  EXPECT_NE(benign[1].data.find("\"Booking\""), std::string::npos);
}

TEST_F(RpcStreams, ProgressAndLogMessagesLikewise) {
  const auto note = [](const std::string& method, const std::string& params) {
    return sse_data(R"({"jsonrpc":"2.0","method":")" + method + R"(","params":)" + params + "}");
  };
  const std::string head = kAwsKey.substr(0, 9), tail = kAwsKey.substr(9);
  const auto seen =
      run("/mcp/tools", tool_call("add"),
          {note("notifications/progress",
                R"({"progressToken":1,"progress":1,"message":")" + head + "\"}"),
           note("notifications/progress", R"({"progressToken":2,"progress":1,"message":"other"})"),
           note("notifications/progress",
                R"({"progressToken":1,"progress":2,"message":")" + tail + "\"}"),
           note("notifications/message", R"({"level":"info","data":")" + head + "\"}"),
           note("notifications/message", R"({"level":"info","data":")" + tail + "\"}"),
           sse_data(rpc_result(R"({"content":[]})"))});
  ASSERT_EQ(seen.size(), 6u);
  for (const SseEvent& event : seen)
    EXPECT_EQ(event.data.find(tail), std::string::npos) << event.data;
  EXPECT_NE(seen[1].data.find("\"other\""), std::string::npos);
}

TEST_F(RpcStreams, ARequestsStreamThatEndsWithoutTheResponseIsCut) {
  const std::string progress =
      sse_data(R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}})");
  const std::string whole = sse_data(rpc_result(R"({"content":[]})"));
  const std::string half = whole.substr(0, whole.size() / 2);
  for (const auto& events : {std::vector{progress}, std::vector{progress, half}}) {
    const auto seen = run("/mcp/tools", tool_call("add"), events);
    ASSERT_FALSE(seen.empty());
    const json last = json::parse(seen.back().data);
    EXPECT_EQ(last["id"], 7);
    EXPECT_EQ(last["error"]["data"]["code"], "upstream_cut") << seen.back().data;
  }
  a2a_stream({});
  ASSERT_FALSE(daemon.rows(3).empty());
  for (const Row& row : daemon.rows(3)) EXPECT_NE(row.at("outcome"), "ok");
  // With ids the server may end it and go on with the rest when the client comes back.
  EXPECT_EQ(run("/mcp/tools", tool_call("add"), {"id: 5\n" + progress}).size(), 1u);
  EXPECT_TRUE(is_complete);
}

TEST_F(RpcStreams, AnAgentsStreamEndsWithAFinalUpdate) {
  const auto last_code = [&](const std::vector<std::string>& events,
                             const std::string& method = "message/stream") {
    const auto seen = run("/a2a/planner", a2a_message(method), events);
    const json last = seen.empty() ? json() : json::parse(seen.back().data);
    if (!last.contains("error") || !last["error"].contains("data")) return std::string("none");
    EXPECT_EQ(last["id"], "a1");
    return last["error"]["data"]["code"].get<std::string>();
  };
  const auto result = [](const std::string& body) { return sse_data(rpc_result(body, "\"a1\"")); };
  const std::string task =
      result(R"({"kind":"task","id":"t1","contextId":"c","status":{"state":"submitted"}})");
  const std::string v1_task =
      result(R"({"task":{"id":"t1","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}})");
  const std::string piece = artifact("text", R"("lastChunk":true,)");
  const std::string flagged =
      result(R"({"kind":"status-update","taskId":"t1","status":{"state":"working"},"final":true})");
  const std::string error =
      sse_data(R"({"jsonrpc":"2.0","id":"a1","error":{"code":-32603,"message":"no"}})");
  const auto cuts = std::vector<std::vector<std::string>>{
      {task},
      {task, piece},
      {status("working")},
      {v1_task},
      {status("TASK_STATE_WORKING", true)},
      {"id: 5\n" + task},
      {v1_task, artifact("text", R"("lastChunk":true,)", true)}};
  for (const auto& events : cuts) EXPECT_EQ(last_code(events), "upstream_cut") << events.back();
  EXPECT_EQ(last_code({v1_task}, "SendStreamingMessage"), "upstream_cut");
  const auto wholes = std::vector<std::vector<std::string>>{
      {task, status("completed")},
      {status("input-required")},
      {flagged},
      {v1_task, status("TASK_STATE_COMPLETED", true)},
      {status("TASK_STATE_AUTH_REQUIRED", true)},
      {result(R"({"kind":"message","messageId":"m","role":"agent","parts":[]})")},
      {result(R"({"message":{"messageId":"m","role":"ROLE_AGENT","parts":[]}})")},
      {task, error}};
  for (const auto& events : wholes) {
    EXPECT_EQ(last_code(events), "none") << events.back();
    EXPECT_TRUE(is_complete) << events.back();
  }
  for (const Row& row : daemon.exactly(cuts.size() + 1 + wholes.size()))
    EXPECT_NE(row.at("outcome"), "refused");
}

TEST_F(RpcStreams, BehindTheResponseItIsNoMatterHowTheConnectionEnds) {
  const auto seen_of = [&](const std::string& path, const std::string& body,
                           const std::string& event) {
    Answer answer = Answer::sse({event, ": later\n\n"}, 5ms);
    upstream.on("POST", path == "/mcp/tools" ? "/mcp-endpoint" : "/a2a-endpoint",
                {answer.cut_at(event.size() + 1, Answer::End::close)});
    RawClient client = daemon.connect();
    client.send(daemon.post_bytes(path, body, "agent", mcp_headers));
    EXPECT_EQ(client.read_head().status, 200);
    auto seen = client.all_events();
    is_complete = client.body_complete();
    return seen;
  };
  std::size_t calls = 0;
  for (const std::string id : {"7", "\"7\""}) {
    const auto seen =
        seen_of("/mcp/tools", tool_call("add"), sse_data(rpc_result(R"({"content":[]})", id)));
    EXPECT_EQ(seen.size(), 1u) << seen.back().data;
    EXPECT_TRUE(is_complete);
    ++calls;
  }
  EXPECT_EQ(seen_of("/a2a/planner", a2a_message("message/stream"), status("completed")).size(), 1u);
  EXPECT_TRUE(is_complete);
  const auto refused =
      seen_of("/mcp/tools", tool_call("add"),
              sse_data(R"({"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}})"));
  EXPECT_EQ(refused.size(), 1u);
  calls += 2;
  for (const Row& row : daemon.exactly(calls)) EXPECT_EQ(row.at("outcome"), "ok");
}

TEST_F(RpcStreams, AnotherRequestsResponseIsNotTheEnd) {
  const std::string other = sse_data(rpc_result(R"({"content":[]})", "8"));
  const std::string error =
      sse_data(R"({"jsonrpc":"2.0","id":8,"error":{"code":-32603,"message":"no"}})");
  for (const std::string& event : {other, error}) {
    const auto seen = run("/mcp/tools", tool_call("add"), {event});
    ASSERT_EQ(seen.size(), 2u);
    const json last = json::parse(seen.back().data);
    EXPECT_EQ(last["id"], 7);
    EXPECT_EQ(last["error"]["data"]["code"], "upstream_cut") << seen.back().data;
  }
  for (const Row& row : daemon.exactly(2)) EXPECT_EQ(row.at("outcome"), "upstream_cut");
}

TEST_F(RpcStreams, LinesBesideTheDataAreReadToo) {
  const std::string data = sse_data(rpc_result(R"({"content":[]})"));
  for (const std::string line : {"id: ", "event: ", ": ", "note: ", "retry: "}) {
    SCOPED_TRACE(line);
    for (const std::string& event :
         {line + kAwsKey + "\n" + data, line + kAwsKey + "\n\n" + data}) {
      const auto seen = run("/mcp/tools", tool_call("add"), {event});
      ASSERT_FALSE(seen.empty());
      for (const SseEvent& one : seen) EXPECT_EQ(one.raw.find(kAwsKey), std::string::npos);
      EXPECT_NE(seen.back().data.find("guardrail_blocked"), std::string::npos);
    }
  }
}

TEST_F(RpcStreams, WhatNoGuardrailReadBefore) {
  // Ids cannot be masked: the call is refused, or the stream ends.
  const std::string body = rpc_call(
      "message/send", R"({"message":{"messageId":")" + kAwsKey + R"(","role":"user","parts":[]}})");
  answer_a2a("{}", "7");
  EXPECT_EQ(json::parse(a2a(body).body)["error"]["data"]["code"], "guardrail_blocked");
  EXPECT_EQ(upstream.request_count(), 0u);
  const std::string texts[] = {
      R"({"content":[],"_meta":{"note":"@"}})",
      R"({"content":[{"type":"image","mimeType":"text/plain","data":"@"}]})",
      R"({"content":[{"type":"resource","resource":{"uri":"u","blob":"@"}}]})",
      R"({"content":[],"@":1})",
  };
  for (std::string result : texts) {
    result.replace(result.find('@'), 1, kAwsKey);
    answer_mcp(result);
    const Response response = mcp(tool_call("add"));
    EXPECT_EQ(response.body.find(kAwsKey), std::string::npos) << response.body;
  }
}

}  // namespace
}  // namespace tollgate::testing
