#include "tollgate/net/worker.hpp"

#include <pthread.h>

#include <boost/asio/post.hpp>

namespace tollgate::net {
namespace {
/// Deadlines are seconds; 50 ms late at most is cheaper than a timer per operation (-5 us a call).
constexpr auto kSweepInterval = std::chrono::milliseconds(50);
}  // namespace

Worker::Worker(unsigned index, const base::Clock& clock)
    : index_(index), clock_(clock), io_(1), guard_(io_.get_executor()), sweep_timer_(io_) {}

Worker::~Worker() {
  join();
}

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

void Worker::run() {
  pthread_setname_np(pthread_self(), ("worker-" + std::to_string(index_)).c_str());
  next_sweep_ = clock_.mono() + kSweepInterval;
  sweep();
  io_.run();
}

void Worker::release() {
  post([this] {
    releasing_ = true;
    guard_.reset();
    sweep_timer_.cancel();
  });
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::post(std::function<void()> work) {
  asio::post(io_, std::move(work));
}

void Worker::sweep() {
  const base::MonoTime now = clock_.mono();
  if (now >= next_sweep_) lag_ns_.store((now - next_sweep_).count(), std::memory_order_relaxed);
  next_sweep_ = now + kSweepInterval;
  for (auto it = channels_.begin(); it != channels_.end();) {
    Channel& channel = *it++;  // closing completes later, but may drop the last owner's reference
    channel.check_deadlines(now);
  }
  for (const auto& hook : sweep_hooks_) hook(now);
  // While releasing, sweep on only as long as connections are left to be timed out.
  if (releasing_ && channels_.empty()) return;
  sweep_timer_.expires_after(kSweepInterval);
  sweep_timer_.async_wait([this](const error_code&) { sweep(); });
}

Worker::SleepAwaiter Worker::sleep_until(base::Deadline deadline, pipeline::CancelSignal* cancel) {
  return SleepAwaiter(*this, deadline, cancel);
}

void Worker::SleepAwaiter::await_suspend(std::coroutine_handle<> caller) {
  timer_.expires_at(
      std::chrono::time_point_cast<std::chrono::steady_clock::duration>(deadline_.at()));
  timer_.async_wait([caller](const error_code&) { caller.resume(); });
  if (cancel_ != nullptr) cancel_->attach(this);
}

bool Worker::SleepAwaiter::await_resume() noexcept {
  if (cancel_ == nullptr) return true;
  cancel_->detach();
  return !cancel_->cancelled();
}

}  // namespace tollgate::net
