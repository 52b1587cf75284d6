#pragma once

#include <string>

#include "tollgate/base/error.hpp"
#include "tollgate/pipeline/route.hpp"

namespace tollgate::pipeline {

class RequestContext;

/// Renders an error in the caller's dialect: status, header lines and body. JSON-RPC callers get
/// HTTP 200 with an error object once their request was understood (their SDKs take another status
/// for a broken transport); 401 and 403 always speak HTTP, and so does what has no id. Of an MCP
/// server's or agent's own error statuses those stay that clients act on. Passes the answer through
/// the chain's response hooks, and sets context.status.
void render_error(RequestContext& context, const base::Error& error, int& status,
                  std::string& header_lines, std::string& body);

/// Adds what the caller's own rate limits still allow, in its dialect's words: `x-ratelimit-*` or
/// `anthropic-ratelimit-*`. Nothing without such limits.
void append_rate_headers(const RequestContext& context, std::string& header_lines);

/// For a request too broken to have a caller: no id, no record, and HTTP's status in each dialect.
void render_plain_error(const base::Error& error, Dialect dialect, std::string& header_lines,
                        std::string& body);

}  // namespace tollgate::pipeline
