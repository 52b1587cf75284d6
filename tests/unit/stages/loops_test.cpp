#include "stages/loops.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "stage_fixture.hpp"
#include "tollgate/domain/alerts/alert.hpp"
#include "tollgate/domain/keys/key_format.hpp"
#include "tollgate/pipeline/error_body.hpp"

namespace tollgate::stages {
namespace {

using namespace std::chrono_literals;
using pipeline::RequestContext;
using pipeline::Verdict;

constexpr const char* kLoopYaml = R"(version: 1
providers:
  demo: {kind: demo}
models: {demo/echo: demo/echo}
mcp_servers: {tools: {url: "http://127.0.0.1:1/mcp", proxy: none}}
orgs: {acme: {}}
keys:
  - {id: a, org: acme, digest: "sha256:0000000000000000000000000000000000000000000000000000000000000001"}
  - {id: b, org: acme, digest: "sha256:0000000000000000000000000000000000000000000000000000000000000002"}
  - {id: loose, digest: "sha256:0000000000000000000000000000000000000000000000000000000000000003", loop_breaker: off}
  - {id: slow, digest: "sha256:0000000000000000000000000000000000000000000000000000000000000004", loop_breaker: {repeats: {action: slow_down}, delay: 3s}}
loop_breaker:
  repeats: {standalone_limit: 2}
  retries: {limit: 2}
  traces: {max_depth: 2, max_calls: 4}
  stop_for: 90s
timeouts: {total: 60s}
)";

/// Keeps the alert that each finding makes.
struct Told final : pipeline::AlertSink {
  void on_budget_event(const domain::budget::BudgetEvent&) noexcept override {}
  void on_loop(const domain::alerts::LoopFinding& finding) noexcept override {
    alerts.push_back(nlohmann::json::parse(domain::alerts::make_alert(finding, "evt_1").detail));
  }
  std::vector<nlohmann::json> alerts;
};

class LoopStage : public testing::StageTest {
 protected:
  LoopStage() : StageTest(kLoopYaml, make_loop_stage(), told) {}

  /// A whole call that says `text`.
  Verdict call(const std::string& text, int status = 200, const std::string& fields = {}) {
    begin("/v1/chat/completions",
          R"({"model":"demo/echo","messages":[{"role":"user","content":")" + text + R"("}]})",
          fields);
    Verdict verdict = ask();
    if (verdict.refused()) context.refuse(verdict.error());
    complete(status);
    clock.advance(100ms);
    return verdict;
  }
  Told told;
};

TEST_F(LoopStage, ARepeatedCallIsRefusedWithTheEvidence) {
  EXPECT_FALSE(call("hi").refused());
  EXPECT_FALSE(call("hi").refused());
  Verdict stopped = call("hi");
  ASSERT_TRUE(stopped.refused());
  const base::Error& error = stopped.error();
  EXPECT_EQ(error.code(), base::ErrorCode::loop_detected);
  EXPECT_EQ(error.http_status(), 429);
  EXPECT_EQ(error.retry_after_s(), 90);
  EXPECT_EQ(error.message(),
            "loop detected: 3 near-identical calls in 600 s (limit 2); calls like this one are "
            "stopped for 90 s");
  ASSERT_EQ(context.record->verdicts.size(), 1u);
  EXPECT_EQ(context.record->verdicts[0].rule, "repeats: 3 near-identical calls in 600 s (limit 2)");
  EXPECT_EQ(context.record->verdicts[0].action, "stop");
  ASSERT_EQ(told.alerts.size(), 1u);
  EXPECT_EQ(told.alerts[0]["scope_id"], "a");
  EXPECT_EQ(told.alerts[0]["request_id"], context.request_id);

  clock.advance(10s + 1ms);
  Verdict again = call("hi");
  ASSERT_TRUE(again.refused());
  EXPECT_EQ(again.error().retry_after_s(), 80) << "rounded up, and never early";
  EXPECT_EQ(told.alerts.size(), 1u) << "nothing new";
  EXPECT_FALSE(call("something else").refused());
}

TEST_F(LoopStage, TheRefusalIsTheSameInEachDialect) {
  call("hi"), call("hi"), call("hi");
  for (const pipeline::Dialect dialect :
       {pipeline::Dialect::openai, pipeline::Dialect::anthropic, pipeline::Dialect::jsonrpc}) {
    context.route.dialect = dialect;
    context.has_document = false;
    int status = 0;
    std::string lines, body;
    render_error(context, *context.refusal, status, lines, body);
    EXPECT_EQ(status, 429);
    EXPECT_NE(lines.find("x-should-retry: false\r\n"), std::string::npos) << lines;
    EXPECT_NE(lines.find("Retry-After: 90\r\n"), std::string::npos) << lines;
    EXPECT_NE(body.find("loop_detected"), std::string::npos) << body;
    EXPECT_NE(body.find("3 near-identical calls"), std::string::npos) << body;
  }
}

TEST_F(LoopStage, AFailureIsWhatTheAgentGotNothingFrom) {
  for (int i = 0; i < 8; ++i) EXPECT_FALSE(call("a " + std::to_string(i), 200).refused());
  EXPECT_FALSE(call("failing", 500).refused());
  EXPECT_FALSE(call("failing", 500).refused());
  Verdict third = call("failing", 500);
  ASSERT_TRUE(third.refused()) << "its words are repeated, too";

  // Retries count by what came of the call before, whoever refused it.
  key = "b";
  for (int i = 0; i < 3; ++i) {
    begin("/v1/models", "");
    ASSERT_FALSE(ask().refused()) << i;
    context.refuse(base::Error(base::ErrorCode::budget_exceeded, "no money"));
    complete(402);
  }
  begin("/v1/models", "");
  Verdict refused = ask();
  ASSERT_TRUE(refused.refused());
  EXPECT_NE(refused.error().message().find("3 retries of one failing call"), std::string::npos)
      << refused.error().message();
}

TEST_F(LoopStage, NothingIsAskedWhenEverythingIsOff) {
  key = "loose";
  for (int i = 0; i < 20; ++i) ASSERT_FALSE(call("hi", 500).refused());
  EXPECT_FALSE(context.loop_ticket);
  begin("/v1/chat/completions",
        R"({"model":"demo/echo","messages":[{"role":"user","content":"hi"}]})");
  ask();
  EXPECT_FALSE(context.loop_ticket) << "no outcome will be told";
}

TEST_F(LoopStage, HowACallerLearnsWhatStoppedItStaysOpen) {
  begin("/tollgate/v1/me", "");
  EXPECT_FALSE(ask().refused());
  EXPECT_FALSE(context.loop_ticket);
}

TEST_F(LoopStage, SlowDownWaitsAndGoesOn) {
  key = "slow";
  EXPECT_FALSE(call("hi").refused());
  EXPECT_FALSE(call("hi").refused());
  EXPECT_TRUE(sleeper.slept.empty());
  EXPECT_FALSE(call("hi").refused());
  ASSERT_EQ(sleeper.slept.size(), 1u);
  EXPECT_EQ(sleeper.slept[0], 3s);
  EXPECT_TRUE(context.hold_awaited) << "it is later than when the body was read";
  EXPECT_EQ(context.record->verdicts.at(0).action, "slow_down");
  EXPECT_EQ(world.registry.value(telemetry::Family::loop_delayed), 0);
}

TEST_F(LoopStage, ADelayEndsWithTheCall) {
  key = "slow";
  call("hi"), call("hi");
  begin("/v1/chat/completions",
        R"({"model":"demo/echo","messages":[{"role":"user","content":"hi"}]})");
  context.deadline = base::Deadline(clock.mono() + 1s);
  Verdict late = ask();
  ASSERT_TRUE(late.refused());
  EXPECT_EQ(late.error().code(), base::ErrorCode::call_timeout);
  EXPECT_EQ(sleeper.slept.back(), 1s);
  complete(504);

  sleeper.agent_leaves = true;
  begin("/v1/chat/completions",
        R"({"model":"demo/echo","messages":[{"role":"user","content":"hi"}]})");
  EXPECT_FALSE(ask().refused()) << "the chain sees that the call is cancelled";
  EXPECT_TRUE(context.cancel.cancelled());
  EXPECT_EQ(world.registry.value(telemetry::Family::loop_delayed), 0);
  complete(0);
}

TEST_F(LoopStage, TheDepthIsReadStrictly) {
  const auto depth = [&](const std::string& value) {
    begin("/v1/models", "", "x-tollgate-depth: " + value + "\r\n");
    return context.payload.depth;
  };
  EXPECT_EQ(depth("0"), 0u);
  EXPECT_EQ(depth("7"), 7u);
  EXPECT_EQ(depth("007"), 7u);
  EXPECT_EQ(depth("18446744073709551617"), 1'000'000u);
  EXPECT_EQ(depth("4294967297"), 1'000'000u);
  for (const char* const odd : {"-1", "+1", "1.0", "0x10", "1 2", "deep", ""})
    EXPECT_EQ(depth(odd), 0u) << odd;
  Verdict deep = call("hi", 200, "x-tollgate-depth: 3\r\n");
  ASSERT_TRUE(deep.refused());
  EXPECT_EQ(deep.error().message(), "loop detected: delegation 3 agents deep (limit 2)");
  EXPECT_FALSE(deep.error().retry_after_s());
}

TEST_F(LoopStage, EachCallThatIsTooDeepIsRefusedAndNothingElse) {
  for (int i = 0; i < 20; ++i) {
    const std::string session = i < 10 ? "run" : "made-up-" + std::to_string(i);
    Verdict deep = call("hi", 200, "x-session-id: " + session + "\r\nx-tollgate-depth: 99\r\n");
    ASSERT_TRUE(deep.refused());
    EXPECT_EQ(deep.error().code(), base::ErrorCode::loop_detected);
    EXPECT_EQ(deep.error().message(), "loop detected: delegation 99 agents deep (limit 2)");
    EXPECT_FALSE(deep.error().retry_after_s());
    EXPECT_FALSE(context.loop_ticket);
    ASSERT_EQ(context.record->verdicts.size(), 1u);
    EXPECT_EQ(context.record->verdicts[0].rule, "traces: delegation 99 agents deep (limit 2)");
    EXPECT_EQ(context.record->verdicts[0].action, "stop");
  }
  ASSERT_EQ(told.alerts.size(), 1u) << "the rest is on the calls' own rows";
  EXPECT_EQ(told.alerts[0]["target"], "call");
  EXPECT_FALSE(told.alerts[0].contains("stop_id"));
  EXPECT_TRUE(world.breaker.stops(clock.mono()).empty());
  EXPECT_EQ(world.breaker.counters(clock.mono()).refused, 20u);
  EXPECT_FALSE(call("hi", 200, "x-session-id: run\r\n").refused()) << "of the same key";
  key = "b";
  EXPECT_FALSE(call("ho", 200, "x-session-id: run\r\n").refused()) << "of another";
}

TEST_F(LoopStage, KeysOfOneOwnerShareATrace) {
  const auto in_run = [&](const std::string& text) {
    return call(text, 200, "x-session-id: run\r\n").refused();
  };
  EXPECT_FALSE(in_run("1"));
  EXPECT_FALSE(in_run("2"));
  key = "b";
  EXPECT_FALSE(in_run("3"));
  EXPECT_FALSE(in_run("4"));
  EXPECT_TRUE(in_run("5")) << "the owner's keys may make four calls in one run, together";
  key = "a";
  EXPECT_TRUE(in_run("6"));
  EXPECT_FALSE(call("ho", 200, "x-session-id: other\r\n").refused());
  key = "slow";
  EXPECT_FALSE(in_run("7")) << "of nobody";
}

TEST_F(LoopStage, NoAlertAndNoStopHoldsAVirtualKey) {
  const base::Secret secret = domain::keys::generate_key();
  const std::string session(secret.reveal());
  const auto ask_in_it = [&](int i) {
    return call(std::to_string(i), 200, "x-session-id: " + session + "\r\n").refused();
  };
  for (int i = 0; i < 4; ++i) ASSERT_FALSE(ask_in_it(i));
  EXPECT_TRUE(ask_in_it(4));
  ASSERT_EQ(told.alerts.size(), 1u);
  EXPECT_EQ(told.alerts[0].dump().find(session), std::string::npos);
  const auto stops = world.breaker.stops(clock.mono());
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0].trace.find(session), std::string::npos);
  EXPECT_FALSE(stops[0].trace.empty());
}

TEST_F(LoopStage, ToolCallsAreComparedByServerToolAndArguments) {
  const auto tool = [&](int id, const std::string& arguments) {
    begin("/mcp/tools", R"({"jsonrpc":"2.0","id":)" + std::to_string(id) +
                            R"(,"method":"tools/call","params":{"name":"add","arguments":)" +
                            arguments + "}}");
    Verdict verdict = ask();
    complete();
    return verdict.refused();
  };
  EXPECT_FALSE(tool(1, R"({"a":1})"));
  EXPECT_FALSE(tool(2, R"({"a":1})"));
  EXPECT_FALSE(tool(3, R"({"a":2})"));
  EXPECT_TRUE(tool(4, R"({"a":1})"));
}

}  // namespace
}  // namespace tollgate::stages
