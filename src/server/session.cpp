#include "tollgate/server/session.hpp"

#include <fmt/format.h>

#include <iterator>

#include "tollgate/pipeline/chain.hpp"
#include "tollgate/pipeline/error_body.hpp"
#include "tollgate/pipeline/interpret.hpp"
#include "tollgate/protocol/http/client_address.hpp"
#include "tollgate/protocol/http/head_writer.hpp"
#include "tollgate/protocol/http/proxy_protocol.hpp"
#include "tollgate/server/worker_host.hpp"

namespace tollgate::server {

using base::Error;
using base::ErrorCode;
using net::IoResult;
using pipeline::RequestContext;
using pipeline::Verdict;
using protocol::http::BodyKind;
using protocol::http::HeaderId;
using protocol::http::HeadState;

namespace {

/// A refused request's remaining bytes are read so far before the connection is closed, so that the
/// agent gets to read the answer instead of a reset.
constexpr std::size_t kLingerBytes = 64 * 1024;
constexpr auto kLingerTime = std::chrono::seconds(1);
/// Bytes simdjson may read past the end of a body.
constexpr std::size_t kJsonPadding = 64;
constexpr std::size_t kScratch = 16 * 1024;

protocol::http::HeadLimits head_limits(const config::Limits& limits) {
  protocol::http::HeadLimits head;
  head.start_line_bytes = limits.request_line_bytes;
  head.field_bytes = limits.header_field_bytes;
  head.section_bytes = limits.header_bytes;
  head.field_count = limits.header_count;
  return head;
}

telemetry::LimitHit limit_of(ErrorCode code) {
  if (code == ErrorCode::uri_too_long) return telemetry::LimitHit::request_line_bytes;
  if (code == ErrorCode::request_too_large) return telemetry::LimitHit::body_bytes;
  return telemetry::LimitHit::header_bytes;
}

bool is_size_limit(ErrorCode code) {
  return code == ErrorCode::uri_too_long || code == ErrorCode::request_too_large ||
         code == ErrorCode::headers_too_large;
}

}  // namespace

Session::Session(WorkerHost& host, std::shared_ptr<const ListenerState> listener,
                 net::ChannelPtr channel, protocol::http::IpAddress peer)
    : host_(host),
      listener_(std::move(listener)),
      channel_(std::move(channel)),
      peer_(peer),
      client_(peer) {}

Session::~Session() {
  channel_->unwatch();
  channel_->close();
}

void Session::on_peer_closed(net::Channel&) {
  if (context_) context_->cancel_client_gone();
}

void Session::close_when_idle() {
  closing_ = true;
  if (idle_) channel_->close();
}

void Session::force_close() {
  closing_ = true;
  if (context_) context_->cancel.cancel();
  channel_->close();
}

// ---- the connection ----

base::Task<void> Session::run() {
  const config::Timeouts& timeouts = host_.runtime()->snapshot->timeouts;
  channel_->set_write_timeout(timeouts.client_write);
  channel_->set_read_deadline(base::Deadline::after(host_.now(), timeouts.tls_handshake));
  bool ready = true;
  if (listener_->proxy_protocol) ready = co_await accept_proxy_header();
  if (ready && listener_->tls) ready = co_await accept_tls();
  while (ready && keep_alive_ && !closing_ && !channel_->closed()) {
    const ReadHead got = co_await read_head();
    if (got == ReadHead::closed) break;
    if (got == ReadHead::refused) {
      keep_alive_ = false;
      body_unread_ = true;
      co_await answer_error(std::move(*refusal_));
      co_await linger();
      break;
    }
    co_await serve();
    idle_ = true;
    if (body_unread_ && !channel_->closed()) {
      co_await linger();
      break;
    }
  }
  channel_->shutdown_send();
  channel_->close();
}

base::Task<bool> Session::accept_proxy_header() {
  constexpr std::size_t kMaxHeader = 16 + 2048 + 1;
  if (!contains(listener_->trusted_proxies, peer_)) co_return false;
  for (;;) {
    if (!channel_->buffered().empty()) {
      const auto header = protocol::http::parse_proxy_header(channel_->buffered());
      if (header.has_error()) co_return false;
      if (header->size != 0) {
        channel_->consume(header->size);
        if (header->source) peer_ = client_ = *header->source;
        co_return true;
      }
    }
    const IoResult got = co_await channel_->fill(kMaxHeader);
    if (got.error) co_return false;
  }
}

base::Task<bool> Session::accept_tls() {
  const std::shared_ptr<net::asio::ssl::context> context = listener_->tls_context();
  const net::error_code error = co_await channel_->handshake(*context, true, nullptr, false);
  co_return !error;
}

base::Task<Session::ReadHead> Session::read_head() {
  const auto runtime = host_.runtime();
  const config::Snapshot& config = *runtime->snapshot;
  parser_.set_limits(head_limits(config.limits));
  parser_.reset();
  channel_->pin(false);
  channel_->unwatch();
  refusal_.reset();
  committed_ = streaming_ = chunked_out_ = body_unread_ = false;
  base::MonoTime started = host_.now();
  // A new connection must speak within the header time; a kept one may be idle longer.
  channel_->set_read_deadline(base::Deadline::after(
      started, served_ == 0 ? config.timeouts.header : config.timeouts.keep_alive_idle));
  const std::size_t max_buffer =
      std::size_t{config.limits.request_line_bytes} + config.limits.header_bytes + 4096;
  bool clocked = served_ == 0;
  for (;;) {
    if (!channel_->buffered().empty()) {
      if (!clocked) {
        clocked = true;
        channel_->set_read_deadline(base::Deadline::after(host_.now(), config.timeouts.header));
      }
      idle_ = false;
      auto progress = parser_.feed(channel_->buffered());
      if (progress.has_error()) {
        refusal_ = progress.error();
        if (is_size_limit(refusal_->code()))
          host_.services().metrics.limit_hits(limit_of(refusal_->code())).inc();
        co_return ReadHead::refused;
      }
      if (progress->state == HeadState::done) {
        head_size_ = progress->head_size;
        co_return ReadHead::ok;
      }
    }
    const IoResult got = co_await channel_->fill(max_buffer);
    if (!got.error) continue;
    if (got.error == net::asio::error::timed_out && parser_.started()) {
      // The socket is closed by the sweep: there is nobody to tell.
      co_return ReadHead::closed;
    }
    co_return ReadHead::closed;
  }
}

// ---- one call ----

base::Task<void> Session::serve() {
  ++served_;
  if (!context_) context_ = std::make_unique<RequestContext>();
  RequestContext& context = *context_;
  context.reset();
  context.begin(host_.runtime(), host_.services(), *this);
  const config::Snapshot& config = context.config();
  const auto& head = parser_.head();
  keep_alive_ = head.keep_alive && !closing_ && served_ < config.limits.requests_per_connection;
  channel_->pin(true);  // the head's views must survive the reads of its body
  channel_->consume(head_size_);
  body_unread_ = head.body_kind() != BodyKind::none;

  auto parsed = context.target.parse(head.path_and_query);
  if (parsed.has_error()) {
    keep_alive_ = false;
    co_await answer_error(parsed.error());
    co_return;
  }
  context.head = &head;
  client_ = protocol::http::client_address(peer_, head.headers, listener_->trusted_proxies);
  context.set_client(client_);
  context.is_tls = listener_->tls;
  context.route = pipeline::match_route(head, context.target);

  pipeline::Chain& chain = host_.chain();
  Verdict verdict = pipeline::admit(context);
  if (!verdict.refused()) verdict = chain.on_head(context);
  if (!verdict.refused()) {
    const bool complete = co_await read_body();
    if (!complete) {
      if (refusal_) {
        verdict = Verdict::refuse(std::move(*refusal_));
        keep_alive_ = false;
      } else {
        context.cancel_client_gone();
      }
    }
  }
  if (!verdict.refused() && !context.cancel.cancelled()) {
    context.body_read_at = host_.now();
    channel_->set_read_deadline(base::Deadline::never());
    channel_->watch(this);
    verdict = pipeline::interpret(context);
    if (!verdict.refused()) verdict = co_await chain.on_request(context);
  }
  if (verdict.refused() && !committed_ && !context.client_gone()) {
    context.refuse(std::move(verdict.error()));
    co_await answer_error(*context.refusal);
  }
  channel_->unwatch();
  context.finished_at = host_.now();
  chain.on_complete(context);
  context.end();
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
  if (head.content_length.value_or(0) > config.limits.body_bytes) {
    host_.services().metrics.limit_hits(telemetry::LimitHit::body_bytes).inc();
    refusal_ = Error(ErrorCode::request_too_large,
                     fmt::format("the body is {} bytes, the limit is {}", *head.content_length,
                                 config.limits.body_bytes));
    co_return false;
  }
  if (head.expect_continue && channel_->buffered().empty()) {
    const IoResult sent = co_await channel_->write("HTTP/1.1 100 Continue\r\n\r\n");
    if (sent.error) co_return false;
  }
  channel_->set_read_deadline(base::Deadline::after(host_.now(), config.timeouts.body));
  if (gzip) {
    if (!inflater_) inflater_ = std::make_unique<protocol::http::GzipInflater>();
    protocol::http::GzipInflater::Limits limits;
    limits.max_bytes = config.limits.body_bytes;
    limits.max_ratio = config.limits.gzip_ratio;
    inflater_->reset(limits);
  }
  const bool complete =
      head.chunked ? co_await read_chunked(gzip) : co_await read_length(*head.content_length, gzip);
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

bool Session::take_payload(std::string_view payload, bool gzip) {
  if (!gzip) {
    context_->body.append(payload);
    return true;
  }
  auto inflated = inflater_->feed(payload, context_->body);
  if (inflated.has_error()) refusal_ = inflated.error();
  return !inflated.has_error();
}

base::Task<bool> Session::read_length(std::uint64_t length, bool gzip) {
  std::string& body = context_->body;
  auto left = static_cast<std::size_t>(length);
  if (!gzip) body.reserve(left + kJsonPadding);
  const std::string_view have = channel_->buffered().substr(0, left);
  if (!take_payload(have, gzip)) co_return false;
  channel_->consume(have.size());
  left -= have.size();
  if (left == 0) co_return true;
  if (!gzip) {
    // The rest goes straight where the parser will read it.
    std::size_t at = body.size();
    body.resize(at + left);
    while (left > 0) {
      const IoResult got = co_await channel_->read_into(body.data() + at, left);
      if (got.error) co_return false;
      at += got.bytes;
      left -= got.bytes;
    }
    co_return true;
  }
  std::string scratch(std::min(left, kScratch), '\0');
  while (left > 0) {
    const IoResult got =
        co_await channel_->read_into(scratch.data(), std::min(left, scratch.size()));
    if (got.error) co_return false;
    if (!take_payload(std::string_view(scratch).substr(0, got.bytes), gzip)) co_return false;
    left -= got.bytes;
  }
  co_return true;
}

base::Task<bool> Session::read_chunked(bool gzip) {
  chunked_.reset(context_->config().limits.body_bytes);
  std::string scratch;
  std::string_view input = channel_->buffered();
  bool buffered = true;
  for (;;) {
    payload_.clear();
    auto progress = chunked_.feed(input, payload_);
    if (progress.has_error()) {
      refusal_ = progress.error();
      co_return false;
    }
    for (const std::string_view piece : payload_)
      if (!take_payload(piece, gzip)) co_return false;
    if (buffered) channel_->consume(progress->consumed);
    if (progress->done) {
      // Bytes behind the last chunk came with a direct read: a pipelined request we would lose.
      if (!buffered && progress->consumed != input.size()) keep_alive_ = false;
      co_return true;
    }
    buffered = false;
    if (scratch.empty()) scratch.resize(kScratch);
    const IoResult got = co_await channel_->read_into(scratch.data(), scratch.size());
    if (got.error) co_return false;
    input = std::string_view(scratch).substr(0, got.bytes);
  }
}

base::Task<void> Session::answer_error(Error error) {
  // Unread request bytes make the connection useless for another request.
  if (body_unread_) keep_alive_ = false;
  std::string header_lines;
  std::string body;
  int status = 0;
  if (context_ && context_->head != nullptr) {
    pipeline::render_error(*context_, error, status, header_lines, body);
  } else {
    status = error.http_status();
    host_.services().metrics.refusals(error.code()).inc();
    pipeline::render_plain_error(error, header_lines, body);
  }
  const std::string_view piece = body;
  const bool sent = co_await respond(status, header_lines, std::span(&piece, 1));
  if (!sent) keep_alive_ = false;
}

base::Task<void> Session::linger() {
  channel_->unwatch();
  channel_->shutdown_send();
  channel_->set_read_deadline(base::Deadline::after(host_.now(), kLingerTime));
  std::string sink(4096, '\0');
  std::size_t read = 0;
  while (read < kLingerBytes && !channel_->read_outstanding()) {
    const IoResult got = co_await channel_->read_into(sink.data(), sink.size());
    if (got.error) break;
    read += got.bytes;
  }
}

// ---- Downstream ----

void Session::append_common_headers(std::string& out, bool close) {
  if (close) {
    out += "Connection: close\r\n";
  } else if (parser_.head().version_minor == 0) {
    out += "Connection: keep-alive\r\n";
  }
}

base::Task<bool> Session::respond(int status, std::string_view header_lines,
                                  std::span<const std::string_view> body) {
  std::size_t length = 0;
  for (const std::string_view piece : body) length += piece.size();
  const bool is_head =
      parser_.head().method == protocol::http::Method::head && context_ && context_->head;
  out_head_.clear();
  fmt::format_to(std::back_inserter(out_head_), "HTTP/1.1 {} {}\r\n", status,
                 protocol::http::reason_phrase(status));
  if (status != 204 && status >= 200 && status != 304)
    fmt::format_to(std::back_inserter(out_head_), "Content-Length: {}\r\n", length);
  if (closing_ || host_.announcing_drain()) keep_alive_ = false;
  append_common_headers(out_head_, !keep_alive_);
  out_head_ += header_lines;
  out_head_ += "\r\n";
  out_.clear();
  out_.push_back(out_head_);
  if (!is_head) out_.insert(out_.end(), body.begin(), body.end());
  committed_ = true;
  if (context_) context_->note_first_byte(host_.now());
  const IoResult sent = co_await channel_->write(out_);
  if (sent.error) {
    keep_alive_ = false;
    if (context_) context_->cancel_client_gone();
  }
  co_return !sent.error;
}

base::Task<bool> Session::start_stream(int status, std::string_view header_lines) {
  chunked_out_ = parser_.head().version_minor >= 1;
  streaming_ = true;
  if (!chunked_out_ || closing_ || host_.announcing_drain()) keep_alive_ = false;
  // Written together with the first piece, in one system call.
  out_head_.clear();
  fmt::format_to(std::back_inserter(out_head_), "HTTP/1.1 {} {}\r\n", status,
                 protocol::http::reason_phrase(status));
  if (chunked_out_) out_head_ += "Transfer-Encoding: chunked\r\n";
  append_common_headers(out_head_, !keep_alive_);
  out_head_ += header_lines;
  out_head_ += "\r\n";
  co_return !channel_->failed();
}

base::Task<bool> Session::write(std::span<const std::string_view> pieces) {
  std::size_t length = 0;
  for (const std::string_view piece : pieces) length += piece.size();
  out_.clear();
  if (!committed_) {
    out_.push_back(out_head_);
    committed_ = true;
    context_->note_first_byte(host_.now());
  }
  if (length != 0) {
    if (chunked_out_) {
      chunk_head_.clear();
      protocol::http::append_chunk_head(chunk_head_, length);
      out_.push_back(chunk_head_);
    }
    out_.insert(out_.end(), pieces.begin(), pieces.end());
    if (chunked_out_) out_.push_back(protocol::http::kChunkEnd);
  }
  if (out_.empty()) co_return true;
  const IoResult sent = co_await channel_->write(out_);
  if (sent.error) {
    keep_alive_ = false;
    context_->cancel_client_gone();
  }
  co_return !sent.error;
}

base::Task<bool> Session::finish() {
  out_.clear();
  if (!committed_) {
    out_.push_back(out_head_);
    committed_ = true;
  }
  if (chunked_out_) out_.push_back(protocol::http::kLastChunk);
  streaming_ = false;
  if (out_.empty()) co_return true;
  const IoResult sent = co_await channel_->write(out_);
  if (sent.error) keep_alive_ = false;
  co_return !sent.error;
}

void Session::abort() noexcept {
  // A FIN without the last chunk: every client sees a broken message. HTTP/1.0 has no last chunk,
  // so there only a reset tells.
  keep_alive_ = false;
  streaming_ = false;
  if (chunked_out_) {
    channel_->shutdown_send();
  } else {
    channel_->reset();
  }
}

}  // namespace tollgate::server
