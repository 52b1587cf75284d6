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
/// Errors: upstream_invalid for a body that is not one JSON object, and for a card that offers
/// nothing the gateway can speak. An error status of the upstream is kept (Payload::fault).
[[nodiscard]] pipeline::Verdict rewrite_peer_answer(pipeline::RequestContext& context,
                                                    pipeline::Answer& answer,
                                                    json::Document& scratch);
/// The same for one event of a stream; what cannot be read ends the stream (`event.end_with`).
void rewrite_peer_event(pipeline::RequestContext& context, pipeline::StreamEvent& event);

}  // namespace tollgate::stages
