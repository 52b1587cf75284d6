#include "tollgate/net/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "tollgate/net/channel.hpp"

namespace tollgate::net {
namespace {

/// Events taken at one look. The code of a phase stays in the cache for that many connections,
/// which is nearly all there is to gain; the first of them waits for the others to be read, some
/// hundred microseconds. More events wait for the next turn.
constexpr int kEventsPerTurn = 128;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::system_category(), what);
}

}  // namespace

/// Posted work waits: that is all its edge says, and the turn that sees it runs the work. The
/// counter is never read; edges come all the same.
class Loop::Wake final : public Loop::Source {
 public:
  void on_events(std::uint32_t) noexcept override {}
};

Loop::Loop() : wake_(std::make_unique<Wake>()) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) fail("epoll_create1");
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) {
    ::close(epoll_);
    fail("eventfd");
  }
  if (const error_code error = add(wake_fd_, *wake_, EPOLLIN | EPOLLET)) {
    ::close(wake_fd_);
    ::close(epoll_);
    throw std::system_error(error, "epoll_ctl");
  }
}

Loop::~Loop() {
  ::close(wake_fd_);
  ::close(epoll_);
}

error_code Loop::add(int fd, Source& source, std::uint32_t events) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &source;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return {errno, boost::system::system_category()};
}

void Loop::remove(int fd) noexcept {
  (void)::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::resume_soon(Channel& channel) {
  to_resume_[static_cast<std::size_t>(channel.cohort())].emplace_back(&channel);
}

void Loop::write_soon(Channel& channel) {
  to_write_[static_cast<std::size_t>(channel.cohort())].emplace_back(&channel);
}

void Loop::post(std::function<void()> work) {
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(work));
    if (has_posted_.exchange(true)) return;  // whoever set it has woken the loop
  }
  // Cannot fail for want of room: every turn that runs posted work takes one of 2^64.
  (void)::eventfd_write(wake_fd_, 1);
}

bool Loop::has_work() const noexcept {
  const auto any = [](const Channels& channels) {
    return std::any_of(channels.begin(), channels.end(), [](const auto& c) { return !c.empty(); });
  };
  return any(to_resume_) || any(to_write_) || has_posted_.load();
}

void Loop::turn(base::MonoTime limit) {
  wait(limit);
  read_time_ = std::chrono::steady_clock::now();
  run_posted();
  run_timers();
  resume();
  write();
}

void Loop::wait(base::MonoTime limit) {
  int timeout = 0;
  if (!has_work()) {
    if (!timers_.empty()) limit = std::min(limit, timers_.begin()->at_);
    const base::MonoTime now = std::chrono::steady_clock::now();
    // Rounded up: a timer is never early. An hour is as good as never.
    if (limit > now)
      timeout = static_cast<int>(std::min(std::chrono::ceil<std::chrono::milliseconds>(limit - now),
                                          std::chrono::milliseconds(std::chrono::hours(1)))
                                     .count());
  }
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = ::epoll_wait(epoll_, events.data(), kEventsPerTurn, timeout);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    static_cast<Source*>(event.data.ptr)->on_events(event.events);
  }
}

void Loop::run_posted() {
  if (!has_posted_.load()) return;
  {
    const std::lock_guard lock(posted_mutex_);
    running_.swap(posted_);
    has_posted_.store(false);
  }
  for (const auto& work : running_) work();
  running_.clear();
}

void Loop::run_timers() {
  while (!timers_.empty() && timers_.begin()->at_ <= read_time_) {
    Timer& timer = *timers_.begin();
    timers_.erase(timers_.begin());
    const auto then = std::move(timer.then_);  // `timer` may be destroyed by what it calls
    then();
  }
}

void Loop::resume() {
  for (std::size_t cohort = 0; cohort < kCohorts; ++cohort) {
    auto& channels = resuming_[cohort];
    channels.swap(to_resume_[cohort]);
    for (const ChannelPtr& channel : channels) {
      read_time_ = std::chrono::steady_clock::now();
      channel->resume();
    }
    channels.clear();
  }
}

void Loop::write() {
  for (std::size_t cohort = 0; cohort < kCohorts; ++cohort) {
    auto& channels = writing_[cohort];
    channels.swap(to_write_[cohort]);
    // Those the kernel takes no more from wait for their sockets by themselves.
    for (ChannelPtr& channel : channels)
      if (!channel->write_now()) channel = nullptr;
  }
  // Only now: what is resumed does other work, and may write again.
  for (auto& channels : writing_) {
    for (const ChannelPtr& channel : channels)
      if (channel) channel->end_write();
    channels.clear();
  }
}

void Loop::Timer::start(base::MonoTime at, std::function<void()> then) {
  unlink();
  at_ = at;
  then_ = std::move(then);
  loop_.timers_.insert(*this);
}

void Loop::Timer::hurry() noexcept {
  if (!is_linked()) return;
  unlink();
  at_ = base::MonoTime::min();
  loop_.timers_.insert(*this);
}

}  // namespace tollgate::net
