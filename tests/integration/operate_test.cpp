// What operators use: keys, revocation, the admin port, the command line beside a running daemon.
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using nlohmann::json;

constexpr const char* kPath = "/v1/chat/completions";

class Operate : public ::testing::Test {
 protected:
  Operate() { upstream.on("POST", kPath, {Answer::json(200, completion("ok"))}); }
  FakeUpstream upstream;
  Daemon daemon{kOneProvider, {.variables = {{"UP", upstream.url()}}}};

  CommandResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--config", daemon.config_file()});
    return daemon.command(arguments);
  }
  int status_of(const std::string& key) {
    const Headers headers{{"authorization", "Bearer " + key}, {"content-type", "application/json"}};
    return daemon.connect()
        .exchange(http_request("POST", kPath, headers, chat_request("m", "hi")))
        .status;
  }
};

TEST_F(Operate, AKeyIsMadeUsedListedAndRevokedWithinASecond) {
  const CommandResult made = run({"keys", "new", "fresh", "--agent", "coder", "--json"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const json key = json::parse(made.out);
  const std::string secret = key["key"];
  EXPECT_EQ(secret.rfind("tg-", 0), 0u);
  EXPECT_EQ(status_of(secret), 200) << "usable at once";
  const CommandResult listed = run({"keys", "list"});
  EXPECT_EQ(listed.exit_code, 0);
  EXPECT_NE(listed.out.find("fresh"), std::string::npos);
  EXPECT_NE(listed.out.find(secret.substr(secret.size() - 4)), std::string::npos);
  EXPECT_EQ(listed.out.find(secret), std::string::npos) << "shown once, never again";
  EXPECT_EQ(run({"keys", "list", "--json"}).out.find(secret), std::string::npos);

  RawClient open = daemon.connect();
  const std::string bytes = http_request(
      "POST", kPath, {{"authorization", "Bearer " + secret}, {"content-type", "application/json"}},
      chat_request("m", "hi"));
  ASSERT_EQ(open.exchange(bytes).status, 200);
  ASSERT_EQ(run({"keys", "revoke", "fresh", "--reason", "leaked"}).exit_code, 0);
  const SteadyTime revoked = std::chrono::steady_clock::now();
  EXPECT_EQ(open.exchange(bytes).status, 401) << "on a connection that was open before, too";
  EXPECT_LT(std::chrono::steady_clock::now() - revoked, 1s);
  EXPECT_EQ(run({"keys", "revoke", "nobody"}).exit_code, 1);
}

TEST_F(Operate, ARevocationOutlivesYamlReloadAndRestart) {
  ASSERT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
  ASSERT_EQ(run({"keys", "revoke", "k1"}).exit_code, 0);
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 401);
  daemon.reload(kOneProvider);
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, 2));
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 401);
  daemon.send(SIGTERM);
  ASSERT_EQ(daemon.wait_exit(10s), 0);
  daemon.start();
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 401);
}

TEST_F(Operate, KeysAreMadeAndRevokedWithoutADaemonToo) {
  daemon.send(SIGTERM);
  ASSERT_EQ(daemon.wait_exit(10s), 0);
  const CommandResult made = run({"keys", "new", "offline", "--json"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  ASSERT_EQ(run({"keys", "revoke", "k1"}).exit_code, 0);
  daemon.start();
  EXPECT_EQ(status_of(json::parse(made.out)["key"]), 200);
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 401);
}

TEST_F(Operate, TheControlSocketIsForItsOwnerAlone) {
  struct stat info {};
  ASSERT_EQ(::stat(daemon.file("tollgate.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat(daemon.file("audit.db").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0077, 0u) << "the record is not for everybody on the machine";
}

TEST_F(Operate, TheAdminPortDeniesByDefault) {
  for (const char* path : {"/metrics", "/status", "/budgets", "/keys", "/reload", "/nowhere"}) {
    const Response none = daemon.admin_get(path, false);
    EXPECT_TRUE(none.status == 401 || none.status == 403 || none.status == 404)
        << path << none.status;
    EXPECT_EQ(none.body.find("k1"), std::string::npos) << path;
    const Response wrong =
        RawClient(daemon.admin_port())
            .exchange(http_request("GET", path, {{"authorization", "Bearer wrong"}}));
    EXPECT_EQ(wrong.status, none.status) << path;
  }
  for (const char* path : {"/healthz", "/readyz"})
    EXPECT_EQ(daemon.admin_get(path, false).status, 200);
  for (const char* path : {"/metrics", "/status", "/budgets", "/keys"}) {
    EXPECT_EQ(daemon.admin_get(path).status, 200) << path;
  }
  // None of it on the agents' port, and an agent's key opens nothing here.
  for (const char* path : {"/metrics", "/healthz", "/readyz", "/status", "/keys"}) {
    EXPECT_EQ(daemon.get(path).status, 404) << path;
  }
  EXPECT_EQ(
      RawClient(daemon.admin_port())
          .exchange(http_request("GET", "/keys", {{"authorization", "Bearer " + daemon.key()}}))
          .status,
      401);
}

TEST(AdminPort, SaysThatNoTokenIsSetInsteadOfAskingForOne) {
  Daemon daemon("providers: {demo: {kind: demo}}\nmodels: {m: demo/echo}\n");
  std::string yaml = read_file(daemon.config_file());
  const std::string token = ", token: " + std::string(Daemon::kAdminToken);
  yaml.replace(yaml.find(token), token.size(), "");
  write_file(daemon.config_file(), yaml);
  daemon.send(SIGHUP);
  ASSERT_TRUE(daemon.wait_log("\"reloaded\""));
  for (const bool with_token : {false, true}) {
    const Response refused = daemon.admin_get("/metrics", with_token);
    EXPECT_EQ(refused.status, 403);
    EXPECT_NE(refused.body.find("admin.token is not set"), std::string::npos) << refused.body;
  }
  EXPECT_EQ(daemon.admin_get("/readyz", false).status, 200);
}

TEST(AdminPort, EveryMemberOfTheJsonRoutesIsDescribed) {
  FakeUpstream upstream;
  Daemon daemon(std::string(kOneProvider) + "    budgets: [{limit: 1}]\n",
                {.variables = {{"UP", upstream.url()}}});
  const std::string docs = read_file(std::string(TOLLGATE_SOURCE_DIR) + "/docs/admin.md");
  for (const char* path : {"/status", "/budgets", "/keys"}) {
    EXPECT_NE(docs.find("`GET " + std::string(path) + "`"), std::string::npos) << path;
    const json body = json::parse(daemon.admin_get(path).body);
    std::vector<std::string> names;
    for (const auto& [name, value] : body.items()) {
      names.push_back(name);
      if (!value.is_array() || value.empty() || !value[0].is_object()) continue;
      for (const auto& [member, ignored] : value[0].items()) names.push_back(member);
    }
    EXPECT_GE(names.size(), 8u) << path;
    for (const std::string& name : names)
      EXPECT_NE(docs.find("`" + name + "`"), std::string::npos) << path << " " << name;
  }
}

TEST_F(Operate, MetricsAreWellFormedWithHelpAndClosedLabels) {
  (void)daemon.post(kPath, chat_request("m", "hi"));
  (void)daemon.post(kPath, chat_request("some-model-nobody-configured", "hi"));
  (void)daemon.post("/v1/never/heard/of", "{}");
  ASSERT_TRUE(daemon.wait_metric("tollgate_requests_total", {}, 3));
  const MetricsText metrics = daemon.metrics();
  for (const char* name :
       {"tollgate_requests_total", "tollgate_gateway_seconds_bucket",
        "tollgate_upstream_connections", "tollgate_audit_queue_depth", "tollgate_connections",
        "tollgate_in_flight", "tollgate_cooldowns_active", "tollgate_config_generation",
        "tollgate_build_info"}) {
    EXPECT_TRUE(metrics.has(name)) << name;
  }
  for (const char* word : {"some-model-nobody-configured", "never/heard", "k1"}) {
    EXPECT_EQ(metrics.text().find(word), std::string::npos) << word << ": labels are closed sets";
  }
  EXPECT_NE(metrics.text().find("# HELP tollgate_requests_total"), std::string::npos);
  EXPECT_NE(metrics.text().find("# TYPE tollgate_requests_total counter"), std::string::npos);
}

TEST_F(Operate, TheCommandLineReadsWhatTheDaemonRecords) {
  const Response response = daemon.post(kPath, chat_request("m", "a question"));
  ASSERT_EQ(response.status, 200);
  const std::string id = response.header("x-request-id");
  ASSERT_EQ(daemon.rows(1).size(), 1u);
  EXPECT_NE(run({"audit", "tail"}).out.find(id), std::string::npos);
  const CommandResult shown = run({"audit", "show", id});
  ASSERT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_EQ(json::parse(shown.out)["cost_nusd"], 80'000);
  EXPECT_EQ(run({"audit", "show", "no-such-id"}).exit_code, 1);
  EXPECT_NE(run({"audit", "query", "--key", "k1", "--since", "1h"}).out.find(id),
            std::string::npos);
  const CommandResult sql = run({"audit", "query", "--sql", "SELECT count(*) AS n FROM audit"});
  EXPECT_EQ(sql.exit_code, 0) << sql.err;
  EXPECT_NE(sql.out.find('1'), std::string::npos);
  EXPECT_NE(run({"audit", "query", "--sql", "DELETE FROM audit"}).exit_code, 0);
  EXPECT_EQ(daemon.rows(1).size(), 1u) << "reading is all it can do";
  EXPECT_EQ(run({"budgets", "--json"}).exit_code, 0);
  EXPECT_EQ(run({"health"}).exit_code, 0);
  EXPECT_EQ(run({"check"}).exit_code, 0);
  EXPECT_EQ(daemon.command({"version", "--json"}).exit_code, 0);
  EXPECT_EQ(daemon.command({"no-such-command"}).exit_code, 2);
  for (const char* command :
       {"serve", "check", "keys", "budgets", "audit", "cert", "health", "version"}) {
    const CommandResult help = daemon.command({command, "--help"});
    EXPECT_EQ(help.exit_code, 0) << command;
    EXPECT_GT(help.out.size(), 80u) << command;
  }
}

TEST_F(Operate, HealthTellsTheTruth) {
  EXPECT_EQ(run({"health"}).exit_code, 0);
  daemon.send(SIGTERM);
  ASSERT_EQ(daemon.wait_exit(10s), 0);
  EXPECT_EQ(run({"health"}).exit_code, 2);
}

TEST(Cert, DevMakesACaAndACertificateThatTheListenerServes) {
  FakeUpstream upstream;
  DaemonOptions options;
  options.start = false;
  options.listeners =
      "listeners:\n  - {name: main, address: \"127.0.0.1:0\", port_file: main.port, tls: "
      "{certificate_file: dev/server.crt, private_key_file: dev/server.key}}";
  Daemon daemon("providers: {demo: {kind: demo}}\nmodels: {m: demo/echo}\n", options);
  const CommandResult made = daemon.command({"cert", "dev", "--out", daemon.file("dev")});
  ASSERT_EQ(made.exit_code, 0) << made.out << made.err;
  struct stat info {};
  ASSERT_EQ(::stat(daemon.file("dev/server.key").c_str(), &info), 0) << made.out;
  EXPECT_EQ(info.st_mode & 0077, 0u);
  daemon.start();
}

TEST(Cert, DevRefusesWhatIsNoHost) {
  DaemonOptions options;
  options.start = false;
  Daemon daemon("providers: {demo: {kind: demo}}\n", options);
  const auto made_for = [&](const std::string& host) {
    return daemon.command(
        {"cert", "dev", "--force", "--out", daemon.file("dev"), "--host=" + host});
  };
  const std::string label(63, 'a');
  for (const std::string& host :
       {"-bad host"s, "a b"s, "a,DNS:b"s, "-a.b"s, "a-.b"s, "a..b"s, "a."s, "*"s, "a.*.b"s,
        "300.1.1.1"s, "1.2.3"s, "a.1"s, "::g"s, "host:80"s, "https://a"s, label + "a",
        label + "." + label + "." + label + "." + label}) {
    const CommandResult refused = made_for(host);
    EXPECT_EQ(refused.exit_code, 2) << host;
    EXPECT_NE(refused.err.find("is neither a DNS name"), std::string::npos) << refused.err;
  }
  EXPECT_FALSE(std::filesystem::exists(daemon.file("dev"))) << "nothing is made";
  for (const std::string& host : {"a"s, "A-1.b_c.example"s, "*.example.com"s, "10.1.2.3"s,
                                  "2001:db8::1"s, "3com.4a"s, label + "." + label})
    EXPECT_EQ(made_for(host).exit_code, 0) << host;
}

/// A pattern that takes Vectorscan a quarter of a minute.
TEST_F(Operate, ALongReloadHoldsUpNeitherRevocationsNorProbesNorTheEnd) {
  daemon.reload(std::string(kOneProvider) +
                "guardrails: {g: {rules: [{name: r, regex: '\\p{L}{1,200}', action: flag}]}}\n");
  std::this_thread::sleep_for(300ms);
  const SteadyTime begin = std::chrono::steady_clock::now();
  EXPECT_NE(run({"keys", "list"}).out.find("k1"), std::string::npos);
  ASSERT_EQ(run({"keys", "revoke", "k1"}).exit_code, 0);
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 401);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s) << "two commands and a call";
  EXPECT_EQ(daemon.metrics().value("tollgate_config_generation", {}), 1) << "not compiled yet";
  daemon.send(SIGTERM);
  EXPECT_EQ(daemon.wait_exit(5s), 0);
}

TEST(Start, ThatTakesLongEndsWhenToldTo) {
  DaemonOptions options;
  options.variables = {{"UP", "http://127.0.0.1:1"}};
  options.start = false;
  options.start_limit = 1s;
  Daemon daemon(std::string(kOneProvider) +
                    "guardrails: {g: {rules: [{name: r, regex: '\\p{L}{1,200}', action: flag}]}}\n",
                options);
  for (const int signal : {SIGTERM, SIGINT}) {
    EXPECT_THROW(daemon.start(), std::runtime_error) << "not ready while it compiles";
    daemon.send(signal);
    EXPECT_EQ(daemon.wait_exit(2s), 0);
    EXPECT_NE(daemon.log().find("stopped_while_starting"), std::string::npos) << daemon.log();
  }
}

TEST_F(Operate, AReloadThatCannotReadTheStoredKeysChangesNothing) {
  const CommandResult made = run({"keys", "new", "fresh", "--json"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const std::string secret = json::parse(made.out)["key"];
  ASSERT_EQ(status_of(secret), 200);
  const auto alter = [&](const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(daemon.file("audit.db").c_str(), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 2'000);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  };
  alter("ALTER TABLE virtual_key RENAME TO elsewhere");
  daemon.reload(kOneProvider);
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_reloads_total", {{"result", "failed"}}, 1));
  EXPECT_EQ(status_of(secret), 200) << "a key nobody took away";
  EXPECT_TRUE(daemon.wait_log("stored keys"));
  alter("ALTER TABLE elsewhere RENAME TO virtual_key");
  daemon.reload(kOneProvider);
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, 2));
  EXPECT_EQ(status_of(secret), 200);
}

TEST(ClientAddress, IsTakenFromTrustedProxiesOnlyAndFromProxyProtocol) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  DaemonOptions options;
  options.variables = {{"UP", upstream.url()}};
  options.listeners =
      "listeners:\n"
      "  - {name: main, address: \"127.0.0.1:0\", port_file: main.port}\n"
      "  - {name: trusted, address: \"127.0.0.1:0\", port_file: trusted.port, trusted_proxies: "
      "[127.0.0.0/8]}\n"
      "  - {name: pp, address: \"127.0.0.1:0\", port_file: pp.port, trusted_proxies: "
      "[127.0.0.0/8], proxy_protocol: true}";
  Daemon daemon(kOneProvider, options);
  const std::string bytes = daemon.post_bytes(kPath, chat_request("m", "hi"), "agent",
                                              {{"x-forwarded-for", "203.0.113.9, 198.51.100.7"}});
  EXPECT_EQ(RawClient(daemon.port("main")).exchange(bytes).status, 200);
  EXPECT_EQ(RawClient(daemon.port("trusted")).exchange(bytes).status, 200);
  EXPECT_EQ(RawClient(daemon.port("pp"))
                .exchange("PROXY TCP4 192.0.2.44 127.0.0.1 5555 80\r\n" +
                          daemon.post_bytes(kPath, chat_request("m", "hi")))
                .status,
            200);
  RawClient missing(daemon.port("pp"));
  missing.send(bytes);
  EXPECT_TRUE(missing.wait_closed(3s));
  const auto rows = daemon.exactly(3);
  EXPECT_EQ(rows.at(0).at("client_address"), "127.0.0.1");
  EXPECT_EQ(rows.at(1).at("client_address"), "198.51.100.7");
  EXPECT_EQ(rows.at(2).at("client_address"), "192.0.2.44");
}

/// A trusted proxy keeps one connection for all its agents: each call is its own agent's.
TEST(ClientAddress, IsThatOfTheCallNotOfTheConnection) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  DaemonOptions options;
  options.variables = {{"UP", upstream.url()}};
  options.listeners =
      "listeners: [{name: main, address: \"127.0.0.1:0\", port_file: main.port, trusted_proxies: "
      "[127.0.0.0/8]}]";
  Daemon daemon(kOneProvider, options);
  RawClient proxy = daemon.connect();
  const std::vector<std::string> agents = {"203.0.113.9", "203.0.113.10", "203.0.113.10",
                                           "2001:db8::1", "203.0.113.9"};
  for (const std::string& agent : agents)
    EXPECT_EQ(proxy
                  .exchange(daemon.post_bytes(kPath, chat_request("m", "hi"), "agent",
                                              {{"x-forwarded-for", agent}}))
                  .status,
              200);
  // Without the field it is the proxy itself that speaks.
  EXPECT_EQ(proxy.exchange(daemon.post_bytes(kPath, chat_request("m", "hi"))).status, 200);
  const auto rows = daemon.exactly(agents.size() + 1);
  for (std::size_t i = 0; i < agents.size(); ++i)
    EXPECT_EQ(rows.at(i).at("client_address"), agents[i]) << i;
  EXPECT_EQ(rows.back().at("client_address"), "127.0.0.1");
}

}  // namespace
}  // namespace tollgate::testing
