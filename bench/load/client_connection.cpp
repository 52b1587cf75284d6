#include "client_connection.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace tollgate::bench {

SslContext::SslContext(bool wanted) {
  if (!wanted) return;
  std::signal(SIGPIPE, SIG_IGN);
  ctx_ = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(ctx_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

SslContext::~SslContext() {
  SSL_CTX_free(ctx_);
}

ClientConnection::ClientConnection(int epoll, std::uint64_t id, std::uint16_t port, SSL_CTX* tls)
    : epoll_(epoll), id_(id), port_(port), tls_(tls) {
  connect();
}

ClientConnection::~ClientConnection() {
  close();
}

void ClientConnection::close() {
  SSL_free(ssl_);
  ssl_ = nullptr;
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void ClientConnection::reconnect() {
  close();
  connect();
}

void ClientConnection::connect() {
  out_.clear();
  reader_ = MessageReader();
  busy_ = watching_write_ = false;
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port_);
  // Blocking on purpose: loopback connects at once, and set-up is not what is measured.
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    std::perror("bench_loadgen: connect");
    std::exit(1);
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (tls_ != nullptr) {
    ssl_ = SSL_new(tls_);
    SSL_set_fd(ssl_, fd_);
    if (SSL_connect(ssl_) != 1) {
      std::fprintf(stderr, "bench_loadgen: TLS handshake failed\n");
      std::exit(1);
    }
  }
  ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = id_;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &event);
}

void ClientConnection::watch(bool for_write) {
  if (for_write == watching_write_) return;
  watching_write_ = for_write;
  epoll_event event{};
  event.events = for_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.u64 = id_;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd_, &event);
}

bool ClientConnection::fail(const char* why) {
  failure_ = why;
  return false;
}

bool ClientConnection::flush() {
  std::size_t at = 0;
  while (at < out_.size()) {
    ssize_t sent = 0;
    if (ssl_ != nullptr) {
      ERR_clear_error();
      sent = SSL_write(ssl_, out_.data() + at, static_cast<int>(out_.size() - at));
      if (sent <= 0) {
        const int reason = SSL_get_error(ssl_, static_cast<int>(sent));
        if (reason != SSL_ERROR_WANT_WRITE && reason != SSL_ERROR_WANT_READ) {
          return fail("TLS write");
        }
        break;
      }
    } else {
      sent = ::send(fd_, out_.data() + at, out_.size() - at, MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno != EAGAIN) return fail("write");
        break;
      }
    }
    at += static_cast<std::size_t>(sent);
  }
  out_.erase(0, at);
  watch(!out_.empty());
  return true;
}

bool ClientConnection::send(std::string_view request) {
  busy_ = true;
  out_.append(request);
  return flush();
}

bool ClientConnection::pump() {
  if (!out_.empty() && !flush()) return false;
  std::array<char, 64 * 1024> bytes;  // not zeroed: hot
  for (;;) {
    ssize_t got = 0;
    if (ssl_ != nullptr) {
      ERR_clear_error();
      got = SSL_read(ssl_, bytes.data(), static_cast<int>(bytes.size()));
      if (got <= 0) {
        const int reason = SSL_get_error(ssl_, static_cast<int>(got));
        return reason == SSL_ERROR_WANT_READ || fail("closed by server");
      }
    } else {
      got = ::recv(fd_, bytes.data(), bytes.size(), 0);
      if (got < 0) return errno == EAGAIN || fail("reset by server");
      if (got == 0) return fail("closed by server");
    }
    reader_.buffer().append(bytes.data(), static_cast<std::size_t>(got));
    // A short plain read has emptied the socket; TLS may hold more records.
    if (ssl_ == nullptr && static_cast<std::size_t>(got) < bytes.size()) return true;
  }
}

}  // namespace tollgate::bench
