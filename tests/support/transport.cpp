#include "support/transport.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>

namespace tollgate::testing {
namespace {

// SSL_write has no MSG_NOSIGNAL: a peer that left must be an error value, not the end of the test.
const bool kSigpipeIgnored = [] { return std::signal(SIGPIPE, SIG_IGN) != SIG_ERR; }();

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// poll() on one descriptor; restarts on EINTR with the full limit (test code: good enough).
int poll_one(int fd, short events, milliseconds limit, short* revents = nullptr) {
  pollfd entry{fd, events, 0};
  int ready = 0;
  do {
    ready = ::poll(&entry, 1, static_cast<int>(limit.count()));
  } while (ready < 0 && errno == EINTR);
  if (revents != nullptr) *revents = entry.revents;
  return ready;
}

std::string ssl_error() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_get_error();
  if (code == 0) return "TLS: connection closed";
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Fd::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Fd listen_loopback(std::uint16_t& port, int backlog) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = loopback(port);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), backlog) != 0) {
    throw std::runtime_error(std::string("listen: ") + std::strerror(errno));
  }
  socklen_t size = sizeof address;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

std::uint16_t unused_port() {
  std::uint16_t port = 0;
  const Fd fd = listen_loopback(port);
  return port;
}

Transport Transport::connect(std::uint16_t port, milliseconds limit) {
  Transport out;
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in address = loopback(port);
  int rc = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (rc != 0 && errno == EINPROGRESS) {
    if (poll_one(fd.get(), POLLOUT, limit) <= 0) {
      out.error_ = "connect: timed out";
      return out;
    }
    int failure = 0;
    socklen_t size = sizeof failure;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
    errno = failure;
    rc = failure == 0 ? 0 : -1;
  }
  if (rc != 0) {
    out.error_ = std::string("connect: ") + std::strerror(errno);
    return out;
  }
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  out.fd_ = std::move(fd);
  return out;
}

namespace {
/// Bounds a blocking handshake or write, so that a silent peer fails the test instead of hanging
/// it.
void set_socket_limits(int fd, milliseconds limit) {
  timeval tv{};
  tv.tv_sec = limit.count() / 1000;
  tv.tv_usec = (limit.count() % 1000) * 1000;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}
}  // namespace

bool Transport::accept_tls(SSL_CTX* ctx) {
  ERR_clear_error();
  set_socket_limits(fd_.get(), milliseconds(10'000));
  ssl_.reset(SSL_new(ctx));
  SSL_set_fd(ssl_.get(), fd_.get());
  if (SSL_accept(ssl_.get()) == 1) return true;
  error_ = ssl_error();
  return false;
}

bool Transport::connect_tls(SSL_CTX* ctx, const std::string& host) {
  ERR_clear_error();
  set_socket_limits(fd_.get(), milliseconds(10'000));
  ssl_.reset(SSL_new(ctx));
  // SSL_set_tlsext_host_name without its old-style cast.
  std::string name = host;
  SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
  SSL_set1_host(ssl_.get(), host.c_str());
  SSL_set_fd(ssl_.get(), fd_.get());
  if (SSL_connect(ssl_.get()) == 1) return true;
  error_ = ssl_error();
  return false;
}

ReadEnd Transport::read_some(std::string& into, milliseconds limit) {
  if (!fd_.valid()) return ReadEnd::eof;
  std::array<char, 16 * 1024> buffer{};
  const bool buffered = ssl_ && SSL_pending(ssl_.get()) > 0;
  if (!buffered && poll_one(fd_.get(), POLLIN, limit) <= 0) return ReadEnd::timeout;
  if (ssl_) {
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (got > 0) {
      into.append(buffer.data(), static_cast<std::size_t>(got));
      return ReadEnd::data;
    }
    const int reason = SSL_get_error(ssl_.get(), got);
    if (reason == SSL_ERROR_WANT_READ) return ReadEnd::timeout;
    // Without close_notify an end of file may be an attacker's: tell it apart from a clean one.
    return reason == SSL_ERROR_ZERO_RETURN ? ReadEnd::eof : ReadEnd::reset;
  }
  const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (got > 0) {
    into.append(buffer.data(), static_cast<std::size_t>(got));
    return ReadEnd::data;
  }
  return got == 0 ? ReadEnd::eof : ReadEnd::reset;
}

bool Transport::write_all(std::string_view bytes) {
  if (!fd_.valid()) return false;
  set_socket_limits(fd_.get(), milliseconds(10'000));
  while (!bytes.empty()) {
    const ssize_t sent = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                              : ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      if (!ssl_ && errno == EINTR) continue;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Transport::wait_peer_gone(milliseconds limit) {
  if (!fd_.valid()) return true;
  short seen = 0;
  if (poll_one(fd_.get(), POLLRDHUP, limit, &seen) <= 0) return false;
  return (seen & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void Transport::shutdown_write() noexcept {
  if (ssl_) SSL_shutdown(ssl_.get());
  if (fd_.valid()) ::shutdown(fd_.get(), SHUT_WR);
}

void Transport::arm_reset() noexcept {
  if (!fd_.valid()) return;
  const linger at_once{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ssl_.reset();  // no close_notify: the peer is to see a bare reset
}

void Transport::close() noexcept {
  if (ssl_ && fd_.valid()) SSL_shutdown(ssl_.get());
  ssl_.reset();
  fd_.close();
}

}  // namespace tollgate::testing
