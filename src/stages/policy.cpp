#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <vector>

#include "stages/guard_verdicts.hpp"
#include "stages/rpc_guard.hpp"
#include "tollgate/domain/policy/engine.hpp"
#include "tollgate/domain/policy/stream_guard.hpp"
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
using domain::policy::RuleSet;
using domain::policy::StreamGuard;
using domain::policy::StreamVerdict;
using pipeline::Answer;
using pipeline::Payload;
using pipeline::RequestContext;
using pipeline::StreamEvent;
using pipeline::Verdict;
using protocol::llm::Channel;
using protocol::llm::TextSpan;

/// The stream half of the stage for one call: guards per channel, and a template of each channel's
/// last event so that held text can be sent in a well-formed event of its own.
class StreamState final : public pipeline::StageState {
 public:
  StreamState(const RuleSet& rules, domain::policy::Scanner& scanner)
      : guard(rules, Direction::response, scanner) {}
  struct Template {
    Channel channel;
    std::string raw;
  };
  StreamGuard guard;
  std::map<std::uint64_t, Template> templates;
  /// Pieces of the event at hand that now read differently, by node.
  struct Released {
    std::uint32_t node;
    std::string text;
  };
  std::vector<Released> released;
  json::Document scratch;
  std::string text;
  std::string json;
};

class PolicyStage final : public pipeline::Stage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "policy"; }

  base::Task<Verdict> on_request(RequestContext& context) override {
    Verdict verdict = inspect(context);
    // What a guardrail refused holds what it was refused for: the record must not keep its text.
    context.request_inspected = !verdict.refused();
    co_return verdict;
  }

  Verdict on_answer(RequestContext& context, Answer& answer) override {
    if (!answer.from_upstream || context.rules == nullptr ||
        context.rules->empty(Direction::response))
      return Verdict::proceed();
    return answer.is_json ? inspect_json_answer(context, answer)
                          : inspect_text_answer(context, answer);
  }

  void on_event(RequestContext& context, StreamEvent& event) override {
    if (context.rules == nullptr || context.rules->empty(Direction::response)) return;
    if (context.payload.kind == Payload::Kind::rpc) {
      rpc_.inspect_event(context, event);
      return;
    }
    if (context.payload.kind != Payload::Kind::model) return;
    StreamState& state = state_of(context);
    state.released.clear();
    for (const auto& piece : event.llm.pieces) guard_piece(context, state, event, piece);
    if (event.end_with) return;
    if (event.llm.ends_all) {
      flush_all(context, state, event);
    } else if (!event.llm.ended.empty()) {
      flush_ended(context, state, event);
    }
    if (event.has_document && !event.llm.pieces.empty())
      context.payload.dialect->blank_shadow_text(event.document, event.edits);
  }

  void on_stream_end(RequestContext& context, StreamEvent& event) override {
    if (!context.policy_state || event.end_with) return;
    auto& state = static_cast<StreamState&>(*context.policy_state);
    state.released.clear();
    flush_all(context, state, event);
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
      const GuardAction action =
          context.services->scanner.scan(*context.rules, direction, text, matches_);
      if (action == GuardAction::allow) continue;
      note_matches(context, direction, matches_);
      if (action == GuardAction::block || (action == GuardAction::mask && span.read_only))
        return Verdict::refuse(guardrail_refusal(*context.rules, matches_, direction));
      if (action != GuardAction::mask) continue;
      masked_.clear();
      context.rules->mask_to(masked_, text, matches_);
      json_.clear();
      json::quote_into(json_, masked_);
      // Spans of one document never overlap; if they did, sending the text unmasked is no option.
      if (!edits.replace(span.ref.begin_offset(), span.ref.end_offset(), json_))
        return Verdict::refuse(guardrail_refusal(*context.rules, matches_, direction));
    }
    return Verdict::proceed();
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
      *answer.body = edits.str();
      answer.document = nullptr;
    }
    return verdict;
  }

  Verdict inspect_text_answer(RequestContext& context, Answer& answer) {
    const GuardAction action =
        context.services->scanner.scan(*context.rules, Direction::response, *answer.body, matches_);
    if (action == GuardAction::allow) return Verdict::proceed();
    note_matches(context, Direction::response, matches_);
    if (action == GuardAction::block)
      return Verdict::refuse(guardrail_refusal(*context.rules, matches_, Direction::response));
    if (action == GuardAction::mask) *answer.body = context.rules->mask(*answer.body, matches_);
    return Verdict::proceed();
  }

  // ---- streams ----

  StreamState& state_of(RequestContext& context) {
    if (!context.policy_state)
      context.policy_state =
          std::make_unique<StreamState>(*context.rules, context.services->scanner);
    return static_cast<StreamState&>(*context.policy_state);
  }

  void guard_piece(RequestContext& context, StreamState& state, StreamEvent& event,
                   const protocol::llm::TextPiece& piece) {
    const std::string_view text = piece.node.text(text_);
    const std::uint64_t key = piece.channel.key();
    const StreamVerdict verdict = state.guard.feed(key, text);
    note_matches(context, Direction::response, verdict.matches);
    if (verdict.action == GuardAction::block) {
      event.end_with = guardrail_refusal(*context.rules, verdict.matches, Direction::response);
      return;
    }
    if (verdict.release != text) {
      if (piece.read_only) {
        // Thinking must stay byte for byte (its signature covers it): what would be held back goes
        // out, and a match ends the stream instead.
        if (verdict.action == GuardAction::mask)
          event.end_with = guardrail_refusal(*context.rules, verdict.matches, Direction::response);
        return;
      }
      state.json.clear();
      json::quote_into(state.json, verdict.release);
      event.edits.replace(piece.node, state.json);
    }
    if (state.guard.held(key) > 0) {
      state.released.push_back({piece.node.index(), std::string(verdict.release)});
      auto& kept = state.templates[key];
      kept.channel = piece.channel;
      kept.raw.assign(event.event->raw);
    }
  }

  void flush(RequestContext& context, StreamState& state, StreamEvent& event, std::uint64_t key) {
    const StreamVerdict verdict = state.guard.finish(key);
    note_matches(context, Direction::response, verdict.matches);
    if (verdict.action == GuardAction::block) {
      event.end_with = guardrail_refusal(*context.rules, verdict.matches, Direction::response);
      return;
    }
    if (verdict.release.empty()) return;
    const auto kept = state.templates.find(key);
    if (kept == state.templates.end()) return;
    // If this event still carries a piece of the channel, the rest belongs behind that piece.
    for (const auto& piece : event.llm.pieces) {
      if (piece.channel.key() != key || piece.read_only) continue;
      const auto before =
          std::find_if(state.released.begin(), state.released.end(),
                       [&](const auto& entry) { return entry.node == piece.node.index(); });
      if (before == state.released.end()) continue;
      state.text = before->text;
      state.text += verdict.release;
      state.json.clear();
      json::quote_into(state.json, state.text);
      event.edits.replace(piece.node, state.json);
      return;
    }
    state.text.assign(verdict.release);
    context.payload.dialect->append_delta_like(event.before, kept->second.raw, kept->second.channel,
                                               state.text, state.scratch);
  }

  void flush_ended(RequestContext& context, StreamState& state, StreamEvent& event) {
    for (const std::uint64_t key : state.guard.open_channels()) {
      const auto kept = state.templates.find(key);
      if (kept == state.templates.end()) continue;
      for (const std::uint32_t index : event.llm.ended)
        if (kept->second.channel.index == index) flush(context, state, event, key);
    }
  }

  void flush_all(RequestContext& context, StreamState& state, StreamEvent& event) {
    for (const std::uint64_t key : state.guard.open_channels()) {
      flush(context, state, event, key);
      if (event.end_with) return;
    }
  }

  RpcGuard rpc_;
  std::vector<TextSpan> spans_;
  std::vector<json::TextRef> refs_;
  std::vector<Match> matches_;
  std::string text_, masked_, json_;
};

}  // namespace

std::unique_ptr<pipeline::Stage> make_policy_stage() {
  return std::make_unique<PolicyStage>();
}

}  // namespace tollgate::stages
