#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tollgate/protocol/llm/types.hpp"

/// The pieces of the Anthropic dialect, one file each; dialect.cpp joins them.
namespace tollgate::protocol::anthropic {

[[nodiscard]] base::Result<void> scan_request(llm::RequestKind kind, const json::Document& body,
                                              llm::GovernedFields& out);
void request_texts(const llm::GovernedFields& fields, std::vector<llm::TextSpan>& out);

/// Brings `usage` up to date from a `usage` object.
void read_usage(json::NodeRef node, llm::Usage& usage);
[[nodiscard]] llm::ResponseFacts read_response(const json::Document& body);
void response_texts(const json::Document& body, std::vector<llm::TextSpan>& out);

/// Reads the data of a stream event whose `type` is `type`.
void read_stream_event(json::NodeRef root, std::string_view type, llm::Usage& usage,
                       llm::StreamEvent& out);
void append_delta_like(std::string& out, std::string_view earlier_raw, llm::Channel channel,
                       std::string_view text, json::Document& scratch);

}  // namespace tollgate::protocol::anthropic
