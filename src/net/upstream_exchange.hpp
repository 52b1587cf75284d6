#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tollgate/base/frame_memory.hpp"
#include "tollgate/base/task.hpp"
#include "tollgate/net/upstream_pool.hpp"
#include "tollgate/pipeline/exchange.hpp"
#include "tollgate/protocol/http/chunked.hpp"
#include "tollgate/protocol/http/response_head.hpp"

namespace tollgate::net {

/// What an exchange needs room for. Lent by its UpstreamClient, so that the next exchange finds the
/// memory there already.
struct ExchangeBuffers {
  protocol::http::ResponseParser parser;
  std::string head_bytes;  ///< of the request
  std::string head_copy;   ///< of the response; the parser's views point here
  std::vector<std::string_view> out;
  std::vector<std::string_view> pieces;
};
using SpareBuffers = std::vector<std::unique_ptr<ExchangeBuffers>>;

/// One HTTP/1.1 exchange over a pooled connection.
class UpstreamExchange final : public pipeline::UpstreamExchange,
                               private pipeline::CancelSlot,
                               private base::Operation<pipeline::BodyChunk>,
                               private FillSink {
 public:
  /// `spares` and the rest outlive the exchange.
  UpstreamExchange(Worker& worker, UpstreamPool& pool, const config::Origin& origin,
                   pipeline::CancelSignal& cancel, SpareBuffers& spares);
  ~UpstreamExchange() override;

  // One for each attempt: from the worker's cache of coroutine frames, which live as long.
  static void* operator new(std::size_t size) { return base::frame_allocate(size); }
  static void operator delete(void* memory, std::size_t size) noexcept {
    base::frame_deallocate(memory, size);
  }

  base::Task<pipeline::TransportFailure> start(const pipeline::WireRequest& request) override;
  [[nodiscard]] const protocol::http::ResponseHead& head() const override { return parser_.head(); }
  base::Task<pipeline::TransportFailure> read_all(std::string& into, std::uint64_t limit) override;
  [[nodiscard]] base::MonoTime sent_at() const noexcept override { return sent_at_; }
  [[nodiscard]] base::MonoTime first_byte_at() const noexcept override { return first_byte_at_; }
  // What is given out was read in the turn that gives it; see take_head() for the other bound.
  void limit_reads(base::Deadline by) noexcept override { read_limit_ = by; }
  [[nodiscard]] base::MonoTime read_at() const noexcept override {
    return std::max(worker_.read_time(), sent_at_);
  }

 private:
  // read(): takes what is buffered, or fills until there is something.
  base::Operation<pipeline::BodyChunk>& reading() override { return *this; }
  std::coroutine_handle<> start(std::coroutine_handle<> caller) override;
  pipeline::BodyChunk finish() override;
  void on_filled(const IoResult& result) override;
  /// Whether there is something to give: bytes, the end, a failure. If not, the fill is begun.
  bool take_or_fill();

  void on_cancel() noexcept override;
  void compose(const pipeline::WireRequest& request);
  pipeline::TransportFailure judge_write(const IoResult& sent, bool safe_to_repeat);
  void begin_head(const pipeline::WireRequest& request);
  /// Reads what is buffered of the head; `complete` when that is all of it.
  pipeline::TransportFailure take_head(bool& complete);
  pipeline::TransportFailure head_failure(const error_code& error, bool safe_to_repeat);
  [[nodiscard]] bool any_byte() const noexcept { return first_byte_at_ != base::MonoTime{}; }
  /// The connection ended before any answer byte: is it as if the request had never been sent?
  pipeline::TransportFailure closed_early(const error_code& end, bool safe_to_repeat);
  /// What a wait that ended too late is called: `otherwise`, unless it was the call's own time that
  /// ended it.
  [[nodiscard]] pipeline::TransportFailure late(
      pipeline::TransportFailure otherwise) const noexcept;
  pipeline::TransportFailure read_failure(const error_code& error) const noexcept;
  /// Takes what is buffered into `pieces_`; sets ended_.
  pipeline::TransportFailure take_buffered();
  /// After the last use of pieces_, which point into its buffer: the connection goes back to its
  /// pool, or is closed.
  void give_back();

  Worker& worker_;
  UpstreamPool& pool_;
  const config::Origin& origin_;
  pipeline::CancelSignal& cancel_;
  SpareBuffers& spares_;
  std::unique_ptr<ExchangeBuffers> buffers_;
  UpstreamPool::Lease lease_;
  protocol::http::ResponseParser& parser_;
  protocol::http::ChunkedDecoder chunked_{protocol::http::Peer::upstream};
  std::vector<std::string_view>& pieces_;
  std::uint64_t mark_ = 0;  ///< bytes_out() of the connection before the request
  std::uint64_t left_ = 0;  ///< of a body with a length
  bool ended_ = false;
  pipeline::TransportFailure read_failed_ = pipeline::TransportFailure::none;
  std::coroutine_handle<> reader_;
  std::size_t taken_ = 0;  ///< buffered bytes the last pieces_ point into
  base::Deadline deadline_, read_limit_;
  std::chrono::nanoseconds idle_timeout_{0};
  base::MonoTime sent_at_{}, first_byte_at_{};
};

}  // namespace tollgate::net
