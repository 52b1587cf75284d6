#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>

namespace tollgate::test {

/// Runs a loop until `done` or for two seconds; says whether it is done.
inline bool run_until(boost::asio::io_context& io, const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (!done() && std::chrono::steady_clock::now() < give_up) {
    io.restart();
    io.run_for(std::chrono::milliseconds(5));
  }
  return done();
}

/// Runs what is ready, and gives the kernel a moment to make more so.
inline void settle(boost::asio::io_context& io) {
  io.restart();
  io.run_for(std::chrono::milliseconds(20));
}

}  // namespace tollgate::test
