// Calls that wait for money that other calls hold (spending.hold_wait).
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPath = "/v1/chat/completions";

/// Input is free, output $50 per million tokens: 1000 tokens are exactly $0.05.
constexpr const char* kOneDeployment = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 0, output: 50}}]}
)";

std::string five_cents() {
  return chat_request("m", "hi", R"(,"max_tokens":1000)");
}

/// What a call sees that stands in line for its money while deployments come and go.
class WaitingCall : public ::testing::Test {
 protected:
  void start(const std::string& yaml) {
    daemon.emplace(yaml + R"(
spending: {hold_wait: 20s, min_output_tokens: 900}
keys:
  - {id: k1, digest: "@{digest:agent}", budgets: [{name: cap, limit: 0.06, window: day}]}
  - {id: other, digest: "@{digest:other}"}
)",
                   DaemonOptions{.variables = {{"UP", up.url()}, {"SPARE", spare.url()}}});
  }
  /// A call that holds k1's money for as long as its upstream takes, and one that waits for it.
  void begin_both(FakeUpstream& slow, std::size_t calls_before) {
    first = std::thread([this] { EXPECT_EQ(daemon->post(kPath, five_cents()).status, 200); });
    ASSERT_TRUE(slow.wait_for_requests(calls_before + 1));
    second = std::thread([this] { waited = daemon->post(kPath, five_cents(), "agent"); });
    ASSERT_TRUE(daemon->wait_metric("tollgate_hold_waiting", {}, 1));
  }
  void TearDown() override {
    if (first.joinable()) first.join();
    if (second.joinable()) second.join();
  }

  const Answer fine = Answer::json(200, completion("ok", 10, 10));
  FakeUpstream up, spare;
  std::optional<Daemon> daemon;
  std::thread first, second;
  Response waited;
};

TEST_F(WaitingCall, GetsTheMoneyAnotherCallReleases) {
  // Held $0.05 each, settled $0.0005: the second must wait for the first, then both fit.
  up.on("POST", kPath, {Answer(fine).after(400ms), fine});
  start(kOneDeployment);
  begin_both(up, 0);
  second.join();
  EXPECT_EQ(waited.status, 200) << waited.body;
  EXPECT_EQ(daemon->exactly(2).size(), 2u);
  EXPECT_TRUE(daemon->metric_becomes("tollgate_holds_nusd", 0));
}

TEST_F(WaitingCall, IsToldWhatStandsInItsWayWhenTheWaitEnds) {
  // $0.03 of $0.06 are spent in the meantime, and the call needs $0.045 at the least.
  up.on("POST", kPath, {Answer::json(200, completion("ok", 10, 600)).after(400ms)});
  start(kOneDeployment);
  begin_both(up, 0);
  second.join();
  EXPECT_EQ(waited.status, 402);
  EXPECT_NE(waited.body.find("spent $0.03, held by other calls $0.00"), std::string::npos)
      << waited.body;
  EXPECT_EQ(waited.body.find("in flight"), std::string::npos) << waited.body;
}

TEST_F(WaitingCall, JudgesADeploymentByTheEndOfTheWaitNotByItsBegin) {
  up.on("POST", kPath,
        {Answer(fine).after(2'500ms), Answer::json(429, "{}").header("retry-after", "1"), fine});
  start(kOneDeployment);
  begin_both(up, 0);
  // The provider asks for a second of peace, which is over when the money comes.
  EXPECT_EQ(daemon->post(kPath, five_cents(), "other").status, 429);
  second.join();
  EXPECT_EQ(waited.status, 200) << waited.body;
  EXPECT_EQ(up.request_count(), 3u);
}

TEST_F(WaitingCall, MayUseADeploymentThatWasCoolingWhenTheWaitBegan) {
  up.on("POST", kPath, {Answer::json(429, "{}").header("retry-after", "2"), fine});
  spare.on("POST", kPath, {fine, Answer(fine).after(3'500ms), Answer::json(503, "{}")});
  start(R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
  spare: {kind: openai_compatible, base_url: "@{SPARE}/v1", api_key: provider-key-2, proxy: none}
models:
  m:
    deployments:
      - {provider: up, model: m, price: {input: 0, output: 50}}
      - {provider: spare, model: m, priority: 1, price: {input: 0, output: 50}}
)");
  ASSERT_EQ(daemon->post(kPath, five_cents(), "other").status, 200);
  begin_both(spare, 1);
  second.join();
  EXPECT_EQ(waited.status, 200) << waited.body;
  EXPECT_EQ(up.request_count(), 2u);
  EXPECT_EQ(daemon->exactly(3).size(), 3u);
  EXPECT_TRUE(daemon->metric_becomes("tollgate_holds_nusd", 0));
}

}  // namespace
}  // namespace tollgate::testing
