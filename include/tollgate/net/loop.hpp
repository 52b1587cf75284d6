#pragma once

#include <array>
#include <atomic>
#include <boost/intrusive/set.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/net/socket.hpp"

namespace tollgate::net {

class Channel;
using ChannelPtr = boost::intrusive_ptr<Channel>;

/// What a channel connects to. Channels of one kind are handled together within a turn: they run
/// the same code.
enum class Cohort : std::uint8_t { agents, upstreams };

/// One thread's event loop: epoll, timers, posted work, and the order in which a turn does things.
///
/// A turn has three phases (docs/adr/0009-own-loop.md): first it is noted which sockets have
/// something; then each is read and who waits for it runs, agents' connections together, upstreams'
/// together; then what they wrote is sent, socket after socket, and who wrote runs on. So request
/// handling and answer handling each stay in the cache while they run for a whole turn's
/// connections, and a peer that was woken by one send finds the others without being woken.
///
/// Threads: `post` from any; everything else on the thread that turns it (or before it turns).
/// Exceptions of posted work and timers end the process: what a connection's code throws is caught
/// in its coroutine, so only memory that is exhausted is left (ADR 9).
class Loop {
 public:
  /// Told of a descriptor's events, in a turn's first phase: notes them, or asks the kernel, but
  /// runs no code that could close or destroy a source.
  class Source {
   public:
    virtual void on_events(std::uint32_t events) noexcept = 0;

   protected:
    ~Source() = default;
  };
  /// Calls back once at a point in time. Resolution: about a millisecond, never early. Destroyed or
  /// started anew while it waits, it forgets the former callback. Threads: its loop's.
  class Timer : public boost::intrusive::set_base_hook<
                    boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    explicit Timer(Loop& loop) noexcept : loop_(loop) {}
    void start(base::MonoTime at, std::function<void()> then);
    /// Calls back in the loop's next turn instead of at its time. Nothing if it does not wait.
    void hurry() noexcept;
    void stop() noexcept { unlink(); }

    friend bool operator<(const Timer& a, const Timer& b) noexcept { return a.at_ < b.at_; }

   private:
    friend class Loop;
    Loop& loop_;
    base::MonoTime at_{};
    std::function<void()> then_;
  };

  /// Throws std::system_error when the kernel has no descriptors to give.
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// `source` hears of `events` (EPOLL...) of `fd` until the descriptor is closed or removed; it
  /// lives as long. Fails when the kernel has no memory or no watch left (limited per user):
  /// ENOMEM, ENOSPC.
  [[nodiscard]] error_code add(int fd, Source& source, std::uint32_t events) noexcept;
  void remove(int fd) noexcept;

  /// In this turn or the next: the channel reads and is resumed, or writes.
  void resume_soon(Channel& channel);
  void write_soon(Channel& channel);
  /// Runs `work` in the next turn. Any thread.
  void post(std::function<void()> work);

  /// One turn: waits for events until `limit` at most, or for none when there is work already.
  void turn(base::MonoTime limit);
  /// When the connection that is being handled was read: for deadlines and as the time its bytes
  /// came, one look at the clock for all of them. May be earlier than what was noted of the clock
  /// since: a duration from the one to the other is made of the later of both.
  [[nodiscard]] base::MonoTime read_time() const noexcept { return read_time_; }
  /// No timer is set and nothing is left to run. Descriptors may be watched.
  [[nodiscard]] bool is_idle() const noexcept { return timers_.empty() && !has_work(); }

 private:
  static constexpr std::size_t kCohorts = 2;
  using Channels = std::array<std::vector<ChannelPtr>, kCohorts>;
  class Wake;

  [[nodiscard]] bool has_work() const noexcept;
  void wait(base::MonoTime limit);
  void run_posted();
  void run_timers();
  void resume();
  void write();

  base::MonoTime read_time_ = std::chrono::steady_clock::now();
  int epoll_ = -1;
  int wake_fd_ = -1;
  std::unique_ptr<Wake> wake_;
  boost::intrusive::multiset<Timer, boost::intrusive::constant_time_size<false>> timers_;
  Channels to_resume_, resuming_;
  Channels to_write_, writing_;

  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;  ///< under posted_mutex_
  std::atomic<bool> has_posted_{false};
  std::vector<std::function<void()>> running_;
};

}  // namespace tollgate::net
