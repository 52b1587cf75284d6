#include <filesystem>

#include "store/schema.hpp"

#include <set>

#include "fixture.hpp"

namespace tollgate::store::testing {
namespace {

using Shape = std::set<std::string>;

/// Takes away what schema 5 added.
constexpr const char* kBackTo4 =
    "ALTER TABLE audit DROP COLUMN end_user; ALTER TABLE audit DROP COLUMN service_tier;"
    "ALTER TABLE audit DROP COLUMN audio_input_tokens;"
    "ALTER TABLE audit DROP COLUMN audio_output_tokens;"
    "ALTER TABLE audit DROP COLUMN server_tool_calls;"
    "ALTER TABLE ledger DROP COLUMN tokens; ALTER TABLE ledger DROP COLUMN scopes;"
    "ALTER TABLE spend_quarter DROP COLUMN tokens; ALTER TABLE ledger_daily DROP COLUMN tokens;"
    "DROP TABLE ledger_quarter; DROP TABLE event; PRAGMA user_version=4";

/// Of reader_test's known row, as version 1 covers it.
constexpr std::string_view kHashOfVersion1 =
    "b96721da9a7885a45b3f0b9d52d29839018a00b09ed8651f2ffb865ddae68bd3";

class SchemaTest : public StoreTest {
 protected:
  Database raw() {
    Database db;
    EXPECT_EQ(db.open(options_.audit.path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE), SQLITE_OK);
    return db;
  }
  Shape shape() {
    Shape out;
    Database db = raw();
    Statement row;
    db.prepare("SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema", row);
    while (row.step() == SQLITE_ROW) out.insert(std::string(row.text(0)));
    return out;
  }
  std::string refusal() {
    auto opened = AuditStore::open(options_, clock_);
    return opened.has_error() ? opened.error().message() : "";
  }
};

TEST_F(SchemaTest, MigrationsAreNumberedWithoutGaps) {
  int expected = 0;
  for (const Migration& step : migrations()) EXPECT_EQ(step.version, ++expected);
  EXPECT_EQ(newest_schema(), expected);
}

TEST_F(SchemaTest, EveryOlderVersionWithItsRowsBecomesTheNewest) {
  open();
  close();
  const Shape fresh = shape();
  for (int version = 0; version < newest_schema(); ++version) {
    SCOPED_TRACE(version);
    options_.audit.path = dir_.file("v" + std::to_string(version) + ".db");
    {
      Database db = raw();
      ASSERT_EQ(prepare_empty_file(db), SQLITE_OK);
      db.exec("PRAGMA journal_mode=WAL");
      ASSERT_TRUE(migrate(db, version).has_value());
      ASSERT_EQ(db.scalar("PRAGMA user_version"), version);
      if (version >= 1) {
        ASSERT_EQ(db.exec("INSERT INTO unauthenticated VALUES (1, 'unknown', 7, NULL)"), SQLITE_OK);
      }
      if (version >= 2) {
        ASSERT_EQ(db.exec("INSERT INTO spend_quarter VALUES ('key', 'k', 900000000, 5, 1)"),
                  SQLITE_OK);
      }
    }
    open();
    put(call("req_1", 3));
    ASSERT_TRUE(store_->flush_now());
    EXPECT_TRUE(store_->create_key({}).get().has_value());
    EXPECT_EQ(number("PRAGMA user_version"), newest_schema());
    EXPECT_EQ(shape(), fresh);
    EXPECT_EQ(number("SELECT count(*) FROM unauthenticated"), version >= 1 ? 1 : 0);
    EXPECT_EQ(number("SELECT sum(nusd) FROM spend_quarter WHERE scope_kind='key'"),
              version >= 2 ? 8 : 3);
    EXPECT_EQ(reader()->verify_chain()->problem, "");
    close();
  }
}

TEST_F(SchemaTest, RowsOfSchema3GetTheirSpans) {
  options_.audit.queue = 1'024;
  open();
  for (int i = 0; i < 600; ++i) {
    AuditRecord r = call("req_" + std::to_string(i));
    r.started = at(kNoonUs + (i % 7 - i) * 1'000);
    r.principal.key_id = i % 100 == 0 ? "rare" : i < 300 ? "early" : "late";
    put(std::move(r));
  }
  ASSERT_TRUE(store_->flush_now());
  close();
  const auto rows = [&](const char* sql) {
    std::vector<std::string> out;
    Database db = raw();
    Statement row;
    db.prepare(sql, row);
    while (row.step() == SQLITE_ROW) out.emplace_back(row.text(0));
    return out;
  };
  const char* const spans =
      "SELECT first_seq || ' ' || last_seq || ' ' || oldest_us || ' ' || newest_us FROM audit_span "
      "ORDER BY first_seq";
  const char* const keys =
      "SELECT first_seq || ' ' || key_id FROM audit_span_key ORDER BY first_seq, key_id";
  const auto written = rows(spans);
  const auto written_keys = rows(keys);
  ASSERT_EQ(written.size(), 3u);
  ASSERT_EQ(written_keys.size(), 6u);
  tamper(kBackTo4);
  tamper(
      "DROP TABLE audit_span; DROP TABLE audit_span_key; CREATE INDEX audit_started ON "
      "audit(started_us); CREATE INDEX audit_key ON audit(key_id, started_us); PRAGMA "
      "user_version=3");
  open();
  EXPECT_EQ(rows(spans), written);
  EXPECT_EQ(rows(keys), written_keys);
  EXPECT_EQ(number("SELECT count(*) FROM sqlite_schema WHERE name IN ('audit_started', "
                   "'audit_key')"),
            0);
  EXPECT_EQ(reader()->verify_chain()->problem, "");
}

/// A file as version 4 wrote it, with one call: its row in version 1, its charge and its sums.
TEST_F(SchemaTest, RowsOfSchema4KeepTheirHashesAndTheirSums) {
  {
    Database db = raw();
    ASSERT_EQ(prepare_empty_file(db), SQLITE_OK);
    db.exec("PRAGMA journal_mode=WAL");
    ASSERT_TRUE(migrate(db, 4).has_value());
    const std::string noon = std::to_string(kNoonUs);
    const std::string row =
        "INSERT INTO audit VALUES (1, 1, 'req_1', NULL, NULL, NULL, " + noon +
        ", 'key-1', 'agent-1', 'team-1', 'org-1', '[\"t\"]', NULL, 'openai', 'POST', "
        "'/v1/chat/completions', 'fast', 'gpt-x', 'openai', 'fast/openai/gpt-x', NULL, NULL, NULL, "
        "NULL, NULL, 0, NULL, 0, 0, 0, 0, 0, 0, 0, 5, 0, NULL, 0, 0, NULL, NULL, NULL, 200, NULL, "
        "'ok', 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
        "x'" +
        std::string(kHashOfVersion1) + "')";
    ASSERT_EQ(db.exec(row.c_str()), SQLITE_OK) << db.error_text();
    const std::string rest =
        "UPDATE mark SET at=1, hash=x'" + std::string(kHashOfVersion1) +
        "' WHERE name='chain_head'; INSERT INTO audit_span VALUES (0, 255, 0, 9223372036854775807) "
        "ON CONFLICT DO NOTHING; INSERT INTO ledger VALUES (1, 'req_1', 0, " +
        noon +
        ", 5, 1, 'call', 0, 0, 'key-1', 'agent-1', 'team-1', 'org-1', 'fast', 'openai'); "
        "INSERT INTO spend_quarter VALUES ('key', 'key-1', " +
        noon +
        ", 5, 1); "
        "INSERT INTO ledger_daily VALUES ('key', 'key-1', 0, 70, 7)";
    ASSERT_EQ(db.exec(rest.c_str()), SQLITE_OK) << db.error_text();
  }
  open();
  EXPECT_EQ(reader()->verify_chain()->problem, "");
  AuditRecord next = call("req_2", 10);
  next.end_user = "u";
  next.tokens.audio_input = 3;
  put(next);
  ASSERT_TRUE(store_->flush_now());
  const auto report = *reader()->verify_chain();
  EXPECT_EQ(report.problem, "");
  EXPECT_EQ(report.rows, 2);
  EXPECT_EQ((*reader()->show("req_1"))->record.cost.value, 5);
  EXPECT_EQ((*reader()->show("req_2"))->record.end_user, "u");
  const auto since = [&](std::int64_t us) {
    return *reader()->spend_since(config::ScopeKind::key, "key-1", at(us));
  };
  EXPECT_EQ(since(0), (domain::budget::Sums{{85}, 0, 9}));
  EXPECT_EQ(since(kNoonUs), (domain::budget::Sums{{15}, 0, 2}));
  EXPECT_EQ(
      number("SELECT first_id FROM ledger_quarter WHERE quarter_us=" + std::to_string(kNoonUs)), 1);
  // What version 1 does not cover its rows do not have.
  for (const char* set : {"end_user='x'", "audio_input_tokens=1", "row_version=2"}) {
    tamper("CREATE TABLE saved AS SELECT * FROM audit");
    tamper("UPDATE audit SET " + std::string(set) + " WHERE seq=1");
    EXPECT_EQ(reader()->verify_chain()->broken_seq, 1) << set;
    tamper("DELETE FROM audit; INSERT INTO audit SELECT * FROM saved; DROP TABLE saved");
  }
}

TEST_F(SchemaTest, TheFileIsSetUpAsDocumented) {
  open();
  EXPECT_EQ(number("PRAGMA page_size"), 8'192);
  EXPECT_EQ(number("PRAGMA auto_vacuum"), 2);
  EXPECT_EQ(number("PRAGMA application_id"), kApplicationId);
  EXPECT_EQ(number("SELECT count(*) FROM pragma_journal_mode WHERE journal_mode='wal'"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM pragma_table_list WHERE schema='main' AND strict=0 AND "
                   "name NOT LIKE 'sqlite_%'"),
            0);
}

TEST_F(SchemaTest, ANewerFileIsRefusedUnchanged) {
  open();
  close();
  tamper("PRAGMA user_version=99");
  EXPECT_NE(refusal().find("schema 99"), std::string::npos) << refusal();
  EXPECT_EQ(number("PRAGMA user_version"), 99);
  EXPECT_TRUE(AuditReader::open(options_.audit.path).has_error());
}

TEST_F(SchemaTest, AForeignDatabaseIsRefusedUnchanged) {
  Database db = raw();
  db.exec("CREATE TABLE other(a)");
  db = Database();
  EXPECT_NE(refusal().find("not Tollgate's"), std::string::npos) << refusal();
  EXPECT_EQ(number("SELECT count(*) FROM pragma_journal_mode WHERE journal_mode='wal'"), 0);
}

TEST_F(SchemaTest, AFileThatIsNoDatabaseIsRefusedWithAWayOut) {
  tollgate::testing::write_file(options_.audit.path, std::string(100'000, 'x'));
  EXPECT_NE(refusal().find(".recover"), std::string::npos) << refusal();
}

TEST_F(SchemaTest, AnUnreachablePathIsAnErrorNotACrash) {
  tollgate::testing::write_file(dir_.file("plain"), "");
  options_.audit.path = dir_.file("plain") + "/tollgate.db";
  EXPECT_NE(refusal(), "");
  EXPECT_TRUE(AuditReader::open(options_.audit.path).has_error());
}

TEST_F(SchemaTest, OneProcessAtATime) {
  open();
  EXPECT_NE(refusal().find("in use by another Tollgate"), std::string::npos) << refusal();
  close();
  EXPECT_EQ(refusal(), "");
}

TEST_F(SchemaTest, OneProcessAtATimeWhateverTheFileIsCalled) {
  open();
  const std::string path = options_.audit.path;
  std::filesystem::create_symlink(path, dir_.file("symbolic.db"));
  std::filesystem::create_hard_link(path, dir_.file("hard.db"));
  for (const char* name : {"symbolic.db", "hard.db"}) {
    options_.audit.path = dir_.file(name);
    EXPECT_NE(refusal().find("in use by another Tollgate"), std::string::npos) << refusal();
  }
  close();
  EXPECT_EQ(refusal(), "");
}

TEST_F(SchemaTest, MissingDirectoriesAreMade) {
  options_.audit.path = dir_.file("a") + "/b/tollgate.db";
  EXPECT_EQ(refusal(), "");
}

TEST(FloorTo, RoundsDownOnBothSidesOfTheEpoch) {
  struct Case {
    std::int64_t us, floor;
  };
  for (const Case& c : {Case{0, 0}, Case{1, 0}, Case{kQuarterUs, kQuarterUs},
                        Case{kQuarterUs - 1, 0}, Case{-1, -kQuarterUs}}) {
    EXPECT_EQ(floor_to(c.us, kQuarterUs), c.floor) << c.us;
  }
}

}  // namespace
}  // namespace tollgate::store::testing
