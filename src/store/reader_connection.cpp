#include "store/reader_connection.hpp"

#include <algorithm>

#include "store/schema.hpp"

namespace tollgate::store {
namespace {

constexpr std::size_t kMostAsked = 1'000'000;

const base::Clock& system_clock() {
  static const base::SystemClock clock;
  return clock;
}

}  // namespace

AuditReader::Connection::Connection(const std::string& file, const ReaderOptions& options)
    : path(file),
      files(options.files != nullptr ? *options.files : posix_file_system()),
      clock(options.clock != nullptr ? *options.clock : system_clock()),
      time_limit(options.time_limit) {
  const std::size_t slash = path.rfind('/');
  directory = slash == std::string::npos ? "." : path.substr(0, slash);
}

base::Result<void> AuditReader::Connection::open() {
  const auto failed = [&] {
    return base::Error(base::ErrorCode::audit_unavailable,
                       "cannot read " + path + ": " + db.error_text());
  };
  if (db.open(path, SQLITE_OPEN_READONLY) != SQLITE_OK) return failed();
  sqlite3_busy_timeout(db.raw(), 1'000);
  for (const char* sql : {"PRAGMA query_only=ON", "PRAGMA trusted_schema=OFF",
                          "PRAGMA cell_size_check=ON", "PRAGMA cache_size=-4096"}) {
    if (db.exec(sql) != SQLITE_OK) return failed();
  }
  if (auto checked = check_schema(db); checked.has_error()) {
    return base::Error(base::ErrorCode::audit_unavailable, path + ": " + checked.error().message());
  }
  const std::int64_t version = db.scalar("PRAGMA user_version", -1);
  if (version != newest_schema()) {
    return base::Error(base::ErrorCode::audit_unavailable,
                       path + " has schema " + std::to_string(version) + ", this Tollgate reads " +
                           std::to_string(newest_schema()) +
                           "; start the daemon once to migrate it");
  }
  // Table-valued functions are declared at their first use, which the authorizer of user SQL would
  // take for a CREATE TABLE: use them once before.
  for (const char* sql : {"SELECT 1 FROM json_each('[]')", "SELECT 1 FROM json_tree('[]')"}) {
    if (db.exec(sql) != SQLITE_OK) return failed();
  }
  // Bounds what one value of a user's query may take in memory.
  sqlite3_limit(db.raw(), SQLITE_LIMIT_LENGTH, 16 << 20);
  return {};
}

base::Error AuditReader::Connection::error(int rc) const {
  if ((rc & 0xff) == SQLITE_INTERRUPT) {
    return {base::ErrorCode::audit_unavailable,
            "the query took longer than " + std::to_string(time_limit.count()) + " ms"};
  }
  return {base::ErrorCode::audit_unavailable, "cannot read " + path + ": " + db.error_text()};
}

AuditReader::Connection::Limited::Limited(Connection& connection, std::size_t asked)
    : connection_(connection) {
  const auto times = static_cast<std::int64_t>(1 + std::min(asked, kMostAsked) / 1'000);
  connection.deadline =
      base::Deadline::after(connection.clock.mono(), times * connection.time_limit);
  sqlite3_progress_handler(
      connection.db.raw(), 1'000,
      [](void* self) {
        const auto& c = *static_cast<Connection*>(self);
        return c.deadline.passed(c.clock.mono()) ? 1 : 0;
      },
      &connection);
}

AuditReader::Connection::Limited::~Limited() {
  sqlite3_progress_handler(connection_.db.raw(), 0, nullptr, nullptr);
}

}  // namespace tollgate::store
