#include "store/engine.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "store/record_json.hpp"
#include "store/schema.hpp"
#include "store/unavailable.hpp"

namespace tollgate::store {
namespace {

constexpr std::size_t kMaxReason = 32;
constexpr std::size_t kMaxUnauthenticated = 4'096;

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// What pack() would store of the bodies.
std::uint64_t stored_bytes(const AuditRecord& record) {
  std::uint64_t bytes = 0;
  for (const AuditBody* body : {&record.request_body, &record.response_body})
    if (body->captured) bytes += body->stored.size();
  return bytes;
}

}  // namespace

AuditStore::Engine::Engine(StoreOptions o, const base::Clock& clock)
    : options(std::move(o)),
      clock_(clock),
      files_(options.files != nullptr ? *options.files : posix_file_system()),
      directory_(directory_of(options.audit.path)),
      on_full_(options.audit.on_full),
      free_slots_(std::max<std::int64_t>(1, options.audit.queue)),
      queue_(std::max<std::size_t>(1, options.audit.queue)),
      compressor_(files_, directory_) {}

AuditStore::Engine::~Engine() {
  (void)stop(std::chrono::milliseconds(0));
  writer_.reset();
  retention_.reset();
  db_ = Database();
  for (const int fd : {file_fd_, lock_fd_})
    if (fd >= 0) ::close(fd);
}

// ---- opening ----

base::Result<void> AuditStore::Engine::open() {
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) return unavailable("cannot create " + directory_ + ": " + error.message());
  TG_CHECK(lock_file());
  TG_CHECK(open_database());
  writer_.emplace(db_, files_, directory_);
  TG_CHECK(writer_->prepare());
  retention_.emplace(db_, files_, directory_);
  compressor_.enqueue(writer_->take_closed());
  page_size_ = db_.scalar("PRAGMA page_size");
  opened_ = true;
  check_disk();
  publish_state();
  return {};
}

base::Result<void> AuditStore::Engine::lock_file() {
  const std::string path = options.audit.path + ".lock";
  lock_fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_fd_ < 0)
    return unavailable("cannot open " + path + ": " + std::generic_category().message(errno));
  if (::flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    return unavailable(options.audit.path + " is in use by another Tollgate process");
  }
  // The file itself as well, which may have other names: links. Made here with its mode, since
  // SQLite would go by the umask; WAL and shm inherit it. Open for as long as SQLite has it: its
  // locks are the process's, and go with the first descriptor of the file that is closed.
  file_fd_ = ::open(options.audit.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file_fd_ < 0)
    return unavailable("cannot open " + options.audit.path + ": " +
                       std::generic_category().message(errno));
  if (::flock(file_fd_, LOCK_EX | LOCK_NB) != 0)
    return unavailable(options.audit.path + " is in use by another Tollgate process");
  return {};
}

base::Result<void> AuditStore::Engine::open_database() {
  const std::string& path = options.audit.path;
  const auto failed = [&](std::string_view what) {
    return unavailable(std::string(what) + " " + path + ": " + db_.error_text());
  };
  if (db_.open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, options.vfs) != SQLITE_OK) {
    return failed("cannot open");
  }
  sqlite3_busy_timeout(db_.raw(), static_cast<int>(options.busy_timeout.count()));
  if (auto checked = check_schema(db_); checked.has_error()) {
    return unavailable(path + ": " + checked.error().message());
  }
  if (db_.scalar("SELECT count(*) FROM sqlite_schema") == 0 &&
      prepare_empty_file(db_) != SQLITE_OK) {
    return failed("cannot set up");
  }
  Statement mode;
  if (db_.prepare("PRAGMA journal_mode=WAL", mode) != SQLITE_OK || mode.step() != SQLITE_ROW ||
      mode.text(0) != "wal") {
    return failed("cannot use write-ahead logging on");
  }
  mode.reset();
  for (const char* sql :
       {options.audit.sync_full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
        "PRAGMA trusted_schema=OFF", "PRAGMA cell_size_check=ON", "PRAGMA temp_store=MEMORY",
        "PRAGMA cache_size=-8192", "PRAGMA journal_size_limit=67108864"}) {
    if (db_.exec(sql) != SQLITE_OK) return failed("cannot set up");
  }
  if (auto migrated = migrate(db_, newest_schema()); migrated.has_error()) {
    return unavailable(path + ": " + migrated.error().message());
  }
  // The hook replaces automatic checkpoints: the writer makes them when no batch waits.
  sqlite3_wal_hook(
      db_.raw(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Engine*>(self)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      this);
  // SQLite's own name for it: links in the path are followed.
  if (const char* file = sqlite3_db_filename(db_.raw(), "main"); file != nullptr)
    wal_path_ = sqlite3_filename_wal(file);
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) file_inode_ = info.st_ino;
  return {};
}

// ---- any thread ----

bool AuditStore::Engine::try_reserve() noexcept {
  if (state() != StoreState::ready) return false;
  if (free_slots_.fetch_sub(1, std::memory_order_relaxed) > 0) {
    stats.slots_in_use.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  free_slots_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

Admission AuditStore::Engine::admit() noexcept {
  if (try_reserve()) return Admission::reserved;
  if (on_full_.load(std::memory_order_relaxed) == config::AuditOnFull::drop) {
    return Admission::unrecorded;
  }
  stats.refusals.fetch_add(1, std::memory_order_relaxed);
  return Admission::refused;
}

void AuditStore::Engine::release(std::size_t count) noexcept {
  free_slots_.fetch_add(static_cast<std::int64_t>(count), std::memory_order_relaxed);
  stats.slots_in_use.fetch_sub(count, std::memory_order_relaxed);
}

void AuditStore::Engine::record(const AuditRecord& record, RecordPacker& packer) noexcept {
  const std::uint64_t bytes = stored_bytes(record);
  bool with_bodies = bytes > 0;
  if (with_bodies) {
    const std::uint64_t before = stats.queue_body_bytes.fetch_add(bytes, std::memory_order_relaxed);
    if (before + bytes > options.queue_body_bytes) {
      stats.queue_body_bytes.fetch_sub(bytes, std::memory_order_relaxed);
      with_bodies = false;
      for (const AuditBody* body : {&record.request_body, &record.response_body})
        if (!body->stored.empty()) stats.bodies_dropped.fetch_add(1, std::memory_order_relaxed);
    }
  }
  if (queue_.try_push(packer.pack(record, with_bodies, pool_))) {
    if (is_asleep_.load(std::memory_order_seq_cst)) [[unlikely]]
      wake_sleeper();
    return;
  }
  // Only a caller without a slot can get here; its money is kept all the same.
  if (with_bodies) stats.queue_body_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  record_unreserved(record);
}

[[gnu::cold, gnu::noinline]] void AuditStore::Engine::wake_sleeper() noexcept {
  if (!is_asleep_.exchange(false)) return;  // another worker does
  // Once through the mutex: then the writer, which set the flag under it, waits or has woken.
  { const std::lock_guard lock(post_mutex_); }
  wake_.notify_all();
}

void AuditStore::Engine::record_unreserved(const AuditRecord& r) noexcept {
  stats.records_dropped.fetch_add(1, std::memory_order_relaxed);
  std::vector<std::pair<config::ScopeKind, std::string>> scopes;
  for (const AuditScope& scope : r.scopes) scopes.emplace_back(scope.kind, scope.id);
  const std::lock_guard lock(side_mutex_);
  bool has_any = false;
  each_charge(r, [&](const LedgerCharge& charge, std::size_t) {
    const std::int64_t at = charge_time(r, charge).time_since_epoch().count();
    const auto [found, is_new] = unrecorded_.try_emplace(
        {r.principal.key_id, r.principal.agent, r.principal.team, r.principal.org,
         std::string(model_of(r, charge)), std::string(provider_of(r, charge)), scopes,
         floor_to(at, kQuarterUs)});
    UnrecordedSum& sum = found->second;
    if (is_new && !scopes.empty()) {
      append_json(sum.scopes_json, {r.scopes.begin(), r.scopes.size()});
      for (const auto& [kind, id] : found->first.scopes) sum.scopes.push_back({id, kind});
    }
    sum.nusd = add_saturated(sum.nusd, charge.amount.value);
    sum.tokens = add_saturated(sum.tokens, charge.tokens);
    sum.calls += charge.calls;
    sum.estimated |= charge.estimated;
    sum.overrun |= charge.overrun;
    if (charge.slot != kNoSlot) sum.slots.push_back(charge.slot);
    has_any = true;
  });
  if (has_any) has_side_.store(true, std::memory_order_release);
}

void AuditStore::Engine::note_unauthenticated(std::string_view reason,
                                              std::string_view address) noexcept {
  stats.unauthenticated.fetch_add(1, std::memory_order_relaxed);
  const std::int64_t second = clock_.wall().time_since_epoch().count() / 1'000'000;
  const std::lock_guard lock(side_mutex_);
  std::pair<std::int64_t, std::string> key(second, reason.substr(0, kMaxReason));
  if (unauthenticated_.size() >= kMaxUnauthenticated && !unauthenticated_.contains(key)) {
    // Nothing has been written for very long: stay bounded, keep the count.
    key = {unauthenticated_.rbegin()->first.first, "other"};
  }
  UnauthenticatedSum& sum = unauthenticated_[std::move(key)];
  if (sum.count++ == 0) sum.first_address = address;
  has_side_.store(true, std::memory_order_release);
}

void AuditStore::Engine::note_event(AuditEvent event) noexcept {
  if (event.at == base::WallTime{}) event.at = clock_.wall();
  const std::lock_guard lock(side_mutex_);
  if (events_.size() >= options.queued_events) {
    stats.events_dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  events_.push_back(std::move(event));
  has_side_.store(true, std::memory_order_release);
}

void AuditStore::Engine::reload(const config::Audit& audit) {
  const std::lock_guard lock(side_mutex_);
  fresh_audit_ = audit;
  on_full_.store(audit.on_full, std::memory_order_relaxed);
  has_fresh_audit_.store(true, std::memory_order_release);
}

std::string AuditStore::Engine::state_detail() const {
  const std::lock_guard lock(side_mutex_);
  return detail_;
}

std::future<base::Result<void>> AuditStore::Engine::post(Task task) {
  Posted posted{std::move(task), {}};
  auto reply = posted.reply.get_future();
  std::unique_lock lock(post_mutex_);
  switch (posting_) {
    case Posting::closed:
      posted.reply.set_value(unavailable("the store is stopped"));
      break;
    case Posting::threaded:
      posted_.push_back(std::move(posted));
      has_posted_.store(true, std::memory_order_release);
      lock.unlock();
      wake_.notify_all();
      break;
    case Posting::inline_:
      lock.unlock();
      posted.reply.set_value(posted.task());
      break;
  }
  return reply;
}

std::future<base::Result<void>> AuditStore::Engine::post_work(Work work) {
  return post([this, work = std::move(work)]() -> base::Result<void> {
    if (!drain()) return unavailable("the store cannot write", write_detail_);
    return work ? transact(work) : base::Result<void>();
  });
}

std::future<base::Result<void>> AuditStore::Engine::revoke(Revocation revocation) {
  {
    const std::lock_guard lock(side_mutex_);
    const bool is_queued = std::any_of(
        revocations_.begin(), revocations_.end(),
        [&](const Unwritten& queued) { return queued.revocation.digest == revocation.digest; });
    if (!is_queued) revocations_.push_back({std::move(revocation)});
    has_revocations_.store(true, std::memory_order_release);
  }
  return post([this] { return write_revocations(); });
}

std::vector<Revocation> AuditStore::Engine::unwritten_revocations() const {
  std::vector<Revocation> out;
  const std::lock_guard lock(side_mutex_);
  for (const Unwritten& queued : revocations_) out.push_back(queued.revocation);
  return out;
}

}  // namespace tollgate::store
