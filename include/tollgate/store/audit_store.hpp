#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/store/audit_event.hpp"
#include "tollgate/store/audit_record.hpp"
#include "tollgate/store/file_system.hpp"
#include "tollgate/store/stored_key.hpp"

namespace tollgate::store {

/// Why the store cannot take new work; `ready` when it can.
enum class StoreState : std::uint8_t {
  ready,
  low_space,      ///< less than audit.min_free_bytes left; admitted records are still written
  locked,         ///< another process holds the database's write lock
  write_failed,   ///< disk full, IO error, read-only or corrupt file
  file_replaced,  ///< the database file was deleted or exchanged under the running process
  stopped,
};
[[nodiscard]] std::string_view to_string(StoreState state) noexcept;

struct StoreOptions {
  config::Audit audit;
  std::chrono::milliseconds busy_timeout{5'000};    ///< wait for another process's write lock
  std::chrono::milliseconds retry_interval{1'000};  ///< between attempts while writes fail
  std::chrono::milliseconds retention_interval{60'000};
  /// Bodies waiting in the queue; over it a record keeps lengths and digests and loses the bytes.
  std::uint64_t queue_body_bytes = 256ull << 20;
  std::size_t queued_events =
      4'096;                    ///< events not yet written; over it they are counted, and lost
  FileSystem* files = nullptr;  ///< null: posix_file_system()
  std::string vfs;              ///< SQLite VFS; empty: the default
  /// Called on the writer thread on every change of state, with a line for the log.
  std::function<void(StoreState, const std::string& detail)> on_state;
  /// Called on the writer thread after a commit that left records without a row, with a line for
  /// the log that names the first.
  std::function<void(std::uint64_t records, const std::string& first)> on_rejected;
  /// Called on the writer thread right after a commit (on the caller's, when flush_now, step or
  /// stop write), with the slots (LedgerCharge::slot) of all that it settled for good: of charges
  /// on disk, and of those that never will have a row, since their call is on record or they are
  /// empty. Not after a commit without any. The span is good during the call.
  std::function<void(std::span<const std::uint32_t> slots)> on_committed;
  /// Called on the writer thread when a revocation that could not be written at first is on disk.
  std::function<void(const Revocation& revocation)> on_late_revocation;
};

/// Counters and gauges, each readable from any thread at any time.
struct StoreStats {
  std::atomic<std::uint64_t> rows_written{0};     ///< audit rows committed
  std::atomic<std::uint64_t> ledger_rows{0};      ///< ledger rows committed
  std::atomic<std::uint64_t> rows_rejected{0};    ///< repeated ids, and rows the table refused
  std::atomic<std::uint64_t> batches{0};          ///< transactions committed
  std::atomic<std::uint64_t> records_dropped{0};  ///< calls that ran unrecorded (on_full: drop)
  std::atomic<std::uint64_t> bodies_dropped{0};   ///< bodies lost to queue_body_bytes
  std::atomic<std::uint64_t> refusals{0};       ///< admissions refused for want of a slot or state
  std::atomic<std::uint64_t> writer_errors{0};  ///< transactions that failed and were kept
  std::atomic<std::uint64_t> unauthenticated{0};  ///< requests counted by note_unauthenticated
  std::atomic<std::uint64_t> events_written{0};
  std::atomic<std::uint64_t> events_dropped{0};  ///< lost to queued_events
  std::atomic<std::uint64_t> rows_expired{0};    ///< audit rows removed by retention
  std::atomic<std::uint64_t> segments_compressed{0};
  std::atomic<std::uint64_t> slots_in_use{0};      ///< gauge: admitted and not yet committed
  std::atomic<std::uint64_t> queue_body_bytes{0};  ///< gauge
  std::atomic<std::uint64_t> db_bytes{0};          ///< gauge: pages in use
  std::atomic<std::uint64_t> wal_bytes{0};         ///< gauge
  std::atomic<std::uint64_t> segments{0};          ///< gauge: segment files
  std::atomic<std::uint64_t> segment_bytes{0};     ///< gauge: on disk
  std::atomic<std::int64_t> last_commit_us{0};     ///< wall clock; 0 = none yet
  std::atomic<std::uint64_t> writer_cpu_us{0};     ///< CPU time of the writer thread
};

/// What recover() did with the calls it was given.
struct RecoveredCalls {
  std::uint64_t written = 0;
  std::uint64_t on_record = 0;  ///< left out, since they were on record already (or have no id)
  bool operator==(const RecoveredCalls&) const = default;
};

/// What admission decided for one call.
enum class Admission : std::uint8_t {
  reserved,    ///< a slot is taken: end with record() or release()
  unrecorded,  ///< audit.on_full is drop: the call runs, end with record_unreserved()
  refused,     ///< answer audit_unavailable (503)
};

class RecordPacker;

/// The memory in which one thread's records travel to the writer and that comes back from there.
/// One per thread that records often; may be used with any store, and outlive it.
class RecordMemory {
 public:
  RecordMemory();
  ~RecordMemory();

 private:
  friend class AuditStore;
  std::unique_ptr<RecordPacker> packer_;
};

/// The durable record of calls, money and keys: one SQLite file with one writer thread.
///
/// Place:     one per process; workers hand records over, nobody else writes the file.
/// Lifetime:  open -> start -> stop. Without start() the owner drives it with step() or
///            flush_now(); the command line does so when no daemon runs.
/// Threads:   admit, try_reserve, release, record, record_unreserved, note_unauthenticated,
///            note_event, writable, state, stats and wal_path from any thread, without a lock on
///            the record's way. The rest from the owner; the futures of key requests may be waited
///            for anywhere.
/// Invariant: a record that took a slot is never refused and never lost while the process lives;
///            money of a call is committed in one transaction with its audit row, once per id. A
///            record whose id is on record is not written again; one that the table would refuse
///            however often it is tried keeps its money and gets no row. Both are counted and told.
/// Crash:     what was committed survives kill -9; the rows of about one flush interval do not, or,
///            while they are fewer than 16 (and than audit.batch), of up to four.
/// Power:     audit.sync_full decides whether a commit is flushed; without, the last commits may
/// go.
class AuditStore {
 public:
  /// Creates or opens the database, takes the process lock (`<path>.lock`), migrates the schema.
  /// Errors (audit_unavailable) say what to do: in use, newer schema, not ours, corrupt, no access.
  [[nodiscard]] static base::Result<std::unique_ptr<AuditStore>> open(StoreOptions options,
                                                                      const base::Clock& clock);
  ~AuditStore();
  AuditStore(const AuditStore&) = delete;
  AuditStore& operator=(const AuditStore&) = delete;

  /// Starts the writer and the compressor thread.
  void start();
  /// Writes all that is queued, retrying up to `patience` while writes fail, checkpoints the WAL
  /// and ends the threads. The error tells how many records could not be written. Idempotent.
  base::Result<void> stop(std::chrono::milliseconds patience = std::chrono::milliseconds(5'000));

  // ---- the data path ----

  /// Takes a slot for a call, or says what audit.on_full wants. Wait-free.
  [[nodiscard]] Admission admit() noexcept;
  /// Takes a slot; false when none is left or the store is not writable.
  [[nodiscard]] bool try_reserve() noexcept;
  /// Gives a slot back without a record.
  void release() noexcept;
  /// Hands over the record of a call that holds a slot; nothing of it is needed afterwards. The
  /// slot frees when its row is committed.
  void record(const AuditRecord& record, RecordMemory& memory) noexcept;
  /// The same for a caller that records seldom.
  void record(const AuditRecord& record) noexcept;
  /// The end of a call that runs unrecorded: counted, and its money kept (summed per set of scopes
  /// and quarter of an hour as one ledger row), never dropped.
  void record_unreserved(const AuditRecord& record) noexcept;
  /// Counts a request without a valid key, per reason and second. `reason` is of a closed set of
  /// short names; the address kept is that of the second's first. Takes no slot.
  void note_unauthenticated(std::string_view reason, std::string_view address) noexcept;

  /// Hands over an event, which is written with the next records or within a second. Takes no slot;
  /// over StoreOptions::queued_events waiting ones it is counted and lost.
  void note_event(AuditEvent event) noexcept;

  /// Whether new calls can be recorded: readiness, and admission under on_full: refuse.
  [[nodiscard]] bool writable() const noexcept { return state() == StoreState::ready; }
  [[nodiscard]] StoreState state() const noexcept;
  /// One line for /readyz and the log; empty when ready.
  [[nodiscard]] std::string state_detail() const;
  [[nodiscard]] const StoreStats& stats() const noexcept;
  /// Takes over what may change while running: bodies, on_full, flush_interval, batch, retention,
  /// segment_bytes, min_free_bytes. Any thread.
  void reload(const config::Audit& audit);

  // ---- keys ----

  /// Runs on the writer, after the records queued before it, in a transaction of its own; at once
  /// when no writer thread runs. Errors: invalid_request (id or digest taken), audit_unavailable.
  [[nodiscard]] std::future<base::Result<void>> create_key(StoredKey key);
  /// Records the revocation by digest, and marks the key's row when there is one. As above, but
  /// before the records. One that cannot be written (audit_unavailable) stays queued: it is tried
  /// again every retry_interval, and by stop().
  [[nodiscard]] std::future<base::Result<void>> revoke_key(Revocation revocation);
  /// Those not on disk (yet), oldest first; after stop(), those that never will be. Any thread.
  [[nodiscard]] std::vector<Revocation> unwritten_revocations() const;

  // ---- the ledger's crash journal ----

  /// Writes the calls that a crash left open, in one transaction: a row, charges and sums of each
  /// whose request id is not on record yet, in their order, without bodies. Those on record are
  /// left out with their charges, so that it may be repeated. Does not call on_committed. Before
  /// start() only. Error (audit_unavailable): nothing of it was written.
  [[nodiscard]] base::Result<RecoveredCalls> recover(std::span<const AuditRecord> calls);
  /// Notes the identity of the journal that goes with this file, so that a journal that was lost
  /// can be told from a first start. On disk when it returns, as far as any commit is.
  [[nodiscard]] base::Result<void> set_journal_epoch(std::uint64_t epoch);
  /// The identity noted last; absent before the first.
  [[nodiscard]] base::Result<std::optional<std::uint64_t>> journal_epoch();
  /// The database's write-ahead log: fdatasync of it by a descriptor of one's own makes all commits
  /// before it survive a power failure. It stays the same file from open() to stop(). Never open
  /// the database itself for that: closing it would end SQLite's locks, which are the process's.
  [[nodiscard]] const std::string& wal_path() const noexcept;

  // ---- driving it ----

  /// Commits all that was recorded before the call. False when a write failed.
  bool flush_now();
  /// One turn of the writer: at most one batch, then one small piece of upkeep. True when there was
  /// something to do. Not while the writer thread runs.
  bool step();
  /// Compresses one closed segment, if there is one. Not while the threads run.
  bool compress_now();

 private:
  class Engine;
  explicit AuditStore(std::unique_ptr<Engine> engine);
  std::unique_ptr<Engine> engine_;
};

}  // namespace tollgate::store
