// One key's errors and waits at an MCP server or agent are not the other keys'. With the default
// routing.
#include "integration/rpc_fixture.hpp"

namespace tollgate::testing {
namespace {

using nlohmann::json;

const std::string kFine = rpc_result(R"({"content":[]})");

class RpcCooldown : public RpcTest {};

TEST_F(RpcCooldown, OneKeysFailuresDoNotTakeTheServerFromTheOthers) {
  upstream.on("POST", "/mcp-endpoint",
              {Answer::json(500, "{}"), Answer::json(500, "{}"), Answer::json(500, "{}"),
               Answer::json(500, "{}"), Answer::json(200, kFine)});
  for (int i = 0; i < 4; ++i) EXPECT_NE(mcp(tool_call("add")).body, kFine);
  EXPECT_EQ(upstream.request_count(), 4u) << "each call was the server's to answer";
  EXPECT_EQ(mcp(tool_call("add"), "other").body, kFine);
}

TEST_F(RpcCooldown, AWaitIsToldToWhoGotItAndToNobodyElse) {
  const Answer wait = Answer::json(429, "{}").header("retry-after", "120");
  for (const char* tool : {"add", "read_file"}) {  // the second may be repeated
    upstream.on("POST", "/mcp-endpoint", {wait, Answer::json(200, kFine)});
    const std::size_t before = upstream.request_count();
    const Response told = mcp(tool_call(tool));
    EXPECT_EQ(json::parse(told.body)["error"]["data"]["retry_after_s"], 120);
    EXPECT_EQ(told.body.find("model"), std::string::npos) << told.body;
    EXPECT_EQ(json::parse(told.body)["error"]["data"]["code"], "upstream_rate_limited");
    EXPECT_EQ(upstream.request_count(), before + 1) << "it is not asked again at once";
    EXPECT_EQ(mcp(tool_call(tool), "other").body, kFine);
    EXPECT_EQ(mcp(tool_call(tool)).body, kFine) << "nor is the key itself kept away";
  }
  EXPECT_EQ(daemon.metrics().value("tollgate_cooldowns_active"), 0);
}

TEST_F(RpcCooldown, CardsStreamsAndSessionEndsSayNothingOfCalls) {
  const std::string card = "/.well-known/agent-card.json";
  upstream.on("GET", card, {Answer::json(500, "{}")});
  upstream.on("GET", "/mcp-endpoint", {Answer::json(500, "{}")});
  upstream.on("DELETE", "/mcp-endpoint", {Answer::json(500, "{}")});
  for (int i = 0; i < 4; ++i) {
    EXPECT_GE(daemon.get("/a2a/planner" + card).status, 500);
    EXPECT_GE(send("GET", "/mcp/tools", "agent", {{"accept", "text/event-stream"}}).status, 500);
    EXPECT_GE(send("DELETE", "/mcp/tools").status, 500);
  }
  EXPECT_EQ(daemon.metrics().value("tollgate_cooldowns_active"), 0);
  answer_a2a(R"({"kind":"message","messageId":"m","role":"agent","parts":[]})");
  EXPECT_NE(a2a(a2a_message("message/send"), "other").body.find("result"), std::string::npos);
  answer_mcp(R"({"content":[]})");
  EXPECT_EQ(mcp(tool_call("add"), "other").body, kFine);
}

}  // namespace
}  // namespace tollgate::testing
