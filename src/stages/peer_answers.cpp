#include "stages/peer_answers.hpp"

#include <fmt/format.h>

#include "stages/stream_ends.hpp"
#include "tollgate/protocol/a2a/agent_card.hpp"

namespace tollgate::stages {

using base::Error;
using base::ErrorCode;
using json::NodeRef;
using pipeline::Answer;
using pipeline::RequestContext;
using pipeline::Surface;
using pipeline::Verdict;

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// For both readings of an answer, before and after a rewrite: were the second one stricter, an
/// upstream could choose an answer that the stages behind this one do not get to see.
json::ParseLimits limits_of(std::uint32_t depth) {
  json::ParseLimits limits;
  limits.max_depth = depth;
  limits.max_nodes = 4'000'000;
  limits.allow_lone_surrogates = true;
  return limits;
}
json::ParseLimits answer_limits() {
  return limits_of(512);
}
json::ParseLimits event_limits() {
  return limits_of(256);
}

bool is_success(int status) {
  return status >= 200 && status < 300;
}

std::string_view name_of_peer(const RequestContext& context) {
  return context.route.surface == Surface::mcp ? "MCP server" : "agent";
}

Error unreadable(const RequestContext& context, std::string_view what) {
  return Error(ErrorCode::upstream_invalid,
               fmt::format("the {} sent {}", name_of_peer(context), what))
      .with_side(base::Side::upstream);
}

/// For a whole answer that is not passed on. Of an error all that is told is its status.
Verdict refuse(const RequestContext& context, const Answer& answer, std::string_view what) {
  return Verdict::refuse(is_success(answer.status) ? unreadable(context, what)
                                                   : peer_error(context, answer.status));
}

/// Whether a success without a body is none: a card has one, and what answers an MCP server's GET
/// is an event stream. A request's is the router's to tell.
bool needs_body(const RequestContext& context) {
  return context.head->method == protocol::http::Method::get &&
         (context.route.agent_card || context.route.surface == Surface::mcp);
}

bool is_rpc_response(NodeRef root) {
  return root.find("jsonrpc").text_is("2.0") &&
         (root.find("error").is_object() || root.find("result"));
}

/// Where agents reach this agent. Behind a TLS terminator the request's own scheme is not the
/// agent's: `public_url` says so, else a trusted proxy's X-Forwarded-Proto.
std::string gateway_url(const RequestContext& context) {
  const std::string& base = context.config().public_url;
  if (!base.empty()) return fmt::format("{}/a2a/{}", base, context.route.name);
  return fmt::format("{}://{}/a2a/{}", context.is_tls ? "https" : "http", context.head->host,
                     context.route.name);
}

Verdict rewrite_card(const RequestContext& context, NodeRef card, json::Splicer& edits) {
  auto done = protocol::a2a::rewrite_agent_card(card, gateway_url(context), edits);
  if (done.has_error()) return Verdict::refuse(done.error());
  return Verdict::proceed();
}

/// Takes tools outside the key's list out of any result that lists tools. Which request it answers
/// is the server's word: a list may come on another request's stream, on the GET stream, on a
/// resumed one, with any status.
Verdict filter_tools(const RequestContext& context, NodeRef root, json::Splicer& edits) {
  const NodeRef result = root.find("result");
  const NodeRef tools = result.find("tools");
  if (!tools) return Verdict::proceed();
  if (!tools.is_array()) return Verdict::refuse(unreadable(context, "a tool list that is none"));
  const auto& permissions = context.key->permissions;
  protocol::mcp::filter_tools(
      result, [&](std::string_view tool) { return permissions.mcp_tool(context.route.name, tool); },
      edits);
  return Verdict::proceed();
}

/// Edits for one JSON-RPC message or card.
/// @param status  of the HTTP answer it came with
Verdict rewrite(RequestContext& context, int status, NodeRef root, json::Splicer& edits) {
  // Batches left MCP in 2025-06-18, and none was asked for: this gateway refuses them.
  if (!root.is_object()) return Verdict::refuse(unreadable(context, "JSON that is no message"));
  if (context.route.surface == Surface::mcp) return filter_tools(context, root, edits);
  if (context.route.agent_card) {
    // An error may have a body of any shape; a success must be a card.
    if (is_success(status) || protocol::a2a::is_agent_card(root))
      return rewrite_card(context, root, edits);
    return Verdict::proceed();
  }
  const NodeRef result = root.find("result");
  if (!result) return Verdict::proceed();
  const bool asked_for_card = context.payload.a2a.method == protocol::a2a::Method::extended_card;
  if (asked_for_card || protocol::a2a::is_agent_card(result))
    return rewrite_card(context, result, edits);
  const auto info = protocol::a2a::read_result(result);
  if (context.payload.task_id.empty()) context.payload.task_id = info.task_id;
  if (context.payload.session_id.empty()) context.payload.session_id = info.context_id;
  return Verdict::proceed();
}

}  // namespace

Error peer_error(const RequestContext& context, int status) {
  const std::string_view peer = name_of_peer(context);
  if (status == 401) {
    // The agent's own key is fine: telling it 401 would send it looking in the wrong place.
    return Error(ErrorCode::upstream_failed,
                 fmt::format("the {} refused the gateway's credential", peer))
        .with_side(base::Side::upstream);
  }
  return Error(status == 429 ? ErrorCode::upstream_rate_limited : ErrorCode::upstream_failed,
               fmt::format("the {} answered with HTTP status {}", peer, status))
      .with_side(base::Side::upstream);
}

Error no_response(const RequestContext& context) {
  return unreadable(context, "an empty answer to a request");
}

Verdict rewrite_peer_answer(RequestContext& context, Answer& answer, json::Document& scratch) {
  if (context.peer == nullptr) return Verdict::proceed();
  if (answer.body->empty())
    return is_success(answer.status) && !needs_body(context)
               ? Verdict::proceed()
               : refuse(context, answer, "an empty answer");
  if (answer.document == nullptr) {
    // Clients differ on which content types and prefixes they read as JSON; here all are read.
    if (answer.body->starts_with(kByteOrderMark))
      answer.rewrite(answer.body->substr(kByteOrderMark.size()));
    if (scratch.parse(*answer.body, answer_limits()).has_error()) {
      // How a session's end is confirmed is open, and its text nobody's message.
      const bool ends_session = context.head->method == protocol::http::Method::del;
      if (!ends_session || !is_success(answer.status))
        return refuse(context, answer, "an answer that is not JSON");
      answer.is_json = false;
      return Verdict::proceed();
    }
    answer.document = &scratch;
  }
  // Its words would be no answer to a request. An agent waits for one with its id.
  if (!is_success(answer.status) && context.payload.is_rpc_request() &&
      !is_rpc_response(answer.document->root()))
    return refuse(context, answer, {});
  const NodeRef asked = context.payload.rpc.id;
  if (is_success(answer.status) && context.payload.is_rpc_request() && asked &&
      answer.document->root().is_object() && !answers(answer.document->root(), asked))
    return refuse(context, answer, "JSON that does not answer the request");
  answer.is_json = true;
  json::Splicer edits(*answer.body);
  Verdict verdict = rewrite(context, answer.status, answer.document->root(), edits);
  if (verdict.refused() && !is_success(answer.status)) return refuse(context, answer, {});
  if (verdict.refused() || edits.empty()) return verdict;
  answer.rewrite(edits.str());
  // What the guardrails read must be what is sent.
  if (scratch.parse(*answer.body, answer_limits()).has_error())
    return refuse(context, answer, "an answer that cannot be rewritten");
  answer.document = &scratch;
  return verdict;
}

void rewrite_peer_event(RequestContext& context, pipeline::StreamEvent& event) {
  if (context.peer == nullptr || !event.event->has_data || event.event->data.empty()) return;
  if (!event.has_document) {
    event.end_with = unreadable(context, "an event that is not JSON");
    return;
  }
  if (context.route.agent_card) {
    event.end_with = unreadable(context, "a stream where a card was asked for");
    return;
  }
  Verdict verdict = rewrite(context, 200, event.document.root(), event.edits);
  if (verdict.refused()) {
    event.end_with = std::move(verdict.error());
    return;
  }
  if (event.edits.empty()) return;
  event.rewritten = event.edits.str();
  event.has_document = !event.document.parse(event.rewritten, event_limits()).has_error();
  if (!event.has_document)
    event.end_with = unreadable(context, "an event that cannot be rewritten");
  event.edits.reset(event.rewritten);
}

}  // namespace tollgate::stages
