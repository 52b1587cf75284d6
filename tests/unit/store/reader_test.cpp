#include <functional>

#include "fixture.hpp"

namespace tollgate::store::testing {
namespace {

class ReaderTest : public StoreTest {
 protected:
  void fill() {
    open();
    for (int i = 0; i < 20; ++i) {
      AuditRecord r = call("req_" + std::to_string(i), i);
      r.started = at(kNoonUs + i * kMinuteUs);
      r.principal.key_id = i % 2 == 0 ? "even" : "odd";
      if (i % 5 == 0) {
        r.principal.agent = "fifth";
        r.principal.team = "five";
        r.outcome = Outcome::refused;
        r.status = 402;
        r.error_code = "budget_exceeded";
      }
      if (i >= 18) r.surface = "mcp";
      if (i == 7) r.model_asked = "slow";
      if (i == 3) r.session_id = "s-3";
      put(std::move(r));
    }
    ASSERT_TRUE(store_->flush_now());
  }
  std::vector<std::string> ids(const CallFilter& filter) {
    std::vector<std::string> out;
    for (const StoredCall& c : *reader()->query(filter))
      out.push_back(c.record.request_id.substr(4));
    return out;
  }
};

using Ids = std::vector<std::string>;

TEST_F(ReaderTest, TailAndAfterGiveOldestFirst) {
  fill();
  const auto tail = *reader()->tail(3);
  ASSERT_EQ(tail.size(), 3u);
  EXPECT_EQ(tail[0].record.request_id, "req_17");
  EXPECT_EQ(tail[2].record.request_id, "req_19");
  EXPECT_EQ(reader()->tail(100)->size(), 20u);
  EXPECT_EQ((*reader()->after(tail[1].seq, 10))[0].record.request_id, "req_19");
  EXPECT_TRUE(reader()->after(20, 10)->empty());
}

TEST_F(ReaderTest, EachFilterRestricts) {
  fill();
  struct Case {
    const char* name;
    std::function<void(CallFilter&)> set;
    Ids expected;
  };
  const Case cases[] = {
      {"key",
       [](CallFilter& f) {
         f.key = "odd";
         f.limit = 2;
       },
       {"19", "17"}},
      {"agent", [](CallFilter& f) { f.agent = "fifth"; }, {"15", "10", "5", "0"}},
      {"team",
       [](CallFilter& f) {
         f.team = "five";
         f.limit = 1;
       },
       {"15"}},
      {"surface", [](CallFilter& f) { f.surface = "mcp"; }, {"19", "18"}},
      {"model", [](CallFilter& f) { f.model = "slow"; }, {"7"}},
      {"session", [](CallFilter& f) { f.session = "s-3"; }, {"3"}},
      {"status",
       [](CallFilter& f) {
         f.status = 402;
         f.limit = 2;
       },
       {"15", "10"}},
      {"outcome",
       [](CallFilter& f) {
         f.outcome = Outcome::refused;
         f.limit = 1;
       },
       {"15"}},
      {"error",
       [](CallFilter& f) {
         f.error_code = "budget_exceeded";
         f.key = "odd";
       },
       {"15", "5"}},
      {"since", [](CallFilter& f) { f.since = at(kNoonUs + 18 * kMinuteUs); }, {"19", "18"}},
      {"until", [](CallFilter& f) { f.until = at(kNoonUs + 2 * kMinuteUs); }, {"1", "0"}},
      {"page", [](CallFilter& f) { f.before_seq = 3; }, {"1", "0"}},
      {"none", [](CallFilter& f) { f.key = "x' OR '1'='1"; }, {}},
  };
  for (const Case& c : cases) {
    CallFilter filter;
    c.set(filter);
    EXPECT_EQ(ids(filter), c.expected) << c.name;
  }
}

TEST_F(ReaderTest, SqlGivesTypedValues) {
  fill();
  const auto table = reader()->sql(
      "SELECT count(*) AS n, 1.5, NULL, 'text', x'00ff' FROM audit WHERE key_id='odd';  ");
  ASSERT_TRUE(table.has_value()) << table.error().message();
  EXPECT_EQ(table->columns[0], "n");
  EXPECT_EQ(std::get<std::int64_t>(table->rows[0][0]), 10);
  EXPECT_EQ(std::get<double>(table->rows[0][1]), 1.5);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(table->rows[0][2]));
  EXPECT_EQ(std::get<std::string>(table->rows[0][3]), "text");
  EXPECT_EQ(std::get<std::string>(table->rows[0][4]), "00ff");
  const auto some = *reader()->sql("SELECT * FROM audit", 5);
  EXPECT_EQ(some.rows.size(), 5u);
  EXPECT_TRUE(some.truncated);
}

TEST_F(ReaderTest, SqlThatIsNotOneSelectIsRefused) {
  fill();
  const auto read = reader();
  for (const char* sql : {"",
                          ";",
                          "DELETE FROM audit",
                          "UPDATE audit SET status=0",
                          "DROP TABLE audit",
                          "INSERT INTO mark VALUES('x',1,NULL)",
                          "CREATE TABLE t(a)",
                          "CREATE TEMP TABLE t(a)",
                          "ATTACH '/tmp/tollgate-test-attach.db' AS x",
                          "DETACH main",
                          "PRAGMA writable_schema=1",
                          "PRAGMA journal_mode",
                          "VACUUM",
                          "VACUUM INTO '/tmp/x'",
                          "BEGIN",
                          "COMMIT",
                          "SAVEPOINT s",
                          "SELECT 1; DELETE FROM audit",
                          "SELECT 1; SELECT 2",
                          "SELECT load_extension('x')",
                          "EXPLAIN DELETE FROM audit",
                          "REINDEX",
                          "ANALYZE",
                          "SELECT nothing FROM nowhere",
                          "WITH x AS (SELECT 1) DELETE FROM audit",
                          "not sql"}) {
    const auto table = read->sql(sql);
    ASSERT_TRUE(table.has_error()) << sql;
    EXPECT_EQ(table.error().code(), base::ErrorCode::invalid_request) << sql;
  }
  EXPECT_EQ(read->tail(100)->size(), 20u) << "the reader still works";
  EXPECT_TRUE(read->sql("SELECT 1").has_value());
}

TEST_F(ReaderTest, ALongQueryEndsAtItsLimit) {
  open();
  /// Each look at this clock takes a second.
  class RunningClock final : public base::Clock {
   public:
    [[nodiscard]] base::MonoTime mono() const noexcept override {
      now_ += std::chrono::seconds(1);
      return now_;
    }
    [[nodiscard]] base::WallTime wall() const noexcept override { return {}; }

   private:
    mutable base::MonoTime now_{};
  };
  const RunningClock clock;
  ReaderOptions options;
  options.clock = &clock;
  auto opened = AuditReader::open(options_.audit.path, options);
  const auto read = std::move(*opened);
  const auto table = read->sql(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n");
  ASSERT_TRUE(table.has_error());
  EXPECT_NE(table.error().message().find("longer than 2000 ms"), std::string::npos);
}

TEST_F(ReaderTest, AReaderSeesNewRowsWithoutReopening) {
  open();
  const auto read = reader();
  EXPECT_TRUE(read->tail(1)->empty());
  put(call("req_1"));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(read->tail(1)->size(), 1u);
}

// ---- the hash chain ----

TEST_F(ReaderTest, AChangeOfAnyColumnIsFound) {
  fill();
  Ids columns;
  sqlite3* db = nullptr;
  sqlite3_open(options_.audit.path.c_str(), &db);
  sqlite3_exec(
      db, "SELECT name FROM pragma_table_info('audit')",
      [](void* out, int, char** values, char**) {
        static_cast<Ids*>(out)->push_back(values[0]);
        return 0;
      },
      &columns, nullptr);
  sqlite3_close(db);
  ASSERT_EQ(columns.size(), 66u);
  for (const std::string& column : columns) {
    if (column == "seq") continue;  // moving rows is the next test
    const bool number =
        this->number("SELECT count(*) FROM pragma_table_info('audit') WHERE name='" + column +
                     "' AND type='INTEGER'") == 1;
    const bool blob = this->number("SELECT count(*) FROM pragma_table_info('audit') WHERE name='" +
                                   column + "' AND type='BLOB'") == 1;
    const std::string other = number ? "coalesce(" + column + ",0)+1"
                              : blob ? "x'01'"
                                     : "'changed'";
    tamper("CREATE TABLE saved AS SELECT * FROM audit; UPDATE audit SET " + column + "=" + other +
           " WHERE seq=11");
    const auto report = *reader()->verify_chain();
    EXPECT_EQ(report.broken_seq, 11) << column;
    tamper("DELETE FROM audit; INSERT INTO audit SELECT * FROM saved; DROP TABLE saved");
    ASSERT_EQ(reader()->verify_chain()->problem, "") << column;
  }
}

TEST_F(ReaderTest, RemovedMovedAndAddedRowsAreFound) {
  struct Case {
    const char* name;
    const char* sql;
    std::int64_t broken;
  };
  fill();
  for (const Case& c : {Case{"first removed", "DELETE FROM audit WHERE seq=1", 2},
                        Case{"one removed", "DELETE FROM audit WHERE seq=9", 10},
                        Case{"last removed", "DELETE FROM audit WHERE seq=20", 20},
                        Case{"last five removed", "DELETE FROM audit WHERE seq>15", 16},
                        Case{"all removed", "DELETE FROM audit", 1},
                        Case{"moved to the end", "UPDATE audit SET seq=21 WHERE seq=5", 6},
                        Case{"two swapped",
                             "UPDATE audit SET seq=-1 WHERE seq=5; UPDATE audit SET seq=5 WHERE "
                             "seq=6; UPDATE audit SET seq=6 WHERE seq=-1",
                             5},
                        Case{"anchor moved", "UPDATE mark SET at=3 WHERE name='chain_anchor'", 1},
                        Case{"null to empty", "UPDATE audit SET trace_id='' WHERE seq=4", 4}}) {
    tamper(std::string("CREATE TABLE saved AS SELECT * FROM audit; CREATE TABLE marks AS SELECT * "
                       "FROM mark;") +
           c.sql);
    const auto report = *reader()->verify_chain();
    EXPECT_EQ(report.broken_seq, c.broken) << c.name << ": " << report.problem;
    EXPECT_NE(report.problem, "") << c.name;
    tamper(
        "DELETE FROM audit; INSERT INTO audit SELECT * FROM saved; DROP TABLE saved; DELETE FROM "
        "mark; INSERT INTO mark SELECT * FROM marks; DROP TABLE marks");
    ASSERT_EQ(reader()->verify_chain()->problem, "") << c.name;
  }
}

/// The canonical form is a promise to other tools: this digest must never change for row version 1.
TEST_F(ReaderTest, TheHashOfAKnownRowStays) {
  open();
  AuditRecord r = call("req_1", 5);
  r.principal.tags = {"t"};
  put(r);
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(base::to_hex((*reader()->show("req_1"))->hash),
            "744983cac0a280f69fe0b7f01041cdd90105efa8cd677172dd111111b30bce30");
}

}  // namespace
}  // namespace tollgate::store::testing
