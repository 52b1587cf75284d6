#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

#include "store/batch.hpp"
#include "store/batch_writer.hpp"
#include "store/compressor.hpp"
#include "store/record_pool.hpp"
#include "store/retention.hpp"
#include "store/sqlite.hpp"
#include "tollgate/base/id.hpp"
#include "tollgate/base/mpsc_queue.hpp"
#include "tollgate/store/audit_store.hpp"

namespace tollgate::store {

/// The store behind its public face: the shared part (slots, queue, side tables under short
/// mutexes) and the writer's own part, which only one thread touches.
class AuditStore::Engine {
 public:
  Engine(StoreOptions options, const base::Clock& clock);
  ~Engine();
  [[nodiscard]] base::Result<void> open();

  // Any thread.
  Admission admit() noexcept;
  bool try_reserve() noexcept;
  void release(std::size_t count) noexcept;
  void record(const AuditRecord& record, RecordPacker& packer) noexcept;
  void record_unreserved(const AuditRecord& record) noexcept;
  void note_unauthenticated(std::string_view reason, std::string_view address) noexcept;
  void note_event(AuditEvent event) noexcept;
  void wake_sleeper() noexcept;
  void reload(const config::Audit& audit);
  [[nodiscard]] StoreState state() const noexcept { return state_.load(std::memory_order_acquire); }
  [[nodiscard]] std::string state_detail() const;

  using Task = std::function<base::Result<void>()>;
  /// Runs on the writer; at once when no thread runs.
  std::future<base::Result<void>> post(Task task);
  using Work = std::function<base::Result<void>(Database&)>;
  /// Posts a transaction of its own, after all records handed over before.
  std::future<base::Result<void>> post_work(Work work);
  std::future<base::Result<void>> revoke(Revocation revocation);
  [[nodiscard]] std::vector<Revocation> unwritten_revocations() const;

  // Owner.
  void start();
  base::Result<void> stop(std::chrono::milliseconds patience);
  bool flush_now();
  bool step();
  bool compress_now() { return compressor_.step(); }
  [[nodiscard]] base::Result<RecoveredCalls> recover(std::span<const AuditRecord> calls);
  [[nodiscard]] const std::string& wal_path() const noexcept { return wal_path_; }

  StoreStats stats;
  StoreOptions options;

 private:
  struct Posted {
    Task task;
    std::promise<base::Result<void>> reply;
  };

  // Writer only (engine_writer.cpp).
  struct Turn {
    bool did = false;   ///< something was done
    bool more = false;  ///< a full batch: more records are waiting
  };
  void run();
  void wait(bool is_idle);
  enum class Gather : std::uint8_t { now, later };  ///< whether to begin a batch
  [[nodiscard]] Turn turn(Gather when);
  void gather(bool everything);
  [[nodiscard]] bool commit_batch(bool now);
  [[nodiscard]] bool drain();
  void run_posted();
  [[nodiscard]] base::Result<void> transact(const Work& work);
  base::Result<void> write_revocations();
  void note_result(const CommitResult& result);
  void note_commit(const CommitResult& result);

  // Writer only (engine_upkeep.cpp).
  [[nodiscard]] bool upkeep();
  void take_over_reload();
  void check_disk();
  [[nodiscard]] bool note_compressed();
  [[nodiscard]] bool expire();
  [[nodiscard]] bool checkpoint_when_due();
  void checkpoint(int mode);
  void publish_state();
  [[nodiscard]] BatchWriter::Limits limits() const;

  [[nodiscard]] base::Result<void> lock_file();
  [[nodiscard]] base::Result<void> open_database();

  const base::Clock& clock_;
  FileSystem& files_;
  std::string directory_;
  std::string wal_path_;
  int lock_fd_ = -1;
  int file_fd_ = -1;  ///< the database, for its lock
  bool opened_ = false;

  // Shared.
  std::atomic<StoreState> state_{StoreState::stopped};
  std::atomic<config::AuditOnFull> on_full_;
  alignas(64) std::atomic<std::int64_t> free_slots_;
  RecordPool pool_;
  base::MpscQueue<PackedPtr> queue_;
  mutable std::mutex side_mutex_;  ///< the members below; held for a map insertion at most
  UnauthenticatedSums unauthenticated_;
  UnrecordedSums unrecorded_;
  std::vector<AuditEvent> events_;
  std::atomic<bool> has_side_{false};
  struct Unwritten {
    Revocation revocation;
    bool is_late = false;  ///< a try has failed
  };
  std::vector<Unwritten> revocations_;  ///< one per key at most; only the writer removes
  std::atomic<bool> has_revocations_{false};
  std::string detail_;
  config::Audit fresh_audit_;
  std::atomic<bool> has_fresh_audit_{false};
  std::mutex post_mutex_;
  std::condition_variable wake_;
  enum class Posting : std::uint8_t { inline_, threaded, closed };
  Posting posting_ = Posting::inline_;
  std::deque<Posted> posted_;
  std::atomic<bool> has_posted_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> is_asleep_{false};  ///< whoever pushes a record wakes the writer
  std::thread thread_;

  // Writer.
  Database db_;
  std::optional<BatchWriter> writer_;
  std::optional<Retention> retention_;
  Compressor compressor_;
  Batch batch_;
  base::IdGenerator ids_;
  StoreState write_state_ = StoreState::ready;  ///< what writing came to, without the space check
  std::string write_detail_;
  StoreState disk_state_ = StoreState::ready;  ///< what the space and file check came to
  std::string disk_detail_;
  base::MonoTime next_try_{}, next_side_{}, next_disk_check_{}, next_checkpoint_{},
      next_retention_{}, next_revocations_{};
  std::int64_t wal_pages_ = 0;      ///< set by SQLite's hook after each commit
  std::int64_t checkpoint_at_ = 0;  ///< pages
  std::int64_t page_size_ = 0;
  bool is_checkpointed_ = true;
  std::uint64_t file_inode_ = 0;
};

}  // namespace tollgate::store
