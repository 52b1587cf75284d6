#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

/// Thin owners of SQLite's handles. Everything returns SQLite's result codes: the writer must tell
/// "full" from "busy", and nothing here throws.
namespace tollgate::store {

/// A prepared statement; finalised with it. Parameters and columns count from where SQLite does
/// (1 and 0). Bound text and blobs must live until the next reset.
class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* owned) noexcept : stmt_(owned) {}
  Statement(Statement&& other) noexcept : stmt_(other.stmt_) { other.stmt_ = nullptr; }
  Statement& operator=(Statement&& other) noexcept {
    std::swap(stmt_, other.stmt_);
    return *this;
  }
  ~Statement() { sqlite3_finalize(stmt_); }

  void bind(int index, std::int64_t value) noexcept { sqlite3_bind_int64(stmt_, index, value); }
  void bind(int index, std::string_view text) noexcept {
    // A null pointer would bind NULL; an empty text is not NULL.
    sqlite3_bind_text64(stmt_, index, text.data() == nullptr ? "" : text.data(), text.size(),
                        SQLITE_STATIC, SQLITE_UTF8);
  }
  void bind_or_null(int index, std::string_view text) noexcept {
    if (text.empty()) {
      sqlite3_bind_null(stmt_, index);
    } else {
      bind(index, text);
    }
  }
  void bind(int index, std::span<const std::uint8_t> blob) noexcept {
    sqlite3_bind_blob64(stmt_, index, blob.data(), blob.size(), SQLITE_STATIC);
  }
  void bind_null(int index) noexcept { sqlite3_bind_null(stmt_, index); }

  int step() noexcept { return sqlite3_step(stmt_); }
  /// Runs a statement that returns no rows and makes it ready for the next use.
  int run() noexcept {
    const int rc = sqlite3_step(stmt_);
    sqlite3_reset(stmt_);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
  }
  void reset() noexcept { sqlite3_reset(stmt_); }

  [[nodiscard]] std::int64_t integer(int column) const noexcept {
    return sqlite3_column_int64(stmt_, column);
  }
  /// Valid until the next step or reset.
  [[nodiscard]] std::string_view text(int column) const noexcept {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(stmt_, column));
    if (data == nullptr) return {};
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(stmt_, column))};
  }
  [[nodiscard]] bool is_null(int column) const noexcept {
    return sqlite3_column_type(stmt_, column) == SQLITE_NULL;
  }
  [[nodiscard]] sqlite3_stmt* raw() const noexcept { return stmt_; }

 private:
  friend class Database;
  sqlite3_stmt* stmt_ = nullptr;
};

/// Gives a statement back in its ready state, whatever way the scope is left.
class ScopedReset {
 public:
  explicit ScopedReset(Statement& statement) noexcept : statement_(statement) {}
  ScopedReset(const ScopedReset&) = delete;
  ScopedReset& operator=(const ScopedReset&) = delete;
  ~ScopedReset() { statement_.reset(); }

 private:
  Statement& statement_;
};

/// One connection, used by one thread at a time (SQLITE_OPEN_NOMUTEX).
class Database {
 public:
  Database() = default;
  Database(Database&& other) noexcept : db_(other.db_) { other.db_ = nullptr; }
  Database& operator=(Database&& other) noexcept {
    std::swap(db_, other.db_);
    return *this;
  }
  ~Database() { sqlite3_close_v2(db_); }

  /// `vfs` empty: the default one. After a failure error_text() may be asked.
  int open(const std::string& path, int flags, const std::string& vfs = {}) noexcept;
  int exec(const char* sql) noexcept { return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr); }
  int prepare(std::string_view sql, Statement& out) noexcept;
  /// Prepares for many uses.
  int prepare_kept(std::string_view sql, Statement& out) noexcept;
  /// The first column of the first row of a query as a number; `otherwise` when there is none.
  [[nodiscard]] std::int64_t scalar(std::string_view sql, std::int64_t otherwise = 0) noexcept;
  [[nodiscard]] std::string error_text() const;
  [[nodiscard]] sqlite3* raw() const noexcept { return db_; }
  /// Ends a failed transaction; SQLite may already have done so itself.
  void rollback() noexcept {
    if (sqlite3_get_autocommit(db_) == 0) exec("ROLLBACK");
  }

 private:
  sqlite3* db_ = nullptr;
};

}  // namespace tollgate::store
