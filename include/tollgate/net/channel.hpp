#pragma once

#include <sys/uio.h>

#include <boost/asio/ssl/context.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/net/loop.hpp"
#include "tollgate/net/socket.hpp"

namespace tollgate::net {

/// What ended an IO operation: no error and the bytes moved, or the error.
struct IoResult {
  error_code error;
  std::size_t bytes = 0;
};

/// Whether the peer has ended the connection, with close_notify or without. Where an end completes
/// a message, only asio::error::eof will do: over TLS anybody on the way can forge the other one.
[[nodiscard]] bool is_end(const error_code& error) noexcept;

class TlsSession;

/// Told of the end of a fill, for those who do not want to be resumed for every one.
class FillSink {
 public:
  /// The fill is over. May begin the next one.
  virtual void on_filled(const IoResult& result) = 0;

 protected:
  ~FillSink() = default;
};

/// Told when something arrives on a channel that nobody is reading from.
class ChannelWatcher {
 public:
  virtual ~ChannelWatcher() = default;
  /// The peer closed or the connection failed. Called at most once per channel.
  virtual void on_peer_closed(Channel& channel) = 0;
  /// Bytes arrived unasked. Default: they stay in the buffer.
  virtual void on_unsolicited_input(Channel&) {}
};

/// One TCP connection, plain or TLS, to an agent or to an upstream.
///
/// Keeps one read outstanding whenever it is allowed to: the read that notices a vanished peer
/// during a call is the same read that gets the next request, so watching costs no system call.
/// Reads, resumptions and writes happen in the phases of its loop's turn (Loop): nothing is ever
/// resumed from within the call that asked for it.
///
/// Lifetime: reference-counted; who awaits an operation keeps a reference. Threads: the loop's
/// only. Deadlines: `set_read_deadline`/`set_write_limit` and the write timeout are checked by the
/// worker's sweep, about every 50 ms: late by a sweep at most, and early by a turn at most where
/// they were counted from Loop::read_time(). Passing one closes the socket and the pending
/// operation ends with asio::error::timed_out. There is no timer per operation.
class Channel final : public boost::intrusive_ref_counter<Channel, boost::thread_unsafe_counter>,
                      public boost::intrusive::list_base_hook<
                          boost::intrusive::link_mode<boost::intrusive::auto_unlink>>,
                      private Loop::Source {
 public:
  /// Over an accepted connection, or over none yet (connect). One that the loop cannot watch is
  /// closed from the start.
  Channel(Loop& loop, Cohort cohort, Socket socket = {});
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // ---- set-up ----

  /// Awaits the server or client side of a TLS handshake; the read deadline applies.
  class SetupAwaiter;
  [[nodiscard]] SetupAwaiter handshake(asio::ssl::context& context, bool server,
                                       const char* server_name, bool verify_name);
  /// Awaits a connect to one address; the read deadline applies.
  [[nodiscard]] SetupAwaiter connect(const tcp::endpoint& peer);
  [[nodiscard]] bool is_tls() const noexcept { return tls_ != nullptr; }
  [[nodiscard]] Cohort cohort() const noexcept { return cohort_; }

  // ---- input ----

  /// Bytes read and not yet consumed. Views stay valid until the next fill/read.
  [[nodiscard]] std::string_view buffered() const noexcept {
    return {data_.get() + begin_, end_ - begin_};
  }
  void consume(std::size_t bytes) noexcept { begin_ += bytes; }
  /// Consumes `bytes` but keeps them where they are until unpin(): views into them survive any
  /// number of reads, and reads still find room (in a second block when this one is full).
  void pin(std::size_t bytes) noexcept;
  void unpin() noexcept;

  /// Awaits the next bytes (appended to buffered()), or the end: asio::error::eof and the like;
  /// asio::ssl::error::stream_truncated for one that TLS did not announce (is_end).
  /// More than `max_buffer` unconsumed bytes end with asio::error::no_buffer_space.
  class FillAwaiter;
  [[nodiscard]] FillAwaiter fill(std::size_t max_buffer);
  /// The same for a sink, which is told in a later phase of the loop's turn.
  void fill(std::size_t max_buffer, FillSink& sink);
  /// Awaits up to `size` bytes (> 0) into `target`, buffered bytes first. Straight from the socket
  /// when no read is outstanding; else that read is waited for and copied from.
  class ReadAwaiter;
  [[nodiscard]] ReadAwaiter read_into(char* target, std::size_t size);
  /// Keeps a read outstanding while nobody fills, so that `watcher` hears of a closed peer. Stops
  /// reading when 64 KiB lie unconsumed: a peer that sends that much behind a running call is
  /// noticed to have left only by the next write.
  void watch(ChannelWatcher* watcher);
  void unwatch() noexcept { watcher_ = nullptr; }
  [[nodiscard]] bool failed() const noexcept { return static_cast<bool>(read_error_) || closed_; }
  /// Whether the read that watches has met something in this turn that nobody was told of yet.
  [[nodiscard]] bool has_news() const noexcept { return read_over_ || socket_.readable(); }

  // ---- output ----

  /// Awaits until all pieces are written, which begins at the end of the loop's turn; they must
  /// stay valid until then.
  class WriteAwaiter;
  [[nodiscard]] WriteAwaiter write(std::span<const std::string_view> pieces);
  [[nodiscard]] WriteAwaiter write(std::string_view piece);
  /// What the last write came to, once it is over.
  [[nodiscard]] IoResult write_result() const noexcept { return {write_error_, written_}; }
  /// Bytes given to the kernel since the connection was made; ciphertext on TLS.
  [[nodiscard]] std::uint64_t bytes_out() const noexcept { return socket_.bytes_out(); }
  /// Whether the peer's kernel has acknowledged nothing of what was written after `mark` (a former
  /// bytes_out(), of a connection that had been used before). False when that is not known. Ask
  /// after an end of file only: a FIN acknowledges all that arrived before it, a reset does not.
  [[nodiscard]] bool nothing_arrived_since(std::uint64_t mark) noexcept;

  // ---- end ----

  /// What the sweep does when the read deadline has passed.
  enum class OnDeadline : std::uint8_t {
    close,   ///< closes the connection
    report,  ///< ends the pending fill or read with asio::error::timed_out; all else goes on
  };
  void set_read_deadline(base::Deadline deadline, OnDeadline then = OnDeadline::close) noexcept {
    read_deadline_ = deadline;
    on_read_deadline_ = then;
  }
  /// The longest time without progress of one write, and the point by which writes must be done
  /// whatever progress they make (a slow reader moves the first one with every byte).
  void set_write_timeout(std::chrono::nanoseconds timeout) noexcept { write_timeout_ = timeout; }
  void set_write_limit(base::Deadline limit) noexcept { write_limit_ = limit; }
  /// Called by the worker's sweep.
  void check_deadlines(base::MonoTime now) noexcept;
  [[nodiscard]] bool timed_out() const noexcept { return timed_out_; }
  /// Ends every pending operation; they complete with an error on the next loop turn.
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  /// Sends FIN, and close_notify before it on TLS (not awaited; left out when the socket is full).
  void shutdown_send() noexcept;
  /// close() with RST instead of FIN: the peer must not take what it got for complete.
  void reset() noexcept;

 private:
  friend class Loop;  // its turn's phases:
  void on_events(std::uint32_t events) noexcept override;
  void read_now() noexcept;
  void resume();
  /// True when the write is over, one way or the other; else the socket is waited for.
  bool write_now() noexcept;
  void end_write();

  enum class Setup : std::uint8_t { none, connecting, handshaking, over };
  void start_connect(const tcp::endpoint& peer);
  void step_setup() noexcept;
  void end_setup(const error_code& error) noexcept;
  void start_read(char* target, std::size_t size);
  /// The outstanding read is over; who waits for it is resumed in the turn's next phase.
  void end_read(const error_code& error) noexcept;
  void on_read(const error_code& error, std::size_t bytes);
  bool prepare_room(std::size_t max_buffer);
  void start_fill(std::size_t max_buffer);
  void arm_watch();
  /// What the fill or read that is being resumed came to.
  IoResult take_result() noexcept;
  void move_write_deadline() noexcept;
  /// Writes what the socket takes now. True when done or failed (write_error_).
  bool flush_plain() noexcept;
  bool flush_tls() noexcept;
  void next_tls_record();
  [[nodiscard]] bool is_written() const noexcept { return out_at_ == out_.size(); }
  error_code translate(const error_code& error) const noexcept;

  Loop& loop_;
  Socket socket_;
  std::unique_ptr<TlsSession> tls_;
  const Cohort cohort_;

  Setup setup_ = Setup::none;
  error_code setup_error_;
  std::coroutine_handle<> setter_up_;

  bool reading_ = false;    ///< at most one read is outstanding; start_read asserts it
  bool read_over_ = false;  ///< the outstanding read is: `read_end_` and `last_read_` say how
  bool closed_ = false;
  bool timed_out_ = false;
  bool direct_ = false;   ///< the outstanding read goes to a caller's memory
  bool expired_ = false;  ///< it was ended by a deadline that only reports
  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
  std::size_t floor_ = 0;                 ///< end of the pinned bytes at the front of data_
  std::unique_ptr<char[]> pinned_block_;  ///< pinned bytes that reads have moved away from
  char* read_target_ = nullptr;
  std::size_t read_size_ = 0;
  error_code read_end_;
  error_code read_error_;
  std::size_t last_read_ = 0;
  std::coroutine_handle<> reader_;
  FillSink* sink_ = nullptr;  ///< reads in the reader's place
  ChannelWatcher* watcher_ = nullptr;

  std::vector<iovec> out_;
  std::size_t out_at_ = 0;
  std::vector<char> tls_record_;
  bool write_blocked_ = false;  ///< waits for the socket
  std::size_t written_ = 0;
  error_code write_error_;
  std::coroutine_handle<> writer_;

  base::Deadline read_deadline_;
  OnDeadline on_read_deadline_ = OnDeadline::close;
  base::Deadline write_deadline_;
  base::Deadline write_limit_;
  std::chrono::nanoseconds write_timeout_{0};
};

class Channel::FillAwaiter {
 public:
  FillAwaiter(Channel& channel, std::size_t max_buffer) : channel_(channel), max_(max_buffer) {}
  [[nodiscard]] bool await_ready() const noexcept { return channel_.failed(); }
  void await_suspend(std::coroutine_handle<> caller);
  IoResult await_resume() const noexcept { return channel_.take_result(); }

 private:
  Channel& channel_;
  std::size_t max_;
};

class Channel::ReadAwaiter {
 public:
  ReadAwaiter(Channel& channel, char* target, std::size_t size)
      : channel_(channel), target_(target), size_(size) {}
  [[nodiscard]] bool await_ready() noexcept;
  void await_suspend(std::coroutine_handle<> caller);
  IoResult await_resume() noexcept;

 private:
  bool copy_buffered() noexcept;

  Channel& channel_;
  char* target_;
  std::size_t size_;
  std::size_t copied_ = 0;
};

class Channel::WriteAwaiter {
 public:
  explicit WriteAwaiter(Channel& channel) : channel_(channel) {}
  [[nodiscard]] bool await_ready() noexcept;
  void await_suspend(std::coroutine_handle<> caller);
  IoResult await_resume() const noexcept { return channel_.write_result(); }

 private:
  Channel& channel_;
};

class Channel::SetupAwaiter {
 public:
  explicit SetupAwaiter(Channel& channel) : channel_(channel) {}
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller) noexcept { channel_.setter_up_ = caller; }
  error_code await_resume() const noexcept { return channel_.translate(channel_.setup_error_); }

 private:
  Channel& channel_;
};

}  // namespace tollgate::net
