// timeouts.total: told as what it is, counted, on record, and held against no deployment.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"
#include "support/sanitized.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kChat = "/v1/chat/completions";

/// One failure would put a deployment to rest, so a blamed one is seen by the next call.
constexpr const char* kStrict = "routing: {retries_per_deployment: 0, cooldown_failures: 1}\n";

class TotalTime : public ::testing::Test {
 protected:
  FakeUpstream upstream;

  [[nodiscard]] DaemonOptions options() const { return {.variables = {{"UP", upstream.url()}}}; }

  /// Counted once and as nothing else; the deployment is not put to rest; no money stays held.
  static void expect_told(const Daemon& daemon, double count = 1) {
    EXPECT_TRUE(
        daemon.wait_metric("tollgate_limit_hits_total", {{"limit", "timeouts.total"}}, count));
    const MetricsText metrics = daemon.metrics();
    EXPECT_EQ(metrics.value("tollgate_limit_hits_total"), count);
    EXPECT_EQ(metrics.value("tollgate_cooldowns_active"), 0);
    EXPECT_EQ(metrics.value("tollgate_holds_nusd"), 0);
  }
  static void expect_row(const Row& row, int status) {
    EXPECT_EQ(row.at("outcome"), "failed");
    EXPECT_EQ(row.at("error_code"), "call_timeout");
    EXPECT_EQ(row.at("status"), std::to_string(status));
  }
  static void expect_attempt(const Row& row, const std::string& outcome, int status) {
    const json attempts = json::parse(row.at("attempts"));
    ASSERT_EQ(attempts.size(), 1u) << row.at("attempts");
    EXPECT_EQ(attempts[0]["outcome"], outcome);
    EXPECT_EQ(attempts[0]["status"], status);
  }
};

TEST_F(TotalTime, OfAStreamEndsItWithAnErrorEventOfItsOwn) {
  upstream.on("POST", kChat, {Answer::sse(chat_stream(std::vector<std::string>(100, "w ")), 50ms)});
  Daemon daemon(std::string(kOneProvider) + kStrict + "timeouts: {total: 1s}\n", options());
  for (int i = 1; i <= 2; ++i) {
    RawClient client = daemon.connect();
    client.send(
        daemon.post_bytes(kChat, chat_request("m", "hi", R"(,"max_tokens":99,"stream":true)")));
    ASSERT_EQ(client.read_head().status, 200) << "the call before blamed nobody";
    const auto events = client.all_events(5s);
    ASSERT_GT(events.size(), 5u);
    const json last = json::parse(events.back().data);
    ASSERT_TRUE(last.contains("error")) << events.back().data;
    EXPECT_EQ(last["error"]["code"], "call_timeout");
    EXPECT_NE(last["error"]["message"].get<std::string>().find("timeouts.total"),
              std::string::npos);
    EXPECT_TRUE(client.wait_closed(1s));
    const Row row = daemon.exactly(static_cast<std::size_t>(i)).back();
    expect_row(row, 200);
    expect_attempt(row, "total_timeout", 200);
    EXPECT_EQ(json::parse(row.at("attempts"))[0]["error_code"], "call_timeout");
    EXPECT_EQ(row.at("estimated"), "1");
    EXPECT_GT(std::stol(row.at("cost_nusd")), 0);
    expect_told(daemon, i);
  }
  EXPECT_EQ(daemon.metrics().value("tollgate_requests_total", {{"outcome", "call_timeout"}}), 2);
  EXPECT_EQ(daemon.metrics().value("tollgate_attempts_total", {{"outcome", "total_timeout"}}), 2);
}

TEST_F(TotalTime, IsToldInAnthropicsWords) {
  upstream.on("POST", "/v1/messages",
              {Answer::sse(anthropic_stream(std::vector<std::string>(100, "w ")), 50ms)});
  Daemon daemon(R"(
providers: {claude: {kind: anthropic, base_url: "@{UP}", api_key: key-of-claude, proxy: none}}
models: {m: {deployments: [{provider: claude, model: c, price: {input: 2.5, output: 10}}]}}
keys: [{id: k1, digest: "@{digest:agent}"}]
timeouts: {total: 600ms}
)",
                options());
  RawClient client = daemon.connect();
  client.send(daemon.post_bytes("/v1/messages",
                                chat_request("m", "hi", R"(,"max_tokens":99,"stream":true)"),
                                "agent", {{"anthropic-version", "2023-06-01"}}));
  ASSERT_EQ(client.read_head().status, 200);
  const auto events = client.all_events(5s);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().event, "error");
  EXPECT_EQ(json::parse(events.back().data)["error"]["type"], "timeout_error");
  expect_row(daemon.exactly(1).at(0), 200);
  expect_told(daemon);
}

TEST_F(TotalTime, OfAJsonAnswerIs504WhereverItWasWaitedFor) {
  Daemon daemon(std::string(kOneProvider) + kStrict + "timeouts: {total: 500ms}\n", options());
  struct Case {
    const char* name;
    Answer answer;
    int status;  ///< of the attempt
  };
  const std::vector<Case> cases{
      {"no head", Answer::silence(), 0},
      {"a body that drips", Answer::json(200, completion("ok")).drip(1, 20ms), 200},
      {"a chunked one",
       Answer::json(200, completion("ok")).framing(Answer::Framing::chunked).drip(1, 20ms), 200}};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i].name);
    upstream.on("POST", kChat, {cases[i].answer});
    const Response response = daemon.post(kChat, chat_request("m", "hi"));
    EXPECT_EQ(response.status, 504) << response.body;
    const json error = json::parse(response.body)["error"];
    EXPECT_EQ(error["code"], "call_timeout");
    EXPECT_NE(error["message"].get<std::string>().find("timeouts.total"), std::string::npos);
    EXPECT_TRUE(upstream.wait_for_peer_left(i, 2s).has_value());
    const Row row = daemon.exactly(i + 1).back();
    expect_row(row, 504);
    expect_attempt(row, "total_timeout", cases[i].status);
    EXPECT_GT(std::stol(row.at("cost_nusd")), 0) << "it had been sent";
    expect_told(daemon, static_cast<double>(i + 1));
  }
}

TEST_F(TotalTime, OfAConnectionBlamesNeitherTlsNorTheUpstreamAndCostsNothing) {
  std::uint16_t port = 0;
  const Fd never_accepts = listen_loopback(port);
  Daemon daemon(
      std::string(kOneProvider) + kStrict + "timeouts: {total: 500ms, upstream_tls: 30s}\n",
      {.variables = {{"UP", "https://127.0.0.1:" + std::to_string(port)}}});
  const Response response = daemon.post(kChat, chat_request("m", "hi"));
  EXPECT_EQ(response.status, 504) << response.body;
  const Row row = daemon.exactly(1).at(0);
  expect_row(row, 504);
  expect_attempt(row, "total_timeout", 0);
  EXPECT_EQ(row.at("cost_nusd"), "0");
  expect_told(daemon);
}

TEST_F(TotalTime, IsOverInTheLineForMoneyToo) {
  upstream.on("POST", kChat, {Answer::json(200, completion("ok")).after(4s)});
  const std::string yaml = R"(
providers: {up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: key-of-up, proxy: none}}
models: {m: {deployments: [{provider: up, model: m, price: {input: 0, output: 50}}]}}
keys:
  - {id: k1, digest: "@{digest:agent}", budgets: [{name: cap, limit: 0.06, window: day}]}
spending: {hold_wait: 30s, min_output_tokens: 900}
)";
  Daemon daemon(yaml, options());
  const std::string ask = chat_request("m", "hi", R"(,"max_tokens":1000)");
  RawClient holder = daemon.connect();
  holder.send(daemon.post_bytes(kChat, ask));
  ASSERT_TRUE(upstream.wait_for_requests(1));
  daemon.reload(yaml + "timeouts: {total: 300ms}\n");
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, 2));
  const Response response = daemon.post(kChat, ask);
  EXPECT_EQ(response.status, 504) << response.body;
  EXPECT_EQ(json::parse(response.body)["error"]["code"], "call_timeout");
  EXPECT_EQ(holder.read_response().status, 200);
  EXPECT_EQ(upstream.request_count(), 1u);
  expect_told(daemon);
}

TEST_F(TotalTime, OfASlowReaderIsNotTakenForItsLeaving) {
  upstream.on(
      "POST", kChat,
      {Answer::sse(chat_stream(std::vector<std::string>(2'000, std::string(20'000, 'x'))))});
  // The head has to be there before the time is over.
  const std::string total = kSanitized ? "5s" : "1s";
  Daemon daemon(
      std::string(kOneProvider) + kStrict + "timeouts: {client_write: 30s, total: " + total + "}\n",
      options());
  RawClient client = daemon.connect();
  client.send(
      daemon.post_bytes(kChat, chat_request("m", "hi", R"(,"max_tokens":9000,"stream":true)")));
  ASSERT_EQ(client.read_head().status, 200);
  // Reads nothing more.
  expect_row(daemon.rows(1, 10s).at(0), 200);
  expect_told(daemon);
}

}  // namespace
}  // namespace tollgate::testing
