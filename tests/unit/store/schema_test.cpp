#include <filesystem>

#include "store/schema.hpp"

#include <set>

#include "fixture.hpp"

namespace tollgate::store::testing {
namespace {

using Shape = std::set<std::string>;

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
