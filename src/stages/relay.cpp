#include "stages/relay.hpp"

#include <algorithm>

#include "stages/credentials.hpp"
#include "stages/stream_ends.hpp"
#include "tollgate/pipeline/chain.hpp"
#include "tollgate/protocol/sse/writer.hpp"

namespace tollgate::stages {

using base::Error;
using pipeline::BodyChunk;
using pipeline::Payload;
using pipeline::RequestContext;
using pipeline::TransportFailure;
using protocol::llm::EventClass;

namespace {
json::ParseLimits model_event_limits() {
  json::ParseLimits limits;
  limits.max_depth = 256;
  limits.allow_lone_surrogates = true;
  return limits;
}

/// From then on an agent hears that its call waits, and nobody else is asked.
constexpr auto kCommentsHeld = std::chrono::seconds(10);
/// What a body may take to end behind its end mark: then its connection is used again.
constexpr auto kDrain = std::chrono::milliseconds(100);
}  // namespace

Relay::Relay(RequestContext& context, pipeline::UpstreamExchange& exchange, bool usage_injected,
             std::string header_lines, base::Deadline first_event_by)
    : context_(context),
      exchange_(exchange),
      usage_injected_(usage_injected),
      first_event_by_(context.payload.dialect != nullptr ? first_event_by
                                                         : base::Deadline::never()),
      header_lines_(std::move(header_lines)),
      parser_(context.config().limits.sse_event_bytes),
      output_limit_(context) {
  exchange_.limit_reads(first_event_by_);
}

// Runs once per event: what waits is awaited here, without a coroutine of its own in between, and
// what does not wait is no coroutine.
base::Task<RelayEnd> Relay::run() {
  for (;;) {
    const BodyChunk chunk = co_await exchange_.read();
    const bool ends = take(chunk);
    if (error_first_ && !started_) co_return RelayEnd::not_started;
    if (ends) co_return co_await finish_stream();
    if (out_.empty()) continue;
    bool sent = false;
    if (started_) {
      sent = co_await context_.downstream->write(pending());
      out_.clear();
    } else {
      sent = co_await flush();
    }
    if (!sent) co_return RelayEnd::cancelled;
  }
}

/// Relays the events of one piece of the body into out_. True when the stream ends with it.
bool Relay::take(const BodyChunk& chunk) {
  if (is_over()) {
    failure_ = chunk.failure;
    return chunk.end || failure_ != TransportFailure::none ||
           drained_by_.passed(context_.services->clock.mono());
  }
  for (const std::string_view piece : chunk.pieces) {
    parser_.feed(piece);
    drain_parser();
    if (is_cut_short() || failure_ != TransportFailure::none || parser_.failed()) break;
  }
  if (chunk.end && !is_cut_short() && failure_ == TransportFailure::none) {
    parser_.finish();
    drain_parser();
    if (is_model() && is_open_mark(parser_.rest())) {
      parser_.feed("\n\n");
      drain_parser();
    }
  }
  if (!end_at_cap_.empty()) return true;
  if (parser_.failed() && !stopped_) {
    failure_ = TransportFailure::too_large;
    context_.services->metrics.limit_hits(telemetry::LimitHit::sse_event_bytes).inc();
  } else if (chunk.failure != TransportFailure::none && failure_ == TransportFailure::none) {
    failure_ = chunk.failure;
  }
  const bool may_be_late =
      failure_ == TransportFailure::none ? !chunk.end : failure_ == TransportFailure::idle_timeout;
  if (nothing_yet() && !error_first_ && may_be_late &&
      first_event_by_.passed(context_.services->clock.mono()))
    failure_ = TransportFailure::first_byte_timeout;
  return chunk.end || stopped_ || failure_ != TransportFailure::none;
}

base::Task<RelayEnd> Relay::finish_stream() {
  const bool draining = context_.stopped_by_gateway();
  if ((failure_ == TransportFailure::cancelled && !draining) || context_.client_gone())
    co_return RelayEnd::cancelled;
  // The answer is whole. How its connection ends is no matter of the agent's.
  if (mark_seen_ && !stopped_ && failure_ != TransportFailure::cancelled)
    failure_ = TransportFailure::none;
  if (failure_ == TransportFailure::none && !is_cut_short() && ended_early())
    failure_ = TransportFailure::cut;
  if (failure_ != TransportFailure::none && nothing_yet()) co_return RelayEnd::not_started;
  if (!stopped_) {
    event_.reset();
    context_.chain->on_stream_end(context_, event_);
    out_ += event_.before;
    if (event_.end_with) {
      end_with(*event_.end_with);
    } else {
      out_ += end_at_cap_;
    }
  }
  if (failure_ != TransportFailure::none && !stopped_) {
    // The two that are the gateway's own doing are no cut of the upstream's.
    context_.upstream_cut =
        failure_ != TransportFailure::cancelled && failure_ != TransportFailure::total_timeout;
    const Error error = error_of_break(failure_);
    if (provider_said_so_) {
      stopped_ = true;
      if (!context_.refusal) context_.refuse(error);
    } else {
      end_with(error);
    }
  }
  if (!out_.empty()) {
    const bool sent = co_await flush();
    if (!sent) co_return RelayEnd::cancelled;
  }
  if (stopped_) {
    context_.downstream->abort();
    if (failure_ == TransportFailure::cancelled) co_return RelayEnd::cancelled;
    co_return failure_ != TransportFailure::none ? RelayEnd::cut : RelayEnd::stopped;
  }
  if (!started_) {
    // An empty but complete stream.
    const bool begun = start();
    if (!begun) co_return RelayEnd::cancelled;
  }
  const bool finished = co_await context_.downstream->finish();
  co_return finished ? RelayEnd::complete : RelayEnd::cancelled;
}

bool Relay::is_model() const noexcept {
  return context_.payload.kind == Payload::Kind::model;
}

/// Nothing behind the mark is the agent's: not an error either, since the answer is whole.
bool Relay::is_over() const noexcept {
  return mark_seen_ && is_model();
}

/// A stream that ends without its end was cut, however politely.
bool Relay::ended_early() const {
  if (mark_seen_) return false;
  if (is_cut_event(parser_.rest())) return true;
  if (is_model()) {
    if (!end_seen_) return true;
    // Where the body's end is that of the connection, one that broke looks the same: then the words
    // of the choices are not enough, since more was to come.
    return exchange_.head().body_kind == protocol::http::BodyKind::until_close && !counted_;
  }
  if (end_seen_) return false;
  // A request is answered by a response with its id. Other streams have no end mark.
  const protocol::jsonrpc::Message& asked = context_.payload.rpc;
  return context_.payload.kind == Payload::Kind::rpc && !asked.method.empty() &&
         !asked.id_raw.empty() && !can_be_resumed_;
}

void Relay::drain_parser() {
  while (!is_cut_short() && failure_ == TransportFailure::none && !is_over()) {
    const protocol::sse::Event* const event = parser_.next();
    if (event == nullptr) return;
    take_event(*event);
  }
}

void Relay::take_event(const protocol::sse::Event& event) {
  if (context_.secrets == nullptr || !context_.secrets->in(event.raw)) {
    relay_event(event, false);
    return;
  }
  // The provider's credential, wherever in the event: name, id and comments too. In a model's data,
  // spelled with escapes or split over events the policy stage finds it.
  redacted_.clear();
  append_redacted(context_, event, redacted_);
  protocol::sse::Parser again(redacted_.size());
  again.feed(redacted_);
  again.finish();
  if (const protocol::sse::Event* const clean = again.next()) relay_event(*clean, true);
}

void Relay::relay_event(const protocol::sse::Event& event, bool has_credential) {
  event_.reset();
  event_.event = &event;
  event_.has_credential = has_credential;
  Payload& payload = context_.payload;
  if (event.is_keep_alive) {
    if (payload.dialect != nullptr && nothing_yet()) {
      // Sent by hosts while a call stands in line: it is alive, so that only its silence counts.
      first_event_by_ = base::Deadline::never();
      exchange_.limit_reads(first_event_by_);
      // To pass it on is to commit to this one.
      if (context_.services->clock.mono() < exchange_.sent_at() + kCommentsHeld) return;
    }
    context_.chain->on_event(context_, event_);
    append(event);
    return;
  }
  if (payload.dialect != nullptr) {
    // Other /v1 paths are priced flat: what their streams say of use is not counted.
    reader_.read(*payload.dialect, event, event_.document,
                 is_model() ? context_.usage : unpriced_usage_, event_.llm);
    event_.has_document = event_.llm.is_json;
  } else if (event.has_data && !event.data.empty()) {
    // A primed JSON-RPC stream may carry events with empty data: those pass as they are.
    event_.has_document = !event_.document.parse(event.data, model_event_limits()).has_error();
  }
  if (event.has_data && !event.data.empty() && !event_.has_document && event.data != "[DONE]") {
    // Readers are laxer than this parser (a key twice, deep nesting): what no stage can read, the
    // agent must not.
    failure_ = TransportFailure::invalid;
    return;
  }
  if (!any_event_) exchange_.limit_reads(base::Deadline::never());
  if (is_model()) {
    if (!observe()) return;
    if (output_limit_.is_broken_by(event_.llm, context_.usage)) {
      stop_at_cap(event);
      return;
    }
  }
  if (payload.kind == Payload::Kind::rpc) observe_rpc(event);
  any_event_ = true;
  if (event_.has_document) event_.edits.reset(event.data);
  context_.chain->on_event(context_, event_);
  append(event);
  if (is_model() && event_.llm.kind == EventClass::error && !stopped_) {
    // Told in the provider's own words; for the agent and the money it is a cut like any other.
    failure_ = TransportFailure::cut;
    provider_said_so_ = true;
  }
}

/// Notes what the event means for the call. False: it is the provider's error, before anything of
/// an answer.
bool Relay::observe() {
  const protocol::llm::StreamEvent& said = event_.llm;
  if (!said.model.empty() && context_.served_model.empty()) context_.served_model = said.model;
  if (said.kind == EventClass::error) {
    error_first_ = nothing_yet();
    if (error_first_ && event_.has_document) {
      error_status_ = context_.payload.dialect->read_response(event_.document).error_status;
      error_body_ = event_.event->data;
    }
    return !error_first_;
  }
  if (said.kind == EventClass::done && nothing_yet()) {
    // The end of an answer that never began.
    failure_ = TransportFailure::cut;
    return false;
  }
  context_.payload.note_output(protocol::llm::token_quarters(said.pieces), context_.usage.output);
  if (said.kind == EventClass::done) {
    mark_seen_ = true;
    drained_by_ = base::Deadline::after(context_.services->clock.mono(), kDrain);
    exchange_.limit_reads(drained_by_);
  }
  // Anthropic's stop reason ends the text, and message_stop the stream.
  const bool is_usage = said.kind == EventClass::usage_only;
  if (mark_seen_ || (said.ends_all && !is_usage && said.kind != EventClass::finish))
    end_seen_ = true;
  if (is_usage) {
    counted_ = end_seen_ && !ended_by_usage_;
    if (!end_seen_) end_seen_ = ended_by_usage_ = true;
  }
  if (said.has_content && ended_by_usage_ && !mark_seen_) {
    // A count on the way, not the last one.
    end_seen_ = ended_by_usage_ = context_.usage_is_final = false;
  }
  if (!end_seen_ && !said.finish_reason.empty()) {
    // Some hosts send neither usage nor an end mark: then each choice has to say that it ended.
    for (const std::uint32_t index : said.ended) {
      if (std::find(finished_.begin(), finished_.end(), index) == finished_.end() &&
          finished_.size() < static_cast<std::size_t>(context_.payload.fields.choices))
        finished_.push_back(index);
    }
    end_seen_ = finished_.size() >= static_cast<std::size_t>(context_.payload.fields.choices);
    // Some tell the use together with the last reason, and send no mark.
    if (end_seen_ && said.has_usage) counted_ = context_.usage_is_final = true;
  }
  // A count that came before this text is not of all that was generated.
  if (said.has_content && !said.has_usage) context_.usage.output_told = false;
  if (said.kind == EventClass::done || said.kind == EventClass::usage_only || said.ends_all)
    context_.usage_is_final = true;
  if (said.kind == EventClass::usage_only) event_.drop = usage_injected_;
  if (said.has_content && context_.first_content_at == base::MonoTime{})
    context_.first_content_at = context_.services->clock.mono();
  return true;
}

void Relay::observe_rpc(const protocol::sse::Event& event) {
  // By Last-Event-ID, which A2A does not have.
  if (event.has_id && context_.route.surface == pipeline::Surface::mcp) can_be_resumed_ = true;
  // A stream that no request asked for has no end.
  if (end_seen_ || !event_.has_document || context_.payload.rpc.method.empty()) return;
  const json::NodeRef root = event_.document.root();
  const json::NodeRef result = root.find("result"), error = root.find("error");
  if (!result && !error) return;
  if (context_.route.surface == pipeline::Surface::mcp) {
    if (!answers(root, context_.payload.rpc.id)) return;
  } else if (!error && context_.payload.a2a.streaming) {
    // A2A answers one call with many responses, of which the last says so.
    if (!protocol::a2a::read_result(result).is_final) return;
  }
  end_seen_ = mark_seen_ = true;
}

/// Writes the event as the stages left it.
void Relay::append(const protocol::sse::Event& event) {
  out_ += event_.before;
  if (event_.end_with) {
    const Error error = *event_.end_with;
    end_with(error);
    return;
  }
  if (event_.drop) return;
  if (event_.edits.empty() && event_.rewritten.empty()) {
    out_ += event.raw;
  } else if (event_.edits.empty()) {
    protocol::sse::append_with_data(out_, event, event_.rewritten);
  } else {
    protocol::sse::append_with_edits(out_, event, event_.edits);
  }
}

/// The provider goes on behind the cap it was sent: with this event the stream is over.
[[gnu::cold, gnu::noinline]] void Relay::stop_at_cap(const protocol::sse::Event& event) {
  context_.answer_unmeasured = true;
  context_.usage_is_final = false;
  context_.services->metrics.limit_hits(telemetry::LimitHit::output_cap).inc();
  if (context_.config().spending.on_ignored_cap == config::IgnoredCap::error) {
    end_with(error_of_ignored_cap(context_));
  } else {
    append_end_at_cap(context_, event.data, finished_, end_at_cap_);
  }
}

void Relay::end_with(const Error& error) {
  stopped_ = true;
  if (!context_.refusal) context_.refuse(error);
  if (const auto limit = error.limit()) context_.services->metrics.limit_hits(*limit).inc();
  if (context_.payload.kind == Payload::Kind::rpc) {
    protocol::sse::append_event(
        out_, "message",
        protocol::jsonrpc::error_body(error, context_.payload.rpc.id_raw, context_.request_id));
  } else if (context_.payload.dialect != nullptr) {
    out_ += context_.payload.dialect->error_event(error, context_.request_id);
  }
}

bool Relay::start() {
  started_ = true;
  context_.status = exchange_.head().status;
  return context_.downstream->start_stream(context_.status, header_lines_);
}

/// What is to be written now, noted as sent. Valid until out_ changes.
std::span<const std::string_view> Relay::pending() {
  context_.capture_response(out_);
  context_.response_bytes += out_.size();
  out_piece_ = out_;
  return {&out_piece_, 1};
}

base::Task<bool> Relay::flush() {
  if (!started_) {
    const bool begun = start();
    if (!begun) co_return false;
  }
  const bool sent = co_await context_.downstream->write(pending());
  out_.clear();
  co_return sent;
}

}  // namespace tollgate::stages
