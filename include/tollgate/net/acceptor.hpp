#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tollgate/config/snapshot.hpp"
#include "tollgate/net/worker.hpp"

namespace tollgate::net {

/// Accepts connections of one listener and hands each to a worker.
///
/// `exact`: one socket, connections dealt round-robin (agents hold few, long connections, which the
/// kernel's hash would pile on one worker). `kernel`: one SO_REUSEPORT socket per worker, for many
/// short ones. Threads: `open`, `stop` from the main thread; handing over runs on the target
/// worker.
class Acceptor {
 public:
  /// Receives an accepted socket on the thread of the worker it belongs to. False: the kernel had
  /// not what a connection needs, and it was closed; counted with the accept errors.
  using OnAccept = std::function<bool(Worker&, Socket, tcp::endpoint peer)>;

  Acceptor(const config::Listener& listener, config::AcceptBalance balance,
           std::vector<Worker*> workers, OnAccept on_accept);
  ~Acceptor();

  /// Binds and listens. Throws std::runtime_error with the address when that is not possible.
  void open();
  void start();
  /// Stops accepting; safe while workers run.
  void stop();
  /// The port bound (differs from the configuration's 0). Valid after open().
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// The address as configured.
  [[nodiscard]] const std::string& host() const noexcept { return listener_.host; }
  [[nodiscard]] bool listening() const noexcept {
    return listening_.load(std::memory_order_acquire);
  }
  /// Accept errors (out of descriptors or of epoll watches, say), for /metrics.
  [[nodiscard]] std::uint64_t errors() const noexcept {
    return errors_.load(std::memory_order_relaxed);
  }

 private:
  class Listening;

  config::Listener listener_;
  config::AcceptBalance balance_;
  std::vector<Worker*> workers_;
  OnAccept on_accept_;
  std::vector<std::unique_ptr<Listening>> sockets_;
  std::uint16_t port_ = 0;
  std::atomic<bool> listening_{false};
  std::atomic<std::uint64_t> errors_{0};
};

}  // namespace tollgate::net
