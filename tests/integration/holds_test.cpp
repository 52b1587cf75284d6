// Holds that fit: agents that ask for far more than they use, near their cap, and providers that
// give more than they were asked for (docs/budgets.md, "Near a cap").
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kPath = "/v1/chat/completions";

/// Input is free, output $15 per million tokens, as the caps of one key: @{LIMIT}.
constexpr const char* kConfig = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none, max_connections: 400}
  claude: {kind: anthropic, base_url: "@{UP}", api_key: provider-key-2, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 0, output: 15}}]}
  read: {deployments: [{provider: up, model: read, tokenizer: openai, price: {input: 1000, output: 15}}]}
  c: {deployments: [{provider: claude, model: c, price: {input: 0, output: 15}}]}
keys:
  - {id: k1, digest: "@{digest:agent}", budgets: [{name: cap, limit: @{LIMIT}, window: total}], loop_breaker: off}
)";

std::string big_ask(const char* more = "") {
  return chat_request("m", "hi", R"(,"max_tokens":64000)" + std::string(more));
}

TEST(Holds, TwentyAtATimeUnderACapOf25DollarsSpendItAll) {
  FakeUpstream upstream;
  // Each truly costs $0.10, or what its cap allows; and takes a moment.
  upstream.on("POST", kPath, [](const SeenRequest& request) {
    const int cap = json::parse(request.body)["max_tokens"];
    return Answer::json(200, completion("ok", 10, std::min(cap, 6'667)))
        .after(std::chrono::milliseconds(10 + cap % 40));
  });
  Daemon daemon(kConfig, {.variables = {{"UP", upstream.url()}, {"LIMIT", "25.00"}}});
  std::atomic<int> ok{0}, refused{0}, other{0};
  std::atomic<int> told{0};
  std::vector<std::thread> agents;
  for (int i = 0; i < 20; ++i) {
    agents.emplace_back([&] {
      for (;;) {
        const Response response = daemon.post(kPath, big_ask());
        if (response.status == 200) {
          ++ok;
          told += response.header("x-tollgate-output-cap").empty() ? 0 : 1;
          continue;
        }
        ++(response.status == 402 ? refused : other);
        return;
      }
    });
  }
  for (std::thread& agent : agents) agent.join();
  EXPECT_EQ(refused, 20);
  EXPECT_EQ(other, 0);
  EXPECT_GE(ok, 249);
  EXPECT_GT(told, 0) << "near the cap caps are lowered, and said to be";
  const json budget = json::parse(daemon.get("/tollgate/v1/me").body)["budgets"][0];
  EXPECT_LE(budget["spent_nusd"].get<std::int64_t>(), 25'000'000'000);
  EXPECT_GE(budget["spent_nusd"].get<std::int64_t>(), 24'990'000'000) << "nothing of use is left";
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

TEST(Holds, ABurstOnLittleMoneySharesIt) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 10, 100)).after(500ms)});
  Daemon daemon(kConfig, {.variables = {{"UP", upstream.url()}, {"LIMIT", "1.50"}}});
  std::vector<std::thread> agents;
  std::mutex mutex;
  std::vector<int> caps;
  for (int i = 0; i < 12; ++i) {
    agents.emplace_back([&] {
      const Response response = daemon.post(kPath, big_ask());
      EXPECT_EQ(response.status, 200) << response.body;
      const std::string cap = response.header("x-tollgate-output-cap");
      const std::lock_guard lock(mutex);
      caps.push_back(cap.empty() ? 64'000 : std::stoi(cap));
    });
  }
  for (std::thread& agent : agents) agent.join();
  for (const int cap : caps) EXPECT_GE(cap, 2'048) << "waiting is better than a useless cap";
}

TEST(Holds, TextIsEstimatedWhereItsBytesDoNotFit) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 1'000, 10))});
  std::string text;
  while (text.size() < 8'000) text += "All human beings are born free and equal in dignity. ";
  const std::string ask = chat_request("read", text, R"(,"max_tokens":10)");
  // $1 per thousand input tokens: 8,600 by bytes, less than 5,500 by the estimate.
  for (const bool estimates : {true, false}) {
    SCOPED_TRACE(estimates);
    Daemon daemon(std::string(kConfig) +
                      "spending: {estimate_near_cap: " + (estimates ? "true" : "false") + "}\n",
                  {.variables = {{"UP", upstream.url()}, {"LIMIT", "6.00"}}});
    const Response response = daemon.post(kPath, ask);
    EXPECT_EQ(response.status, estimates ? 200 : 402) << response.body;
    const Row row = daemon.exactly(1).at(0);
    if (estimates) {
      EXPECT_LT(std::stoll(row.at("held_nusd")), 5'500'000'000);
      EXPECT_EQ(row.at("overrun"), "0");
    }
  }
  // With room for the bytes they are what is held.
  Daemon daemon(kConfig, {.variables = {{"UP", upstream.url()}, {"LIMIT", "100.00"}}});
  EXPECT_EQ(daemon.post(kPath, ask).status, 200);
  EXPECT_GT(std::stoll(daemon.exactly(1).at(0).at("held_nusd")), 8'000'000'000);
}

TEST(Holds, AStreamThatIgnoresItsCapEndsAsOneAtItsCap) {
  FakeUpstream upstream;
  upstream.on("POST", kPath,
              {Answer::sse(chat_stream(std::vector<std::string>(2'000, "word ")), 1ms)});
  Daemon daemon(kConfig, {.variables = {{"UP", upstream.url()}, {"LIMIT", "25.00"}}});
  RawClient client = daemon.connect();
  client.send(
      daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":100,"stream":true)")));
  EXPECT_EQ(client.read_head().status, 200);
  const auto events = client.all_events();
  ASSERT_GE(events.size(), 3u);
  EXPECT_EQ(events.back().data, "[DONE]");
  const json last = json::parse(events[events.size() - 2].data);
  EXPECT_EQ(last["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(last["object"], "chat.completion.chunk");
  EXPECT_GT(events.size(), 100u) << "not before the cap";
  EXPECT_LT(events.size(), 250u);
  EXPECT_TRUE(upstream.wait_for_peer_left(0, 2s).has_value()) << "the provider stops being paid";
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("cost_nusd"), std::to_string(100 * 15'000)) << "its hold";
  EXPECT_EQ(row.at("estimated"), "1");
  EXPECT_EQ(daemon.metrics().value("tollgate_limit_hits_total", {{"limit", "output_cap"}}), 1);
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

TEST(Holds, AnAnthropicStreamThatIgnoresItsCapToo) {
  FakeUpstream upstream;
  upstream.on("POST", "/v1/messages",
              {Answer::sse(anthropic_stream(std::vector<std::string>(2'000, "word ")), 1ms)});
  Daemon daemon(kConfig, {.variables = {{"UP", upstream.url()}, {"LIMIT", "25.00"}}});
  RawClient client = daemon.connect();
  client.send(daemon.post_bytes(
      "/v1/messages",
      R"({"model":"c","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hi"}]})"));
  EXPECT_EQ(client.read_head().status, 200);
  const auto events = client.all_events();
  ASSERT_GE(events.size(), 4u);
  EXPECT_EQ(json::parse(events.back().data)["type"], "message_stop");
  const json delta = json::parse(events[events.size() - 2].data);
  EXPECT_EQ(delta["type"], "message_delta");
  EXPECT_EQ(delta["delta"]["stop_reason"], "max_tokens");
  EXPECT_EQ(delta["usage"]["output_tokens"], 100);
  EXPECT_EQ(json::parse(events[events.size() - 3].data)["type"], "content_block_stop");
  EXPECT_LT(events.size(), 250u);
  EXPECT_TRUE(upstream.wait_for_peer_left(0, 2s).has_value());
  EXPECT_EQ(daemon.exactly(1).at(0).at("cost_nusd"), std::to_string(100 * 15'000));
}

TEST(Holds, ACapIsSentInTheFieldThatTheHostObeys) {
  FakeUpstream upstream;
  // Obeys max_tokens and ignores every other name, as some compatible hosts do.
  upstream.on("POST", kPath, [](const SeenRequest& request) {
    return Answer::json(
        200, completion("ok", 10, json::parse(request.body).value("max_tokens", 64'000)));
  });
  Daemon daemon(kConfig, {.variables = {{"UP", upstream.url()}, {"LIMIT", "25.00"}}});
  const std::pair<const char*, int> cases[] = {
      {R"(,"max_completion_tokens":1)", 1},
      {R"(,"max_tokens":null,"max_completion_tokens":3)", 3},
      {R"(,"max_output_tokens":1)", 4'096},
      {R"(,"max_tokens":2)", 2}};
  std::size_t calls = 0;
  for (const auto& [more, cap] : cases) {
    ASSERT_EQ(daemon.post(kPath, chat_request("m", "hi", more)).status, 200) << more;
    const json seen = json::parse(upstream.requests().at(calls).body);
    EXPECT_EQ(seen.value("max_tokens", 0), cap) << more;
    EXPECT_FALSE(seen.contains("max_completion_tokens")) << more;
    const Row row = daemon.rows(++calls).back();
    EXPECT_EQ(row.at("overrun"), "0") << more;
    EXPECT_EQ(row.at("cost_nusd"), std::to_string(cap * 15'000)) << more;
  }
  const Response refused =
      daemon.post(kPath, chat_request("m", "hi", R"(,"max_tokens":1,"MAX_TOKENS":64000)"));
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(json::parse(refused.body)["error"]["param"], "MAX_TOKENS");
  EXPECT_EQ(upstream.requests().size(), calls);
}

TEST(Holds, RunsOfAnotherModelAreChargedTheHoldAtLeast) {
  const auto message = [](int advised) {
    return Answer::json(
        200,
        R"({"id":"msg_1","type":"message","role":"assistant","model":"c","content":[],)"
        R"("stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":5,"iterations":[)"
        R"({"type":"message","input_tokens":1,"output_tokens":5},)"
        R"({"type":"advisor_message","model":"d","input_tokens":1,"output_tokens":)" +
            std::to_string(advised) + "}]}}");
  };
  FakeUpstream upstream;
  upstream.on("POST", "/v1/messages", {message(7), message(200)});
  Daemon daemon(kConfig, {.variables = {{"UP", upstream.url()}, {"LIMIT", "25.00"}}});
  for (const int cost : {100, 205}) {
    const Response response = daemon.post(
        "/v1/messages",
        R"({"model":"c","max_tokens":100,"messages":[{"role":"user","content":"hi"}]})");
    ASSERT_EQ(response.status, 200) << response.body;
    const Row row = daemon.rows(cost == 100 ? 1 : 2).back();
    EXPECT_EQ(row.at("estimated"), "1");
    EXPECT_EQ(row.at("cost_nusd"), std::to_string(cost * 15'000));
  }
}

TEST(Holds, OrByAnErrorOrNotAtAll) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::sse(chat_stream(std::vector<std::string>(400, "word ")))});
  for (const std::string action : {"error", "pass"}) {
    SCOPED_TRACE(action);
    Daemon daemon(std::string(kConfig) + "spending: {on_ignored_cap: " + action + "}\n",
                  {.variables = {{"UP", upstream.url()}, {"LIMIT", "25.00"}}});
    RawClient client = daemon.connect();
    client.send(
        daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":100,"stream":true)")));
    EXPECT_EQ(client.read_head().status, 200);
    const auto events = client.all_events();
    ASSERT_GE(events.size(), 2u);
    const Row row = daemon.exactly(1).at(0);
    if (action == "error") {
      EXPECT_EQ(json::parse(events.back().data)["error"]["code"], "budget_exceeded");
      EXPECT_LT(events.size(), 250u);
      EXPECT_EQ(row.at("error_code"), "budget_exceeded");
      EXPECT_EQ(row.at("cost_nusd"), std::to_string(100 * 15'000));
    } else {
      EXPECT_EQ(events.back().data, "[DONE]");
      EXPECT_GT(events.size(), 400u);
      EXPECT_EQ(row.at("outcome"), "ok");
    }
  }
}

TEST(Holds, AnHonestStreamAtItsCapIsLeftAlone) {
  FakeUpstream upstream;
  auto events = chat_stream(std::vector<std::string>(100, "word "));
  upstream.on("POST", kPath, {Answer::sse(events)});
  Daemon daemon(kConfig, {.variables = {{"UP", upstream.url()}, {"LIMIT", "25.00"}}});
  RawClient client = daemon.connect();
  client.send(
      daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":100,"stream":true)")));
  EXPECT_EQ(client.read_head().status, 200);
  EXPECT_GE(client.all_events().size(), 101u);
  EXPECT_EQ(daemon.exactly(1).at(0).at("outcome"), "ok");
  EXPECT_EQ(daemon.metrics().value("tollgate_limit_hits_total", {{"limit", "output_cap"}}), 0);
}

}  // namespace
}  // namespace tollgate::testing
