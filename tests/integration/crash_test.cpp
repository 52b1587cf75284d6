// The ledger over a crash: what was open settles in full, nothing is lost, nothing stays held.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
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
  hangs: {deployments: [{provider: up, model: hangs, price: {input: 0, output: 50}}]}
tags: {nightly: {budgets: [{limit: 50.00, window: total}]}}
agents:
  coder:
    budgets: [{name: tokens, tokens: 1000000, window: total}, {name: calls, requests: 1000, window: total}]
    each_session: {budgets: [{limit: 5.00, window: total}]}
keys:
  - id: k1
    digest: "@{digest:agent}"
    agent: coder
    tags: [nightly]
    budgets: [{name: cap, limit: 10.00, window: total}]
)";

std::string call_of(const std::string& model) {
  return chat_request(model, "hi", R"(,"max_tokens":1000)");
}

class Crash : public ::testing::Test {
 protected:
  Crash() {
    upstream.on("POST", kPath, [](const SeenRequest& request) {
      return request.body.find("\"hangs\"") != std::string::npos
                 ? Answer::json(200, completion("late", 10, 10)).after(60s)
                 : Answer::json(200, completion("ok", 10, 100));
    });
    daemon =
        std::make_unique<Daemon>(kFiveCents, DaemonOptions{.variables = {{"UP", upstream.url()}}});
  }
  /// Calls that hang at the upstream when this returns.
  void begin_calls(int count, const Headers& more = {}) {
    for (int i = 0; i < count; ++i) {
      clients.push_back(std::make_unique<RawClient>(daemon->port()));
      clients.back()->send(daemon->post_bytes(kPath, call_of("hangs"), "agent", more));
    }
    const std::size_t expected = upstream_seen + static_cast<std::size_t>(count);
    ASSERT_TRUE(upstream.wait_for_requests(expected, 10s));
    upstream_seen = expected;
  }
  void kill_and_start() {
    daemon->send(SIGKILL);
    ASSERT_TRUE(daemon->wait_exit(5s).has_value());
    clients.clear();
    daemon->start();
  }
  std::string one(const std::string& sql) { return daemon->query(sql).at(0).begin()->second; }
  json budgets() {
    const auto shown = daemon->command({"budgets", "--config", daemon->config_file(), "--json"});
    return json::parse(shown.out)["budgets"];
  }
  json budget(const std::string& scope, const std::string& name) {
    for (const auto& row : budgets())
      if (row["scope"] == scope && row["budget"] == name) return row;
    ADD_FAILURE() << scope << " " << name;
    return {};
  }
  CommandResult ledger(const std::string& what) {
    return daemon->command({"ledger", what, "--config", daemon->config_file()});
  }

  FakeUpstream upstream;
  std::unique_ptr<Daemon> daemon;
  std::vector<std::unique_ptr<RawClient>> clients;
  std::size_t upstream_seen = 0;
};

TEST_F(Crash, OpenCallsSettleInFullAndNothingStaysHeld) {
  ASSERT_EQ(daemon->post(kPath, call_of("m")).status, 200);
  ++upstream_seen;
  begin_calls(7, {{"x-session-id", "run-1"}});
  kill_and_start();
  EXPECT_EQ(one("SELECT count(*) FROM ledger WHERE kind='interrupted' AND estimated=1"), "7");
  EXPECT_EQ(one("SELECT count(*) FROM audit WHERE outcome='interrupted' AND cost_nusd=50000000"),
            "7");
  EXPECT_EQ(one("SELECT count(*) FROM audit WHERE key_id='k1' AND agent='coder'"), "8");
  const json cap = budget("key", "cap");
  EXPECT_EQ(cap["spent_nusd"], 7 * 50'000'000 + 5'000'000);
  EXPECT_EQ(cap["held_nusd"], 0);
  EXPECT_EQ(budget("agent", "calls")["spent_requests"], 8);
  EXPECT_EQ(budget("agent", "tokens")["held_tokens"], 0);
  EXPECT_EQ(budget("tag", "default")["spent_nusd"], 7 * 50'000'000 + 5'000'000);
  EXPECT_EQ(budget("session", "default")["spent_nusd"], 7 * 50'000'000);
  EXPECT_EQ(budget("session", "default")["id"], "agent:coder/run-1");
  EXPECT_EQ(ledger("verify").exit_code, 0) << ledger("verify").out;
  EXPECT_EQ(daemon->post(kPath, call_of("m")).status, 200);
}

// A crash of the process that recovers, before anything new happens: the same again is not more.
TEST_F(Crash, AgainAndAgainChargesOnce) {
  begin_calls(3);
  kill_and_start();
  const std::string spent = one("SELECT sum(nusd) FROM ledger");
  EXPECT_EQ(spent, "150000000");
  kill_and_start();
  kill_and_start();
  EXPECT_EQ(one("SELECT sum(nusd) FROM ledger"), spent);
  EXPECT_EQ(one("SELECT count(*) FROM audit"), "3");
  EXPECT_EQ(ledger("verify").exit_code, 0);
}

TEST_F(Crash, ACleanStopLeavesNoJournal) {
  ASSERT_EQ(daemon->post(kPath, call_of("m")).status, 200);
  EXPECT_TRUE(std::filesystem::exists(daemon->file("audit.db-journal.slots")));
  daemon->send(SIGTERM);
  ASSERT_EQ(daemon->wait_exit(10s), 0);
  EXPECT_FALSE(std::filesystem::exists(daemon->file("audit.db-journal.slots")));
  EXPECT_FALSE(std::filesystem::exists(daemon->file("audit.db-journal.names")));
  EXPECT_EQ(ledger("verify").exit_code, 0);
  daemon->start();
  EXPECT_EQ(budget("key", "cap")["spent_nusd"], 5'000'000);
}

TEST_F(Crash, ADamagedJournalIsRefusedWithTheCommandThatGoesOn) {
  begin_calls(3);
  daemon->send(SIGKILL);
  ASSERT_TRUE(daemon->wait_exit(5s).has_value());
  clients.clear();
  EXPECT_NE(ledger("verify").out.find("3 calls without a row"), std::string::npos)
      << ledger("verify").out;
  {
    std::fstream file(daemon->file("audit.db-journal.slots"),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4'096 + 100);  // in the first slot
    file.write("\x55\xaa\x55\xaa", 4);
  }
  EXPECT_EQ(ledger("verify").exit_code, 1);
  EXPECT_THROW(daemon->start(), std::runtime_error);
  EXPECT_NE(daemon->log().find("tollgate ledger recover --config"), std::string::npos);
  const CommandResult recovered = ledger("recover");
  EXPECT_EQ(recovered.exit_code, 0) << recovered.err;
  EXPECT_NE(recovered.out.find("1 slots are lost"), std::string::npos) << recovered.out;
  daemon->start();
  EXPECT_EQ(one("SELECT count(*) FROM ledger WHERE kind='interrupted'"), "2");
  EXPECT_EQ(budget("key", "cap")["spent_nusd"], 2 * 50'000'000);
  // What was lost is known to the operator only.
  const CommandResult adjusted =
      daemon->command({"ledger", "adjust", "--config", daemon->config_file(), "--scope", "key",
                       "--id", "k1", "--amount", "0.05", "--reason", "lost in a damaged journal"});
  EXPECT_EQ(adjusted.exit_code, 0) << adjusted.err;
  EXPECT_EQ(budget("key", "cap")["spent_nusd"], 3 * 50'000'000);
  EXPECT_EQ(ledger("verify").exit_code, 0) << ledger("verify").out;
  EXPECT_EQ(one("SELECT count(*) FROM event WHERE kind='ledger_adjusted' AND scope_id='k1'"), "1");
  EXPECT_EQ(one("SELECT count(*) FROM audit WHERE surface='ledger' AND cost_nusd=50000000"), "1");
}

TEST_F(Crash, ALostJournalIsRefused) {
  begin_calls(1);
  daemon->send(SIGKILL);
  ASSERT_TRUE(daemon->wait_exit(5s).has_value());
  clients.clear();
  std::filesystem::remove(daemon->file("audit.db-journal.slots"));
  EXPECT_THROW(daemon->start(), std::runtime_error);
  EXPECT_NE(daemon->log().find("it is gone"), std::string::npos);
  EXPECT_EQ(ledger("recover").exit_code, 0);
  daemon->start();
}

// A settlement whose row is still on its way keeps what it came to.
TEST_F(Crash, KilledWhileCallsEndEachIsCountedOnce) {
  for (int round = 0; round < 3; ++round) {
    std::vector<std::thread> threads;
    std::atomic<bool> stop{false};
    std::atomic<int> answered{0};
    const std::string bytes = daemon->post_bytes(kPath, call_of("m"));
    const std::uint16_t port = daemon->port();
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] {
        while (!stop) {
          try {
            RawClient client(port);
            if (client.exchange(bytes, 5s).status == 200) ++answered;
          } catch (const std::exception&) {  // it was killed
          }
        }
      });
    while (answered < 50) std::this_thread::sleep_for(1ms);
    daemon->send(SIGKILL);
    ASSERT_TRUE(daemon->wait_exit(5s).has_value());
    stop = true;
    for (std::thread& thread : threads) thread.join();
    daemon->start();
    // Every call that the provider saw, and perhaps some whose money was held and whose request had
    // not left.
    const auto seen = static_cast<std::int64_t>(upstream.request_count());
    const std::int64_t rows = std::stoll(one("SELECT count(*) FROM audit WHERE cost_nusd>0"));
    EXPECT_GE(rows, seen) << round;
    EXPECT_LE(rows, seen + (round + 1) * 8) << round;
    EXPECT_EQ(ledger("verify").exit_code, 0) << ledger("verify").out;
    EXPECT_EQ(budget("key", "cap")["held_nusd"], 0);
    // What was answered costs what it came to; what was cut, at most its hold.
    const std::int64_t spent = budget("key", "cap")["spent_nusd"];
    EXPECT_GE(spent, rows * 5'000'000);
    EXPECT_LE(spent, rows * 5'000'000 + (round + 1) * 8 * 45'000'000);
  }
}

}  // namespace
}  // namespace tollgate::testing
