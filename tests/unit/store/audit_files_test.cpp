#include "tollgate/store/audit_files.hpp"

#include <filesystem>

#include "fixture.hpp"
#include "store/schema.hpp"

namespace tollgate::store::testing {
namespace {

using tollgate::testing::write_file;

class AuditFileFault : public StoreTest {
 protected:
  void make(const std::string& path, const std::string& sql) {
    std::filesystem::remove(path);
    Database db;
    ASSERT_EQ(db.open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE), SQLITE_OK);
    ASSERT_EQ(db.exec(sql.c_str()), SQLITE_OK);
  }
  /// What is found before the start, and what the store finds at it.
  std::string fault() {
    const std::string found = audit_file_fault(options_.audit.path);
    const auto opened = AuditStore::open(options_, clock_);
    EXPECT_EQ(found.empty(), opened.has_value())
        << found << " / " << (opened.has_error() ? opened.error().message() : "opens");
    return found;
  }
};

TEST_F(AuditFileFault, OursFreeAndEmptyFilesHaveNone) {
  EXPECT_EQ(fault(), "") << "free";
  EXPECT_EQ(fault(), "") << "a whole database";
  options_.audit.path = dir_.file("empty.db");
  write_file(options_.audit.path, "");
  EXPECT_EQ(fault(), "");
  options_.audit.path = dir_.file("no-tables.db");
  make(options_.audit.path, "PRAGMA journal_mode=WAL");
  EXPECT_EQ(fault(), "");
}

TEST_F(AuditFileFault, ADatabaseThatWasNeverCheckpointedIsOurs) {
  open();
  ASSERT_TRUE(std::filesystem::exists(options_.audit.path + "-wal"));
  EXPECT_EQ(audit_file_fault(options_.audit.path), "");
}

TEST_F(AuditFileFault, FilesOfOthersAreNamed) {
  const std::string& path = options_.audit.path;
  write_file(path, "short");
  EXPECT_EQ(fault(), "is no SQLite database");
  write_file(path, std::string(8192, 'x'));
  EXPECT_EQ(fault(), "is no SQLite database");
  make(path, "CREATE TABLE theirs (a)");
  EXPECT_EQ(fault(), "is the database of another program");
  make(path, "PRAGMA application_id=7; CREATE TABLE theirs (a)");
  EXPECT_EQ(fault(), "is the database of another program");
  make(path, "PRAGMA application_id=" + std::to_string(kApplicationId) +
                 "; PRAGMA user_version=1000; CREATE TABLE a (a)");
  EXPECT_NE(fault().find("has schema 1000"), std::string::npos);
  EXPECT_EQ(audit_file_fault("/dev/null"), "is no regular file");
}

TEST(AuditFiles, AreTheDatabaseAndWhatIsMadeBesideIt) {
  for (const char* name : {"a.db", "a.db-wal", "a.db-shm", "a.db-journal", "a.db.lock",
                           "audit-000001.seg", "audit-1234567.seg.zst", "audit-000002.seg.zst.tmp"})
    EXPECT_TRUE(is_audit_file("/d/a.db", std::string("/d/") + name)) << name;
  for (const char* file : {"/d/a", "/d/a.db2", "/d/b.db", "/d/a.db/x", "/e/a.db", "/e/a.db-wal",
                           "/e/audit-000001.seg", "/d/e/audit-000001.seg", "/d/audit-1", "a.db"})
    EXPECT_FALSE(is_audit_file("/d/a.db", file)) << file;
}

}  // namespace
}  // namespace tollgate::store::testing
