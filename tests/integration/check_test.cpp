// What only the parts that use a configuration can find: `check`, `serve` and a reload say it with
// its place, all of it at once.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <regex>
#include <set>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/test_ca.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;

class Check : public ::testing::Test {
 protected:
  static DaemonOptions stopped() {
    DaemonOptions options;
    options.start = false;
    return options;
  }
  /// Writes the file with the head that serving needs; the lines of `yaml` count from 6.
  std::string configuration(const std::string& audit, const std::string& yaml) {
    write_file(daemon.file("c.yaml"),
               "version: 1\nadmin: {address: \"127.0.0.1:0\"}\n"
               "control_socket: c.sock\nprices: {file: \"\"}\n"
               "audit: {path: " +
                   audit + "}\n" + yaml);
    return daemon.file("c.yaml");
  }
  /// The problems `check` prints, without the folder, and those of `serve` are the same.
  std::string problems(const std::string& file) {
    const CommandResult check = daemon.command({"check", file});
    EXPECT_EQ(check.exit_code, 1) << check.out << check.err;
    const CommandResult serve = daemon.command({"serve", "-c", file});
    EXPECT_EQ(serve.exit_code, 2) << serve.err;
    EXPECT_NE(serve.err.find(check.out), std::string::npos) << serve.err << "\n" << check.out;
    return std::regex_replace(check.out, std::regex(daemon.dir() + "/"), "");
  }
  static void expect_lines(const std::string& text, const std::vector<std::string>& lines) {
    for (const std::string& line : lines)
      EXPECT_NE(text.find(line), std::string::npos) << line << "\n--- in\n" << text;
    EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')), lines.size())
        << text;
  }

  Daemon daemon{"providers: {demo: {kind: demo}}\nmodels: {m: demo/echo}\n", stopped()};
  TestCa ca{daemon.dir()};
};

TEST_F(Check, NamesEveryTlsFileThatCannotBeUsedWithItsPlace) {
  ca.issue("one");
  ca.issue("two");
  for (const char* name : {"bad.crt", "bad.key", "bad-ca.crt"})
    write_file(daemon.file(name), "-----BEGIN CERTIFICATE-----\nnonsense\n");
  const std::string file = configuration("a.db", R"(listeners:
  - address: "127.0.0.1:0"
    tls:
      certificate_file: bad.crt
      private_key_file: bad.key
      client_auth: require
      client_ca_file: bad-ca.crt
  - address: "127.0.0.1:0"
    tls: {certificate_file: one.pem, private_key_file: two.key}
providers:
  up:
    kind: openai_compatible
    base_url: https://up.example/v1
    proxy: none
    ca_file: bad-ca.crt
    client_certificate_file: one.pem
    client_key_file: two.key
mcp_servers:
  tools: {url: "https://tools.example/mcp", proxy: none, ca_file: bad-ca.crt}
a2a_agents:
  planner: {url: "https://planner.example/", proxy: none, ca_file: bad-ca.crt}
guardrails: {g: {rules: [{name: r, regex: "("}]}}
)");
  expect_lines(problems(file),
               {"c.yaml:9:25: listeners[0].tls.certificate_file: is not a usable certificate (",
                "c.yaml:10:25: listeners[0].tls.private_key_file: is not a usable private key (",
                "c.yaml:12:23: listeners[0].tls.client_ca_file: holds no usable certificate (",
                "c.yaml:14:56: listeners[1].tls.private_key_file: is the key of another "
                "certificate; expected the private key of the certificate beside it\n",
                "c.yaml:20:14: providers.up.ca_file: holds no usable certificate (",
                "c.yaml:22:22: providers.up.client_key_file: is the key of another certificate",
                "c.yaml:24:67: mcp_servers.tools.ca_file: holds no usable certificate (",
                "c.yaml:26:68: a2a_agents.planner.ca_file: holds no usable certificate (",
                "c.yaml:27:43: guardrails.g.rules[0].regex: does not compile ("});
}

TEST_F(Check, NamesThePlacesWhereNoFileCanBeMadeAndMakesNone) {
  write_file(daemon.file("file"), "");
  const std::string file = configuration("/proc/x/t.db", R"(listeners:
  - {address: "127.0.0.1:0", port_file: file/main.port}
providers: {demo: {kind: demo}}
)");
  expect_lines(
      problems(file),
      {"c.yaml:5:15: audit.path: cannot be made: No such file or directory; expected a file",
       "c.yaml:7:41: listeners[0].port_file: cannot be made: a part of the path is not a folder;"});
  const std::string good = configuration("new/folder/t.db", "providers: {demo: {kind: demo}}\n");
  std::set<std::string> before, after;
  const auto listed = [&](std::set<std::string>& names) {
    for (const auto& entry : std::filesystem::directory_iterator(daemon.dir()))
      if (!entry.path().filename().string().starts_with("command-"))
        names.insert(entry.path().filename());
  };
  listed(before);
  const CommandResult check = daemon.command({"check", good});
  EXPECT_EQ(check.exit_code, 0) << check.out;
  listed(after);
  EXPECT_EQ(before, after);
}

TEST_F(Check, EveryFileTheGatewayMakesIsItsOwn) {
  write_file(daemon.file("token"), "t");
  ca.issue("one");
  std::filesystem::create_symlink(daemon.dir(), daemon.file("here"));
  write_file(daemon.file("c.yaml"), R"(version: 1
admin: {address: "127.0.0.1:0", port_file: here/main.port.tmp, token: "${file:token}"}
control_socket: a.db-wal
prices: {file: ""}
audit: {path: here/a.db}
listeners:
  - {address: "127.0.0.1:0", port_file: main.port}
  - {address: "127.0.0.1:0", port_file: ./x/../audit-000001.seg}
  - {address: "127.0.0.1:0", port_file: c.yaml}
  - {address: "127.0.0.1:0", port_file: token}
  - {address: "127.0.0.1:0", port_file: here/one.key, tls: {certificate_file: one.pem, private_key_file: one.key}}
providers: {demo: {kind: demo}}
)");
  const std::string other = "holds something else than a port; expected a name that is free, or ";
  const std::string own = "; expected a file of its own\n";
  expect_lines(
      problems(daemon.file("c.yaml")),
      {"c.yaml:2:44: admin.port_file: names a file that listeners[0].port_file uses" + own,
       "c.yaml:3:17: control_socket: names a file that audit.path uses" + own,
       "c.yaml:8:41: listeners[1].port_file: names a file that audit.path uses" + own,
       "c.yaml:9:41: listeners[2].port_file: names the configuration file" + own,
       "c.yaml:9:41: listeners[2].port_file: names a file that " + other,
       "c.yaml:10:41: listeners[3].port_file: names a file that admin.token uses" + own,
       "c.yaml:10:41: listeners[3].port_file: names a file that " + other,
       "c.yaml:11:41: listeners[4].port_file: names a file that listeners[4].tls.private_key_file "
       "uses" +
           own,
       "c.yaml:11:41: listeners[4].port_file: names a file that " + other});
}

TEST_F(Check, WhatIsThereIsNotReplacedUnlessItIsTheGateways) {
  const std::string file = daemon.file("c.yaml");
  const std::vector<std::string> names = {"real.db", "1.port", "2.port.tmp", "big.port"};
  write_file(daemon.file("real.db"), "all there is");
  write_file(daemon.file("1.port"), "8080x");
  write_file(daemon.file("2.port.tmp"), "mine");
  write_file(daemon.file("big.port"), "1234567");
  std::filesystem::create_symlink(daemon.file("old.port"), daemon.file("link.port"));
  write_file(file, R"(version: 1
admin: {address: "127.0.0.1:0", port_file: 1.port}
control_socket: real.db
prices: {file: ""}
audit: {path: a.db}
listeners:
  - {address: "127.0.0.1:0", port_file: 2.port}
  - {address: "127.0.0.1:0", port_file: big.port}
  - {address: "127.0.0.1:0", port_file: link.port}
providers: {demo: {kind: demo}}
)");
  const std::string other = "names a file that holds something else than a port; expected ";
  expect_lines(problems(file),
               {"c.yaml:2:44: admin.port_file: " + other,
                "c.yaml:3:17: control_socket: names a file that is no socket; expected ",
                "c.yaml:7:41: listeners[0].port_file: is written by way of a file with .tmp ",
                "c.yaml:8:41: listeners[1].port_file: " + other,
                "c.yaml:9:41: listeners[2].port_file: " + other});
  EXPECT_EQ(read_file(daemon.file("real.db")), "all there is");
  EXPECT_EQ(read_file(daemon.file("1.port")), "8080x");
  EXPECT_EQ(read_file(daemon.file("2.port.tmp")), "mine");
  EXPECT_EQ(read_file(daemon.file("big.port")), "1234567");
  EXPECT_FALSE(std::filesystem::exists(daemon.file("a.db"))) << "nothing was begun";
}

TEST_F(Check, WhatAnEarlierStartLeftIsReplaced) {
  daemon.start();
  daemon.send(SIGKILL);
  ASSERT_TRUE(daemon.wait_exit(5'000ms));
  ASSERT_TRUE(std::filesystem::is_socket(daemon.file("tollgate.sock")));
  write_file(daemon.file("main.port.tmp"), "80");
  write_file(daemon.file("admin.port.tmp"), "");
  const CommandResult check = daemon.command({"check", daemon.config_file()});
  EXPECT_EQ(check.exit_code, 0) << check.out;
  daemon.start();
  EXPECT_NE(daemon.port(), 80);
  EXPECT_FALSE(std::filesystem::exists(daemon.file("main.port.tmp")));
}

TEST_F(Check, NamesAnAuditFileThatIsNoDatabaseOfTollgates) {
  const std::string demo = "providers: {demo: {kind: demo}}\n";
  write_file(daemon.file("a.db"), "all there is");
  const std::string file = configuration("a.db", demo);
  expect_lines(problems(file),
               {"c.yaml:5:15: audit.path: is no SQLite database; expected a name "});
  EXPECT_EQ(read_file(daemon.file("a.db")), "all there is");
  EXPECT_FALSE(std::filesystem::exists(daemon.file("a.db.lock")));
}

TEST_F(Check, NamesAnAddressThatThisMachineDoesNotHave) {
  // 192.0.2.0/24 and 2001:db8::/32 are for documents.
  write_file(daemon.file("c.yaml"), R"(version: 1
admin: {address: "[2001:db8::1]:0"}
control_socket: c.sock
prices: {file: ""}
audit: {path: a.db}
listeners:
  - {address: "0.0.0.0:0"}
  - {address: "192.0.2.1:1"}
providers: {demo: {kind: demo}}
)");
  expect_lines(problems(daemon.file("c.yaml")),
               {"c.yaml:2:18: admin.address: cannot be listened on: ",
                "c.yaml:8:15: listeners[1].address: cannot be listened on: "});
}

TEST_F(Check, NamesADatabaseOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to be two users";
  const std::string file = configuration("a.db", "providers: {demo: {kind: demo}}\n");
  write_file(daemon.file("a.db"), "");
  std::filesystem::permissions(daemon.file("a.db"), std::filesystem::perms(0600));
  std::filesystem::permissions(daemon.dir(), std::filesystem::perms(0777));
  const CommandResult check = daemon.command({"check", file}, {{}, true});
  EXPECT_EQ(check.exit_code, 1);
  EXPECT_NE(check.out.find("c.yaml:5:15: audit.path: cannot be opened: Permission denied"),
            std::string::npos)
      << check.out;
}

TEST_F(Check, AReloadSaysTheSameAndChangesNothing) {
  daemon.start();
  write_file(daemon.file("bad.crt"), "nonsense");
  const std::string before = read_file(daemon.config_file());
  std::string yaml = before + R"(mcp_servers:
  tools: {url: "https://tools.example/mcp", proxy: none, ca_file: bad.crt}
)";
  const auto line = std::count(yaml.begin(), yaml.end(), '\n');
  write_file(daemon.config_file(), yaml);
  daemon.send(SIGHUP);
  ASSERT_TRUE(daemon.wait_log("tollgate.yaml:" + std::to_string(line) +
                              ":67: mcp_servers.tools.ca_file: holds no usable certificate"))
      << daemon.log();
  yaml = before;
  yaml.replace(yaml.find("path: audit.db"), 14, "path: /proc/x/a");
  write_file(daemon.config_file(), yaml);
  daemon.send(SIGHUP);
  ASSERT_TRUE(daemon.wait_log(": audit.path: cannot be made: ")) << daemon.log();
  EXPECT_TRUE(daemon.wait_metric("tollgate_config_reloads_total", {{"result", "failed"}}, 2));
  // Its own places are in use and not judged again: a failing disk keeps no reload away.
  write_file(daemon.config_file(), before);
  std::filesystem::remove(daemon.file("audit.db"));
  std::filesystem::create_directory(daemon.file("audit.db"));
  daemon.send(SIGHUP);
  EXPECT_TRUE(daemon.wait_log("stored keys")) << daemon.log();
  EXPECT_EQ(daemon.log().find("is a folder"), std::string::npos);
}

}  // namespace
}  // namespace tollgate::testing
