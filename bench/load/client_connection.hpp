#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "wire.hpp"

namespace tollgate::bench {

/// A client TLS context that trusts anything (the benchmark's certificate is its own), or none.
class SslContext {
 public:
  explicit SslContext(bool wanted);
  SslContext(const SslContext&) = delete;
  SslContext& operator=(const SslContext&) = delete;
  ~SslContext();
  [[nodiscard]] SSL_CTX* get() const noexcept { return ctx_; }

 private:
  SSL_CTX* ctx_ = nullptr;
};

/// One non-blocking connection to 127.0.0.1 in an epoll set, plain or TLS, kept alive.
class ClientConnection {
 public:
  ClientConnection(int epoll, std::uint64_t id, std::uint16_t port, SSL_CTX* tls);
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;
  ~ClientConnection();

  /// Begins a request. False: failure().
  bool send(std::string_view request);
  /// Moves bytes both ways after epoll reported the descriptor. False: failure().
  bool pump();
  /// The answer is complete.
  void answered() noexcept { busy_ = false; }
  [[nodiscard]] bool busy() const noexcept { return busy_; }
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
  [[nodiscard]] MessageReader& reader() noexcept { return reader_; }
  void reconnect();

 private:
  void connect();
  void watch(bool for_write);
  bool flush();
  bool fail(const char* why);
  void close();

  int epoll_;
  std::uint64_t id_;
  std::uint16_t port_;
  SSL_CTX* tls_;
  SSL* ssl_ = nullptr;
  int fd_ = -1;
  bool watching_write_ = false;
  bool busy_ = false;
  std::string out_;
  std::string failure_;
  MessageReader reader_;
};

}  // namespace tollgate::bench
