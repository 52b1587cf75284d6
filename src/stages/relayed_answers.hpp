#pragma once

#include <string>

#include "stages/attempt.hpp"
#include "stages/wire.hpp"

/// Answers that do not take the way of a whole JSON body: sent as they come, or made here.
namespace tollgate::stages {

/// An error that a model's stream began with, where it names a status: no stream was begun, and the
/// caller deals with it as with the same words in an answer of that status.
struct FirstError {
  int status = 0;    ///< 0: there was none
  std::string body;  ///< JSON, in the provider's words
};

/// The event stream that answers `request`, event by event through the chain.
/// @param first  when it is set afterwards, the result means nothing and the attempt has not ended.
base::Task<AttemptEnd> relay_stream(Attempt& attempt, pipeline::UpstreamExchange& exchange,
                                    const AttemptRequest& request, FirstError& first);

/// Audio, images, files: bytes nobody reads, passed on as they come.
base::Task<AttemptEnd> pass_binary(Attempt& attempt, pipeline::UpstreamExchange& exchange);

/// Answers for an error of the upstream's whose body broke off or was over a limit: half of it
/// would be taken for all. A peer's status stays what it is, since clients act on it; of a
/// provider's its class does.
base::Task<AttemptEnd> answer_for_unread_error(pipeline::RequestContext& context, int status,
                                               pipeline::TransportFailure failure);

/// For a status that is about credentials of the gateway's: told as it is, it would send the agent
/// looking for the fault in its own key, or its HTTP library in its own proxy.
[[nodiscard]] base::Error credential_error(const pipeline::RequestContext& context, int status);

/// Answers with context.refusal in the caller's words.
base::Task<AttemptEnd> answer_refusal(pipeline::RequestContext& context);

}  // namespace tollgate::stages
