#include "tollgate/protocol/llm/types.hpp"

namespace tollgate::protocol::llm {

void GovernedFields::reset() {
  auto kept = std::move(tools);
  kept.clear();
  *this = GovernedFields{};
  tools = std::move(kept);
}

void StreamEvent::reset() {
  auto kept_pieces = std::move(pieces);
  auto kept_ended = std::move(ended);
  kept_pieces.clear();
  kept_ended.clear();
  *this = StreamEvent{};
  pieces = std::move(kept_pieces);
  ended = std::move(kept_ended);
}

std::string_view to_string(TextRole role) noexcept {
  switch (role) {
    case TextRole::system:
      return "system";
    case TextRole::user:
      return "user";
    case TextRole::assistant:
      return "assistant";
    case TextRole::tool_result:
      return "tool_result";
    case TextRole::tool_arguments:
      return "tool_arguments";
    case TextRole::tool_definition:
      return "tool_definition";
    case TextRole::reasoning:
      return "reasoning";
    case TextRole::refusal:
      return "refusal";
    case TextRole::tag:
      return "tag";
    case TextRole::other:
      return "other";
  }
  return "other";
}

}  // namespace tollgate::protocol::llm
