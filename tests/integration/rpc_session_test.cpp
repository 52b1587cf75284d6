// MCP sessions: bound to the key that opened them, and the transport around them (GET, DELETE,
// resumption).
#include <csignal>
#include <optional>
#include <regex>

#include "integration/rpc_fixture.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const std::string kInitialize = rpc_call(
    "initialize",
    R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}})");

class RpcSessions : public RpcTest {
 protected:
  RpcSessions()
      : RpcTest({}, R"(mcp_session_secret: "0123456789abcdef0123456789abcdef"
)") {}
  /// The id an agent is given for the upstream's `session-abc`.
  std::string initialize(const std::string& key_name = "agent") {
    answer_mcp(R"({"protocolVersion":"2025-11-25","capabilities":{}})");
    const Response response = mcp(kInitialize, key_name);
    EXPECT_EQ(response.status, 200) << response.body;
    return response.header("mcp-session-id");
  }
};

TEST_F(RpcSessions, AServersIdReachesTheAgentSealedAndTheServerPlain) {
  const std::string id = initialize();
  EXPECT_TRUE(std::regex_match(id, std::regex("tg1-[0-9a-f]{32}-session-abc"))) << id;
  EXPECT_EQ(mcp(tool_call("add"), "agent", {{"mcp-session-id", id}}).status, 200);
  EXPECT_EQ(upstream.requests().back().header("mcp-session-id"), "session-abc");
  EXPECT_EQ(upstream.requests().back().raw_head.find("tg1-"), std::string::npos);
  const auto rows = daemon.exactly(2);
  EXPECT_TRUE(std::regex_match(rows.at(0).at("session_id"), std::regex("mcp-[0-9a-f]{32}")));
  EXPECT_EQ(rows.at(0).at("session_id"), rows.at(1).at("session_id"));
  for (const Row& row : daemon.query("SELECT * FROM audit"))
    for (const auto& [column, value] : row)
      EXPECT_EQ(value.find("session-abc"), std::string::npos) << column;
}

TEST_F(RpcSessions, AnotherKeysSessionIsNotFoundAndTheServerNeverSeesIt) {
  const std::string mine = initialize("other");
  const std::string tampered = mine.substr(0, mine.size() - 1) + "d";
  const std::size_t before = upstream.request_count();
  for (const std::string& id : {mine, tampered, std::string("session-abc"), std::string("tg1-"),
                                "tg1-" + std::string(32, '0') + "-session-abc", mine + ", x"}) {
    SCOPED_TRACE(id);
    const Headers session{{"mcp-session-id", id}};
    const Response call = mcp(tool_call("add"), "agent", session);
    EXPECT_EQ(call.status, 404) << "the client must see it to start a new session";
    const json error = json::parse(call.body);
    EXPECT_EQ(error["id"], 7);
    EXPECT_EQ(error["error"]["code"], -32001);
    EXPECT_EQ(send("GET", "/mcp/tools", "agent", session).status, 404);
    EXPECT_EQ(send("DELETE", "/mcp/tools", "agent", session).status, 404);
  }
  EXPECT_EQ(upstream.request_count(), before);
  EXPECT_EQ(mcp(tool_call("add"), "other", {{"mcp-session-id", mine}}).status, 200);
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

TEST_F(RpcSessions, SurviveARestartUnderAConfiguredSecret) {
  const std::string id = initialize();
  daemon.send(SIGTERM);
  ASSERT_EQ(daemon.wait_exit(10s), 0);
  daemon.start();
  EXPECT_EQ(mcp(tool_call("add"), "agent", {{"mcp-session-id", id}}).status, 200);
}

TEST_F(RpcSessions, TheGetStreamAndDeleteOfASession) {
  const std::string id = initialize();
  upstream.on("GET", "/mcp-endpoint",
              {Answer::sse({"id: 9\nevent: message\ndata: "
                            R"({"jsonrpc":"2.0","id":"s1","method":"roots/list"})"
                            "\n\n"})});
  upstream.on(
      "DELETE", "/mcp-endpoint",
      {Answer::raw("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
       Answer::json(
           404,
           R"({"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}})")});
  const Headers session{{"mcp-session-id", id}};
  Headers resume = session;
  resume.emplace_back("last-event-id", "8");
  resume.emplace_back("accept", "text/event-stream");
  const Response stream = send("GET", "/mcp/tools", "agent", resume);
  EXPECT_EQ(stream.status, 200);
  EXPECT_NE(stream.body.find("roots/list"), std::string::npos);
  EXPECT_NE(stream.body.find("id: 9\n"), std::string::npos) << "resumption ids survive";
  EXPECT_EQ(upstream.requests().back().header("last-event-id"), "8");
  EXPECT_EQ(upstream.requests().back().header("mcp-session-id"), "session-abc");
  // The answer to the server's request goes the same way, and is inspected.
  upstream.on("POST", "/mcp-endpoint",
              {Answer::raw("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")});
  EXPECT_EQ(mcp(R"({"jsonrpc":"2.0","id":"s1","result":{"roots":[{"uri":"file:///)" + kAwsKey +
                    R"("}],"_meta":{"note":")" + kAwsKey + "\"}}}",
                "agent", session)
                .status,
            202);
  EXPECT_EQ(upstream.requests().back().body.find(kAwsKey), std::string::npos)
      << upstream.requests().back().body;
  EXPECT_EQ(send("DELETE", "/mcp/tools", "agent", session).status, 200);
  EXPECT_EQ(upstream.requests().back().header("mcp-session-id"), "session-abc");
  EXPECT_EQ(send("DELETE", "/mcp/tools", "agent", session).status, 404);
  for (const Row& row : daemon.exactly(5)) EXPECT_EQ(row.at("cost_nusd"), "0");
}

TEST_F(RpcSessions, ModernRequestsHaveNoSessionEvenIfTheyNameOne) {
  answer_mcp(R"({"tools":[]})");
  const Response response =
      daemon.post("/mcp/tools",
                  rpc_call("tools/list",
                           R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}})"),
                  "agent",
                  {{"mcp-protocol-version", "2026-07-28"},
                   {"mcp-method", "tools/list"},
                   {"mcp-session-id", "session-of-somebody"}});
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(upstream.requests().back().header("mcp-session-id"), "");
}

TEST_F(RpcSessions, GetAndDeleteAreRepeatedOnlyBeforeTheFirstByte) {
  upstream.on("GET", "/mcp-endpoint",
              {Answer::reset_before_first_byte(),
               Answer::sse({sse_data(R"({"jsonrpc":"2.0","method":"notifications/x"})")})});
  EXPECT_EQ(daemon.get("/mcp/tools", "agent", {{"accept", "text/event-stream"}}).status, 200);
  EXPECT_EQ(upstream.request_count(), 2u);
  // A notification and an answer are done once or not at all.
  upstream.on("POST", "/mcp-endpoint", {Answer::reset_before_first_byte()});
  const Response note = mcp(R"({"jsonrpc":"2.0","method":"notifications/cancelled"})");
  EXPECT_TRUE(json::parse(note.body).contains("error")) << note.body;
  const Response answer = mcp(R"({"jsonrpc":"2.0","id":1,"result":{}})");
  EXPECT_TRUE(json::parse(answer.body).contains("error")) << answer.body;
  EXPECT_EQ(upstream.request_count(), 4u);
}

/// Two streams on which the server speaks unasked for each key; `other` is another key.
class RpcEventStreams : public RpcTest {
 protected:
  RpcEventStreams() : RpcTest({}, limit(2)) { stay_open(); }
  static std::string limit(int streams) {
    return "limits: {event_streams_per_key: " + std::to_string(streams) +
           "}\ntimeouts: {drain: 100ms}\n";
  }
  void stay_open() {
    upstream.on("GET", "/mcp-endpoint",
                {Answer::sse({sse_data(R"({"jsonrpc":"2.0","method":"notifications/x"})")})
                     .end(Answer::End::silent)});
  }
  /// A connection whose stream has begun, or was refused; `status` says which.
  RawClient open(const std::string& key_name = "agent") {
    RawClient client = daemon.connect();
    client.send(http_request(
        "GET", "/mcp/tools",
        {{"accept", "text/event-stream"}, {"authorization", "Bearer " + daemon.key(key_name)}}));
    status = client.read_head().status;
    return client;
  }
  void expect_full(const std::string& key_name = "agent") {
    open(key_name);
    EXPECT_EQ(status, 429) << key_name;
  }
  [[nodiscard]] bool are_open(double count) {
    return daemon.metric_becomes("tollgate_in_flight", count);
  }
  int status = 0;
};

TEST_F(RpcEventStreams, OneMoreThanTheLimitIsRefusedAndOnlyThat) {
  std::optional<RawClient> first(open());
  EXPECT_EQ(status, 200);
  const RawClient second = open();
  EXPECT_EQ(status, 200);
  const Response refused = daemon.get("/mcp/tools", "agent", {{"accept", "text/event-stream"}});
  EXPECT_EQ(refused.status, 429) << refused.body;
  EXPECT_EQ(refused.header("retry-after"), "1");
  const json error = json::parse(refused.body)["error"];
  EXPECT_EQ(error["code"], -32014);
  EXPECT_EQ(error["data"]["code"], "rate_limited");
  EXPECT_EQ(error["message"],
            "this key has as many open event streams of the MCP server `tools` as "
            "limits.event_streams_per_key allows: 2");
  EXPECT_EQ(upstream.request_count(), 2u);
  const RawClient others = open("other");
  EXPECT_EQ(status, 200) << "each key has its own";
  answer_mcp(R"({"content":[]})");
  EXPECT_EQ(mcp(tool_call("add")).status, 200) << "calls go on beside them";
  const MetricsText metrics = daemon.metrics();
  EXPECT_EQ(metrics.value("tollgate_limit_hits_total", {{"limit", "event_streams_per_key"}}), 1);
  EXPECT_EQ(metrics.value("tollgate_limit_hits_total"), 1);
  const auto rows = daemon.rows_where("outcome = 'refused'", 1);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].at("status"), "429");
  EXPECT_EQ(rows[0].at("error_code"), "rate_limited");
  EXPECT_EQ(rows[0].at("key_id"), "k1");
  EXPECT_EQ(rows[0].at("rpc_target"), "tools");

  first.reset();  // the agent leaves
  ASSERT_TRUE(are_open(2));
  first.emplace(open());
  EXPECT_EQ(status, 200);
  expect_full();
  upstream.drop_connections();  // the server leaves
  ASSERT_TRUE(are_open(0));
  const RawClient third = open();
  EXPECT_EQ(status, 200);
  const RawClient fourth = open();
  EXPECT_EQ(status, 200);
  expect_full();
}

TEST_F(RpcEventStreams, WhatEndsBeforeItsHeadLeavesNothing) {
  upstream.on("GET", "/mcp-endpoint",
              {Answer::json(405, "{}"), Answer::json(500, "{}"), Answer::reset_before_first_byte(),
               Answer::json(404, "{}")});
  for (int i = 0; i < 6; ++i) {
    open();
    EXPECT_NE(status, 429) << i;
    EXPECT_NE(status, 200) << i;
  }
  upstream.on("GET", "/mcp-endpoint", {Answer::silence()});
  for (int i = 0; i < 3; ++i) {
    const std::size_t before = upstream.request_count();
    {
      RawClient leaves = daemon.connect();
      leaves.send(
          http_request("GET", "/mcp/tools", {{"authorization", "Bearer " + daemon.key("agent")}}));
      ASSERT_TRUE(upstream.wait_for_requests(before + 1)) << i;
    }
    ASSERT_TRUE(are_open(0)) << i;
  }
  stay_open();
  const RawClient first = open();
  EXPECT_EQ(status, 200);
  const RawClient second = open();
  EXPECT_EQ(status, 200);
  expect_full();
}

TEST_F(RpcEventStreams, ThoseOpenBeforeAReloadCountAfterIt) {
  std::optional<RawClient> first(open());
  const RawClient second = open();
  const auto reload = [&](const std::string& yaml, double generation) {
    daemon.reload(yaml);
    ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, generation)) << daemon.log();
  };
  // The key goes, under another id it has nothing open, and it comes back.
  std::string renamed = kPeers + limit(2);
  renamed.replace(renamed.find("id: k1"), 6, "id: k9");
  reload(renamed, 2);
  const RawClient third = open();
  EXPECT_EQ(status, 200);
  reload(kPeers + limit(2), 3);
  expect_full();
  reload(kPeers + limit(3), 4);
  const RawClient fourth = open();
  EXPECT_EQ(status, 200);
  expect_full();
  // Lowered: none that is open ends, and none begins until fewer are.
  reload(kPeers + limit(2), 5);
  first.reset();
  ASSERT_TRUE(are_open(3));
  expect_full();
  daemon.send(SIGTERM);
  const auto code = daemon.wait_exit(10s);
  ASSERT_TRUE(code);
  EXPECT_LT(*code, 128) << daemon.log();
}

}  // namespace
}  // namespace tollgate::testing
