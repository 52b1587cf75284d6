#include "tollgate/net/worker.hpp"

#include <pthread.h>

namespace tollgate::net {
namespace {
/// Deadlines are seconds; 50 ms late at most is cheaper than a timer per operation (-5 us a call).
constexpr auto kSweepInterval = std::chrono::milliseconds(50);
}  // namespace

Worker::Worker(unsigned index, const base::Clock& clock) : index_(index), clock_(clock) {}

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
  while (!releasing_ || !channels_.empty() || !loop_.is_idle()) loop_.turn(base::MonoTime::max());
}

void Worker::release() {
  post([this] {
    releasing_ = true;
    sweep_timer_.hurry();
  });
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::post(std::function<void()> work) {
  loop_.post(std::move(work));
}

void Worker::sweep() {
  const base::MonoTime now = clock_.mono();
  if (now >= next_sweep_) lag_ns_.store((now - next_sweep_).count(), std::memory_order_relaxed);
  next_sweep_ = now + kSweepInterval;
  // Who waited is resumed in a later phase: no channel leaves the list in here.
  for (Channel& channel : channels_) channel.check_deadlines(now);
  for (const auto& hook : sweep_hooks_) hook(now);
  // While releasing, sweep on only as long as connections are left to be timed out.
  if (releasing_ && channels_.empty()) return;
  sweep_timer_.start(std::chrono::steady_clock::now() + kSweepInterval, [this] { sweep(); });
}

Worker::SleepAwaiter Worker::sleep_until(base::Deadline deadline, pipeline::CancelSignal* cancel) {
  return SleepAwaiter(*this, deadline, cancel);
}

void Worker::SleepAwaiter::await_suspend(std::coroutine_handle<> caller) {
  timer_.start(deadline_.at(), [caller] { caller.resume(); });
  if (cancel_ != nullptr) cancel_->attach(this);
}

bool Worker::SleepAwaiter::await_resume() noexcept {
  if (cancel_ == nullptr) return true;
  cancel_->detach();
  return !cancel_->cancelled();
}

}  // namespace tollgate::net
