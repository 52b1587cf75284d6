#include "tollgate/pipeline/rpc_payload.hpp"

#include "tollgate/pipeline/context.hpp"

namespace tollgate::pipeline {

Verdict interpret_rpc(RequestContext& context) {
  Payload& payload = context.payload;
  if (!context.route.json_body) return Verdict::proceed();
  auto message = protocol::jsonrpc::read_message(context.document);
  if (message.has_error()) return Verdict::refuse(message.error());
  payload.kind = Payload::Kind::rpc;
  payload.rpc = *message;
  payload.rpc_method = payload.rpc.method;
  return Verdict::proceed();
}

}  // namespace tollgate::pipeline
