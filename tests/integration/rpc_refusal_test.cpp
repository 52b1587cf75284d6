// How refusals of MCP and A2A calls look: after the body was read, HTTP 200 with a JSON-RPC error
// that carries the id; only 401 and 403 speak HTTP.
#include "integration/rpc_fixture.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

class RpcRefusals : public RpcTest {
 protected:
  RpcRefusals()
      : RpcTest({}, R"(limits: {response_body_bytes: 4KiB, body_bytes: 64KiB}
routing: {max_attempts: 1, cooldown_failures: 1000}
)") {}
};

TEST_F(RpcRefusals, CarryTheIdInAJsonRpcErrorWithHttp200) {
  struct Case {
    std::string what, path, body, key_name, code;
    json id;
    int status = 200;
    bool upstream_is_down = false;
    std::optional<Answer> answer = std::nullopt;
  };
  const std::string send = a2a_message("message/send");
  const Answer ok = Answer::json(200, rpc_result(R"({"content":[]})"));
  const Case cases[] = {
      {"tool not allowed", "/mcp/tools", tool_call("delete_all"), "agent", "permission_denied", 7,
       403},
      {"method not allowed", "/a2a/planner", rpc_call("tasks/cancel", R"({"id":"t"})"), "agent",
       "permission_denied", 7, 403},
      {"no key", "/mcp/tools", tool_call("add"), "", "invalid_api_key", nullptr, 401},
      {"no key", "/a2a/planner", send, "", "invalid_api_key", nullptr, 401},
      {"upstream resets", "/mcp/tools", tool_call("add"), "agent", "upstream_failed", 7, 200, false,
       Answer::reset_before_first_byte()},
      {"upstream resets", "/a2a/planner", send, "agent", "upstream_failed", "a1", 200, false,
       Answer::reset_before_first_byte()},
      {"answer too large", "/mcp/tools", tool_call("add"), "agent", "", 7, 200, false,
       Answer::json(200, rpc_result("{\"x\":\"" + std::string(8'000, 'x') + "\"}"))},
      {"answer too large", "/a2a/planner", send, "agent", "", "a1", 200, false,
       Answer::json(200, rpc_result("{\"x\":\"" + std::string(8'000, 'x') + "\"}", "\"a1\""))},
      {"answer that is not JSON", "/mcp/tools", tool_call("add"), "agent", "upstream_invalid", 7,
       200, false, Answer::text("hello")},
      {"answer that is not JSON", "/a2a/planner", send, "agent", "upstream_invalid", "a1", 200,
       false, Answer::text("hello")},
      {"no params", "/mcp/tools", R"({"jsonrpc":"2.0","id":7,"method":"tools/call"})", "agent",
       "invalid_request", 7},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.path + ": " + c.what);
    const Answer answer = c.answer.value_or(ok);
    upstream.on("POST", "/mcp-endpoint", {answer});
    upstream.on("POST", "/a2a-endpoint", {answer});
    const Response response = daemon.post(c.path, c.body, c.key_name);
    EXPECT_EQ(response.status, c.status) << response.body;
    EXPECT_EQ(response.header("content-type"), "application/json");
    const json body = json::parse(response.body, nullptr, false);
    ASSERT_TRUE(body.contains("error")) << response.body;
    EXPECT_EQ(body["jsonrpc"], "2.0");
    EXPECT_EQ(body["id"], c.id) << response.body;
    if (!c.code.empty()) {
      EXPECT_EQ(body["error"]["data"]["code"], c.code) << response.body;
    }
    EXPECT_TRUE(body["error"]["message"].is_string());
  }
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

class RpcIndex : public RpcTest {
 protected:
  RpcIndex() : RpcTest({}, "limits: {body_bytes: 1MiB, body_memory_bytes: 2MiB}\n") {}
};

/// The refusal is written after the index is gone, and has the id all the same.
TEST_F(RpcIndex, OneThatIsTooLargeIsRefusedWithTheIdOfItsRequest) {
  std::string values = "[1";
  for (int i = 0; i < 200'000; ++i) values += ",[]";
  values += "]";
  for (const std::string& id : {std::string("7"), std::string(R"("a\u00e91")")}) {
    const Response response = daemon.post(
        "/mcp/tools", R"({"jsonrpc":"2.0","id":)" + id +
                          R"(,"method":"tools/call","params":{"name":"add","arguments":{"x":)" +
                          values + "}}}");
    EXPECT_EQ(response.status, 200) << response.body;
    const json body = json::parse(response.body, nullptr, false);
    EXPECT_EQ(body["id"], json::parse(id)) << response.body;
    EXPECT_EQ(body["error"]["data"]["code"], "overloaded") << response.body;
    EXPECT_EQ(response.header("retry-after"), "1");
  }
  EXPECT_TRUE(upstream.requests().empty());
  const auto rows = daemon.rows(2);
  EXPECT_EQ(rows.at(0).at("tool"), "add");
  EXPECT_EQ(rows.at(0).at("error_code"), "overloaded");
}

Answer plain(int status, const std::string& body = "") {
  return Answer::raw("HTTP/1.1 " + std::to_string(status) + " X\r\ncontent-type: text/plain\r\n" +
                     "www-authenticate: Bearer resource_metadata=\"https://theirs\"\r\n" +
                     "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}

TEST_F(RpcRefusals, AnUpstreamsHttpErrorIsTheErrorOfTheRequest) {
  struct Case {
    int status, mcp_status, a2a_status;
  };
  const Case cases[] = {{401, 200, 200}, {403, 200, 200}, {500, 200, 200}, {502, 200, 200},
                        {503, 200, 200}, {404, 404, 200},  // an MCP session is over
                        {400, 400, 400}, {405, 405, 405}};
  for (const Case& c : cases) {
    for (const Answer& answer :
         {plain(c.status), plain(c.status, "<p>no</p>"),
          Answer::json(c.status, R"({"error":{"code":-1,"message":"no"}})")}) {
      upstream.on("POST", "/mcp-endpoint", {answer});
      upstream.on("POST", "/a2a-endpoint", {answer});
      for (const bool is_mcp : {true, false}) {
        SCOPED_TRACE(std::to_string(c.status) + (is_mcp ? " MCP" : " A2A"));
        const Response response =
            is_mcp ? mcp(tool_call("add")) : a2a(a2a_message("message/stream"));
        EXPECT_EQ(response.status, is_mcp ? c.mcp_status : c.a2a_status);
        EXPECT_EQ(response.header("www-authenticate"), "");
        const json body = json::parse(response.body, nullptr, false);
        ASSERT_TRUE(body.is_object()) << response.body;
        EXPECT_EQ(body["jsonrpc"], "2.0");
        EXPECT_EQ(body["id"], is_mcp ? json(7) : json("a1"));
        EXPECT_EQ(body["error"]["data"]["code"], "upstream_failed") << response.body;
        EXPECT_EQ(body["error"]["data"]["upstream_status"], c.status) << response.body;
        EXPECT_EQ(body["error"]["data"]["request_id"], response.header("x-request-id"));
      }
    }
  }
}

TEST_F(RpcRefusals, AnUpstreamsJsonRpcErrorPassesAsItComes) {
  const std::string theirs =
      R"({"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"theirs"}})";
  for (const int status : {400, 403, 404, 500}) {
    upstream.on("POST", "/mcp-endpoint", {Answer::json(status, theirs)});
    const Response response = mcp(tool_call("add"));
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.body, theirs);
  }
  // But not as if the agent's own key, or its proxy's, were bad.
  for (const int status : {401, 407}) {
    upstream.on("POST", "/mcp-endpoint", {Answer::json(status, theirs)});
    const Response refused = mcp(tool_call("add"));
    EXPECT_EQ(refused.status, 200);
    EXPECT_EQ(json::parse(refused.body)["error"]["data"]["upstream_status"], status)
        << refused.body;
  }
}

TEST_F(RpcRefusals, WithoutAnIdAnUpstreamsErrorStaysHttp) {
  const std::string notification = R"({"jsonrpc":"2.0","method":"notifications/initialized"})";
  for (const int status : {401, 403, 404, 405, 500, 502}) {
    SCOPED_TRACE(status);
    upstream.on("POST", "/mcp-endpoint", {plain(status)});
    upstream.on("GET", "/mcp-endpoint", {plain(status)});
    upstream.on("DELETE", "/mcp-endpoint", {plain(status)});
    upstream.on("GET", "/.well-known/agent-card.json", {plain(status)});
    for (const Response& response :
         {mcp(notification), send("GET", "/mcp/tools"), send("DELETE", "/mcp/tools"),
          daemon.get("/a2a/planner/.well-known/agent-card.json")}) {
      EXPECT_EQ(response.status, status == 401 ? 502 : status) << response.body;
      EXPECT_EQ(response.header("www-authenticate"), "");
      const json body = json::parse(response.body, nullptr, false);
      ASSERT_TRUE(body.is_object()) << response.body;
      EXPECT_EQ(body["id"], nullptr);
      EXPECT_EQ(body["error"]["data"]["upstream_status"], status) << response.body;
    }
  }
}

TEST_F(RpcRefusals, AnUpstreamSaysWhenToComeBack) {
  upstream.on("POST", "/mcp-endpoint", {Answer::json(429, "{}").header("Retry-After", "17")});
  const Response response = mcp(tool_call("add"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.header("retry-after"), "17");
  const json data = json::parse(response.body)["error"]["data"];
  EXPECT_EQ(data["retry_after_s"], 17) << response.body;
  EXPECT_EQ(data["code"], "upstream_rate_limited") << response.body;
  EXPECT_EQ(data["upstream_status"], 429) << response.body;
}

TEST_F(RpcRefusals, OfBudgetsAndGuardrailsToo) {
  answer_mcp(R"({"content":[]})");
  answer_a2a("{}");
  for (const std::string& body : {tool_call("dear"), tool_call("dear"), tool_call("dear")}) {
    const Response response = mcp(body);
    EXPECT_EQ(response.status, 200);
    if (json::parse(response.body).contains("error")) {
      EXPECT_EQ(json::parse(response.body)["error"]["data"]["code"], "budget_exceeded");
      EXPECT_EQ(json::parse(response.body)["id"], 7);
    }
  }
  const Response broke = a2a(a2a_message("message/send"));
  EXPECT_EQ(broke.status, 200);
  EXPECT_EQ(json::parse(broke.body)["error"]["data"]["code"], "budget_exceeded") << broke.body;
  EXPECT_EQ(json::parse(broke.body)["id"], "a1");
}

TEST_F(RpcRefusals, BeforeTheBodyCanBeReadSpeakHttp) {
  EXPECT_EQ(mcp("{").status, 400);
  EXPECT_EQ(a2a("{").status, 400);
  EXPECT_EQ(json::parse(mcp("{").body)["error"]["code"], -32700);
  EXPECT_EQ(mcp(tool_call("add", "{\"x\":\"" + std::string(70'000, 'x') + "\"}")).status, 413);
  EXPECT_EQ(send("PUT", "/mcp/tools").status, 405);
}

TEST_F(RpcRefusals, A2aMessagesWithoutAnIdOrMethodAreNotPassedOn) {
  answer_a2a("{}");
  for (const std::string body :
       {R"({"jsonrpc":"2.0","method":"message/send","params":{}})",
        R"({"jsonrpc":"2.0","id":1,"result":{"parts":[]}})",
        R"({"jsonrpc":"2.0","id":1,"method":"Message/Send","params":{}})",
        R"({"jsonrpc":"2.0","id":1,"method":"sendmessage","params":{}})",
        R"([{"jsonrpc":"2.0","id":1,"method":"message/send","params":{}}])"}) {
    const Response response = a2a(body, "other");
    EXPECT_TRUE(json::parse(response.body).contains("error")) << body << response.body;
  }
  EXPECT_EQ(upstream.request_count(), 0u);
}

TEST(RpcMethodLists, CoverBothSpellingsAndNothingUnknown) {
  FakeUpstream upstream;
  Daemon daemon(R"(
a2a_agents: {planner: {url: "@{UP}/a2a-endpoint", proxy: none}}
keys:
  - {id: old, digest: "@{digest:old}", allow: {a2a: {planner: ["message/send", "vendor/*"]}}}
  - {id: new, digest: "@{digest:new}", allow: {a2a: {planner: ["SendMessage", "GetExtendedAgentCard"]}}}
)",
                {.variables = {{"UP", upstream.url()}}});
  upstream.on("POST", "/a2a-endpoint",
              {Answer::json(200, rpc_result(R"({"url":"u","skills":[]})"))});
  struct Case {
    std::string key_name, method;
    bool allowed;
  };
  const Case cases[] = {
      {"old", "message/send", true},
      {"old", "SendMessage", true},
      {"old", "message/stream", false},
      {"old", "vendor/thing", true},
      {"old", "thing", false},
      {"new", "SendMessage", true},
      {"new", "message/send", true},
      {"new", "SendStreamingMessage", false},
      {"new", "GetExtendedAgentCard", true},
      {"new", "agent/getAuthenticatedExtendedCard", true},
      {"new", "agent/authenticatedExtendedCard", true},
      {"new", "vendor/thing", false},
      {"new", "GetTask", false},
  };
  for (const Case& c : cases) {
    const Response response = daemon.post("/a2a/planner", rpc_call(c.method, "{}"), c.key_name);
    EXPECT_EQ(response.status, c.allowed ? 200 : 403) << c.key_name << " " << c.method;
  }
}

TEST_F(RpcRefusals, APushConfigurationInAMessageNeedsTheRightToSetOne) {
  answer_a2a(R"({"kind":"task","id":"t"})", "7");
  for (const std::string name : {"pushNotificationConfig", "taskPushNotificationConfig"}) {
    for (const std::string method : {"message/send", "SendMessage"}) {
      const std::string body = rpc_call(method, R"({"message":{"parts":[]},"configuration":{")" +
                                                    name + R"(":{"url":"https://a"}}})");
      EXPECT_EQ(a2a(body, "agent").status, 403) << body;
      EXPECT_EQ(a2a(body, "other").status, 200) << body;
    }
  }
  EXPECT_EQ(
      a2a(rpc_call("message/send", R"({"message":{},"configuration":{"blocking":true}})")).status,
      200);
}

// ---- where a card leads ----

TEST(CardUrls, FollowTheConfigurationOrATrustedProxy) {
  FakeUpstream upstream;
  const std::string yaml = R"(
a2a_agents: {planner: {url: "@{UP}/a2a-endpoint", proxy: none}}
keys: [{id: k, digest: "@{digest:agent}", allow: {a2a: {planner: ["*"]}}}]
)";
  upstream.on("GET", "/.well-known/agent-card.json",
              {Answer::json(200, R"({"url":")" + upstream.url() + R"(","skills":[]})")});
  const auto url_with = [&](Daemon& daemon, const Headers& more) {
    const Response response = daemon.get("/a2a/planner/.well-known/agent-card.json", "agent", more);
    return json::parse(response.body)["url"].get<std::string>();
  };
  {
    Daemon daemon(yaml, {.variables = {{"UP", upstream.url()}}});
    const std::string plain = url_with(daemon, {{"x-forwarded-proto", "https"}});
    EXPECT_TRUE(plain.starts_with("http://")) << "nobody here is trusted: " << plain;
  }
  {
    Daemon daemon(
        yaml,
        {.variables = {{"UP", upstream.url()}},
         .listeners =
             R"(listeners: [{name: main, address: "127.0.0.1:0", port_file: main.port, trusted_proxies: ["127.0.0.0/8"]}])"});
    EXPECT_TRUE(url_with(daemon, {{"x-forwarded-proto", "https"}}).starts_with("https://"));
    EXPECT_TRUE(url_with(daemon, {{"x-forwarded-proto", "http"}}).starts_with("http://"));
    EXPECT_TRUE(url_with(daemon, {}).starts_with("http://"));
  }
  {
    Daemon daemon(yaml + "public_url: \"https://gate.example.com:8443/agents/\"\n",
                  {.variables = {{"UP", upstream.url()}}});
    EXPECT_EQ(url_with(daemon, {}), "https://gate.example.com:8443/agents/a2a/planner");
  }
}

}  // namespace
}  // namespace tollgate::testing
