#include "net/upstream_exchange.hpp"

#include <algorithm>
#include <cassert>

#include "tollgate/protocol/http/head_writer.hpp"

namespace tollgate::net {

using pipeline::BodyChunk;
using pipeline::TransportFailure;
using pipeline::WireRequest;
using protocol::http::BodyKind;
using protocol::http::HeadState;

namespace {
/// Room for a head; bodies are consumed as they come, so it does not bound them.
constexpr std::size_t kBodyBuffer = 64 * 1024;
/// A close this soon after the request is that of a peer which was closing already: longer than a
/// round trip, shorter than a model takes to begin.
constexpr auto kClosingPeer = std::chrono::milliseconds(100);
/// Memory taken for an answer's body before any of it has come; from there on it doubles.
constexpr std::size_t kFirstRoom = 256 * 1024;
/// Buffers kept for later exchanges, per worker: some 2 KB each.
constexpr std::size_t kSpares = 256;

std::unique_ptr<ExchangeBuffers> take_spare(SpareBuffers& spares) {
  if (spares.empty()) return std::make_unique<ExchangeBuffers>();
  auto buffers = std::move(spares.back());
  spares.pop_back();
  return buffers;
}
}  // namespace

UpstreamExchange::UpstreamExchange(Worker& worker, UpstreamPool& pool, const config::Origin& origin,
                                   pipeline::CancelSignal& cancel, SpareBuffers& spares)
    : worker_(worker),
      pool_(pool),
      origin_(origin),
      cancel_(cancel),
      spares_(spares),
      buffers_(take_spare(spares)),
      parser_(buffers_->parser),
      pieces_(buffers_->pieces) {}

UpstreamExchange::~UpstreamExchange() {
  give_back();
  if (spares_.size() < kSpares) spares_.push_back(std::move(buffers_));
}

void UpstreamExchange::on_cancel() noexcept {
  if (lease_.valid()) lease_.channel().close();
}

TransportFailure UpstreamExchange::read_failure(const error_code& error) const noexcept {
  if (cancel_.cancelled()) return TransportFailure::cancelled;
  return error == asio::error::timed_out ? late(TransportFailure::idle_timeout)
                                         : TransportFailure::cut;
}

TransportFailure UpstreamExchange::late(TransportFailure otherwise) const noexcept {
  return deadline_.passed(worker_.now()) ? TransportFailure::total_timeout : otherwise;
}

// One coroutine from the lease to the head: it runs for every call, and each frame more is one more
// piece of cold code.
base::Task<TransportFailure> UpstreamExchange::start(const WireRequest& request) {
  deadline_ = request.deadline;
  idle_timeout_ = request.idle_timeout;
  lease_ = pool_.take_idle(origin_, cancel_);
  for (bool again = false;; again = true) {
    if (!lease_.valid()) {
      auto acquired = co_await pool_.acquire(origin_, request, !again, cancel_);
      if (!acquired.lease.valid()) {
        const bool cancelled = acquired.failure == TransportFailure::cancelled;
        co_return cancelled ? acquired.failure : late(acquired.failure);
      }
      lease_ = std::move(acquired.lease);
    }
    cancel_.attach(this);
    compose(request);
    Channel& channel = lease_.channel();
    channel.set_write_timeout(request.write_timeout);
    channel.set_write_limit(request.deadline);
    mark_ = channel.bytes_out();
    const IoResult sent = co_await channel.write(buffers_->out);
    sent_at_ = worker_.now();
    TransportFailure failure = judge_write(sent, request.safe_to_repeat);
    if (failure == TransportFailure::none) {
      begin_head(request);
      bool complete = false;
      while (failure == TransportFailure::none) {
        failure = take_head(complete);
        if (complete || failure != TransportFailure::none) break;
        const IoResult got = co_await channel.fill(request.max_header_bytes + kBodyBuffer);
        if (got.error) failure = head_failure(got.error, request.safe_to_repeat);
      }
    }
    // Stale is no fault of the deployment: once more on a fresh connection, unseen by the retry
    // logic (the rule is at pipeline::UpstreamExchange::start).
    if (failure != TransportFailure::stale_connection || again) co_return failure;
    cancel_.detach();
    lease_.drop();
    sent_at_ = {};
  }
}

void UpstreamExchange::compose(const WireRequest& request) {
  // Proxy and request are two parties: only here, in the clear to the proxy, does its credential
  // go.
  const bool absolute_form = !origin_.proxy.empty() && origin_.scheme == "http";
  const bool is_v6 = origin_.host.find(':') != std::string::npos;
  const bool default_port = origin_.port == (origin_.scheme == "https" ? 443 : 80);
  std::string& head = buffers_->head_bytes;
  head.clear();
  const auto authority = [&] {
    if (is_v6) head += '[';
    head += origin_.host;
    if (is_v6) head += ']';
    if (!default_port) {
      head += ':';
      protocol::http::append_number(head, origin_.port);
    }
  };
  head += request.method;
  head += ' ';
  if (absolute_form) {
    head += "http://";
    authority();
  }
  if (!request.ignore_base_path) head += origin_.base_path;
  const bool has_base = !request.ignore_base_path && !origin_.base_path.empty();
  if (!has_base && !request.path_and_query.starts_with('/')) head += '/';
  head += request.path_and_query;
  head += " HTTP/1.1\r\nHost: ";
  authority();
  head += "\r\n";
  if (absolute_form && !origin_.proxy_authorization.empty()) {
    head += "Proxy-Authorization: ";
    head += origin_.proxy_authorization.reveal();
    head += "\r\n";
  }
  std::size_t length = 0;
  for (const std::string_view piece : request.body) length += piece.size();
  if (request.has_body) protocol::http::append_field(head, "Content-Length", length);
  auto& out = buffers_->out;
  out.clear();
  out.push_back(head);
  out.push_back(request.header_lines);
  out.push_back("\r\n");
  out.insert(out.end(), request.body.begin(), request.body.end());
}

TransportFailure UpstreamExchange::judge_write(const IoResult& sent, bool safe_to_repeat) {
  if (!sent.error) return TransportFailure::none;
  if (cancel_.cancelled()) return TransportFailure::cancelled;
  Channel& channel = lease_.channel();
  // An upstream may refuse early (413, 429) and stop reading: an answer may be there to be read.
  if (!channel.closed() && !channel.buffered().empty()) return TransportFailure::none;
  if (channel.timed_out() && deadline_.passed(worker_.now()))
    return TransportFailure::total_timeout;
  // The write's own count is the better witness: what TLS kept back was never sent.
  if (lease_.reused() && sent.bytes == 0 && channel.bytes_out() == mark_)
    return TransportFailure::stale_connection;
  return closed_early(sent.error, safe_to_repeat);
}

TransportFailure UpstreamExchange::closed_early(const error_code& end, bool safe_to_repeat) {
  Channel& channel = lease_.channel();
  if (!lease_.reused() || channel.closed()) return TransportFailure::reset;
  // A FIN acknowledges all that arrived before it; a reset may come from a peer that read
  // everything and acknowledged nothing yet.
  const bool never_arrived = is_end(end) && channel.nothing_arrived_since(mark_);
  const bool at_once = worker_.now() - sent_at_ <= kClosingPeer;
  return never_arrived || (safe_to_repeat && at_once) ? TransportFailure::stale_connection
                                                      : TransportFailure::reset;
}

void UpstreamExchange::begin_head(const WireRequest& request) {
  parser_.reset(request.method == "HEAD");
  protocol::http::HeadLimits limits;
  limits.section_bytes = request.max_header_bytes;
  parser_.set_limits(limits);
  first_byte_at_ = {};
  lease_.channel().set_read_deadline(
      base::Deadline::after(sent_at_, request.first_byte_timeout).earlier(deadline_));
}

TransportFailure UpstreamExchange::take_head(bool& complete) {
  Channel& channel = lease_.channel();
  while (!channel.buffered().empty()) {
    // An answer that came before the request was out, or in the turn that sent it: not earlier.
    if (!any_byte()) first_byte_at_ = std::max(worker_.read_time(), sent_at_);
    const auto progress = parser_.feed(channel.buffered());
    if (progress.has_error()) {
      if (progress.error().limit() == base::Limit::upstream_header_bytes) pool_.note_head_overrun();
      return progress.error().code() == base::ErrorCode::stream_limit ? TransportFailure::too_large
                                                                      : TransportFailure::invalid;
    }
    if (progress->state == HeadState::interim) {
      channel.consume(progress->head_size);
      continue;
    }
    if (progress->state != HeadState::done) break;
    // The body's reads reuse the connection's buffer: the head moves out of their way.
    buffers_->head_copy.assign(channel.buffered().substr(0, progress->head_size));
    parser_.rebase(buffers_->head_copy.data());
    channel.consume(progress->head_size);
    const auto& head = parser_.head();
    left_ = head.body_kind == BodyKind::length ? head.content_length.value_or(0) : 0;
    chunked_.reset();
    ended_ = head.body_kind == BodyKind::none || (head.body_kind == BodyKind::length && left_ == 0);
    complete = true;
    break;
  }
  return TransportFailure::none;
}

TransportFailure UpstreamExchange::head_failure(const error_code& error, bool safe_to_repeat) {
  if (cancel_.cancelled()) return TransportFailure::cancelled;
  if (error == asio::error::timed_out)
    return late(any_byte() ? TransportFailure::idle_timeout : TransportFailure::first_byte_timeout);
  return any_byte() ? TransportFailure::cut : closed_early(error, safe_to_repeat);
}

TransportFailure UpstreamExchange::take_buffered() {
  Channel& channel = lease_.channel();
  const std::string_view have = channel.buffered();
  switch (parser_.head().body_kind) {
    case BodyKind::none:
      return TransportFailure::none;
    case BodyKind::length: {
      const std::size_t take =
          static_cast<std::size_t>(std::min<std::uint64_t>(left_, have.size()));
      if (take != 0) pieces_.push_back(have.substr(0, take));
      left_ -= take;
      taken_ = take;
      ended_ = left_ == 0;
      return TransportFailure::none;
    }
    case BodyKind::chunked: {
      const auto progress = chunked_.feed(have, pieces_);
      if (progress.has_error()) return TransportFailure::invalid;
      taken_ = progress->consumed;
      ended_ = progress->done;
      return TransportFailure::none;
    }
    case BodyKind::until_close:
      if (!have.empty()) pieces_.push_back(have);
      taken_ = have.size();
      return TransportFailure::none;
  }
  return TransportFailure::invalid;
}

void UpstreamExchange::give_back() {
  if (!lease_.valid()) return;
  cancel_.detach();
  lease_.channel().consume(std::exchange(taken_, 0));
  // Bytes behind the body's end, or a peer that wants to close: not for another exchange.
  if (ended_ && parser_.head().keep_alive) {
    lease_.release();
  } else {
    lease_.drop();
  }
}

// ---- read(), once per piece of a stream ----

std::coroutine_handle<> UpstreamExchange::start(std::coroutine_handle<> caller) {
  assert(!reader_);
  pieces_.clear();
  if (read_failed_ != TransportFailure::none) give_back();
  if (ended_ || !lease_.valid()) return caller;
  lease_.channel().consume(std::exchange(taken_, 0));
  if (take_or_fill()) return caller;
  reader_ = caller;
  return std::noop_coroutine();
}

bool UpstreamExchange::take_or_fill() {
  read_failed_ = take_buffered();
  if (read_failed_ != TransportFailure::none || !pieces_.empty() || ended_) return true;
  // Framing alone, perhaps: nobody has to be resumed for that.
  Channel& channel = lease_.channel();
  channel.consume(std::exchange(taken_, 0));
  channel.set_read_deadline(base::Deadline::after(worker_.read_time(), idle_timeout_)
                                .earlier(deadline_)
                                .earlier(read_limit_));
  channel.fill(kBodyBuffer, *this);
  return false;
}

void UpstreamExchange::on_filled(const IoResult& result) {
  if (!result.error) {
    if (!take_or_fill()) return;
  } else if (parser_.head().body_kind == BodyKind::until_close &&
             result.error == asio::error::eof) {
    // Over TLS that is a close_notify: an end without one is no end of a body (RFC 9112 9.8).
    ended_ = true;
  } else {
    read_failed_ = read_failure(result.error);
  }
  std::exchange(reader_, {}).resume();
}

BodyChunk UpstreamExchange::finish() {
  BodyChunk chunk;
  chunk.pieces = pieces_;
  chunk.end = ended_;
  chunk.failure = read_failed_;
  return chunk;
}

base::Task<TransportFailure> UpstreamExchange::read_all(std::string& into, std::uint64_t limit) {
  if (parser_.head().body_kind == BodyKind::length && !ended_) {
    // Straight into the caller's memory: no second copy, and few system calls for a large answer.
    if (left_ > limit) co_return TransportFailure::too_large;
    std::size_t at = into.size();
    Channel& channel = lease_.channel();
    while (left_ > 0) {
      // Memory is taken as bytes come, not on the word of a length.
      if (at == into.size())
        into.resize(at + static_cast<std::size_t>(
                             std::min<std::uint64_t>(left_, std::max(kFirstRoom, at))));
      if (channel.buffered().empty())
        channel.set_read_deadline(
            base::Deadline::after(worker_.read_time(), idle_timeout_).earlier(deadline_));
      const IoResult got = co_await channel.read_into(into.data() + at, into.size() - at);
      if (got.error) {
        into.resize(at);
        co_return read_failure(got.error);
      }
      at += got.bytes;
      left_ -= got.bytes;
    }
    ended_ = true;
  }
  while (!ended_) {
    const BodyChunk chunk = co_await read();
    for (const std::string_view piece : chunk.pieces) {
      if (into.size() + piece.size() > limit) co_return TransportFailure::too_large;
      into.append(piece);
    }
    if (chunk.failure != TransportFailure::none) {
      give_back();
      co_return chunk.failure;
    }
  }
  give_back();
  co_return TransportFailure::none;
}

}  // namespace tollgate::net
