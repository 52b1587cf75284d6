// MCP and A2A: the same auth, money, guardrails and record as a model call.
#include <gtest/gtest.h>

#include "integration/rpc_fixture.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

std::string call(const std::string& method, const std::string& params,
                 const std::string& id = "7") {
  return rpc_call(method, params, id);
}

class Rpc : public RpcTest {};

TEST_F(Rpc, AToolCallIsPaidForInspectedAndOnRecord) {
  const std::string result =
      R"({"content":[{"type":"text","text":"3"}],"isError":false,"extra":1})";
  answer_mcp(result);
  const std::string body = tool_call("add", R"({"a":1, "b":2.0})");
  const Response response = mcp(body);
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(json::parse(response.body)["result"], json::parse(result));
  EXPECT_TRUE(response.header("mcp-session-id").ends_with("-session-abc"))
      << "sealed for this key; rpc_session_test.cpp has the rest";
  const SeenRequest seen = upstream.requests().at(0);
  EXPECT_EQ(seen.target, "/mcp-endpoint");
  EXPECT_EQ(seen.body, body) << "bytes stay bytes";
  EXPECT_EQ(seen.header("authorization"), "Bearer mcp-credential-1");
  EXPECT_EQ(seen.header("mcp-protocol-version"), "2025-11-25");
  EXPECT_EQ(seen.raw_head.find(daemon.key()), std::string::npos);
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("surface"), "mcp");
  EXPECT_EQ(row.at("rpc_method"), "tools/call");
  EXPECT_EQ(row.at("rpc_target"), "tools");
  EXPECT_EQ(row.at("tool"), "add");
  EXPECT_EQ(row.at("cost_nusd"), "10000000");
  EXPECT_EQ(row.at("agent"), "coder");
  EXPECT_EQ(row.at("outcome"), "ok");
  const MetricsText metrics = daemon.metrics();
  EXPECT_EQ(metrics.value("tollgate_requests_total", {{"surface", "mcp"}, {"outcome", "ok"}}), 1);
  EXPECT_EQ(metrics.value("tollgate_holds_nusd"), 0);
}

TEST_F(Rpc, ToolsOutsideTheListAreNeitherListedNorCallable) {
  answer_mcp(
      R"({"tools":[{"name":"add","description":"adds","inputSchema":{"type":"object"}},{"name":"delete_all","description":"x","inputSchema":{"type":"object"}},{"name":"read_file","description":"reads","inputSchema":{"type":"object"}}],"nextCursor":"c2"})");
  const Response listed = mcp(call("tools/list", "{}"));
  ASSERT_EQ(listed.status, 200) << listed.body;
  const json result = json::parse(listed.body)["result"];
  std::vector<std::string> names;
  for (const json& tool : result["tools"]) names.push_back(tool["name"]);
  EXPECT_EQ(names, (std::vector<std::string>{"add", "read_file"}));
  EXPECT_EQ(result["nextCursor"], "c2");

  const Response refused = mcp(tool_call("delete_all"));
  EXPECT_EQ(refused.status, 403) << "401 and 403 speak HTTP";
  const json error = json::parse(refused.body);
  EXPECT_EQ(error["id"], 7);
  EXPECT_EQ(error["error"]["data"]["code"], "permission_denied");
  EXPECT_EQ(upstream.request_count(), 1u);
  const auto rows = daemon.exactly(2);
  EXPECT_EQ(rows.at(0).at("cost_nusd"), "0") << "listing is free";
  EXPECT_EQ(rows.at(1).at("outcome"), "refused");
  EXPECT_EQ(rows.at(1).at("tool"), "delete_all");
}

TEST_F(Rpc, ListsAreFilteredInEventStreamsToo) {
  upstream.on(
      "POST", "/mcp-endpoint",
      {Answer::sse({"event: message\nid: 1\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{"
                    "\"tools\":[{\"name\":\"delete_all\"},{\"name\":\"add\"}]}}\n\n"})});
  RawClient client = daemon.connect();
  client.send(daemon.post_bytes("/mcp/tools", call("tools/list", "{}"), "agent", mcp_headers));
  ASSERT_EQ(client.read_head().status, 200);
  const auto events = client.all_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].data.find("delete_all"), std::string::npos);
  EXPECT_NE(events[0].data.find("\"add\""), std::string::npos);
  EXPECT_NE(events[0].raw.find("id: 1"), std::string::npos) << "resumption ids survive";
}

TEST_F(Rpc, AnAnswerAsStreamWithNotificationsPassesAndEmptyDataToo) {
  upstream.on(
      "POST", "/mcp-endpoint",
      {Answer::sse(
          {"id: 0\ndata: \n\n",
           sse_data(
               R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}})",
               "message"),
           sse_data(
               R"({"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"done"}]}})",
               "message")},
          30ms)});
  RawClient client = daemon.connect();
  client.send(daemon.post_bytes("/mcp/tools", tool_call("add"), "agent", mcp_headers));
  ASSERT_EQ(client.read_head().status, 200);
  const auto events = client.all_events();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].data, "");
  EXPECT_NE(events[1].data.find("notifications/progress"), std::string::npos);
  EXPECT_TRUE(client.body_complete());
  EXPECT_EQ(daemon.exactly(1).at(0).at("cost_nusd"), "10000000");
}

TEST_F(Rpc, GetStreamAndDeleteWithoutASession) {
  upstream.on("POST", "/mcp-endpoint",
              {Answer::raw("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")});
  upstream.on(
      "GET", "/mcp-endpoint",
      {Answer::sse(
          {sse_data(R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})", "message")},
          20ms)});
  upstream.on("DELETE", "/mcp-endpoint", {Answer::raw("HTTP/1.1 204 No Content\r\n\r\n")});
  EXPECT_EQ(mcp(R"({"jsonrpc":"2.0","method":"notifications/initialized"})").status, 202);
  const Headers session{{"accept", "text/event-stream"}};
  const Response stream = daemon.get("/mcp/tools", "agent", session);
  EXPECT_EQ(stream.status, 200);
  EXPECT_NE(stream.body.find("list_changed"), std::string::npos);
  Headers headers = session;
  headers.emplace_back("authorization", "Bearer " + daemon.key());
  EXPECT_EQ(daemon.connect().exchange(http_request("DELETE", "/mcp/tools", headers)).status, 204);
  const auto rows = daemon.exactly(3);
  ASSERT_EQ(rows.size(), 3u);
  for (const Row& row : rows) EXPECT_EQ(row.at("cost_nusd"), "0");
}

TEST_F(Rpc, AGetStreamBeginsBeforeItsFirstEvent) {
  upstream.on("GET", "/mcp-endpoint",
              {Answer::raw("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                           "transfer-encoding: chunked\r\n\r\n")});
  {
    RawClient client = daemon.connect();
    client.send(http_request(
        "GET", "/mcp/tools",
        {{"accept", "text/event-stream"}, {"authorization", "Bearer " + daemon.key()}}));
    EXPECT_EQ(client.read_head(2s).status, 200);
  }
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("status"), "200");
  EXPECT_EQ(row.at("outcome"), "client_closed");
}

TEST_F(Rpc, AnUpstreamsOwn404ForADeadSessionIsPassedOn) {
  upstream.on(
      "POST", "/mcp-endpoint",
      {Answer::json(
          404,
          R"({"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}})")});
  const Response response = mcp(tool_call("add"));
  EXPECT_EQ(response.status, 404) << "the client must see it to start a new session";
  EXPECT_NE(response.body.find("Session not found"), std::string::npos);
  EXPECT_EQ(daemon.exactly(1).size(), 1u);
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

TEST_F(Rpc, BudgetRefusalsAreJsonRpcErrorsWithHttp200) {
  answer_mcp(R"({"content":[]})");
  EXPECT_EQ(mcp(tool_call("dear")).status, 200);
  EXPECT_EQ(mcp(tool_call("dear")).status, 200);
  const Response refused = mcp(tool_call("dear"));
  EXPECT_EQ(refused.status, 200);
  const json error = json::parse(refused.body);
  EXPECT_EQ(error["id"], 7);
  EXPECT_EQ(error["error"]["data"]["code"], "budget_exceeded");
  EXPECT_EQ(upstream.request_count(), 2u);
  EXPECT_EQ(daemon.exactly(3).at(2).at("error_code"), "budget_exceeded");
}

TEST_F(Rpc, StrangersAndForeignOriginsAreRefused) {
  answer_mcp("{}");
  EXPECT_EQ(mcp(tool_call("add"), "").status, 401);
  EXPECT_EQ(mcp(tool_call("add"), "stranger").status, 403);
  EXPECT_EQ(mcp(tool_call("add"), "agent", {{"origin", "https://evil.example"}}).status, 403);
  EXPECT_EQ(mcp("[" + tool_call("add") + "]").status, 400) << "batches are gone";
  EXPECT_EQ(upstream.request_count(), 0u);
}

TEST_F(Rpc, SecretsAreMaskedInArgumentsAndResults) {
  answer_mcp(R"({"content":[{"type":"text","text":"token )" + kAwsKey +
             R"("}],"structuredContent":{"k":")" + kAwsKey + "\"}}");
  const Response response = mcp(tool_call("add", R"({"q":"use )" + kAwsKey + "\"}"));
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.body.find(kAwsKey), std::string::npos) << response.body;
  EXPECT_EQ(upstream.requests().at(0).body.find(kAwsKey), std::string::npos);
  EXPECT_NE(upstream.requests().at(0).body.find("[REDACTED:api_key]"), std::string::npos);
}

TEST_F(Rpc, OnlySafeToolsAreRepeatedAfterAReset) {
  upstream.on("POST", "/mcp-endpoint",
              {Answer::reset_before_first_byte(),
               Answer::json(200, R"({"jsonrpc":"2.0","id":7,"result":{}})")});
  EXPECT_EQ(mcp(tool_call("read_file")).status, 200);
  EXPECT_EQ(upstream.request_count(), 2u) << "idempotent by configuration";
  upstream.on("POST", "/mcp-endpoint",
              {Answer::reset_before_first_byte(),
               Answer::json(200, R"({"jsonrpc":"2.0","id":7,"result":{}})")});
  const Response response = mcp(tool_call("add"));
  EXPECT_EQ(upstream.request_count(), 3u) << "perhaps executed: never twice";
  EXPECT_TRUE(json::parse(response.body).contains("error")) << response.body;
}

TEST_F(Rpc, WhatAServerSaysOfItsBytesIsKeptFromOthers) {
  const auto tagged = [](Answer answer) {
    return answer.header("ETag", "\"theirs\"").header("Content-Digest", "sha-256=:YQ==:");
  };
  const std::string secret =
      rpc_result(R"({"content":[{"type":"text","text":")" + kAwsKey + "\"}]}");
  upstream.on("POST", "/mcp-endpoint",
              {tagged(Answer::json(200, rpc_result("{}"))), tagged(Answer::json(200, secret)),
               tagged(Answer::sse({sse_data(rpc_result("{}"), "message")}))});
  const Response whole = mcp(tool_call("add"), "agent", {{"content-digest", "sha-256=:YQ==:"}});
  EXPECT_EQ(whole.header("etag"), "\"theirs\"");
  EXPECT_EQ(whole.header("content-digest"), "sha-256=:YQ==:");
  const Response masked = mcp(tool_call("add", "{\"a\":\"" + kAwsKey + "\"}"), "agent",
                              {{"content-digest", "sha-256=:YQ==:"}});
  EXPECT_EQ(masked.header("etag") + masked.header("content-digest"), "") << masked.body;
  const Response stream = mcp(tool_call("add"));
  EXPECT_EQ(stream.header("etag") + stream.header("content-digest"), "") << "may be masked";
  EXPECT_EQ(upstream.requests().at(0).header("content-digest"), "sha-256=:YQ==:");
  EXPECT_EQ(upstream.requests().at(1).header("content-digest"), "") << "the key was masked";
}

// ---- A2A ----

constexpr const char* kCard =
    R"({"name":"Planner","url":"@U/a2a-endpoint","preferredTransport":"JSONRPC","additionalInterfaces":[{"url":"@U/a2a-endpoint","transport":"JSONRPC"},{"url":"@U/rest","transport":"HTTP+JSON"}],"supportedInterfaces":[{"url":"@U/a2a-endpoint","protocolBinding":"JSONRPC","protocolVersion":"1.0"}],"protocolVersion":"0.3.0","version":"1","capabilities":{"streaming":true},"skills":[],"defaultInputModes":["text"],"defaultOutputModes":["text"],"description":"plans","signatures":[{"protected":"x","signature":"y"}]})";

TEST_F(Rpc, AnAgentCardIsFetchedAndItsUrlsLeadHere) {
  std::string card = kCard;
  for (std::size_t at = 0; (at = card.find("@U", at)) != std::string::npos;)
    card.replace(at, 2, upstream.url());
  upstream.on("GET", "/.well-known/agent-card.json",
              {Answer::json(200, card).header("ETag", "\"theirs\"")});
  const Response response = daemon.get("/a2a/planner/.well-known/agent-card.json", "agent",
                                       {{"if-none-match", "\"theirs\""}});
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.header("etag"), "") << "it names other bytes";
  EXPECT_EQ(upstream.requests().at(0).header("if-none-match"), "");
  EXPECT_EQ(response.body.find(upstream.url()), std::string::npos) << response.body;
  const json rewritten = json::parse(response.body);
  const std::string url = rewritten["url"];
  EXPECT_NE(url.find("/a2a/planner"), std::string::npos) << url;
  EXPECT_EQ(rewritten["name"], "Planner");
  EXPECT_FALSE(rewritten.contains("signatures")) << "they no longer hold";
  EXPECT_EQ(upstream.requests().at(0).header("x-agent-token"), "a2a-credential-1");
  EXPECT_EQ(daemon.get("/a2a/planner/.well-known/agent-card.json", "").status, 401);
  EXPECT_EQ(daemon.get("/a2a/planner/.well-known/agent-card.json", "stranger").status, 403);
}

TEST_F(Rpc, AMessageIsPaidForAndOnRecordWithItsTask) {
  const std::string result =
      R"({"kind":"task","id":"task-42","contextId":"ctx-1","status":{"state":"completed"}})";
  upstream.on("POST", "/a2a-endpoint",
              {Answer::json(200, R"({"jsonrpc":"2.0","id":"a1","result":)" + result + "}")});
  const std::string body = call(
      "message/send",
      R"({"message":{"kind":"message","messageId":"m1","role":"user","parts":[{"kind":"text","text":"plan it"}]}})",
      "\"a1\"");
  const Response response = daemon.post("/a2a/planner", body, "agent", {{"a2a-version", "0.3"}});
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(json::parse(response.body)["result"], json::parse(result));
  EXPECT_EQ(upstream.requests().at(0).body, body);
  EXPECT_EQ(upstream.requests().at(0).header("a2a-version"), "0.3");
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("surface"), "a2a");
  EXPECT_EQ(row.at("rpc_method"), "message/send");
  EXPECT_EQ(row.at("rpc_target"), "planner");
  EXPECT_EQ(row.at("task_id"), "task-42");
  EXPECT_EQ(row.at("cost_nusd"), "20000000");
}

TEST_F(Rpc, AMessageStreamIsRelayedAndItsDeathIsAnError) {
  const auto event = [](const std::string& result) {
    return sse_data(R"({"jsonrpc":"2.0","id":"a1","result":)" + result + "}");
  };
  upstream.on(
      "POST", "/a2a-endpoint",
      {Answer::sse(
           {event(R"({"kind":"task","id":"t1","contextId":"c","status":{"state":"working"}})"),
            event(
                R"({"kind":"artifact-update","taskId":"t1","contextId":"c","artifact":{"artifactId":"a","parts":[{"kind":"text","text":"key )" +
                kAwsKey + R"("}]}})"),
            event(
                R"({"kind":"status-update","taskId":"t1","contextId":"c","final":true,"status":{"state":"completed"}})")},
           20ms),
       Answer::sse(
           {event(R"({"kind":"task","id":"t1","contextId":"c","status":{"state":"working"}})"),
            "data: x"})
           .cut_at(120, Answer::End::reset)});
  const std::string body = call(
      "message/stream",
      R"({"message":{"kind":"message","messageId":"m","role":"user","parts":[{"kind":"text","text":"go"}]}})",
      "\"a1\"");
  {
    RawClient client = daemon.connect();
    client.send(daemon.post_bytes("/a2a/planner", body));
    ASSERT_EQ(client.read_head().status, 200);
    const auto events = client.all_events();
    // The artifact may go on, so its last word waits; it is let go before the task's end.
    ASSERT_EQ(events.size(), 4u);
    for (const auto& seen : events) EXPECT_EQ(seen.data.find(kAwsKey), std::string::npos);
    EXPECT_NE(events[2].data.find("[REDACTED:api_key]"), std::string::npos);
    EXPECT_NE(events[3].data.find("completed"), std::string::npos);
  }
  {
    RawClient client = daemon.connect();
    client.send(daemon.post_bytes("/a2a/planner", body));
    ASSERT_EQ(client.read_head().status, 200);
    const auto events = client.all_events();
    ASSERT_FALSE(events.empty());
    const json last = json::parse(events.back().data);
    ASSERT_TRUE(last.contains("error")) << events.back().data;
    EXPECT_EQ(last["id"], "a1");
    EXPECT_EQ(last["error"]["data"]["code"], "upstream_cut");
  }
  const auto rows = daemon.exactly(2);
  EXPECT_EQ(rows.at(0).at("task_id"), "t1");
  EXPECT_EQ(rows.at(1).at("outcome"), "upstream_cut");
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

TEST_F(Rpc, MethodsAndAgentsOutsideTheListAreRefused) {
  upstream.on("POST", "/a2a-endpoint",
              {Answer::json(200, R"({"jsonrpc":"2.0","id":7,"result":{}})")});
  EXPECT_EQ(daemon.post("/a2a/planner", call("tasks/cancel", R"({"id":"t"})")).status, 403);
  EXPECT_EQ(daemon.post("/a2a/unknown", call("message/send", "{}")).status, 403);
  EXPECT_EQ(daemon.post("/a2a/planner", call("message/send", "{}"), "stranger").status, 403);
  EXPECT_EQ(
      daemon.post("/a2a/planner", call("SendMessage", "{}"), "agent", {{"a2a-version", "1.0"}})
          .status,
      200);
  EXPECT_EQ(upstream.request_count(), 1u);
  const auto rows = daemon.exactly(4);
  EXPECT_EQ(rows.at(3).at("cost_nusd"), "20000000") << "the 1.0 name costs the same";
}

}  // namespace
}  // namespace tollgate::testing
