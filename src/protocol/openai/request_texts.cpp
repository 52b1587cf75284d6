#include "protocol/llm/key_map.hpp"
#include "protocol/llm/text_walk.hpp"
#include "protocol/openai/parts.hpp"

namespace tollgate::protocol::openai {
namespace {

using llm::TextRole;
using llm::TextWalk;

constexpr llm::NamedField<MessagePart> kPartNames[] = {
    {"content", MessagePart::content},
    {"tool_calls", MessagePart::tool_calls},
    {"function_call", MessagePart::tool_calls},
    {"reasoning_content", MessagePart::reasoning},
    {"reasoning", MessagePart::reasoning},
    {"reasoning_details", MessagePart::reasoning_details},
    {"refusal", MessagePart::refusal},
    {"audio", MessagePart::audio},
};
constexpr llm::KeyMap kParts(kPartNames);

TextRole role_of(json::NodeRef message) {
  const std::string_view role = message.find("role").text();
  if (role == "system" || role == "developer") return TextRole::system;
  if (role == "assistant") return TextRole::assistant;
  if (role == "tool" || role == "function") return TextRole::tool_result;
  if (role == "user") return TextRole::user;
  // Items of the responses API.
  const std::string_view type = message.find("type").text();
  if (type.ends_with("_call_output")) return TextRole::tool_result;
  if (type == "reasoning") return TextRole::reasoning;
  return role.empty() && type.ends_with("_call") ? TextRole::tool_arguments : TextRole::user;
}

void message_texts(json::NodeRef message, TextWalk& walk) {
  if (!message.is_object()) {
    walk.structured(message, TextRole::user);
    return;
  }
  const TextRole role = role_of(message);
  for (const json::NodeRef member : message.children()) {
    switch (message_part(member)) {
      case MessagePart::tool_calls:
        walk.structured(member, TextRole::tool_arguments);
        break;
      case MessagePart::reasoning:
        walk.structured(member, TextRole::reasoning);
        break;
      case MessagePart::refusal:
        walk.structured(member, TextRole::refusal);
        break;
      case MessagePart::other:
        walk.key(member, role);
        [[fallthrough]];
      case MessagePart::reasoning_details:
      case MessagePart::audio:
        if (llm::is_opaque(member)) break;
        [[fallthrough]];
      case MessagePart::content:
        // A message's content is text even if it looks like a tag: only other members are judged.
        walk.structured(member, role);
        break;
    }
  }
}

void list_texts(json::NodeRef list, TextWalk& walk) {
  if (!list.is_array()) {
    walk.structured(list, TextRole::user);
    return;
  }
  for (const json::NodeRef message : list.children()) message_texts(message, walk);
}

}  // namespace

MessagePart message_part(json::NodeRef member) {
  return kParts.of(member);
}

void request_texts(const llm::GovernedFields& fields, std::vector<llm::TextSpan>& out) {
  TextWalk walk(out);
  if (!fields.root.is_object()) {
    walk.structured(fields.root, TextRole::other);
    return;
  }
  for (const json::NodeRef member : fields.root.children()) {
    switch (request_field(member)) {
      case RequestField::messages:
      case RequestField::input:
        list_texts(member, walk);
        break;
      case RequestField::prompt:
        walk.structured(member, TextRole::user);
        break;
      case RequestField::instructions:
        walk.structured(member, TextRole::system);
        break;
      case RequestField::prediction:
        walk.structured(member, TextRole::assistant);
        break;
      case RequestField::tools:
      case RequestField::functions:
      case RequestField::tool_format:
        walk.definition(member);
        break;
      case RequestField::metadata:
        walk.free_form(member, TextRole::other);
        break;
      case RequestField::unknown:
        walk.key(member, TextRole::other);
        [[fallthrough]];
      case RequestField::known:
      case RequestField::hosted_search:
      case RequestField::fallback_models:
      case RequestField::stream:
      case RequestField::stream_options:
      case RequestField::max_tokens:
      case RequestField::max_completion_tokens:
      case RequestField::max_output_tokens:
      case RequestField::n:
      case RequestField::best_of:
      case RequestField::user:
      case RequestField::safety_identifier:
      case RequestField::service_tier:
      case RequestField::audio:
      case RequestField::modalities:
      case RequestField::stored_context:
        if (!llm::is_opaque(member)) walk.structured(member, TextRole::other);
        break;
      case RequestField::model:
        break;  // one of the aliases, or the call is refused
    }
  }
}

}  // namespace tollgate::protocol::openai
