// Money: caps that hold under parallel calls, refusals that say why, nothing left held.
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kPath = "/v1/chat/completions";

/// Input is free, output $50 per million tokens: 1000 tokens are exactly $0.05.
constexpr const char* kFiveCents = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none, max_connections: 400}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 0, output: 50}}]}
agents: {coder: {}}
keys:
  - id: k1
    digest: "@{digest:agent}"
    agent: coder
    budgets: [{name: cap, limit: 1.00, window: total}]
  - {id: other, digest: "@{digest:other}"}
)";

std::string five_cents() {
  return chat_request("m", "hi", R"(,"max_tokens":1000)");
}

TEST(Budget, TwoHundredParallelCallsOfFiveCentsOnADollarExactlyTwentySucceed) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 10, 1000)).after(300ms)});
  Daemon daemon(kFiveCents, {.variables = {{"UP", upstream.url()}}});

  std::atomic<int> ok{0}, refused{0}, other{0}, retry_allowed{0};
  std::vector<std::thread> threads;
  const std::string bytes = daemon.post_bytes(kPath, five_cents());
  for (int i = 0; i < 200; ++i) {
    threads.emplace_back([&] {
      const Response response = daemon.connect().exchange(bytes, 30s);
      if (response.status == 200) {
        ++ok;
      } else if (response.status == 402) {
        ++refused;
        if (response.header("x-should-retry") != "false") ++retry_allowed;
      } else {
        ++other;
        ADD_FAILURE() << response.status << " " << response.failure << " " << response.body;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ok, 20);
  EXPECT_EQ(refused, 180);
  EXPECT_EQ(other, 0);
  EXPECT_EQ(retry_allowed, 0) << "SDKs must not retry a 402";
  EXPECT_EQ(upstream.request_count(), 20u) << "a refused call never reaches the provider";

  EXPECT_EQ(daemon.exactly(200).size(), 200u);
  EXPECT_EQ(daemon.query("SELECT sum(cost_nusd) AS s FROM audit").at(0).at("s"), "1000000000");
  EXPECT_EQ(daemon.query("SELECT sum(nusd) AS s FROM ledger").at(0).at("s"), "1000000000");
  EXPECT_EQ(daemon
                .query("SELECT count(*) AS n FROM audit WHERE status=402 AND "
                       "error_code='budget_exceeded' AND outcome='refused' AND cost_nusd=0")
                .at(0)
                .at("n"),
            "180");
  const MetricsText metrics = daemon.metrics();
  EXPECT_EQ(metrics.value("tollgate_requests_total", {{"outcome", "ok"}}), 20);
  EXPECT_EQ(metrics.value("tollgate_refusals_total", {{"code", "budget_exceeded"}}), 180);
  EXPECT_EQ(metrics.value("tollgate_holds_nusd"), 0);

  const json me = json::parse(daemon.get("/tollgate/v1/me").body);
  EXPECT_NE(me.dump().find("\"cap\""), std::string::npos) << me.dump();
}

TEST(Budget, ARefusalNamesTheScopeTheLimitAndTheReset) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 10, 1000))});
  std::string yaml = kFiveCents;
  yaml.replace(yaml.find("1.00, window: total"), 19, "0.05, window: day");
  Daemon daemon(yaml, {.variables = {{"UP", upstream.url()}}});
  ASSERT_EQ(daemon.post(kPath, five_cents()).status, 200);
  ASSERT_TRUE(daemon.wait_metric("tollgate_requests_total", {{"outcome", "ok"}}, 1));

  const Response response = daemon.post(kPath, five_cents());
  ASSERT_EQ(response.status, 402);
  const json error = json::parse(response.body)["error"];
  EXPECT_EQ(error["code"], "budget_exceeded");
  EXPECT_EQ(error["type"], "insufficient_quota");
  const std::string message = error["message"];
  for (const char* part : {"k1", "0.05", "cap"}) {
    EXPECT_NE(message.find(part), std::string::npos) << part << " in: " << message;
  }
  EXPECT_NE(message.find("reset"), std::string::npos) << message;
  EXPECT_NE(response.body.find(response.header("x-request-id")), std::string::npos);
  // The other key is not touched by it.
  EXPECT_EQ(daemon.post(kPath, five_cents(), "other").status, 200);
}

struct ScopeCase {
  const char* scope;
  const char* where;
};
class EveryScope : public ::testing::TestWithParam<ScopeCase> {};

TEST_P(EveryScope, CanRefuseOnItsOwn) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 10, 1000))});
  const std::string scope = GetParam().scope;
  const auto budget = [&](const char* name) {
    return scope == name ? std::string("[{name: only, limit: 0.05, window: month}]")
                         : std::string("[{name: wide, limit: 100, window: month}]");
  };
  const std::string yaml = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none, budgets: )" +
                           budget("provider") + R"(}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 0, output: 50}}], budgets: )" +
                           budget("model") + R"(}
orgs: {o: {budgets: )" + budget("org") +
                           R"(}}
teams: {t: {org: o, budgets: )" +
                           budget("team") + R"(}}
agents: {a: {team: t, budgets: )" +
                           budget("agent") + R"(}}
spending: {min_output_tokens: 900}
keys: [{id: k, digest: "@{digest:agent}", agent: a, budgets: )" +
                           budget("key") + "}]\n";
  Daemon daemon(yaml, {.variables = {{"UP", upstream.url()}}});
  EXPECT_EQ(daemon.post(kPath, five_cents()).status, 200);
  ASSERT_TRUE(daemon.wait_metric("tollgate_requests_total", {{"outcome", "ok"}}, 1));
  const Response second = daemon.post(kPath, five_cents());
  EXPECT_EQ(second.status, 402) << second.body;
  const std::string message = json::parse(second.body)["error"]["message"];
  EXPECT_NE(message.find(scope), std::string::npos) << message;
  EXPECT_EQ(upstream.request_count(), 1u);
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

INSTANTIATE_TEST_SUITE_P(Scopes, EveryScope,
                         ::testing::Values(ScopeCase{"key", ""}, ScopeCase{"agent", ""},
                                           ScopeCase{"team", ""}, ScopeCase{"org", ""},
                                           ScopeCase{"model", ""}, ScopeCase{"provider", ""}),
                         [](const auto& tested) { return std::string(tested.param.scope); });

TEST(Budget, ACallThatAsksForNoOutputDoesNotPassAnExhaustedBudget) {
  FakeUpstream upstream;
  upstream.on("POST", "/v1/messages", {Answer::json(200, anthropic_message("ok"))});
  Daemon daemon(R"(
providers:
  up: {kind: anthropic, base_url: "@{UP}", api_key: provider-key-1, proxy: none}
models: {c: {deployments: [{provider: up, model: c, price: {input: 0, output: 500}}]}}
keys: [{id: k, digest: "@{digest:agent}", budgets: [{limit: 0.0025, window: day}]}]
)",
                {.variables = {{"UP", upstream.url()}}});
  const auto ask = [&](int cap) {
    return daemon
        .post("/v1/messages", R"({"model":"c","messages":[{"role":"user","content":"hi"}],)"
                              R"("max_tokens":)" +
                                  std::to_string(cap) + "}")
        .status;
  };
  EXPECT_EQ(ask(0), 200) << "fills a cache";
  EXPECT_EQ(ask(5), 402) << "5 tokens were billed";
  EXPECT_EQ(ask(0), 402);
  EXPECT_EQ(upstream.request_count(), 1u);
}

TEST(Budget, AnUnpricedModelIsRefusedUnlessAHoldIsSaid) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  const std::string yaml = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
models: {m: up/unheard-of}
keys: [{id: k, digest: "@{digest:agent}"}]
)";
  Daemon daemon(yaml, {.variables = {{"UP", upstream.url()}}});
  const Response refused = daemon.post(kPath, chat_request("m", "hi"));
  EXPECT_EQ(refused.status, 402);
  EXPECT_EQ(json::parse(refused.body)["error"]["code"], "unpriced_model");
  EXPECT_EQ(upstream.request_count(), 0u);
  daemon.reload(yaml + "spending: {unpriced: hold, unpriced_hold: 0.01}\n");
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, 2));
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
  EXPECT_EQ(daemon.rows(2).at(1).at("cost_nusd"), "10000000");
}

TEST(Budget, AProviderThatBillsMoreThanItsCapIsSettledTrulyAndClosesTheBudget) {
  FakeUpstream upstream;
  // 30,000 tokens at $50/M: $1.50 against a cap of $1.00 although 1,000 tokens were asked for.
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 10, 30'000))});
  Daemon daemon(kFiveCents, {.variables = {{"UP", upstream.url()}}});
  ASSERT_EQ(daemon.post(kPath, five_cents()).status, 200);
  const Row row = daemon.rows(1).at(0);
  EXPECT_EQ(row.at("cost_nusd"), "1500000000");
  EXPECT_EQ(row.at("overrun"), "1");
  EXPECT_EQ(daemon.post(kPath, five_cents()).status, 402);
  EXPECT_EQ(daemon.metrics().value("tollgate_budget_overruns_total"), 1);
}

TEST(Budget, AnEstimateOfOursNeverBreaksTheCap) {
  FakeUpstream upstream;
  // A provider that says nothing of its use, and more text than the cap it was sent allows.
  const auto silent_about_usage = [](const std::string& text) {
    return R"({"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"real-m","choices":[{"index":0,"message":{"role":"assistant","content":")" +
           text + R"("},"finish_reason":"stop"}]})";
  };
  upstream.on("POST", kPath,
              {Answer::json(200, silent_about_usage(std::string(2'000, 'x'))),
               Answer::json(200, silent_about_usage("two word"))});
  Daemon daemon(
      std::string(kOneProvider) + "    budgets: [{name: cap, limit: 0.003, window: day}]\n",
      {.variables = {{"UP", upstream.url()}}});
  const std::string body = chat_request("m", "hi", R"(,"max_tokens":10)");
  ASSERT_EQ(daemon.post(kPath, body).status, 200);
  const Row row = daemon.rows(1).at(0);
  EXPECT_EQ(row.at("estimated"), "1");
  EXPECT_EQ(row.at("overrun"), "0");
  EXPECT_EQ(row.at("cost_nusd"), row.at("held_nusd"));
  EXPECT_EQ(daemon.metrics().value("tollgate_budget_overruns_total"), 0);
  const json me = json::parse(daemon.get("/tollgate/v1/me").body);
  EXPECT_EQ(me["budgets"][0]["closed"], false) << me.dump();
  // Two tokens of text are two tokens: the envelope around them is not generated.
  daemon.reload(kOneProvider);
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, 2));
  ASSERT_EQ(daemon.post(kPath, body).status, 200);
  const Row second = daemon.rows(3).at(2);  // the question what is left is on record too
  EXPECT_EQ(second.at("output_tokens"), "2");
  EXPECT_EQ(second.at("cost_nusd"), std::to_string((body.size() + 3) / 4 * 2'500 + 2 * 10'000));
}

TEST(Budget, WhatAProviderDoesNotCountIsEstimated) {
  struct Case {
    std::string usage;
    std::optional<std::int64_t> input, output;  ///< told
    bool is_absurd = false;                     ///< what was held is settled
  };
  const std::vector<Case> cases = {
      {R"({"prompt_tokens":0,"completion_tokens":0})", 0, 0},
      {R"({"prompt_tokens":12.0,"completion_tokens":5})", 12, 5},
      {"{}", {}, {}},
      {R"({"prompt_tokens":null,"completion_tokens":null})", {}, {}},
      {R"({"prompt_tokens":"12","completion_tokens":5})", {}, 5},
      {R"({"prompt_tokens":12})", 12, {}},
      {R"({"prompt_tokens":-12,"completion_tokens":-5})", {}, {}},
      {R"({"prompt_tokens":12,"completion_tokens":9223372036854775807})", 12, {}, true},
      {R"({"prompt_tokens":99999999999999999999,"completion_tokens":5})", {}, 5, true}};
  std::vector<Answer> answers;
  for (const Case& c : cases) {
    std::string answer = completion("two word");
    const std::size_t at = answer.find("\"usage\":") + 8;
    answer.replace(at, answer.find('}', at) + 1 - at, c.usage);
    answers.push_back(Answer::json(200, answer));
    std::vector<std::string> events = chat_stream({"two ", "word"}, false);
    events.insert(events.end() - 1, sse_data(R"({"id":"c","choices":[],"usage":)" + c.usage + "}"));
    answers.push_back(Answer::sse(std::move(events)));
  }
  FakeUpstream upstream;
  upstream.on("POST", kPath, std::move(answers));
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  std::size_t calls = 0;
  for (const Case& c : cases) {
    for (const char* const more : {R"(,"max_tokens":10)", R"(,"max_tokens":10,"stream":true)"}) {
      SCOPED_TRACE(c.usage + more);
      const std::string body = chat_request("m", "hi", more);
      ASSERT_EQ(daemon.post(kPath, body).status, 200);
      const Row row = daemon.rows(++calls).back();
      const bool is_exact = c.input && c.output && !c.is_absurd;
      EXPECT_EQ(row.at("estimated"), is_exact ? "0" : "1");
      EXPECT_EQ(row.at("overrun"), "0");
      const std::int64_t input = c.input.value_or((body.size() + 3) / 4);
      EXPECT_EQ(row.at("cost_nusd"),
                c.is_absurd ? row.at("held_nusd")
                            : std::to_string(input * 2'500 + c.output.value_or(2) * 10'000));
    }
  }
}

TEST(Budget, APredictionThatMayBeBilledIsHeld) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 10, 1'000 + 400))});
  Daemon daemon(kFiveCents, {.variables = {{"UP", upstream.url()}}});
  const std::string more = R"(,"max_tokens":1000,"prediction":{"type":"content","content":")" +
                           std::string(500, 'p') + "\"}";
  ASSERT_EQ(daemon.post(kPath, chat_request("m", "hi", more)).status, 200);
  const Row row = daemon.rows(1).at(0);
  EXPECT_EQ(row.at("cost_nusd"), std::to_string(1'400 * 50'000));
  EXPECT_GE(std::stol(row.at("held_nusd")), 1'500 * 50'000);
  EXPECT_EQ(row.at("overrun"), "0");
}

/// Input costs $1 per token here, so that every byte of the bound shows.
constexpr const char* kLongerWhenMasked = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 1000000, output: 0}}]}
guardrails:
  words: {rules: [{name: x, keyword: "zz", action: mask, replacement: "@{LONG}"}]}
keys: [{id: k1, digest: "@{digest:agent}", guardrails: [words], budgets: [{name: cap, limit: @{LIMIT}, window: day}]}]
)";

TEST(Budget, AMaskThatLengthensTheBodyIsHeldBeforeItIsSent) {
  const std::string replacement(200, 'R');
  const std::string body = chat_request("m", "zz zz zz zz zz", R"(,"max_tokens":1)");
  const std::size_t longer = body.size() + 5 * (replacement.size() - 2);
  for (const bool fits : {true, false}) {
    SCOPED_TRACE(fits);
    FakeUpstream upstream;
    upstream.on("POST", kPath, {Answer::json(200, completion("ok", static_cast<int>(longer), 1))});
    Daemon daemon(kLongerWhenMasked, {.variables = {{"UP", upstream.url()},
                                                    {"LONG", replacement},
                                                    {"LIMIT", fits ? "5000" : "900"}}});
    const Response response = daemon.post(kPath, body);
    const Row row = daemon.exactly(1).at(0);
    if (fits) {
      EXPECT_EQ(response.status, 200) << response.body;
      EXPECT_EQ(upstream.requests().at(0).body.size(), longer);
      EXPECT_GE(std::stoll(row.at("held_nusd")), static_cast<long long>(longer) * 1'000'000'000);
      EXPECT_EQ(row.at("overrun"), "0");
    } else {
      // The body as it came would have fitted; what would be sent does not.
      EXPECT_EQ(response.status, 402) << response.body;
      EXPECT_EQ(upstream.request_count(), 0u);
      EXPECT_EQ(row.at("cost_nusd"), "0");
      EXPECT_EQ(row.at("error_code"), "budget_exceeded");
    }
    EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
  }
}

TEST(Budget, TheMetricOfHeldMoneyCountsCallsNotBudgets) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 10, 1000)).after(1s)});
  std::string yaml = kFiveCents;
  yaml.replace(yaml.find("window: total}"), 14,
               "window: total}, {name: day, limit: 1, window: day}");
  Daemon daemon(yaml, {.variables = {{"UP", upstream.url()}}});
  std::thread with([&] { EXPECT_EQ(daemon.post(kPath, five_cents()).status, 200); });
  // A key without a budget holds too.
  std::thread without([&] { EXPECT_EQ(daemon.post(kPath, five_cents(), "other").status, 200); });
  ASSERT_TRUE(upstream.wait_for_requests(2));
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 100'000'000));
  with.join();
  without.join();
  EXPECT_TRUE(daemon.exactly(2).size() == 2);
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

TEST(Budget, AlertsAreRaisedOncePerThresholdAndPostedWithRetry) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 10, 1000))});
  upstream.on("POST", "/hook", {Answer::json(503, "{}"), Answer::json(200, "{}")});
  std::string yaml = kFiveCents;
  yaml.replace(yaml.find("1.00, window: total"), 19, "0.10, window: day, alerts: [50, 100]");
  yaml += "alerts: {webhooks: [{url: \"" + upstream.url() + "/hook\", secret: hook-secret-77}]}\n";
  Daemon daemon(yaml, {.variables = {{"UP", upstream.url()}}});
  ASSERT_EQ(daemon.post(kPath, five_cents()).status, 200);
  EXPECT_TRUE(daemon.wait_metric("tollgate_alerts_total", {{"scope", "key"}}, 1));
  EXPECT_TRUE(
      daemon.wait_metric("tollgate_webhook_deliveries_total", {{"result", "delivered"}}, 1, 15s));
  std::vector<SeenRequest> hooks;
  for (const SeenRequest& seen : upstream.requests()) {
    if (seen.target == "/hook") hooks.push_back(seen);
  }
  ASSERT_EQ(hooks.size(), 2u) << "a 503, then a retry";
  EXPECT_EQ(hooks[0].body, hooks[1].body);
  EXPECT_FALSE(hooks[0].header("x-tollgate-signature").empty());
  const json alert = json::parse(hooks[0].body);
  EXPECT_NE(alert.dump().find("k1"), std::string::npos) << alert.dump();
  EXPECT_EQ(hooks[0].raw_head.find("hook-secret-77"), std::string::npos);
  EXPECT_TRUE(daemon.wait_log("budget", 1s));
}

}  // namespace
}  // namespace tollgate::testing
