#include "stages/peer_answers.hpp"

#include <fmt/format.h>

#include "tollgate/protocol/a2a/agent_card.hpp"

namespace tollgate::stages {

using pipeline::Answer;
using pipeline::Payload;
using pipeline::RequestContext;
using pipeline::Surface;
using pipeline::Verdict;

namespace {

std::string gateway_url(const RequestContext& context) {
  return fmt::format("{}://{}/a2a/{}", context.is_tls ? "https" : "http", context.head->host,
                     context.route.name);
}

/// Edits for one JSON-RPC answer or card; false when nothing can be passed on.
Verdict rewrite(RequestContext& context, json::NodeRef root, json::Splicer& edits) {
  const json::NodeRef result = context.route.agent_card ? root : root.find("result");
  if (!result) return Verdict::proceed();
  if (context.route.surface == Surface::mcp) {
    if (context.payload.mcp.method != protocol::mcp::Method::tools_list ||
        context.payload.kind != Payload::Kind::rpc)
      return Verdict::proceed();
    const auto& permissions = context.key->permissions;
    protocol::mcp::filter_tools(
        result,
        [&](std::string_view tool) { return permissions.mcp_tool(context.route.name, tool); },
        edits);
    return Verdict::proceed();
  }
  const bool is_card = context.route.agent_card ||
                       context.payload.a2a.method == protocol::a2a::Method::extended_card;
  if (is_card) {
    auto done = protocol::a2a::rewrite_agent_card(result, gateway_url(context), edits);
    if (done.has_error()) return Verdict::refuse(done.error());
    return Verdict::proceed();
  }
  const auto info = protocol::a2a::read_result(result);
  if (context.payload.task_id.empty()) context.payload.task_id = info.task_id;
  if (context.payload.session_id.empty()) context.payload.session_id = info.context_id;
  return Verdict::proceed();
}

}  // namespace

Verdict rewrite_peer_answer(RequestContext& context, Answer& answer, json::Document& scratch) {
  if (context.peer == nullptr || answer.document == nullptr || answer.status >= 300)
    return Verdict::proceed();
  json::Splicer edits(*answer.body);
  Verdict verdict = rewrite(context, answer.document->root(), edits);
  if (verdict.refused() || edits.empty()) return verdict;
  *answer.body = edits.str();
  // What the guardrails read must be what is sent.
  answer.document = scratch.parse(*answer.body).has_error() ? nullptr : &scratch;
  return verdict;
}

void rewrite_peer_event(RequestContext& context, pipeline::StreamEvent& event) {
  if (context.peer == nullptr || !event.has_document) return;
  Verdict verdict = rewrite(context, event.document.root(), event.edits);
  if (verdict.refused()) {
    event.end_with = std::move(verdict.error());
    return;
  }
  if (event.edits.empty()) return;
  event.rewritten = event.edits.str();
  event.has_document = !event.document.parse(event.rewritten).has_error();
  event.edits.reset(event.rewritten);
}

}  // namespace tollgate::stages
