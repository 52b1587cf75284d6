#include "net/upstream_exchange.hpp"

#include <fmt/format.h>

#include <iterator>

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
}  // namespace

UpstreamExchange::UpstreamExchange(Worker& worker, UpstreamPool& pool, const config::Origin& origin,
                                   pipeline::CancelSignal& cancel)
    : worker_(worker), pool_(pool), origin_(origin), cancel_(cancel) {}

UpstreamExchange::~UpstreamExchange() {
  give_back();
}

void UpstreamExchange::on_cancel() noexcept {
  if (lease_.valid()) lease_.channel().close();
}

TransportFailure UpstreamExchange::read_failure(const error_code& error) const noexcept {
  if (cancel_.cancelled()) return TransportFailure::cancelled;
  return error == asio::error::timed_out ? TransportFailure::idle_timeout : TransportFailure::cut;
}

base::Task<TransportFailure> UpstreamExchange::start(const WireRequest& request) {
  deadline_ = request.deadline;
  idle_timeout_ = request.idle_timeout;
  auto acquired = co_await pool_.acquire(origin_, request, true, cancel_);
  if (!acquired.lease.valid()) co_return acquired.failure;
  lease_ = std::move(acquired.lease);
  cancel_.attach(this);
  TransportFailure failure = co_await send(request);
  if (failure == TransportFailure::none) failure = co_await await_head(request);
  if (failure == TransportFailure::stale_connection) {
    // No fault of the deployment: once more on a fresh connection, unseen by the retry logic (the
    // rule is at pipeline::UpstreamExchange::start).
    cancel_.detach();
    lease_.drop();
    acquired = co_await pool_.acquire(origin_, request, false, cancel_);
    if (!acquired.lease.valid()) co_return acquired.failure;
    lease_ = std::move(acquired.lease);
    cancel_.attach(this);
    failure = co_await send(request);
    if (failure == TransportFailure::none) failure = co_await await_head(request);
  }
  co_return failure;
}

base::Task<TransportFailure> UpstreamExchange::send(const WireRequest& request) {
  // Proxy and request are two parties: only here, in the clear to the proxy, does its credential
  // go.
  const bool absolute_form = !origin_.proxy.empty() && origin_.scheme == "http";
  const bool default_port = origin_.port == (origin_.scheme == "https" ? 443 : 80);
  const std::string_view host = origin_.host;
  const bool is_v6 = host.find(':') != std::string_view::npos;
  head_bytes_.clear();
  auto out = std::back_inserter(head_bytes_);
  const auto authority = [&] {
    fmt::format_to(out, "{}{}{}", is_v6 ? "[" : "", host, is_v6 ? "]" : "");
    if (!default_port) fmt::format_to(out, ":{}", origin_.port);
  };
  fmt::format_to(out, "{} ", request.method);
  if (absolute_form) {
    head_bytes_ += "http://";
    authority();
  }
  std::string_view base = request.ignore_base_path ? std::string_view{} : origin_.base_path;
  if (base.empty() && !request.path_and_query.starts_with('/')) base = "/";
  fmt::format_to(out, "{}{} HTTP/1.1\r\nHost: ", base, request.path_and_query);
  authority();
  head_bytes_ += "\r\n";
  if (absolute_form && !origin_.proxy_authorization.empty())
    fmt::format_to(out, "Proxy-Authorization: {}\r\n", origin_.proxy_authorization.reveal());
  std::size_t length = 0;
  for (const std::string_view piece : request.body) length += piece.size();
  if (request.has_body) fmt::format_to(out, "Content-Length: {}\r\n", length);
  out_.clear();
  out_.push_back(head_bytes_);
  out_.push_back(request.header_lines);
  out_.push_back("\r\n");
  out_.insert(out_.end(), request.body.begin(), request.body.end());

  Channel& channel = lease_.channel();
  channel.set_write_timeout(request.write_timeout);
  channel.set_write_limit(request.deadline);
  mark_ = channel.bytes_out();
  const IoResult sent = co_await channel.write(out_);
  sent_at_ = worker_.now();
  if (!sent.error) co_return TransportFailure::none;
  if (cancel_.cancelled()) co_return TransportFailure::cancelled;
  // An upstream may refuse early (413, 429) and stop reading: an answer may be there to be read.
  if (!channel.closed() && !channel.buffered().empty()) co_return TransportFailure::none;
  // The write's own count is the better witness: what TLS kept back was never sent.
  if (lease_.reused() && sent.bytes == 0 && channel.bytes_out() == mark_)
    co_return TransportFailure::stale_connection;
  co_return closed_early(sent.error, request.safe_to_repeat);
}

TransportFailure UpstreamExchange::closed_early(const error_code& end, bool safe_to_repeat) {
  Channel& channel = lease_.channel();
  if (!lease_.reused() || channel.closed()) return TransportFailure::reset;
  // A FIN acknowledges all that arrived before it; a reset may come from a peer that read
  // everything and acknowledged nothing yet.
  const bool never_arrived = end == asio::error::eof && channel.nothing_arrived_since(mark_);
  const bool at_once = worker_.now() - sent_at_ <= kClosingPeer;
  return never_arrived || (safe_to_repeat && at_once) ? TransportFailure::stale_connection
                                                      : TransportFailure::reset;
}

base::Task<TransportFailure> UpstreamExchange::await_head(const WireRequest& request) {
  Channel& channel = lease_.channel();
  parser_.reset(request.method == "HEAD");
  protocol::http::HeadLimits limits;
  limits.section_bytes = request.max_header_bytes;
  parser_.set_limits(limits);
  channel.set_read_deadline(
      base::Deadline::after(sent_at_, request.first_byte_timeout).earlier(deadline_));
  bool any_byte = false;
  for (;;) {
    if (!channel.buffered().empty()) {
      if (!any_byte) first_byte_at_ = worker_.now();
      any_byte = true;
      const auto progress = parser_.feed(channel.buffered());
      if (progress.has_error()) {
        if (progress.error().limit() == base::Limit::upstream_header_bytes)
          pool_.note_head_overrun();
        co_return progress.error().code() == base::ErrorCode::stream_limit
            ? TransportFailure::too_large
            : TransportFailure::invalid;
      }
      if (progress->state == HeadState::interim) {
        channel.consume(progress->head_size);
        continue;
      }
      if (progress->state == HeadState::done) {
        taken_ = progress->head_size;
        break;
      }
    }
    const IoResult got = co_await channel.fill(request.max_header_bytes + kBodyBuffer);
    if (!got.error) continue;
    if (cancel_.cancelled()) co_return TransportFailure::cancelled;
    if (got.error == asio::error::timed_out)
      co_return any_byte ? TransportFailure::idle_timeout : TransportFailure::first_byte_timeout;
    if (any_byte) co_return TransportFailure::cut;
    co_return closed_early(got.error, request.safe_to_repeat);
  }
  // The body's reads reuse the connection's buffer: the head moves out of their way.
  head_copy_.assign(channel.buffered().substr(0, taken_));
  parser_.rebase(head_copy_.data());
  channel.consume(std::exchange(taken_, 0));
  const auto& head = parser_.head();
  left_ = head.body_kind == BodyKind::length ? head.content_length.value_or(0) : 0;
  chunked_.reset();
  if (head.body_kind == BodyKind::none || (head.body_kind == BodyKind::length && left_ == 0)) {
    ended_ = true;
  }
  co_return TransportFailure::none;
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

base::Task<BodyChunk> UpstreamExchange::read() {
  BodyChunk chunk;
  pieces_.clear();
  if (ended_) {
    chunk.end = true;
  }
  if (lease_.valid()) {
    Channel& channel = lease_.channel();
    channel.consume(std::exchange(taken_, 0));
    while (!ended_ && chunk.failure == TransportFailure::none) {
      chunk.failure = take_buffered();
      if (chunk.failure != TransportFailure::none || !pieces_.empty() || ended_) break;
      channel.consume(std::exchange(taken_, 0));
      channel.set_read_deadline(
          base::Deadline::after(worker_.now(), idle_timeout_).earlier(deadline_));
      const IoResult got = co_await channel.fill(kBodyBuffer);
      if (!got.error) continue;
      if (parser_.head().body_kind == BodyKind::until_close && got.error == asio::error::eof) {
        ended_ = true;
        break;
      }
      chunk.failure = read_failure(got.error);
    }
    chunk.pieces = pieces_;
    chunk.end = ended_;
    if (chunk.failure != TransportFailure::none) {
      cancel_.detach();
      lease_.drop();
    }
  }
  co_return chunk;
}

base::Task<TransportFailure> UpstreamExchange::read_all(std::string& into, std::uint64_t limit) {
  if (parser_.head().body_kind == BodyKind::length && !ended_) {
    // Straight into the caller's memory: no second copy, and few system calls for a large answer.
    if (left_ > limit) co_return TransportFailure::too_large;
    std::size_t at = into.size();
    into.resize(at + static_cast<std::size_t>(left_));
    Channel& channel = lease_.channel();
    while (left_ > 0) {
      channel.set_read_deadline(
          base::Deadline::after(worker_.now(), idle_timeout_).earlier(deadline_));
      const IoResult got =
          co_await channel.read_into(into.data() + at, static_cast<std::size_t>(left_));
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
    if (chunk.failure != TransportFailure::none) co_return chunk.failure;
  }
  give_back();
  co_return TransportFailure::none;
}

}  // namespace tollgate::net
