#include "protocol/llm/field_reader.hpp"
#include "protocol/llm/piece_walk.hpp"
#include "protocol/llm/text_walk.hpp"
#include "protocol/openai/parts.hpp"

namespace tollgate::protocol::openai {
namespace {

using llm::Channel;
using llm::ChannelKind;
using llm::EventClass;
using llm::PieceWalk;
using llm::StreamEvent;

std::uint32_t index_of(json::NodeRef node, std::uint32_t otherwise) {
  const auto value = node.as_int64();
  return value && *value >= 0 && *value < llm::kWholeText ? static_cast<std::uint32_t>(*value)
                                                          : otherwise;
}

/// A function call or a custom tool's: the name comes whole, the rest in pieces.
void read_called(json::NodeRef called, Channel channel, PieceWalk& walk) {
  if (!called.is_object()) {
    walk.whole(called);
    return;
  }
  for (const json::NodeRef part : called.children()) {
    if (part.is_string() && (part.key_is("arguments") || part.key_is("input"))) {
      walk.add_free(part, channel);
      continue;
    }
    walk.out.has_content = walk.out.has_content || (part.key_is("name") && part.is_string());
    walk.whole(part);
  }
}

void read_tool_calls(json::NodeRef calls, std::uint32_t choice, PieceWalk& walk) {
  if (!calls.is_array()) {
    walk.whole(calls);
    return;
  }
  std::uint32_t position = 0;
  for (const json::NodeRef call : calls.children()) {
    if (!call.is_object()) {
      walk.whole(call);
      continue;
    }
    const Channel channel{choice, ChannelKind::tool_arguments,
                          index_of(call.find("index"), position++)};
    for (const json::NodeRef member : call.children()) {
      if (member.key_is("function") || member.key_is("custom")) {
        read_called(member, channel, walk);
      } else {
        walk.whole(member);
      }
    }
  }
}

/// OpenRouter's `reasoning_details`: pieces of text by their own index.
void read_reasoning_details(json::NodeRef details, std::uint32_t choice, PieceWalk& walk) {
  std::uint32_t position = 0;
  for (const json::NodeRef detail : details.children()) {
    const std::uint32_t index = index_of(detail.find("index"), position++);
    if (!detail.is_object()) {
      walk.whole(detail);
      continue;
    }
    const bool is_binary = llm::holds_binary(detail);
    for (const json::NodeRef part : detail.children()) {
      if (part.is_string() && part.key_is("text")) {
        walk.add_free(part, {choice, ChannelKind::reasoning, 2 * index + 1});
      } else if (part.is_string() && part.key_is("summary")) {
        walk.add_free(part, {choice, ChannelKind::reasoning, 2 * index + 2});
      } else if (!llm::is_opaque(part) && !(is_binary && llm::is_binary_data(part))) {
        walk.whole(part);
      }
    }
  }
}

/// Strings of a delta that are there once, not in pieces.
bool is_whole_member(json::NodeRef member) {
  return member.key_is("id") || member.key_is("type") || member.key_is("name") ||
         member.key_is("status") || member.key_is("tool_call_id");
}

/// A text of `kind`, or the same as a list of parts (Mistral, and thinking in it): its strings,
/// joined, are one text, like the plain strings that other events of the stream may bring.
void read_text(json::NodeRef value, Channel channel, PieceWalk& walk) {
  if (value.is_string()) {
    walk.add_free(value, channel);
    return;
  }
  const bool is_binary = value.is_object() && llm::holds_binary(value);
  for (const json::NodeRef part : value.children()) {
    if (value.is_array() || part.key_is("text") || part.key_is("content")) {
      read_text(part, channel, walk);
    } else if (part.key_is("thinking") || part.key_is("reasoning") || part.key_is("summary")) {
      read_text(part, {channel.index, ChannelKind::reasoning, kThinking}, walk);
    } else if (part.key_is("refusal")) {
      read_text(part, {channel.index, ChannelKind::refusal, 0}, walk);
    } else if (!llm::is_opaque(part) && !(is_binary && llm::is_binary_data(part))) {
      walk.whole(part);
    }
  }
}

void read_delta_member(json::NodeRef member, std::uint32_t choice, PieceWalk& walk) {
  if (member.key_is("content")) {
    read_text(member, {choice, ChannelKind::text, 0}, walk);
  } else if (member.key_is("role")) {
    walk.whole(member);
  } else if (member.key_is("tool_calls")) {
    read_tool_calls(member, choice, walk);
  } else if (member.key_is("function_call")) {
    read_called(member, {choice, ChannelKind::tool_arguments, kFunctionCall}, walk);
  } else if (member.key_is("reasoning_content")) {
    read_text(member, {choice, ChannelKind::reasoning, 0}, walk);
  } else if (member.key_is("reasoning")) {
    read_text(member, {choice, ChannelKind::reasoning, kReasoning}, walk);
  } else if (member.key_is("reasoning_details") && member.is_array()) {
    read_reasoning_details(member, choice, walk);
  } else if (member.key_is("refusal")) {
    read_text(member, {choice, ChannelKind::refusal, 0}, walk);
  } else if (member.key_is("audio") && member.is_object()) {
    for (const json::NodeRef part : member.children()) {
      if (part.is_string() && part.key_is("transcript")) {
        walk.add(part, {choice, ChannelKind::other, llm::place_of("transcript")});
      } else if (part.key_is("data") && llm::is_binary_data(part)) {
        walk.out.has_content = true;
      } else {
        walk.whole(part);
      }
    }
  } else if (is_whole_member(member)) {
    walk.whole(member);
  } else if (llm::is_opaque(member)) {
    // Encrypted reasoning and the like.
  } else if (member.is_string()) {
    // A field not known here: taken for a text that continues from chunk to chunk.
    walk.add(member, {choice, ChannelKind::other, llm::place_of(member.key())});
  } else {
    walk.whole(member);
  }
}

void read_choice(json::NodeRef choice, std::uint32_t position, PieceWalk& walk) {
  const std::uint32_t index = index_of(choice.find("index"), position);
  for (const json::NodeRef member : choice.children()) {
    if (member.key_is("delta") && member.is_object()) {
      for (const json::NodeRef part : member.children()) read_delta_member(part, index, walk);
    } else if (member.key_is("text") && member.is_string()) {  // legacy completions
      walk.add_free(member, {index, ChannelKind::text, kLegacyText});
    } else if (member.key_is("finish_reason")) {
      walk.whole(member);
      // Some hosts send an empty one with every chunk.
      if (!member.is_string() || member.raw().size() <= 2) continue;
      walk.out.ended.push_back(index);
      if (walk.out.finish_reason.empty()) walk.out.finish_reason = member.text();
    } else if (!member.key_is("logprobs")) {  // repeats the text: see blank_shadow_text
      walk.whole(member);
    }
  }
}

}  // namespace

void read_chunk(json::NodeRef root, llm::Usage& usage, StreamEvent& out) {
  PieceWalk walk(out);
  json::NodeRef choices, counts;
  std::uint32_t position = 0;
  bool is_error = false;
  for (const json::NodeRef member : root.children()) {
    if (member.key_is("choices")) {
      choices = member;
      if (!choices.is_array()) walk.whole(choices);
      for (const json::NodeRef choice : choices.children()) {
        if (choice.is_object()) {
          read_choice(choice, position++, walk);
        } else {
          walk.whole(choice);
        }
      }
      continue;
    }
    if (member.key_is("usage")) {
      counts = member;
    } else if (member.key_is("model")) {
      out.model = member.text();
    } else if (member.key_is("service_tier")) {
      if (member.is_string()) usage.service_tier = member.text();
    } else if (member.key_is("error")) {
      is_error = is_error || !member.is_null();
    } else {
      walk.whole_free(member);  // ids, padding against guesses from sizes, citations
      continue;
    }
    if (!llm::is_opaque(member)) walk.whole(member);  // messages of errors
  }
  if (root.is_string()) walk.whole(root);
  if (counts.is_object()) {
    read_usage(counts, usage);
    out.has_usage = true;
  }
  if (is_error) {
    out.kind = EventClass::error;
    out.ends_all = true;
    return;
  }
  if (choices.size() == 0) {
    // All choices have ended when their usage comes.
    out.ends_all = out.has_usage;
    out.kind = out.has_usage ? EventClass::usage_only : EventClass::other;
  } else if (!out.finish_reason.empty()) {
    out.kind = EventClass::finish;
  } else if (out.has_content) {
    out.kind = EventClass::content;
  } else {
    out.kind = choices.at(0).find("delta").find("role") ? EventClass::start : EventClass::other;
  }
}

}  // namespace tollgate::protocol::openai
