#pragma once

#include "tollgate/pipeline/context.hpp"
#include "tollgate/pipeline/stream_event.hpp"

/// What an MCP server's or A2A agent's answer needs before anyone reads it: tools outside the key's
/// list taken out, agent cards pointed at the gateway, task ids noted for the record.
///
/// Every answer and event is read as JSON, whatever its content type, status or the request it came
/// for; what cannot be read is not passed on, since clients may read what the gateway could not.
namespace tollgate::stages {

/// @param scratch  may be the document that `answer.document` points to; holds the parse afterwards
/// Errors: upstream_invalid for a body that is not one JSON object, for none where a GET is due
/// one, and for a card that offers nothing the gateway can speak. Of an answer with an error
/// status, the error that tells it, also when the body is empty or, to a request, no JSON-RPC.
[[nodiscard]] pipeline::Verdict rewrite_peer_answer(pipeline::RequestContext& context,
                                                    pipeline::Answer& answer,
                                                    json::Document& scratch);
/// What is told of an error status whose body is not: upstream_rate_limited or upstream_failed.
[[nodiscard]] base::Error peer_error(const pipeline::RequestContext& context, int status);
/// Of an empty success where a response is due.
[[nodiscard]] base::Error no_response(const pipeline::RequestContext& context);
/// rewrite_peer_answer for one event of a stream; what cannot be read ends the stream
/// (`event.end_with`).
void rewrite_peer_event(pipeline::RequestContext& context, pipeline::StreamEvent& event);

}  // namespace tollgate::stages
