#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

/// Blocking sockets for tests: what the fake upstream and the raw client stand on.
///
/// Everything is loopback, every wait takes a limit, and a failure is a value: a test that wants to
/// see a reset must be able to tell it from an end of file.
namespace tollgate::testing {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

/// Owns one descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { close(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }
  void close() noexcept;

 private:
  int fd_ = -1;
};

struct SslCtxFree {
  void operator()(SSL_CTX* ctx) const noexcept { SSL_CTX_free(ctx); }
};
struct SslFree {
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};
using SslCtxPtr = std::unique_ptr<SSL_CTX, SslCtxFree>;
using SslPtr = std::unique_ptr<SSL, SslFree>;

/// A listening socket on 127.0.0.1; `port` 0 picks a free one and stores it.
[[nodiscard]] Fd listen_loopback(std::uint16_t& port, int backlog = 1024);
/// A port nobody listens on (bound once and closed again): connecting to it is refused.
[[nodiscard]] std::uint16_t unused_port();

enum class ReadEnd : std::uint8_t { data, eof, reset, timeout };

/// One TCP connection, plain or TLS. Threads: one at a time.
class Transport {
 public:
  Transport() = default;
  explicit Transport(Fd fd) : fd_(std::move(fd)) {}

  /// Connects to 127.0.0.1. An invalid transport says that it failed; `error()` says how.
  static Transport connect(std::uint16_t port, milliseconds limit = milliseconds(5000));
  /// TLS handshakes; false leaves the transport unusable and `error()` set.
  [[nodiscard]] bool accept_tls(SSL_CTX* ctx);
  [[nodiscard]] bool connect_tls(SSL_CTX* ctx, const std::string& host);

  [[nodiscard]] bool valid() const noexcept { return fd_.valid(); }
  [[nodiscard]] const std::string& error() const noexcept { return error_; }
  [[nodiscard]] SSL* ssl() const noexcept { return ssl_.get(); }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  /// Appends what arrives to `into`.
  ReadEnd read_some(std::string& into, milliseconds limit);
  /// False when the peer is gone or does not read for 10 s.
  bool write_all(std::string_view bytes);
  /// Waits up to `limit`; true as soon as the peer has closed or reset its side.
  bool wait_peer_gone(milliseconds limit);
  /// FIN; the read side stays open.
  void shutdown_write() noexcept;
  /// Makes the next close() send RST instead of FIN.
  void arm_reset() noexcept;
  /// Makes the next close() send FIN without close_notify, as somebody on the way could.
  void arm_truncation() noexcept { ssl_.reset(); }
  void close() noexcept;

 private:
  Fd fd_;
  SslPtr ssl_;
  std::string error_;
};

}  // namespace tollgate::testing
