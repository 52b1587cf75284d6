#include "tollgate/pipeline/interpret.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/multipart.hpp"
#include "tollgate/domain/keys/key_format.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/pipeline/rpc_payload.hpp"
#include "tollgate/protocol/http/media_type.hpp"

namespace tollgate::pipeline {

using base::Error;
using base::ErrorCode;
using protocol::http::HeaderId;
using protocol::llm::DialectKind;
using protocol::llm::RequestKind;

namespace {

constexpr std::size_t kMaxIdBytes = 128;
constexpr std::uint32_t kMostDepth = 1'000'000;

/// An id a caller sends for correlation: visible ASCII, bounded, else ignored.
std::string correlation_id(std::string_view value) {
  if (value.empty() || value.size() > kMaxIdBytes) return {};
  for (const char c : value)
    if (c < 0x21 || c > 0x7e) return {};
  return std::string(value);
}

/// A depth of delegation: decimal digits and nothing else, else ignored; what is beyond any limit
/// counts as the most there is.
std::uint32_t delegation_depth(std::string_view value) {
  std::uint32_t depth = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return 0;
    depth = std::min(kMostDepth, depth * 10 + static_cast<std::uint32_t>(c - '0'));
  }
  return depth;
}

/// "00-<32 hex>-<16 hex>-<2 hex>" (W3C Trace Context): trace and parent id.
void read_trace(const protocol::http::RequestHead& head, Payload& payload) {
  const std::string_view parent = head.value(HeaderId::traceparent);
  if (parent.size() == 55 && parent[2] == '-' && parent[35] == '-' && parent[52] == '-') {
    payload.trace_id = correlation_id(parent.substr(3, 32));
    payload.parent_id = correlation_id(parent.substr(36, 16));
  }
  if (head.headers.has(HeaderId::x_tollgate_depth))
    payload.depth = delegation_depth(head.value(HeaderId::x_tollgate_depth));
  // Whatever the agent's framework calls its session; the first that is there.
  for (const HeaderId id :
       {HeaderId::x_session_id, HeaderId::x_claude_code_session_id, HeaderId::session_id}) {
    if (!head.headers.has(id)) continue;
    payload.session_id = correlation_id(head.value(id));
    if (!payload.session_id.empty()) return;
  }
}

RequestKind request_kind(Surface surface) {
  switch (surface) {
    case Surface::chat:
      return RequestKind::chat_completions;
    case Surface::embeddings:
      return RequestKind::embeddings;
    case Surface::messages:
      return RequestKind::messages;
    case Surface::count_tokens:
      return RequestKind::count_tokens;
    case Surface::models:
    case Surface::other:
    case Surface::mcp:
    case Surface::a2a:
    case Surface::me:
    case Surface::probe:
    case Surface::none:
      return RequestKind::other_json;
  }
  return RequestKind::other_json;
}

/// Whether a lenient reader could take the body for JSON.
bool looks_like_json(std::string_view body) {
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  const std::size_t first = body.find_first_not_of(" \t\r\n\f\v");
  return first != std::string_view::npos && (body[first] == '{' || body[first] == '[');
}

/// A body that is not JSON. The model it asks for must be one the key may use, so a key that may
/// not use all of them needs a body whose model can be read.
Verdict interpret_opaque(RequestContext& context) {
  Payload& payload = context.payload;
  payload.kind = Payload::Kind::opaque;
  const bool may_use_all = context.key == nullptr || context.key->permissions.all_models();
  const auto model = form_field(context.head->value(HeaderId::content_type), context.body, "model");
  if (may_use_all) {
    if (!model.has_error() && context.runtime->aliases.contains(*model)) payload.model = *model;
    return Verdict::proceed();
  }
  if (model.has_error() || model->empty())
    return Verdict::refuse(
        Error(ErrorCode::model_not_allowed,
              "this key may not use every model, and which one this body asks for cannot be read: "
              "send JSON, or multipart/form-data with one part named `model`")
            .with_param("model"));
  payload.model = *model;
  return Verdict::proceed();
}

Verdict parse_document(RequestContext& context) {
  json::ParseLimits limits;
  limits.max_depth = context.config().limits.json_depth;
  limits.max_nodes = context.config().limits.json_nodes;
  auto parsed = context.document.parse(context.body, limits);
  if (parsed.has_error()) return Verdict::refuse(parsed.error());
  context.has_document = true;
  return Verdict::proceed();
}

}  // namespace

Verdict admit(RequestContext& context) {
  read_trace(*context.head, context.payload);
  if (context.head_fault) return Verdict::refuse(*context.head_fault);
  if (context.route.surface == Surface::none)
    return Verdict::refuse(
        Error(ErrorCode::not_found,
              "no such path; this gateway serves /v1/chat/completions, /v1/embeddings, /v1/models, "
              "/v1/messages, /mcp/{server}, /a2a/{agent} and /tollgate/v1/me"));
  if (!context.route.method_allowed)
    return Verdict::refuse(Error(ErrorCode::method_not_allowed,
                                 fmt::format("this path takes {}", context.route.allowed_methods)));
  auto& in_flight = context.services->in_flight;
  if (in_flight.fetch_add(1, std::memory_order_relaxed) >= context.config().limits.in_flight) {
    in_flight.fetch_sub(1, std::memory_order_relaxed);
    context.services->metrics.limit_hits(telemetry::LimitHit::in_flight).inc();
    return Verdict::refuse(
        Error(ErrorCode::overloaded, "the gateway is at limits.in_flight").with_retry_after(1));
  }
  context.in_flight = true;
  context.services->metrics.in_flight().inc();
  return Verdict::proceed();
}

Verdict interpret(RequestContext& context) {
  Payload& payload = context.payload;
  const protocol::http::RequestHead& head = *context.head;
  const bool has_body = !context.body.empty();
  // Before anything is read of it, so that neither upstream nor record gets one, whatever the
  // guardrails are.
  if (has_body) context.body_held_keys = domain::keys::redact_keys(context.body);
  if (context.route.surface == Surface::mcp || context.route.surface == Surface::a2a) {
    if (context.route.json_body) {
      Verdict parsed = parse_document(context);
      if (parsed.refused()) return parsed;
    }
    return interpret_rpc(context);
  }
  const DialectKind kind =
      context.route.dialect == Dialect::anthropic ? DialectKind::anthropic : DialectKind::openai;
  // Also of a call without a body: its answer may be a stream.
  payload.dialect = &protocol::llm::dialect(kind);
  if (!has_body && !context.route.json_body) return Verdict::proceed();
  if (context.route.surface == Surface::other &&
      !protocol::http::is_json(head.value(HeaderId::content_type)) &&
      !looks_like_json(context.body))
    return interpret_opaque(context);
  // Bodies are read as JSON whatever their content type says, as the vendors do.
  Verdict parsed = parse_document(context);
  if (parsed.refused()) return parsed;
  auto scanned =
      payload.dialect->scan(request_kind(context.route.surface), context.document, payload.fields);
  if (scanned.has_error()) return Verdict::refuse(scanned.error());
  payload.kind =
      context.route.surface == Surface::other ? Payload::Kind::json : Payload::Kind::model;
  payload.model = payload.fields.model;
  payload.wants_stream = payload.fields.stream;
  return Verdict::proceed();
}

}  // namespace tollgate::pipeline
