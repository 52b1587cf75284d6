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

void read_tool_calls(json::NodeRef calls, std::uint32_t choice, PieceWalk& walk) {
  std::uint32_t position = 0;
  for (const json::NodeRef call : calls.children()) {
    const Channel channel{choice, ChannelKind::tool_arguments,
                          index_of(call.find("index"), position++)};
    for (const json::NodeRef member : call.children()) {
      if (member.key_is("function") || member.key_is("custom")) {
        // The name comes whole and is one the agent offered.
        walk.add(member.find("arguments"), channel);
        walk.add(member.find("input"), channel);
        if (member.find("name").is_string()) walk.out.has_content = true;
      } else if (!llm::is_structural(member)) {
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
    walk.add(detail.find("text"), {choice, ChannelKind::reasoning, 2 * index + 1});
    walk.add(detail.find("summary"), {choice, ChannelKind::reasoning, 2 * index + 2});
  }
}

void read_delta_member(json::NodeRef member, std::uint32_t choice, PieceWalk& walk) {
  if (member.key_is("content")) {
    if (member.is_string()) {
      walk.add(member, {choice, ChannelKind::text, 0});
    } else {
      walk.whole(member);
    }
  } else if (member.key_is("role")) {
    // Whoever speaks, it is no text.
  } else if (member.key_is("tool_calls")) {
    read_tool_calls(member, choice, walk);
  } else if (member.key_is("function_call")) {
    walk.add(member.find("arguments"), {choice, ChannelKind::tool_arguments, kFunctionCall});
    if (member.find("name").is_string()) walk.out.has_content = true;
  } else if (member.key_is("reasoning_content") || member.key_is("reasoning")) {
    if (member.is_string()) {
      walk.add(member, {choice, ChannelKind::reasoning, 0});
    } else {
      walk.whole(member);
    }
  } else if (member.key_is("reasoning_details")) {
    read_reasoning_details(member, choice, walk);
  } else if (member.key_is("refusal")) {
    walk.add(member, {choice, ChannelKind::refusal, 0});
  } else if (member.key_is("audio")) {
    walk.add(member.find("transcript"), {choice, ChannelKind::other, llm::place_of("transcript")});
    if (member.find("data").is_string()) walk.out.has_content = true;
  } else if (llm::is_structural(member)) {
    // Ids and tags.
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
    if (member.key_is("delta")) {
      for (const json::NodeRef part : member.children()) read_delta_member(part, index, walk);
    } else if (member.key_is("text")) {  // legacy completions
      walk.add(member, {index, ChannelKind::text, 0});
    } else if (member.key_is("finish_reason")) {
      if (!member.is_string()) continue;
      walk.out.ended.push_back(index);
      if (walk.out.finish_reason.empty()) walk.out.finish_reason = member.text();
    } else if (!member.key_is("logprobs") && !llm::is_structural(member)) {
      walk.whole(member);
    }
  }
}

}  // namespace

void read_chunk(json::NodeRef root, llm::Usage& usage, StreamEvent& out) {
  PieceWalk walk(out);
  json::NodeRef choices, counts;
  for (const json::NodeRef member : root.children()) {
    if (member.key_is("choices")) {
      choices = member;
    } else if (member.key_is("usage")) {
      counts = member;
    } else if (member.key_is("model")) {
      out.model = member.text();
    } else if (member.key_is("service_tier")) {
      if (member.is_string()) usage.service_tier = member.text();
    } else if (member.key_is("error") && !member.is_null()) {
      out.kind = EventClass::error;
    }
  }
  if (counts.is_object()) {
    read_usage(counts, usage);
    out.has_usage = true;
  }
  if (out.kind == EventClass::error) {
    out.ends_all = true;
    return;
  }
  std::uint32_t position = 0;
  for (const json::NodeRef choice : choices.children()) read_choice(choice, position++, walk);
  walk.close();
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
