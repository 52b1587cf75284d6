#include "tollgate/pipeline/rpc_payload.hpp"

#include "tollgate/pipeline/context.hpp"
#include "tollgate/pipeline/mcp_session.hpp"

namespace tollgate::pipeline {

using base::Error;
using base::ErrorCode;

namespace {

constexpr int kSessionNotFound = -32001;  ///< as the SDK servers say it

/// The deployment of the peer with a tool's own price.
void set_price(RequestContext& context, base::NanoUsd price) {
  if (context.peer == nullptr) return;
  config::Price flat;
  flat.per_call = price;
  context.priced = context.peer->alias.deployments.front();
  context.priced->price = flat;
}

/// Opens the session id the agent names, if it names one. Another key's, or one that this gateway
/// never gave out, is answered as a server answers an ended session (404): clients then initialize
/// anew, and the server never sees it.
Verdict open_session(RequestContext& context) {
  const auto* field = context.head->find(protocol::http::HeaderId::mcp_session_id);
  // Modern servers (2026-07-28) have no sessions; the header is not passed on.
  if (field == nullptr || context.payload.mcp.modern) return Verdict::proceed();
  const McpSessions sessions(context.config());
  const auto id = sessions.open(context.key->id, context.route.name, field->value);
  if (!id) {
    context.payload.fault = protocol::mcp::Fault{404, kSessionNotFound, "Session not found"};
    return Verdict::refuse(Error(ErrorCode::not_found, context.payload.fault->message));
  }
  context.payload.mcp_session = *id;
  if (context.payload.session_id.empty()) context.payload.session_id = session_label(*id);
  return Verdict::proceed();
}

Verdict interpret_mcp(RequestContext& context) {
  Payload& payload = context.payload;
  auto call = protocol::mcp::classify(payload.rpc);
  if (call.has_error()) return Verdict::refuse(call.error());
  payload.mcp = *call;
  payload.rpc_method = payload.mcp.method_name;
  payload.tool = payload.mcp.subject;
  payload.billable = protocol::mcp::is_billable(payload.mcp);
  const config::McpServer& server = *context.peer->mcp;
  payload.safe_to_repeat = protocol::mcp::is_safe_to_repeat(payload.mcp, server.idempotent_tools);
  if (auto fault = protocol::mcp::check_headers(payload.mcp, context.head->headers)) {
    payload.fault = std::move(*fault);
    return Verdict::refuse(Error(ErrorCode::invalid_request, payload.fault->message));
  }
  Verdict opened = open_session(context);
  if (opened.refused()) return opened;
  if (payload.billable) {
    const auto own = server.tool_prices.find(payload.tool);
    if (own != server.tool_prices.end()) set_price(context, own->second);
  }
  return Verdict::proceed();
}

}  // namespace

Verdict interpret_rpc(RequestContext& context) {
  Payload& payload = context.payload;
  const bool is_mcp = context.route.surface == Surface::mcp;
  if (!context.route.json_body) {
    if (is_mcp) {
      // The server-to-client stream carries JSON-RPC, and what a DELETE is answered with may.
      payload.kind = Payload::Kind::rpc;
      payload.wants_stream = context.head->method == protocol::http::Method::get;
      return open_session(context);
    }
    return Verdict::proceed();
  }
  auto message = protocol::jsonrpc::read_message(context.document);
  if (message.has_error()) return Verdict::refuse(message.error());
  payload.kind = Payload::Kind::rpc;
  payload.rpc = *message;
  if (is_mcp) return interpret_mcp(context);
  payload.a2a = protocol::a2a::classify(payload.rpc);
  if (payload.a2a.is_misspelled)
    return Verdict::refuse(
        Error(ErrorCode::invalid_request, "method names are case-sensitive").with_param("method"));
  // A call without an id would be done, paid for and never answered; agents ask their clients
  // nothing, so there is nothing to respond to either.
  if (payload.rpc.kind != protocol::jsonrpc::MessageKind::request)
    return Verdict::refuse(
        Error(ErrorCode::invalid_request, "an A2A message is a request with an id"));
  payload.rpc_method = payload.rpc.method;  // as the agent said it
  payload.task_id = payload.a2a.task_id;
  payload.billable = payload.a2a.billable;
  payload.safe_to_repeat = payload.a2a.safe_to_repeat;
  payload.wants_stream = payload.a2a.streaming;
  return Verdict::proceed();
}

}  // namespace tollgate::pipeline
