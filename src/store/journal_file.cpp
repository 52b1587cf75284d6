#include "tollgate/store/journal_file.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "store/journal_layout.hpp"
#include "store/unavailable.hpp"

namespace tollgate::store {

using domain::budget::Journal;
using journal_layout::Header;

namespace {

/// Memory beyond the slots in use that is kept ready.
constexpr std::uint32_t kSlotsAhead = 64;
constexpr std::size_t kPage = 4'096;

std::string errno_text(std::string_view what) {
  return std::string(what) + ": " + std::generic_category().message(errno);
}

bool write_at(int fd, std::size_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
    offset += static_cast<std::size_t>(count);
  }
  return true;
}

int open_private(const std::string& path) {
  return ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/// So that a file's name survives a power failure as its bytes do.
void sync_directory(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

JournalFile::JournalFile(Options options) : options_(std::move(options)), journal_(this) {}

base::Result<std::unique_ptr<JournalFile>> JournalFile::create(Options options,
                                                               std::uint64_t epoch) {
  std::unique_ptr<JournalFile> file(new JournalFile(std::move(options)));
  TG_CHECK(file->open_new(epoch));
  return file;
}

base::Result<void> JournalFile::open_new(std::uint64_t epoch) {
  const std::string slots = journal_layout::slots_path(options_.database) + ".new";
  const std::string names = journal_layout::names_path(options_.database) + ".new";
  slots_fd_ = open_private(slots);
  if (slots_fd_ < 0) return unavailable(errno_text("cannot make " + slots));
  names_fd_ = open_private(names);
  if (names_fd_ < 0) return unavailable(errno_text("cannot make " + names));
  const Header header = journal_layout::make_header(epoch, journal_layout::boot_id());
  const std::string_view bytes(reinterpret_cast<const char*>(&header), sizeof header);
  const std::string head = journal_layout::names_head(epoch);
  if (!write_at(slots_fd_, 0, bytes) || !write_at(names_fd_, 0, head))
    return unavailable(errno_text("cannot write " + slots));
  names_size_ = head.size();
  if (const std::string why = grow(); !why.empty()) return unavailable(why);
  if (::fsync(slots_fd_) != 0 || ::fsync(names_fd_) != 0)
    return unavailable(errno_text("cannot sync " + slots));
  return {};
}

base::Result<void> JournalFile::adopt() {
  if (const std::string why = sync_log(); !why.empty()) return unavailable(why);
  // The names first: slots without their names would be a journal that cannot be read.
  for (const std::string& path : {journal_layout::names_path(options_.database),
                                  journal_layout::slots_path(options_.database)}) {
    if (std::rename((path + ".new").c_str(), path.c_str()) != 0)
      return unavailable(errno_text("cannot put " + path + " in place"));
  }
  sync_directory(options_.database);
  adopted_ = true;
  return {};
}

JournalFile::~JournalFile() {
  stop();
  for (std::byte* const chunk : chunks_) ::munmap(chunk, Journal::kChunkBytes);
  for (const int fd : {slots_fd_, names_fd_})
    if (fd >= 0) ::close(fd);
}

void JournalFile::remove() {
  const std::string suffix = adopted_ ? "" : ".new";
  ::unlink((journal_layout::slots_path(options_.database) + suffix).c_str());
  ::unlink((journal_layout::names_path(options_.database) + suffix).c_str());
}

std::string JournalFile::grow() {
  if (chunks_.size() == Journal::kMaxChunks) return {};
  const std::size_t begin = sizeof(Header) + chunks_.size() * Journal::kChunkBytes;
  // All of it on disk: a write to a page without a place would end the process when the disk is
  // full.
  if (const int error = ::posix_fallocate(slots_fd_, static_cast<off_t>(begin),
                                          static_cast<off_t>(Journal::kChunkBytes))) {
    return "the ledger's journal cannot grow: " + std::generic_category().message(error);
  }
  // Not through the mapping, which would make all of it a part of this process's memory.
  std::vector<std::byte> chunk(Journal::kChunkBytes);
  Journal::format(chunk);
  const std::string_view bytes(reinterpret_cast<const char*>(chunk.data()), chunk.size());
  if (!write_at(slots_fd_, begin, bytes)) return errno_text("the ledger's journal cannot grow");
  void* const memory = ::mmap(nullptr, Journal::kChunkBytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                              slots_fd_, static_cast<off_t>(begin));
  if (memory == MAP_FAILED) return errno_text("the ledger's journal cannot be mapped");
  chunks_.push_back(static_cast<std::byte*>(memory));
  journal_.grow(chunks_.back());
  return {};
}

void JournalFile::touch(std::uint32_t used) noexcept {
  std::size_t slots = std::min<std::size_t>(std::size_t{used} + kSlotsAhead, journal_.capacity());
  for (std::byte* const chunk : chunks_) {
    const std::size_t here = std::min<std::size_t>(slots, Journal::kChunkSlots);
    for (std::size_t at = 0; at < here * Journal::kSlotBytes; at += kPage) {
      // Adds nothing, atomically: a worker may be writing the slot that begins here.
      auto* const byte = reinterpret_cast<std::uint64_t*>(chunk + at);
      __atomic_fetch_add(byte, std::uint64_t{0}, __ATOMIC_RELAXED);
    }
    slots -= here;
  }
}

std::string JournalFile::sync_log() const {
  const std::string& wal = options_.wal;
  const int fd = ::open(wal.c_str(), O_RDONLY | O_CLOEXEC);
  // SQLite keeps it as long as the database is open, so it is there or something is wrong.
  if (fd < 0) return errno_text("cannot open " + wal);
  const bool synced = ::fdatasync(fd) == 0;
  std::string why = synced ? "" : errno_text("cannot sync " + wal);
  ::close(fd);
  return why;
}

std::string JournalFile::sync() {
  // The database first: a slot freed since its row was committed must not reach the disk before
  // that row does.
  if (std::string why = sync_log(); !why.empty()) return why;
  if (std::string why = write_names(); !why.empty()) return why;
  std::size_t slots = journal_.high_water();
  for (std::byte* const chunk : chunks_) {
    const std::size_t here = std::min<std::size_t>(slots, Journal::kChunkSlots);
    const std::size_t bytes = (here * Journal::kSlotBytes + kPage - 1) / kPage * kPage;
    if (bytes > 0 && ::msync(chunk, bytes, MS_SYNC) != 0)
      return errno_text("cannot sync the ledger's journal");
    slots -= here;
  }
  return {};
}

std::string JournalFile::write_names() {
  const std::lock_guard lock(names_mutex_);
  if (!unwritten_names_.empty()) {
    // Over what an earlier try may have left there.
    if (!write_at(names_fd_, names_size_, unwritten_names_))
      return errno_text("cannot write the names of the ledger's journal");
    names_size_ += unwritten_names_.size();
    unwritten_names_.clear();
    names_dirty_ = true;
  }
  if (names_dirty_ && ::fdatasync(names_fd_) != 0)
    return errno_text("cannot sync the names of the ledger's journal");
  names_dirty_ = false;
  return {};
}

void JournalFile::on_name(std::uint32_t number, domain::budget::ScopeName name) noexcept {
  const std::lock_guard lock(names_mutex_);
  const std::string line = journal_layout::name_line(number, name);
  // What a full disk does not take is tried again with each sync, before slots that name it count.
  if (unwritten_names_.empty() && write_at(names_fd_, names_size_, line)) {
    names_size_ += line.size();
    names_dirty_ = true;
    return;
  }
  unwritten_names_ += line;
}

void JournalFile::on_filling() noexcept {
  {
    const std::lock_guard lock(mutex_);
    is_filling_ = true;
  }
  wake_.notify_all();
}

void JournalFile::start() {
  thread_ = std::thread([this] { run(); });
}

void JournalFile::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  pthread_setname_np(pthread_self(), "tg-journal");
  auto next_sync = std::chrono::steady_clock::now() + options_.sync_interval;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_until(lock, next_sync, [this] { return stopping_ || is_filling_; });
    is_filling_ = false;
    lock.unlock();
    const auto now = std::chrono::steady_clock::now();
    const bool due = now >= next_sync;
    step(due);
    if (due) next_sync = now + options_.sync_interval;
    lock.lock();
  }
}

void JournalFile::step(bool due) {
  // Half of it is left for the calls that come before the next turn.
  if (journal_.high_water() > journal_.capacity() / 2) growth_fault_ = grow();
  if (const std::uint32_t used = due ? journal_.take_written() : 0;
      used > 0 || (due && !sync_fault_.empty())) {
    sync_fault_ = sync();
    touch(used);
  }
  std::string fault = growth_fault_.empty() ? sync_fault_ : growth_fault_;
  if (fault == told_fault_) return;
  told_fault_ = std::move(fault);
  has_fault_.store(!told_fault_.empty(), std::memory_order_relaxed);
  if (options_.on_state) options_.on_state(told_fault_);
}

void JournalFile::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  step(true);
}

}  // namespace tollgate::store
