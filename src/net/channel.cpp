#include "tollgate/net/channel.hpp"

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <cstring>

namespace tollgate::net {
namespace {

/// First read size. Big enough for an agent's head and small body in one system call
/// (Beast's 512-byte default costs eight more), small enough for thousands of idle connections.
constexpr std::size_t kInitialBuffer = 16 * 1024;
/// One TLS record's payload.
constexpr std::size_t kTlsRecord = 16 * 1024;

}  // namespace

// Handlers hold a reference, so a channel dropped by its owner lives until its operations end.

struct Channel::ReadHandler {
  ChannelPtr channel;
  void operator()(const error_code& error, std::size_t bytes) { channel->on_read(error, bytes); }
};

struct Channel::WritableHandler {
  ChannelPtr channel;
  void operator()(const error_code& error) { channel->on_writable(error); }
};

struct Channel::TlsWriteHandler {
  ChannelPtr channel;
  void operator()(const error_code& error, std::size_t bytes) {
    channel->on_tls_written(error, bytes);
  }
};

Channel::Channel(tcp::socket socket) : socket_(std::move(socket)) {}

Channel::~Channel() = default;

void* Channel::native_ssl() noexcept {
  return tls_ ? tls_->native_handle() : nullptr;
}

error_code Channel::translate(const error_code& error) const noexcept {
  return error && timed_out_ ? error_code(asio::error::timed_out) : error;
}

// ---- set-up ----

Channel::HandshakeAwaiter Channel::handshake(asio::ssl::context& context, bool server,
                                             const char* server_name, bool verify_name) {
  tls_ = std::make_unique<asio::ssl::stream<tcp::socket&>>(socket_, context);
  if (server_name != nullptr) {
    // An IP literal is not sent as SNI (RFC 6066 §3) but is still verified.
    error_code not_an_address;
    asio::ip::make_address(server_name, not_an_address);
    // The SSL_set_tlsext_host_name macro, without its C casts.
    if (not_an_address)
      SSL_ctrl(tls_->native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
               const_cast<char*>(server_name));
    if (verify_name) {
      tls_->set_verify_callback(asio::ssl::host_name_verification(server_name));
    }
  }
  return HandshakeAwaiter(*this, server);
}

void Channel::HandshakeAwaiter::await_suspend(std::coroutine_handle<> caller) {
  ChannelPtr keep(&channel_);
  // Bytes read before the handshake (PROXY protocol) belong to it.
  const std::string_view early = channel_.buffered();
  auto handler = [this, keep, caller](const error_code& error, std::size_t used = 0) {
    error_ = error;
    channel_.consume(used);
    caller.resume();
  };
  const auto type = server_ ? asio::ssl::stream_base::server : asio::ssl::stream_base::client;
  if (early.empty()) {
    channel_.tls_->async_handshake(type,
                                   [handler](const error_code& error) mutable { handler(error); });
  } else {
    channel_.tls_->async_handshake(type, asio::buffer(early.data(), early.size()),
                                   std::move(handler));
  }
}

Channel::ConnectAwaiter Channel::connect(const tcp::endpoint& peer) {
  return ConnectAwaiter(*this, peer);
}

void Channel::ConnectAwaiter::await_suspend(std::coroutine_handle<> caller) {
  ChannelPtr keep(&channel_);
  channel_.socket_.async_connect(peer_, [this, keep, caller](const error_code& error) {
    error_ = error;
    if (!error) {
      error_code ignored;
      channel_.socket_.set_option(tcp::no_delay(true), ignored);
      channel_.socket_.native_non_blocking(true, ignored);
    }
    caller.resume();
  });
}

// ---- input ----

bool Channel::prepare_room(std::size_t max_buffer) {
  if (!data_) {
    capacity_ = kInitialBuffer;
    data_ = std::make_unique_for_overwrite<char[]>(capacity_);
  }
  if (begin_ == end_ && !pinned_) begin_ = end_ = 0;
  if (end_ < capacity_) return true;
  if (pinned_) return false;
  if (begin_ > 0) {
    std::memmove(data_.get(), data_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    return true;
  }
  if (capacity_ >= max_buffer) return false;
  const std::size_t larger = std::min(max_buffer, capacity_ * 2);
  auto grown = std::make_unique_for_overwrite<char[]>(larger);
  std::memcpy(grown.get(), data_.get(), end_);
  data_ = std::move(grown);
  capacity_ = larger;
  return true;
}

void Channel::start_read(char* target, std::size_t size) {
  reading_ = true;
  const asio::mutable_buffer room(target, size);
  if (tls_) {
    tls_->async_read_some(room, ReadHandler{ChannelPtr(this)});
  } else {
    socket_.async_read_some(room, ReadHandler{ChannelPtr(this)});
  }
}

void Channel::on_read(const error_code& error, std::size_t bytes) {
  reading_ = false;
  last_read_ = bytes;
  // A TLS peer that closes the TCP connection without close_notify: the framing above decides
  // whether the message was complete, so it is an end like any other.
  if (error) {
    read_error_ = error == asio::ssl::error::stream_truncated ? error_code(asio::error::eof)
                                                              : translate(error);
  }
  if (!direct_) end_ += bytes;
  direct_ = false;
  if (reader_) {
    std::exchange(reader_, {}).resume();
    return;
  }
  if (watcher_ == nullptr) return;
  if (error) {
    std::exchange(watcher_, nullptr)->on_peer_closed(*this);
    return;
  }
  watcher_->on_unsolicited_input(*this);
  arm_watch();
}

Channel::FillAwaiter Channel::fill(std::size_t max_buffer) {
  return FillAwaiter(*this, max_buffer);
}

void Channel::FillAwaiter::await_suspend(std::coroutine_handle<> caller) {
  channel_.reader_ = caller;
  if (channel_.reading_) return;
  if (!channel_.prepare_room(max_)) {
    // The caller's limits refuse a message before the buffer is full; this is the backstop.
    channel_.read_error_ = asio::error::no_buffer_space;
    ChannelPtr keep(&channel_);
    asio::post(channel_.socket_.get_executor(), [keep] {
      if (keep->reader_) std::exchange(keep->reader_, {}).resume();
    });
    return;
  }
  channel_.start_read(channel_.data_.get() + channel_.end_, channel_.capacity_ - channel_.end_);
}

Channel::ReadAwaiter Channel::read_into(char* target, std::size_t size) {
  return ReadAwaiter(*this, target, size);
}

bool Channel::ReadAwaiter::await_ready() noexcept {
  const std::string_view have = channel_.buffered();
  if (!have.empty()) {
    copied_ = std::min(size_, have.size());
    std::memcpy(target_, have.data(), copied_);
    channel_.consume(copied_);
    return true;
  }
  return channel_.failed();
}

void Channel::ReadAwaiter::await_suspend(std::coroutine_handle<> caller) {
  channel_.reader_ = caller;
  channel_.direct_ = true;
  channel_.start_read(target_, size_);
}

void Channel::watch(ChannelWatcher* watcher) {
  watcher_ = watcher;
  if (read_error_) {
    std::exchange(watcher_, nullptr)->on_peer_closed(*this);
    return;
  }
  arm_watch();
}

void Channel::arm_watch() {
  if (reading_ || closed_ || watcher_ == nullptr) return;
  // A full buffer means the peer has sent a whole further request already; it is alive enough.
  if (!prepare_room(kInitialBuffer)) return;
  start_read(data_.get() + end_, capacity_ - end_);
}

// ---- output ----

Channel::WriteAwaiter Channel::write(std::span<const std::string_view> pieces) {
  out_.clear();
  out_at_ = 0;
  written_ = 0;
  for (const std::string_view piece : pieces)
    if (!piece.empty())
      out_.push_back(
          {const_cast<char*>(piece.data()), piece.size()});  // iovec is not const-correct
  return WriteAwaiter(*this);
}

Channel::WriteAwaiter Channel::write(std::string_view piece) {
  return write(std::span<const std::string_view>(&piece, 1));
}

bool Channel::flush_plain() noexcept {
  while (out_at_ < out_.size()) {
    msghdr message{};
    message.msg_iov = out_.data() + out_at_;
    message.msg_iovlen = std::min<std::size_t>(out_.size() - out_at_, 64);
    const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
      write_error_ = error_code(errno, boost::system::system_category());
      return true;
    }
    auto left = static_cast<std::size_t>(sent);
    written_ += left;
    while (left > 0 && out_at_ < out_.size()) {
      iovec& piece = out_[out_at_];
      const std::size_t take = std::min(left, piece.iov_len);
      piece.iov_base = static_cast<char*>(piece.iov_base) + take;
      piece.iov_len -= take;
      left -= take;
      if (piece.iov_len == 0) ++out_at_;
    }
  }
  return true;
}

bool Channel::WriteAwaiter::await_ready() noexcept {
  if (channel_.closed_) {
    channel_.write_error_ =
        channel_.timed_out_ ? asio::error::timed_out : error_code(asio::error::operation_aborted);
    return true;
  }
  if (channel_.write_error_) return true;
  return channel_.tls_ ? channel_.out_.empty() : channel_.flush_plain();
}

void Channel::WriteAwaiter::await_suspend(std::coroutine_handle<> caller) {
  channel_.writer_ = caller;
  channel_.start_write();
}

void Channel::start_write() {
  write_deadline_ = base::Deadline::after(std::chrono::steady_clock::now(), write_timeout_);
  if (tls_) {
    next_tls_record();
  } else {
    socket_.async_wait(tcp::socket::wait_write, WritableHandler{ChannelPtr(this)});
  }
}

void Channel::on_writable(const error_code& error) {
  if (error) {
    write_error_ = translate(error);
  } else {
    const std::size_t before = written_;
    if (!flush_plain()) {
      // Progress moves the deadline: it is a stall limit, not a limit on a long answer.
      if (written_ != before)
        write_deadline_ = base::Deadline::after(std::chrono::steady_clock::now(), write_timeout_);
      socket_.async_wait(tcp::socket::wait_write, WritableHandler{ChannelPtr(this)});
      return;
    }
  }
  write_deadline_ = base::Deadline::never();
  if (writer_) std::exchange(writer_, {}).resume();
}

bool Channel::next_tls_record() {
  // Small pieces are joined: one record, one system call, where asio would make one of each.
  tls_record_.clear();
  while (out_at_ < out_.size() && tls_record_.size() < kTlsRecord) {
    iovec& piece = out_[out_at_];
    const std::size_t take = std::min(piece.iov_len, kTlsRecord - tls_record_.size());
    const char* const from = static_cast<const char*>(piece.iov_base);
    tls_record_.insert(tls_record_.end(), from, from + take);
    piece.iov_base = static_cast<char*>(piece.iov_base) + take;
    piece.iov_len -= take;
    if (piece.iov_len == 0) ++out_at_;
  }
  if (tls_record_.empty()) return false;
  asio::async_write(*tls_, asio::buffer(tls_record_), TlsWriteHandler{ChannelPtr(this)});
  return true;
}

void Channel::on_tls_written(const error_code& error, std::size_t bytes) {
  written_ += bytes;
  if (error) {
    write_error_ = translate(error);
  } else {
    write_deadline_ = base::Deadline::after(std::chrono::steady_clock::now(), write_timeout_);
    if (next_tls_record()) return;
  }
  write_deadline_ = base::Deadline::never();
  if (writer_) std::exchange(writer_, {}).resume();
}

// ---- end ----

void Channel::check_deadlines(base::MonoTime now) noexcept {
  if (closed_ || (!read_deadline_.passed(now) && !write_deadline_.passed(now))) return;
  timed_out_ = true;
  close();
}

void Channel::close() noexcept {
  if (closed_) return;
  closed_ = true;
  if (!read_error_)
    read_error_ = timed_out_ ? asio::error::timed_out : error_code(asio::error::operation_aborted);
  error_code ignored;
  socket_.close(ignored);
}

void Channel::shutdown_send() noexcept {
  if (closed_) return;
  if (tls_ && !writer_ && !write_error_) {
    // Asio keeps the ciphertext in its own BIO pair; a bounded, awaited shutdown is not worth a
    // round trip here. FIN follows: HTTP framing has already told the peer where the end is.
    SSL_set_quiet_shutdown(tls_->native_handle(), 1);
  }
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void Channel::reset() noexcept {
  if (closed_) return;
  error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  close();
}

}  // namespace tollgate::net
