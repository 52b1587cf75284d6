#include "net/tls_session.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <cstring>
#include <new>

namespace tollgate::net {
namespace {

struct FreeBio {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};

/// Handshake messages a peer may send behind the handshake (session tickets, key updates) without a
/// byte of data between them. OpenSSL reads on through any number within one call, some 7 us each,
/// and the whole worker waits: 27 bytes buy that, so more of them end the connection. At most one
/// buffer's worth, 16 KB, is read before that shows.
constexpr std::uint32_t kMostIdleTalk = 32;

/// The thread's queue may hold another connection's error, which would be taken for this one's.
/// Looking is cheaper than clearing.
void forget_errors() noexcept {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

bool is_address(const char* name) {
  error_code error;
  asio::ip::make_address(name, error);
  return !error;
}

}  // namespace

const BIO_METHOD* TlsSession::socket_method() {
  // Made once, never freed: OpenSSL's own methods are static as well.
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    if (made == nullptr) throw std::bad_alloc();
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

TlsSession::TlsSession(SSL_CTX* context, Socket& socket, bool server)
    : socket_(socket), ssl_(SSL_new(context)) {
  std::unique_ptr<BIO, FreeBio> bio(BIO_new(socket_method()));
  if (!ssl_ || !bio) throw std::bad_alloc();
  BIO_set_data(bio.get(), this);
  BIO_set_init(bio.get(), 1);
  BIO* const owned = bio.release();
  SSL_set_bio(ssl_.get(), owned, owned);
  // A write that has to wait is repeated from wherever its bytes then are.
  SSL_set_mode(ssl_.get(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Released when the connection is idle, not after every record: see release_idle_buffers.
  SSL_clear_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
  SSL_set_read_ahead(ssl_.get(), 1);
  // Either side could ask for it again and again (TLS 1.2); nobody needs it.
  SSL_set_options(ssl_.get(), SSL_OP_NO_RENEGOTIATION);
  SSL_set_msg_callback(ssl_.get(), on_message);
  SSL_set_msg_callback_arg(ssl_.get(), this);
  if (server) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
  }
}

void TlsSession::set_peer_name(const char* name, bool verify) {
  const bool address = is_address(name);
  bool set = true;
  // The SSL_set_tlsext_host_name macro, without its C casts.
  if (!address)
    set = SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                   const_cast<char*>(name)) == 1;
  if (verify) {
    X509_VERIFY_PARAM* const expected = SSL_get0_param(ssl_.get());
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    set = set && (address ? X509_VERIFY_PARAM_set1_ip_asc(expected, name)
                          : X509_VERIFY_PARAM_set1_host(expected, name, 0)) == 1;
  }
  // Unset, any name would do.
  if (!set) throw std::bad_alloc();
}

int TlsSession::bio_read(BIO* bio, char* into, int size) {
  auto& session = *static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  if (session.idle_talk_ > kMostIdleTalk) {
    session.socket_error_ = make_error_code(boost::system::errc::protocol_error);
    return -1;
  }
  const auto room = static_cast<std::size_t>(size);
  if (!session.early_.empty()) {
    const std::size_t take = std::min(room, session.early_.size());
    std::memcpy(into, session.early_.data(), take);
    session.early_.erase(0, take);
    return static_cast<int>(take);
  }
  error_code error;
  const std::size_t got = session.socket_.receive(into, room, error);
  if (!error) return static_cast<int>(got);
  if (error == asio::error::would_block) {
    BIO_set_retry_read(bio);
  } else {
    session.socket_error_ = error;
  }
  return -1;
}

int TlsSession::bio_write(BIO* bio, const char* from, int size) {
  auto& session = *static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  iovec piece{const_cast<char*>(from), static_cast<std::size_t>(size)};  // not const-correct
  error_code error;
  const std::size_t sent = session.socket_.send({&piece, 1}, error);
  if (!error) return static_cast<int>(sent);
  if (error == asio::error::would_block) {
    BIO_set_retry_write(bio);
  } else {
    session.socket_error_ = error;
  }
  return -1;
}

long TlsSession::bio_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

void TlsSession::on_message(int is_sent, int, int content_type, const void*, std::size_t, SSL*,
                            void* session) {
  auto& self = *static_cast<TlsSession*>(session);
  if (is_sent == 0 && content_type == SSL3_RT_HANDSHAKE && self.is_established_) ++self.idle_talk_;
}

error_code TlsSession::failure(int result) const noexcept {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return asio::error::would_block;
    case SSL_ERROR_ZERO_RETURN:
      return asio::error::eof;
    default:
      if (socket_error_ == asio::error::eof) return asio::ssl::error::stream_truncated;
      return socket_error_ ? socket_error_ : make_error_code(boost::system::errc::protocol_error);
  }
}

void TlsSession::handshake(error_code& error) noexcept {
  forget_errors();
  const int result = SSL_do_handshake(ssl_.get());
  is_established_ = result == 1;
  error = result == 1 ? error_code() : failure(result);
}

std::size_t TlsSession::read(char* into, std::size_t size, error_code& error) noexcept {
  forget_errors();
  std::size_t got = 0;
  const int result = SSL_read_ex(ssl_.get(), into, size, &got);
  ++records_;
  if (result == 1) idle_talk_ = 0;
  error = result == 1 ? error_code() : failure(result);
  return got;
}

void TlsSession::write(const char* from, std::size_t size, error_code& error) noexcept {
  forget_errors();
  std::size_t put = 0;
  const int result = SSL_write_ex(ssl_.get(), from, size, &put);
  ++records_;
  error = result == 1 ? error_code() : failure(result);
}

void TlsSession::close_notify() noexcept {
  if (SSL_is_init_finished(ssl_.get()) != 1) return;
  forget_errors();
  (void)SSL_shutdown(ssl_.get());
}

void TlsSession::release_idle_buffers() noexcept {
  if (records_ != records_before_) {
    records_before_ = records_;
    buffers_ = true;
  } else if (buffers_) {
    // Refused while something lies in them: then it is tried again at the next call.
    buffers_ = SSL_free_buffers(ssl_.get()) != 1;
  }
}

}  // namespace tollgate::net
