#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "tollgate/net/loop.hpp"

namespace tollgate::test {

/// Turns a loop until `done` or for two seconds; says whether it is done.
inline bool run_until(net::Loop& loop, const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (!done() && std::chrono::steady_clock::now() < give_up)
    loop.turn(std::chrono::steady_clock::now() + std::chrono::milliseconds(5));
  return done();
}

/// Runs what is ready and what follows from it. Over socket pairs and loopback bytes have arrived
/// when send() returns, so there is nothing to wait for; one turn's work needs a few more turns to
/// come to its end, at most.
inline void settle(net::Loop& loop) {
  for (int turns = 0; turns < 16; ++turns) loop.turn(base::MonoTime::min());
}

/// While it lives, epoll takes no descriptor for this loop, as if the kernel had no watch left, and
/// tells of no event.
class NoWatches {
 public:
  explicit NoWatches(net::Loop& loop) : epoll_(descriptor_of(loop)), saved_(::dup(epoll_)) {
    EXPECT_GE(epoll_, 0);
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::dup2(null, epoll_);
    ::close(null);
  }
  NoWatches(const NoWatches&) = delete;
  NoWatches& operator=(const NoWatches&) = delete;
  ~NoWatches() {
    ::dup2(saved_, epoll_);
    ::close(saved_);
  }

 private:
  class Probe final : public net::Loop::Source {
   public:
    void on_events(std::uint32_t) noexcept override {}
  };
  /// The epoll descriptor that watches a probe given to the loop: /proc tells what each watches.
  static int descriptor_of(net::Loop& loop) {
    const int probe = ::eventfd(0, EFD_CLOEXEC);
    Probe source;
    EXPECT_FALSE(loop.add(probe, source, EPOLLIN));
    int found = -1;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
      std::ifstream info(entry.path());
      for (std::string word; info >> word;) {
        int watched = -1;
        if (word == "tfd:" && info >> watched && watched == probe)
          found = std::stoi(entry.path().filename());
      }
    }
    loop.remove(probe);
    ::close(probe);
    return found;
  }

  int epoll_;
  int saved_;
};

}  // namespace tollgate::test
