#include "tollgate/net/channel.hpp"

#include <sys/epoll.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <cassert>
#include <cstring>

#include "net/tls_session.hpp"

namespace tollgate::net {
namespace {

/// First read size. Big enough for an agent's head and small body in one system call
/// (Beast's 512-byte default costs eight more), small enough for thousands of idle connections.
constexpr std::size_t kInitialBuffer = 16 * 1024;
/// Unconsumed bytes up to which a watched connection is read on.
constexpr std::size_t kWatchBuffer = 64 * 1024;
/// Registered once: what a socket can take or give is known between two edges (Socket).
constexpr std::uint32_t kEdges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

}  // namespace

Channel::Channel(Loop& loop, Cohort cohort, Socket socket)
    : loop_(loop), socket_(std::move(socket)), cohort_(cohort) {
  if (!socket_.is_open()) return;
  read_error_ = loop_.add(socket_.fd(), *this, kEdges);
  if (read_error_) close();
}

bool is_end(const error_code& error) noexcept {
  return error == asio::error::eof || error == asio::ssl::error::stream_truncated;
}

error_code Channel::translate(const error_code& error) const noexcept {
  return error && timed_out_ ? error_code(asio::error::timed_out) : error;
}

void Channel::on_events(std::uint32_t events) noexcept {
  constexpr std::uint32_t kEnd = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if ((events & (EPOLLIN | kEnd)) != 0) socket_.note_readable((events & kEnd) != 0);
  if (setup_ == Setup::connecting || setup_ == Setup::handshaking) return step_setup();
  if (reading_ && !read_over_ && (tls_ || socket_.readable())) loop_.resume_soon(*this);
  // TLS may have to read before it can write.
  if (write_blocked_ && (tls_ || (events & (EPOLLOUT | kEnd)) != 0)) {
    write_blocked_ = false;
    loop_.write_soon(*this);
  }
}

void Channel::resume() {
  if (setup_ == Setup::over) {
    setup_ = Setup::none;
    if (setter_up_) std::exchange(setter_up_, {}).resume();
  }
  if (reading_ && !read_over_) read_now();
  if (read_over_) {
    read_over_ = false;
    on_read(read_end_, last_read_);
  }
}

// ---- set-up ----

Channel::SetupAwaiter Channel::handshake(asio::ssl::context& context, bool server,
                                         const char* server_name, bool verify_name) {
  assert(!reading_);
  if (closed_) {
    end_setup(asio::error::operation_aborted);
    return SetupAwaiter(*this);
  }
  tls_ = std::make_unique<TlsSession>(context.native_handle(), socket_, server);
  if (server_name != nullptr) tls_->set_peer_name(server_name, verify_name);
  // Bytes read before the handshake (PROXY protocol) belong to it.
  tls_->prepend(buffered());
  consume(buffered().size());
  setup_ = Setup::handshaking;
  step_setup();
  return SetupAwaiter(*this);
}

Channel::SetupAwaiter Channel::connect(const tcp::endpoint& peer) {
  setup_ = Setup::connecting;
  error_code error = socket_.connect(peer);
  if (!error) error = loop_.add(socket_.fd(), *this, kEdges);
  if (error) end_setup(error);
  return SetupAwaiter(*this);
}

void Channel::step_setup() noexcept {
  error_code error;
  if (setup_ == Setup::connecting) {
    error = socket_.connect_error();
  } else {
    tls_->handshake(error);
    if (error == asio::error::would_block) return;
  }
  end_setup(error);
}

void Channel::end_setup(const error_code& error) noexcept {
  setup_ = Setup::over;
  setup_error_ = error;
  loop_.resume_soon(*this);
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
  read_target_ = target;
  read_size_ = size;
  if (socket_.readable() || (tls_ && tls_->has_pending())) loop_.resume_soon(*this);
}

void Channel::read_now() noexcept {
  error_code error;
  const std::size_t bytes = tls_ ? tls_->read(read_target_, read_size_, error)
                                 : socket_.receive(read_target_, read_size_, error);
  if (error == asio::error::would_block) return;
  read_over_ = true;
  read_end_ = error;
  last_read_ = bytes;
}

void Channel::end_read(const error_code& error) noexcept {
  read_over_ = true;
  read_end_ = error;
  last_read_ = 0;
  loop_.resume_soon(*this);
}

void Channel::on_read(const error_code& error, std::size_t bytes) {
  reading_ = false;
  last_read_ = bytes;
  if (!direct_) end_ += bytes;
  direct_ = false;
  // A deadline that only reports leaves the connection in order, unless the bytes came just in
  // time: then there is nothing to report.
  expired_ = expired_ && error == asio::error::operation_aborted && !closed_;
  if (error && !expired_) read_error_ = translate(error);
  if (reader_) {
    std::exchange(reader_, {}).resume();
    return;
  }
  if (sink_ != nullptr) {
    std::exchange(sink_, nullptr)->on_filled(take_result());
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
  assert(!channel_.reader_ && channel_.sink_ == nullptr);
  channel_.reader_ = caller;
  channel_.start_fill(max_);
}

void Channel::fill(std::size_t max_buffer, FillSink& sink) {
  assert(!reader_ && sink_ == nullptr);
  sink_ = &sink;
  start_fill(max_buffer);
}

void Channel::start_fill(std::size_t max_buffer) {
  if (reading_) return;
  if (failed()) {
    reading_ = true;
    end_read(read_error_);
  } else if (prepare_room(max_buffer)) {
    start_read(data_.get() + end_, capacity_ - end_);
  } else {
    // The caller's limits refuse a message before the buffer is full; this is the backstop.
    reading_ = true;
    end_read(asio::error::no_buffer_space);
  }
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
  assert(!channel_.reader_ && channel_.sink_ == nullptr);
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
