#include "stages/loops.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "tollgate/config/names.hpp"
#include "tollgate/domain/keys/key_format.hpp"
#include "tollgate/domain/routing/attempt_loop.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/stages/stages.hpp"

namespace tollgate::stages {

using base::Error;
using base::ErrorCode;
using domain::loops::Call;
using domain::loops::Decision;
using domain::loops::Fingerprint;
using domain::loops::StopTarget;
using pipeline::Payload;
using pipeline::RequestContext;
using pipeline::Surface;
using pipeline::Verdict;

namespace {

std::string_view trace_of(const RequestContext& context) noexcept {
  const Payload& payload = context.payload;
  return payload.session_id.empty() ? payload.trace_id : payload.session_id;
}

/// From what interpretation has parsed; nothing is parsed here.
Fingerprint fingerprint_of(const RequestContext& context) {
  const std::size_t read_bytes = context.config().loop_memory.read_bytes;
  const Payload& payload = context.payload;
  if (context.has_document) {
    switch (payload.kind) {
      case Payload::Kind::model:
      case Payload::Kind::json:
        return domain::loops::fingerprint_of(payload.fields, context.document, read_bytes);
      case Payload::Kind::rpc:
        return context.route.surface == Surface::mcp
                   ? domain::loops::fingerprint_of_mcp(payload.rpc, context.route.name,
                                                       context.document, read_bytes)
                   : domain::loops::fingerprint_of_a2a(payload.rpc, context.route.name,
                                                       context.document, read_bytes);
      case Payload::Kind::none:
      case Payload::Kind::opaque:
        break;
    }
  }
  return domain::loops::fingerprint_of_bytes(context.head->method_text, context.target.raw_path(),
                                             context.body);
}

/// What is in force for a while, for the agent.
std::string_view words(StopTarget target) noexcept {
  switch (target) {
    case StopTarget::call:
      return "calls like this one are";
    case StopTarget::conversation:
      return "this conversation is";
    case StopTarget::trace:
      return "this trace is";
    case StopTarget::key:
      return "this key is";
  }
  return {};
}

/// The verdict on the call's own record, beside those of guardrails.
void note(RequestContext& context, const domain::loops::Verdict& found) {
  if (!context.record) return;
  store::AuditVerdict verdict;
  verdict.guardrail = "loop_breaker";
  verdict.rule = fmt::format("{}: {}", to_string(found.detector), found.evidence);
  verdict.action = found.mode == config::LoopMode::observe
                       ? config::name_of(config::LoopMode::observe)
                       : config::name_of(found.action);
  verdict.direction = "request";
  verdict.count = 1;
  context.record->verdicts.push_back(std::move(verdict));
}

/// Tells operators, once for each finding.
void tell(const RequestContext& context, const domain::loops::Verdict& found) {
  std::string trace(trace_of(context));
  domain::keys::redact_keys(trace);  // agents choose it
  context.services->alerts.on_loop(
      {found, context.services->clock.wall(), context.key->id, trace, context.request_id});
}

class LoopStage final : public pipeline::Stage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "loops"; }
  [[nodiscard]] bool sees_events() const noexcept override { return false; }

  pipeline::Decision on_request(RequestContext& context) override {
    // How a caller learns what has stopped it stays open, as with budgets.
    if (!pipeline::is_limited(context.route.surface)) return Verdict::proceed();
    const auto& own = context.key->loop_breaker;
    const config::LoopBreaker& rules = own ? *own : context.config().loop_breaker;
    if (rules.is_off()) return Verdict::proceed();
    Call call;
    call.key_id = context.key->id;
    call.owner = context.key->trace_owner;
    call.trace = trace_of(context);
    call.depth = context.payload.depth;
    call.fingerprint = fingerprint_of(context);
    const auto found = context.services->loops.on_call(call, rules, context.body_read_at);
    if (!found.evidence.empty()) [[unlikely]] {
      note(context, found);
      if (found.is_news) tell(context, found);
    }
    if (found.decision == Decision::stop) [[unlikely]]
      return Verdict::refuse(loop_error(found));
    context.loop_ticket = found.ticket;
    if (found.decision == Decision::slow_down) [[unlikely]]
      return slow_down(context, found.wait);
    return Verdict::proceed();
  }

  void on_complete(RequestContext& context) noexcept override {
    if (!context.loop_ticket) return;
    context.services->loops.on_outcome(*context.loop_ticket, is_failed(context),
                                       context.finished_at);
    context.loop_ticket.reset();
  }

 private:
  static base::Task<Verdict> slow_down(RequestContext& context, std::chrono::milliseconds wait) {
    const base::Deadline until =
        base::Deadline::after(context.services->clock.mono(), wait).earlier(context.deadline);
    {
      const Delayed counted(context.services->metrics.loop_delayed());
      context.hold_awaited = true;
      co_await context.services->upstream.sleep_until(until, context.cancel);
    }
    if (!context.cancel.cancelled() && context.deadline.passed(context.services->clock.mono()))
      co_return Verdict::refuse(domain::routing::out_of_time());
    co_return Verdict::proceed();
  }

  /// Counts a call that waits, for as long as it does, however it ends.
  class Delayed {
   public:
    explicit Delayed(telemetry::BoundGauge gauge) : gauge_(gauge) { gauge_.inc(); }
    ~Delayed() { gauge_.dec(); }
    Delayed(const Delayed&) = delete;
    Delayed& operator=(const Delayed&) = delete;

   private:
    telemetry::BoundGauge gauge_;
  };

  /// No answer that got the agent further. An error inside a whole answer (of a tool, say) is one.
  static bool is_failed(const RequestContext& context) noexcept {
    return context.refusal || context.status >= 400 || context.payload.peer_error_status >= 400 ||
           context.upstream_cut || context.client_gone() || context.stopped_by_gateway();
  }
};

}  // namespace

Error loop_error(const domain::loops::Verdict& found) {
  std::string message = "loop detected: " + found.evidence;
  // Too deep a call is refused for itself: nothing is stopped, and no waiting helps it.
  if (found.stop_id == 0) return Error(ErrorCode::loop_detected, std::move(message));
  const std::int64_t seconds =
      std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(found.wait).count());
  message += fmt::format("; {} stopped for {} s", words(found.target), seconds);
  return Error(ErrorCode::loop_detected, std::move(message)).with_retry_after(seconds);
}

std::unique_ptr<pipeline::Stage> make_loop_stage() {
  return std::make_unique<LoopStage>();
}

}  // namespace tollgate::stages
