// What becomes of agents that run in circles: modes, actions, and stops that operators lift.
#include "integration/loops_fixture.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

TEST_F(LoopsTest, AStoppedTraceLeavesOthersAlone) {
  start("repeats: {limit: 2}");
  const Headers one{{"x-session-id", "run-1"}}, two{{"x-session-id", "run-2"}};
  // A trace groups calls from its second on.
  int passed = 0;
  while (passed < 10 && chat(stuck(passed), "agent", one).status == 200) ++passed;
  EXPECT_LE(passed, 5);
  EXPECT_EQ(chat(chat_request("m", "anything"), "agent", one).status, 429) << "all of the trace";
  EXPECT_EQ(chat(stuck(1), "agent", two).status, 200);
  EXPECT_EQ(chat(chat_request("m", "anything")).status, 200);
  const auto alerts = told(1);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0]["target"], "trace");
  EXPECT_EQ(alerts[0]["trace"], "run-1");
}

TEST_F(LoopsTest, ObserveTellsAndLetsPass) {
  start("repeats: {mode: observe, limit: 2}");
  for (int i = 0; i < 8; ++i) ASSERT_EQ(chat(stuck(i)).status, 200) << i;
  const auto alerts = told(1);
  ASSERT_EQ(alerts.size(), 1u) << "once per window";
  EXPECT_EQ(alerts[0]["mode"], "observe");
  EXPECT_EQ(alerts[0]["action"], "stop") << "what enforce would do";
  EXPECT_FALSE(alerts[0].contains("until"));
  EXPECT_EQ(findings("repeats", "observe"), 1);
  EXPECT_EQ(daemon->metrics().value("tollgate_loop_refusals_total"), 0);
  const auto rows = daemon->exactly(8);
  ASSERT_EQ(rows.size(), 8u);
  EXPECT_NE(rows[3].at("verdicts").find("\"observe\""), std::string::npos) << "on the call's row";
}

TEST_F(LoopsTest, OffLetsPassAndSaysNothing) {
  start("repeats: {limit: 1}, cycles: {rounds: 2}");
  for (int i = 0; i < 8; ++i) ASSERT_EQ(chat(stuck(i), "quiet").status, 200) << i;
  EXPECT_EQ(daemon->metrics().value("tollgate_loop_refusals_total"), 0);
  EXPECT_EQ(seen("/hook"), 0u);
}

TEST_F(LoopsTest, SlowDownDelaysEachFurtherCall) {
  start("repeats: {action: slow_down, standalone_limit: 2}, delay: 700ms");
  const auto timed = [&] {
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_EQ(chat(chat_request("m", "again")).status, 200);
    return std::chrono::steady_clock::now() - begun;
  };
  EXPECT_LT(timed(), 700ms);
  EXPECT_LT(timed(), 700ms);
  std::thread third([&] { EXPECT_GE(timed(), 700ms); });
  EXPECT_TRUE(daemon->wait_metric("tollgate_loop_delayed", {}, 1));
  EXPECT_EQ(daemon->metrics().value("tollgate_holds_nusd"), 0) << "it waits without money";
  third.join();
  EXPECT_GE(timed(), 700ms);
  EXPECT_TRUE(daemon->metric_becomes("tollgate_loop_delayed", 0));
  EXPECT_EQ(seen(kChat), 4u);
  EXPECT_EQ(told(1).size(), 1u);
}

TEST_F(LoopsTest, AnAgentThatLeavesDuringTheDelayIsNotSentOn) {
  start("repeats: {action: slow_down, standalone_limit: 1}, delay: 20s");
  ASSERT_EQ(chat(chat_request("m", "again")).status, 200);
  {
    RawClient client = daemon->connect();
    client.send(daemon->post_bytes(kChat, chat_request("m", "again")));
    ASSERT_TRUE(daemon->wait_metric("tollgate_loop_delayed", {}, 1));
  }
  EXPECT_TRUE(daemon->metric_becomes("tollgate_loop_delayed", 0));
  const auto rows = daemon->exactly(2);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].at("outcome"), "client_closed");
  EXPECT_EQ(seen(kChat), 1u);
}

TEST_F(LoopsTest, OperatorsSeeStopsAndLiftThem) {
  start("repeats: {standalone_limit: 1}");
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--config", daemon->config_file()});
    return daemon->command(arguments);
  };
  EXPECT_EQ(run({"loops"}).exit_code, 0);
  const std::string first = chat_request("m", "first"), second = chat_request("m", "second");
  for (const std::string& body : {first, second}) {
    ASSERT_EQ(chat(body).status, 200);
    ASSERT_EQ(chat(body).status, 429);
  }
  const Response listed = daemon->admin_get("/loops");
  ASSERT_EQ(listed.status, 200);
  const json stops = json::parse(listed.body)["stops"];
  ASSERT_EQ(stops.size(), 2u);
  EXPECT_EQ(stops[0]["id"], 2) << "newest first";
  EXPECT_EQ(stops[1]["id"], 1);
  EXPECT_EQ(stops[1]["key"], "k1");
  EXPECT_EQ(stops[1]["target"], "call");
  EXPECT_EQ(stops[1]["detector"], "repeats");
  EXPECT_EQ(stops[1]["evidence"], "2 near-identical calls in 600 s (limit 1)");
  EXPECT_FALSE(stops[1].contains("trace"));
  EXPECT_LE(stops[1]["remaining_s"], 600);
  EXPECT_EQ(daemon->admin_get("/loops", false).status, 401);

  const auto table = run({"loops", "list"});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_NE(table.out.find("2 near-identical calls in 600 s"), std::string::npos) << table.out;
  EXPECT_EQ(json::parse(run({"loops", "--json"}).out)["stops"].size(), 2u);

  EXPECT_EQ(run({"loops", "lift", "1"}).exit_code, 0);
  EXPECT_EQ(chat(first).status, 200);
  EXPECT_EQ(chat(second).status, 429);
  EXPECT_EQ(run({"loops", "lift", "1"}).exit_code, 1) << "it is lifted already";
  EXPECT_EQ(run({"loops", "lift", "--key", "k2"}).exit_code, 1);
  const auto by_key = run({"loops", "lift", "--key", "k1"});
  EXPECT_EQ(by_key.exit_code, 0) << by_key.err;
  EXPECT_NE(by_key.out.find("1 lifted"), std::string::npos) << by_key.out;
  EXPECT_EQ(chat(second).status, 200);
  EXPECT_EQ(run({"loops", "lift"}).exit_code, 2);
  const auto lifted = daemon->events("loop_lifted", 2);
  ASSERT_EQ(lifted.size(), 2u);
  EXPECT_EQ(lifted[0].at("scope_id"), "k1");
  EXPECT_EQ(json::parse(lifted[0].at("detail"))["id"], 1);
}

TEST_F(LoopsTest, AReloadThatRelaxesTheRulesLetsStoppedCallsPass) {
  start("repeats: {standalone_limit: 1}");
  const std::string body = chat_request("m", "again");
  ASSERT_EQ(chat(body).status, 200);
  ASSERT_EQ(chat(body).status, 429);
  daemon->reload(std::string(kYaml) +
                 "loop_breaker: observe\nloop_memory: {stops: 64, read_bytes: 32KiB}\n");
  ASSERT_TRUE(daemon->wait_metric("tollgate_config_reloads_total", {{"result", "ok"}}, 1));
  EXPECT_EQ(chat(body).status, 200);
  EXPECT_TRUE(daemon->wait_log("loop_memory.stops")) << "restart_needed";
}

/// What one key can make of the depth it says it has, and of traces it makes up.
TEST_F(LoopsTest, MadeUpTracesStopNobodyAndAreToldOnce) {
  start("repeats: {standalone_limit: 1}, traces: {max_depth: 2}");
  const std::string body = chat_request("m", "again");
  ASSERT_EQ(chat(body).status, 200);
  ASSERT_EQ(chat(body).status, 429);
  for (int i = 0; i < 40; ++i) {
    const Headers deep{{"x-session-id", "made-up-" + std::to_string(i)},
                       {"x-tollgate-depth", "99"}};
    ASSERT_EQ(chat(chat_request("m", "hi"), "other", deep).status, 429) << i;
  }
  EXPECT_EQ(chat(body).status, 429) << "the other key's stop stands";
  EXPECT_EQ(daemon->metrics().value("tollgate_loop_stops"), 1);
  EXPECT_EQ(daemon->events("loop_detected", 2).size(), 2u);
  EXPECT_EQ(told(2).size(), 2u);
}

TEST_F(LoopsTest, WhatAKeyTellsInAMinuteIsBounded) {
  start("repeats: {standalone_limit: 1}");
  for (int i = 0; i < 15; ++i) {
    const std::string body = chat_request("m", "question " + std::to_string(i));
    ASSERT_EQ(chat(body).status, 200) << i;
    ASSERT_EQ(chat(body).status, 429) << i;
  }
  EXPECT_EQ(findings("repeats", "enforce"), 15);
  EXPECT_EQ(daemon->metrics().value("tollgate_loop_untold_total"), 5);
  EXPECT_EQ(told(10).size(), 10u);
  EXPECT_EQ(daemon->events("loop_detected", 10).size(), 10u);
}

TEST_F(LoopsTest, LoopsLeaveHalfOfTheQueueToAlertsOfBudgets) {
  upstream.on("POST", "/hook", {Answer::silence()});
  std::string yaml = kYaml;
  const auto put = [&yaml](const std::string& old, const std::string& instead) {
    const std::size_t at = yaml.find(old);
    ASSERT_NE(at, std::string::npos) << old;
    yaml.replace(at, old.size(), instead);
  };
  put(R"({webhooks: [{url: "@{UP}/hook"}]})",
      R"({queue: 2, webhooks: [{url: "@{UP}/hook", timeout: 1m}]})");
  put("limit: 1.00, window: day", "limit: 0.1, window: day, alerts: [1]");
  daemon.emplace(yaml + "loop_breaker: {repeats: {standalone_limit: 1}}\n",
                 DaemonOptions{.variables = {{"UP", upstream.url()}}});
  for (int i = 0; i < 3; ++i) {
    const std::string body = chat_request("m", "question " + std::to_string(i));
    ASSERT_EQ(chat(body, "other").status, 200) << i;
    ASSERT_EQ(chat(body, "other").status, 429) << i;
  }
  const auto failed = daemon->events("webhook_failed", 2);
  ASSERT_EQ(failed.size(), 2u) << "one of three takes its half";
  // A call that costs $0.001.
  upstream.on("POST", kChat, {Answer::json(200, completion("ok", 0, 100))});
  ASSERT_EQ(chat(chat_request("m", "dear")).status, 200);
  ASSERT_EQ(daemon->events("budget_threshold", 1).size(), 1u);
  EXPECT_TRUE(daemon->metric_becomes("tollgate_webhook_queue_depth", 2));
  for (const Row& row : daemon->events("webhook_failed", 2)) {
    const json letter = json::parse(row.at("detail"));
    EXPECT_EQ(letter["reason"], "queue_full");
    EXPECT_EQ(letter["body"]["event"], "loop_detected");
  }
}

}  // namespace
}  // namespace tollgate::testing
