#include "tollgate/store/audit_files.hpp"

#include <gtest/gtest.h>

namespace tollgate::store {
namespace {

TEST(AuditFiles, AreTheDatabaseAndWhatIsMadeBesideIt) {
  for (const char* name : {"a.db", "a.db-wal", "a.db-shm", "a.db-journal", "a.db.lock",
                           "audit-000001.seg", "audit-1234567.seg.zst", "audit-000002.seg.zst.tmp"})
    EXPECT_TRUE(is_audit_file("/d/a.db", std::string("/d/") + name)) << name;
  for (const char* file : {"/d/a", "/d/a.db2", "/d/b.db", "/d/a.db/x", "/e/a.db", "/e/a.db-wal",
                           "/e/audit-000001.seg", "/d/e/audit-000001.seg", "/d/audit-1", "a.db"})
    EXPECT_FALSE(is_audit_file("/d/a.db", file)) << file;
}

}  // namespace
}  // namespace tollgate::store
