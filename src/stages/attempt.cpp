#include "stages/attempt.hpp"

#include <algorithm>

#include "stages/holds.hpp"

namespace tollgate::stages {

using domain::routing::AttemptOutcome;
using domain::routing::FailureKind;
using pipeline::RequestContext;
using pipeline::TransportFailure;
using pipeline::UpstreamExchange;

namespace {

FailureKind to_domain(TransportFailure failure) {
  switch (failure) {
    case TransportFailure::dns:
      return FailureKind::dns;
    case TransportFailure::connect:
      return FailureKind::connect;
    case TransportFailure::tls:
      return FailureKind::tls;
    case TransportFailure::pool_exhausted:
      return FailureKind::pool_exhausted;
    case TransportFailure::stale_connection:
      return FailureKind::stale_connection;
    case TransportFailure::reset:
      return FailureKind::reset;
    case TransportFailure::first_byte_timeout:
      return FailureKind::first_byte_timeout;
    case TransportFailure::cut:
      return FailureKind::cut;
    case TransportFailure::idle_timeout:
      return FailureKind::idle_timeout;
    case TransportFailure::invalid:
      return FailureKind::invalid;
    case TransportFailure::too_large:
      return FailureKind::too_large;
    case TransportFailure::total_timeout:
      return FailureKind::total_timeout;
    case TransportFailure::none:
    case TransportFailure::cancelled:
      return FailureKind::cancelled;
  }
  return FailureKind::cancelled;
}

}  // namespace

base::ErrorCode code_of_break(TransportFailure failure) noexcept {
  switch (failure) {
    case TransportFailure::total_timeout:
      return base::ErrorCode::call_timeout;
    case TransportFailure::idle_timeout:
      return base::ErrorCode::upstream_timeout;
    case TransportFailure::invalid:
      return base::ErrorCode::upstream_invalid;
    case TransportFailure::too_large:
      return base::ErrorCode::stream_limit;
    case TransportFailure::none:
    case TransportFailure::cancelled:
    case TransportFailure::dns:
    case TransportFailure::connect:
    case TransportFailure::tls:
    case TransportFailure::pool_exhausted:
    case TransportFailure::stale_connection:
    case TransportFailure::reset:
    case TransportFailure::first_byte_timeout:
    case TransportFailure::cut:
      break;
  }
  return base::ErrorCode::upstream_cut;
}

Attempt::Attempt(RequestContext& context, domain::routing::AttemptLoop& loop, std::size_t candidate)
    : context_(context),
      loop_(loop),
      candidate_(candidate),
      index_(context.record ? context.record->attempts.size() : 0),
      number_(loop.attempts() + 1),
      started_(context.services->clock.mono()) {
  ++context.attempts;
  if (number_ > 1) {
    context.usage = {};
    context.usage_is_final = false;
    context.served_model.clear();
    context.payload.output_text_bytes = 0;
    context.payload.told_on_the_way = context.payload.last_told = 0;
    context.payload.silent_tokens = 0;
  }
  if (!context.record) return;
  auto& row = context.record->attempts.emplace_back();
  row.deployment = target().deployment->id;
  row.started_us = base::to_micros(started_ - context.received_at);
}

base::MonoTime Attempt::end(std::string_view outcome, int status, telemetry::AttemptResult result,
                            std::string_view error_code) {
  return end(context_.services->clock.mono(), outcome, status, result, error_code);
}

base::MonoTime Attempt::end(base::MonoTime now, std::string_view outcome, int status,
                            telemetry::AttemptResult result, std::string_view error_code) {
  // An answer is dated by the turn that read it, and an upstream that speaks unasked may have done
  // so in the turn that began the attempt: no duration is negative.
  now = std::max(now, started_);
  context_.upstream_time += now - started_;
  const auto& series = context_.alias->of(context_.plan.candidates[candidate_]).series;
  context_.services->metrics.attempts(series, result).inc();
  if (!context_.record) return now;
  auto& row = context_.record->attempts[index_];
  row.outcome = outcome;
  row.http_status = status;
  if (!error_code.empty()) row.error_code = error_code;
  row.duration_us = base::to_micros(now - started_);
  return now;
}

void Attempt::succeeded(int status, base::MonoTime at) {
  const base::MonoTime now = end(at, "ok", status, telemetry::attempt_status(status), {});
  const auto final = loop_.on_outcome(AttemptOutcome::status(status), true, now);
  static_cast<void>(final);  // nothing follows a success
}

domain::routing::Verdict Attempt::answered_with_error(int status,
                                                      const domain::routing::RetryHints& hints) {
  const base::MonoTime now = end("status", status, telemetry::attempt_status(status));
  return loop_.on_outcome(AttemptOutcome::status(status, hints), false, now);
}

void Attempt::error_unread(TransportFailure failure) {
  if (failure == TransportFailure::too_large)
    context_.services->metrics.limit_hits(telemetry::LimitHit::response_body_bytes).inc();
  if (context_.record) context_.record->attempts[index_].error_code = to_string(failure);
}

base::MonoTime Attempt::end_unreadable(int status, base::MonoTime at) {
  return end(at, to_string(TransportFailure::invalid), status,
             telemetry::attempt_failure(FailureKind::invalid),
             base::info(base::ErrorCode::upstream_invalid).name);
}

void Attempt::unreadable(int status, base::MonoTime at) {
  const base::MonoTime now = end_unreadable(status, at);
  const auto final = loop_.on_outcome(AttemptOutcome::unreadable(), true, now);
  static_cast<void>(final);
}

void Attempt::gave_nothing(int status, base::MonoTime at) {
  unreadable(status, at);
  keep_abandoned(context_, index_, {});
}

AttemptEnd Attempt::discarded(int status, base::MonoTime at, std::uint64_t answer_bytes) {
  const base::MonoTime now = end_unreadable(status, at);
  keep_abandoned(context_, index_, Received{answer_bytes, 0, false});
  const auto verdict = loop_.on_outcome(AttemptOutcome::unreadable(), false, now);
  return verdict == domain::routing::Verdict::final ? AttemptEnd::over : AttemptEnd::next;
}

AttemptEnd Attempt::failed(const UpstreamExchange& exchange, int status, TransportFailure failure,
                           std::uint64_t answer_bytes) {
  const base::MonoTime now =
      end(to_string(failure), status, telemetry::attempt_failure(to_domain(failure)),
          to_string(failure));
  if (failure == TransportFailure::pool_exhausted)
    context_.services->metrics.limit_hits(telemetry::LimitHit::max_connections).inc();
  if (failure == TransportFailure::cancelled || context_.cancel.cancelled()) {
    if (exchange.sent_at() == base::MonoTime{}) return AttemptEnd::client_gone;
    const std::int64_t silent = silent_output(context_.config().spending, now - exchange.sent_at());
    if (context_.served_by != nullptr) {
      // Settled as the answer it was to be.
      context_.payload.output_text_bytes = answer_bytes;
      context_.payload.silent_tokens = silent;
    } else {
      keep_abandoned(context_, index_, Received{0, silent, false});
    }
    return AttemptEnd::client_gone;
  }
  // The call's time may be over before the request was out.
  const bool is_sent =
      failure == TransportFailure::total_timeout
          ? exchange.sent_at() != base::MonoTime{}
          : pipeline::may_have_been_sent(failure) && failure != TransportFailure::stale_connection;
  if (is_sent) {
    const Received received{answer_bytes, 0, failure == TransportFailure::too_large};
    keep_abandoned(context_, index_, received);
  }
  const auto verdict = loop_.on_outcome(AttemptOutcome::failure(to_domain(failure)), false, now);
  return verdict == domain::routing::Verdict::final ? AttemptEnd::over : AttemptEnd::next;
}

void Attempt::broke_off(int status, TransportFailure failure) {
  if (failure == TransportFailure::too_large) context_.answer_unmeasured = true;
  const base::MonoTime now =
      end(to_string(failure), status, telemetry::attempt_failure(to_domain(failure)),
          base::info(code_of_break(failure)).name);
  const auto final = loop_.on_outcome(AttemptOutcome::failure(to_domain(failure)), true, now);
  static_cast<void>(final);  // nothing follows what the agent has begun to read
}

void Attempt::cancelled(const UpstreamExchange& exchange, int status) {
  const base::MonoTime now =
      end("cancelled", status, telemetry::attempt_failure(FailureKind::cancelled));
  const base::MonoTime said = context_.first_content_at;
  context_.payload.silent_tokens = silent_output(
      context_.config().spending, (said == base::MonoTime{} ? now : said) - exchange.sent_at());
  // It did answer: of its health this says what a success says.
  const auto final = loop_.on_outcome(AttemptOutcome::status(status), true, now);
  static_cast<void>(final);
}

}  // namespace tollgate::stages
