#include "tollgate/net/acceptor.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <future>
#include <stdexcept>

namespace tollgate::net {
namespace {
constexpr int kBacklog = 4096;
/// After an accept error (EMFILE): do not spin, the condition needs time to pass.
constexpr auto kErrorPause = std::chrono::milliseconds(50);
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
}  // namespace

struct Acceptor::Socket {
  Socket(Worker& owner_, bool deal_)
      : owner(owner_), acceptor(owner_.io()), pause(owner_.io()), deal(deal_) {}
  Worker& owner;
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  bool deal;  ///< deals to all workers; otherwise keeps for its own
  std::size_t next = 0;
  tcp::endpoint peer;
};

Acceptor::Acceptor(const config::Listener& listener, config::AcceptBalance balance,
                   std::vector<Worker*> workers, OnAccept on_accept)
    : listener_(listener),
      balance_(balance),
      workers_(std::move(workers)),
      on_accept_(std::move(on_accept)) {}

Acceptor::~Acceptor() = default;

void Acceptor::open() {
  error_code error;
  const auto address = asio::ip::make_address(listener_.host, error);
  if (error)
    throw std::runtime_error(
        fmt::format("listener {}: {} is not an IP address", listener_.name, listener_.host));
  const bool per_worker = balance_ == config::AcceptBalance::kernel;
  port_ = listener_.port;
  const std::size_t count = per_worker ? workers_.size() : 1;
  for (std::size_t i = 0; i < count; ++i) {
    auto socket = std::make_unique<Socket>(*workers_[i], !per_worker);
    tcp::acceptor& acceptor = socket->acceptor;
    const tcp::endpoint endpoint(address, port_);
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
    if (!error && per_worker) acceptor.set_option(ReusePort(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(kBacklog, error);
    if (error)
      throw std::runtime_error(fmt::format("listener {}: cannot listen on {}:{}: {}",
                                           listener_.name, listener_.host, port_, error.message()));
    port_ = acceptor.local_endpoint().port();
    sockets_.push_back(std::move(socket));
  }
}

void Acceptor::start() {
  listening_.store(true, std::memory_order_release);
  for (const auto& socket : sockets_) {
    Socket* const raw = socket.get();
    raw->owner.post([this, raw] { accept_next(*raw); });
  }
}

void Acceptor::accept_next(Socket& socket) {
  Worker& target = socket.deal ? *workers_[socket.next++ % workers_.size()] : socket.owner;
  socket.acceptor.async_accept(
      target.io(), socket.peer,
      [this, &socket, &target](const error_code& error, tcp::socket peer) {
        if (!listening_.load(std::memory_order_acquire)) return;
        if (error) {
          if (error == asio::error::operation_aborted) return;
          errors_.fetch_add(1, std::memory_order_relaxed);
          socket.pause.expires_after(kErrorPause);
          socket.pause.async_wait([this, &socket](const error_code& stopped) {
            if (!stopped) accept_next(socket);
          });
          return;
        }
        error_code ignored;
        peer.set_option(tcp::no_delay(true), ignored);
        if (&target == &socket.owner) {
          on_accept_(target, std::move(peer), socket.peer);
        } else {
          // std::function wants a copyable callable; the socket is moved through a shared_ptr once
          // per connection.
          auto moved = std::make_shared<tcp::socket>(std::move(peer));
          target.post([this, moved, &target, from = socket.peer] {
            on_accept_(target, std::move(*moved), from);
          });
        }
        accept_next(socket);
      });
}

void Acceptor::stop() {
  if (!listening_.exchange(false, std::memory_order_acq_rel)) return;
  for (const auto& socket : sockets_) {
    Socket* const raw = socket.get();
    std::promise<void> done;
    raw->owner.post([raw, &done] {
      error_code ignored;
      raw->acceptor.close(ignored);
      raw->pause.cancel();
      done.set_value();
    });
    done.get_future().wait();
  }
}

}  // namespace tollgate::net
