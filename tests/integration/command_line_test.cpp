// The command line when things are not as they should be: no secrets at hand, another user, bad
// arguments, bad keys, a broken record.
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kChat = "/v1/chat/completions";

constexpr const char* kYaml = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: "${env:OAI}", proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}
  free: {deployments: [{provider: up, model: f}]}
mcp_servers:
  search: {url: "@{UP}/mcp", headers: {authorization: "Bearer ${file:mcp.token}"}, proxy: none}
orgs: {acme: {}}
teams: {core: {org: acme, budgets: [{limit: 5}]}}
agents: {coder: {team: core}}
guardrails: {strict: {detectors: {email: block}}}
keys:
  - {id: k1, digest: "@{digest:agent}", agent: coder}
alerts: {webhooks: [{url: "https://hooks.example/${env:OAI}", secret: "${env:OAI}"}]}
)";

class CommandLine : public ::testing::Test {
 protected:
  CommandLine() {
    upstream.on("POST", kChat, {Answer::json(200, completion("ok"))});
    write_file(daemon.file("mcp.token"), "token-of-the-server");
    daemon.start();
  }
  static DaemonOptions options(const FakeUpstream& upstream) {
    DaemonOptions made;
    made.variables = {{"UP", upstream.url()}};
    made.environment = {{"OAI", "provider-key-of-this-test"}};
    made.start = false;
    return made;
  }
  /// As an operator does: without the daemon's environment.
  CommandResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--config", daemon.config_file()});
    return daemon.command(arguments, CommandContext{});
  }
  void stop() {
    daemon.send(SIGTERM);
    ASSERT_EQ(daemon.wait_exit(10s), 0);
  }

  FakeUpstream upstream;
  Daemon daemon{kYaml, options(upstream)};
};

TEST_F(CommandLine, NeedsNoProviderSecretsBesideADaemonNorWithoutOne) {
  ASSERT_EQ(daemon.post(kChat, chat_request("m", "hi")).status, 200);
  ASSERT_EQ(daemon.rows(1).size(), 1u);
  ASSERT_EQ(std::remove(daemon.file("mcp.token").c_str()), 0);
  EXPECT_EQ(run({"check"}).exit_code, 1) << "the secrets are not at hand here";
  const auto all = [&](int health) {
    for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
             {"keys", "list"}, {"budgets"}, {"audit", "tail"}, {"audit", "verify"}}) {
      const CommandResult result = run(command);
      EXPECT_EQ(result.exit_code, 0) << command.front() << ": " << result.err;
    }
    EXPECT_EQ(run({"health"}).exit_code, health);
  };
  all(0);
  ASSERT_EQ(run({"keys", "new", "leaky", "--agent", "coder"}).exit_code, 0);
  ASSERT_EQ(run({"keys", "revoke", "leaky"}).exit_code, 0);
  stop();
  all(2);
  ASSERT_EQ(run({"keys", "new", "offline", "--agent", "coder"}).exit_code, 0);
  ASSERT_EQ(run({"keys", "revoke", "k1"}).exit_code, 0);
  EXPECT_NE(run({"keys", "list", "--json"}).out.find("\"state\": \"revoked\""), std::string::npos);
}

// The file with every key there is, as an operator's shell has it: no variable set, no gateway.
TEST_F(CommandLine, WorksBesideEveryKeyOfTheExampleWithoutItsVariables) {
  std::filesystem::create_directory(daemon.file("example"));
  const std::filesystem::path shipped = std::string(TOLLGATE_SOURCE_DIR) + "/config";
  for (const char* name : {"tollgate.example.yaml", "prices.yaml"})
    std::filesystem::copy_file(shipped / name, daemon.file("example") + "/" + name);
  const auto beside = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-c", daemon.file("example/tollgate.example.yaml")});
    return daemon.command(arguments, CommandContext{});
  };
  EXPECT_EQ(beside({"check"}).exit_code, 1);
  std::filesystem::create_directory(daemon.file("example/data"));
  const auto expect = [&](int code, const std::vector<std::string>& command) {
    const CommandResult result = beside(command);
    EXPECT_EQ(result.exit_code, code) << command.front() << ": " << result.err << result.out;
    EXPECT_EQ(result.err.find("configuration has problems"), std::string::npos) << result.err;
  };
  expect(0, {"budgets"});
  expect(0, {"keys", "list"});
  expect(2, {"audit", "tail"});  // there is no record yet
  expect(2, {"health"});         // and no gateway
  expect(1, {"keys", "revoke", "nobody"});
  expect(1, {"keys", "new", "fresh", "--agent", "nobody"});
  EXPECT_TRUE(std::filesystem::is_empty(daemon.file("example/data")))
      << "who reads, or is refused, leaves no file of root's behind for a gateway to stumble over";
  expect(0, {"keys", "revoke", "coder-1"});
  expect(0, {"keys", "new", "fresh", "--agent", "coder"});
  expect(0, {"keys", "list"});
  expect(0, {"budgets"});
  expect(0, {"audit", "tail"});
  expect(0, {"audit", "verify"});
  expect(1, {"audit", "query", "--key", "coder-1"});
}

TEST_F(CommandLine, AnotherUserIsToldSoInsteadOfAHalfTruth) {
  ASSERT_EQ(run({"keys", "revoke", "k1"}).exit_code, 0);
  CommandContext other;
  if (::geteuid() == 0) {
    other.as_nobody = true;
    ASSERT_EQ(::chmod(daemon.dir().c_str(), 0755), 0);
    ASSERT_EQ(::chmod(daemon.config_file().c_str(), 0644), 0);
    ASSERT_EQ(daemon.command({"version"}, other).exit_code, 0);
  } else {
    ASSERT_EQ(::chmod(daemon.file("tollgate.sock").c_str(), 0), 0);
  }
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"keys", "list"}, {"health"}, {"budgets"}, {"keys", "revoke", "k1"}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--config", daemon.config_file()});
    const CommandResult result = daemon.command(arguments, other);
    EXPECT_EQ(result.exit_code, 2) << command.front() << result.out;
    EXPECT_NE(result.err.find("permission denied"), std::string::npos) << result.err;
    EXPECT_EQ(result.out, "") << "nothing that could be taken for an answer";
  }
}

TEST_F(CommandLine, AKeyIsCheckedBeforeItIsMade) {
  const auto refused = [&](std::vector<std::string> more, const std::string& text) {
    more.insert(more.begin(), {"keys", "new", "fresh"});
    const CommandResult result = run(more);
    EXPECT_EQ(result.exit_code, 1) << text << result.out;
    EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
  };
  const auto all = [&] {
    refused({"--agent", "codr"},
            R"(agent: unknown agent "codr"; expected coder; did you mean "coder"?)");
    refused({"--team", "cor"}, "did you mean \"core\"?");
    refused({"--org", "nobody"}, "org: unknown org \"nobody\"");
    refused({"--guardrail", "strickt"}, "did you mean \"strict\"?");
    refused({"--surface", "chatt"}, "did you mean \"chat\"?");
    refused({"--mcp", "serch=a"}, "did you mean \"search\"?");
    refused({"--expires", "2020-01-01T00:00:00Z"}, "expires: is in the past");
    refused({"--agent", "codr", "--guardrail", "strickt"}, "strict");
    const CommandResult twice = run({"keys", "new", "k1"});
    EXPECT_EQ(twice.exit_code, 1);
    EXPECT_NE(twice.err.find("a key with this id exists"), std::string::npos);
  };
  all();
  const CommandResult bare = run({"keys", "new", "bare", "--mcp", "*"});
  EXPECT_EQ(bare.exit_code, 0) << bare.err;
  EXPECT_NE(bare.err.find("warning: key \"bare\" has no budget on any scope"), std::string::npos);
  const std::string key = bare.out.substr(0, bare.out.find('\n'));
  upstream.on("POST", "/mcp", {Answer::json(200, R"({"jsonrpc":"2.0","id":1,"result":{}})")});
  const Headers headers{{"authorization", "Bearer " + key},
                        {"content-type", "application/json"},
                        {"accept", "application/json, text/event-stream"}};
  EXPECT_EQ(daemon.connect()
                .exchange(http_request("POST", "/mcp/search", headers,
                                       R"({"jsonrpc":"2.0","id":1,"method":"ping"})"))
                .status,
            200)
      << "* is every server";
  EXPECT_NE(bare.err.find("expected an agent, team or org with budgets as its owner"),
            std::string::npos)
      << "not budgets of its own: a key of the store cannot have them";
  const auto owners = [](const json& entry) {
    return entry["agent"].get<std::string>() + " " + entry["team"].get<std::string>() + " " +
           entry["org"].get<std::string>();
  };
  const auto make = [&](const std::string& id) {
    const CommandResult good = run({"keys", "new", id, "--agent", "coder", "--json"});
    EXPECT_EQ(good.err.find("warning"), std::string::npos) << good.err;
    EXPECT_EQ(owners(json::parse(good.out)), "coder core acme");
    const json listed = json::parse(run({"keys", "list", "--json"}).out);
    for (const json& entry : listed["keys"])
      if (entry["id"] == id) return owners(entry);
    return std::string("not listed");
  };
  EXPECT_EQ(make("good"), "coder core acme");
  stop();
  all();
  EXPECT_EQ(make("better"), "coder core acme") << "the same without a gateway";
}

TEST_F(CommandLine, AuditSaysWhatHappenedAndRefusesWhatItDoesNotKnow) {
  upstream.on("POST", kChat, {Answer::json(400, R"({"error":{"message":"no","type":"x"}})")});
  ASSERT_EQ(daemon.post(kChat, chat_request("m", "hi")).status, 400);
  ASSERT_EQ(daemon.post(kChat, chat_request("nope", "hi")).status, 404);
  ASSERT_EQ(daemon.rows(2).size(), 2u);
  const std::string tail = run({"audit", "tail"}).out;
  EXPECT_NE(tail.find("400 failed"), std::string::npos) << tail;
  EXPECT_EQ(tail.find("400 ok"), std::string::npos) << tail;
  EXPECT_NE(tail.find("404 refused       model_not_found"), std::string::npos) << tail;

  EXPECT_EQ(run({"audit", "query", "--outcome", "bogus"}).exit_code, 2);
  EXPECT_EQ(run({"audit", "query", "--outcome", "refused"}).exit_code, 0);
  EXPECT_EQ(run({"audit", "query", "--outcome", "upstream_cut"}).exit_code, 1);
  EXPECT_EQ(run({"audit", "query", "--sql", "SELECT 1", "--key", "k1"}).exit_code, 2);
  EXPECT_EQ(run({"audit", "query", "--sql", "SELECT 1", "--limit", "5"}).exit_code, 2);
  const CommandResult lines =
      run({"audit", "query", "--json", "--sql", "SELECT seq FROM audit ORDER BY seq"});
  EXPECT_EQ(lines.out, "{\"seq\":1}\n{\"seq\":2}\n");

  const std::string id = daemon.rows(2)[0].at("request_id");
  const std::string shown = run({"audit", "show", id, "--json"}).out;
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '\n'), 1);
  const json row = json::parse(shown);
  // Every column under its name, with SQL's NULLs; what is JSON, a flag or a blob there stands as
  // docs/audit-schema.md ("As JSON") says.
  const json sql = json::parse(
      run({"audit", "query", "--json", "--sql", "SELECT * FROM audit WHERE seq = 1"}).out);
  for (const auto& [column, value] : sql.items()) {
    if (column == "row_version") continue;
    ASSERT_TRUE(row.contains(column)) << column;
    if (row[column].is_boolean()) {
      EXPECT_EQ(row[column].get<bool>(), value == 1) << column;
    } else if (row[column].is_array()) {
      EXPECT_EQ(row[column].empty(), value.is_null()) << column;
      if (!value.is_null()) {
        EXPECT_EQ(row[column].size(), json::parse(value.get<std::string>()).size()) << column;
      }
    } else {
      EXPECT_EQ(row[column], value) << column;
    }
  }
  EXPECT_EQ(row.size(), sql.size() - 1) << "and nothing else";
  for (const char* name : {"deployment", "outcome", "status", "started_us", "duration_us", "nusd"})
    EXPECT_TRUE(row["attempts"][0].contains(name)) << name;
  EXPECT_EQ(row["trace_id"], nullptr);
  for (const char* count : {"-3", "0"}) {
    const CommandResult refused = run({"audit", "tail", "-n", count});
    EXPECT_EQ(refused.exit_code, 2) << count << refused.out;
    EXPECT_EQ(refused.out, "");
  }
  upstream.on("POST", kChat, {Answer::json(200, completion("ok"))});
  ASSERT_EQ(daemon.post(kChat, chat_request("m", "hi")).status, 200);
  EXPECT_EQ(daemon.rows(3).at(2).at("price_source"), "override");
}

TEST_F(CommandLine, VerifyNamesTheFirstBrokenRow) {
  for (int i = 0; i < 3; ++i) ASSERT_EQ(daemon.post(kChat, chat_request("m", "hi")).status, 200);
  ASSERT_EQ(daemon.rows(3).size(), 3u);
  // A query without end ends when --timeout says; what is no time is a mistake.
  const char* const endless =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
  const CommandResult late = run({"audit", "query", "--timeout", "1", "--sql", endless});
  EXPECT_EQ(late.exit_code, 2);
  EXPECT_NE(late.err.find("longer than 1000 ms"), std::string::npos) << late.err;
  EXPECT_EQ(run({"audit", "query", "--timeout", "0", "--sql", "SELECT 1"}).exit_code, 2);

  const CommandResult good = run({"audit", "verify"});
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_NE(good.out.find("3 rows"), std::string::npos) << good.out;
  stop();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(daemon.file("audit.db").c_str(), &db), SQLITE_OK);
  EXPECT_EQ(
      sqlite3_exec(db, "UPDATE audit SET cost_nusd = 1 WHERE seq = 2", nullptr, nullptr, nullptr),
      SQLITE_OK);
  sqlite3_close(db);
  const CommandResult bad = run({"audit", "verify"});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_NE(bad.out.find("broken at row 2"), std::string::npos) << bad.out;
  EXPECT_EQ(json::parse(run({"audit", "verify", "--json"}).out)["broken_seq"], 2);
  ASSERT_EQ(std::remove(daemon.file("audit.db").c_str()), 0);
  EXPECT_EQ(run({"audit", "verify"}).exit_code, 2);
}

TEST_F(CommandLine, CheckReportsPatternsWithTheirPlaceAmongAllOtherProblems) {
  write_file(daemon.file("bad.yaml"), R"yaml(version: 1
provders: {}
guardrails:
  strict:
    rules:
      - {name: a, regex: "(", action: block}
      - {name: b, regex: "x(?=y)", action: block}
)yaml");
  const CommandResult result = daemon.command({"check", daemon.file("bad.yaml")});
  EXPECT_EQ(result.exit_code, 1);
  for (const char* text : {"bad.yaml:2:1: provders:",
                           "bad.yaml:6:26: guardrails.strict.rules[0].regex: does not compile (",
                           "bad.yaml:7:26: guardrails.strict.rules[1].regex: does not compile ("})
    EXPECT_NE(result.out.find(text), std::string::npos) << text << "\n" << result.out;
  EXPECT_EQ(daemon.command({"check", daemon.file("absent.yaml")}).exit_code, 2);
  // A reload says the same, one line each, and changes nothing.
  write_file(daemon.config_file(),
             read_file(daemon.config_file()) + "spendin: {}\nrouting: {dns_tl: 1s}\n");
  daemon.send(SIGHUP);
  ASSERT_TRUE(daemon.wait_log("spendin"));
  EXPECT_TRUE(daemon.wait_log("dns_tl"));
  EXPECT_EQ(daemon.log().find("\\x0a"), std::string::npos) << daemon.log();
}

TEST_F(CommandLine, ATypoIsAnsweredWithTheNearestCommand) {
  const CommandResult top = daemon.command({"budgts"});
  EXPECT_EQ(top.exit_code, 2);
  EXPECT_NE(top.err.find("did you mean \"budgets\"?"), std::string::npos) << top.err;
  const CommandResult nested = daemon.command({"audit", "taill"});
  EXPECT_EQ(nested.exit_code, 2);
  EXPECT_NE(nested.err.find("did you mean \"tail\"?"), std::string::npos) << nested.err;
  EXPECT_NE(daemon.command({"keys", "zzz"}).err.find("expected one of: new, list, revoke"),
            std::string::npos);
}

TEST_F(CommandLine, HealthGivesTheUrlAndTheLogIsCalm) {
  EXPECT_EQ(run({"health", "--url"}).out,
            "http://127.0.0.1:" + std::to_string(daemon.port()) + "\n");
  EXPECT_EQ(json::parse(run({"health", "--json"}).out)["ready"], true);
  EXPECT_EQ(daemon.log().find("\"warn\",\"event\":\"audit_store\""), std::string::npos)
      << "a store that is ready is no warning";
  EXPECT_NE(
      daemon.command({"cert", "dev", "--out", daemon.file("dev")}).out.find("certificate_file: "),
      std::string::npos);
}

}  // namespace
}  // namespace tollgate::testing
