#pragma once

#include <sys/uio.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace tollgate::net {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

/// A non-blocking TCP socket that remembers what epoll and the last call told about it.
///
/// epoll is asked for edges, so a read that filled less than its room has emptied the socket: until
/// the next edge another `recv` could only fail with EAGAIN, and is not made. Half of a proxy's
/// reads would be such calls. Threads: one at a time.
class Socket {
 public:
  Socket() = default;
  /// Owns `fd`, which is non-blocking.
  explicit Socket(int fd) noexcept : fd_(fd) {}
  Socket(Socket&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        readable_(other.readable_),
        ended_(other.ended_),
        bytes_out_(other.bytes_out_) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(readable_, other.readable_);
    std::swap(ended_, other.ended_);
    std::swap(bytes_out_, other.bytes_out_);
    return *this;
  }
  ~Socket() { close(); }

  /// A socket for a connection to `peer`, with TCP_NODELAY, and the connect begun: no error when it
  /// is made or under way (`connect_error` tells later).
  [[nodiscard]] error_code connect(const tcp::endpoint& peer) noexcept;
  /// What a connect under way came to, once the socket is writable.
  [[nodiscard]] error_code connect_error() const noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }

  /// An edge: there is something to read, perhaps the end.
  void note_readable(bool end) noexcept {
    readable_ = true;
    ended_ |= end;
  }
  /// Whether `receive` can give more than would_block.
  [[nodiscard]] bool readable() const noexcept { return readable_; }

  /// Bytes read (> 0); eof, would_block or the failure in `error`.
  std::size_t receive(char* into, std::size_t size, error_code& error) noexcept;
  /// Bytes the kernel took, which may be fewer than there are; would_block or the failure in
  /// `error`.
  std::size_t send(std::span<iovec> pieces, error_code& error) noexcept;
  /// Bytes given to the kernel since the connection was made.
  [[nodiscard]] std::uint64_t bytes_out() const noexcept { return bytes_out_; }

  void set_no_delay() noexcept;
  /// Sends FIN behind what was written.
  void shutdown_send() noexcept;
  /// From here on close() sends RST.
  void set_reset_on_close() noexcept;
  void close() noexcept;

 private:
  int fd_ = -1;
  bool readable_ = false;
  bool ended_ = false;  ///< the peer's end or an error is in sight: every read can make progress
  std::uint64_t bytes_out_ = 0;
};

}  // namespace tollgate::net
