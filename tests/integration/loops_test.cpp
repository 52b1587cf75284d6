// Agents that run in circles, detector by detector: stopped, with the evidence.
#include <algorithm>
#include <cstdio>

#include "integration/loops_fixture.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

TEST_F(LoopsTest, ATurnThatComesBackAgainAndAgainIsStopped) {
  start("repeats: {limit: 3}");
  for (int i = 0; i < 4; ++i) ASSERT_EQ(chat(stuck(i)).status, 200) << i;
  const std::string evidence = "loop detected: 4 near-identical calls in 600 s (limit 3)";
  expect_stopped(chat(stuck(4)), evidence + "; this conversation is stopped for 600 s", "600");
  const Response again = chat(stuck(5));
  ASSERT_EQ(again.status, 429);
  EXPECT_NE(again.body.find(evidence), std::string::npos) << again.body;
  EXPECT_LE(std::stoi(again.header("retry-after")), 600);
  EXPECT_GE(std::stoi(again.header("retry-after")), 570);
  EXPECT_EQ(seen(kChat), 4u) << "what is stopped reaches nobody";
  EXPECT_EQ(chat(chat_request("m", "something else")).status, 200) << "only the conversation";

  const auto rows = daemon->exactly(7);
  ASSERT_EQ(rows.size(), 7u);
  for (const std::size_t i : {4u, 5u}) {
    EXPECT_EQ(rows[i].at("status"), "429");
    EXPECT_EQ(rows[i].at("outcome"), "refused");
    EXPECT_EQ(rows[i].at("error_code"), "loop_detected");
    EXPECT_EQ(rows[i].at("cost_nusd"), "0");
    const json verdicts = json::parse(rows[i].at("verdicts"));
    ASSERT_EQ(verdicts.size(), 1u);
    EXPECT_EQ(verdicts[0]["guardrail"], "loop_breaker");
    EXPECT_EQ(verdicts[0]["rule"], "repeats: 4 near-identical calls in 600 s (limit 3)");
    EXPECT_EQ(verdicts[0]["action"], "stop");
    EXPECT_EQ(daemon
                  ->query("SELECT count(*) AS n FROM ledger WHERE call_id='" +
                          rows[i].at("request_id") + "'")
                  .at(0)
                  .at("n"),
              "0");
  }
  EXPECT_EQ(rows[3].at("verdicts"), "");
  EXPECT_TRUE(daemon->metric_becomes("tollgate_holds_nusd", 0));

  const auto alerts = told(1);
  ASSERT_EQ(alerts.size(), 1u) << "once for the stop, not for each call it refuses";
  const json& alert = alerts[0];
  EXPECT_EQ(alert["event"], "loop_detected");
  EXPECT_EQ(alert["scope"], "key");
  EXPECT_EQ(alert["scope_id"], "k1");
  EXPECT_EQ(alert["detector"], "repeats");
  EXPECT_EQ(alert["mode"], "enforce");
  EXPECT_EQ(alert["action"], "stop");
  EXPECT_EQ(alert["target"], "conversation");
  EXPECT_EQ(alert["evidence"], "4 near-identical calls in 600 s (limit 3)");
  EXPECT_EQ(alert["request_id"], rows[4].at("request_id"));
  EXPECT_EQ(alert["stop_id"], 1);
  EXPECT_TRUE(alert.contains("until"));
  const auto on_record = daemon->events("loop_detected", 1);
  ASSERT_EQ(on_record.size(), 1u);
  EXPECT_EQ(on_record[0].at("scope_kind"), "key");
  EXPECT_EQ(on_record[0].at("scope_id"), "k1");
  EXPECT_EQ(json::parse(on_record[0].at("detail")), alert);
  EXPECT_EQ(findings("repeats", "enforce"), 1);
  const auto metrics = daemon->metrics();
  EXPECT_EQ(metrics.value("tollgate_loop_refusals_total"), 2);
  EXPECT_EQ(metrics.value("tollgate_loop_stops"), 1);
  EXPECT_EQ(metrics.value("tollgate_refusals_total", {{"code", "loop_detected"}}), 2);
  EXPECT_EQ(metrics.value("tollgate_alerts_total", {{"scope", "key"}, {"event", "loop_detected"}}),
            1);
  EXPECT_NE(daemon->log().find("loop_detected"), std::string::npos);
  const auto listed = daemon->command({"alerts", "--config", daemon->config_file()});
  EXPECT_NE(listed.out.find("repeats: 4 near-identical calls"), std::string::npos) << listed.out;
}

TEST_F(LoopsTest, ACycleIsStopped) {
  start("repeats: {mode: off}, cycles: {rounds: 3}");
  std::optional<Response> last;
  int passed = 0;
  for (; passed < 20; ++passed) {
    last = chat(stuck(passed, {"edit_file", "run_tests"}));
    if (last->status != 200) break;
  }
  // Three rounds of two, the question and the call that begins the first.
  EXPECT_EQ(passed, 7);
  expect_stopped(*last, "round 4 of the same 2 calls in turn (limit 3)", "600");
  EXPECT_EQ(findings("cycles", "enforce"), 1);
}

TEST_F(LoopsTest, RetriesWithoutBackoffAreStoppedInTheWordsOfAnthropic) {
  upstream.on(
      "POST", kMessages,
      {Answer::json(
          400, R"({"type":"error","error":{"type":"invalid_request_error","message":"no"}})")});
  start("retries: {limit: 3, backoff: 60s}, stop_for: 90s");
  const std::string body =
      R"({"model":"c","max_tokens":10,"messages":[{"role":"user","content":"hi"}]})";
  for (int i = 0; i < 4; ++i) ASSERT_EQ(daemon->post(kMessages, body).status, 400) << i;
  const Response stopped = daemon->post(kMessages, body);
  ASSERT_EQ(stopped.status, 429) << stopped.body;
  EXPECT_EQ(stopped.header("x-should-retry"), "false");
  EXPECT_EQ(stopped.header("retry-after"), "90");
  const json answer = json::parse(stopped.body);
  EXPECT_EQ(answer["type"], "error");
  EXPECT_EQ(answer["error"]["type"], "rate_limit_error");
  EXPECT_EQ(answer["error"]["code"], "loop_detected");
  EXPECT_NE(answer["error"]["message"].get<std::string>().find(
                "4 retries of one failing call in 60 s, each within 60 s of its error (limit 3); "
                "calls like this one are stopped for 90 s"),
            std::string::npos)
      << answer;
  EXPECT_EQ(seen(kMessages), 4u);
  const std::string other =
      R"({"model":"c","max_tokens":10,"messages":[{"role":"user","content":"other"}]})";
  EXPECT_EQ(daemon->post(kMessages, other).status, 400) << "another call still gets its answer";
}

TEST_F(LoopsTest, AToolCalledOnAndOnIsStoppedInJsonRpc) {
  start("repeats: {standalone_limit: 3}");
  for (int i = 1; i <= 3; ++i) {
    const Response fine = mcp(i);
    ASSERT_TRUE(json::parse(fine.body).contains("result")) << fine.body;
  }
  const Response stopped = mcp(4);
  EXPECT_EQ(stopped.status, 200) << "a request that was understood is answered in JSON-RPC";
  EXPECT_EQ(stopped.header("x-should-retry"), "false");
  EXPECT_EQ(stopped.header("retry-after"), "600");
  const json answer = json::parse(stopped.body);
  EXPECT_EQ(answer["id"], 4);
  EXPECT_EQ(answer["error"]["code"], -32014);
  EXPECT_EQ(answer["error"]["data"]["code"], "loop_detected");
  EXPECT_EQ(answer["error"]["data"]["retry_after_s"], 600);
  EXPECT_NE(answer["error"]["message"].get<std::string>().find(
                "4 near-identical calls in 600 s (limit 3)"),
            std::string::npos);
  EXPECT_EQ(seen("/mcp-endpoint"), 3u);
  const auto rows = daemon->exactly(4);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[3].at("error_code"), "loop_detected");
  EXPECT_EQ(rows[3].at("cost_nusd"), "0");
}

TEST_F(LoopsTest, TooDeepADelegationIsRefusedForItself) {
  start("traces: {max_depth: 2}");
  const Headers run{{"x-session-id", "run-1"}};
  const auto at = [&](const char* depth, Headers more = {}) {
    more.emplace_back("x-tollgate-depth", depth);
    return chat(chat_request("m", "hi"), "agent", more);
  };
  EXPECT_EQ(at("2", run).status, 200);
  for (const Headers& trace : {run, run, Headers{}})
    expect_stopped(at("3", trace), "delegation 3 agents deep (limit 2)", "");
  expect_stopped(at("99999999999999999999"), "delegation 1000000 agents deep (limit 2)", "");
  EXPECT_EQ(at("0", run).status, 200) << "the trace goes on";
  EXPECT_EQ(daemon->metrics().value("tollgate_loop_stops"), 0);
  EXPECT_EQ(daemon->metrics().value("tollgate_loop_refusals_total"), 4);
  const auto rows = daemon->exactly(6);
  ASSERT_EQ(rows.size(), 6u);
  for (const std::size_t i : {1u, 2u, 3u, 4u}) {
    EXPECT_EQ(rows[i].at("error_code"), "loop_detected");
    EXPECT_NE(rows[i].at("verdicts").find("traces: delegation "), std::string::npos);
  }
  // The trace is told for itself, what has none by key.
  const auto alerts = told(2);
  ASSERT_EQ(alerts.size(), 2u);
  for (const json& alert : alerts) {
    EXPECT_EQ(alert["target"], "call");
    EXPECT_FALSE(alert.contains("stop_id"));
  }
  EXPECT_EQ(at("1").status, 200);
  EXPECT_EQ(at("deep").status, 200) << "no number is no depth";
  for (const SeenRequest& request : upstream.requests())
    EXPECT_EQ(request.header("x-tollgate-depth"), "") << "providers are not told";
}

TEST_F(LoopsTest, ServersAndAgentsAreToldTheDepthOfWhatTheyAreAsked) {
  start("traces: {max_depth: 5}");
  EXPECT_EQ(mcp(1).status, 200);
  EXPECT_EQ(mcp(2, {{"X-Tollgate-Depth", "4"}}).status, 200);
  const std::string message =
      R"({"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"kind":"message","messageId":"m","role":"user","parts":[{"kind":"text","text":"go"}]}}})";
  EXPECT_EQ(daemon->post("/a2a/planner", message, "agent", {{"x-tollgate-depth", "2"}}).status,
            200);
  const auto requests = upstream.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].header("x-tollgate-depth"), "1");
  EXPECT_EQ(requests[1].header("x-tollgate-depth"), "5");
  EXPECT_EQ(requests[2].header("x-tollgate-depth"), "3");
}

// The one detector that compares a key with itself: its shortest windows make a baseline in
// seconds.
TEST_F(LoopsTest, ABurstFarAboveTheKeysOwnRateIsStopped) {
  start(
      "call_rate: {mode: enforce, action: stop, window: 2s, warm_up: 2, factor: 3, floor: 8}, "
      "stop_for: 60s");
  int asked = 0;
  const auto call = [&] { return chat(chat_request("m", "question " + std::to_string(++asked))); };
  for (int window = 0; window < 2; ++window) {
    for (int i = 0; i < 2; ++i) ASSERT_EQ(call().status, 200);
    std::this_thread::sleep_for(2s);  // whatever the clock says, the next call is in another window
  }
  // Where the burst lies over the end of a window, the count begins anew.
  std::optional<Response> last;
  for (int i = 0; i < 200; ++i) {
    last.emplace(call());
    if (last->status != 200) break;
  }
  expect_stopped(*last, " calls of the key in 2 s, where ", "60");
  EXPECT_NE(last->body.find("this key is stopped for 60 s"), std::string::npos) << last->body;
  EXPECT_EQ(chat(chat_request("m", "anything else")).status, 429) << "all that the key does";
  EXPECT_EQ(chat(chat_request("m", "question 1"), "other").status, 200) << "no other key";
  EXPECT_GE(asked, 4 + 9) << "not before the floor";
  EXPECT_EQ(seen(kChat), static_cast<std::size_t>(asked))
      << "all but the last, and the other key's";

  const auto alerts = told(1);
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0]["detector"], "call_rate");
  EXPECT_EQ(alerts[0]["target"], "key");
  EXPECT_EQ(alerts[0]["action"], "stop");
  unsigned calls = 0, usual = 0, limit = 0;
  const std::string evidence = alerts[0]["evidence"];
  ASSERT_EQ(
      std::sscanf(evidence.c_str(), "%u calls of the key in 2 s, where %u are usual (limit %u",
                  &calls, &usual, &limit),
      3)
      << evidence;
  EXPECT_EQ(calls, limit + 1);
  EXPECT_GE(limit, std::max(8u, 3 * usual));
  EXPECT_GE(usual, 1u);
  EXPECT_EQ(findings("call_rate", "enforce"), 1);
  const auto rows = daemon->exactly(static_cast<std::size_t>(asked) + 2);
  EXPECT_NE(rows.at(static_cast<std::size_t>(asked) - 1).at("verdicts").find("call_rate: "),
            std::string::npos);
}

}  // namespace
}  // namespace tollgate::testing
