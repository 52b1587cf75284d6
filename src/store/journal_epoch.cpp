#include "store/journal_epoch.hpp"

namespace tollgate::store {
namespace {

base::Error failed(const Database& db) {
  return {base::ErrorCode::audit_unavailable, "the journal's mark cannot be used", db.error_text()};
}

}  // namespace

base::Result<void> write_journal_epoch(Database& db, std::uint64_t epoch) {
  Statement set;
  if (db.prepare("INSERT INTO mark(name, at) VALUES('journal_epoch', ?) "
                 "ON CONFLICT DO UPDATE SET at = excluded.at",
                 set) != SQLITE_OK) {
    return failed(db);
  }
  set.bind(1, static_cast<std::int64_t>(epoch));
  if (set.run() != SQLITE_OK) return failed(db);
  return {};
}

base::Result<void> read_journal_epoch(Database& db, std::optional<std::uint64_t>& epoch) {
  epoch.reset();
  Statement row;
  if (db.prepare("SELECT at FROM mark WHERE name='journal_epoch'", row) != SQLITE_OK) {
    return failed(db);
  }
  const int rc = row.step();
  if (rc == SQLITE_ROW) epoch = static_cast<std::uint64_t>(row.integer(0));
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) return failed(db);
  return {};
}

}  // namespace tollgate::store
