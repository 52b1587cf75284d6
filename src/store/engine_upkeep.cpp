#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "store/engine.hpp"

namespace tollgate::store {
namespace {

/// 8 MB: larger logs save rewriting hot pages, and cost start-up time.
constexpr std::int64_t kCheckpointPages = 1'000;
constexpr std::chrono::seconds kCheckpointInterval(5);
constexpr std::chrono::milliseconds kCheckpointPause(200);
constexpr std::chrono::seconds kDiskInterval(1);
constexpr std::uint64_t kSmallestSegment = 64 * 1024;

}  // namespace

BatchWriter::Limits AuditStore::Engine::limits() const {
  std::uint64_t segment = options.audit.segment_bytes;
  // Retention removes whole segments, so one may not be a large part of the limit.
  if (options.audit.retention_bytes > 0) {
    segment = std::min(segment, options.audit.retention_bytes / 8);
  }
  return {std::max(segment, kSmallestSegment), options.audit.sync_full};
}

bool AuditStore::Engine::upkeep() {
  bool did = note_compressed();
  did = checkpoint_when_due() || did;
  return expire() || did;
}

void AuditStore::Engine::take_over_reload() {
  const std::lock_guard lock(side_mutex_);
  has_fresh_audit_.store(false, std::memory_order_relaxed);
  config::Audit& audit = options.audit;
  audit.bodies = fresh_audit_.bodies;
  audit.on_full = fresh_audit_.on_full;
  audit.batch = fresh_audit_.batch;
  audit.retention_age = fresh_audit_.retention_age;
  audit.retention_bytes = fresh_audit_.retention_bytes;
  audit.segment_bytes = fresh_audit_.segment_bytes;
  audit.min_free_bytes = fresh_audit_.min_free_bytes;
  audit.flush_interval = fresh_audit_.flush_interval;
  next_retention_ = {};
  next_disk_check_ = {};
}

void AuditStore::Engine::check_disk() {
  next_disk_check_ = clock_.mono() + kDiskInterval;
  disk_state_ = StoreState::ready;
  disk_detail_.clear();
  std::uint64_t free = 0;
  const int error = files_.free_bytes(directory_, free);
  if (options.audit.min_free_bytes > 0 && error == 0 && free < options.audit.min_free_bytes) {
    disk_state_ = StoreState::low_space;
    disk_detail_ = "only " + std::to_string(free) + " bytes free in " + directory_ +
                   ", audit.min_free_bytes is " + std::to_string(options.audit.min_free_bytes);
  }
  struct stat info {};
  if (::stat(options.audit.path.c_str(), &info) != 0 || info.st_ino != file_inode_) {
    // Rows written now would go to a file nobody can open again.
    disk_state_ = StoreState::file_replaced;
    disk_detail_ = options.audit.path + " was deleted or replaced; put it back or restart";
  }
  const auto count = [&](const char* sql) { return static_cast<std::uint64_t>(db_.scalar(sql)); };
  stats.db_bytes.store((count("PRAGMA page_count") - count("PRAGMA freelist_count")) *
                           static_cast<std::uint64_t>(page_size_),
                       std::memory_order_relaxed);
  stats.segments.store(count("SELECT count(*) FROM segment"), std::memory_order_relaxed);
  stats.segment_bytes.store(count("SELECT coalesce(sum(file_bytes), 0) FROM segment"),
                            std::memory_order_relaxed);
  publish_state();
}

bool AuditStore::Engine::note_compressed() {
  const auto finished = compressor_.take_finished();
  for (const Compressor::Finished& segment : finished) {
    Statement update;
    if (db_.prepare("UPDATE segment SET state='compressed', file_bytes=? WHERE id=?", update) !=
        SQLITE_OK) {
      continue;  // found again at the next start
    }
    update.bind(1, static_cast<std::int64_t>(segment.file_bytes));
    update.bind(2, segment.id);
    if (update.run() == SQLITE_OK) {
      stats.segments_compressed.fetch_add(1, std::memory_order_relaxed);
    }
  }
  return !finished.empty();
}

bool AuditStore::Engine::expire() {
  const base::MonoTime now = clock_.mono();
  if (now < next_retention_) return false;
  const Retention::Limits limits{options.audit.retention_age, options.audit.retention_bytes};
  const Retention::Step step =
      retention_->step(clock_.wall(), limits, compressor_.busy(), writer_->open_segment());
  if (step.rc != SQLITE_OK) stats.writer_errors.fetch_add(1, std::memory_order_relaxed);
  stats.rows_expired.fetch_add(step.rows, std::memory_order_relaxed);
  bool more = step.rc == SQLITE_OK && step.more;
  if (step.wants_segment && writer_->close_segment() == SQLITE_OK) {
    // Not worth compressing: the next step removes it.
    (void)writer_->take_closed();
    more = true;
  }
  next_retention_ = more ? now : now + options.retention_interval;
  return more || step.rows > 0;
}

bool AuditStore::Engine::checkpoint_when_due() {
  if (is_checkpointed_) return false;
  const base::MonoTime now = clock_.mono();
  const bool full = wal_pages_ >= std::max(checkpoint_at_, kCheckpointPages);
  // Not at every batch, even while readers keep the log from starting anew.
  if (now < (full ? next_checkpoint_ - kCheckpointInterval + kCheckpointPause : next_checkpoint_)) {
    return false;
  }
  next_checkpoint_ = now + kCheckpointInterval;
  checkpoint(SQLITE_CHECKPOINT_PASSIVE);
  return true;
}

void AuditStore::Engine::checkpoint(int mode) {
  int in_log = 0;
  int done = 0;
  const int rc = sqlite3_wal_checkpoint_v2(db_.raw(), nullptr, mode, &in_log, &done);
  if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
    stats.writer_errors.fetch_add(1, std::memory_order_relaxed);
  }
  is_checkpointed_ = rc == SQLITE_OK && in_log == done;
  // A reader may hold pages back: then wait for another 8 MB before trying again.
  checkpoint_at_ = is_checkpointed_ ? 0 : wal_pages_ + kCheckpointPages;
  if (mode == SQLITE_CHECKPOINT_TRUNCATE && is_checkpointed_) {
    wal_pages_ = 0;
    stats.wal_bytes.store(0, std::memory_order_relaxed);
  }
}

void AuditStore::Engine::publish_state() {
  // What writing says is more telling than what the space check says.
  const bool writes = write_state_ == StoreState::ready;
  const StoreState next = writes ? disk_state_ : write_state_;
  const std::string& detail = writes ? disk_detail_ : write_detail_;
  bool changed = false;
  {
    const std::lock_guard lock(side_mutex_);
    changed = state_.exchange(next, std::memory_order_acq_rel) != next;
    detail_ = detail;
  }
  if (changed && options.on_state) options.on_state(next, detail);
}

}  // namespace tollgate::store
