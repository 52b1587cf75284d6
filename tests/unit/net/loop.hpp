#pragma once

#include <chrono>
#include <functional>

#include "tollgate/net/loop.hpp"

namespace tollgate::test {

/// Turns a loop until `done` or for two seconds; says whether it is done.
inline bool run_until(net::Loop& loop, const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (!done() && std::chrono::steady_clock::now() < give_up)
    loop.turn(std::chrono::steady_clock::now() + std::chrono::milliseconds(5));
  return done();
}

/// Runs what is ready, and gives the kernel a moment to make more so.
inline void settle(net::Loop& loop) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  while (std::chrono::steady_clock::now() < end) loop.turn(end);
}

}  // namespace tollgate::test
