#include "store/reader_connection.hpp"
#include "tollgate/base/digest.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::store {
namespace {

constexpr std::size_t kMaxResultBytes = 64ull << 20;

/// Allows reading tables and calling functions; all else (write, attach, pragma, transaction) not.
int allow_only_select(void*, int action, const char*, const char* detail, const char*,
                      const char*) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_FUNCTION:
      return detail != nullptr && base::iequals(detail, "load_extension") ? SQLITE_DENY : SQLITE_OK;
    default:
      return SQLITE_DENY;
  }
}

class Authorized {
 public:
  explicit Authorized(sqlite3* db) : db_(db) {
    sqlite3_set_authorizer(db, allow_only_select, nullptr);
  }
  Authorized(const Authorized&) = delete;
  Authorized& operator=(const Authorized&) = delete;
  ~Authorized() { sqlite3_set_authorizer(db_, nullptr, nullptr); }

 private:
  sqlite3* db_;
};

SqlValue value_of(const Statement& row, int column, std::size_t& bytes) {
  switch (sqlite3_column_type(row.raw(), column)) {
    case SQLITE_INTEGER:
      return row.integer(column);
    case SQLITE_FLOAT:
      return sqlite3_column_double(row.raw(), column);
    case SQLITE_NULL:
      return std::monostate();
    case SQLITE_BLOB: {
      const std::string_view blob = row.text(column);
      bytes += 2 * blob.size();
      return base::to_hex({reinterpret_cast<const std::uint8_t*>(blob.data()), blob.size()});
    }
    default: {
      const std::string_view text = row.text(column);
      bytes += text.size();
      return std::string(text);
    }
  }
}

base::Error refused(std::string message) {
  return {base::ErrorCode::invalid_request, std::move(message)};
}

}  // namespace

base::Result<SqlTable> AuditReader::sql(std::string_view text, std::size_t max_rows) {
  const Connection::Limited limited(*connection_);
  const Authorized authorized(connection_->db.raw());
  sqlite3_stmt* raw = nullptr;
  const char* rest = nullptr;
  const int prepared = sqlite3_prepare_v2(connection_->db.raw(), text.data(),
                                          static_cast<int>(text.size()), &raw, &rest);
  Statement row(raw);
  if ((prepared & 0xff) == SQLITE_AUTH) return refused("only SELECT is allowed here");
  if (prepared != SQLITE_OK) return refused(connection_->db.error_text());
  if (raw == nullptr) return refused("no statement");
  std::string_view tail(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  if (tail.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
    return refused("one statement at a time");
  }
  if (sqlite3_stmt_readonly(raw) == 0) return refused("only SELECT is allowed here");

  SqlTable table;
  const int columns = sqlite3_column_count(raw);
  for (int i = 0; i < columns; ++i) table.columns.emplace_back(sqlite3_column_name(raw, i));
  std::size_t bytes = 0;
  int rc = SQLITE_OK;
  while ((rc = row.step()) == SQLITE_ROW) {
    if (table.rows.size() >= max_rows || bytes > kMaxResultBytes) {
      table.truncated = true;
      return table;
    }
    auto& values = table.rows.emplace_back();
    values.reserve(static_cast<std::size_t>(columns));
    for (int i = 0; i < columns; ++i) values.push_back(value_of(row, i, bytes));
  }
  if ((rc & 0xff) == SQLITE_INTERRUPT) return connection_->error(rc);
  if (rc != SQLITE_DONE) return refused(connection_->db.error_text());
  return table;
}

}  // namespace tollgate::store
