#include <pthread.h>
#include <signal.h>

#include <ctime>
#include <thread>
#include <tuple>
#include <utility>

#include "store/engine.hpp"
#include "store/key_rows.hpp"

namespace tollgate::store {
namespace {

constexpr std::uint64_t kBatchBodyBytes = 16ull << 20;
/// A transaction costs as much as some thirty rows. Fewer calls than this (and than audit.batch, so
/// that 1 means no wait) wait for more to come, at most for kMostTicks flush intervals; what a
/// crash can take stays about as much as at full load.
constexpr std::size_t kFewRecords = 16;
/// With as many records in hand or waiting the writer lets nobody run in between (Batch::give_way):
/// under load it would give away a whole slice each time, and fall behind for ever.
constexpr std::size_t kManyRecords = 512;
constexpr int kMostTicks = 4;
/// After this many turns with nothing to do the writer sleeps until a record comes, but not longer
/// than its other duties (free space, counts of failed authentication, retention) may wait. At more
/// than a call or so per second no worker pays for a wake-up, and an idle daemon rests.
constexpr int kIdleTurns = 40;
constexpr std::chrono::milliseconds kLongestSleep(1'000);

std::uint64_t thread_cpu_us() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(used.tv_nsec) / 1'000;
}

}  // namespace

void AuditStore::Engine::start() {
  const std::lock_guard lock(post_mutex_);
  if (posting_ != Posting::inline_) return;
  posting_ = Posting::threaded;
  stopping_ = false;
  compressor_.start();
  thread_ = std::thread([this] { run(); });
}

void AuditStore::Engine::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  pthread_setname_np(pthread_self(), "tg-store");
  int ticks = 0;  // since the queue was empty
  int idle = 0;   // turns in a row without anything to do
  while (!stopping_.load(std::memory_order_acquire)) {
    const std::size_t waiting = queue_.size();
    ticks = waiting == 0 ? 0 : ticks + 1;
    const std::size_t enough = std::min<std::size_t>(kFewRecords, options.audit.batch);
    const bool few = waiting > 0 && waiting < enough && ticks < kMostTicks;
    const Turn done = turn(few ? Gather::later : Gather::now);
    if (!few) ticks = 0;
    // The clock of a thread is a system call: not when there was nothing to do.
    if (done.did) stats.writer_cpu_us.store(thread_cpu_us(), std::memory_order_relaxed);
    if (done.more) continue;
    idle = waiting > 0 || done.did || !batch_.empty() ? 0 : idle + 1;
    wait(idle >= kIdleTurns);
  }
}

void AuditStore::Engine::wait(bool is_idle) {
  // Polled: a producer does not pay for a wake-up. Key requests and stop() do wake.
  auto most = std::max(options.audit.flush_interval, std::chrono::milliseconds(1));
  std::unique_lock lock(post_mutex_);
  if (is_idle) {
    most = std::max(most, kLongestSleep);
    is_asleep_.store(true, std::memory_order_seq_cst);
  }
  wake_.wait_for(lock, most, [&] {
    return !posted_.empty() || stopping_.load() || (is_idle && queue_.size() > 0);
  });
  is_asleep_.store(false, std::memory_order_relaxed);
}

base::Result<void> AuditStore::Engine::stop(std::chrono::milliseconds patience) {
  {
    const std::lock_guard lock(post_mutex_);
    if (posting_ == Posting::closed) return {};
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  compressor_.stop();
  if (!opened_) return {};
  constexpr std::chrono::milliseconds kPause(100);
  // By the real clock: a try can take as long as the busy timeout, when another process has the
  // lock.
  const auto give_up = std::chrono::steady_clock::now() + patience;
  run_posted();
  const auto write_all = [this] {
    const bool revoked = !write_revocations().has_error();
    return std::pair(drain(), revoked);
  };
  auto [drained, revoked] = write_all();
  while (!(drained && revoked) && std::chrono::steady_clock::now() + kPause <= give_up) {
    std::this_thread::sleep_for(kPause);
    std::tie(drained, revoked) = write_all();
  }
  std::deque<Posted> late;
  {
    const std::lock_guard lock(post_mutex_);
    posting_ = Posting::closed;
    late.swap(posted_);
  }
  for (Posted& posted : late) {
    posted.reply.set_value(base::Error(base::ErrorCode::audit_unavailable, "the store is stopped"));
  }
  (void)note_compressed();
  if (drained) checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
  const std::size_t lost = batch_.records.size() + queue_.size();
  const std::string why = write_detail_;
  write_state_ = disk_state_ = StoreState::stopped;
  publish_state();
  writer_.reset();
  retention_.reset();
  db_ = Database();
  if (drained) return {};
  return base::Error(base::ErrorCode::audit_unavailable,
                     std::to_string(lost) + " records could not be written: " + why);
}

bool AuditStore::Engine::step() {
  if (!opened_ || state() == StoreState::stopped) return false;
  return turn(Gather::now).did;
}

bool AuditStore::Engine::flush_now() {
  return post_work({}).get().has_value();
}

AuditStore::Engine::Turn AuditStore::Engine::turn(Gather when) {
  Turn done;
  if (has_fresh_audit_.load(std::memory_order_acquire)) take_over_reload();
  if (clock_.mono() >= next_disk_check_) check_disk();
  if (batch_.empty() && when == Gather::now) gather(false);
  if (!batch_.empty()) {
    done.more = batch_.records.size() >= options.audit.batch || batch_.body_bytes > kBatchBodyBytes;
    const bool due = write_state_ == StoreState::ready || clock_.mono() >= next_try_;
    done.did = due && commit_batch(false);
    done.more = done.more && done.did;
  }
  if (has_posted_.load(std::memory_order_acquire)) {
    run_posted();
    done.did = true;
  }
  if (has_revocations_.load(std::memory_order_acquire) && clock_.mono() >= next_revocations_ &&
      !write_revocations().has_error())
    done.did = true;
  if (write_state_ == StoreState::ready && upkeep()) done.did = true;
  return done;
}

void AuditStore::Engine::gather(bool everything) {
  PackedPtr record;
  const std::size_t most = std::max<std::size_t>(1, options.audit.batch);
  while (batch_.records.size() < most && batch_.body_bytes <= kBatchBodyBytes &&
         queue_.try_pop(record)) {
    batch_.body_bytes += record->bodies().size();
    batch_.records.push_back(std::move(record));
  }
  batch_.gives_way = batch_.records.size() + queue_.size() < kManyRecords;
  if (!has_side_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(side_mutex_);
  // Counts of failed authentication, and events, alone are worth one transaction a second.
  const base::MonoTime now = clock_.mono();
  if (batch_.records.empty() && unrecorded_.empty() && !everything && now < next_side_) return;
  next_side_ = now + std::chrono::seconds(1);
  batch_.unauthenticated.swap(unauthenticated_);
  batch_.unrecorded.swap(unrecorded_);
  batch_.events.swap(events_);
  has_side_.store(false, std::memory_order_relaxed);
  for (auto& [who, sum] : batch_.unrecorded) sum.call_id = ids_.next("agg_", clock_.wall());
}

bool AuditStore::Engine::commit_batch(bool now) {
  if (batch_.empty()) return true;
  if (!now && write_state_ != StoreState::ready && clock_.mono() < next_try_) return false;
  CommitResult result;
  if (disk_state_ == StoreState::file_replaced) {
    result.state = disk_state_;  // a commit would succeed, into a file that is gone
    result.detail = disk_detail_;
  } else {
    result = writer_->commit(batch_, limits());
  }
  note_result(result);
  if (result.state != StoreState::ready) return false;
  if (options.on_committed && !writer_->slots().empty()) options.on_committed(writer_->slots());
  const std::size_t records = batch_.records.size();
  stats.queue_body_bytes.fetch_sub(batch_.body_bytes, std::memory_order_relaxed);
  pool_.give_back(batch_.records);
  batch_.clear();
  release(records);
  compressor_.enqueue(writer_->take_closed());
  return true;
}

void AuditStore::Engine::note_result(const CommitResult& result) {
  write_state_ = result.state;
  write_detail_ = result.detail;
  if (result.state == StoreState::ready) {
    stats.rows_rejected.fetch_add(result.rejected, std::memory_order_relaxed);
    if (result.rejected > 0 && options.on_rejected) {
      options.on_rejected(result.rejected, result.rejected_why);
    }
    stats.events_written.fetch_add(batch_.events.size(), std::memory_order_relaxed);
    note_commit(result);
  } else {
    stats.writer_errors.fetch_add(1, std::memory_order_relaxed);
    next_try_ = clock_.mono() + options.retry_interval;
  }
  publish_state();
}

void AuditStore::Engine::note_commit(const CommitResult& result) {
  stats.rows_written.fetch_add(result.audit_rows, std::memory_order_relaxed);
  stats.ledger_rows.fetch_add(result.ledger_rows, std::memory_order_relaxed);
  stats.batches.fetch_add(1, std::memory_order_relaxed);
  stats.last_commit_us.store(clock_.wall().time_since_epoch().count(), std::memory_order_relaxed);
  stats.wal_bytes.store(static_cast<std::uint64_t>(wal_pages_ * page_size_),
                        std::memory_order_relaxed);
  is_checkpointed_ = false;
}

base::Result<RecoveredCalls> AuditStore::Engine::recover(std::span<const AuditRecord> calls) {
  const auto failed = [](const std::string& detail) {
    return base::Error(base::ErrorCode::audit_unavailable,
                       "the calls found open after a crash cannot be written", detail);
  };
  {
    const std::lock_guard lock(post_mutex_);
    if (posting_ != Posting::inline_) return failed("the store's writer runs");
  }
  if (calls.empty()) return RecoveredCalls{};
  if (!drain()) return failed(write_detail_);
  if (disk_state_ == StoreState::file_replaced) return failed(disk_detail_);
  // A batch of its own: one that fails is not to be tried again behind the caller's back.
  Batch batch;
  RecordPacker packer;
  for (const AuditRecord& call : calls) batch.records.push_back(packer.pack(call, false, pool_));
  const CommitResult result = writer_->recover(batch);
  if (result.state != StoreState::ready) {
    stats.writer_errors.fetch_add(1, std::memory_order_relaxed);
    return failed(result.detail);
  }
  note_commit(result);
  return RecoveredCalls{result.audit_rows, result.rejected};
}

bool AuditStore::Engine::drain() {
  for (;;) {
    if (batch_.empty()) gather(true);
    if (batch_.empty()) return true;
    if (!commit_batch(true)) return false;
  }
}

void AuditStore::Engine::run_posted() {
  std::deque<Posted> taken;
  {
    const std::lock_guard lock(post_mutex_);
    taken.swap(posted_);
    has_posted_.store(false, std::memory_order_relaxed);
  }
  for (Posted& posted : taken) posted.reply.set_value(posted.task());
}

base::Result<void> AuditStore::Engine::transact(const Work& work) {
  const auto failed = [](const std::string& detail) {
    return base::Error(base::ErrorCode::audit_unavailable, "the store cannot write", detail);
  };
  if (disk_state_ == StoreState::file_replaced) return failed(disk_detail_);
  if (db_.exec("BEGIN IMMEDIATE") != SQLITE_OK) return failed(db_.error_text());
  auto result = work(db_);
  if (result.has_error()) {
    db_.rollback();
    return result;
  }
  if (db_.exec("COMMIT") != SQLITE_OK) {
    auto error = failed(db_.error_text());
    db_.rollback();
    return error;
  }
  is_checkpointed_ = false;
  return result;
}

/// Not behind the records: what keeps a batch from being written need not keep out a revocation.
base::Result<void> AuditStore::Engine::write_revocations() {
  std::vector<Unwritten> queued;
  {
    const std::lock_guard lock(side_mutex_);
    queued = revocations_;
  }
  if (queued.empty()) return {};
  auto written = transact([&queued](Database& db) -> base::Result<void> {
    for (const Unwritten& one : queued) TG_CHECK(insert_revocation(db, one.revocation));
    return {};
  });
  const auto count = static_cast<std::ptrdiff_t>(queued.size());
  {
    const std::lock_guard lock(side_mutex_);
    if (written.has_error()) {
      for (auto one = revocations_.begin(); one != revocations_.begin() + count; ++one)
        one->is_late = true;
    } else {
      revocations_.erase(revocations_.begin(), revocations_.begin() + count);
      has_revocations_.store(!revocations_.empty(), std::memory_order_relaxed);
    }
  }
  if (written.has_error()) {
    next_revocations_ = clock_.mono() + options.retry_interval;
    return written;
  }
  for (const Unwritten& one : queued)
    if (one.is_late && options.on_late_revocation) options.on_late_revocation(one.revocation);
  return {};
}

}  // namespace tollgate::store
