// Session: the body of a request, from the socket into the call.
#include <fmt/format.h>

#include <algorithm>

#include "tollgate/server/session.hpp"
#include "tollgate/server/worker_host.hpp"

namespace tollgate::server {

using base::Error;
using base::ErrorCode;
using net::IoResult;
using pipeline::RequestContext;
using pipeline::Surface;
using protocol::http::BodyKind;
using protocol::http::HeaderId;
using protocol::http::Method;

namespace {

/// Bytes simdjson may read past the end of a body.
constexpr std::size_t kJsonPadding = 64;
/// What one read of framed or deflated bytes may leave unconsumed: less than one buffer.
constexpr std::size_t kReadAhead = 64 * 1024;
/// Memory taken on the word of a Content-Length; from there on it doubles as bytes arrive.
constexpr std::size_t kFirstRoom = 128 * 1024;
/// Bytes of new body made ready (zeroed by std::string) ahead of one read: few enough to be in the
/// cache still when the kernel writes over them, many enough for one system call per 128 KiB.
constexpr std::size_t kSlice = 128 * 1024;
/// Bodies up to here are not counted: no more than the connection's own buffer holds, and
/// limits.connections bounds those.
constexpr std::size_t kUncounted = 16 * 1024;
/// For requests that have no use for a body.
constexpr std::uint64_t kSmallBody = 64 * 1024;

std::uint64_t body_limit(const RequestContext& context) {
  const std::uint64_t limit = context.config().limits.body_bytes;
  const Method method = context.head->method;
  const Surface surface = context.route.surface;
  const bool has_use =
      (method == Method::post || method == Method::put || method == Method::patch) &&
      surface != Surface::models && surface != Surface::me && surface != Surface::probe;
  return has_use ? limit : std::min(limit, kSmallBody);
}

}  // namespace

bool Session::take_buffered_body() {
  const auto& head = parser_.head();
  std::string& body = context_->body;
  body.clear();
  if (head.body_kind() == BodyKind::none) {
    body_unread_ = false;
    return true;
  }
  const std::uint64_t length = head.content_length.value_or(0);
  const std::string_view have = channel_->buffered();
  if (head.chunked || length > have.size() || length > kUncounted ||
      length > body_limit(*context_) || !head.value(HeaderId::content_encoding).empty())
    return false;
  body.reserve(static_cast<std::size_t>(length) + kJsonPadding);
  body.assign(have.substr(0, static_cast<std::size_t>(length)));
  channel_->consume(body.size());
  body_unread_ = false;
  return true;
}

base::Task<bool> Session::read_body() {
  RequestContext& context = *context_;
  const auto& head = parser_.head();
  const config::Snapshot& config = context.config();
  context.body.clear();
  if (head.body_kind() == BodyKind::none) {
    body_unread_ = false;
    co_return true;
  }
  bool gzip = false;
  const std::string_view encoding = head.value(HeaderId::content_encoding);
  if (!encoding.empty() && !base::iequals(encoding, "identity")) {
    if (!base::iequals(encoding, "gzip")) {
      refusal_ =
          Error(ErrorCode::unsupported_media_type, "Content-Encoding must be identity or gzip");
      co_return false;
    }
    gzip = true;
  }
  const std::uint64_t limit = body_limit(context);
  if (head.content_length.value_or(0) > limit) {
    refusal_ =
        Error(ErrorCode::request_too_large,
              fmt::format("the body is {} bytes, the limit is {}", *head.content_length, limit))
            .with_limit(base::Limit::body_bytes);
    co_return false;
  }
  if (head.expect_continue && channel_->buffered().empty()) {
    const IoResult sent = co_await channel_->write("HTTP/1.1 100 Continue\r\n\r\n");
    if (sent.error) co_return false;
  }
  channel_->set_read_deadline(base::Deadline::after(host_.now(), config.timeouts.body),
                              net::Channel::OnDeadline::report);
  if (gzip) {
    if (!inflater_) inflater_ = std::make_unique<protocol::http::GzipInflater>();
    protocol::http::GzipInflater::Limits limits;
    limits.max_bytes = limit;
    limits.max_ratio = config.limits.gzip_ratio;
    inflater_->reset(limits);
  }
  bool complete = false;
  if (head.chunked) {
    complete = co_await read_chunked(limit, gzip);
  } else {
    const auto length = static_cast<std::size_t>(*head.content_length);
    complete = gzip ? co_await read_deflated(length) : co_await read_identity(length);
  }
  if (!complete) co_return false;
  if (gzip) {
    auto finished = inflater_->finish();
    if (finished.has_error()) {
      refusal_ = finished.error();
      co_return false;
    }
  }
  body_unread_ = false;
  context.body.reserve(context.body.size() + kJsonPadding);
  co_return true;
}

bool Session::body_read_failed(const IoResult& got) {
  if (!got.error) return false;
  // The connection lives on: the agent is slow, not gone, and is told so.
  if (got.error == net::asio::error::timed_out && !channel_->closed())
    refusal_ = Error(ErrorCode::request_timeout, "the request body did not arrive in time")
                   .with_limit(base::Limit::body_time);
  return true;
}

bool Session::make_room(std::size_t size) {
  std::string& body = context_->body;
  const std::size_t wanted = size + kJsonPadding;
  const std::size_t room = wanted <= body.capacity() ? body.capacity() : wanted;
  if (size > kUncounted && room > counted_body_) {
    if (!count_body(room - counted_body_)) return false;
  }
  body.reserve(room);
  return true;
}

bool Session::count_body(std::size_t bytes) {
  const config::Limits& limits = context_->config().limits;
  if (!host_.body_memory().try_add(bytes, limits.body_memory_bytes)) {
    host_.services().metrics.limit_hits(telemetry::LimitHit::body_memory_bytes).inc();
    refusal_ = Error(ErrorCode::overloaded, "the gateway is at limits.body_memory_bytes")
                   .with_retry_after(1);
    return false;
  }
  counted_body_ += bytes;
  return true;
}

bool Session::count_index() {
  if (!context_->has_document) return true;
  // 28 bytes a value, of which the text may spend three: many times the body that was counted.
  context_->document.shrink();
  const auto& tools = context_->payload.fields.tools;
  const std::size_t size =
      context_->document.index_bytes() + tools.capacity() * sizeof(tools.front());
  if (size <= kUncounted || count_body(size)) return true;
  // Not counted, so not kept either: many refusals may wait for their write at the same time.
  context_->drop_index();
  return false;
}

void Session::release_body() noexcept {
  if (counted_body_ == 0) return;
  host_.body_memory().subtract(std::exchange(counted_body_, 0));
}

bool Session::take_payload(std::string_view payload, bool gzip) {
  std::string& body = context_->body;
  if (!gzip) {
    const std::size_t size = body.size() + payload.size();
    // Doubling, so that a long chunked body is not copied once per chunk.
    if (size + kJsonPadding > body.capacity() && !make_room(std::max(size, 2 * body.capacity())))
      return false;
    body.append(payload);
    return true;
  }
  auto inflated = inflater_->feed(payload, body);
  if (inflated.has_error()) {
    refusal_ = inflated.error();
    return false;
  }
  return make_room(body.size());
}

base::Task<bool> Session::read_identity(std::size_t length) {
  std::string& body = context_->body;
  if (!make_room(std::min(length, kFirstRoom))) co_return false;
  const std::string_view have = channel_->buffered().substr(0, length);
  body.append(have);
  channel_->consume(have.size());
  // The rest goes straight where the parser will read it. `body` is longer than `at` by what is
  // made ready for the next read.
  std::size_t at = have.size();
  while (at < length) {
    if (at == body.size()) {
      if (at + kJsonPadding >= body.capacity() && !make_room(std::min(length, 2 * at)))
        co_return false;
      const std::size_t room = body.capacity() - kJsonPadding - at;
      body.resize(at + std::min({length - at, room, kSlice}));
    }
    const IoResult got = co_await channel_->read_into(body.data() + at, body.size() - at);
    if (body_read_failed(got)) {
      body.resize(at);
      co_return false;
    }
    at += got.bytes;
  }
  co_return true;
}

base::Task<bool> Session::read_deflated(std::size_t length) {
  for (std::size_t left = length; left > 0;) {
    const std::string_view have = channel_->buffered().substr(0, left);
    if (!have.empty()) {
      const bool taken = take_payload(have, true);
      channel_->consume(have.size());
      left -= have.size();
      if (!taken) co_return false;
      continue;
    }
    const IoResult got = co_await channel_->fill(kReadAhead);
    if (body_read_failed(got)) co_return false;
  }
  co_return true;
}

base::Task<bool> Session::read_chunked(std::uint64_t limit, bool gzip) {
  chunked_.reset(limit);
  for (;;) {
    payload_.clear();
    auto progress = chunked_.feed(channel_->buffered(), payload_);
    if (progress.has_error()) {
      refusal_ = progress.error();
      co_return false;
    }
    for (const std::string_view piece : payload_)
      if (!take_payload(piece, gzip)) co_return false;
    channel_->consume(progress->consumed);
    if (progress->done) co_return true;
    const IoResult got = co_await channel_->fill(kReadAhead);
    if (body_read_failed(got)) co_return false;
  }
}

}  // namespace tollgate::server
