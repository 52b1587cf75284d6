#include "tollgate/net/socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/error.hpp>
#include <cerrno>
#include <cstring>

namespace tollgate::net {
namespace {

constexpr std::size_t kJoined = 2'048;  ///< bytes

error_code last_error() noexcept {
  return {errno, boost::system::system_category()};
}

}  // namespace

error_code Socket::connect(const tcp::endpoint& peer) noexcept {
  close();
  fd_ = ::socket(peer.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd_ < 0) return last_error();
  set_no_delay();
  if (::connect(fd_, peer.data(), static_cast<socklen_t>(peer.size())) == 0 || errno == EINPROGRESS)
    return {};
  return last_error();
}

error_code Socket::connect_error() const noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return last_error();
  return {error, boost::system::system_category()};
}

std::size_t Socket::receive(char* into, std::size_t size, error_code& error) noexcept {
  error = {};
  if (!readable_) {
    error = asio::error::would_block;
    return 0;
  }
  ssize_t got = 0;
  do {
    got = ::recv(fd_, into, size, 0);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    // Short: the socket is empty, unless the end that epoll has told of already comes next.
    if (static_cast<std::size_t>(got) < size && !ended_) readable_ = false;
    return static_cast<std::size_t>(got);
  }
  if (got == 0) {
    error = asio::error::eof;
  } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
    readable_ = false;
    error = asio::error::would_block;
  } else {
    error = last_error();
  }
  return 0;
}

std::size_t Socket::send(std::span<iovec> pieces, error_code& error) noexcept {
  error = {};
  std::size_t total = 0;
  for (const iovec& piece : pieces) total += piece.iov_len;
  ssize_t sent = 0;
  if (total <= kJoined) {
    // A list of a few small pieces costs the kernel more than it costs to join them.
    std::array<char, kJoined> joined;  // NOLINT(*-member-init): written before it is read
    char* end = joined.data();
    for (const iovec& piece : pieces) {
      std::memcpy(end, piece.iov_base, piece.iov_len);
      end += piece.iov_len;
    }
    do {
      sent = ::send(fd_, joined.data(), total, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
  } else {
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    do {
      sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
  }
  if (sent >= 0) {
    bytes_out_ += static_cast<std::uint64_t>(sent);
    return static_cast<std::size_t>(sent);
  }
  error =
      errno == EAGAIN || errno == EWOULDBLOCK ? error_code(asio::error::would_block) : last_error();
  return 0;
}

void Socket::set_no_delay() noexcept {
  const int on = 1;
  (void)::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void Socket::shutdown_send() noexcept {
  (void)::shutdown(fd_, SHUT_WR);
}

void Socket::set_reset_on_close() noexcept {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  (void)::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void Socket::close() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace tollgate::net
