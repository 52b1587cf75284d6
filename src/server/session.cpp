#include "tollgate/server/session.hpp"

#include <exception>

#include "tollgate/pipeline/chain.hpp"
#include "tollgate/pipeline/error_body.hpp"
#include "tollgate/pipeline/interpret.hpp"
#include "tollgate/protocol/http/client_address.hpp"
#include "tollgate/protocol/http/proxy_protocol.hpp"
#include "tollgate/server/worker_host.hpp"

namespace tollgate::server {

using base::Error;
using base::ErrorCode;
using net::IoResult;
using pipeline::RequestContext;
using pipeline::Verdict;
using protocol::http::BodyKind;
using protocol::http::HeadState;

namespace {

using EarlyEnd = RequestContext::EarlyEnd;

/// A refused request's remaining bytes are read so far before the connection is closed, so that the
/// agent gets to read the answer instead of a reset.
constexpr std::size_t kLingerBytes = 64 * 1024;
constexpr auto kLingerTime = std::chrono::seconds(1);

protocol::http::HeadLimits head_limits(const config::Limits& limits) {
  protocol::http::HeadLimits head;
  head.start_line_bytes = limits.request_line_bytes;
  head.field_bytes = limits.header_field_bytes;
  head.section_bytes = limits.header_bytes;
  head.field_count = limits.header_count;
  return head;
}

}  // namespace

Session::Session(WorkerHost& host, std::shared_ptr<const ListenerState> listener,
                 net::ChannelPtr channel, protocol::http::IpAddress peer, bool address_counted)
    : host_(host),
      listener_(std::move(listener)),
      channel_(std::move(channel)),
      peer_(peer),
      client_(peer) {
  if (address_counted) counted_address_ = peer;
}

Session::~Session() {
  channel_->unwatch();
  channel_->close();
}

void Session::on_peer_closed(net::Channel& channel) {
  // Closed by us, for a write that took too long: that write tells what it means.
  if (channel.timed_out()) return;
  if (context_) context_->end_early(EarlyEnd::client_gone);
}

void Session::close_when_idle() {
  closing_ = true;
  if (idle_) channel_->close();
}

void Session::force_end() {
  closing_ = true;
  if (!in_call()) return channel_->close();
  if (last_piece_) return;
  context_->end_early(EarlyEnd::draining);
  // A request that is still being read is waited for no longer; nothing else is reading now.
  channel_->set_read_deadline(base::Deadline(host_.now()), net::Channel::OnDeadline::report);
}

void Session::force_close() {
  closing_ = true;
  if (in_call()) context_->end_early(EarlyEnd::draining);
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
    begin_head();
    ReadHead got = take_head();
    while (got == ReadHead::partly) {
      const IoResult filled = co_await channel_->fill(head_buffer());
      got = filled.error ? head_failed(filled.error) : take_head();
    }
    if (got == ReadHead::closed) break;
    if (got == ReadHead::refused && !parser_.head_complete()) {
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
        // Without a source (LOCAL, UNKNOWN) it is the proxy itself that speaks: a health check.
        if (!header->source) co_return true;
        peer_ = client_ = *header->source;
        if (host_.count_address(peer_)) {
          counted_address_ = peer_;
          co_return true;
        }
        if (!listener_->tls) co_await channel_->write(WorkerHost::kTooManyConnections);
        co_return false;
      }
    }
    const IoResult got = co_await channel_->fill(kMaxHeader);
    if (got.error) co_return false;
  }
}

base::Task<bool> Session::accept_tls() {
  const std::shared_ptr<net::asio::ssl::context> context = listener_->tls_context();
  const net::error_code error = co_await channel_->handshake(*context, true, nullptr, false);
  if (error == net::asio::error::timed_out)
    host_.services().metrics.limit_hits(telemetry::LimitHit::tls_handshake).inc();
  co_return !error;
}

void Session::begin_head() {
  const config::Snapshot& config = *host_.runtime()->snapshot;
  parser_.set_limits(head_limits(config.limits));
  parser_.reset();
  channel_->unpin();
  channel_->unwatch();
  refusal_.reset();
  committed_ = last_piece_ = chunked_out_ = body_unread_ = false;
  head_begun_ = served_ == 0;
  const base::MonoTime started = served_ == 0 ? host_.now() : last_call_;
  // A new connection must speak within the header time; a kept one may be idle longer.
  channel_->set_read_deadline(
      base::Deadline::after(
          started, served_ == 0 ? config.timeouts.header : config.timeouts.keep_alive_idle),
      net::Channel::OnDeadline::report);
}

std::size_t Session::head_buffer() const {
  const config::Limits& limits = host_.runtime()->snapshot->limits;
  return std::size_t{limits.request_line_bytes} + limits.header_bytes + 4096;
}

Session::ReadHead Session::take_head() {
  if (channel_->buffered().empty()) return ReadHead::partly;
  idle_ = false;
  auto progress = parser_.feed(channel_->buffered());
  if (progress.has_error()) {
    refusal_ = progress.error();
    return ReadHead::refused;
  }
  if (progress->state == HeadState::done) {
    head_size_ = progress->head_size;
    return ReadHead::whole;
  }
  if (!head_begun_) {
    head_begun_ = true;
    channel_->set_read_deadline(
        base::Deadline::after(host_.read_time(), host_.runtime()->snapshot->timeouts.header),
        net::Channel::OnDeadline::report);
  }
  return ReadHead::partly;
}

Session::ReadHead Session::head_failed(const net::error_code& error) {
  // A head that began and does not end gets its 408; a connection that is merely idle is closed
  // without a word, as an answer nobody asked for would be taken for that of the next request.
  const bool late = error == net::asio::error::timed_out;
  if (!late || channel_->closed() || channel_->buffered().empty()) {
    if (late)
      host_.services()
          .metrics
          .limit_hits(served_ == 0 ? telemetry::LimitHit::header_time
                                   : telemetry::LimitHit::keep_alive_idle)
          .inc();
    return ReadHead::closed;
  }
  refusal_ = Error(ErrorCode::request_timeout, "the request head did not arrive in time")
                 .with_limit(base::Limit::header_time);
  return ReadHead::refused;
}

// ---- one call ----

void Session::begin_call() {
  ++served_;
  context_ = host_.take_context();
  RequestContext& context = *context_;
  context.reset();
  context.begin(host_.runtime(), host_.services(), *this, host_.read_time());
  const config::Snapshot& config = context.config();
  const auto& head = parser_.head();
  keep_alive_ = head.keep_alive && !closing_ && served_ < config.limits.requests_per_connection;
  if (served_ >= config.limits.requests_per_connection)
    host_.services().metrics.limit_hits(telemetry::LimitHit::requests_per_connection).inc();
  body_unread_ = head.body_kind() != BodyKind::none;
  context.head = &head;
  auto parsed = context.target.parse(head.path_and_query);
  if (refusal_ || parsed.has_error()) {
    // Refused, but by a caller who may be known: then it is on record (see head_fault).
    context.head_fault.emplace(refusal_ ? std::move(*refusal_) : std::move(parsed.error()));
    refusal_.reset();
    keep_alive_ = false;
    body_unread_ = true;
  } else {
    channel_->pin(head_size_);  // the head's views must survive the reads of its body
  }
  client_ = protocol::http::client_address(peer_, head.headers, listener_->trusted_proxies);
  context.set_client(client_);
  context.is_tls = listener_->tls || protocol::http::client_spoke_tls(peer_, head.headers,
                                                                      listener_->trusted_proxies);
  channel_->set_write_limit(context.deadline);
  if (parsed.has_value()) {
    context.route = pipeline::match_route(head, context.target);
  } else {
    context.route.dialect = pipeline::dialect_of_unchecked(head.path_and_query);
  }
}

void Session::end_call() {
  RequestContext& context = *context_;
  channel_->unwatch();
  context.finished_at = host_.now();
  host_.chain().on_complete(context);
  last_call_ = context.finished_at;
  context.end();
  release_body();
  host_.give_back(std::move(context_));
  channel_->set_write_limit(base::Deadline::never());
}

base::Task<void> Session::serve() {
  begin_call();
  RequestContext& context = *context_;
  // Whatever happens inside a call, it completes: holds, slots and counters hang on it.
  std::exception_ptr bug;
  try {
    pipeline::Chain& chain = host_.chain();
    Verdict verdict = chain.on_head(context);
    if (!verdict.refused()) {
      bool complete = take_buffered_body();
      if (!complete) complete = co_await read_body();
      if (!complete) {
        if (refusal_) {
          verdict = Verdict::refuse(std::move(*refusal_));
          keep_alive_ = false;
        } else {
          context.end_early(EarlyEnd::client_gone);
        }
      }
    }
    if (!verdict.refused() && !context.cancel.cancelled()) {
      context.body_read_at = host_.read_time();
      channel_->set_read_deadline(base::Deadline::never());
      channel_->watch(this);
      verdict = pipeline::interpret(context);
      if (!verdict.refused() && !count_index()) verdict = Verdict::refuse(std::move(*refusal_));
      if (!verdict.refused()) verdict = co_await chain.on_request(context);
    }
    if (context.stopped_by_gateway())
      verdict = Verdict::refuse(
          Error(ErrorCode::draining, "the gateway is shutting down").with_retry_after(1));
    if (verdict.refused() && !committed_ && !context.client_gone()) {
      context.refuse(std::move(verdict.error()));
      co_await answer_error(*context.refusal);
    }
  } catch (...) {
    bug = std::current_exception();
  }
  if (bug) co_await answer_bug(std::move(bug));
  end_call();
}

base::Task<void> Session::answer_bug(std::exception_ptr bug) {
  base::report_task_failure("call", bug);
  keep_alive_ = false;
  Error error(ErrorCode::internal_error, "the gateway failed; the request id finds it in its log");
  context_->refuse(error);
  if (committed_) {
    abort();
    co_return;
  }
  bool answered = false;
  try {
    co_await answer_error(std::move(error));
    answered = true;
  } catch (...) {
    // The answer takes the way that failed. The first failure has been reported.
    answered = false;
  }
  if (!answered) channel_->reset();
}

base::Task<void> Session::answer_error(Error error) {
  // Unread request bytes make the connection useless for another request.
  if (body_unread_) keep_alive_ = false;
  if (const auto limit = error.limit()) host_.services().metrics.limit_hits(*limit).inc();
  std::string header_lines;
  std::string body;
  int status = 0;
  if (in_call()) {
    pipeline::render_error(*context_, error, status, header_lines, body);
  } else {
    status = error.http_status();
    host_.services().metrics.refusals(error.code()).inc();
    const auto path = protocol::http::unchecked_path(channel_->buffered());
    pipeline::render_plain_error(error, pipeline::dialect_of_unchecked(path), header_lines, body);
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
  while (read < kLingerBytes) {
    const IoResult got = co_await channel_->read_into(sink.data(), sink.size());
    if (got.error) break;
    read += got.bytes;
  }
}

}  // namespace tollgate::server
