#include "stages/relayed_answers.hpp"

#include <fmt/format.h>

#include "stages/guard_verdicts.hpp"
#include "stages/peer_answers.hpp"
#include "stages/relay.hpp"
#include "tollgate/domain/policy/secrets.hpp"
#include "tollgate/pipeline/error_body.hpp"

namespace tollgate::stages {

using pipeline::RequestContext;
using pipeline::TransportFailure;
using pipeline::UpstreamExchange;

namespace {
/// An MCP client that waits for what its server says unasked: the first event may be hours away,
/// and once the head is there nobody else would be asked.
bool is_listening(const RequestContext& context) {
  return context.route.surface == pipeline::Surface::mcp &&
         context.head->method == protocol::http::Method::get;
}
}  // namespace

base::Task<AttemptEnd> relay_stream(Attempt& attempt, UpstreamExchange& exchange,
                                    const AttemptRequest& request, FirstError& first) {
  RequestContext& context = attempt.context();
  const auto& head = exchange.head();
  context.is_stream = true;
  std::string header_lines;
  // The head is written before anyone knows what will be masked in the events.
  build_answer_headers(context, head, attempt.number(), true, header_lines);
  const auto first_event_by =
      base::Deadline::after(exchange.sent_at(), request.wire.first_byte_timeout);
  Relay relay(context, exchange, request.usage_injected, std::move(header_lines), first_event_by);
  RelayEnd end = RelayEnd::cancelled;
  bool begun = true;
  if (is_listening(context)) begun = co_await relay.flush();
  if (begun) end = co_await relay.run();
  if (end == RelayEnd::not_started) {
    context.is_stream = false;
    first.status = relay.error_status();
    if (first.status != 0) {
      first.body = relay.error_body();
      co_return AttemptEnd::next;
    }
    const TransportFailure failure =
        relay.error_first() ? TransportFailure::invalid : relay.failure();
    co_return attempt.failed(exchange, head.status, failure);
  }
  if (end == RelayEnd::cancelled) {
    attempt.cancelled(exchange, head.status);
    co_return AttemptEnd::client_gone;
  }
  if (end == RelayEnd::cut) {
    attempt.broke_off(head.status, relay.failure());
  } else {
    attempt.succeeded(head.status, exchange.read_at());
  }
  co_return AttemptEnd::answered;
}

namespace {
/// Bytes on their way to the agent, without the provider's credentials: what calls itself binary is
/// read by nobody, and what an upstream echoes it may call so.
class CleanBytes {
 public:
  explicit CleanBytes(RequestContext& context) : context_(context) {}

  /// What to send for the pieces just read; valid until the next call.
  std::span<const std::string_view> of(std::span<const std::string_view> pieces, bool is_end) {
    if (context_.secrets == nullptr || context_.secrets->empty()) return pieces;
    clean_.clear();
    for (const std::string_view piece : pieces) add(tail_.feed(*context_.secrets, piece, scratch_));
    if (is_end) add(tail_.spill(*context_.secrets, scratch_));
    piece_ = clean_;
    return {&piece_, clean_.empty() ? std::size_t{0} : std::size_t{1}};
  }

 private:
  void add(const domain::policy::SecretTail::Piece& piece) {
    clean_ += piece.text;
    note_credentials(context_, piece.found);
  }

  RequestContext& context_;
  domain::policy::SecretTail tail_;
  domain::policy::SecretTail::Scratch scratch_;
  std::string clean_;
  std::string_view piece_;
};
}  // namespace

base::Task<AttemptEnd> pass_binary(Attempt& attempt, UpstreamExchange& exchange) {
  RequestContext& context = attempt.context();
  const int status = exchange.head().status;
  std::string header_lines;
  build_answer_headers(context, exchange.head(), attempt.number(), false, header_lines);
  bool begun = false;
  CleanBytes clean(context);
  for (;;) {
    const pipeline::BodyChunk chunk = co_await exchange.read();
    if (chunk.failure != TransportFailure::none) {
      if (!begun) co_return attempt.failed(exchange, status, chunk.failure);
      if (context.cancel.cancelled()) break;
      attempt.broke_off(status, chunk.failure);
      if (chunk.failure == TransportFailure::total_timeout) {
        context.refuse(domain::routing::out_of_time());
        context.services->metrics.limit_hits(telemetry::LimitHit::total_time).inc();
      } else {
        context.upstream_cut = true;
        context.refuse(base::Error(code_of_break(chunk.failure), "the answer broke off"));
      }
      context.downstream->abort();
      co_return AttemptEnd::answered;
    }
    if (!begun) {
      begun = true;
      context.status = status;
      const bool ok = context.downstream->start_stream(status, header_lines);
      if (!ok) break;
    }
    const std::span<const std::string_view> pieces = clean.of(chunk.pieces, chunk.end);
    for (const std::string_view piece : pieces) {
      context.response_bytes += piece.size();
      context.capture_unread_response(piece);
    }
    if (!pieces.empty()) {
      const bool sent = co_await context.downstream->write(pieces);
      if (!sent) break;
    }
    if (!chunk.end) continue;
    attempt.succeeded(status, exchange.read_at());
    const bool finished = co_await context.downstream->finish();
    co_return finished ? AttemptEnd::answered : AttemptEnd::client_gone;
  }
  attempt.cancelled(exchange, status);
  co_return AttemptEnd::client_gone;
}

base::Error credential_error(const RequestContext& context, int status) {
  if (context.peer != nullptr) return peer_error(context, status);
  return base::Error(base::ErrorCode::upstream_failed,
                     status == 401
                         ? "the provider refused the gateway's credential for this model"
                         : "the provider answered with HTTP status 407, as a proxy does that "
                           "wants credentials")
      .with_side(base::Side::upstream);
}

base::Task<AttemptEnd> answer_for_unread_error(RequestContext& context, int status,
                                               TransportFailure failure) {
  base::ErrorCode code = base::ErrorCode::upstream_cut;
  std::string_view why = "broke off";
  if (failure == TransportFailure::too_large) {
    code = base::ErrorCode::stream_limit;
    why = "was over limits.response_body_bytes";
  } else if (failure == TransportFailure::idle_timeout) {
    code = base::ErrorCode::upstream_timeout;
  }
  if (context.peer == nullptr && status < 500) code = base::ErrorCode::invalid_request;
  std::string text =
      fmt::format("the upstream refused the call ({}) with a text that {}", status, why);
  context.upstream_cut = true;
  context.refuse(base::Error(code, std::move(text)).with_side(base::Side::upstream));
  co_return co_await answer_refusal(context);
}

base::Task<AttemptEnd> answer_refusal(RequestContext& context) {
  std::string header_lines, body;
  int status = 0;
  if (const auto limit = context.refusal->limit())
    context.services->metrics.limit_hits(*limit).inc();
  pipeline::render_error(context, *context.refusal, status, header_lines, body);
  const std::string_view piece = body;
  const bool sent =
      co_await context.downstream->respond(status, header_lines, std::span(&piece, 1));
  co_return sent ? AttemptEnd::answered : AttemptEnd::client_gone;
}

}  // namespace tollgate::stages
