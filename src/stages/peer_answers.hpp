#pragma once

#include "tollgate/pipeline/context.hpp"
#include "tollgate/pipeline/stream_event.hpp"

/// What an MCP server's or A2A agent's answer needs before anyone reads it: tools outside the key's
/// list taken out, agent cards pointed at the gateway, task ids noted for the record.
namespace tollgate::stages {

/// Errors: upstream_invalid for a card that offers nothing the gateway can speak.
[[nodiscard]] pipeline::Verdict rewrite_peer_answer(pipeline::RequestContext& context,
                                                    pipeline::Answer& answer,
                                                    json::Document& scratch);
void rewrite_peer_event(pipeline::RequestContext& context, pipeline::StreamEvent& event);

}  // namespace tollgate::stages
