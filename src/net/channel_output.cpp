// Channel: writing, deadlines, and the end.
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>

#include "net/tcp_delivery.hpp"
#include "tollgate/net/channel.hpp"
#include "tollgate/net/write_batch.hpp"

namespace tollgate::net {
namespace {
/// One TLS record's payload.
constexpr std::size_t kTlsRecord = 16 * 1024;
}  // namespace

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
    plain_out_ += left;
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
  if (channel_.write_error_ || channel_.out_.empty()) return true;
  return channel_.batch_ == nullptr && !channel_.tls_ && channel_.flush_plain();
}

void Channel::WriteAwaiter::await_suspend(std::coroutine_handle<> caller) {
  channel_.writer_ = caller;
  if (channel_.batch_ != nullptr) {
    channel_.batch_->add(ChannelPtr(&channel_));
  } else {
    channel_.start_write();
  }
}

bool Channel::begin_write() {
  if (closed_) {  // meanwhile
    write_error_ = timed_out_ ? asio::error::timed_out : error_code(asio::error::operation_aborted);
    return true;
  }
  if (!tls_ && flush_plain()) return true;
  start_write();
  return false;
}

void Channel::end_write() {
  if (writer_) std::exchange(writer_, {}).resume();
}

void Channel::move_write_deadline() noexcept {
  write_deadline_ =
      base::Deadline::after(std::chrono::steady_clock::now(), write_timeout_).earlier(write_limit_);
}

std::uint64_t Channel::bytes_out() const noexcept {
  return plain_out_ + (tls_ ? BIO_number_written(SSL_get_wbio(tls_->native_handle())) : 0);
}

bool Channel::nothing_arrived_since(std::uint64_t mark) noexcept {
  return !closed_ && nothing_acknowledged_since(socket_.native_handle(), mark);
}

void Channel::start_write() {
  move_write_deadline();
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
      if (written_ != before) move_write_deadline();
      socket_.async_wait(tcp::socket::wait_write, WritableHandler{ChannelPtr(this)});
      return;
    }
  }
  write_deadline_ = base::Deadline::never();
  end_write();
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
    move_write_deadline();
    if (next_tls_record()) return;
  }
  write_deadline_ = base::Deadline::never();
  end_write();
}

// ---- end ----

Channel::~Channel() = default;

void Channel::check_deadlines(base::MonoTime now) noexcept {
  if (closed_) return;
  const bool read_late = read_deadline_.passed(now);
  if (!write_deadline_.passed(now) && !(read_late && on_read_deadline_ == OnDeadline::close)) {
    if (!read_late || !reader_ || !reading_ || writer_) return;
    expired_ = true;
    error_code ignored;
    socket_.cancel(ignored);
    return;
  }
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
