#include "stages/wire.hpp"

#include <fmt/format.h>

#include <iterator>

#include "tollgate/protocol/http/forwarding.hpp"
#include "tollgate/protocol/http/head_writer.hpp"

namespace tollgate::stages {

using pipeline::Payload;
using pipeline::RequestContext;
using pipeline::Surface;
using protocol::http::HeaderId;
using protocol::llm::CapField;

namespace {
constexpr std::size_t kMinCredential = 8;  ///< shorter "secrets" would redact ordinary words
}

void AttemptRequest::build(RequestContext& context, std::size_t candidate) {
  const auto& target = *context.plan.candidates[candidate].target;
  const config::Provider& provider = *target.provider;
  const config::Snapshot& config = context.config();
  build_path(context, provider);
  build_headers(context, provider);
  build_body(context, *target.deployment, provider.kind);
  wire.method = context.head->method_text;
  wire.path_and_query = path_;
  wire.header_lines = headers_;
  wire.body = pieces_;
  wire.has_body = !context.body.empty() || context.head->method == protocol::http::Method::post ||
                  context.head->method == protocol::http::Method::put ||
                  context.head->method == protocol::http::Method::patch;
  wire.ignore_base_path = context.route.agent_card;
  wire.deadline = context.deadline;
  wire.connect_timeout = config.timeouts.connect;
  wire.tls_timeout = config.timeouts.upstream_tls;
  wire.first_byte_timeout =
      context.payload.wants_stream
          ? provider.first_byte_stream.value_or(config.timeouts.first_byte_stream)
          : provider.first_byte_json.value_or(config.timeouts.first_byte_json);
  // The server-to-client stream of an MCP session is silent until something happens.
  const bool may_be_silent =
      context.route.surface == Surface::mcp && context.head->method == protocol::http::Method::get;
  wire.idle_timeout = may_be_silent ? std::chrono::milliseconds(0) : config.timeouts.stream_idle;
  wire.write_timeout = config.timeouts.client_write;
  wire.pool_wait = config.timeouts.pool_wait;
  wire.max_header_bytes = config.limits.upstream_header_bytes;
  wire.demo_model = target.deployment->model;
}

void AttemptRequest::build_path(const RequestContext& context, const config::Provider& provider) {
  path_.clear();
  if (context.route.agent_card) {
    path_ = context.peer->a2a->card_path;
    return;
  }
  if (context.peer == nullptr) {
    std::string_view path = context.route.upstream_path;
    // Base URLs are written with the version (OpenAI's custom) or without (Anthropic's).
    const std::string_view base = provider.origin.base_path;
    if (base.ends_with("/v1") && path.starts_with("/v1/")) path.remove_prefix(3);
    path_ = path;
  }
  context.target.append_query_without("key", path_);
}

void AttemptRequest::build_headers(const RequestContext& context,
                                   const config::Provider& provider) {
  headers_.clear();
  for (const auto& field : context.head->headers.fields()) {
    if (!protocol::http::passes_upstream(field, context.head->headers)) continue;
    // Decoded here; content-encoding no longer holds.
    if (field.id == HeaderId::content_encoding || field.id == HeaderId::origin) continue;
    // The provider's own headers, when the configuration sets them, win.
    bool set_by_config = false;
    for (const auto& own : provider.headers)
      set_by_config = set_by_config || base::iequals(own.name, field.name);
    if (!set_by_config) protocol::http::append_field(headers_, field.name, field.value);
  }
  // Guards and usage must be able to read the answer.
  headers_ += "Accept-Encoding: identity\r\n";
  if (!context.body.empty() && context.head->find(HeaderId::content_type) == nullptr)
    headers_ += "Content-Type: application/json\r\n";
  if (!provider.api_key.empty()) {
    if (provider.kind == config::ProviderKind::anthropic) {
      protocol::http::append_field(headers_, "x-api-key", provider.api_key.reveal());
    } else {
      fmt::format_to(std::back_inserter(headers_), "Authorization: Bearer {}\r\n",
                     provider.api_key.reveal());
    }
  wire.safe_to_repeat = context.payload.safe_to_repeat;
  }
  for (const auto& own : provider.headers)
    protocol::http::append_field(headers_, own.name, own.value.reveal());
}

void AttemptRequest::build_body(const RequestContext& context, const config::Deployment& deployment,
                                config::ProviderKind kind) {
  pieces_.clear();
  usage_injected = false;
  if (context.body.empty()) return;
  if (!context.has_document) {
    pieces_.push_back(context.body);
    return;
  }
  edits_ = context.edits;
  if (edits_.empty()) edits_.reset(context.body);
  const Payload& payload = context.payload;
  if (payload.dialect != nullptr && !payload.model.empty()) {
    if (deployment.model != payload.model)
      payload.dialect->set_model(payload.fields, edits_, deployment.model);
    if (context.hold_plan.output_cap_to_forward) {
      const CapField absent = kind == config::ProviderKind::openai ? CapField::max_completion_tokens
                                                                   : CapField::max_tokens;
      payload.dialect->set_output_cap(payload.fields, edits_,
                                      *context.hold_plan.output_cap_to_forward, absent);
    }
    if (payload.wants_stream && context.route.surface == Surface::chat)
      usage_injected = payload.dialect->include_usage(payload.fields, edits_);
  }
  edits_.append_pieces(pieces_);
}

void build_answer_headers(const RequestContext& context, const protocol::http::ResponseHead& head,
                          unsigned attempts, std::string& out) {
  out.clear();
  for (const auto& field : head.headers.fields()) {
    if (!protocol::http::passes_downstream(field, head.headers)) continue;
    if (field.id == HeaderId::x_request_id) {
      // The id that finds the call in this gateway's log is ours; the provider's is kept beside it.
      protocol::http::append_field(out, "x-upstream-request-id", field.value);
      continue;
    }
    protocol::http::append_field(out, field.name, field.value);
  }
  fmt::format_to(std::back_inserter(out), "x-request-id: {}\r\n", context.request_id);
  if (context.peer == nullptr && context.served_by != nullptr)
    protocol::http::append_field(out, "x-tollgate-deployment", context.served_by->deployment->id);
  fmt::format_to(std::back_inserter(out), "x-tollgate-attempts: {}\r\n", attempts);
  if (context.hold_plan.is_lowered)
    fmt::format_to(std::back_inserter(out), "x-tollgate-output-cap: {}\r\n",
                   context.hold_plan.output_cap);
}

void redact_credentials(const config::Provider& provider, std::string& body) {
  const auto redact = [&body](std::string_view secret) {
    if (secret.size() < kMinCredential) return;
    for (std::size_t at = body.find(secret); at != std::string::npos; at = body.find(secret, at))
      body.replace(at, secret.size(), "***");
  };
  redact(provider.api_key.reveal());
  for (const auto& header : provider.headers) redact(header.value.reveal());
}

}  // namespace tollgate::stages
