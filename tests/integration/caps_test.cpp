// Rate limits, budgets in tokens and requests, sessions, end users and tags, as callers see them.
#include <gtest/gtest.h>

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

constexpr const char* kConfig = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
  claude: {kind: anthropic, base_url: "@{UP}", api_key: provider-key-2, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 0, output: 50}}]}
  c: {deployments: [{provider: claude, model: c, price: {input: 0, output: 50}}]}
tags:
  nightly: {budgets: [{name: calls, requests: 2, window: total}]}
agents:
  runs:
    each_session: {budgets: [{limit: 0.10, window: total}]}
keys:
  - {id: rated, digest: "@{digest:agent}", rate_limits: [{requests: 3, per: 1h}, {tokens: 100000, per: 1h}]}
  - {id: single, digest: "@{digest:single}", rate_limits: [{concurrent: 1}]}
  - {id: counted, digest: "@{digest:counted}", budgets: [{name: tokens, tokens: 2000, window: day}]}
  - {id: tagged-1, digest: "@{digest:tagged1}", tags: [nightly]}
  - {id: tagged-2, digest: "@{digest:tagged2}", tags: [nightly, other]}
  - {id: runner, digest: "@{digest:runner}", agent: runs}
  - id: product
    digest: "@{digest:product}"
    each_end_user: {required: true, rate_limits: [{requests: 1, per: 1h}]}
end_user_header: x-end-user
spending: {hold_wait: 0s}
)";

class Caps : public ::testing::Test {
 protected:
  Caps() {
    upstream.on("POST", kPath,
                {Answer::json(200, completion("ok", 100, 1000))
                     .header("x-ratelimit-remaining-requests", "9999")});
    upstream.on("POST", "/v1/messages", {Answer::json(200, anthropic_message("ok"))});
  }
  Response call(const std::string& key, const std::string& more = R"(,"max_tokens":1000)",
                const Headers& headers = {}) {
    return daemon.post(kPath, chat_request("m", "hi", more), key, headers);
  }
  FakeUpstream upstream;
  Daemon daemon{kConfig, {.variables = {{"UP", upstream.url()}}}};
};

TEST_F(Caps, ARateLimitIsToldOnAnswersAndRefusals) {
  const Response first = call("agent");
  ASSERT_EQ(first.status, 200);
  EXPECT_EQ(first.header("x-ratelimit-limit-requests"), "3");
  EXPECT_EQ(first.header("x-ratelimit-remaining-requests"), "2") << "ours, not the provider's";
  EXPECT_EQ(first.header("x-ratelimit-limit-tokens"), "100000");
  EXPECT_NE(first.header("x-ratelimit-reset-requests").find("h"), std::string::npos);
  const Response message = daemon.post(
      "/v1/messages",
      R"({"model":"c","max_tokens":10,"messages":[{"role":"user","content":"hi"}]})", "agent");
  ASSERT_EQ(message.status, 200) << message.body;
  EXPECT_EQ(message.header("anthropic-ratelimit-requests-remaining"), "1");
  EXPECT_EQ(message.header("anthropic-ratelimit-requests-reset").back(), 'Z');
  EXPECT_EQ(message.header("x-ratelimit-limit-requests"), "");
  ASSERT_EQ(call("agent").status, 200);
  const Response refused = call("agent");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(json::parse(refused.body)["error"]["code"], "rate_limited");
  const int wait = std::stoi(refused.header("retry-after"));
  EXPECT_GT(wait, 3'500);
  EXPECT_LE(wait, 3'630);
  EXPECT_EQ(refused.header("x-ratelimit-remaining-requests"), "0");
  EXPECT_EQ(upstream.request_count(), 3u);
  EXPECT_EQ(daemon.exactly(4).at(3).at("error_code"), "rate_limited");
}

TEST_F(Caps, ARateLimitIsToldOnTheListOfModels) {
  const Response list = daemon.get("/v1/models");
  ASSERT_EQ(list.status, 200) << list.body;
  EXPECT_EQ(list.header("x-ratelimit-limit-requests"), "3");
  EXPECT_EQ(list.header("x-ratelimit-remaining-requests"), "2") << "it is a request as any";
  EXPECT_EQ(list.header("x-ratelimit-limit-tokens"), "100000");
  EXPECT_EQ(list.header("x-ratelimit-remaining-tokens"), "100000");
  const Response of_anthropic =
      daemon.get("/v1/models", "agent", {{"anthropic-version", "2023-06-01"}});
  ASSERT_EQ(of_anthropic.status, 200) << of_anthropic.body;
  EXPECT_EQ(of_anthropic.header("anthropic-ratelimit-requests-remaining"), "1");
  EXPECT_EQ(of_anthropic.header("x-ratelimit-limit-requests"), "");
  const Response missing = daemon.get("/v1/models/none-such");
  EXPECT_EQ(missing.status, 404) << missing.body;
  EXPECT_EQ(missing.header("x-ratelimit-remaining-requests"), "0");
  const Response refused = daemon.get("/v1/models");
  EXPECT_EQ(refused.status, 429) << refused.body;
  EXPECT_EQ(refused.header("x-ratelimit-remaining-requests"), "0");
  EXPECT_EQ(daemon.get("/v1/models", "counted").raw_head.find("ratelimit"), std::string::npos)
      << "a key without rate limits is told of none";
  EXPECT_EQ(daemon.get("/tollgate/v1/me").raw_head.find("ratelimit"), std::string::npos)
      << "it is not limited, and its body has them";
}

TEST_F(Caps, CallsInFlight) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 10, 10)).after(500ms)});
  RawClient one(daemon.port());
  one.send(daemon.post_bytes(kPath, chat_request("m", "hi"), "single"));
  ASSERT_TRUE(upstream.wait_for_requests(1));
  const Response refused = call("single");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_NE(refused.body.find("1 request in flight"), std::string::npos) << refused.body;
  EXPECT_EQ(one.read_response().status, 200);
  EXPECT_EQ(call("single").status, 200);
}

// A cap in tokens lowers the output cap as one in money does, and counts what was used.
TEST_F(Caps, ABudgetInTokens) {
  const Response lowered = call("counted", R"(,"max_tokens":64000)");
  ASSERT_EQ(lowered.status, 200) << lowered.body;
  const int cap = std::stoi(lowered.header("x-tollgate-output-cap"));
  EXPECT_LT(cap, 2'000);
  EXPECT_GT(cap, 1'000);
  EXPECT_EQ(json::parse(upstream.requests().at(0).body)["max_tokens"], cap);
  // 1100 of 2000 are used: a thousand more do not fit, and the cap is lowered again.
  const Response less = call("counted", R"(,"max_tokens":1000)");
  ASSERT_EQ(less.status, 200) << less.body;
  EXPECT_LT(std::stoi(less.header("x-tollgate-output-cap")), 900);
  // The provider kept to nothing: its thousand tokens close the budget.
  const Response refused = call("counted", R"(,"max_tokens":1)");
  EXPECT_EQ(refused.status, 402);
  EXPECT_NE(refused.body.find("tokens"), std::string::npos) << refused.body;
  daemon.exactly(3);
  EXPECT_EQ(daemon.query("SELECT sum(tokens) AS s FROM ledger").at(0).at("s"), "2200");
}

TEST_F(Caps, KeysOfATagShareItsBudget) {
  EXPECT_EQ(call("tagged1").status, 200);
  EXPECT_EQ(call("tagged2").status, 200);
  for (const char* key : {"tagged1", "tagged2"}) {
    const Response refused = call(key);
    EXPECT_EQ(refused.status, 402) << key;
    EXPECT_NE(refused.body.find("nightly"), std::string::npos) << refused.body;
  }
  daemon.exactly(4);
  EXPECT_EQ(daemon.query("SELECT count(*) AS n FROM ledger WHERE scopes='[\"tag:nightly\"]'")
                .at(0)
                .at("n"),
            "2");
}

TEST_F(Caps, EachSessionHasItsOwnMoney) {
  const Headers run{{"x-session-id", "run-1"}};
  EXPECT_EQ(call("runner", R"(,"max_tokens":1000)", run).status, 200);
  EXPECT_EQ(call("runner", R"(,"max_tokens":1000)", run).status, 200);
  const Response refused = call("runner", R"(,"max_tokens":1000)", run);
  EXPECT_EQ(refused.status, 402);
  EXPECT_NE(refused.body.find("agent:runs/run-1"), std::string::npos) << refused.body;
  EXPECT_EQ(call("runner", R"(,"max_tokens":1000)", {{"x-session-id", "run-2"}}).status, 200);
  const Headers trace{{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}};
  EXPECT_EQ(call("runner", R"(,"max_tokens":1000)", trace).status, 200);
  EXPECT_EQ(call("runner").status, 200) << "a call without a session has none";
}

TEST_F(Caps, EachEndUserHasItsOwnRate) {
  const Response nobody = call("product");
  EXPECT_EQ(nobody.status, 400);
  EXPECT_NE(nobody.body.find("end user"), std::string::npos) << nobody.body;
  EXPECT_EQ(call("product", R"(,"max_tokens":10,"user":"ann")").status, 200);
  EXPECT_EQ(call("product", R"(,"max_tokens":10,"user":"ann")").status, 429);
  EXPECT_EQ(call("product", R"(,"max_tokens":10,"user":"bob")").status, 200);
  EXPECT_EQ(call("product", R"(,"max_tokens":10)", {{"x-end-user", "carl"}}).status, 200);
  EXPECT_EQ(call("product", R"(,"max_tokens":10)", {{"x-end-user", "carl"}}).status, 429);
  daemon.exactly(6);
  EXPECT_EQ(daemon.query("SELECT count(*) AS n FROM audit WHERE end_user='ann'").at(0).at("n"),
            "2");
}

TEST_F(Caps, ACallersOwnReport) {
  ASSERT_EQ(call("agent").status, 200);
  const json me = json::parse(daemon.get("/tollgate/v1/me").body);
  ASSERT_EQ(me["rate_limits"].size(), 2u);
  EXPECT_EQ(me["rate_limits"][0]["unit"], "requests");
  EXPECT_EQ(me["rate_limits"][0]["used"], 1);
  EXPECT_EQ(me["rate_limits"][1]["used"], 1'100);
}

// What does not fit among the sessions that are known is refused, and operators see it coming.
TEST(LiveScopes, AreBoundedAndSeen) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 100, 1000))});
  Daemon daemon(R"(
spending: {live_scopes: 1}
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 0, output: 50}}]}
keys:
  - {id: runs, digest: "@{digest:agent}", each_session: {budgets: [{limit: 0.10, window: total}]}}
)",
                {.variables = {{"UP", upstream.url()}}});
  const auto call = [&](const std::string& session) {
    return daemon
        .post(kPath, chat_request("m", "hi", R"(,"max_tokens":1000)"), "agent",
              {{"x-session-id", session}})
        .status;
  };
  EXPECT_EQ(call("run-1"), 200);
  EXPECT_EQ(call("run-2"), 503);
  EXPECT_EQ(call("run-1"), 200);
  // A hold ends behind the answer, not before it.
  EXPECT_TRUE(daemon.metric_becomes("tollgate_journal_slots", 4'096)) << "all, and no others";
  const MetricsText metrics = daemon.metrics();
  EXPECT_EQ(metrics.value("tollgate_live_scopes"), 1);
  EXPECT_EQ(metrics.value("tollgate_limit_hits_total", {{"limit", "spending.live_scopes"}}), 1);
  EXPECT_EQ(metrics.value("tollgate_journal_slots", {{"state", "held"}}), 0);
  EXPECT_EQ(metrics.value("tollgate_journal_slots", {{"state", "all"}}), 4'096);
  EXPECT_EQ(metrics.value("tollgate_journal_unsafe"), 0);
}

}  // namespace
}  // namespace tollgate::testing
