#include <string_view>

#include "protocol/anthropic/parts.hpp"
#include "protocol/llm/text_walk.hpp"

namespace tollgate::protocol::anthropic {
namespace {

using llm::TextRole;
using llm::TextWalk;

void block_texts(json::NodeRef block, TextRole role, TextWalk& walk);

void content_texts(json::NodeRef content, TextRole role, TextWalk& walk) {
  if (!content.is_array()) {
    if (content.is_object()) {
      block_texts(content, role, walk);
    } else {
      walk.add(content, role);
    }
    return;
  }
  for (const json::NodeRef block : content.children()) block_texts(block, role, walk);
}

/// Input of a tool: an object the model wrote, in which everything is text.
void tool_use_texts(json::NodeRef block, TextWalk& walk) {
  for (const json::NodeRef member : block.children()) {
    walk.key(member, TextRole::tool_arguments);
    if (member.key_is("input")) {
      walk.free_form(member, TextRole::tool_arguments);
    } else if (!llm::is_opaque(member)) {
      walk.structured(member, TextRole::tool_arguments);
    }
  }
}

void block_texts(json::NodeRef block, TextRole role, TextWalk& walk) {
  if (!block.is_object()) {
    walk.structured(block, role);
    return;
  }
  const std::string_view type = block.find("type").text();
  if (type == "thinking" || type == "redacted_thinking") {
    // The signature covers the text: changed, the provider refuses it on the next turn.
    walk.structured(block, TextRole::reasoning, true);
    return;
  }
  if (type.ends_with("tool_use")) {
    tool_use_texts(block, walk);
    return;
  }
  const TextRole inner = type.ends_with("tool_result") ? TextRole::tool_result : role;
  for (const json::NodeRef member : block.children()) {
    walk.key(member, inner);
    if (member.key_is("content")) {
      content_texts(member, inner, walk);
    } else if (member.key_is("text")) {
      walk.structured(member, inner);
    } else if (!llm::is_opaque(member)) {
      walk.structured(member, inner);
    }
  }
}

void message_texts(json::NodeRef message, TextWalk& walk) {
  const TextRole role =
      message.find("role").text_is("assistant") ? TextRole::assistant : TextRole::user;
  if (!message.is_object()) {
    walk.structured(message, role);
    return;
  }
  for (const json::NodeRef member : message.children()) {
    walk.key(member, role);
    if (member.key_is("content")) {
      content_texts(member, role, walk);
    } else if (!llm::is_opaque(member)) {
      walk.structured(member, role);
    }
  }
}

}  // namespace

void request_texts(const llm::GovernedFields& fields, std::vector<llm::TextSpan>& out) {
  TextWalk walk(out);
  if (!fields.root.is_object()) {
    walk.structured(fields.root, TextRole::other);
    return;
  }
  for (const json::NodeRef member : fields.root.children()) {
    walk.key(member, TextRole::other);
    if (member.key_is("model")) continue;  // one of the aliases, or the call is refused
    if (member.key_is("messages") && member.is_array()) {
      for (const json::NodeRef message : member.children()) message_texts(message, walk);
    } else if (member.key_is("system")) {
      content_texts(member, TextRole::system, walk);
    } else if (member.key_is("tools") || member.key_is("output_config")) {
      walk.definition(member);
    } else if (member.key_is("metadata")) {
      walk.free_form(member, TextRole::other);
    } else if (!llm::is_opaque(member)) {
      walk.structured(member, TextRole::other);
    }
  }
}

void response_texts(const json::Document& body, std::vector<llm::TextSpan>& out) {
  TextWalk walk(out);
  const json::NodeRef root = body.root();
  if (!root.is_object()) {
    walk.structured(root, TextRole::other);
    return;
  }
  for (const json::NodeRef member : root.children()) {
    walk.key(member, TextRole::other);
    if (llm::is_opaque(member)) continue;
    if (member.key_is("content")) {
      content_texts(member, TextRole::assistant, walk);
    } else {
      walk.structured(member, TextRole::other);
    }
  }
}

}  // namespace tollgate::protocol::anthropic
