// MCP servers and A2A agents that answer in any shape but the expected one: what the key may not
// see, and where the agent really lives, stays hidden whatever the shape.
#include "integration/rpc_fixture.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const std::string kToolList =
    R"({"tools":[{"name":"delete_all","description":"x"},{"name":"add","description":"adds"}]})";

std::string repeated(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

class RpcHostile : public RpcTest {
 protected:
  // Answers that cannot be read count as failures; here they are to be answered every time.
  RpcHostile() : RpcTest({}, "routing: {cooldown_failures: 1000}\n") {}
  std::vector<SseEvent> stream(const std::string& path, const std::string& body) {
    RawClient client = daemon.connect();
    client.send(daemon.post_bytes(path, body, "agent", mcp_headers));
    EXPECT_EQ(client.read_head().status, 200);
    auto events = client.all_events();
    is_complete = client.body_complete();
    return events;
  }
  bool is_complete = false;
};

/// Answers that hold a list but that a strict reader of JSON refuses.
std::vector<std::pair<std::string, std::string>> unreadable_answers() {
  const std::string list = rpc_result(kToolList);
  return {
      {"a key twice",
       R"({"jsonrpc":"2.0","id":7,"result":{"tools":[]},"result":)" + kToolList + "}"},
      {"too deep", R"({"jsonrpc":"2.0","id":7,"result":{"x":)" + repeated("[", 600) +
                       repeated("]", 600) + "," + kToolList.substr(1) + "}"},
      {"something behind", list + "x"},
      {"a batch", "[" + list + "]"},
      {"a list that is an object",
       R"({"jsonrpc":"2.0","id":7,"result":{"tools":{"delete_all":{}}}})"},
      {"a scalar", R"("delete_all")"},
  };
}

TEST_F(RpcHostile, AMessageThatIsNoRequestIsRefusedUnderItsId) {
  for (const char* body : {R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":"x"})",
                           R"({"jsonrpc":"2.0","id":7})", R"({"id":7,"method":"tools/list"})"}) {
    const Response response = mcp(body);
    EXPECT_EQ(response.status, 200) << body;
    const json error = json::parse(response.body);
    EXPECT_EQ(error["id"], 7);
    EXPECT_TRUE(error["error"]["code"].is_number()) << response.body;
  }
  EXPECT_EQ(mcp("{").status, 400);
  EXPECT_EQ(upstream.request_count(), 0u);
}

TEST_F(RpcHostile, AnIdMayComeBackInAnotherSpelling) {
  for (const char* id : {"7", "7.0", "\"7\""}) {
    upstream.on("POST", "/mcp-endpoint",
                {Answer::json(200, R"({"jsonrpc":"2.0","id":)" + std::string(id) +
                                       R"(,"result":{"content":[]}})")});
    EXPECT_TRUE(json::parse(mcp(tool_call("add")).body).contains("result")) << id;
  }
}

TEST_F(RpcHostile, AnswersThatCannotBeReadAreRefused) {
  auto answers = unreadable_answers();
  answers.emplace_back("no message", R"({"delete_all":1})");
  answers.emplace_back("another's", R"({"jsonrpc":"2.0","id":8,"result":)" + kToolList + "}");
  for (const auto& [what, body] : answers) {
    SCOPED_TRACE(what);
    upstream.on("POST", "/mcp-endpoint", {Answer::json(200, body)});
    const Response response = mcp(rpc_call("tools/list", "{}"));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body.find("delete_all"), std::string::npos) << response.body;
    const json error = json::parse(response.body);
    EXPECT_EQ(error["id"], 7);
    EXPECT_EQ(error["error"]["data"]["code"], "upstream_invalid");
  }
  for (const Row& row : daemon.exactly(answers.size()))
    EXPECT_EQ(row.at("error_code"), "upstream_invalid");
}

TEST_F(RpcHostile, EventsThatCannotBeReadEndTheStream) {
  const auto answers = unreadable_answers();
  const std::string note = sse_data(R"({"jsonrpc":"2.0","method":"notifications/x"})", "message");
  for (const auto& [what, body] : answers) {
    SCOPED_TRACE(what);
    upstream.on("POST", "/mcp-endpoint", {Answer::sse({note, sse_data(body, "message")}, 20ms)});
    const auto events = stream("/mcp/tools", rpc_call("tools/list", "{}"));
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[1].data.find("delete_all"), std::string::npos) << events[1].data;
    const json error = json::parse(events[1].data);
    EXPECT_EQ(error["id"], 7);
    EXPECT_EQ(error["error"]["data"]["code"], "upstream_invalid");
    EXPECT_FALSE(is_complete) << "a clean end would look like a complete answer";
  }
  // As the first event they never become a stream.
  for (const auto& [what, body] : answers) {
    SCOPED_TRACE(what);
    upstream.on("POST", "/mcp-endpoint", {Answer::sse({sse_data(body, "message")})});
    const Response response = mcp(tool_call("add"));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body.find("delete_all"), std::string::npos) << response.body;
    EXPECT_NE(response.body.find("\"error\""), std::string::npos) << response.body;
  }
  const auto rows = daemon.exactly(2 * answers.size());
  for (std::size_t i = 0; i < answers.size(); ++i)
    EXPECT_EQ(rows.at(i).at("error_code"), "upstream_invalid");
}

TEST_F(RpcHostile, ALoneSurrogateBesideAFilteredListHidesNothingFromTheGuardrails) {
  const std::string list =
      R"({"tools":[{"name":"delete_all"},{"name":"add","title":"\ud83d","description":")" +
      kAwsKey + "\"}]}";
  upstream.on(
      "POST", "/mcp-endpoint",
      {Answer::json(200, rpc_result(list)), Answer::sse({sse_data(rpc_result(list), "message")})});
  for (int i = 0; i < 2; ++i) {
    const Response response = mcp(rpc_call("tools/list", "{}"));
    EXPECT_EQ(response.body.find("delete_all"), std::string::npos) << response.body;
    EXPECT_EQ(response.body.find(kAwsKey), std::string::npos) << response.body;
    EXPECT_NE(response.body.find(R"(\ud83d)"), std::string::npos) << response.body;
    EXPECT_NE(response.body.find("\"add\""), std::string::npos) << response.body;
  }
}

TEST_F(RpcHostile, ToolListsAreFilteredWhateverTheAnswerLooksLike) {
  const std::string list = rpc_result(kToolList);
  struct Case {
    std::string what;
    Answer answer;
    int status = 200;
  };
  const Case cases[] = {
      {"text/plain", Answer::text(list)},
      {"octet-stream", Answer::text(list, "application/octet-stream")},
      {"text/html", Answer::text(list, "text/html; charset=utf-8")},
      {"no content type", Answer::raw("HTTP/1.1 200 OK\r\ncontent-length: " +
                                      std::to_string(list.size()) + "\r\n\r\n" + list)},
      {"a byte order mark", Answer::json(200, "\xEF\xBB\xBF" + list)},
      {"status 400", Answer::json(400, list), 400},
      {"status 404 as text",
       Answer::raw("HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: " +
                   std::to_string(list.size()) + "\r\n\r\n" + list),
       404},
      {"an escaped key",
       Answer::json(
           200,
           R"({"jsonrpc":"2.0","id":7,"result":{"t\u006fols":[{"name":"delete\u005fall"},{"name":"\u0061dd"}]}})")},
      {"no version", Answer::json(200, R"({"id":"7","result":)" + kToolList + "}")},
  };
  for (const Case& c : cases) {
    for (const std::string& request : {rpc_call("tools/list", "{}"), tool_call("add")}) {
      SCOPED_TRACE(c.what + " to " + request);
      upstream.on("POST", "/mcp-endpoint", {c.answer});
      const Response response = mcp(request);
      EXPECT_EQ(response.status, c.status);
      EXPECT_EQ(response.body.find("delete"), std::string::npos) << response.body;
      const json body = json::parse(response.body);
      ASSERT_EQ(body["result"]["tools"].size(), 1u) << response.body;
      EXPECT_EQ(body["result"]["tools"][0]["name"], "add");
    }
  }
}

TEST_F(RpcHostile, ToolListsAreFilteredOnWhicheverStreamTheyCome) {
  const std::string list = sse_data(rpc_result(kToolList), "message");
  upstream.on("POST", "/mcp-endpoint", {Answer::sse({list})});
  upstream.on("GET", "/mcp-endpoint", {Answer::sse({list})});
  const auto on_call = stream("/mcp/tools", tool_call("add"));
  ASSERT_EQ(on_call.size(), 1u);
  EXPECT_EQ(on_call[0].data.find("delete_all"), std::string::npos);
  for (const Headers& more : {Headers{}, Headers{{"last-event-id", "17"}}}) {
    Headers headers = more;
    headers.emplace_back("accept", "text/event-stream");
    const Response response = daemon.get("/mcp/tools", "agent", headers);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body.find("delete_all"), std::string::npos) << response.body;
    EXPECT_NE(response.body.find("\"add\""), std::string::npos) << response.body;
  }
  EXPECT_EQ(upstream.requests().back().header("last-event-id"), "17");
}

TEST_F(RpcHostile, AnErrorStatusIsKeptButNotABodyThatNobodyCanRead) {
  upstream.on("GET", "/mcp-endpoint",
              {Answer::raw("HTTP/1.1 405 Method Not Allowed\r\ncontent-type: text/html\r\n"
                           "content-length: 11\r\n\r\n<p>secret?<")});
  const Response get = daemon.get("/mcp/tools", "agent", {{"accept", "text/event-stream"}});
  EXPECT_EQ(get.status, 405) << "clients go on without a GET stream";
  EXPECT_EQ(get.body.find("secret"), std::string::npos) << get.body;
  EXPECT_TRUE(json::parse(get.body).contains("error")) << get.body;
  upstream.on("POST", "/mcp-endpoint",
              {Answer::raw("HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\n"
                           "content-length: 9\r\n\r\nnot found")});
  const Response post = mcp(tool_call("add"));
  EXPECT_EQ(post.status, 404);
  EXPECT_EQ(json::parse(post.body)["id"], 7);
  const Response empty = [&] {
    upstream.on("POST", "/mcp-endpoint",
                {Answer::raw("HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n")});
    return mcp(tool_call("add"));
  }();
  EXPECT_EQ(empty.status, 405);
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

TEST_F(RpcHostile, AnEmptyAnswerToARequestIsNone) {
  const std::string heads[] = {"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                               "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n",
                               "HTTP/1.1 204 No Content\r\n\r\n"};
  for (const std::string& head : heads) {
    upstream.on("POST", "/mcp-endpoint", {Answer::raw(head)});
    upstream.on("POST", "/a2a-endpoint", {Answer::raw(head)});
    for (const Response& response : {mcp(tool_call("add")), a2a(a2a_message("message/send"))}) {
      SCOPED_TRACE(head);
      EXPECT_EQ(response.status, 200);
      const json body = json::parse(response.body, nullptr, false);
      ASSERT_TRUE(body.is_object()) << response.body;
      EXPECT_TRUE(body["id"] == 7 || body["id"] == "a1") << response.body;
      EXPECT_EQ(body["error"]["data"]["code"], "upstream_invalid") << response.body;
    }
  }
  const auto rows = daemon.exactly(6);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].at("outcome"), "failed");
    EXPECT_EQ(rows[i].at("error_code"), "upstream_invalid");
    EXPECT_EQ(rows[i].at("estimated"), "1") << "charged as a call that failed";
  }
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
  // What has no id gets no response.
  upstream.on("POST", "/mcp-endpoint", {Answer::raw(heads[1]), Answer::raw(heads[2])});
  const std::string notification = R"({"jsonrpc":"2.0","method":"notifications/initialized"})";
  EXPECT_EQ(mcp(notification).status, 202);
  EXPECT_EQ(mcp(R"({"jsonrpc":"2.0","id":1,"result":{}})").status, 204);
}

TEST_F(RpcHostile, AnEmptyAnswerToAGetIsNoStreamAndNoCard) {
  const std::string card = "/.well-known/agent-card.json";
  const std::string type = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
  for (const std::string& head :
       {type + "content-length: 0\r\n\r\n", std::string("HTTP/1.1 204 No Content\r\n\r\n")}) {
    SCOPED_TRACE(head);
    upstream.on("GET", "/mcp-endpoint", {Answer::raw(head)});
    upstream.on("GET", card, {Answer::raw(head)});
    for (const std::string& path : {std::string("/mcp/tools"), "/a2a/planner" + card}) {
      const Response response = daemon.get(path);
      EXPECT_EQ(response.status, 502) << path;
      EXPECT_NE(response.body.find("\"upstream_invalid\""), std::string::npos) << response.body;
    }
  }
  for (const Row& row : daemon.exactly(4)) EXPECT_EQ(row.at("error_code"), "upstream_invalid");
  upstream.on("HEAD", card, {Answer::raw(type + "content-length: 300\r\n\r\n")});
  RawClient head = daemon.connect();
  head.send(
      http_request("HEAD", "/a2a/planner" + card, {{"authorization", "Bearer " + daemon.key()}}));
  EXPECT_EQ(head.read_head().status, 200);
  upstream.on("GET", "/mcp-endpoint",
              {Answer::raw("HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n")});
  EXPECT_EQ(daemon.get("/mcp/tools").status, 405) << "there is no such stream";
}

TEST_F(RpcHostile, ASessionsEndMayBeConfirmedInAnyWords) {
  for (const Answer& answer :
       {Answer::text("Session terminated"), Answer::text("<p>bye", "text/html"),
        Answer::text("bye", "application/json"), Answer::json(200, "{}")}) {
    upstream.on("DELETE", "/mcp-endpoint", {answer});
    EXPECT_EQ(send("DELETE", "/mcp/tools").status, 200);
  }
  upstream.on("DELETE", "/mcp-endpoint", {Answer::text("over, " + kAwsKey)});
  const Response masked = send("DELETE", "/mcp/tools");
  EXPECT_EQ(masked.status, 200);
  EXPECT_EQ(masked.body, "over, [REDACTED:api_key]");
  for (const Row& row : daemon.exactly(5)) EXPECT_EQ(row.at("outcome"), "ok");
}

TEST_F(RpcHostile, HalfAnErrorIsNotPassedOn) {
  const std::string words = rpc_result(R"({"content":[]})") + std::string(200, ' ');
  for (const int status : {404, 503}) {
    upstream.on("POST", "/mcp-endpoint",
                {Answer::json(status, words).cut_at(100, Answer::End::close)});
    const Response response = mcp(tool_call("add"));
    EXPECT_EQ(response.status, status == 404 ? 404 : 200) << response.body;
    const json body = json::parse(response.body);
    EXPECT_EQ(body["id"], 7);
    EXPECT_EQ(body["error"]["code"], -32015) << response.body;
  }
  for (const Row& row : daemon.exactly(2)) EXPECT_EQ(row.at("error_code"), "upstream_cut");
}

TEST_F(RpcHostile, AToolOutsideTheListCannotBeCalledByAnotherSpelling) {
  answer_mcp(R"({"content":[]})");
  const std::string cases[] = {
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete\u005fall"}})",
      R"({"jsonrpc":"2.0","id":1,"method":"tools\u002fcall","params":{"name":"delete_all"}})",
      R"({"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete_all"}})",
      R"({"jsonrpc":"2.0","id":1,"method":"Tools/Call","params":{"name":"delete_all"}})",
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ADD"}})",
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","name":"delete_all"}})",
      R"([{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_all"}}])",
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n\u0061me":"delete_all"}})",
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add "}})",
  };
  for (const std::string& body : cases) {
    const Response response = mcp(body);
    EXPECT_TRUE(json::parse(response.body).contains("error")) << body << "\n" << response.body;
  }
  EXPECT_EQ(upstream.request_count(), 0u);
}

// ---- A2A cards ----

class Cards : public RpcTest {
 protected:
  std::string card() const {
    std::string text =
        R"({"name":"Planner","url":"@U/a2a-endpoint","preferredTransport":"JSONRPC","additionalInterfaces":[{"url":"@U/rest","transport":"HTTP+JSON"}],"supportedInterfaces":[{"url":"@U/a2a-endpoint","protocolBinding":"JSONRPC","protocolVersion":"1.0"},{"url":"@U/grpc","protocolBinding":"GRPC","protocolVersion":"1.0"}],"protocolVersion":"0.3.0","capabilities":{},"skills":[],"signatures":[{"protected":"x","signature":"y"}]})";
    for (std::size_t at = 0; (at = text.find("@U", at)) != std::string::npos;)
      text.replace(at, 2, upstream.url());
    return text;
  }
  void expect_rewritten(const json& rewritten) {
    EXPECT_NE(rewritten["url"].get<std::string>().find("/a2a/planner"), std::string::npos);
    EXPECT_EQ(rewritten["additionalInterfaces"].size(), 0u);
    EXPECT_EQ(rewritten["supportedInterfaces"].size(), 1u);
    EXPECT_FALSE(rewritten.contains("signatures"));
    EXPECT_EQ(rewritten.dump().find(upstream.url()), std::string::npos) << rewritten;
  }
  std::vector<std::pair<std::string, Answer>> shapes(const std::string& body) const {
    return {{"json", Answer::json(200, body)},
            {"octet-stream", Answer::text(body, "application/octet-stream")},
            {"text/plain", Answer::text(body)},
            {"image/png", Answer::text(body, "image/png")},
            {"none", Answer::raw("HTTP/1.1 200 OK\r\ncontent-length: " +
                                 std::to_string(body.size()) + "\r\n\r\n" + body)},
            {"byte order mark", Answer::json(200, "\xEF\xBB\xBF" + body)}};
  }
};

TEST_F(Cards, LeadHereWhateverTheirContentType) {
  for (const auto& [what, answer] : shapes(card())) {
    SCOPED_TRACE(what);
    upstream.on("GET", "/.well-known/agent-card.json", {answer});
    const Response response = daemon.get("/a2a/planner/.well-known/agent-card.json");
    ASSERT_EQ(response.status, 200) << response.body;
    expect_rewritten(json::parse(response.body));
  }
}

TEST_F(Cards, ThatCannotBeReadAre502) {
  const std::pair<std::string, Answer> cases[] = {
      {"a key twice",
       Answer::json(200, R"({"url":"http://other/","skills":[],"url":")" + upstream.url() + "\"}")},
      {"html", Answer::text("<html>" + upstream.url())},
      {"an array", Answer::json(200, "[" + card() + "]")},
      {"a stream", Answer::sse({sse_data(card())})},
      {"nothing spoken here", Answer::json(200, R"({"name":"x","skills":[]})")},
  };
  for (const auto& [what, answer] : cases) {
    SCOPED_TRACE(what);
    upstream.on("GET", "/.well-known/agent-card.json", {answer});
    const Response response = daemon.get("/a2a/planner/.well-known/agent-card.json");
    EXPECT_EQ(response.body.find(upstream.url()), std::string::npos) << response.body;
    if (what == "a stream") {
      EXPECT_FALSE(response.complete);
      continue;
    }
    EXPECT_EQ(response.status, 502);
    EXPECT_EQ(json::parse(response.body)["error"]["data"]["code"], "upstream_invalid");
  }
  upstream.on("GET", "/.well-known/agent-card.json", {Answer::json(404, R"({"detail":"none"})")});
  EXPECT_EQ(daemon.get("/a2a/planner/.well-known/agent-card.json").status, 404);
}

TEST_F(Cards, InAnswersAreRewrittenWhateverWasAskedAndHowItIsSpelled) {
  for (const std::string method : {"GetExtendedAgentCard", "agent/getAuthenticatedExtendedCard",
                                   "agent/authenticatedExtendedCard", "tasks/get", "vendor/card"}) {
    for (const auto& [what, answer] : shapes(rpc_result(card()))) {
      SCOPED_TRACE(method + " as " + what);
      upstream.on("POST", "/a2a-endpoint", {answer});
      const Response response = a2a(rpc_call(method, "{}"), "other");
      ASSERT_EQ(response.status, 200) << response.body;
      const json body = json::parse(response.body);
      ASSERT_TRUE(body.contains("result")) << response.body;
      expect_rewritten(body["result"]);
    }
  }
  upstream.on("POST", "/a2a-endpoint", {Answer::sse({sse_data(rpc_result(card()))})});
  const Response streamed = a2a(rpc_call("tasks/get", "{}"), "other");
  EXPECT_EQ(streamed.body.find(upstream.url()), std::string::npos) << streamed.body;
}

TEST_F(Cards, ARedirectDoesNotLeadPastTheGateway) {
  const Answer redirect = Answer::raw("HTTP/1.1 302 Found\r\nlocation: " + upstream.url() +
                                      "/card\r\ncontent-length: 0\r\n\r\n");
  upstream.on("GET", "/.well-known/agent-card.json", {redirect});
  upstream.on("POST", "/a2a-endpoint", {redirect});
  upstream.on("POST", "/mcp-endpoint", {redirect});
  for (const Response& response : {daemon.get("/a2a/planner/.well-known/agent-card.json"),
                                   a2a(a2a_message("message/send")), mcp(tool_call("add"))}) {
    EXPECT_EQ(response.header("location"), "");
    EXPECT_EQ(response.raw_head.find(upstream.url()), std::string::npos) << response.raw_head;
  }
}

TEST_F(Cards, AnExtendedCardThatIsNoneIsRefused) {
  answer_a2a(R"({"name":"x"})", "7");
  const json body = json::parse(a2a(rpc_call("GetExtendedAgentCard", "{}")).body);
  EXPECT_EQ(body["error"]["data"]["code"], "upstream_invalid") << body;
}

}  // namespace
}  // namespace tollgate::testing
