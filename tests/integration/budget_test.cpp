// Money: caps that hold under parallel calls, refusals that say why, nothing left held.
#include <gtest/gtest.h>

#include <atomic>
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
  EXPECT_EQ(daemon.metrics().value("tollgate_holds_nusd"), 0);
}

INSTANTIATE_TEST_SUITE_P(Scopes, EveryScope,
                         ::testing::Values(ScopeCase{"key", ""}, ScopeCase{"agent", ""},
                                           ScopeCase{"team", ""}, ScopeCase{"org", ""},
                                           ScopeCase{"model", ""}, ScopeCase{"provider", ""}),
                         [](const auto& tested) { return std::string(tested.param.scope); });

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

TEST(Budget, AWaitingCallGetsTheMoneyAnotherCallReleases) {
  FakeUpstream upstream;
  // Held $0.05 each, settled $0.0005: the second must wait for the first, then both fit.
  upstream.on("POST", kPath,
              {Answer::json(200, completion("ok", 10, 10)).after(400ms),
               Answer::json(200, completion("ok", 10, 10))});
  std::string yaml = kFiveCents;
  yaml.replace(yaml.find("1.00, window: total"), 19, "0.06, window: day");
  yaml += "spending: {hold_wait: 5s, min_output_tokens: 900}\n";
  Daemon daemon(yaml, {.variables = {{"UP", upstream.url()}}});
  Response first;
  std::thread slow([&] { first = daemon.post(kPath, five_cents()); });
  ASSERT_TRUE(upstream.wait_for_requests(1));
  const Response second = daemon.post(kPath, five_cents());
  slow.join();
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(second.status, 200) << second.body;
  EXPECT_EQ(daemon.metrics().value("tollgate_holds_nusd"), 0);
}

}  // namespace
}  // namespace tollgate::testing
