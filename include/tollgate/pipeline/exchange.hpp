#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/operation.hpp"
#include "tollgate/base/task.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/pipeline/cancel.hpp"
#include "tollgate/protocol/http/response_head.hpp"

namespace tollgate::pipeline {

/// How talking to an upstream failed, apart from what it answered.
enum class TransportFailure : std::uint8_t {
  none,
  dns,               ///< nothing was sent
  connect,           ///< nothing was sent: refused, unreachable, timed out
  tls,               ///< nothing was sent
  pool_exhausted,    ///< nothing was sent: our own limit on connections, no word on the upstream
  stale_connection,  ///< a kept-alive connection had been closed by the peer; nothing arrived there
  reset,             ///< sent, closed or reset before the first answer byte
  first_byte_timeout,
  cut,            ///< in the middle of the answer
  idle_timeout,   ///< in the middle of the answer
  invalid,        ///< the answer is not acceptable HTTP
  too_large,      ///< the answer is over a limit
  total_timeout,  ///< the call's own time was over (WireRequest::deadline): no word on the upstream
  cancelled,      ///< the call was cancelled
};
[[nodiscard]] std::string_view to_string(TransportFailure failure) noexcept;
/// Whether any byte of the request may have reached the upstream.
[[nodiscard]] bool may_have_been_sent(TransportFailure failure) noexcept;

/// One HTTP request as the upstream shall see it. Views must live until `start` has returned.
class WireRequest {
 public:
  WireRequest() = default;
  std::string_view method = "POST";
  std::string_view path_and_query;         ///< after the origin's base path
  std::string_view header_lines;           ///< "name: value\r\n"...; no Host, no Content-Length
  std::span<const std::string_view> body;  ///< pieces; empty = no body
  bool ignore_base_path = false;           ///< path_and_query is the whole path
  bool has_body = false;                   ///< sends Content-Length even when it is 0
  /// The call may run twice (Payload::safe_to_repeat). See UpstreamExchange::start.
  bool safe_to_repeat = false;
  base::Deadline deadline;  ///< of the whole call
  std::chrono::nanoseconds connect_timeout{0}, tls_timeout{0}, first_byte_timeout{0};
  std::chrono::nanoseconds idle_timeout{0}, write_timeout{0}, pool_wait{0};
  std::uint32_t max_header_bytes = 64 * 1024;
  std::string_view demo_model;  ///< for the demo provider only
};

/// One piece of an answer's body.
class BodyChunk {
 public:
  BodyChunk() = default;
  std::span<const std::string_view> pieces;  ///< valid until the next read
  bool end = false;                          ///< the body is complete (framing says so)
  TransportFailure failure = TransportFailure::none;
};

/// One exchange with one upstream: request out, head in, body in pieces.
///
/// Destroying it before the body's end closes the connection; after a clean end the connection
/// goes back to its pool. Every wait ends by a deadline or by the CancelSignal. Worker's thread
/// only.
class UpstreamExchange {
 public:
  virtual ~UpstreamExchange() = default;
  /// Sends the request and awaits the final (non-1xx) response head.
  ///
  /// A kept-alive connection may be closed by its peer while the request is on its way (RFC 9112
  /// 9.5). The request is then sent once more, on a new connection and unseen by the caller, if
  ///   - nothing of it arrived: the write took no byte, or the peer closed (FIN) and its kernel had
  ///     acknowledged none; or
  ///   - the call is safe to repeat and the close came within 100 ms: a peer that was closing.
  /// RFC 9110 9.2.2 allows no more: a method that is not idempotent is repeated only when it is
  /// known that the first request was never applied. Everything else is `reset`, a failure that
  /// counts, is recorded, and may have been billed.
  virtual base::Task<TransportFailure> start(const WireRequest& request) = 0;
  [[nodiscard]] virtual const protocol::http::ResponseHead& head() const = 0;
  /// Awaits more of the body, de-chunked.
  base::Awaiting<BodyChunk> read() { return base::Awaiting<BodyChunk>(reading()); }
  /// Reads wait until `by` at most: `idle_timeout` beyond. Never: by their own timeouts alone
  /// again.
  virtual void limit_reads(base::Deadline by) noexcept = 0;
  /// Appends the whole body to `into`; `too_large` past `limit`.
  virtual base::Task<TransportFailure> read_all(std::string& into, std::uint64_t limit) = 0;
  /// When the request's last byte had been handed to the kernel, when the first answer byte had
  /// been read, and when the last that was given out had been.
  [[nodiscard]] virtual base::MonoTime sent_at() const noexcept = 0;
  [[nodiscard]] virtual base::MonoTime first_byte_at() const noexcept = 0;
  [[nodiscard]] virtual base::MonoTime read_at() const noexcept = 0;

 protected:
  virtual base::Operation<BodyChunk>& reading() = 0;
};

/// Opens exchanges; one per worker, implemented by net.
class UpstreamClient {
 public:
  virtual ~UpstreamClient() = default;
  virtual std::unique_ptr<UpstreamExchange> open(const config::Origin& origin,
                                                 CancelSignal& cancel) = 0;
  /// The built-in demo model: no network.
  virtual std::unique_ptr<UpstreamExchange> open_demo(CancelSignal& cancel) = 0;
  /// Awaits a point in time; false when cancelled first.
  virtual base::Task<bool> sleep_until(base::Deadline deadline, CancelSignal& cancel) = 0;
  /// Runs `work` on this worker's loop. The one member that any thread may call.
  virtual void post(std::function<void()> work) = 0;
};

/// The agent's side of a call: where answers go. Implemented by the session.
///
/// Every write awaits the socket (that is the back-pressure) and returns false when the agent is
/// gone; what it is given stays valid until then. The first byte written is the commit point.
class Downstream {
 public:
  virtual ~Downstream() = default;
  [[nodiscard]] virtual bool committed() const noexcept = 0;
  /// A whole answer with Content-Length. `header_lines` as in WireRequest.
  base::Awaiting<bool> respond(int status, std::string_view header_lines,
                               std::span<const std::string_view> body) {
    return base::Awaiting<bool>(responding(status, header_lines, body));
  }
  /// Starts an answer of unknown length (chunked; close-delimited for HTTP/1.0), which goes out
  /// with the first write. False when the agent is gone already.
  virtual bool start_stream(int status, std::string_view header_lines) = 0;
  base::Awaiting<bool> write(std::span<const std::string_view> pieces) {
    return base::Awaiting<bool>(writing(pieces));
  }
  /// Ends a stream cleanly.
  base::Awaiting<bool> finish() { return base::Awaiting<bool>(finishing()); }
  /// Ends a stream so that the agent cannot take it for complete: no last chunk, connection closed.
  virtual void abort() noexcept = 0;

 protected:
  virtual base::Operation<bool>& responding(int status, std::string_view header_lines,
                                            std::span<const std::string_view> body) = 0;
  virtual base::Operation<bool>& writing(std::span<const std::string_view> pieces) = 0;
  virtual base::Operation<bool>& finishing() = 0;
};

}  // namespace tollgate::pipeline
