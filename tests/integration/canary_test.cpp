// No credential, in any direction, in any log, error body, metric or audit file: drives every kind
// of success and failure with recognisable secrets in each place one can stand, then greps for
// them.
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"
#include "support/test_ca.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kChat = "/v1/chat/completions";

constexpr const char* kCanaries = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: "${env:CANARY_PROVIDER}", proxy: none, headers: {x-extra: canary-provider-header-77}}
  claude: {kind: anthropic, base_url: "@{UP}", api_key: "${file:claude.key}", proxy: none}
  dead: {kind: openai_compatible, base_url: "@{DEAD}/v1", api_key: canary-dead-provider-77, proxy: none}
  proxied: {kind: openai_compatible, base_url: "https://nowhere.example/v1", api_key: canary-proxied-provider-77, proxy: "http://canary-proxy-user:canary-proxy-pass-77@127.0.0.1:@{DEADPORT}"}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}
  claude: {deployments: [{provider: claude, model: c, price: {input: 2.5, output: 10}}]}
  dead: {deployments: [{provider: dead, model: d, price: {input: 2.5, output: 10}}]}
  proxied: {deployments: [{provider: proxied, model: d, price: {input: 2.5, output: 10}}]}
mcp_servers:
  tools: {url: "@{UP}/mcp", headers: {Authorization: "Bearer canary-mcp-77"}, proxy: none}
a2a_agents:
  planner: {url: "@{UP}/a2a", headers: {x-token: canary-a2a-77}, proxy: none}
keys:
  - {id: k1, digest: "@{digest:agent}", allow: {mcp: {tools: ["*"]}, a2a: {planner: ["*"]}}, budgets: [{limit: 0.5, window: day, alerts: [1]}]}
  - {id: poor, digest: "@{digest:poor}", budgets: [{limit: 0.000001, window: day}]}
  - {id: old, digest: "@{digest:old}", expires: "2020-01-01T00:00:00Z"}
alerts: {webhooks: [{url: "@{UP}/hook/canary-hook-path-77", secret: canary-hook-secret-77, attempts: 1}]}
audit: {path: audit.db, bodies: full}
)";

TEST(Canary, NoCredentialIsLeftAnywhere) {
  FakeUpstream upstream;
  TempDir place;
  const std::string provider_key = "canary-provider-env-77-abcdefgh";
  const std::string claude_key = "canary-provider-file-77-abcdefgh";

  // A provider that echoes the credential it was sent: into headers, errors, bodies and streams.
  const auto echo = [](const SeenRequest& seen) {
    const std::string mine =
        seen.header("authorization") + seen.header("x-api-key") + seen.header("x-extra");
    const std::string text = nlohmann::json("your credential is " + mine).dump();
    if (seen.body.find("fail-400") != std::string::npos) {
      return Answer::json(400, R"({"error":{"message":)" + text + "}}");
    }
    if (seen.body.find("fail-401") != std::string::npos) {
      return Answer::json(401, R"({"error":{"message":)" + text + "}}");
    }
    if (seen.body.find("fail-503") != std::string::npos) {
      return Answer::json(503, R"({"error":{"message":)" + text + "}}");
    }
    if (seen.body.find("cut") != std::string::npos) {
      return Answer::sse({chat_chunk("a"), chat_chunk("b")}).cut_at(60, Answer::End::reset);
    }
    if (seen.body.find("\"stream\":true") != std::string::npos)
      return Answer::sse(chat_stream({"ok"}));
    return Answer::json(200, completion("ok")).header("x-debug", "fine");
  };
  upstream.on("POST", kChat, echo);
  upstream.on("POST", "/v1/messages", echo);
  upstream.on(
      "POST", "/mcp",
      {Answer::json(200, R"({"jsonrpc":"2.0","id":7,"result":{}})"), Answer::json(500, "no")});
  upstream.on("POST", "/a2a", {Answer::json(200, R"({"jsonrpc":"2.0","id":7,"result":{}})")});

  std::string yaml = kCanaries;
  yaml.erase(yaml.find("audit:"));
  const std::uint16_t dead = unused_port();
  DaemonOptions options;
  options.variables = {{"UP", upstream.url()},
                       {"DEAD", "http://127.0.0.1:" + std::to_string(dead)},
                       {"DEADPORT", std::to_string(dead)}};
  options.environment = {{"CANARY_PROVIDER", provider_key}};
  options.audit = "bodies: full";
  options.start = false;
  Daemon daemon(yaml, options);
  write_file(daemon.file("claude.key"), claude_key + "\n");
  daemon.start();

  std::string answers;
  const auto call = [&](const std::string& path, const std::string& body,
                        const std::string& key = "agent", const Headers& more = {}) {
    const Response response = daemon.post(path, body, key, more);
    answers += response.raw_head + response.body + "\n";
  };
  for (const char* text : {"hi", "fail-400", "fail-401", "fail-503"}) {
    call(kChat, chat_request("m", text));
    call(kChat, chat_request("m", text, R"(,"max_tokens":5,"stream":true)"));
    call("/v1/messages", chat_request("claude", text));
  }
  call(kChat, chat_request("m", "cut", R"(,"max_tokens":5,"stream":true)"));
  call(kChat, chat_request("dead", "hi"));
  call(kChat, chat_request("proxied", "hi"));
  call(kChat, chat_request("m", "hi"), "poor");
  call(kChat, chat_request("m", "hi"), "old");
  call(kChat, chat_request("m", "hi"), "never-configured");
  call(kChat, "not json");
  call(std::string(kChat) + "?key=" + daemon.key(), chat_request("m", "hi"), "");
  call(std::string(kChat) + "?key=" + daemon.key("never-configured"), chat_request("m", "hi"), "");
  call("/nowhere?key=" + daemon.key(), "{}", "");
  call("/mcp/tools", R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t"}})");
  call("/mcp/tools", R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t"}})");
  call("/a2a/planner", R"({"jsonrpc":"2.0","id":7,"method":"message/send","params":{}})");
  {
    RawClient client = daemon.connect();
    client.send("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + daemon.key() +
                "\r\nbroken header\r\n\r\n");
    const Response response = client.read_response(2s);
    answers += response.raw_head + response.body;
  }
  {  // a client that leaves mid-stream
    RawClient client = daemon.connect();
    client.send(
        daemon.post_bytes(kChat, chat_request("m", "hi", R"(,"max_tokens":5,"stream":true)")));
    client.transport().close();
  }
  daemon.reload(yaml + "broken: [\n");
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_reloads_total", {}, 1));
  for (const char* path :
       {"/metrics", "/healthz", "/readyz", "/status", "/keys", "/budgets", "/config"}) {
    answers += daemon.admin_get(path).body;
    answers += daemon.admin_get(path, false).body;
  }
  const CommandResult check = daemon.command({"check", "--config", daemon.config_file()});
  answers += check.out + check.err;
  daemon.send(SIGTERM);
  ASSERT_EQ(daemon.wait_exit(20s), 0);
  daemon.send(0);

  std::vector<std::pair<std::string, std::string>> canaries{
      {"provider key (env)", provider_key},
      {"provider key (file)", claude_key},
      {"provider header", "canary-provider-header-77"},
      {"dead provider", "canary-dead-provider-77"},
      {"proxied provider", "canary-proxied-provider-77"},
      {"proxy password", "canary-proxy-pass-77"},
      {"mcp credential", "canary-mcp-77"},
      {"a2a credential", "canary-a2a-77"},
      {"webhook secret", "canary-hook-secret-77"},
      {"admin token", std::string(Daemon::kAdminToken)}};
  for (const char* name : {"agent", "poor", "old", "never-configured"}) {
    canaries.emplace_back(std::string("virtual key ") + name, daemon.key(name));
  }
  std::size_t files = 0;
  for (const auto& [what, text] : canaries) {
    EXPECT_EQ(answers.find(text), std::string::npos) << what << " in an answer";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(daemon.dir())) {
      const std::string name = entry.path().filename();
      if (!entry.is_regular_file() || name == "tollgate.yaml" || name == "claude.key") continue;
      ++files;
      EXPECT_EQ(read_file(entry.path()).find(text), std::string::npos) << what << " in " << name;
    }
  }
  EXPECT_GT(files, canaries.size() * 3) << "log, database and bodies were looked at";
  EXPECT_EQ(answers.find("x-debug: fine") == std::string::npos, false)
      << "the echoing provider answered";
}

/// With no guardrail at all, and bodies recorded in full.
TEST(Canary, AVirtualKeyInABodyGoesNowhere) {
  FakeUpstream upstream;
  upstream.on("POST", kChat, {Answer::json(200, completion("ok"))});
  upstream.on("POST", "/mcp", {Answer::json(200, R"({"jsonrpc":"2.0","id":1,"result":{}})")});
  Daemon daemon(R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: some-provider-key, proxy: none}
models: {m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}}
mcp_servers: {tools: {url: "@{UP}/mcp", proxy: none}}
keys: [{id: k1, digest: "@{digest:agent}", allow: {mcp: {tools: ["*"]}}}]
default_guardrails: []
)",
                {.variables = {{"UP", upstream.url()}}, .audit = "bodies: full"});
  const std::string key = daemon.key();
  const std::string text = "my key is " + key + ", and " + key;
  EXPECT_EQ(daemon.post(kChat, chat_request("m", text)).status, 200);
  EXPECT_EQ(daemon
                .post("/mcp/tools", R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":)"
                                    R"({"name":"add","arguments":{"a":")" +
                                        text + "\"}}}")
                .status,
            200);
  ASSERT_EQ(upstream.request_count(), 2u);
  for (const SeenRequest& seen : upstream.requests()) {
    EXPECT_EQ(seen.body.find(key), std::string::npos) << seen.body;
    EXPECT_NE(seen.body.find("my key is tg-***, and tg-***"), std::string::npos) << seen.body;
    EXPECT_EQ(seen.header("content-length"), std::to_string(seen.body.size()));
  }
  EXPECT_EQ(daemon.exactly(2).size(), 2u);
  daemon.send(SIGTERM);
  ASSERT_EQ(daemon.wait_exit(20s), 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(daemon.dir())) {
    if (!entry.is_regular_file() || entry.path().filename() == "tollgate.yaml") continue;
    EXPECT_EQ(read_file(entry.path()).find(key), std::string::npos) << entry.path();
  }
}

}  // namespace
}  // namespace tollgate::testing
