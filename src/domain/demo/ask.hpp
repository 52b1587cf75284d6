#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/domain/demo/script.hpp"

namespace tollgate::domain::demo {

enum class Endpoint : std::uint8_t {
  chat,          ///< OpenAI /chat/completions
  embeddings,    ///< OpenAI /embeddings
  models,        ///< GET /models
  messages,      ///< Anthropic /messages
  count_tokens,  ///< Anthropic /messages/count_tokens
  unknown,
};
/// @param path_and_query  with or without the leading "/v1" or "/anthropic/v1".
[[nodiscard]] Endpoint endpoint_of(std::string_view path_and_query) noexcept;
[[nodiscard]] constexpr bool is_anthropic(Endpoint endpoint) noexcept {
  return endpoint == Endpoint::messages || endpoint == Endpoint::count_tokens;
}

/// A tool the agent offers, and what the model passes to it.
struct OfferedTool {
  std::string name;
  std::string arguments;  ///< a JSON object that has every property of the schema
};

/// What the model reads in a request body.
struct Ask {
  std::string error;  ///< what is wrong with the body; empty when nothing is
  std::string error_param;
  std::string model;        ///< as the body names it
  std::string last_text;    ///< of the last user message, or of the last tool result
  bool after_tool = false;  ///< the last message is a tool's result
  bool stream = false;
  bool include_usage = false;
  std::int64_t output_cap = 0;  ///< tokens; 0 = none
  std::int64_t choices = 1;
  std::vector<OfferedTool> tools;
  std::vector<std::string> inputs;  ///< of embeddings, raw JSON each
  std::int64_t dimensions = 16;
  bool base64 = false;
};
[[nodiscard]] Ask read_ask(Endpoint endpoint, std::string_view body);

}  // namespace tollgate::domain::demo
