#include "tollgate/net/acceptor.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <stdexcept>

namespace tollgate::net {
namespace {
constexpr int kBacklog = 4096;
/// Connections taken at one event; the rest are told of again, behind what else is ready.
constexpr int kAtOnce = 64;
/// After an error (EMFILE, or no watch left in epoll): do not spin, the condition needs time to
/// pass.
constexpr auto kErrorPause = std::chrono::milliseconds(50);

void set_option(int fd, int option, error_code& error) {
  const int on = 1;
  if (!error && ::setsockopt(fd, SOL_SOCKET, option, &on, sizeof on) != 0)
    error = error_code(errno, boost::system::system_category());
}
}  // namespace

/// One listening socket, on its owner's loop.
class Acceptor::Listening final : private Loop::Source {
 public:
  Listening(Acceptor& acceptor, Worker& owner, bool deals)
      : acceptor_(acceptor), owner_(owner), pause_(owner.loop()), deals_(deals) {}

  error_code open(const tcp::endpoint& endpoint, bool reuse_port);
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] Worker& owner() noexcept { return owner_; }
  /// On the owner's thread.
  void watch();
  void close();

 private:
  void on_events(std::uint32_t events) noexcept override;
  /// Counts an error and watches again after a pause.
  void pause();
  void hand_over(Socket socket, const tcp::endpoint& peer);

  Acceptor& acceptor_;
  Worker& owner_;
  Socket socket_;
  Loop::Timer pause_;
  bool deals_;  ///< deals to all workers; otherwise keeps for its own
  std::size_t next_ = 0;
};

error_code Acceptor::Listening::open(const tcp::endpoint& endpoint, bool reuse_port) {
  const auto last_error = [] { return error_code(errno, boost::system::system_category()); };
  const int fd =
      ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return last_error();
  socket_ = Socket(fd);
  error_code error;
  set_option(fd, SO_REUSEADDR, error);
  if (reuse_port) set_option(fd, SO_REUSEPORT, error);
  if (error) return error;
  if (::bind(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
      ::listen(fd, kBacklog) != 0)
    return last_error();
  return {};
}

std::uint16_t Acceptor::Listening::port() const {
  tcp::endpoint bound;
  auto size = static_cast<socklen_t>(bound.capacity());
  if (::getsockname(socket_.fd(), bound.data(), &size) == 0) bound.resize(size);
  return bound.port();
}

void Acceptor::Listening::watch() {
  // By level, not by edge: what one event leaves is told of again.
  if (socket_.is_open() && owner_.loop().add(socket_.fd(), *this, EPOLLIN)) pause();
}

void Acceptor::Listening::pause() {
  acceptor_.errors_.fetch_add(1, std::memory_order_relaxed);
  pause_.start(std::chrono::steady_clock::now() + kErrorPause, [this] { watch(); });
}

void Acceptor::Listening::close() {
  pause_.stop();
  socket_.close();
}

void Acceptor::Listening::on_events(std::uint32_t) noexcept {
  for (int i = 0; i < kAtOnce; ++i) {
    tcp::endpoint peer;
    auto size = static_cast<socklen_t>(peer.capacity());
    const int fd = ::accept4(socket_.fd(), peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      peer.resize(size);
      Socket accepted(fd);
      accepted.set_no_delay();
      hand_over(std::move(accepted), peer);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    // The connection is gone again already; that is no trouble of ours (accept(2)).
    if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO) continue;
    // Watched by level, it would be told of in every turn meanwhile.
    owner_.loop().remove(socket_.fd());
    pause();
    return;
  }
}

void Acceptor::Listening::hand_over(Socket socket, const tcp::endpoint& peer) {
  Worker& target = deals_ ? *acceptor_.workers_[next_++ % acceptor_.workers_.size()] : owner_;
  // Posted to its own worker too: in this phase of a turn no other code may run. std::function
  // wants a copyable callable, so the socket travels in a shared_ptr, once per connection.
  auto moved = std::make_shared<Socket>(std::move(socket));
  target.post([&acceptor = acceptor_, moved, &target, peer] {
    if (!acceptor.on_accept_(target, std::move(*moved), peer))
      acceptor.errors_.fetch_add(1, std::memory_order_relaxed);
  });
}

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
    auto socket = std::make_unique<Listening>(*this, *workers_[i], !per_worker);
    error = socket->open(tcp::endpoint(address, port_), per_worker);
    if (error)
      throw std::runtime_error(fmt::format("listener {}: cannot listen on {}:{}: {}",
                                           listener_.name, listener_.host, port_, error.message()));
    port_ = socket->port();
    sockets_.push_back(std::move(socket));
  }
}

void Acceptor::start() {
  listening_.store(true, std::memory_order_release);
  for (const auto& socket : sockets_) {
    Listening* const raw = socket.get();
    raw->owner().post([raw] { raw->watch(); });
  }
}

void Acceptor::stop() {
  if (!listening_.exchange(false, std::memory_order_acq_rel)) return;
  for (const auto& socket : sockets_) {
    Listening* const raw = socket.get();
    std::promise<void> done;
    raw->owner().post([raw, &done] {
      raw->close();
      done.set_value();
    });
    done.get_future().wait();
  }
}

}  // namespace tollgate::net
