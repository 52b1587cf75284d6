#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <coroutine>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/task.hpp"
#include "tollgate/net/channel.hpp"
#include "tollgate/net/loop.hpp"
#include "tollgate/pipeline/cancel.hpp"

namespace tollgate::net {

/// One thread with one event loop (Loop). A connection, its session and its upstream leases live
/// and die on one worker, so nothing on it needs a lock (DESIGN §7).
///
/// Threads: `post` and `stop` from anywhere; everything else on the worker's own thread, or before
/// `start`.
class Worker {
 public:
  Worker(unsigned index, const base::Clock& clock);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();
  /// Lets the loop end once its last channel and timer are gone; does not cancel anything.
  void release();
  void join();

  [[nodiscard]] unsigned index() const noexcept { return index_; }
  [[nodiscard]] Loop& loop() noexcept { return loop_; }
  [[nodiscard]] const base::Clock& clock() const noexcept { return clock_; }
  [[nodiscard]] base::MonoTime now() const noexcept { return clock_.mono(); }
  /// When the bytes were read that are being handled now (Loop::read_time).
  [[nodiscard]] base::MonoTime read_time() const noexcept { return loop_.read_time(); }
  void post(std::function<void()> work);

  /// Puts a channel under the deadline sweep; it leaves by itself when destroyed.
  void track(Channel& channel) { channels_.push_back(channel); }

  /// Runs at every sweep (about 50 ms): lag measurement, idle trimming.
  void on_sweep(std::function<void(base::MonoTime)> hook) {
    sweep_hooks_.push_back(std::move(hook));
  }

  /// Awaits `deadline`, or returns early with false when `cancel` fires. Resolution: a real timer,
  /// about a millisecond. For waits that are rare (backoff, demo delays), not per operation.
  class SleepAwaiter;
  [[nodiscard]] SleepAwaiter sleep_until(base::Deadline deadline, pipeline::CancelSignal* cancel);

  /// How late the last sweep was: the loop's lag, for /metrics. Any thread.
  [[nodiscard]] std::chrono::nanoseconds lag() const noexcept {
    return std::chrono::nanoseconds(lag_ns_.load(std::memory_order_relaxed));
  }

 private:
  void run();
  void sweep();

  unsigned index_;
  const base::Clock& clock_;
  Loop loop_;
  Loop::Timer sweep_timer_{loop_};
  boost::intrusive::list<Channel, boost::intrusive::constant_time_size<false>> channels_;
  std::vector<std::function<void(base::MonoTime)>> sweep_hooks_;
  std::atomic<std::int64_t> lag_ns_{0};
  base::MonoTime next_sweep_;
  bool releasing_ = false;
  std::thread thread_;
};

class Worker::SleepAwaiter final : public pipeline::CancelSlot {
 public:
  SleepAwaiter(Worker& worker, base::Deadline deadline, pipeline::CancelSignal* cancel)
      : timer_(worker.loop()), deadline_(deadline), cancel_(cancel) {}
  [[nodiscard]] bool await_ready() const noexcept {
    return cancel_ != nullptr && cancel_->cancelled();
  }
  void await_suspend(std::coroutine_handle<> caller);
  /// False when cancelled.
  bool await_resume() noexcept;
  void on_cancel() noexcept override { timer_.hurry(); }

 private:
  Loop::Timer timer_;
  base::Deadline deadline_;
  pipeline::CancelSignal* cancel_;
};

}  // namespace tollgate::net
