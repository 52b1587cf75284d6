#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

/// Models, a tool server and an agent behind a daemon with a loop breaker, and somebody to tell.
namespace tollgate::testing {

inline constexpr const char* kChat = "/v1/chat/completions";
inline constexpr const char* kMessages = "/v1/messages";

/// Four keys of nobody: of two runs beside one another, and with rules of their own.
inline constexpr const char* kYaml = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
  claude: {kind: anthropic, base_url: "@{UP}", api_key: claude-key-1, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}
  c: {deployments: [{provider: claude, model: c, price: {input: 2.5, output: 10}}]}
mcp_servers:
  tools: {url: "@{UP}/mcp-endpoint", proxy: none, price_per_call: 0.01}
a2a_agents:
  planner: {url: "@{UP}/a2a-endpoint", proxy: none, price_per_call: 0.02}
alerts: {webhooks: [{url: "@{UP}/hook"}]}
keys:
  - id: k1
    digest: "@{digest:agent}"
    allow: {mcp: {tools: ["*"]}, a2a: {planner: ["*"]}}
    budgets: [{name: cap, limit: 1.00, window: day}]
  - {id: k2, digest: "@{digest:other}"}
  - {id: quiet, digest: "@{digest:quiet}", loop_breaker: off}
)";

/// A chat in which the model has called `tools` in turn, `rounds` times in all, each time with the
/// same arguments and the same result.
inline std::string stuck(int rounds, const std::vector<std::string>& tools = {"run_tests"}) {
  nlohmann::json messages =
      nlohmann::json::array({{{"role", "user"}, {"content", "Make the tests pass."}}});
  for (int i = 0; i < rounds; ++i) {
    const std::string id = "call_" + std::to_string(i);
    const std::string& tool = tools[static_cast<std::size_t>(i) % tools.size()];
    messages.push_back({{"role", "assistant"},
                        {"content", nullptr},
                        {"tool_calls",
                         {{{"id", id},
                           {"type", "function"},
                           {"function", {{"name", tool}, {"arguments", R"({"path":"src"})"}}}}}}});
    messages.push_back(
        {{"role", "tool"}, {"tool_call_id", id}, {"content", tool + ": 1 failed, as before"}});
  }
  return nlohmann::json{{"model", "m"}, {"max_tokens", 100}, {"messages", messages}}.dump();
}

inline std::string tool_call(int id) {
  return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) +
         R"(,"method":"tools/call","params":{"name":"add","arguments":{"a":1}}})";
}

class LoopsTest : public ::testing::Test {
 protected:
  LoopsTest() {
    upstream.on("POST", kChat, {Answer::json(200, completion("ok"))});
    upstream.on("POST", kMessages, {Answer::json(200, anthropic_message("ok"))});
    upstream.on("POST", "/hook", {Answer::json(200, "{}")});
    upstream.on("POST", "/mcp-endpoint", [](const SeenRequest& seen) {
      const nlohmann::json id = nlohmann::json::parse(seen.body)["id"];
      return Answer::json(200, nlohmann::json{{"jsonrpc", "2.0"},
                                              {"id", id},
                                              {"result", {{"content", nlohmann::json::array()}}}}
                                   .dump());
    });
    upstream.on("POST", "/a2a-endpoint", [](const SeenRequest& seen) {
      const nlohmann::json id = nlohmann::json::parse(seen.body)["id"];
      return Answer::json(
          200,
          nlohmann::json{{"jsonrpc", "2.0"}, {"id", id}, {"result", {{"id", "task-1"}}}}.dump());
    });
  }
  /// `rules`: the members of loop_breaker.
  void start(const std::string& rules) {
    daemon.emplace(std::string(kYaml) + "loop_breaker: {" + rules + "}\n",
                   DaemonOptions{.variables = {{"UP", upstream.url()}}});
  }
  Response chat(const std::string& body, const std::string& key = "agent", Headers more = {}) {
    return daemon->post(kChat, body, key, more);
  }
  Response mcp(int id, Headers more = {}) {
    more.emplace_back("accept", "application/json, text/event-stream");
    more.emplace_back("mcp-protocol-version", "2025-11-25");
    return daemon->post("/mcp/tools", tool_call(id), "agent", more);
  }
  std::size_t seen(const std::string& target) const {
    std::size_t count = 0;
    for (const SeenRequest& request : upstream.requests()) count += request.target == target;
    return count;
  }
  /// What the one webhook was told, once there are `count`.
  std::vector<nlohmann::json> told(std::size_t count) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (seen("/hook") < count && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(milliseconds(10));
    std::vector<nlohmann::json> out;
    for (const SeenRequest& request : upstream.requests())
      if (request.target == "/hook") out.push_back(nlohmann::json::parse(request.body));
    return out;
  }
  double findings(const std::string& detector, const std::string& mode) const {
    return daemon->metrics().value("tollgate_loop_findings_total",
                                   {{"detector", detector}, {"mode", mode}});
  }
  static void expect_stopped(const Response& response, const std::string& evidence,
                             const std::string& retry_after) {
    ASSERT_EQ(response.status, 429) << response.body;
    EXPECT_EQ(response.header("x-should-retry"), "false");
    EXPECT_EQ(response.header("retry-after"), retry_after);
    const nlohmann::json error = nlohmann::json::parse(response.body)["error"];
    EXPECT_EQ(error["code"], "loop_detected");
    EXPECT_NE(error["message"].get<std::string>().find(evidence), std::string::npos) << error;
  }

  FakeUpstream upstream;
  std::optional<Daemon> daemon;
};

}  // namespace tollgate::testing
