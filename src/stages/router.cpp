#include <memory>
#include <vector>

#include "stages/attempt.hpp"
#include "stages/attempt_memory.hpp"
#include "stages/credentials.hpp"
#include "stages/holds.hpp"
#include "stages/local_answers.hpp"
#include "stages/peer_answers.hpp"
#include "stages/relayed_answers.hpp"
#include "tollgate/domain/routing/attempt_loop.hpp"
#include "tollgate/pipeline/chain.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/protocol/http/media_type.hpp"
#include "tollgate/stages/stages.hpp"

namespace tollgate::stages {
namespace {

using base::Error;
using base::ErrorCode;
using domain::routing::AttemptLoop;
using domain::routing::HealthCheck;
using domain::routing::Repeat;
using domain::routing::SkipReason;
using pipeline::Answer;
using pipeline::Payload;
using pipeline::RequestContext;
using pipeline::TransportFailure;
using pipeline::UpstreamExchange;
using pipeline::Verdict;
using protocol::http::HeaderId;

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

  pipeline::Decision on_request(RequestContext& context) override {
    return context.alias == nullptr ? answer_locally(context) : route(context);
  }

 private:
  base::Task<Verdict> route(RequestContext& context) {
    // Nothing has been awaited since, unless the call stood in line for its money.
    base::MonoTime now = context.body_read_at;
    if (context.hold_awaited) {
      now = context.services->clock.mono();
      domain::routing::readmit(context.plan, now);
    }
    context.services->retry_budget.on_call(now);
    const Repeat repeat = context.payload.safe_to_repeat ? Repeat::safe : Repeat::only_unsent;
    // A server whose event streams or an agent whose card is broken may answer every call.
    const bool is_get_or_delete =
        context.peer != nullptr && context.head->method != protocol::http::Method::post;
    AttemptLoop loop(context.plan, context.config().routing, context.services->retry_budget,
                     context.services->rng, context.deadline, repeat,
                     is_get_or_delete ? HealthCheck::ignored : HealthCheck::counted);
    std::optional<Error> unaffordable;
    bool is_outgrown = outgrew_bound(context);
    for (;;) {
      if (loop.attempts() > 0) now = context.services->clock.mono();
      const AttemptLoop::Step step = loop.next(now);
      if (step == AttemptLoop::Step::give_up) {
        if (loop.retry_refused()) context.services->metrics.retries_refused().inc();
        if (unaffordable && loop.attempts() == 0)
          co_return Verdict::refuse(std::move(*unaffordable));
        co_return Verdict::refuse(loop.error());
      }
      if (step == AttemptLoop::Step::wait) {
        const base::Deadline until(loop.wait_until());
        const bool waited = co_await context.services->upstream.sleep_until(until, context.cancel);
        if (!waited) co_return Verdict::proceed();
        now = context.services->clock.mono();
        continue;
      }
      const std::size_t candidate = loop.candidate();
      const bool is_covered = context.hold && context.held_candidate == candidate && !is_outgrown;
      if (!is_covered) {
        auto held = hold_for(context, candidate);
        if (held.has_error()) {
          const bool unpriced = held.error().code() == ErrorCode::unpriced_model;
          unaffordable = held.error();
          loop.skip(unpriced ? SkipReason::unpriced : SkipReason::unaffordable);
          continue;
        }
        is_outgrown = false;
      }
      const AttemptEnd end = co_await attempt(context, loop, candidate);
      // Also when its socket broke in a write of ours.
      if (end == AttemptEnd::client_gone) context.end_early(RequestContext::EarlyEnd::client_gone);
      if (end == AttemptEnd::answered || end == AttemptEnd::client_gone)
        co_return Verdict::proceed();
      if (end == AttemptEnd::over) {
        Error error = loop.error();
        co_return Verdict::refuse(std::move(error));
      }
    }
  }

  /// Masks may have made the body longer than the one the money was held for: then the bound is
  /// that of the bytes that will be sent, and the hold must be made to cover it.
  static bool outgrew_bound(RequestContext& context) {
    if (context.free_of_charge || context.edits.empty()) return false;
    // What a mask put there may have more tokens than what was estimated, and no more bytes.
    if (context.edits.size() <= context.body.size()) return context.bound_is_estimate;
    context.bound = context.payload.bound(context.edits.size());
    context.bound_is_estimate = false;
    return true;
  }

  /// One attempt from its request to the last byte sent. The way of a JSON answer is all in this
  /// coroutine: each further one costs a frame and two switches; what is rarer has its own.
  base::Task<AttemptEnd> attempt(RequestContext& context, AttemptLoop& loop,
                                 std::size_t candidate) {
    const auto& target = *context.plan.candidates[candidate].target;
    const config::Provider& provider = *target.provider;
    pipeline::Services& services = *context.services;
    const BorrowedMemory memory(spare_memory_);
    memory->request.build(context, candidate);
    Attempt books(context, loop, candidate);
    if (books.number() == 1) context.gateway_time = books.started() - context.body_read_at;
    context.secrets = context.alias->of(context.plan.candidates[candidate]).secrets.get();
    context.policy_state.reset();  // of an attempt that broke before anything was sent
    context.payload.peer_error_status = 0;
    std::unique_ptr<UpstreamExchange> exchange =
        provider.kind == config::ProviderKind::demo
            ? services.upstream.open_demo(context.cancel)
            : services.upstream.open(provider.origin, context.cancel);
    TransportFailure failure = co_await exchange->start(memory->request.wire);
    if (failure != TransportFailure::none) co_return books.failed(*exchange, 0, failure);

    const auto& head = exchange->head();
    const std::string_view encoding = head.value(HeaderId::content_encoding);
    if (!encoding.empty() && !base::iequals(encoding, "identity")) {
      context.broken_by = &target;
      co_return books.failed(*exchange, head.status, TransportFailure::invalid);
    }
    // The word of an egress proxy, not of the provider: nothing reached that. Behind a tunnel, and
    // without a proxy, it is the provider's own.
    if (head.status == 407 && !provider.origin.proxy.empty() && provider.origin.scheme == "http")
      co_return books.failed(*exchange, 407, TransportFailure::connect);
    if (head.status < 200 || head.status >= 300) {
      const AttemptEnd end =
          co_await take_error(books, *exchange, head.status, memory->answer_body);
      co_return end;
    }
    context.served_by = &target;
    context.served_candidate = candidate;
    if (protocol::http::is_media_type(head.value(HeaderId::content_type), "text/event-stream")) {
      FirstError first;
      AttemptEnd end = co_await relay_stream(books, *exchange, memory->request, first);
      if (first.status == 0) co_return served(context, end);
      end = co_await take_error(books, *exchange, first.status, first.body, ErrorFrom::event);
      co_return end;
    }
    if (passes_as_it_comes(context, head)) {
      const AttemptEnd end = co_await pass_binary(books, *exchange);
      co_return served(context, end);
    }
    std::string& body = memory->answer_body;
    failure = co_await exchange->read_all(body, context.config().limits.response_body_bytes);
    if (failure != TransportFailure::none) {
      if (failure == TransportFailure::too_large)
        services.metrics.limit_hits(telemetry::LimitHit::response_body_bytes).inc();
      co_return served(context, books.failed(*exchange, head.status, failure, body.size()));
    }
    if (context.payload.kind == Payload::Kind::model && !may_be_json(body)) {
      // A login page, or nothing at all: no answer of a model.
      const TransportFailure why = body.empty() ? TransportFailure::cut : TransportFailure::invalid;
      co_return served(context, books.failed(*exchange, head.status, why, body.size()));
    }
    const base::MonoTime read_at = exchange->read_at();
    if (context.payload.is_rpc_request() && body.empty()) {
      books.gave_nothing(head.status, read_at);
      context.broken_by = std::exchange(context.served_by, nullptr);
      context.refuse(no_response(context));
      const AttemptEnd end = co_await answer_refusal(context);
      co_return end;
    }
    Answer answer;
    answer.body = &body;
    answer.status = head.status;
    read(context, head, answer);
    if (context.payload.kind == Payload::Kind::model) {
      // By another name it may be lines of JSON, which pass as they are.
      const std::string_view type = head.value(HeaderId::content_type);
      if (answer.document == nullptr && (type.empty() || protocol::http::is_json(type)))
        co_return served(context, books.discarded(head.status, read_at, body.size()));
      if (const auto told = observe(context, answer)) {
        if (*told == 0)
          co_return served(context,
                           books.failed(*exchange, head.status, TransportFailure::invalid));
        const AttemptEnd end = co_await take_error(books, *exchange, *told, body);
        co_return end;
      }
    }
    const bool usable = prepare(context, head, books.number(), answer, memory->answer_lines);
    if (usable || context.refusal->code() != ErrorCode::upstream_invalid) {
      books.succeeded(head.status, read_at);
    } else {
      books.unreadable(head.status, read_at);
    }
    if (!usable) {
      const AttemptEnd end = co_await answer_refusal(context);
      co_return end;
    }
    const std::string_view piece = body;
    const bool sent = co_await context.downstream->respond(answer.status, memory->answer_lines,
                                                           std::span(&piece, 1));
    // Up to the write, whose time the session has noted: one look at the clock less.
    if (context.first_byte_at > read_at) context.gateway_time += context.first_byte_at - read_at;
    co_return sent ? AttemptEnd::answered : AttemptEnd::client_gone;
  }

  /// An attempt that gave nothing of its answer has not served the call.
  static AttemptEnd served(RequestContext& context, AttemptEnd end) {
    if (end == AttemptEnd::next || end == AttemptEnd::over)
      context.broken_by = std::exchange(context.served_by, nullptr);
    return end;
  }

  /// By its first byte. A byte order mark counts: what is behind it is for the reader to refuse.
  static bool may_be_json(std::string_view body) {
    const std::size_t first = body.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos &&
           (body[first] == '{' || body[first] == '[' || body[first] == '\xEF');
  }

  /// Not of an MCP server or agent: whatever it calls its answer, clients may read it as JSON.
  static bool passes_as_it_comes(const RequestContext& context,
                                 const protocol::http::ResponseHead& head) {
    return context.payload.kind != Payload::Kind::model && context.peer == nullptr &&
           head.body_kind != protocol::http::BodyKind::none &&
           protocol::http::is_binary(head.value(HeaderId::content_type));
  }

  /// Where the words of an error stand.
  enum class ErrorFrom : std::uint8_t {
    body,
    event,  ///< the first of a stream, which is not read on
  };

  /// An answer that is not a success: another attempt, or the agent gets to read it.
  /// `status` is its head's, or that of an error object in a 200, already read into `body`.
  base::Task<AttemptEnd> take_error(Attempt& attempt, UpstreamExchange& exchange, int status,
                                    std::string& body, ErrorFrom from = ErrorFrom::body) {
    RequestContext& context = attempt.context();
    const auto& head = exchange.head();
    context.served_by = nullptr;
    const auto hints = domain::routing::read_hints(head.headers, context.services->clock.wall());
    if (context.peer != nullptr && status >= 400) context.payload.peer_error_status = status;
    if (attempt.answered_with_error(status, hints) != domain::routing::Verdict::final)
      co_return AttemptEnd::next;
    // 304 answers a condition that the agent itself has set.
    const auto method = context.head->method;
    const bool is_answer_to_condition = status == 304 && (method == protocol::http::Method::get ||
                                                          method == protocol::http::Method::head);
    if (status >= 300 && status < 400 && !is_answer_to_condition) {
      // An SDK that followed it would send its key, and the prompt, past the gateway.
      context.refuse(Error(ErrorCode::upstream_invalid, "the upstream answered with a redirection")
                         .with_side(base::Side::upstream));
      co_return co_await answer_refusal(context);
    }
    if (status == 401 || status == 407) {
      context.refuse(credential_error(context, status));
      co_return co_await answer_refusal(context);
    }
    std::string header_lines;
    TransportFailure failure = TransportFailure::none;
    if (from == ErrorFrom::body)
      failure = co_await exchange.read_all(body, context.config().limits.response_body_bytes);
    if (failure == TransportFailure::cancelled) co_return AttemptEnd::client_gone;
    if (failure == TransportFailure::total_timeout) {
      context.refuse(domain::routing::out_of_time());
      co_return co_await answer_refusal(context);
    }
    if (failure != TransportFailure::none) {
      attempt.error_unread(failure);
      co_return co_await answer_for_unread_error(context, status, failure);
    }
    const base::MonoTime read_at = context.services->clock.mono();
    Answer answer;
    answer.body = &body;
    answer.status = status;
    read(context, head, answer);
    if (!prepare(context, head, attempt.number(), answer, header_lines)) {
      if (hints.retry_after && context.payload.peer_error_status != 0)
        tell_when(context, *hints.retry_after);
      co_return co_await answer_refusal(context);
    }
    if (from == ErrorFrom::event) set_json_type(header_lines);
    context.gateway_time += context.services->clock.mono() - read_at;
    const std::string_view piece = body;
    const bool sent =
        co_await context.downstream->respond(answer.status, header_lines, std::span(&piece, 1));
    co_return sent ? AttemptEnd::answered : AttemptEnd::client_gone;
  }

  /// An error in our words still says when the upstream wants to be asked again.
  static void tell_when(RequestContext& context, std::chrono::milliseconds wait) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
    context.refusal = Error(*context.refusal).with_retry_after(std::max<std::int64_t>(seconds, 1));
  }

  /// Takes our credentials out of a whole answer, success or error, and parses it if it is JSON.
  void read(RequestContext& context, const protocol::http::ResponseHead& head, Answer& answer) {
    std::string& body = *answer.body;
    answer.is_rewritten = redact_credentials(context, body);
    answer.from_upstream = true;
    answer.is_json =
        (context.payload.kind == Payload::Kind::model && !body.empty() && body.front() == '{') ||
        protocol::http::is_json(head.value(HeaderId::content_type));
    // JSON by another name is read as JSON: that is what its reader may do.
    const std::size_t first = body.find_first_not_of(" \t\r\n");
    const bool looks_json =
        first != std::string::npos && (body[first] == '{' || body[first] == '[');
    if (looks_json || (answer.is_json && !body.empty())) {
      json::ParseLimits limits;
      limits.allow_lone_surrogates = true;
      limits.max_depth = 512;
      limits.max_nodes = 4'000'000;
      // A batch of embeddings may be more numbers than that, which nobody here reads.
      limits.keep_array_numbers =
          context.payload.kind != Payload::Kind::model ||
          context.payload.fields.kind != protocol::llm::RequestKind::embeddings;
      if (!answer_document_.parse(body, limits).has_error()) {
        answer.document = &answer_document_;
        answer.is_json = true;
      }
    }
  }

  /// Leads an answer that was read through the response hooks, ready to be sent. False: one of them
  /// refused it, and context.refusal says why.
  bool prepare(RequestContext& context, const protocol::http::ResponseHead& head, unsigned attempts,
               Answer& answer, std::string& header_lines) {
    Verdict verdict = context.chain->on_answer(context, answer);
    answer_document_.trim();
    build_answer_headers(context, head, attempts, answer.is_rewritten, header_lines);
    if (verdict.refused()) {
      context.refuse(std::move(verdict.error()));
      return false;
    }
    context.status = answer.status;
    context.response_bytes = answer.body->size();
    context.capture_response(*answer.body);
    return true;
  }

  /// Usage, model and, where the provider does not say what it used, text size of a JSON answer. Of
  /// one that is an error and nothing else, its status, 0 when it gives none.
  std::optional<int> observe(RequestContext& context, const Answer& answer) {
    Payload& payload = context.payload;
    if (answer.document == nullptr) {
      payload.output_text_bytes = answer.body->size();
      return std::nullopt;
    }
    const json::Document& document = *answer.document;
    auto facts = payload.dialect->read_response(document);
    // Embeddings are in `data`.
    if (facts.is_error && facts.choices == 0 && !document.root().find("data"))
      return facts.error_status;
    context.usage = std::move(facts.usage);
    context.usage_is_final = true;
    context.served_model = std::move(facts.model);
    if (context.usage.output_told) return std::nullopt;
    // The text alone: an envelope of ids and punctuation is not generated.
    texts_.clear();
    payload.dialect->response_texts(document, texts_);
    for (const auto& text : texts_)
      if (!protocol::llm::is_tag(text)) {
        const std::string_view raw =
            std::string_view(*answer.body)
                .substr(text.ref.begin_offset() + 1,
                        text.ref.end_offset() - text.ref.begin_offset() - 2);
        payload.output_text_bytes += protocol::llm::token_quarters(raw);
      }
    return std::nullopt;
  }

  // Used between two waits only, so one for all calls of the worker will do.
  json::Document answer_document_;
  std::vector<protocol::llm::TextSpan> texts_;
  BorrowedMemory::Spares spare_memory_;
};

}  // namespace

std::unique_ptr<pipeline::Stage> make_router_stage() {
  return std::make_unique<RouterStage>();
}

}  // namespace tollgate::stages
