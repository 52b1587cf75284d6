#include "stages/rpc_guard.hpp"

#include <algorithm>

#include "stages/guard_verdicts.hpp"
#include "stages/rpc_stream_guard.hpp"
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
  texts_.clear();
  if (context.route.surface == Surface::mcp) {
    protocol::mcp::append_request_texts(context.payload.rpc, texts_);
  } else {
    protocol::a2a::append_request_texts(context.payload.rpc, texts_);
  }
  return scan(context, Direction::request, context.edits);
}

Verdict RpcGuard::inspect_answer(RequestContext& context, Answer& answer) {
  texts_.clear();
  const auto message = protocol::jsonrpc::read_message(*answer.document);
  if (message.has_error()) {
    json::append_texts(answer.document->root(), true, texts_.editable);
  } else {
    collect(context, *message);
  }
  json::Splicer edits(*answer.body);
  Verdict verdict = scan(context, Direction::response, edits);
  if (!verdict.refused() && !edits.empty()) answer.rewrite(edits.str());
  return verdict;
}

void RpcGuard::inspect_event(RequestContext& context, StreamEvent& event) {
  if (scan_.scan_lines(context, Direction::response, *event.event) != GuardAction::allow) {
    event.end_with = guardrail_refusal(*context.rules, scan_.matches(), Direction::response);
    return;
  }
  if (!event.has_document) return;
  texts_.clear();
  const auto message = protocol::jsonrpc::read_message(event.document);
  if (message.has_error()) {
    json::append_texts(event.document.root(), true, texts_.editable);
  } else {
    if (!context.policy_state)
      context.policy_state =
          std::make_unique<RpcStreamGuard>(*context.rules, context.services->scanner);
    auto& stream = static_cast<RpcStreamGuard&>(*context.policy_state);
    stream.inspect(context, event, *message);
    if (event.end_with) return;
    collect(context, *message);
    std::erase_if(texts_.editable, [&stream](const json::TextRef& ref) {
      return !ref.is_key && stream.has_handled(ref.node.index());
    });
  }
  Verdict verdict = scan(context, Direction::response, event.edits);
  if (verdict.refused()) event.end_with = std::move(verdict.error());
}

void RpcGuard::end_stream(RequestContext& context, StreamEvent& event) {
  if (context.policy_state)
    static_cast<RpcStreamGuard&>(*context.policy_state).finish(context, event);
}

void RpcGuard::collect(const RequestContext& context, const protocol::jsonrpc::Message& message) {
  if (context.route.surface == Surface::mcp) {
    protocol::mcp::append_response_texts(message, texts_);
  } else {
    protocol::a2a::append_response_texts(message, texts_);
  }
}

/// Scans texts_ and writes masks into `edits`.
Verdict RpcGuard::scan(RequestContext& context, Direction direction, json::Splicer& edits) {
  for (const json::TextRef& ref : texts_.fixed) {
    const GuardAction action = scan_.scan(context, direction, ref.text(text_));
    if (action == GuardAction::block || action == GuardAction::mask)
      return Verdict::refuse(guardrail_refusal(*context.rules, scan_.matches(), direction));
  }
  for (const json::TextRef& ref : texts_.editable) {
    const GuardAction action = scan_.scan(context, direction, ref.text(text_));
    if (action == GuardAction::block)
      return Verdict::refuse(guardrail_refusal(*context.rules, scan_.matches(), direction));
    if (action != GuardAction::mask) continue;
    json_.clear();
    json::quote_into(json_, scan_.masked());
    // Texts of one document never overlap; if they did, sending one unmasked is no option.
    if (!edits.replace(ref.begin_offset(), ref.end_offset(), json_))
      return Verdict::refuse(guardrail_refusal(*context.rules, scan_.matches(), direction));
  }
  return Verdict::proceed();
}

}  // namespace tollgate::stages
