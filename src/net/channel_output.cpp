// Channel: writing, deadlines, and the end.
#include <boost/asio/error.hpp>
#include <cassert>

#include "net/tcp_delivery.hpp"
#include "net/tls_session.hpp"
#include "tollgate/net/channel.hpp"

namespace tollgate::net {
namespace {
/// One TLS record's payload.
constexpr std::size_t kTlsRecord = 16 * 1024;
/// Pieces of one system call.
constexpr std::size_t kPieces = 64;
}  // namespace

// ---- output ----

Channel::WriteAwaiter Channel::write(std::span<const std::string_view> pieces) {
  assert(!writer_ && !write_blocked_);
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
  while (!is_written()) {
    const std::size_t count = std::min(out_.size() - out_at_, kPieces);
    error_code error;
    std::size_t left = socket_.send(std::span(out_).subspan(out_at_, count), error);
    if (error) {
      if (error == asio::error::would_block) return false;
      write_error_ = error;
      return true;
    }
    written_ += left;
    while (left > 0) {
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

bool Channel::flush_tls() noexcept {
  for (;;) {
    if (tls_record_.empty()) next_tls_record();
    if (tls_record_.empty()) return true;
    error_code error;
    tls_->write(tls_record_.data(), tls_record_.size(), error);
    if (error == asio::error::would_block) return false;
    if (error) {
      write_error_ = error;
      return true;
    }
    written_ += tls_record_.size();
    tls_record_.clear();
  }
}

void Channel::next_tls_record() {
  // Small pieces are joined: one record and one system call, not one of each.
  while (!is_written() && tls_record_.size() < kTlsRecord) {
    iovec& piece = out_[out_at_];
    const std::size_t take = std::min(piece.iov_len, kTlsRecord - tls_record_.size());
    const char* const from = static_cast<const char*>(piece.iov_base);
    tls_record_.insert(tls_record_.end(), from, from + take);
    piece.iov_base = static_cast<char*>(piece.iov_base) + take;
    piece.iov_len -= take;
    if (piece.iov_len == 0) ++out_at_;
  }
}

bool Channel::WriteAwaiter::await_ready() noexcept {
  if (channel_.closed_) {
    channel_.write_error_ = channel_.translate(asio::error::operation_aborted);
    return true;
  }
  return channel_.write_error_ || channel_.out_.empty();
}

void Channel::WriteAwaiter::await_suspend(std::coroutine_handle<> caller) {
  channel_.writer_ = caller;
  channel_.loop_.write_soon(channel_);
}

bool Channel::write_now() noexcept {
  const std::size_t before = written_;
  if (closed_) {  // meanwhile
    write_error_ = translate(asio::error::operation_aborted);
  } else if (!(tls_ ? flush_tls() : flush_plain())) {
    // Progress moves the deadline: it is a stall limit, not a limit on a long answer.
    if (written_ != before || write_deadline_.at() == base::Deadline::never().at())
      move_write_deadline();
    write_blocked_ = true;
    return false;
  }
  write_deadline_ = base::Deadline::never();
  return true;
}

void Channel::end_write() {
  if (writer_) std::exchange(writer_, {}).resume();
}

void Channel::move_write_deadline() noexcept {
  write_deadline_ =
      base::Deadline::after(std::chrono::steady_clock::now(), write_timeout_).earlier(write_limit_);
}

bool Channel::nothing_arrived_since(std::uint64_t mark) noexcept {
  return !closed_ && nothing_acknowledged_since(socket_.fd(), mark);
}

// ---- end ----

Channel::~Channel() = default;

void Channel::check_deadlines(base::MonoTime now) noexcept {
  if (closed_) return;
  if (tls_) tls_->release_idle_buffers();
  const bool read_late = read_deadline_.passed(now);
  if (!write_deadline_.passed(now) && !(read_late && on_read_deadline_ == OnDeadline::close)) {
    if (!read_late || !(reader_ || sink_ != nullptr) || !reading_ || writer_) return;
    // Over already. Bytes that lie in the socket unread are no reason to wait: a peer that sends
    // one in every turn would never be late. They stay there.
    if (read_over_) return;
    expired_ = true;
    end_read(asio::error::operation_aborted);
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
  socket_.close();
  if (setup_ == Setup::connecting || setup_ == Setup::handshaking)
    end_setup(asio::error::operation_aborted);
  if (reading_ && !read_over_) end_read(asio::error::operation_aborted);
  if (std::exchange(write_blocked_, false)) loop_.write_soon(*this);
}

void Channel::shutdown_send() noexcept {
  if (closed_) return;
  // Not behind half a record: the peer could make nothing of it.
  if (tls_ && !writer_ && !write_error_) tls_->close_notify();
  socket_.shutdown_send();
}

void Channel::reset() noexcept {
  if (closed_) return;
  socket_.set_reset_on_close();
  close();
}

}  // namespace tollgate::net
