#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "support/temp_dir.hpp"
#include "tollgate/store/audit_reader.hpp"
#include "tollgate/store/audit_store.hpp"

namespace tollgate::store::testing {

/// 2026-11-23 12:00:00 UTC: on a quarter of an hour.
inline constexpr std::int64_t kNoonUs = 1'795'435'200'000'000;
inline base::WallTime at(std::int64_t us) {
  return base::WallTime(std::chrono::microseconds(us));
}
inline constexpr std::int64_t kMinuteUs = 60ll * 1'000'000;

/// Time that moves when told to.
class ManualClock final : public base::Clock {
 public:
  [[nodiscard]] base::MonoTime mono() const noexcept override { return mono_; }
  [[nodiscard]] base::WallTime wall() const noexcept override { return wall_; }
  void advance(std::chrono::microseconds by) {
    mono_ += by;
    wall_ += by;
  }
  void set_wall(std::int64_t us) { wall_ = at(us); }

 private:
  base::MonoTime mono_{std::chrono::hours(1)};
  base::WallTime wall_ = at(kNoonUs);
};

/// The machine's files, with each operation made to fail on demand.
class FaultyFiles final : public FileSystem {
 public:
  int fail_write = 0;  ///< errno of every write; 0 = none
  int fail_sync = 0;
  int fail_remove = 0;
  int fail_rename = 0;
  std::uint64_t free = 1ull << 40;
  std::uint64_t partial = 0;  ///< bytes of a failing write that reach the disk
  int syncs = 0;

  int open(const std::string& path, Mode mode, std::unique_ptr<File>& out) override {
    std::unique_ptr<File> inner;
    const int error = posix_file_system().open(path, mode, inner);
    if (error == 0) out = std::make_unique<FaultyFile>(*this, std::move(inner));
    return error;
  }
  int remove(const std::string& path) override {
    return fail_remove != 0 ? fail_remove : posix_file_system().remove(path);
  }
  int rename(const std::string& from, const std::string& to) override {
    return fail_rename != 0 ? fail_rename : posix_file_system().rename(from, to);
  }
  int list(const std::string& directory, std::vector<std::string>& names) override {
    return posix_file_system().list(directory, names);
  }
  int free_bytes(const std::string&, std::uint64_t& out) override {
    out = free;
    return 0;
  }

 private:
  class FaultyFile final : public File {
   public:
    FaultyFile(FaultyFiles& owner, std::unique_ptr<File> inner)
        : owner_(owner), inner_(std::move(inner)) {}
    int write_at(std::uint64_t offset, std::span<const std::string_view> pieces) override {
      if (owner_.fail_write != 0) {
        const std::string_view some = pieces.front().substr(0, owner_.partial);
        if (!some.empty()) (void)inner_->write_at(offset, {&some, 1});
        return owner_.fail_write;
      }
      return inner_->write_at(offset, pieces);
    }
    int read_at(std::uint64_t offset, std::span<char> into, std::size_t& got) override {
      return inner_->read_at(offset, into, got);
    }
    int truncate(std::uint64_t size) override { return inner_->truncate(size); }
    int sync() override {
      ++owner_.syncs;
      return owner_.fail_sync != 0 ? owner_.fail_sync : inner_->sync();
    }
    int size(std::uint64_t& out) override { return inner_->size(out); }

   private:
    FaultyFiles& owner_;
    std::unique_ptr<File> inner_;
  };
};

inline AuditBody body_of(std::string text) {
  AuditBody body;
  body.captured = true;
  body.full_bytes = text.size();
  body.sha256 = base::sha256(text);
  // A record does not own its bodies: these live as long as the tests.
  static std::deque<std::string> kept;
  body.stored = kept.emplace_back(std::move(text));
  return body;
}

/// A plain successful call; each test changes what it is about.
inline AuditRecord call(const std::string& id, std::int64_t cost = 0) {
  AuditRecord r;
  r.request_id = id;
  r.started = at(kNoonUs);
  r.principal.key_id = "key-1";
  r.principal.agent = "agent-1";
  r.principal.team = "team-1";
  r.principal.org = "org-1";
  r.surface = "openai";
  r.method = "POST";
  r.path = "/v1/chat/completions";
  r.model_asked = "fast";
  r.model_served = "gpt-x";
  r.provider = "openai";
  r.deployment = "fast/openai/gpt-x";
  r.status = 200;
  r.cost = {cost};
  return r;
}

/// A store in a directory of its own, driven by hand.
class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    options_.audit.path = dir_.file("tollgate.db");
    options_.audit.queue = 64;
    options_.audit.batch = 16;
    options_.audit.min_free_bytes = 0;
    options_.busy_timeout = std::chrono::milliseconds(1);
    options_.files = &files_;
    options_.on_state = [this](StoreState state, const std::string&) { states_.push_back(state); };
  }
  void open() {
    auto opened = AuditStore::open(options_, clock_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    store_ = std::move(*opened);
  }
  void close() { store_.reset(); }
  void reopen() {
    close();
    open();
  }
  void put(AuditRecord record) {
    ASSERT_TRUE(store_->try_reserve());
    store_->record(record);
  }
  [[nodiscard]] std::unique_ptr<AuditReader> reader() {
    ReaderOptions options;
    options.files = &files_;
    auto opened = AuditReader::open(options_.audit.path, options);
    if (opened.has_error()) throw std::runtime_error(opened.error().message());
    return std::move(*opened);
  }
  /// The first column of the first row of a query, on a connection of its own.
  [[nodiscard]] std::int64_t number(const std::string& sql) {
    sqlite3* db = nullptr;
    sqlite3_stmt* stmt = nullptr;
    std::int64_t value = -1;
    sqlite3_open_v2(options_.audit.path.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr);
    if (sqlite3_prepare_v2(db, sql.c_str(), -1, &stmt, nullptr) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
      value = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
  }
  /// Runs SQL as somebody with the file in hand would.
  void tamper(const std::string& sql) {
    sqlite3* db = nullptr;
    sqlite3_open_v2(options_.audit.path.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK)
        << (error != nullptr ? error : "");
    sqlite3_free(error);
    sqlite3_close(db);
  }

  tollgate::testing::TempDir dir_;
  FaultyFiles files_;
  ManualClock clock_;
  StoreOptions options_;
  std::vector<StoreState> states_;
  std::unique_ptr<AuditStore> store_;
};

}  // namespace tollgate::store::testing
