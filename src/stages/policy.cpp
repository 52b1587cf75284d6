#include <algorithm>
#include <array>
#include <vector>

#include "stages/credentials.hpp"
#include "stages/guard_verdicts.hpp"
#include "stages/rpc_guard.hpp"
#include "stages/stream_policy.hpp"
#include "stages/text_scan.hpp"
#include "tollgate/domain/policy/engine.hpp"
#include "tollgate/json/writer.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/pipeline/stream_event.hpp"
#include "tollgate/stages/stages.hpp"

namespace tollgate::stages {
namespace {

using base::Error;
using base::ErrorCode;
using config::GuardAction;
using domain::policy::Direction;
using domain::policy::Match;
using pipeline::Answer;
using pipeline::Payload;
using pipeline::RequestContext;
using pipeline::StreamEvent;
using pipeline::Verdict;
using protocol::llm::TextSpan;

class PolicyStage final : public pipeline::Stage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "policy"; }

  pipeline::Decision on_request(RequestContext& context) override {
    Verdict verdict = inspect(context);
    // What a guardrail refused holds what it was refused for: the record must not keep its text.
    context.request_inspected = !verdict.refused();
    return verdict;
  }

  Verdict on_answer(RequestContext& context, Answer& answer) override {
    if (!answer.from_upstream || context.rules == nullptr) return Verdict::proceed();
    Verdict clean = take_out_credentials(context, answer);
    if (clean.refused()) return clean;
    if (context.rules->empty(Direction::response)) return Verdict::proceed();
    if (answer.is_json) return inspect_json_answer(context, answer);
    return is_json_source(*answer.body) ? inspect_json_lines(context, answer)
                                        : inspect_text_answer(context, answer);
  }

  void on_event(RequestContext& context, StreamEvent& event) override {
    if (context.rules == nullptr) return;
    const bool has_secrets = context.secrets != nullptr && !context.secrets->empty();
    if (context.rules->empty(Direction::response) && !has_secrets) return;
    if (context.payload.dialect == nullptr) {
      if (has_secrets) take_out_credentials(context, event);
      rpc_.inspect_event(context, event);
      return;
    }
    if (!context.policy_state)
      context.policy_state = std::make_unique<StreamPolicy>(*context.rules, context.secrets,
                                                            context.services->scanner, scan_);
    static_cast<StreamPolicy&>(*context.policy_state).on_event(context, event);
  }

  void on_stream_end(RequestContext& context, StreamEvent& event) override {
    if (!context.policy_state || event.end_with) return;
    if (context.payload.dialect == nullptr) {
      rpc_.end_stream(context, event);
      return;
    }
    static_cast<StreamPolicy&>(*context.policy_state).on_stream_end(context, event);
  }

  /// What the upstream named goes on record: a model, a task, a session may hold what it was sent.
  void on_complete(RequestContext& context) noexcept override {
    if (context.secrets == nullptr || context.secrets->empty()) return;
    for (std::string* const told : {&context.served_model, &context.usage.service_tier,
                                    &context.payload.task_id, &context.payload.session_id}) {
      if (context.secrets->in(*told)) told->clear();
    }
  }

 private:
  // ---- requests ----

  Verdict inspect(RequestContext& context) {
    const std::array<const std::vector<std::string>*, 3> lists = {
        &context.config().default_guardrails, context.key ? &context.key->guardrails : nullptr,
        context.alias ? &context.alias->routable.alias().guardrails : nullptr};
    auto rules = context.runtime->policy->rules_for(lists);
    // The loader has checked every name: this cannot fail, and must not pass when it does.
    if (rules.has_error()) return Verdict::refuse(rules.error());
    context.rules = *rules;
    if (context.rules->empty(Direction::request) || context.body.empty()) return Verdict::proceed();
    if (!context.has_document) return inspect_opaque(context);
    if (context.payload.kind == Payload::Kind::rpc) return rpc_.inspect_request(context);
    context.edits.reset(context.body);
    spans_.clear();
    context.payload.dialect->request_texts(context.payload.fields, spans_);
    return scan_spans(context, Direction::request, context.edits);
  }

  /// A body that is not JSON can be read for guarded text but not changed.
  Verdict inspect_opaque(RequestContext& context) {
    const GuardAction action =
        context.services->scanner.scan(*context.rules, Direction::request, context.body, matches_);
    note_matches(context, Direction::request, matches_);
    if (action == GuardAction::mask || action == GuardAction::block)
      return Verdict::refuse(guardrail_refusal(*context.rules, matches_, Direction::request));
    return Verdict::proceed();
  }

  /// Every string (keys too) of JSON in which nothing is known to be harmless.
  void collect_free_form(json::NodeRef root) {
    refs_.clear();
    json::append_texts(root, true, refs_);
    spans_from_refs();
  }

  void spans_from_refs() {
    for (const auto& ref : refs_) {
      TextSpan span;
      span.ref = ref;
      spans_.push_back(span);
    }
  }

  /// Scans spans_ and writes masks into `edits`.
  Verdict scan_spans(RequestContext& context, Direction direction, json::Splicer& edits) {
    for (const TextSpan& span : spans_) {
      const std::string_view text = span.ref.text(text_);
      const GuardAction action = scan_.scan(context, direction, text);
      if (action == GuardAction::allow) continue;
      if (action == GuardAction::block || (action == GuardAction::mask && span.read_only))
        return Verdict::refuse(guardrail_refusal(*context.rules, scan_.matches(), direction));
      if (action != GuardAction::mask) continue;
      json_.clear();
      json::quote_into(json_, scan_.masked());
      // Spans of one document never overlap; if they did, sending the text unmasked is no option.
      if (!edits.replace(span.ref.begin_offset(), span.ref.end_offset(), json_))
        return Verdict::refuse(guardrail_refusal(*context.rules, scan_.matches(), direction));
    }
    return Verdict::proceed();
  }

  // ---- credentials of the upstream ----

  /// Those spelled with escapes: without them they were taken out of the bytes before.
  Verdict take_out_credentials(RequestContext& context, Answer& answer) {
    if (context.secrets == nullptr || context.secrets->empty() ||
        answer.body->find('\\') == std::string::npos)
      return Verdict::proceed();
    if (answer.document == nullptr) {
      answer.is_rewritten = true;  // or may be
      if (redact_escaped_lines(context, *answer.body)) return Verdict::proceed();
      return Verdict::refuse(Error(ErrorCode::upstream_invalid,
                                   "the upstream's answer cannot be read and may hold a credential")
                                 .with_side(base::Side::upstream));
    }
    json::Splicer edits(*answer.body);
    if (!find_credentials(context, *answer.document, Spelled::with_escapes, &edits).any)
      return Verdict::proceed();
    answer.rewrite(edits.str());
    answer.document =
        rewritten_.parse(*answer.body, answer_limits()).has_error() ? nullptr : &rewritten_;
    return Verdict::proceed();
  }

  void take_out_credentials(RequestContext& context, StreamEvent& event) {
    if (!event.has_document || event.document.text().find('\\') == std::string_view::npos ||
        !find_credentials(context, event.document, Spelled::with_escapes, &event.edits).any)
      return;
    event.rewritten = event.edits.str();
    event.has_document = !event.document.parse(event.rewritten, answer_limits()).has_error();
    event.edits.reset(event.rewritten);
  }

  // ---- whole answers ----

  Verdict inspect_json_answer(RequestContext& context, Answer& answer) {
    if (answer.document == nullptr) {
      if (answer.body->empty()) return Verdict::proceed();
      // Not JSON after all: what cannot be inspected is not passed on.
      return Verdict::refuse(Error(ErrorCode::upstream_invalid,
                                   "the upstream's answer is not the JSON it claims to be")
                                 .with_side(base::Side::upstream));
    }
    if (context.payload.kind == Payload::Kind::rpc) return rpc_.inspect_answer(context, answer);
    spans_.clear();
    if (context.payload.kind == Payload::Kind::model) {
      context.payload.dialect->response_texts(*answer.document, spans_);
    } else {
      collect_free_form(answer.document->root());
    }
    json::Splicer edits(*answer.body);
    Verdict verdict = scan_spans(context, Direction::response, edits);
    if (!verdict.refused() && !edits.empty()) {
      if (context.payload.kind == Payload::Kind::model)
        context.payload.dialect->blank_shadow_text(*answer.document, edits);
      answer.rewrite(edits.str());
    }
    return verdict;
  }

  /// Lines that are JSON each (application/x-ndjson and the like), or text that only looks so.
  Verdict inspect_json_lines(RequestContext& context, Answer& answer) {
    std::string out;
    std::string_view rest = *answer.body;
    bool changed = false;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end);
      if (line.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        out += line;
        continue;
      }
      if (lines_.parse(line, answer_limits()).has_error())
        return inspect_text_answer(context, answer);
      spans_.clear();
      collect_free_form(lines_.root());
      json::Splicer edits(line);
      Verdict verdict = scan_spans(context, Direction::response, edits);
      if (verdict.refused()) return verdict;
      changed = changed || !edits.empty();
      edits.append_to(out);
    }
    lines_.trim();
    if (changed) answer.rewrite(std::move(out));
    return Verdict::proceed();
  }

  Verdict inspect_text_answer(RequestContext& context, Answer& answer) {
    const GuardAction action =
        context.services->scanner.scan(*context.rules, Direction::response, *answer.body, matches_);
    if (action == GuardAction::allow) return Verdict::proceed();
    note_matches(context, Direction::response, matches_);
    if (action == GuardAction::block)
      return Verdict::refuse(guardrail_refusal(*context.rules, matches_, Direction::response));
    if (action == GuardAction::mask) answer.rewrite(context.rules->mask(*answer.body, matches_));
    return Verdict::proceed();
  }

  TextScan scan_;
  RpcGuard rpc_{scan_};
  std::vector<TextSpan> spans_;
  std::vector<json::TextRef> refs_;
  std::vector<Match> matches_;
  std::string text_, json_;
  json::Document rewritten_, lines_;
};

}  // namespace

std::unique_ptr<pipeline::Stage> make_policy_stage() {
  return std::make_unique<PolicyStage>();
}

}  // namespace tollgate::stages
