#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "stages/holds.hpp"
#include "stages/local_answers.hpp"
#include "stages/peer_answers.hpp"
#include "stages/relay.hpp"
#include "stages/wire.hpp"
#include "tollgate/domain/routing/attempt_loop.hpp"
#include "tollgate/pipeline/chain.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/pipeline/error_body.hpp"
#include "tollgate/protocol/http/retry_after.hpp"
#include "tollgate/stages/stages.hpp"

namespace tollgate::stages {
namespace {

using base::Error;
using base::ErrorCode;
using domain::routing::AttemptLoop;
using domain::routing::AttemptOutcome;
using domain::routing::FailureKind;
using domain::routing::Repeat;
using domain::routing::RetryHints;
using domain::routing::SkipReason;
using pipeline::Answer;
using pipeline::Payload;
using pipeline::RequestContext;
using pipeline::Surface;
using pipeline::TransportFailure;
using pipeline::UpstreamExchange;
using pipeline::Verdict;
using protocol::http::HeaderId;

FailureKind to_domain(TransportFailure failure) {
  switch (failure) {
    case TransportFailure::dns:
      return FailureKind::dns;
    case TransportFailure::connect:
      return FailureKind::connect;
    case TransportFailure::tls:
      return FailureKind::tls;
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
    case TransportFailure::none:
    case TransportFailure::cancelled:
      return FailureKind::cancelled;
  }
  return FailureKind::cancelled;
}

bool content_type_is(std::string_view value, std::string_view type) {
  const std::string_view bare = base::trim_ows(value.substr(0, value.find(';')));
  return base::iequals(bare, type);
}

bool is_json_type(std::string_view value) {
  const std::string_view bare = base::trim_ows(value.substr(0, value.find(';')));
  return base::iequals(bare, "application/json") ||
         (bare.size() > 5 && base::iequals(bare.substr(bare.size() - 5), "+json"));
}

/// An AttemptRequest for as long as one attempt needs it; its memory is reused by the next.
class BorrowedRequest {
 public:
  using Spares = std::vector<std::unique_ptr<AttemptRequest>>;
  explicit BorrowedRequest(Spares& spares) : spares_(spares) {
    if (spares_.empty()) {
      request_ = std::make_unique<AttemptRequest>();
    } else {
      request_ = std::move(spares_.back());
      spares_.pop_back();
    }
  }
  ~BorrowedRequest() {
    constexpr std::size_t kKeep = 64;
    if (spares_.size() < kKeep) spares_.push_back(std::move(request_));
  }
  BorrowedRequest(const BorrowedRequest&) = delete;
  BorrowedRequest& operator=(const BorrowedRequest&) = delete;
  AttemptRequest* operator->() const noexcept { return request_.get(); }

 private:
  Spares& spares_;
  std::unique_ptr<AttemptRequest> request_;
};

/// What one attempt came to.
enum class AttemptEnd : std::uint8_t {
  answered,  ///< something was sent to the agent: the call is over
  next,      ///< the loop decides what follows
  over,      ///< nothing may follow; the error is the loop's
  client_gone,
};

class RouterStage final : public pipeline::Stage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "router"; }

  Verdict on_answer(RequestContext& context, Answer& answer) override {
    return answer.from_upstream ? rewrite_peer_answer(context, answer, answer_document_)
                                : Verdict::proceed();
  }

  void on_event(RequestContext& context, pipeline::StreamEvent& event) override {
    rewrite_peer_event(context, event);
  }

  base::Task<Verdict> on_request(RequestContext& context) override {
    if (context.alias == nullptr) co_return co_await answer_locally(context);
    context.services->retry_budget.on_call(context.services->clock.mono());
    const Repeat repeat = context.payload.safe_to_repeat ? Repeat::safe : Repeat::only_unsent;
    AttemptLoop loop(context.plan, context.config().routing, context.services->retry_budget,
                     context.services->rng, context.deadline, repeat);
    std::optional<Error> unaffordable;
    for (;;) {
      const AttemptLoop::Step step = loop.next(context.services->clock.mono());
      if (step == AttemptLoop::Step::give_up) {
        if (unaffordable && loop.attempts() == 0)
          co_return Verdict::refuse(std::move(*unaffordable));
        co_return Verdict::refuse(loop.error());
      }
      if (step == AttemptLoop::Step::wait) {
        const base::Deadline until(loop.wait_until());
        const bool waited = co_await context.services->upstream.sleep_until(until, context.cancel);
        if (!waited) co_return Verdict::proceed();
        continue;
      }
      const std::size_t candidate = loop.candidate();
      if (!context.free_of_charge && (!context.hold || context.held_candidate != candidate)) {
        auto held = hold_for(context, candidate);
        if (held.has_error()) {
          const bool unpriced = held.error().code() == ErrorCode::unpriced_model;
          unaffordable = held.error();
          loop.skip(unpriced ? SkipReason::unpriced : SkipReason::unaffordable);
          continue;
        }
      }
      const AttemptEnd end = co_await attempt(context, loop, candidate);
      if (end == AttemptEnd::answered || end == AttemptEnd::client_gone)
        co_return Verdict::proceed();
      if (end == AttemptEnd::over) {
        Error error = loop.error();
        co_return Verdict::refuse(std::move(error));
      }
    }
  }

 private:
  static store::AuditAttempt& begin_attempt(RequestContext& context, const std::string& deployment,
                                            base::MonoTime started) {
    static thread_local store::AuditAttempt unrecorded;
    store::AuditAttempt* attempt = &unrecorded;
    if (context.record) attempt = &context.record->attempts.emplace_back();
    attempt->deployment = deployment;
    attempt->started_us =
        std::chrono::duration_cast<std::chrono::microseconds>(started - context.received_at)
            .count();
    return *attempt;
  }

  static void end_attempt(RequestContext& context, std::size_t candidate, std::size_t index,
                          base::MonoTime started, std::string_view outcome, int status,
                          telemetry::AttemptResult result) {
    const base::MonoTime now = context.services->clock.mono();
    context.upstream_time += now - started;
    context.services->metrics
        .attempts(context.alias->of(context.plan.candidates[candidate]).series, result)
        .inc();
    if (!context.record) return;
    auto& attempt = context.record->attempts[index];
    attempt.outcome = outcome;
    attempt.http_status = status;
    attempt.duration_us =
        std::chrono::duration_cast<std::chrono::microseconds>(now - started).count();
  }

  /// A failure below HTTP: tells the loop and settles what the provider may have begun to bill.
  static AttemptEnd fail(RequestContext& context, AttemptLoop& loop, std::size_t candidate,
                         std::size_t index, base::MonoTime started, TransportFailure failure) {
    end_attempt(context, candidate, index, started, to_string(failure), 0,
                telemetry::attempt_failure(to_domain(failure)));
    if (context.record) context.record->attempts[index].error_code = to_string(failure);
    if (failure == TransportFailure::cancelled || context.cancel.cancelled()) {
      context.request_sent = true;  // perhaps: settled as an estimate, never free
      return AttemptEnd::client_gone;
    }
    if (pipeline::may_have_been_sent(failure) && failure != TransportFailure::stale_connection &&
        context.hold) {
      const base::NanoUsd charged = charge_abandoned(context);
      if (context.record) context.record->attempts[index].billed = charged;
    }
    const auto verdict = loop.on_outcome(AttemptOutcome::failure(to_domain(failure)), false,
                                         context.services->clock.mono());
    return verdict == domain::routing::Verdict::final ? AttemptEnd::over : AttemptEnd::next;
  }

  base::Task<AttemptEnd> attempt(RequestContext& context, AttemptLoop& loop,
                                 std::size_t candidate) {
    const auto& target = *context.plan.candidates[candidate].target;
    const config::Provider& provider = *target.provider;
    pipeline::Services& services = *context.services;
    const BorrowedRequest request(spare_requests_);
    request->build(context, candidate);
    const bool usage_injected = request->usage_injected;
    const base::MonoTime started = services.clock.mono();
    if (loop.attempts() == 0) context.gateway_time = started - context.body_read_at;
    const std::size_t index = context.record ? context.record->attempts.size() : 0;
    begin_attempt(context, target.deployment->id, started);
    std::unique_ptr<UpstreamExchange> exchange =
        provider.kind == config::ProviderKind::demo
            ? services.upstream.open_demo(context.cancel)
            : services.upstream.open(provider.origin, context.cancel);
    const TransportFailure failure = co_await exchange->start(request->wire);
    if (failure != TransportFailure::none)
      co_return fail(context, loop, candidate, index, started, failure);

    const auto& head = exchange->head();
    const std::string_view encoding = head.value(HeaderId::content_encoding);
    if (!encoding.empty() && !base::iequals(encoding, "identity"))
      co_return fail(context, loop, candidate, index, started, TransportFailure::invalid);
    if (head.status < 200 || head.status >= 300) {
      const AttemptEnd end =
          co_await take_error(context, loop, candidate, index, started, *exchange);
      co_return end;
    }
    context.served_by = &target;
    context.served_candidate = candidate;
    const AttemptEnd end =
        co_await take_answer(context, loop, candidate, index, started, *exchange, usage_injected);
    if (end == AttemptEnd::next || end == AttemptEnd::over) context.served_by = nullptr;
    co_return end;
  }

  /// An answer that is not a success: another attempt, or the agent gets to read it.
  base::Task<AttemptEnd> take_error(RequestContext& context, AttemptLoop& loop,
                                    std::size_t candidate, std::size_t index,
                                    base::MonoTime started, UpstreamExchange& exchange) {
    const auto& head = exchange.head();
    const int status = head.status;
    RetryHints hints;
    hints.retry_after = protocol::http::retry_after(head.headers, context.services->clock.wall());
    hints.should_retry = protocol::http::should_retry(head.headers);
    end_attempt(context, candidate, index, started, "status", status,
                telemetry::attempt_status(status));
    const auto verdict = loop.on_outcome(AttemptOutcome::status(status, hints), false,
                                         context.services->clock.mono());
    if (verdict != domain::routing::Verdict::final) co_return AttemptEnd::next;
    const config::Provider& provider = *context.plan.candidates[candidate].target->provider;
    if (status == 401 && context.peer == nullptr) {
      // The gateway's credential was refused. The agent's own key is fine: telling it 401 would
      // send it looking in the wrong place.
      context.refuse(Error(ErrorCode::upstream_failed,
                           "the provider refused the gateway's credential for this model")
                         .with_side(base::Side::upstream));
      co_return co_await answer_refusal(context);
    }
    std::string body;
    const TransportFailure failure =
        co_await exchange.read_all(body, context.config().limits.response_body_bytes);
    if (failure == TransportFailure::cancelled) co_return AttemptEnd::client_gone;
    redact_credentials(provider, body);
    co_return co_await send_answer(context, exchange, std::move(body), loop.attempts());
  }

  base::Task<AttemptEnd> answer_refusal(RequestContext& context) {
    std::string header_lines, body;
    int status = 0;
    pipeline::render_error(context, *context.refusal, status, header_lines, body);
    const std::string_view piece = body;
    const bool sent =
        co_await context.downstream->respond(status, header_lines, std::span(&piece, 1));
    co_return sent ? AttemptEnd::answered : AttemptEnd::client_gone;
  }

  base::Task<AttemptEnd> take_answer(RequestContext& context, AttemptLoop& loop,
                                     std::size_t candidate, std::size_t index,
                                     base::MonoTime started, UpstreamExchange& exchange,
                                     bool usage_injected) {
    const auto& head = exchange.head();
    if (content_type_is(head.value(HeaderId::content_type), "text/event-stream")) {
      context.is_stream = true;
      std::string header_lines;
      build_answer_headers(context, head, loop.attempts() + 1, header_lines);
      Relay relay(context, exchange, usage_injected, std::move(header_lines));
      const RelayEnd end = co_await relay.run();
      if (end == RelayEnd::not_started) {
        context.is_stream = false;
        const TransportFailure failure =
            relay.error_first() ? TransportFailure::invalid : relay.failure();
        co_return fail(context, loop, candidate, index, started, failure);
      }
      finish_stream(context, loop, candidate, index, started, relay, end);
      co_return end == RelayEnd::client_gone ? AttemptEnd::client_gone : AttemptEnd::answered;
    }
    const bool passes_as_it_comes = head.body_kind != protocol::http::BodyKind::none &&
                                    context.payload.kind != Payload::Kind::model &&
                                    context.payload.kind != Payload::Kind::rpc &&
                                    !is_json_type(head.value(HeaderId::content_type)) &&
                                    !head.value(HeaderId::content_type).starts_with("text/");
    if (passes_as_it_comes) {
      const AttemptEnd end =
          co_await pass_binary(context, loop, candidate, index, started, exchange);
      co_return end;
    }
    std::string body;
    const TransportFailure failure =
        co_await exchange.read_all(body, context.config().limits.response_body_bytes);
    if (failure != TransportFailure::none) {
      if (failure == TransportFailure::too_large)
        context.services->metrics.limit_hits(telemetry::LimitHit::response_body_bytes).inc();
      co_return fail(context, loop, candidate, index, started, failure);
    }
    end_attempt(context, candidate, index, started, "ok", head.status,
                telemetry::attempt_status(head.status));
    const auto verdict =
        loop.on_outcome(AttemptOutcome::status(head.status), true, context.services->clock.mono());
    static_cast<void>(verdict);  // a success is final
    const AttemptEnd end =
        co_await send_answer(context, exchange, std::move(body), loop.attempts());
    co_return end;
  }

  static void finish_stream(RequestContext& context, AttemptLoop& loop, std::size_t candidate,
                            std::size_t index, base::MonoTime started, const Relay& relay,
                            RelayEnd end) {
    const auto now = context.services->clock.mono();
    if (end == RelayEnd::cut) {
      end_attempt(context, candidate, index, started, to_string(relay.failure()), 200,
                  telemetry::attempt_failure(to_domain(relay.failure())));
      if (context.record) context.record->attempts[index].error_code = "upstream_cut";
      const auto ignored =
          loop.on_outcome(AttemptOutcome::failure(to_domain(relay.failure())), true, now);
      static_cast<void>(ignored);
      return;
    }
    end_attempt(context, candidate, index, started, "ok", 200, telemetry::AttemptResult::ok);
    const auto ignored = loop.on_outcome(AttemptOutcome::status(200), true, now);
    static_cast<void>(ignored);
  }

  /// Sends a whole answer, success or error, through the response hooks.
  base::Task<AttemptEnd> send_answer(RequestContext& context, UpstreamExchange& exchange,
                                     std::string body, unsigned attempts) {
    const base::MonoTime read_at = context.services->clock.mono();
    const auto& head = exchange.head();
    Answer answer;
    answer.status = head.status;
    answer.body = &body;
    answer.from_upstream = true;
    answer.is_json =
        is_json_type(head.value(HeaderId::content_type)) ||
        (context.payload.kind == Payload::Kind::model && !body.empty() && body.front() == '{');
    if (answer.is_json && !body.empty()) {
      json::ParseLimits limits;
      limits.allow_lone_surrogates = true;
      limits.max_depth = 512;
      limits.max_nodes = 4'000'000;
      if (!answer_document_.parse(body, limits).has_error()) answer.document = &answer_document_;
    }
    if (head.status < 300 && context.payload.kind == Payload::Kind::model) observe(context, answer);
    std::string header_lines;
    build_answer_headers(context, head, attempts, header_lines);
    answer.header_lines = header_lines;
    Verdict verdict = context.chain->on_answer(context, answer);
    answer_document_.trim();
    if (verdict.refused()) {
      context.refuse(std::move(verdict.error()));
      const AttemptEnd end = co_await answer_refusal(context);
      co_return end;
    }
    context.status = answer.status;
    context.response_bytes = body.size();
    context.capture_response(body);
    context.gateway_time += context.services->clock.mono() - read_at;
    const std::string_view piece = body;
    const bool sent =
        co_await context.downstream->respond(answer.status, header_lines, std::span(&piece, 1));
    co_return sent ? AttemptEnd::answered : AttemptEnd::client_gone;
  }

  /// Usage, model and text size of a JSON answer.
  static void observe(RequestContext& context, const Answer& answer) {
    if (answer.document == nullptr) {
      context.payload.output_text_bytes = answer.body->size();
      return;
    }
    auto facts = context.payload.dialect->read_response(*answer.document);
    context.usage = std::move(facts.usage);
    context.usage_complete = context.usage.reported;
    context.served_model = std::move(facts.model);
    if (!context.usage.reported) context.payload.output_text_bytes = answer.body->size();
  }

  /// Audio, images, files: bytes nobody reads, passed on as they come.
  base::Task<AttemptEnd> pass_binary(RequestContext& context, AttemptLoop& loop,
                                     std::size_t candidate, std::size_t index,
                                     base::MonoTime started, UpstreamExchange& exchange) {
    std::string header_lines;
    build_answer_headers(context, exchange.head(), loop.attempts() + 1, header_lines);
    bool begun = false;
    for (;;) {
      const pipeline::BodyChunk chunk = co_await exchange.read();
      if (chunk.failure != TransportFailure::none) {
        if (!begun) co_return fail(context, loop, candidate, index, started, chunk.failure);
        end_attempt(context, candidate, index, started, to_string(chunk.failure),
                    exchange.head().status, telemetry::attempt_failure(to_domain(chunk.failure)));
        if (context.cancel.cancelled()) co_return AttemptEnd::client_gone;
        context.upstream_cut = true;
        context.downstream->abort();
        co_return AttemptEnd::answered;
      }
      if (!begun) {
        begun = true;
        context.status = exchange.head().status;
        const bool ok =
            co_await context.downstream->start_stream(exchange.head().status, header_lines);
        if (!ok) co_return AttemptEnd::client_gone;
      }
      for (const std::string_view piece : chunk.pieces) {
        context.response_bytes += piece.size();
        context.capture_response(piece);
      }
      if (!chunk.pieces.empty()) {
        const bool sent = co_await context.downstream->write(chunk.pieces);
        if (!sent) co_return AttemptEnd::client_gone;
      }
      if (chunk.end) break;
    }
    end_attempt(context, candidate, index, started, "ok", exchange.head().status,
                telemetry::attempt_status(exchange.head().status));
    const auto verdict = loop.on_outcome(AttemptOutcome::status(exchange.head().status), true,
                                         context.services->clock.mono());
    static_cast<void>(verdict);
    const bool finished = co_await context.downstream->finish();
    co_return finished ? AttemptEnd::answered : AttemptEnd::client_gone;
  }

  // Used between two waits only, so one for all calls of the worker will do.
  json::Document answer_document_;
  std::vector<std::unique_ptr<AttemptRequest>> spare_requests_;
};

}  // namespace

std::unique_ptr<pipeline::Stage> make_router_stage() {
  return std::make_unique<RouterStage>();
}

}  // namespace tollgate::stages
