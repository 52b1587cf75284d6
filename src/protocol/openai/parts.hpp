#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/protocol/llm/types.hpp"

/// The pieces of the OpenAI dialect, one file each; dialect.cpp joins them.
namespace tollgate::protocol::openai {

/// Top-level request fields that mean something here.
enum class RequestField : std::uint8_t {
  unknown,  ///< read by guardrails, forwarded
  known,    ///< a parameter without text, forwarded
  model,
  fallback_models,
  stream,
  stream_options,
  max_tokens,
  max_completion_tokens,
  max_output_tokens,
  n,
  best_of,
  user,
  safety_identifier,
  service_tier,
  tools,
  functions,
  tool_format,  ///< response_format, text
  messages,
  input,
  instructions,
  prompt,
  prediction,
  hosted_search,  ///< web_search_options, plugins, search_parameters, data_sources ...
  audio,
  modalities,
  metadata,
  stored_context,  ///< previous_response_id, conversation
};
[[nodiscard]] RequestField request_field(json::NodeRef member);

/// Members of a message, asked or answered.
enum class MessagePart : std::uint8_t {
  other,
  content,
  tool_calls,  ///< also the legacy function_call
  reasoning,   ///< reasoning, reasoning_content
  reasoning_details,
  refusal,
  audio,
};
[[nodiscard]] MessagePart message_part(json::NodeRef member);

[[nodiscard]] base::Result<void> scan_request(llm::RequestKind kind, const json::Document& body,
                                              llm::GovernedFields& out);
void request_texts(const llm::GovernedFields& fields, std::vector<llm::TextSpan>& out);

/// Brings `usage` up to date from a `usage` object of chat completions, embeddings or responses.
void read_usage(json::NodeRef node, llm::Usage& usage);
[[nodiscard]] llm::ResponseFacts read_response(const json::Document& body);
void response_texts(const json::Document& body, std::vector<llm::TextSpan>& out);

/// `sub` of the text channel for a legacy `function_call`, apart from every tool index.
inline constexpr std::uint32_t kFunctionCall = 0xFFFFFFFF;

/// `sub` of a text or reasoning channel by the member that carries it; 0: `content`,
/// `reasoning_content`. Some hosts send the same text under two names: each is a text of its own.
inline constexpr std::uint32_t kLegacyText = 0xFFFFFFFF;  ///< `text` of a completion
inline constexpr std::uint32_t kReasoning = 0xFFFFFFFE;   ///< `reasoning`
inline constexpr std::uint32_t kThinking = 0xFFFFFFFD;    ///< parts of `content`

/// Reads the data of a chat completion chunk (or a legacy completion chunk), already parsed.
void read_chunk(json::NodeRef root, llm::Usage& usage, llm::StreamEvent& out);
/// Reads an event of the responses API, whose `type` is `type`.
void read_response_event(json::NodeRef root, std::string_view type, llm::Usage& usage,
                         llm::StreamEvent& out);
void append_delta_like(std::string& out, std::string_view earlier_raw, llm::Channel channel,
                       std::string_view text, json::Document& scratch);

}  // namespace tollgate::protocol::openai
