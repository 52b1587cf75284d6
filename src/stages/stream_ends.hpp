#pragma once

#include <string_view>

#include "tollgate/base/error.hpp"
#include "tollgate/json/document.hpp"
#include "tollgate/pipeline/exchange.hpp"

/// What the end of a stream is known by.
namespace tollgate::stages {

/// Whether a stream that stops behind these bytes, an event without its blank line, has lost
/// something. Comments are nothing.
[[nodiscard]] bool is_cut_event(std::string_view rest) noexcept;

/// `[DONE]` or a whole `message_stop` without the blank line behind it, as some hosts end: nothing
/// is missing.
[[nodiscard]] bool is_open_mark(std::string_view rest);

/// Whether a JSON-RPC message answers the request with the id `asked`. Some servers send a number
/// back as a string, and clients take it; of no id is the error of one that could not read the
/// request.
[[nodiscard]] bool answers(json::NodeRef message, json::NodeRef asked);

/// What the agent is told of a stream that broke after something of it was sent.
[[nodiscard]] base::Error error_of_break(pipeline::TransportFailure failure);

}  // namespace tollgate::stages
