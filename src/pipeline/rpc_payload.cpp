#include "tollgate/pipeline/rpc_payload.hpp"

#include "tollgate/pipeline/context.hpp"

namespace tollgate::pipeline {

using base::Error;
using base::ErrorCode;

namespace {

/// The deployment of the peer with a tool's own price.
void set_price(RequestContext& context, base::NanoUsd price) {
  if (context.peer == nullptr) return;
  config::Price flat;
  flat.per_call = price;
  context.priced = context.peer->alias.deployments.front();
  context.priced->price = flat;
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
    // The server-to-client stream of an MCP session carries JSON-RPC as well.
    if (is_mcp && context.head->method == protocol::http::Method::get) {
      payload.kind = Payload::Kind::rpc;
      payload.wants_stream = true;
    }
    return Verdict::proceed();
  }
  auto message = protocol::jsonrpc::read_message(context.document);
  if (message.has_error()) return Verdict::refuse(message.error());
  payload.kind = Payload::Kind::rpc;
  payload.rpc = *message;
  if (is_mcp) return interpret_mcp(context);
  payload.a2a = protocol::a2a::classify(payload.rpc);
  payload.rpc_method = payload.rpc.method;  // as the agent said it
  payload.task_id = payload.a2a.task_id;
  payload.billable = payload.a2a.billable;
  payload.safe_to_repeat = payload.a2a.safe_to_repeat;
  payload.wants_stream = payload.a2a.streaming;
  return Verdict::proceed();
}

}  // namespace tollgate::pipeline
