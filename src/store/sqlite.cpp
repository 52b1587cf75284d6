#include "store/sqlite.hpp"

namespace tollgate::store {
namespace {

/// Once per process, before SQLite is first used: without its memory statistics an allocation takes
/// no global lock. In vain, and harmless, when something else has used SQLite before.
void configure_library() noexcept {
  static const int configured = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  (void)configured;
}

}  // namespace

int Database::open(const std::string& path, int flags, const std::string& vfs) noexcept {
  configure_library();
  const int rc = sqlite3_open_v2(path.c_str(), &db_, flags | SQLITE_OPEN_NOMUTEX,
                                 vfs.empty() ? nullptr : vfs.c_str());
  if (db_ != nullptr) sqlite3_extended_result_codes(db_, 0);
  return rc;
}

int Database::prepare(std::string_view sql, Statement& out) noexcept {
  out = Statement();
  return sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), 0, &out.stmt_, nullptr);
}

int Database::prepare_kept(std::string_view sql, Statement& out) noexcept {
  out = Statement();
  return sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                            SQLITE_PREPARE_PERSISTENT, &out.stmt_, nullptr);
}

std::int64_t Database::scalar(std::string_view sql, std::int64_t otherwise) noexcept {
  Statement statement;
  if (prepare(sql, statement) != SQLITE_OK) return otherwise;
  return statement.step() == SQLITE_ROW ? statement.integer(0) : otherwise;
}

std::string Database::error_text() const {
  return db_ == nullptr ? "out of memory" : sqlite3_errmsg(db_);
}

}  // namespace tollgate::store
