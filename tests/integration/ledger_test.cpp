// What operators ask of the ledger, and put right in it: `tollgate ledger`.
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kPath = "/v1/chat/completions";

/// A call costs kCompletionCost.
std::string yaml(const std::string& agents, const std::string& key) {
  return R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}
tags: {nightly: {budgets: [{limit: 50.00, window: total}]}}
agents: )" +
         agents + R"(
keys: [{id: k1, digest: "@{digest:agent}", tags: nightly)" +
         key + "}]\n";
}
constexpr const char* kCoder =
    "{coder: {each_session: {budgets: [{name: run, limit: 5.00, window: total}]}}}";

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest() {
    upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
    daemon.emplace(yaml(kCoder, ", agent: coder"),
                   DaemonOptions{.variables = {{"UP", upstream.url()}}});
  }
  CommandResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--config", daemon->config_file()});
    return daemon->command(arguments);
  }
  CommandResult adjust(const std::string& scope, const std::string& id,
                       const std::string& unit = "usd") {
    return run({"ledger", "adjust", "--scope", scope, "--id", id, "--unit", unit, "--amount", "2",
                "--reason", "a bill from outside"});
  }
  void expect_refused(const CommandResult& result, const std::string& text) {
    EXPECT_EQ(result.exit_code, 1) << result.out;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
  }
  json budget(const std::string& scope, const std::string& name) {
    const json shown = json::parse(run({"budgets", "--json"}).out);
    for (const auto& row : shown["budgets"])
      if (row["scope"] == scope && row["budget"] == name) return row;
    return {};
  }
  std::string one(const std::string& sql) { return daemon->query(sql).at(0).begin()->second; }
  void reload(const std::string& text, double generation) {
    daemon->reload(text);
    ASSERT_TRUE(daemon->wait_metric("tollgate_config_generation", {}, generation));
  }

  FakeUpstream upstream;
  std::optional<Daemon> daemon;
};

TEST_F(LedgerTest, AScopeThatNothingKnowsIsNotAdjusted) {
  expect_refused(adjust("agent", "codr"),
                 "no agent \"codr\" is known: the configuration does not name it, and nothing of "
                 "it is on record; did you mean \"coder\"?");
  expect_refused(adjust("key", "somebody"), "no key \"somebody\" is known: neither the ");
  EXPECT_EQ(adjust("key", "somebody").err.find("did you mean"), std::string::npos);
  for (const char* const kind : {"team", "org", "model", "provider", "tag", "end_user"})
    expect_refused(adjust(kind, "none-such"), std::string("no ") + kind + " \"none-such\"");
  EXPECT_EQ(one("SELECT count(*) FROM audit"), "0");
  EXPECT_EQ(one("SELECT count(*) FROM ledger"), "0");
  EXPECT_EQ(one("SELECT count(*) FROM event"), "0");

  daemon->send(SIGTERM);
  ASSERT_EQ(daemon->wait_exit(10s), 0);
  expect_refused(adjust("agent", "codr"), "did you mean \"coder\"?");
  EXPECT_EQ(one("SELECT count(*) FROM audit"), "0");
}

TEST_F(LedgerTest, AScopeWithoutABudgetIsAdjustedForThoseToCome) {
  const CommandResult done = adjust("agent", "coder");
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_NE(done.out.find("Adjusted, as adj_"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("The agent \"coder\" has no budget in usd now: this is on record, and "
                          "counts for budgets that it gets."),
            std::string::npos)
      << done.out;
  const CommandResult tagged = adjust("tag", "nightly");
  EXPECT_EQ(tagged.exit_code, 0) << tagged.err;
  EXPECT_EQ(tagged.out.find("no budget"), std::string::npos) << tagged.out;
  EXPECT_EQ(budget("tag", "default")["spent_nusd"], 2'000'000'000);
  EXPECT_NE(adjust("tag", "nightly", "tokens").out.find("no budget in tokens"), std::string::npos);
  EXPECT_EQ(one("SELECT count(*) FROM event WHERE kind='ledger_adjusted'"), "3");

  reload(yaml("{coder: {budgets: [{limit: 9.00, window: total}]}}", ", agent: coder"), 2);
  EXPECT_EQ(budget("agent", "default")["spent_nusd"], 2'000'000'000);
  EXPECT_EQ(run({"ledger", "verify"}).exit_code, 0);

  daemon->send(SIGTERM);
  ASSERT_EQ(daemon->wait_exit(10s), 0);
  const CommandResult beside = adjust("agent", "coder");
  EXPECT_EQ(beside.exit_code, 0) << beside.err;
  EXPECT_NE(beside.out.find("; the next start counts it"), std::string::npos) << beside.out;
  EXPECT_NE(adjust("agent", "coder", "requests").out.find("no budget in requests"),
            std::string::npos);
  daemon->start();
  EXPECT_EQ(budget("agent", "default")["spent_nusd"], 4'000'000'000);
}

TEST_F(LedgerTest, KeysOfTheStoreAndWhatIsOnRecordAreKnown) {
  ASSERT_EQ(run({"keys", "new", "stored"}).exit_code, 0);
  EXPECT_EQ(adjust("key", "stored").exit_code, 0);
  ASSERT_EQ(daemon->post(kPath, chat_request("m", "hi")).status, 200);
  ASSERT_EQ(daemon->rows(2).size(), 2u);
  reload(yaml("{writer: {}}", ""), 2);
  const CommandResult gone = adjust("agent", "coder");
  EXPECT_EQ(gone.exit_code, 0) << gone.err;
  EXPECT_NE(gone.out.find("no budget in usd"), std::string::npos) << gone.out;
  expect_refused(adjust("agent", "codr"), "no agent \"codr\"");
}

TEST_F(LedgerTest, ASessionIsAdjustedWhereACallHasBroughtIt) {
  expect_refused(adjust("session", "run-1"),
                 "it is not in use (its id is \"<owner>/<id>\", as `tollgate budgets` shows it)");
  ASSERT_EQ(
      daemon->post(kPath, chat_request("m", "hi"), "agent", {{"x-session-id", "run-1"}}).status,
      200);
  ASSERT_EQ(daemon->rows(1).size(), 1u);
  expect_refused(adjust("session", "run-1"), "did you mean \"agent:coder/run-1\"?");
  expect_refused(adjust("session", "agent:coder/run-2"), "did you mean \"agent:coder/run-1\"?");
  const CommandResult done = adjust("session", "agent:coder/run-1");
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.out.find("no budget"), std::string::npos) << done.out;
  EXPECT_EQ(budget("session", "run")["spent_nusd"],
            2'000'000'000 + std::stoll(std::string(kCompletionCost)));

  reload(yaml("{coder: {}}", ", agent: coder"), 2);
  EXPECT_EQ(adjust("session", "agent:coder/run-1").exit_code, 0) << "it is on record";
}

TEST_F(LedgerTest, ShowGoesBackAsFarAsItIsTold) {
  ASSERT_EQ(daemon->post(kPath, chat_request("m", "hi")).status, 200);
  ASSERT_EQ(daemon->rows(1).size(), 1u);
  const auto shown = [&](const std::string& since) {
    return json::parse(run({"ledger", "show", "--json", "--since", since}).out).size();
  };
  EXPECT_EQ(shown("1h"), 1u);
  EXPECT_EQ(shown("2100-01-01T00:00:00Z"), 0u);
  EXPECT_EQ(run({"ledger", "show", "--since", "yesterday"}).exit_code, 2);
}

}  // namespace
}  // namespace tollgate::testing
