#include "stages/wire.hpp"

#include <algorithm>

#include "tollgate/domain/keys/key_format.hpp"
#include "tollgate/pipeline/error_body.hpp"
#include "tollgate/pipeline/mcp_session.hpp"
#include "tollgate/protocol/http/forwarding.hpp"
#include "tollgate/protocol/http/head_writer.hpp"
#include "tollgate/protocol/http/media_type.hpp"

namespace tollgate::stages {

using pipeline::Payload;
using pipeline::RequestContext;
using pipeline::Surface;
using protocol::http::HeaderId;
using protocol::http::LineAppender;
using protocol::llm::CapField;

namespace {

constexpr std::size_t kDepthDigits = 24;  ///< of the longest number, and what a line has besides

bool holds_credential(const RequestContext& context, std::string_view text) {
  return context.secrets != nullptr && context.secrets->in(text);
}

/// Removes those of the header lines that `is_dropped`.
template <class Predicate>
void drop_lines(std::string& lines, Predicate&& is_dropped) {
  std::string kept;
  for (std::string_view rest = lines; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find("\r\n") + 2);
    if (!is_dropped(line)) kept += line;
    rest.remove_prefix(line.size());
  }
  lines = std::move(kept);
}

/// Removes parameters that hold a virtual key from the query that begins at `query`, however they
/// are escaped.
void drop_parameters_with_key(std::string& path, std::size_t query) {
  std::string decoded;
  const auto holds_key = [&decoded](std::string_view text) {
    if (domain::keys::contains_key(text)) return true;
    return text.find('%') != std::string_view::npos &&
           protocol::http::decode_query_value(text, decoded) && domain::keys::contains_key(decoded);
  };
  if (!holds_key(std::string_view(path).substr(query))) return;
  std::string kept;
  for (std::string_view rest = std::string_view(path).substr(query); !rest.empty();) {
    // A piece with the separator before it, the question mark too.
    const std::size_t end = std::min(rest.find_first_of("&;", 1), rest.size());
    if (!holds_key(rest.substr(0, end))) kept += rest.substr(0, end);
    rest.remove_prefix(end);
  }
  if (!kept.empty()) kept.front() = '?';
  path.replace(query, std::string::npos, kept);
}

}  // namespace

/// The header of a session that the server opened, or named again, for this key.
static void seal_session(RequestContext& context, const protocol::http::HeaderField& field,
                         std::string& out) {
  if (!protocol::mcp::is_session_id(field.value)) return;
  const pipeline::McpSessions sessions(context.config());
  protocol::http::append_field(out, field.name,
                               sessions.seal(context.key->id, context.route.name, field.value));
  if (context.payload.session_id.empty())
    context.payload.session_id = pipeline::session_label(field.value);
}

void AttemptRequest::build(RequestContext& context, std::size_t candidate) {
  const auto& target = *context.plan.candidates[candidate].target;
  const config::Provider& provider = *target.provider;
  const config::Snapshot& config = context.config();
  build_path(context, provider);
  const bool changes_body = build_body(context, *target.deployment, provider.output_cap_field);
  build_headers(context, context.alias->of(context.plan.candidates[candidate]), changes_body);
  wire.method = context.head->method_text;
  wire.path_and_query = path_;
  wire.header_lines = headers_;
  wire.body = pieces_;
  wire.has_body = !context.body.empty() || context.head->method == protocol::http::Method::post ||
                  context.head->method == protocol::http::Method::put ||
                  context.head->method == protocol::http::Method::patch;
  wire.safe_to_repeat = context.payload.safe_to_repeat;
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
  const std::size_t query = path_.size();
  context.target.append_query_without("key", path_);
  if (path_.size() > query) drop_parameters_with_key(path_, query);
}

void AttemptRequest::build_headers(const RequestContext& context,
                                   const pipeline::DeploymentRuntime& to, bool changes_body) {
  headers_.clear();
  // Bodies of the model surfaces are JSON whatever they were called (curl -d calls them a form),
  // and not every provider reads them under another name.
  const protocol::http::HeaderSection& sent = context.head->headers;
  const std::string_view type = sent.value(HeaderId::content_type);
  protocol::http::ForwardOptions options;
  options.replaces_content_type = context.payload.is_model_call() && !protocol::http::is_json(type);
  options.replaces_mcp_session_id = context.route.surface == Surface::mcp;
  const std::string_view encoding = sent.value(HeaderId::content_encoding);
  options.changes_body = changes_body || context.body_held_keys ||
                         !(encoding.empty() || base::iequals(encoding, "identity"));
  // A card is never passed on as it comes, so what the agent has of it says nothing to its server.
  options.withholds_conditions = context.route.agent_card;
  protocol::http::append_upstream_fields(sent, to.header_names, options, headers_);
  // A virtual key in a field that nobody has heard of is one all the same.
  if (domain::keys::contains_key(headers_))
    drop_lines(headers_, [](std::string_view line) { return domain::keys::contains_key(line); });
  if (!context.payload.mcp_session.empty())
    protocol::http::append_field(headers_, "Mcp-Session-Id", context.payload.mcp_session);
  if (!context.body.empty() && (options.replaces_content_type || type.empty()) &&
      !to.header_names.has(HeaderId::content_type))
    headers_ += "Content-Type: application/json\r\n";
  headers_ += to.header_lines.reveal();
  // Servers and agents may call on through the gateway; how deep they are is ours to count.
  if (context.peer != nullptr && !to.header_names.has(HeaderId::x_tollgate_depth)) {
    constexpr protocol::http::FieldName kDepth("x-tollgate-depth");
    LineAppender(headers_, kDepth.text().size() + kDepthDigits)
        .field(kDepth, std::uint64_t{context.payload.depth} + 1);
  }
}

bool AttemptRequest::build_body(const RequestContext& context, const config::Deployment& deployment,
                                config::OutputCapField cap_field) {
  pieces_.clear();
  usage_injected = false;
  if (context.body.empty()) return false;
  if (!context.has_document) return build_opaque_body(context, deployment);
  edits_ = context.edits;
  if (edits_.empty()) edits_.reset(context.body);
  const Payload& payload = context.payload;
  if (payload.dialect != nullptr && !payload.model.empty()) {
    if (deployment.model != payload.model)
      payload.dialect->set_model(payload.fields, edits_, deployment.model);
    const CapField known = cap_field == config::OutputCapField::max_tokens
                               ? CapField::max_tokens
                               : CapField::max_completion_tokens;
    payload.dialect->name_output_cap(payload.fields, edits_, known);
    if (context.hold_plan.output_cap_to_forward)
      payload.dialect->set_output_cap(payload.fields, edits_,
                                      *context.hold_plan.output_cap_to_forward, known);
    if (payload.wants_stream && context.route.surface == Surface::chat)
      usage_injected = payload.dialect->include_usage(payload.fields, edits_);
  }
  edits_.append_pieces(pieces_);
  return !edits_.empty();
}

/// A body that is not JSON passes as it is, but for the model it names.
bool AttemptRequest::build_opaque_body(const RequestContext& context,
                                       const config::Deployment& deployment) {
  const std::string_view body = context.body, model = context.payload.model;
  if (model.empty() || model == deployment.model) {
    pieces_.push_back(body);
    return false;
  }
  const auto begin = static_cast<std::size_t>(model.data() - body.data());
  for (const std::string_view piece : {body.substr(0, begin), std::string_view(deployment.model),
                                       body.substr(begin + model.size())})
    if (!piece.empty()) pieces_.push_back(piece);
  return true;
}

void AttemptRequest::trim(std::size_t keep_bytes) noexcept {
  edits_.trim(keep_bytes);
  pieces_.clear();
  if (pieces_.capacity() > keep_bytes / sizeof(std::string_view))
    std::vector<std::string_view>().swap(pieces_);
  for (std::string* const text : {&path_, &headers_})
    if (text->capacity() > keep_bytes) std::string().swap(*text);
}

void build_answer_headers(RequestContext& context, const protocol::http::ResponseHead& head,
                          unsigned attempts, bool changes_body, std::string& out) {
  out.clear();
  const bool is_mcp = context.route.surface == Surface::mcp;
  protocol::http::ForwardOptions options;
  options.replaces_mcp_session_id = is_mcp;
  options.withholds_locations = context.peer != nullptr;
  options.changes_body = changes_body || context.route.agent_card;
  options.replaces_rate_limits =
      context.rates.requests.is_limited || context.rates.tokens.is_limited;
  protocol::http::append_downstream_fields(head.headers, options, out);
  const auto* session = is_mcp ? head.headers.find(HeaderId::mcp_session_id) : nullptr;
  if (session != nullptr && protocol::http::passes_downstream(*session, head.headers))
    seal_session(context, *session, out);
  // One search over all lines; the rare hit costs a second pass.
  if (holds_credential(context, out))
    drop_lines(out, [&](std::string_view line) { return holds_credential(context, line); });
  const std::string_view deployment = context.peer == nullptr && context.served_by != nullptr
                                          ? std::string_view(context.served_by->deployment->id)
                                          : std::string_view{};
  if (options.replaces_rate_limits) pipeline::append_rate_headers(context, out);
  constexpr std::size_t kOwnNames = 128;  // and the figures
  LineAppender lines(out, context.request_id.size() + deployment.size() + kOwnNames);
  constexpr protocol::http::FieldName kId("x-request-id"), kDeployment("x-tollgate-deployment"),
      kAttempts("x-tollgate-attempts"), kLength("Content-Length"), kCap("x-tollgate-output-cap");
  lines.field(kId, context.request_id);
  // Of a body that is not sent: the upstream's word is all there is.
  if (context.head->method == protocol::http::Method::head && head.content_length &&
      head.status != 204)
    lines.field(kLength, *head.content_length);
  if (!deployment.empty()) lines.field(kDeployment, deployment);
  lines.field(kAttempts, std::uint64_t{attempts});
  if (context.hold_plan.is_lowered)
    lines.field(kCap, static_cast<std::uint64_t>(context.hold_plan.output_cap));
}

void set_json_type(std::string& lines) {
  constexpr std::string_view kName = "content-type:";
  drop_lines(lines, [&](std::string_view line) {
    return base::iequals(line.substr(0, kName.size()), kName);
  });
  lines += "Content-Type: application/json\r\n";
}

}  // namespace tollgate::stages
