#include "tollgate/net/channel.hpp"

#include <openssl/ssl.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <cassert>
#include <cstring>

namespace tollgate::net {
namespace {

/// First read size. Big enough for an agent's head and small body in one system call
/// (Beast's 512-byte default costs eight more), small enough for thousands of idle connections.
constexpr std::size_t kInitialBuffer = 16 * 1024;
/// Unconsumed bytes up to which a watched connection is read on.
constexpr std::size_t kWatchBuffer = 64 * 1024;

}  // namespace

// Handlers hold a reference, so a channel dropped by its owner lives until its operations end.

struct Channel::ReadHandler {
  ChannelPtr channel;
  void operator()(const error_code& error, std::size_t bytes) { channel->on_read(error, bytes); }
};

Channel::Channel(tcp::socket socket) : socket_(std::move(socket)) {}

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
  const auto type = server_ ? asio::ssl::stream_base::server : asio::ssl::stream_base::client;
  if (early.empty()) {
    channel_.tls_->async_handshake(type,
                                   [this, keep = std::move(keep), caller](const error_code& error) {
                                     error_ = error;
                                     caller.resume();
                                   });
  } else {
    channel_.tls_->async_handshake(
        type, asio::buffer(early.data(), early.size()),
        [this, keep = std::move(keep), caller](const error_code& error, std::size_t used) {
          error_ = error;
          channel_.consume(used);
          caller.resume();
        });
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

void Channel::pin(std::size_t bytes) noexcept {
  begin_ += bytes;
  floor_ = begin_;
}

void Channel::unpin() noexcept {
  floor_ = 0;
  pinned_block_.reset();
}

bool Channel::prepare_room(std::size_t max_buffer) {
  const std::size_t unread = end_ - begin_;
  if (unread == 0) {
    begin_ = end_ = floor_;
    // What one large head needed is not kept by an idle connection.
    if (floor_ == 0 && capacity_ > kInitialBuffer) data_.reset();
    if (!data_) {
      capacity_ = kInitialBuffer;
      data_ = std::make_unique_for_overwrite<char[]>(capacity_);
    }
  }
  if (end_ < capacity_) return true;
  if (begin_ > floor_) {
    std::memmove(data_.get() + floor_, data_.get() + begin_, unread);
    begin_ = floor_;
    end_ = begin_ + unread;
    return true;
  }
  if (unread >= max_buffer) return false;
  const std::size_t larger = std::max(kInitialBuffer, std::min(max_buffer, unread * 2));
  auto grown = std::make_unique_for_overwrite<char[]>(larger);
  if (unread != 0) std::memcpy(grown.get(), data_.get() + begin_, unread);
  if (floor_ != 0) pinned_block_ = std::move(data_);
  data_ = std::move(grown);
  capacity_ = larger;
  floor_ = begin_ = 0;
  end_ = unread;
  return true;
}

void Channel::start_read(char* target, std::size_t size) {
  assert(!reading_);
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
  if (!direct_) end_ += bytes;
  direct_ = false;
  // A deadline that only reports leaves the connection in order, unless the bytes came just in
  // time: then there is nothing to report.
  expired_ = expired_ && error == asio::error::operation_aborted && !closed_;
  // A TLS peer that closes the TCP connection without close_notify: the framing above decides
  // whether the message was complete, so it is an end like any other.
  if (error && !expired_) {
    read_error_ = error == asio::ssl::error::stream_truncated ? error_code(asio::error::eof)
                                                              : translate(error);
  }
  if (reader_) {
    std::exchange(reader_, {}).resume();
    return;
  }
  if (std::exchange(expired_, false)) return arm_watch();
  if (watcher_ == nullptr) return;
  if (error) {
    std::exchange(watcher_, nullptr)->on_peer_closed(*this);
    return;
  }
  watcher_->on_unsolicited_input(*this);
  arm_watch();
}

IoResult Channel::take_result() noexcept {
  if (std::exchange(expired_, false)) return {asio::error::timed_out, 0};
  if (failed()) return {read_error_, 0};
  return {{}, last_read_};
}

Channel::FillAwaiter Channel::fill(std::size_t max_buffer) {
  return FillAwaiter(*this, max_buffer);
}

void Channel::FillAwaiter::await_suspend(std::coroutine_handle<> caller) {
  assert(!channel_.reader_);
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

bool Channel::ReadAwaiter::copy_buffered() noexcept {
  const std::string_view have = channel_.buffered();
  if (have.empty()) return false;
  copied_ = std::min(size_, have.size());
  std::memcpy(target_, have.data(), copied_);
  channel_.consume(copied_);
  return true;
}

bool Channel::ReadAwaiter::await_ready() noexcept {
  return copy_buffered() || channel_.failed();
}

void Channel::ReadAwaiter::await_suspend(std::coroutine_handle<> caller) {
  assert(!channel_.reader_);
  channel_.reader_ = caller;
  // A second read on one socket would take its bytes out of order, and into memory that may be
  // gone: the read that watched the last call is waited for, its bytes are copied from the buffer.
  if (channel_.reading_) return;
  channel_.direct_ = true;
  channel_.start_read(target_, size_);
}

IoResult Channel::ReadAwaiter::await_resume() noexcept {
  if (copied_ == 0 && !copy_buffered()) return channel_.take_result();
  return {{}, copied_};
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
  if (!prepare_room(kWatchBuffer)) return;
  start_read(data_.get() + end_, capacity_ - end_);
}

}  // namespace tollgate::net
