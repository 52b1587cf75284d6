#include "tollgate/protocol/llm/types.hpp"

namespace tollgate::protocol::llm {

void GovernedFields::reset() {
  auto kept = std::move(tools);
  kept.clear();
  *this = GovernedFields{};
  tools = std::move(kept);
}

// Member by member: it runs for each event, and moving the vectors out and in costs more than this.
void StreamEvent::reset() {
  kind = EventClass::other;
  has_content = is_json = repeats = false;
  pieces.clear();
  ended.clear();
  ends_all = has_usage = false;
  finish_reason = model = {};
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
    case TextRole::other:
      return "other";
  }
  return "other";
}

}  // namespace tollgate::protocol::llm
