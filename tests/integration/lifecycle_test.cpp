// Start, reload, drain, restart.
#include <gtest/gtest.h>
#include <signal.h>

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

/// Calls without a pause on kept-alive connections until stopped; counts what was not 200.
class Traffic {
 public:
  Traffic(Daemon& daemon, int threads) {
    const std::string bytes = daemon.post_bytes(kPath, chat_request("m", "hi"));
    const std::uint16_t port = daemon.port();
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this, bytes, port] {
        auto client = std::make_unique<RawClient>(port);
        while (!stop_) {
          const Response response = client->exchange(bytes);
          if (response.status == 200) {
            ++ok_;
          } else {
            ++failed_;
            last_ = response.failure + response.body;
          }
          if (response.status == 0 || response.header("connection") == "close") {
            client = std::make_unique<RawClient>(port);
          }
        }
      });
    }
  }
  ~Traffic() { stop(); }
  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  [[nodiscard]] int ok() const { return ok_; }
  [[nodiscard]] int failed() const { return failed_; }
  std::string last_;

 private:
  std::atomic<bool> stop_{false};
  std::atomic<int> ok_{0}, failed_{0};
  std::vector<std::thread> threads_;
};

TEST(Reload, AGoodFileIsSwappedInUnderTrafficWithNoRequestLost) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  const std::string yaml = kOneProvider;
  Daemon daemon(yaml, {.variables = {{"UP", upstream.url()}}});
  Traffic traffic(daemon, 4);
  constexpr int kReloads = 10;
  for (int i = 1; i <= kReloads; ++i) {
    daemon.reload(yaml + "routing: {max_attempts: " + std::to_string(i) + "}\n");
    ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, 1 + i)) << daemon.log();
  }
  traffic.stop();
  EXPECT_EQ(traffic.failed(), 0) << traffic.last_;
  EXPECT_GT(traffic.ok(), 100);
  EXPECT_EQ(daemon.exactly(static_cast<std::size_t>(traffic.ok())).size(),
            static_cast<std::size_t>(traffic.ok()));
  EXPECT_LE(upstream.connection_count(), 12u) << "pools survive a reload";
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

TEST(Reload, ABadFileChangesNothingAndSaysWhy) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  const std::string good = read_file(daemon.config_file());
  for (const std::string& bad : std::vector<std::string>{
           std::string(kOneProvider) + "modles: {}\n", std::string(kOneProvider) + "  : [broken\n",
           "keys: [{id: k1}]\n"}) {
    const double before = daemon.metrics().value("tollgate_config_reloads_total");
    daemon.reload(bad);
    ASSERT_TRUE(daemon.wait_metric("tollgate_config_reloads_total", {}, before + 1));
    EXPECT_EQ(daemon.metrics().value("tollgate_config_generation"), 1);
    EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
  }
  EXPECT_NE(daemon.log().find("modles"), std::string::npos) << "the log says what is wrong";
  EXPECT_NE(daemon.log().find("tollgate.yaml:"), std::string::npos) << "and where";
}

TEST(Reload, ModelsKeysAndLimitsTakeEffectAndSpendStays) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  const std::string yaml =
      std::string(kOneProvider) + "  - {id: k2, digest: \"@{digest:second}\"}\n";
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  ASSERT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi"), "second").status, 401);
  daemon.reload(yaml);
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, 2));
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi"), "second").status, 200);
  daemon.reload(kOneProvider);
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, 3));
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi"), "second").status, 401);
  // A budget that appears counts what was spent before it: its identity is its scope and name.
  daemon.reload(std::string(kOneProvider) +
                "    budgets: [{name: late, limit: 0.000081, window: day}]\n");
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, 4));
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 402);
}

TEST(Reload, AStreamInFlightGoesOn) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::sse(chat_stream(std::vector<std::string>(20, "w ")), 50ms)});
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  RawClient client = daemon.connect();
  client.send(
      daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":50000,"stream":true)")));
  ASSERT_EQ(client.read_head().status, 200);
  daemon.reload(
      "providers: {demo: {kind: demo}}\nmodels: {other: demo/echo}\nkeys: [{id: k1, digest: "
      "\"@{digest:agent}\"}]\n");
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, 2));
  const auto events = client.all_events();
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().data, "[DONE]");
  EXPECT_EQ(daemon.rows(1).at(0).at("cost_nusd"), kCompletionCost);
}

TEST(Drain, SigtermFinishesWhatRunsThenExitsZero) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::sse(chat_stream(std::vector<std::string>(20, "w ")), 50ms)});
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  RawClient stream = daemon.connect();
  stream.send(
      daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":50000,"stream":true)")));
  ASSERT_EQ(stream.read_head().status, 200);
  RawClient idle = daemon.connect();
  const std::uint16_t port = daemon.port();
  daemon.send(SIGTERM);
  EXPECT_TRUE(idle.wait_closed(2s)) << "idle connections close at once";
  bool refused = false;
  for (int i = 0; i < 50 && !refused; ++i) {
    refused = !RawClient(port).connected();
    if (!refused) std::this_thread::sleep_for(10ms);
  }
  EXPECT_TRUE(refused) << "no new connections";
  const auto events = stream.all_events();
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().data, "[DONE]") << "a running stream is finished";
  EXPECT_EQ(daemon.wait_exit(10s), 0);
  const auto rows = daemon.rows(1);
  ASSERT_EQ(rows.size(), 1u) << "flushed before the end";
  EXPECT_EQ(rows[0].at("outcome"), "ok");
}

TEST(Drain, NotReadyComesFirstAndTheLoadBalancerGetsItsDelay) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  Daemon daemon(std::string(kOneProvider) + "timeouts: {drain_min_delay: 1s}\n",
                {.variables = {{"UP", upstream.url()}}});
  EXPECT_EQ(daemon.admin_get("/readyz", false).status, 200);
  daemon.send(SIGTERM);
  bool unready = false;
  for (int i = 0; i < 40 && !unready; ++i) {
    unready = daemon.admin_get("/readyz", false).status == 503;
    if (!unready) std::this_thread::sleep_for(10ms);
  }
  EXPECT_TRUE(unready);
  EXPECT_EQ(daemon.admin_get("/healthz", false).status, 200) << "alive all the while";
  const Response response = daemon.post(kPath, chat_request("m", "hi"));
  EXPECT_EQ(response.status, 200) << "still accepting during the delay";
  EXPECT_EQ(response.header("connection"), "close");
  EXPECT_EQ(daemon.wait_exit(10s), 0);
}

TEST(Drain, TheDeadlineAndASecondSignalForceTheEnd) {
  for (const bool second_signal : {false, true}) {
    FakeUpstream upstream;
    upstream.on("POST", kPath,
                {Answer::sse(chat_stream(std::vector<std::string>(2'000, "w ")), 20ms)});
    Daemon daemon(std::string(kOneProvider) +
                      "timeouts: {drain: " + (second_signal ? "60s" : "500ms") + "}\n",
                  {.variables = {{"UP", upstream.url()}}});
    RawClient stream = daemon.connect();
    stream.send(
        daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":50000,"stream":true)")));
    ASSERT_EQ(stream.read_head().status, 200);
    ASSERT_TRUE(stream.next_event().has_value());
    daemon.send(SIGTERM);
    if (second_signal) {
      std::this_thread::sleep_for(200ms);
      EXPECT_TRUE(daemon.running());
      daemon.send(SIGTERM);
    }
    const auto events = stream.all_events(5s);
    ASSERT_TRUE(daemon.wait_exit(10s).has_value()) << "it hangs";
    ASSERT_FALSE(events.empty());
    for (const SseEvent& event : events) EXPECT_NE(event.data, "[DONE]");
    const json last = json::parse(events.back().data);
    ASSERT_TRUE(last.contains("error")) << events.back().data;
    EXPECT_EQ(last["error"]["code"], "draining");
    EXPECT_FALSE(stream.body_complete()) << "nobody can take it for a whole answer";
    const auto rows = daemon.rows(1);
    ASSERT_EQ(rows.size(), 1u) << "an aborted call is on record too";
    EXPECT_GT(std::stol(rows[0].at("cost_nusd")), 0);
    EXPECT_EQ(rows[0].at("outcome"), "failed");
    EXPECT_EQ(rows[0].at("error_code"), "draining");
    EXPECT_EQ(rows[0].at("status"), "200");
    EXPECT_EQ(json::parse(rows[0].at("attempts"))[0]["outcome"], "cancelled");
  }
}

/// Not answered yet, not even read yet: each gets its 503, in the words of its dialect.
TEST(Drain, AForcedEndAnswersWhatIsNotAnsweredYet) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::silence()});
  upstream.on("POST", "/v1/messages", {Answer::json(200, anthropic_message("hi")).drip(1, 100ms)});
  Daemon daemon(R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: key-of-up, proxy: none}
  claude: {kind: anthropic, base_url: "@{UP}", api_key: key-of-claude, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}
  c: {deployments: [{provider: claude, model: c, price: {input: 2.5, output: 10}}]}
keys: [{id: k1, digest: "@{digest:agent}"}]
timeouts: {drain: 500ms}
)",
                {.variables = {{"UP", upstream.url()}}});
  RawClient chat = daemon.connect();
  chat.send(daemon.post_bytes(kPath, chat_request("m", "hi")));
  RawClient messages = daemon.connect();
  messages.send(daemon.post_bytes("/v1/messages", chat_request("c", "hi"), "agent",
                                  {{"anthropic-version", "2023-06-01"}}));
  ASSERT_TRUE(upstream.wait_for_requests(2));
  RawClient sending = daemon.connect();
  std::string half = daemon.post_bytes(kPath, chat_request("m", "hi"));
  half.pop_back();
  sending.send(half);
  std::this_thread::sleep_for(100ms);
  daemon.send(SIGTERM);
  for (RawClient* client : {&chat, &messages, &sending}) {
    const Response response = client->read_response(5s);
    EXPECT_EQ(response.status, 503) << response.failure << response.body;
    EXPECT_TRUE(response.complete);
    EXPECT_EQ(response.header("connection"), "close");
    const json body = json::parse(response.body);
    EXPECT_EQ(body["error"]["code"], "draining");
    EXPECT_EQ(body.contains("type"), client == &messages) << response.body;
  }
  ASSERT_TRUE(daemon.wait_exit(10s).has_value());
  const auto rows = daemon.rows(3);
  ASSERT_EQ(rows.size(), 3u);
  for (const Row& row : rows) {
    EXPECT_EQ(row.at("outcome"), "failed");
    EXPECT_EQ(row.at("error_code"), "draining");
    EXPECT_EQ(row.at("status"), "503");
  }
}

TEST(Drain, ASlowReaderDoesNotHoldUpAForcedEnd) {
  FakeUpstream upstream;
  upstream.on(
      "POST", kPath,
      {Answer::sse(chat_stream(std::vector<std::string>(2'000, std::string(20'000, 'x'))))});
  Daemon daemon(std::string(kOneProvider) + "timeouts: {drain: 200ms}\n",
                {.variables = {{"UP", upstream.url()}}});
  RawClient stream = daemon.connect();
  stream.send(
      daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":50000,"stream":true)")));
  ASSERT_EQ(stream.read_head().status, 200);
  std::this_thread::sleep_for(300ms);  // reads nothing more
  const auto start = std::chrono::steady_clock::now();
  daemon.send(SIGTERM);
  ASSERT_TRUE(daemon.wait_exit(10s).has_value());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
  const Row row = daemon.rows(1).at(0);
  EXPECT_EQ(row.at("outcome"), "failed");
  EXPECT_EQ(row.at("error_code"), "draining");
}

TEST(Drain, UnderTrafficNoAcceptedRequestIsLost) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok")).after(20ms)});
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  std::atomic<int> broken{0};
  std::vector<std::thread> threads;
  const std::string bytes = daemon.post_bytes(kPath, chat_request("m", "hi"));
  const std::uint16_t port = daemon.port();
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      RawClient client(port);
      for (;;) {
        const Response response = client.exchange(bytes);
        if (response.status != 200) {
          // The one race no server can close: an idle connection closed while the request travels.
          if (!response.raw_head.empty()) ++broken;
          return;
        }
        if (!response.complete) ++broken;
        if (response.header("connection") == "close") return;
      }
    });
  }
  std::this_thread::sleep_for(300ms);
  daemon.send(SIGTERM);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(daemon.wait_exit(10s), 0);
  EXPECT_EQ(broken, 0);
  EXPECT_EQ(daemon.rows(upstream.request_count()).size(), upstream.request_count());
}

TEST(Restart, SpendSurvivesAStopAndAKill) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 0, 1'000))});  // $0.01 each
  // A call asks for 1,000 tokens and gets them: less than that may not be offered to it, or the
  // fifth would be made to fit what is left.
  const std::string yaml = std::string(kOneProvider) +
                           "    budgets: [{name: b, limit: 0.045, window: month}]\n"
                           "spending: {min_output_tokens: 1000}\n";
  Daemon daemon(yaml, {.variables = {{"UP", upstream.url()}}});
  const std::string body = chat_request("m", "hi", R"(,"max_tokens":1000)");
  ASSERT_EQ(daemon.post(kPath, body).status, 200);
  ASSERT_EQ(daemon.post(kPath, body).status, 200);
  daemon.send(SIGTERM);
  ASSERT_EQ(daemon.wait_exit(10s), 0);
  daemon.start();
  ASSERT_EQ(daemon.post(kPath, body).status, 200);
  ASSERT_EQ(daemon.rows(3).size(), 3u);  // committed: only uncommitted rows may be lost by a crash
  daemon.send(SIGKILL);
  ASSERT_EQ(daemon.wait_exit(10s), 128 + SIGKILL);
  daemon.start();
  const json me = json::parse(daemon.get("/tollgate/v1/me").body);
  EXPECT_EQ(me["budgets"][0]["spent_nusd"], 30'000'000);
  ASSERT_EQ(daemon.post(kPath, body).status, 200);
  EXPECT_EQ(daemon.post(kPath, body).status, 402) << "0.04 of 0.045 are spent";
  EXPECT_EQ(daemon.exactly(6).size(), 6u) << "five calls, and the question what is left";
}

TEST(Restart, ABudgetClosedByAnOverrunStaysClosed) {
  FakeUpstream upstream;
  // $0.03 for a call that was capped at $0.01.
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 0, 3'000))});
  Daemon daemon(
      std::string(kOneProvider) + "    budgets: [{name: b, limit: 0.02, window: month}]\n",
      {.variables = {{"UP", upstream.url()}}});
  const std::string body = chat_request("m", "hi", R"(,"max_tokens":1000)");
  ASSERT_EQ(daemon.post(kPath, body).status, 200);
  ASSERT_EQ(daemon.rows(1).at(0).at("overrun"), "1");
  const auto message = [&] {
    const Response refused = daemon.post(kPath, body);
    EXPECT_EQ(refused.status, 402) << refused.body;
    return json::parse(refused.body)["error"]["message"].get<std::string>();
  };
  EXPECT_NE(message().find("is closed"), std::string::npos);
  daemon.send(SIGTERM);
  ASSERT_EQ(daemon.wait_exit(10s), 0);
  daemon.start();
  EXPECT_NE(message().find("is closed"), std::string::npos) << message();
}

TEST(Restart, AThresholdThatWasToldIsNotToldAgain) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok", 0, 1'000))});  // $0.01 each
  upstream.on("POST", "/hook", {Answer::json(200, "{}")});
  Daemon daemon(std::string(kOneProvider) +
                    "    budgets: [{name: b, limit: 0.022, window: month, alerts: [40, 90]}]\n"
                    "alerts: {webhooks: [{url: \"@{UP}/hook\"}]}\n",
                {.variables = {{"UP", upstream.url()}}});
  const std::string body = chat_request("m", "hi", R"(,"max_tokens":1000)");
  const auto percents = [&] {
    std::vector<int> told;
    for (const SeenRequest& seen : upstream.requests())
      if (seen.target == "/hook") told.push_back(json::parse(seen.body)["percent"]);
    return told;
  };
  const Labels delivered{{"result", "delivered"}};
  ASSERT_EQ(daemon.post(kPath, body).status, 200);
  ASSERT_TRUE(daemon.wait_metric("tollgate_webhook_deliveries_total", delivered, 1));
  ASSERT_EQ(daemon.rows(1).size(), 1u);
  daemon.send(SIGTERM);
  ASSERT_EQ(daemon.wait_exit(10s), 0);
  daemon.start();
  ASSERT_EQ(daemon.post(kPath, body).status, 200);
  ASSERT_TRUE(daemon.wait_metric("tollgate_webhook_deliveries_total", delivered, 1));
  EXPECT_EQ(percents(), (std::vector<int>{40, 90}));
}

TEST(Start, ProblemsAreAllNamedAtOnceAndTheExitIs2) {
  DaemonOptions options;
  options.start = false;
  Daemon daemon("providers: {x: {kind: nope}}\nmodels: {m: y/z}\nlimts: {}\n", options);
  const CommandResult check = daemon.command({"check", "--config", daemon.config_file()});
  EXPECT_EQ(check.exit_code, 1) << check.out << check.err;
  const std::string text = check.out + check.err;
  for (const char* part : {"kind", "limts", "limits"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
  const CommandResult serve = daemon.command({"serve", "--config", daemon.config_file()});
  EXPECT_EQ(serve.exit_code, 2) << serve.err;
  EXPECT_EQ(daemon.command({"serve", "--config", "/nonexistent.yaml"}).exit_code, 2);
}

TEST(Start, APortInUseIsSaidAndTheExitIs2) {
  std::uint16_t port = 0;
  const Fd taken = listen_loopback(port);
  DaemonOptions options;
  options.start = false;
  options.listeners =
      "listeners: [{name: main, address: \"127.0.0.1:" + std::to_string(port) + "\"}]";
  Daemon daemon("providers: {demo: {kind: demo}}\n", options);
  const CommandResult serve = daemon.command({"serve", "--config", daemon.config_file()});
  EXPECT_EQ(serve.exit_code, 2) << serve.err;
  EXPECT_NE(serve.err.find(std::to_string(port)), std::string::npos) << serve.err;
}

}  // namespace
}  // namespace tollgate::testing
