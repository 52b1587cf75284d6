#include "tollgate/pipeline/error_body.hpp"

#include <fmt/format.h>

#include <chrono>
#include <iterator>

#include "tollgate/base/time_format.hpp"
#include "tollgate/domain/keys/key_format.hpp"
#include "tollgate/json/writer.hpp"
#include "tollgate/pipeline/chain.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/protocol/jsonrpc/message.hpp"

namespace tollgate::pipeline {

using base::ErrorCode;
using protocol::llm::DialectKind;

namespace {

void append_retry_headers(const base::Error& error, std::string& out) {
  if (const auto seconds = error.retry_after_s())
    fmt::format_to(std::back_inserter(out), "Retry-After: {}\r\n", *seconds);
  // SDKs retry 408, 409, 429 and 5xx by themselves. What cannot get better by trying again says so.
  const int status = error.http_status();
  if (status == 402 || (status == 429 && !error.retry_after_s()) ||
      error.code() == ErrorCode::internal_error || error.code() == ErrorCode::loop_detected)
    out += "x-should-retry: false\r\n";
}

/// The status of a peer's error that clients act on; 0 when the error is told with one of ours.
int kept_status(const RequestContext& context) {
  const int status = context.payload.peer_error_status;
  // 401 and 407 speak of the gateway's credentials: an agent would look for the fault in its own.
  if (status < 400 || status == 401 || status == 407) return 0;
  if (!context.payload.is_rpc_request()) return status;
  switch (status) {
    case 400:  // a server of another version: clients try theirs
    case 405:
      return status;
    case 404:  // the session is over: clients begin another
    case 406:
    case 415:
      return context.route.surface == Surface::mcp ? status : 0;
    default:
      return 0;
  }
}

/// Whether somebody waits for a JSON-RPC message: a request was read, if only as far as its id.
bool awaits_response(const RequestContext& context) {
  if (context.payload.is_rpc_request()) return true;
  if (!context.has_document) return false;
  const json::NodeRef root = context.document.root();
  return protocol::jsonrpc::id_or_null(context.document) != "null" && !root.find("result") &&
         !root.find("error");
}

int status_of(const RequestContext& context, const base::Error& error) {
  const int status = error.http_status();
  if (context.route.dialect != Dialect::jsonrpc) return status;
  if (const int kept = kept_status(context); kept != 0) return kept;
  if (!awaits_response(context)) return status;
  return status == 401 || status == 403 ? status : 200;
}

std::string_view rpc_id_of(const RequestContext& context) {
  if (context.has_document) return protocol::jsonrpc::id_or_null(context.document);
  // The index may have been dropped, not the text.
  const std::string_view id = context.payload.rpc.id_raw;
  return id.empty() ? "null" : id;
}

/// An error that MCP has a number of its own for.
std::string fault_body(const RequestContext& context) {
  std::string body;
  json::Writer out(body);
  out.begin_object().member("jsonrpc", "2.0");
  out.key("id").raw(rpc_id_of(context));
  out.key("error").begin_object();
  out.member("code", static_cast<std::int64_t>(context.payload.fault->number));
  out.member("message", context.payload.fault->message);
  out.end_object().end_object();
  return body;
}

}  // namespace

namespace {

/// As OpenAI writes a span: "1s", "6m0s", "120ms".
std::string span_text(std::chrono::microseconds span) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(span).count();
  if (ms < 1'000) return fmt::format("{}ms", ms);
  const std::int64_t seconds = (ms + 999) / 1'000;
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3'600) return fmt::format("{}m{}s", seconds / 60, seconds % 60);
  return fmt::format("{}h{}m{}s", seconds / 3'600, seconds / 60 % 60, seconds % 60);
}

void append_rate(const RequestContext& context, const domain::budget::RateStatus::One& rate,
                 std::string_view what, std::string& out) {
  if (!rate.is_limited) return;
  const auto to = std::back_inserter(out);
  if (context.route.dialect == Dialect::anthropic) {
    const base::WallTime reset =
        context.services->clock.wall() + std::chrono::ceil<std::chrono::seconds>(rate.reset);
    fmt::format_to(to,
                   "anthropic-ratelimit-{0}-limit: {1}\r\nanthropic-ratelimit-{0}-remaining: "
                   "{2}\r\nanthropic-ratelimit-{0}-reset: {3}\r\n",
                   what, rate.limit, rate.remaining, base::format_rfc3339(reset));
    return;
  }
  fmt::format_to(to,
                 "x-ratelimit-limit-{0}: {1}\r\nx-ratelimit-remaining-{0}: "
                 "{2}\r\nx-ratelimit-reset-{0}: {3}\r\n",
                 what, rate.limit, rate.remaining, span_text(rate.reset));
}

}  // namespace

void append_rate_headers(const RequestContext& context, std::string& header_lines) {
  append_rate(context, context.rates.requests, "requests", header_lines);
  append_rate(context, context.rates.tokens, "tokens", header_lines);
}

void render_error(RequestContext& context, const base::Error& error, int& status,
                  std::string& header_lines, std::string& body) {
  status = status_of(context, error);
  context.services->metrics.refusals(error.code()).inc();
  header_lines = "Content-Type: application/json\r\n";
  fmt::format_to(std::back_inserter(header_lines), "x-request-id: {}\r\n", context.request_id);
  append_retry_headers(error, header_lines);
  append_rate_headers(context, header_lines);
  if (status == 401) header_lines += "WWW-Authenticate: Bearer\r\n";
  if (status == 405)
    fmt::format_to(std::back_inserter(header_lines), "Allow: {}\r\n",
                   context.route.allowed_methods);
  switch (context.route.dialect) {
    case Dialect::jsonrpc:
      if (context.payload.fault) {
        status = context.payload.fault->http_status;
        body = fault_body(context);
        break;
      }
      body = protocol::jsonrpc::error_body(error, rpc_id_of(context), context.request_id,
                                           context.payload.peer_error_status);
      break;
    case Dialect::anthropic:
      fmt::format_to(std::back_inserter(header_lines), "request-id: {}\r\n", context.request_id);
      body = protocol::llm::dialect(DialectKind::anthropic).error_body(error, context.request_id);
      break;
    case Dialect::openai:
      body = protocol::llm::dialect(DialectKind::openai).error_body(error, context.request_id);
      break;
  }
  // Errors repeat what the caller wrote (a model, a tool, a JSON-RPC id), and that may be its key.
  domain::keys::redact_keys(body);
  Answer answer;
  answer.status = status;
  answer.body = &body;
  answer.is_json = true;
  if (context.chain != nullptr) {
    // Our own answers hold no upstream text: a stage cannot refuse them.
    const Verdict ignored = context.chain->on_answer(context, answer);
    static_cast<void>(ignored);
  }
  context.status = status;
  context.response_bytes = body.size();
}

void render_plain_error(const base::Error& error, Dialect dialect, std::string& header_lines,
                        std::string& body) {
  header_lines = "Content-Type: application/json\r\n";
  append_retry_headers(error, header_lines);
  switch (dialect) {
    case Dialect::jsonrpc:
      body = protocol::jsonrpc::error_body(error, {}, {});
      break;
    case Dialect::anthropic:
      body = protocol::llm::dialect(DialectKind::anthropic).error_body(error, {});
      break;
    case Dialect::openai:
      body = protocol::llm::dialect(DialectKind::openai).error_body(error, {});
      break;
  }
}

}  // namespace tollgate::pipeline
