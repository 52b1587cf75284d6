#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

/// One MCP server and one A2A agent behind the daemon, for every test about them.
namespace tollgate::testing {

inline constexpr const char* kPeers = R"(
mcp_servers:
  tools:
    url: "@{UP}/mcp-endpoint"
    headers: {Authorization: "Bearer mcp-credential-1"}
    proxy: none
    price_per_call: 0.01
    tool_prices: {dear: 0.50}
    idempotent_tools: ["read_*"]
a2a_agents:
  planner:
    url: "@{UP}/a2a-endpoint"
    headers: {x-agent-token: a2a-credential-1}
    proxy: none
    price_per_call: 0.02
agents: {coder: {}}
keys:
  - id: k1
    digest: "@{digest:agent}"
    agent: coder
    allow:
      mcp: {tools: ["add", "read_*", "dear"]}
      a2a: {planner: ["message/*", "SendMessage", "SendStreamingMessage", "tasks/get", "GetTask", "tasks/resubscribe", "GetExtendedAgentCard"]}
    budgets: [{name: cap, limit: 1.00, window: day}]
  - {id: k2, digest: "@{digest:stranger}"}
  - id: k3
    digest: "@{digest:other}"
    allow:
      mcp: {tools: ["*"]}
      a2a: {planner: ["*"]}
default_guardrails: [default]
)";

inline const std::string kAwsKey = std::string("AKIA") + "IOSFODNN7EXAMPLE";

inline std::string rpc_call(const std::string& method, const std::string& params,
                            const std::string& id = "7") {
  return R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":")" + method + R"(","params":)" + params +
         "}";
}
inline std::string tool_call(const std::string& tool, const std::string& arguments = "{}") {
  return rpc_call("tools/call", R"({"name":")" + tool + R"(","arguments":)" + arguments + "}");
}
inline std::string rpc_result(const std::string& result, const std::string& id = "7") {
  return R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":)" + result + "}";
}
inline std::string a2a_message(const std::string& method, const std::string& text = "go") {
  return rpc_call(
      method,
      R"({"message":{"kind":"message","messageId":"m","role":"user","parts":[{"kind":"text","text":")" +
          text + "\"}]}}",
      "\"a1\"");
}

class RpcTest : public ::testing::Test {
 protected:
  explicit RpcTest(DaemonOptions options = {}, const std::string& more_yaml = "")
      : daemon(kPeers + more_yaml, with_upstream(std::move(options), upstream)) {}

  static DaemonOptions with_upstream(DaemonOptions options, const FakeUpstream& upstream) {
    options.variables["UP"] = upstream.url();
    return options;
  }

  FakeUpstream upstream;
  Daemon daemon;
  const Headers mcp_headers{{"accept", "application/json, text/event-stream"},
                            {"mcp-protocol-version", "2025-11-25"}};

  Response mcp(const std::string& body, const std::string& key_name = "agent", Headers more = {}) {
    more.insert(more.end(), mcp_headers.begin(), mcp_headers.end());
    return daemon.post("/mcp/tools", body, key_name, more);
  }
  Response a2a(const std::string& body, const std::string& key_name = "agent",
               const Headers& more = {}) {
    return daemon.post("/a2a/planner", body, key_name, more);
  }
  /// Any method, on a connection of its own.
  Response send(const std::string& method, const std::string& path,
                const std::string& key_name = "agent", Headers more = {}) {
    more.emplace_back("authorization", "Bearer " + daemon.key(key_name));
    return daemon.connect().exchange(http_request(method, path, more));
  }
  void answer_mcp(const std::string& result) {
    upstream.on("POST", "/mcp-endpoint",
                {Answer::json(200, rpc_result(result)).header("mcp-session-id", "session-abc")});
  }
  void answer_a2a(const std::string& result, const std::string& id = "\"a1\"") {
    upstream.on("POST", "/a2a-endpoint", {Answer::json(200, rpc_result(result, id))});
  }
};

}  // namespace tollgate::testing
