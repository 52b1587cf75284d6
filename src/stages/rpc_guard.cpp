#include "stages/rpc_guard.hpp"

#include "stages/guard_verdicts.hpp"
#include "tollgate/json/writer.hpp"

namespace tollgate::stages {

using config::GuardAction;
using domain::policy::Direction;
using pipeline::Answer;
using pipeline::RequestContext;
using pipeline::StreamEvent;
using pipeline::Surface;
using pipeline::Verdict;

Verdict RpcGuard::inspect_request(RequestContext& context) {
  context.edits.reset(context.body);
  refs_.clear();
  if (context.route.surface == Surface::mcp) {
    protocol::mcp::append_request_texts(context.payload.mcp, context.payload.rpc, refs_);
  } else {
    protocol::a2a::append_request_texts(context.payload.rpc, refs_);
  }
  return scan(context, Direction::request, context.edits);
}

Verdict RpcGuard::inspect_answer(RequestContext& context, Answer& answer) {
  collect(context, *answer.document);
  json::Splicer edits(*answer.body);
  Verdict verdict = scan(context, Direction::response, edits);
  if (!verdict.refused() && !edits.empty()) {
    *answer.body = edits.str();
    answer.document = nullptr;
  }
  return verdict;
}

void RpcGuard::inspect_event(RequestContext& context, StreamEvent& event) {
  if (!event.has_document) return;
  collect(context, event.document);
  Verdict verdict = scan(context, Direction::response, event.edits);
  if (verdict.refused()) event.end_with = std::move(verdict.error());
}

/// Texts of a JSON-RPC answer or stream message; free form when it is none.
void RpcGuard::collect(const RequestContext& context, const json::Document& document) {
  refs_.clear();
  const auto message = protocol::jsonrpc::read_message(document);
  if (message.has_error()) {
    json::append_texts(document.root(), true, refs_);
  } else if (context.route.surface == Surface::mcp) {
    protocol::mcp::append_response_texts(*message, refs_);
  } else {
    protocol::a2a::append_response_texts(*message, refs_);
  }
}

/// Scans refs_ and writes masks into `edits`.
Verdict RpcGuard::scan(RequestContext& context, Direction direction, json::Splicer& edits) {
  for (const json::TextRef& ref : refs_) {
    const std::string_view text = ref.text(text_);
    const GuardAction action =
        context.services->scanner.scan(*context.rules, direction, text, matches_);
    if (action == GuardAction::allow) continue;
    note_matches(context, direction, matches_);
    if (action == GuardAction::block)
      return Verdict::refuse(guardrail_refusal(*context.rules, matches_, direction));
    if (action != GuardAction::mask) continue;
    masked_.clear();
    context.rules->mask_to(masked_, text, matches_);
    json_.clear();
    json::quote_into(json_, masked_);
    // Texts of one document never overlap; if they did, sending one unmasked is no option.
    if (!edits.replace(ref.begin_offset(), ref.end_offset(), json_))
      return Verdict::refuse(guardrail_refusal(*context.rules, matches_, direction));
  }
  return Verdict::proceed();
}

}  // namespace tollgate::stages
