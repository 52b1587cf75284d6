#pragma once

#include "stages/attempt.hpp"
#include "stages/wire.hpp"

/// Answers that do not take the way of a whole JSON body: sent as they come, or made here.
namespace tollgate::stages {

/// The event stream that answers `request`, event by event through the chain.
base::Task<AttemptEnd> relay_stream(Attempt& attempt, pipeline::UpstreamExchange& exchange,
                                    const AttemptRequest& request);

/// Audio, images, files: bytes nobody reads, passed on as they come.
base::Task<AttemptEnd> pass_binary(Attempt& attempt, pipeline::UpstreamExchange& exchange);

/// Answers for an error of the upstream's whose body broke off or was over a limit: half of it
/// would be taken for all. A peer's status stays what it is, since clients act on it; of a
/// provider's its class does.
base::Task<AttemptEnd> answer_for_unread_error(pipeline::RequestContext& context, int status,
                                               pipeline::TransportFailure failure);

/// Answers with context.refusal in the caller's words.
base::Task<AttemptEnd> answer_refusal(pipeline::RequestContext& context);

}  // namespace tollgate::stages
