// What a call costs whose agent leaves before its provider has told what it used (docs/budgets.md).
#include <gtest/gtest.h>

#include <thread>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"
#include "support/raw_client.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPath = "/v1/chat/completions";

/// Input is free, output $100 per million tokens: a call of 1,000 holds $0.10.
std::string yaml(const std::string& spending) {
  return R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 0, output: 100}}]}
keys: [{id: k1, digest: "@{digest:agent}", budgets: [{limit: 10.00, window: total}]}]
spending: {)" +
         spending + "}\n";
}

struct EarlyEnd : ::testing::Test {
  /// The row of a call whose agent left `after` its provider had it and some of the answer came.
  Row leave(const std::string& spending, Answer answer, bool streams,
            std::chrono::milliseconds after) {
    FakeUpstream upstream;
    upstream.on("POST", kPath, {std::move(answer)});
    Daemon daemon(yaml(spending), {.variables = {{"UP", upstream.url()}}});
    {
      RawClient client = daemon.connect();
      const std::string more = R"(,"max_tokens":1000)";
      client.send(daemon.post_bytes(
          kPath, chat_request("m", "hi", streams ? more + R"(,"stream":true)" : more)));
      EXPECT_TRUE(upstream.wait_for_requests(1));
      if (streams) {
        EXPECT_EQ(client.read_head().status, 200);
      }
      std::this_thread::sleep_for(after);
    }
    const Row row = daemon.exactly(1).at(0);
    EXPECT_EQ(row.at("outcome"), "client_closed");
    EXPECT_EQ(row.at("held_nusd"), "100000000");
    EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
    return row;
  }
  static Answer begun_stream() {
    std::vector<std::string> events = chat_stream({"a", "b"});
    events.resize(3);  // of which the first says nothing
    return Answer::sse(std::move(events)).end(Answer::End::silent);
  }
};

TEST_F(EarlyEnd, ByDefaultCostsWhatWasSeen) {
  EXPECT_EQ(leave("hold_wait: 1s", Answer::silence(), false, 0ms).at("cost_nusd"), "0");
  const Row stream = leave("hold_wait: 1s", begun_stream(), true, 100ms);
  EXPECT_EQ(stream.at("cost_nusd"), "200000") << "two events, a token each";
  EXPECT_EQ(stream.at("estimated"), "1");
}

TEST_F(EarlyEnd, CostsItsHoldWhereTheConfigurationSaysSo) {
  const Row json = leave("abandoned_attempts: hold", Answer::silence(), false, 0ms);
  EXPECT_EQ(json.at("cost_nusd"), "100000000");
  EXPECT_EQ(json.at("estimated"), "1");
  EXPECT_EQ(json.at("overrun"), "0");
  EXPECT_EQ(leave("abandoned_attempts: hold", begun_stream(), true, 100ms).at("cost_nusd"),
            "100000000");
}

TEST_F(EarlyEnd, IsFreeOnlyWhereTheAgentGotNothing) {
  EXPECT_EQ(leave("abandoned_attempts: free", Answer::silence(), false, 0ms).at("cost_nusd"), "0");
  EXPECT_EQ(leave("abandoned_attempts: free", begun_stream(), true, 100ms).at("cost_nusd"),
            "200000");
}

/// A provider that thinks and does not show it, or writes a JSON answer: time is all that tells.
TEST_F(EarlyEnd, SilenceBeyondThreeSecondsCounts) {
  const Row row = leave("silent_output_rate: 1000", Answer::silence(), false, 3'300ms);
  const std::int64_t tokens = std::stoll(row.at("cost_nusd")) / 100'000;
  EXPECT_GE(tokens, 250);
  EXPECT_LE(tokens, 1'000) << "never more than was held";
}

}  // namespace
}  // namespace tollgate::testing
