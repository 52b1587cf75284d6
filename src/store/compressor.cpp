#include "store/compressor.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "store/segments.hpp"

namespace tollgate::store {

void Compressor::start() {
  if (thread_.joinable()) return;
  stopping_ = false;
  thread_ = std::thread([this] { run(); });
}

void Compressor::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Compressor::enqueue(const std::vector<std::int64_t>& ids) {
  if (ids.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    waiting_.insert(waiting_.end(), ids.begin(), ids.end());
  }
  wake_.notify_all();
}

bool Compressor::step() {
  std::int64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return false;
    id = waiting_.front();
    waiting_.pop_front();
    busy_ = id;
  }
  std::uint64_t bytes = 0;
  const int error = compress_segment(files_, directory_, id, stopping_, bytes);
  const std::lock_guard lock(mutex_);
  busy_ = 0;
  if (error == 0) {
    finished_.push_back({id, bytes});
    return true;
  }
  // ENOENT: retention was faster. Anything else (no space, say) is tried again later.
  if (error != ENOENT) waiting_.push_front(id);
  return false;
}

std::vector<Compressor::Finished> Compressor::take_finished() {
  const std::lock_guard lock(mutex_);
  return std::exchange(finished_, {});
}

void Compressor::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  pthread_setname_np(pthread_self(), "tg-zstd");
  // On Linux policy and nice value are per thread. A core on which only SCHED_IDLE runs counts as
  // idle where the kernel places a thread that wakes; beside mere niceness it would be sent to the
  // worker's core. Where it is forbidden, niceness has to do.
  const sched_param none{};
  (void)sched_setscheduler(0, SCHED_IDLE, &none);
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 19);
  for (;;) {
    const bool done = step();
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    if (waiting_.empty()) {
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    } else if (!done) {
      wake_.wait_for(lock, std::chrono::seconds(10), [this] { return stopping_.load(); });
    }
    if (stopping_) return;
  }
}

}  // namespace tollgate::store
