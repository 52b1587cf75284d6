#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tollgate/net/socket.hpp"

namespace tollgate::net {

/// TLS over a Socket: OpenSSL's state machine reading from and writing to it directly.
///
/// Nothing waits: what the socket cannot do now is would_block, and is tried again with the same
/// arguments at the socket's next edge, of whichever kind. A read takes what one `recv` brought
/// (read-ahead), however many records that is; a write is one record and one `send`. Errors: eof
/// when the peer said that nothing follows (close_notify), ssl::error::stream_truncated when the
/// connection ended without that (anybody on the way can do it), the socket's error, or
/// errc::protocol_error.
/// Lifetime: `socket` outlives it. Threads: one at a time.
class TlsSession {
 public:
  /// Throws std::bad_alloc.
  TlsSession(SSL_CTX* context, Socket& socket, bool server);

  /// Client side, before the handshake: SNI (not for an IP literal, RFC 6066 section 3), and with
  /// `verify` the name or address the certificate must be for.
  void set_peer_name(const char* name, bool verify);
  /// Bytes that were read from the socket already; copied.
  void prepend(std::string_view early) { early_ += early; }

  void handshake(error_code& error) noexcept;
  std::size_t read(char* into, std::size_t size, error_code& error) noexcept;
  /// All of `size` (one record's payload at most), or nothing.
  void write(const char* from, std::size_t size, error_code& error) noexcept;
  /// Whether bytes lie here that no edge of the socket will tell of.
  [[nodiscard]] bool has_pending() const noexcept {
    return !early_.empty() || SSL_has_pending(ssl_.get()) == 1;
  }
  /// Called now and then: gives back the record buffers (some 33 KB) of a connection on which
  /// nothing happened since the last time; the next record takes them anew. OpenSSL can do so after
  /// every record by itself, at the price of two large malloc and free a call.
  void release_idle_buffers() noexcept;
  /// Tells the peer that nothing follows, if the socket takes it.
  void close_notify() noexcept;

 private:
  struct Free {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
  };
  static const BIO_METHOD* socket_method();
  static int bio_read(BIO* bio, char* into, int size);
  static int bio_write(BIO* bio, const char* from, int size);
  static long bio_control(BIO* bio, int command, long number, void* pointer);
  static void on_message(int is_sent, int version, int content_type, const void* bytes,
                         std::size_t size, SSL* ssl, void* session);
  /// Why the last call on ssl_ did not succeed.
  [[nodiscard]] error_code failure(int result) const noexcept;

  Socket& socket_;
  bool is_established_ = false;                     ///< the handshake is over
  std::uint32_t idle_talk_ = 0;                     ///< messages without data since the last data
  std::uint32_t records_ = 0, records_before_ = 0;  ///< reads and writes tried
  bool buffers_ = true;                             ///< OpenSSL may hold some
  std::string early_;
  error_code socket_error_;
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace tollgate::net
