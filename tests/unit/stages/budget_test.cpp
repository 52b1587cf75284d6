// What a call that has to wait for its money is waiting for.
#include <gtest/gtest.h>

#include "stage_fixture.hpp"
#include "unit/budget/ledger_fixture.hpp"

namespace tollgate::stages {
namespace {

using namespace std::chrono_literals;
using pipeline::Verdict;

constexpr const char* kBudgetYaml = R"(version: 1
providers:
  demo: {kind: demo}
models: {m: {deployments: [{provider: demo, model: echo, price: {input: 0, output: 1000}}]}}
keys:
  - id: a
    digest: "sha256:0000000000000000000000000000000000000000000000000000000000000001"
    budgets: [{name: minute, limit: 1.00, window: minute}]
  - id: total
    digest: "sha256:0000000000000000000000000000000000000000000000000000000000000002"
    budgets: [{limit: 1.00, window: total}]
  - id: rated
    digest: "sha256:0000000000000000000000000000000000000000000000000000000000000003"
    rate_limits: [{requests: 10, per: 1m}, {concurrent: 1}]
mcp_servers:
  tools: {url: "http://127.0.0.1:1/mcp", proxy: none}
  files: {url: "http://127.0.0.1:1/mcp", proxy: none}
limits: {event_streams_per_key: 1}
spending: {hold_wait: 10s}
timeouts: {total: 60s}
)";

class BudgetStage : public testing::StageTest {
 protected:
  BudgetStage() : StageTest(kBudgetYaml, make_budget_stage(), alerts) {
    domain::budget::FakeHistory history;
    EXPECT_FALSE(world.ledger.configure(*world.runtime->snapshot, history).has_error());
  }

  /// A call of `key` that costs a cent: 10 tokens at $1,000 a million.
  Verdict call() {
    begin("/v1/chat/completions",
          R"({"model":"m","max_tokens":10,"messages":[{"role":"user","content":"hi"}]})");
    context.free_of_charge = false;
    context.alias = world.runtime->aliases.find("m")->second.get();
    context.plan = domain::routing::plan(
        context.alias->routable, domain::routing::Dialect::openai,
        [](const config::Provider&) { return true; }, world.services->rng, clock.mono());
    return ask();
  }
  /// Another call of it that holds `amount`.
  domain::budget::Hold hold(base::NanoUsd amount) {
    return world.ledger
        .hold(world.runtime->keys->find_by_id(key)->scopes, {},
              domain::budget::Amounts{amount, 0, 1})
        .value();
  }

  testing::QuietAlerts alerts;
};

TEST_F(BudgetStage, AWaitingCallIsServedByTheWindowThatOpens) {
  clock.set_wall("2026-11-27T12:00:54Z");
  const domain::budget::Hold other = hold({1'000'000'000});
  EXPECT_FALSE(call().refused());
  EXPECT_TRUE(context.hold);
  ASSERT_EQ(sleeper.slept.size(), 1u);
  EXPECT_EQ(sleeper.slept[0], 6s);
}

TEST_F(BudgetStage, AWaitIsNoLongerThanConfigured) {
  clock.set_wall("2026-11-27T12:00:30Z");
  const domain::budget::Hold other = hold({1'000'000'000});
  Verdict verdict = call();
  ASSERT_TRUE(verdict.refused());
  EXPECT_EQ(verdict.error().code(), base::ErrorCode::budget_exceeded);
  EXPECT_EQ(sleeper.slept, (std::vector<std::chrono::nanoseconds>{10s}));

  key = "total";
  sleeper.slept.clear();
  const domain::budget::Hold of_total = hold({1'000'000'000});
  EXPECT_TRUE(call().refused());
  EXPECT_EQ(sleeper.slept, (std::vector<std::chrono::nanoseconds>{10s})) << "no window opens";
}

TEST_F(BudgetStage, WhatIsLeftOfARateLimitIsToldAsOfTheEndOfTheWait) {
  key = "rated";
  domain::budget::Hold other = hold({0});
  sleeper.meanwhile = [&] {
    other.release();
    sleeper.meanwhile = nullptr;
  };
  EXPECT_FALSE(call().refused());
  EXPECT_EQ(context.rates.requests.limit, 10);
  EXPECT_EQ(context.rates.requests.remaining, 8) << "the other call's and its own";
  EXPECT_EQ(sleeper.slept.size(), 1u);
}

TEST_F(BudgetStage, EventStreamsAreCountedByKeyAndServerAndNoOtherCallIs) {
  auto& streams = world.event_streams;
  const auto first = streams.enter("a", "tools", 1);
  begin("/mcp/tools", "");
  Verdict verdict = ask();
  ASSERT_TRUE(verdict.refused());
  EXPECT_EQ(verdict.error().code(), base::ErrorCode::rate_limited);
  EXPECT_EQ(verdict.error().limit(), base::Limit::event_streams_per_key);
  EXPECT_EQ(verdict.error().retry_after_s(), 1);
  complete(429);

  begin("/mcp/files", "");
  EXPECT_FALSE(ask().refused());
  EXPECT_EQ(streams.open(), 2u);
  complete();
  context.end();
  EXPECT_EQ(streams.open(), 1u);

  begin("/mcp/tools", R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})");
  EXPECT_FALSE(ask().refused());
  EXPECT_EQ(streams.open(), 1u);
}

}  // namespace
}  // namespace tollgate::stages
