// Alerts of budgets: what webhooks are sent, and what is on record of those that did not take it.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <map>
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
constexpr const char* kPathSecret = "T000-webhook-path-secret";

/// A provider whose calls cost $0.01 each, and hooks below /hook of the same fake server.
class AlertsTest : public ::testing::Test {
 protected:
  AlertsTest() { upstream.on("POST", kPath, {Answer::json(200, completion("ok", 0, 1'000))}); }

  /// `hooks`: the list of webhooks, in which @{UP} is the fake server; `more` of `alerts`.
  Daemon& start(const std::string& budget, const std::string& hooks, const std::string& more = {}) {
    daemon.emplace(std::string(kOneProvider) + "    budgets: [{name: b, " + budget +
                       "}]\nalerts: {webhooks: [" + hooks + "]" + more + "}\n",
                   DaemonOptions{.variables = {{"UP", upstream.url()}}});
    return *daemon;
  }
  void call() {
    ASSERT_EQ(daemon->post(kPath, chat_request("m", "hi", R"(,"max_tokens":1000)")).status, 200);
  }
  std::vector<SeenRequest> seen(const std::string& target) const {
    std::vector<SeenRequest> out;
    for (const SeenRequest& request : upstream.requests())
      if (request.target == target) out.push_back(request);
    return out;
  }
  bool wait_seen(const std::string& target, std::size_t count, milliseconds limit = 5s) const {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (seen(target).size() < count) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(10ms);
    }
    return true;
  }
  bool wait_delivered(double count, milliseconds limit = 10s) const {
    return daemon->wait_metric("tollgate_webhook_deliveries_total", {{"result", "delivered"}},
                               count, limit);
  }
  /// The one dead letter.
  json dead_letter() const {
    const auto rows = daemon->events("webhook_failed", 1);
    EXPECT_EQ(rows.size(), 1u);
    return rows.empty() ? json::object() : json::parse(rows[0].at("detail"));
  }
  milliseconds stop() {
    const auto begun = std::chrono::steady_clock::now();
    daemon->send(SIGTERM);
    EXPECT_EQ(daemon->wait_exit(15s), 0) << daemon->log();
    return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun);
  }

  FakeUpstream upstream;
  std::optional<Daemon> daemon;
};

TEST_F(AlertsTest, EachWebhookGetsWhatItAsksForInItsForm) {
  upstream.on("POST", "/hook/json", {Answer::json(200, "{}")});
  upstream.on("POST", "/hook/slack", {Answer::text("ok")});
  upstream.on("POST", "/hook/closed", {Answer::json(200, "{}")});
  start("limit: 0.04, window: day, alerts: [25, 50, 100]",
        R"({url: "@{UP}/hook/json", events: [budget_threshold], secret: s-77},
           {url: "@{UP}/hook/slack", format: slack},
           {url: "@{UP}/hook/closed", events: [budget_closed]})");
  call();
  ASSERT_TRUE(wait_delivered(2));
  const auto told = seen("/hook/json"), slack = seen("/hook/slack");
  ASSERT_EQ(told.size(), 1u);
  ASSERT_EQ(slack.size(), 1u);
  EXPECT_TRUE(seen("/hook/closed").empty());
  const json alert = json::parse(told[0].body);
  EXPECT_EQ(alert["event"], "budget_threshold");
  EXPECT_EQ(alert["scope"], "key");
  EXPECT_EQ(alert["scope_id"], "k1");
  EXPECT_EQ(alert["budget"], "b");
  EXPECT_EQ(alert["percent"], 25);
  EXPECT_EQ(alert["limit_nusd"], 40'000'000);
  EXPECT_EQ(alert["spent_nusd"], 10'000'000);
  EXPECT_EQ(told[0].header("x-tollgate-event-id"), alert["id"]);
  EXPECT_EQ(slack[0].header("x-tollgate-event-id"), alert["id"]);
  EXPECT_EQ(told[0].header("x-tollgate-signature").substr(0, 7), "sha256=");
  EXPECT_EQ(slack[0].header("x-tollgate-signature"), "");
  const json text = json::parse(slack[0].body);
  EXPECT_EQ(text.size(), 1u);
  EXPECT_NE(text["text"].get<std::string>().find("Budget b of key k1 has reached 25 %"),
            std::string::npos);

  const auto rows = daemon->events("budget_threshold", 1);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].at("scope_kind"), "key");
  EXPECT_EQ(rows[0].at("scope_id"), "k1");
  EXPECT_EQ(rows[0].at("budget"), "b");
  EXPECT_EQ(rows[0].at("detail"), told[0].body) << "the record has what the webhook was sent";
  const Labels labels{{"scope", "key"}, {"event", "budget_threshold"}};
  EXPECT_EQ(daemon->metrics().value("tollgate_alerts_total", labels), 1);
  EXPECT_NE(daemon->log().find(alert["id"].get<std::string>()), std::string::npos);
  EXPECT_TRUE(daemon->metric_becomes("tollgate_webhook_queue_depth", 0));
}

TEST_F(AlertsTest, ABudgetThatAnOverrunClosedIsToldBesideItsThresholds) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 0, 3'000))});  // 1,000 were asked
  upstream.on("POST", "/hook", {Answer::json(200, "{}")});
  start("limit: 0.02, window: day, alerts: [80]",
        R"({url: "@{UP}/hook", events: [budget_closed]})");
  call();
  ASSERT_TRUE(wait_delivered(1));
  const auto told = seen("/hook");
  ASSERT_EQ(told.size(), 1u);
  const json alert = json::parse(told[0].body);
  EXPECT_EQ(alert["event"], "budget_closed");
  EXPECT_EQ(alert["spent_nusd"], 30'000'000);
  EXPECT_FALSE(alert.contains("percent"));
  EXPECT_FALSE(alert.contains("projected_exhaustion_at"));
  EXPECT_EQ(daemon->events("budget_threshold", 1).size(), 1u);
  const auto rows = daemon->events("budget_closed", 1);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].at("detail"), told[0].body);
  const Labels labels{{"scope", "key"}, {"event", "budget_closed"}};
  EXPECT_EQ(daemon->metrics().value("tollgate_alerts_total", labels), 1);
}

TEST_F(AlertsTest, ARetryAfterIsWaitedForAndTheIdStaysTheSame) {
  upstream.on("POST", "/hook",
              {Answer::json(429, "{}").header("Retry-After", "3"), Answer::json(200, "{}")});
  start("limit: 0.01, window: day, alerts: [100]", R"({url: "@{UP}/hook"})");
  call();
  ASSERT_TRUE(wait_delivered(1));
  const auto told = seen("/hook");
  ASSERT_EQ(told.size(), 2u);
  EXPECT_GE(told[1].at - told[0].at, 2'900ms) << "its own pause would be a second";
  EXPECT_EQ(told[0].body, told[1].body);
  EXPECT_EQ(told[0].header("x-tollgate-event-id"), told[1].header("x-tollgate-event-id"));
  EXPECT_FALSE(told[0].header("x-tollgate-event-id").empty());
  EXPECT_TRUE(daemon->events("webhook_failed", 0).empty());
}

TEST_F(AlertsTest, ARetryAfterIsBoundedAndGivingUpIsOnRecord) {
  upstream.on("POST", std::string("/hook/") + kPathSecret,
              {Answer::json(429, "{}").header("Retry-After", "86400")});
  start("limit: 0.01, window: day, alerts: [100]",
        std::string("{url: \"@{UP}/hook/") + kPathSecret +
            "\", attempts: 3, retry_max: 100ms, format: slack}");
  call();
  const json letter = dead_letter();
  const auto told = seen(std::string("/hook/") + kPathSecret);
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(letter["reason"], "given_up");
  EXPECT_EQ(letter["attempts"], 3);
  EXPECT_EQ(letter["last_error"], "status 429");
  EXPECT_EQ(letter["host"], "127.0.0.1");
  EXPECT_EQ(letter["format"], "slack");
  EXPECT_EQ(letter["body"], json::parse(told[0].body));
  EXPECT_EQ(letter["id"], told[0].header("x-tollgate-event-id"));
  const Labels failed{{"result", "failed"}}, given_up{{"reason", "given_up"}};
  EXPECT_EQ(daemon->metrics().value("tollgate_webhook_deliveries_total", failed), 1);
  EXPECT_EQ(daemon->metrics().value("tollgate_webhook_dead_letters_total", given_up), 1);
  EXPECT_TRUE(daemon->wait_log("webhook_failed"));
  EXPECT_EQ(daemon->log().find(kPathSecret), std::string::npos);
  for (const Row& row : daemon->query("SELECT * FROM event"))
    for (const auto& [column, value] : row)
      EXPECT_EQ(value.find(kPathSecret), std::string::npos) << column;

  const auto all = daemon->command({"alerts", "--config", daemon->config_file()});
  EXPECT_EQ(all.exit_code, 0) << all.err;
  EXPECT_NE(all.out.find("100 %: $0.01 of $0.01"), std::string::npos) << all.out;
  EXPECT_NE(all.out.find("given_up after 3 attempts: status 429"), std::string::npos) << all.out;
  const auto lost =
      daemon->command({"alerts", "--failed", "--json", "--config", daemon->config_file()});
  EXPECT_EQ(lost.exit_code, 0) << lost.err;
  const json row = json::parse(lost.out);  // one line, so one object
  EXPECT_EQ(row["kind"], "webhook_failed");
  EXPECT_EQ(row["scope_kind"], "key");
  EXPECT_EQ(row["detail"], letter);
  const auto none = daemon->command(
      {"alerts", "--since", "2100-01-01T00:00:00Z", "--config", daemon->config_file()});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_EQ(none.out, "");
}

TEST_F(AlertsTest, WebhooksGoThroughTheEgressProxyAsUpstreamsDo) {
  FakeUpstream proxy;
  proxy.fallback([](const SeenRequest& request) {
    if (request.method == "CONNECT") return Answer::json(502, "{}");
    return Answer::json(200, "{}");
  });
  upstream.on("POST", "/hook", {Answer::json(200, "{}")});
  const std::string address = "127.0.0.1:" + std::to_string(proxy.port());
  const std::string hooks =
      R"({url: "http://hooks.example/plain?a=b", allow_plain_http: true},
         {url: "https://hooks.example/tls", attempts: 1},
         {url: "https://own.example:8443/tls", attempts: 1, proxy: "@{PROXY}"},
         {url: "@{UP}/hook"})";
  daemon.emplace(
      std::string(kOneProvider) +
          "    budgets: [{name: b, limit: 0.01, window: day, alerts: [100]}]\n"
          "alerts: {webhooks: [" +
          hooks + "]}\n",
      DaemonOptions{.variables = {{"UP", upstream.url()}, {"PROXY", proxy.url()}},
                    .environment = {{"http_proxy", "http://user:hook-proxy-pass@" + address},
                                    {"HTTPS_PROXY", "http://" + address}}});
  call();
  ASSERT_TRUE(wait_delivered(2));
  EXPECT_EQ(seen("/hook").size(), 1u) << "loopback is never proxied";
  const auto rows = daemon->events("webhook_failed", 2);
  ASSERT_EQ(rows.size(), 2u);
  for (const Row& row : rows)
    EXPECT_EQ(json::parse(row.at("detail"))["last_error"], "connect") << row.at("detail");
  std::map<std::string, SeenRequest> asked;
  for (const SeenRequest& request : proxy.requests())
    asked.emplace(request.method + " " + request.target, request);
  ASSERT_EQ(asked.size(), 3u);
  ASSERT_TRUE(asked.contains("POST http://hooks.example/plain?a=b"));
  const SeenRequest& plain = asked.at("POST http://hooks.example/plain?a=b");
  EXPECT_EQ(plain.header("host"), "hooks.example");
  EXPECT_EQ(plain.header("proxy-authorization"), "Basic dXNlcjpob29rLXByb3h5LXBhc3M=");
  EXPECT_EQ(json::parse(plain.body)["percent"], 100);
  ASSERT_TRUE(asked.contains("CONNECT hooks.example:443"));
  EXPECT_EQ(asked.at("CONNECT hooks.example:443").header("proxy-authorization"), "");
  EXPECT_TRUE(asked.contains("CONNECT own.example:8443"));
  EXPECT_EQ(daemon->log().find("hook-proxy-pass"), std::string::npos);
}

TEST_F(AlertsTest, AWebhookThatHangsIsLeftAfterItsTimeout) {
  upstream.on("POST", "/hook", {Answer::silence()});
  start("limit: 0.01, window: day, alerts: [100]",
        R"({url: "@{UP}/hook", attempts: 2, timeout: 200ms, retry_max: 50ms})");
  call();
  const json letter = dead_letter();
  EXPECT_EQ(seen("/hook").size(), 2u);
  EXPECT_EQ(letter["attempts"], 2);
  EXPECT_NE(letter["last_error"].get<std::string>().find("timeout"), std::string::npos) << letter;
  EXPECT_TRUE(daemon->metric_becomes("tollgate_webhook_queue_depth", 0));
}

TEST_F(AlertsTest, AWebhookThatIsNotThereOrBreaksOff) {
  std::string nowhere;
  {
    const FakeUpstream gone;
    nowhere = gone.url();
  }
  upstream.on("POST", "/reset", {Answer::reset_before_first_byte()});
  upstream.on("POST", "/gone", {Answer::json(410, "{}")});
  start("limit: 0.01, window: day, alerts: [100]",
        "{url: \"" + nowhere + R"(/hook", attempts: 2, retry_max: 50ms},
         {url: "@{UP}/reset", attempts: 2, retry_max: 50ms},
         {url: "@{UP}/gone", attempts: 5, retry_max: 50ms})");
  call();
  const auto rows = daemon->events("webhook_failed", 3);
  ASSERT_EQ(rows.size(), 3u);
  std::map<std::string, int> attempts;
  for (const Row& row : rows) {
    const json letter = json::parse(row.at("detail"));
    attempts[letter["last_error"]] = letter["attempts"];
  }
  EXPECT_EQ(attempts,
            (std::map<std::string, int>{{"connect", 2}, {"reset", 2}, {"status 410", 1}}));
}

TEST_F(AlertsTest, MoreThanTheQueueTakesAreOnRecordAsWell) {
  upstream.on("POST", "/hook", {Answer::silence()});
  start("limit: 0.01, window: day, alerts: [50, 80, 100]", R"({url: "@{UP}/hook", timeout: 1m})",
        ", queue: 1");
  call();  // three thresholds at once
  const auto rows = daemon->events("webhook_failed", 2);
  ASSERT_EQ(rows.size(), 2u);
  for (const Row& row : rows) {
    const json letter = json::parse(row.at("detail"));
    EXPECT_EQ(letter["reason"], "queue_full");
    EXPECT_EQ(letter["attempts"], 0);
    EXPECT_GT(letter["body"]["percent"], 50) << "the newest are dropped";
  }
  EXPECT_EQ(daemon->events("budget_threshold", 3).size(), 3u)
      << "nothing of it is lost to the record";
  EXPECT_EQ(daemon->metrics().value("tollgate_webhook_queue_depth"), 1);
}

TEST_F(AlertsTest, AStopPutsOnRecordWhatWaitsAndCutsWhatHangs) {
  upstream.on("POST", "/busy", {Answer::json(503, "{}").header("Retry-After", "3600")});
  upstream.on("POST", "/hang", {Answer::silence()});
  start("limit: 0.01, window: day, alerts: [100]",
        R"({url: "@{UP}/busy", retry_max: 2h}, {url: "@{UP}/hang", timeout: 5m})");
  call();
  ASSERT_TRUE(wait_seen("/busy", 1));
  ASSERT_TRUE(wait_seen("/hang", 1));
  ASSERT_TRUE(daemon->wait_metric("tollgate_webhook_deliveries_total", {{"result", "retried"}}, 1));
  EXPECT_LT(stop(), 5s);
  const auto rows = daemon->events("webhook_failed", 2);
  ASSERT_EQ(rows.size(), 2u);
  std::map<std::string, json> letters;
  for (const Row& row : rows) {
    const json letter = json::parse(row.at("detail"));
    letters[letter["last_error"]] = letter;
    EXPECT_EQ(letter["reason"], "stopped") << letter;
    EXPECT_EQ(letter["attempts"], 1) << letter;
    EXPECT_EQ(letter["body"]["percent"], 100);
  }
  EXPECT_TRUE(letters.contains("status 503"));
  EXPECT_TRUE(letters.contains("cancelled"));
  EXPECT_EQ(daemon->log().find("webhooks_not_ended"), std::string::npos);
}

TEST_F(AlertsTest, AStopLetsAnAttemptComeToItsEnd) {
  upstream.on("POST", "/hook", {Answer::json(200, "{}").after(400ms)});
  start("limit: 0.01, window: day, alerts: [100]", R"({url: "@{UP}/hook"})");
  call();
  ASSERT_TRUE(wait_seen("/hook", 1));
  stop();
  EXPECT_TRUE(daemon->events("webhook_failed", 0).empty());
  EXPECT_FALSE(seen("/hook")[0].peer_left_at) << "the answer was taken whole";
}

TEST_F(AlertsTest, ACrashTellsNoThresholdAgainAndNoneTooFew) {
  upstream.on("POST", "/hook", {Answer::json(200, "{}")});
  start("limit: 0.03, window: month, alerts: [30, 60, 95]", R"({url: "@{UP}/hook"})");
  call();
  ASSERT_TRUE(wait_delivered(1));
  ASSERT_EQ(daemon->rows(1).size(), 1u);
  for (const double delivered : {1, 1}) {
    daemon->send(SIGKILL);
    ASSERT_EQ(daemon->wait_exit(10s), 128 + SIGKILL);
    daemon->start();
    call();
    ASSERT_TRUE(wait_delivered(delivered));
    ASSERT_TRUE(daemon->wait_metric("tollgate_audit_rows_total", {}, 1));
  }
  std::vector<int> percents;
  for (const SeenRequest& told : seen("/hook"))
    percents.push_back(json::parse(told.body).at("percent"));
  EXPECT_EQ(percents, (std::vector<int>{30, 60, 95}));
}

TEST_F(AlertsTest, WhatACrashLeftOpenIsToldAtTheNextStart) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 0, 1'000)), Answer::silence()});
  upstream.on("POST", "/hook", {Answer::json(200, "{}")});
  start("limit: 0.02, window: month, alerts: [40, 60, 90]", R"({url: "@{UP}/hook"})");
  call();
  ASSERT_TRUE(wait_delivered(1));
  ASSERT_EQ(daemon->rows(1).size(), 1u);
  const std::string bytes =
      daemon->post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":950)"));
  RawClient client = daemon->connect();
  client.send(bytes);
  ASSERT_TRUE(upstream.wait_for_requests(3));  // two calls and the hook's
  for (int i = 0; i < 2; ++i) {
    daemon->send(SIGKILL);
    ASSERT_EQ(daemon->wait_exit(10s), 128 + SIGKILL);
    daemon->start();
    if (i == 0) {
      ASSERT_TRUE(wait_delivered(2));
    }
    EXPECT_EQ(daemon->events("budget_threshold", 3).size(), 3u) << "once, whatever the start";
  }
  std::vector<int> percents;
  for (const SeenRequest& told : seen("/hook"))
    percents.push_back(json::parse(told.body).at("percent"));
  std::sort(percents.begin(), percents.end());
  EXPECT_EQ(percents, (std::vector<int>{40, 60, 90}));
}

TEST_F(AlertsTest, AReloadChangesWhoIsToldAndKeepsWhatIsUnderWay) {
  upstream.on("POST", "/old", {Answer::json(503, "{}"), Answer::json(200, "{}")});
  upstream.on("POST", "/new", {Answer::json(200, "{}")});
  const auto yaml = [this](const std::string& hook) {
    return std::string(kOneProvider) +
           "    budgets: [{name: b, limit: 0.02, window: day, alerts: [50, 100]}]\n"
           "alerts: {webhooks: [{url: \"" +
           upstream.url() + hook + "\"}]}\n";
  };
  daemon.emplace(yaml("/old"), DaemonOptions{.variables = {{"UP", upstream.url()}}});
  call();
  ASSERT_TRUE(wait_seen("/old", 1));
  daemon->reload(yaml("/new"));
  ASSERT_TRUE(daemon->wait_metric("tollgate_config_generation", {}, 2));
  call();
  ASSERT_TRUE(wait_delivered(2));
  ASSERT_EQ(seen("/old").size(), 2u) << "tried again where it was to go";
  ASSERT_EQ(seen("/new").size(), 1u);
  EXPECT_EQ(json::parse(seen("/old")[1].body)["percent"], 50);
  EXPECT_EQ(json::parse(seen("/new")[0].body)["percent"], 100);
}

}  // namespace
}  // namespace tollgate::testing
