#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/budget/journal.hpp"

namespace tollgate::store {

/// A hold or settlement that a process left behind without a row.
struct FoundHold {
  std::string request_id;
  domain::budget::Amounts amounts;  ///< held, or charged when `is_settled`
  bool is_settled = false;
  bool is_attempt = false;  ///< of an attempt that was given up
  bool is_estimated = false;
  base::WallTime held_at;
  /// On which scopes, in the order of the call's path.
  std::vector<std::pair<config::ScopeKind, std::string>> scopes;
};

/// What a journal's files say, read and nothing else.
struct FoundJournal {
  bool exists = false;
  std::uint64_t epoch = 0;
  std::vector<FoundHold> holds;  ///< by slot
  std::uint32_t cut = 0;         ///< updates that were under way when the process died
  /// Slots that cannot be believed, or name scopes nobody knows, and why of the first.
  std::uint32_t damaged = 0;
  std::string why;
};

/// The ledger's journal as two files beside the database: `<database>-journal.slots`, whose memory
/// the ledger writes to, and `<database>-journal.names`, one line for each scope.
///
/// Place:     one per process, made before the ledger and gone after it.
/// Threads:   journal() as documented there; on_name any; the rest the owner. One thread of its own
///            grows the file and syncs it: a page that a sync has cleaned faults at the next write,
///            and in that fault the file system may wait for its own journal, so that thread
///            touches the pages again before a worker does.
/// Crash:     of the process: nothing is lost. Of the machine: at most what was written within
///            `sync_interval` and the time of a sync, and as much of the database, whose
///            write-ahead log is synced just before.
/// Disk full: the files keep what they have; holds beyond their slots are refused (`overloaded`).
class JournalFile final : public domain::budget::Journal::Keeper {
 public:
  struct Options {
    std::string database;  ///< path of the audit database
    /// Its write-ahead log, where it really lies (AuditStore::wal_path): what is synced first.
    std::string wal;
    std::chrono::milliseconds sync_interval{1'000};
    /// Called on the journal's thread when a sync or growth fails, and when it works again (empty).
    std::function<void(const std::string& why)> on_state;
  };

  /// Reads what is there. Errors (audit_unavailable): the files cannot be read, or are not a
  /// journal of this version. Damage of single slots is told in the result.
  /// @param epoch  that of the database: files of a start that was cut off are told from it.
  [[nodiscard]] static base::Result<FoundJournal> read(const std::string& database,
                                                       std::uint64_t epoch);
  /// Moves damaged or foreign files aside; says where to.
  static std::vector<std::string> set_aside(const std::string& database, std::string_view suffix);

  /// Makes new, empty files under provisional names: nothing of the old ones changes until adopt().
  [[nodiscard]] static base::Result<std::unique_ptr<JournalFile>> create(Options options,
                                                                         std::uint64_t epoch);
  /// Puts the new files in the place of the old, once what the database has taken over from those
  /// is on disk. Call it when the database names their epoch.
  [[nodiscard]] base::Result<void> adopt();
  ~JournalFile() override;
  JournalFile(const JournalFile&) = delete;
  JournalFile& operator=(const JournalFile&) = delete;

  [[nodiscard]] domain::budget::Journal& journal() noexcept { return journal_; }
  /// The last sync or growth failed, and none has worked since. Any thread.
  [[nodiscard]] bool has_fault() const noexcept {
    return has_fault_.load(std::memory_order_relaxed);
  }
  void start();
  void stop();
  /// Removes the files: all is on record. After stop().
  void remove();
  /// One turn of the thread: grows when due, syncs when `due`.
  void step(bool due);

  void on_name(std::uint32_t number, domain::budget::ScopeName name) noexcept override;
  void on_filling() noexcept override;

 private:
  explicit JournalFile(Options options);
  [[nodiscard]] base::Result<void> open_new(std::uint64_t epoch);
  [[nodiscard]] std::string grow();
  [[nodiscard]] std::string sync();
  [[nodiscard]] std::string sync_log() const;
  [[nodiscard]] std::string write_names();
  void touch(std::uint32_t used) noexcept;
  void run();

  Options options_;
  domain::budget::Journal journal_;
  int slots_fd_ = -1;
  int names_fd_ = -1;
  std::vector<std::byte*> chunks_;
  bool adopted_ = false;
  std::mutex names_mutex_;
  std::string unwritten_names_;
  std::size_t names_size_ = 0;
  bool names_dirty_ = false;
  std::string growth_fault_, sync_fault_, told_fault_;  ///< empty when all is well
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  bool is_filling_ = false;
  std::atomic<bool> has_fault_{false};
  std::thread thread_;
};

}  // namespace tollgate::store
