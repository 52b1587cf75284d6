// A record that cannot be written: calls are refused, revocations hold and wait, losses are said.
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>

#include <nlohmann/json.hpp>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kPath = "/v1/chat/completions";

TEST(AuditFull, NoSlotLeftIs503AndADiskThatIsFullIsSaid) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  DaemonOptions options;
  options.variables = {{"UP", upstream.url()}};
  // More free space demanded than any disk has: the same state as a full one.
  options.audit = "min_free_bytes: 1000000GB";
  options.start = false;
  options.start_limit = 3s;
  Daemon daemon(kOneProvider, options);
  EXPECT_THROW(daemon.start(), std::runtime_error) << "not ready while nothing can be recorded";
  ASSERT_TRUE(daemon.running()) << daemon.log();
  const Response response = daemon.post(kPath, chat_request("m", "hi"));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(json::parse(response.body)["error"]["code"], "audit_unavailable");
  EXPECT_EQ(upstream.request_count(), 0u);
  EXPECT_NE(daemon.log().find("low_space"), std::string::npos) << "and the log says why";
}

/// A daemon whose database another process keeps locked: the same as a disk that takes nothing
/// more.
class LockedStore : public ::testing::Test {
 protected:
  LockedStore() {
    upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
    EXPECT_EQ(sqlite3_open(daemon.file("audit.db").c_str(), &db_), SQLITE_OK);
    sqlite3_busy_timeout(db_, 2'000);
    EXPECT_EQ(sqlite3_exec(db_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  }
  ~LockedStore() override { unlock(); }
  FakeUpstream upstream;
  Daemon daemon{kOneProvider, {.variables = {{"UP", upstream.url()}}}};

  CommandResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--config", daemon.config_file()});
    return daemon.command(arguments);
  }
  void unlock() {
    sqlite3_close(db_);
    db_ = nullptr;
  }

 private:
  sqlite3* db_ = nullptr;
};

TEST_F(LockedStore, ARevocationHoldsAtOnceAndIsWrittenWhenItCanBe) {
  const CommandResult revoked = run({"keys", "revoke", "k1"});
  EXPECT_EQ(revoked.exit_code, 2);
  EXPECT_NE(revoked.err.find("revoked, but not on disk yet"), std::string::npos) << revoked.err;
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 401);
  EXPECT_NE(daemon.log().find("revocation_unwritten"), std::string::npos) << daemon.log();
  const CommandResult listed = run({"keys", "list"});
  EXPECT_NE(listed.err.find("the revocation of k1 is not on disk yet"), std::string::npos);
  EXPECT_EQ(json::parse(run({"keys", "list", "--json"}).out)["keys"][0]["unwritten"], true);
  unlock();
  ASSERT_TRUE(daemon.wait_log("revocation_written")) << daemon.log();
  EXPECT_EQ(json::parse(run({"keys", "list", "--json"}).out)["keys"][0]["unwritten"], false);
  daemon.send(SIGTERM);
  EXPECT_EQ(daemon.wait_exit(10s), 0);
  daemon.start();
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 401);
}

TEST_F(LockedStore, ARevocationThatIsLostAtTheEndIsSaidAndTheExitIs1) {
  EXPECT_EQ(run({"keys", "revoke", "k1"}).exit_code, 2);
  daemon.send(SIGTERM);
  EXPECT_EQ(daemon.wait_exit(40s), 1);
  EXPECT_NE(daemon.log().find("\"event\":\"revocation_lost\",\"id\":\"k1\""), std::string::npos)
      << daemon.log();
  EXPECT_NE(daemon.log().find("\"event\":\"stopped\",\"clean\":false,\"records_lost\":0"),
            std::string::npos)
      << daemon.log();
}

TEST_F(LockedStore, RowsLostAtTheEndAreSaidAndTheExitIs1) {
  ASSERT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
  daemon.send(SIGTERM);
  EXPECT_EQ(daemon.wait_exit(40s), 1);
  EXPECT_NE(daemon.log().find("audit rows were lost"), std::string::npos) << daemon.log();
  EXPECT_NE(daemon.log().find("\"event\":\"stopped\",\"clean\":false,\"records_lost\":1}"),
            std::string::npos)
      << daemon.log();
}

}  // namespace
}  // namespace tollgate::testing
