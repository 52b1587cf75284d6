#include "protocol/llm/field_reader.hpp"
#include "protocol/llm/piece_walk.hpp"
#include "protocol/llm/text_walk.hpp"
#include "protocol/openai/parts.hpp"

namespace tollgate::protocol::openai {
namespace {

using llm::ChannelKind;
using llm::EventClass;

std::uint32_t number_of(json::NodeRef node) {
  const auto value = node.as_int64();
  return value && *value >= 0 && *value < llm::kWholeText ? static_cast<std::uint32_t>(*value) : 0;
}

ChannelKind kind_of(std::string_view type) {
  if (type.starts_with("response.output_text.")) return ChannelKind::text;
  if (type.starts_with("response.reasoning")) return ChannelKind::reasoning;
  if (type.starts_with("response.refusal.")) return ChannelKind::refusal;
  if (type.find("arguments.") != type.npos || type.find("_input.") != type.npos ||
      type.find("_code.") != type.npos) {
    return ChannelKind::tool_arguments;
  }
  return ChannelKind::other;
}

/// Deltas that are pieces of an encoding, each decoded by itself: nothing may move between them.
bool is_encoded(std::string_view type) {
  return type.ends_with("audio.delta") || type.ends_with("partial_image");
}

/// The text that a delta continues: by its kind, and where in the answer it stands.
llm::Channel channel_of(json::NodeRef root, std::string_view type, std::string_view key) {
  // FNV-1a over what tells one text from another beside the output's index. Parts of one output
  // have small numbers; events of other APIs go by their ids.
  std::uint32_t place = llm::place_of(type);
  const auto mix = [&place](std::string_view text) {
    for (const char c : text) place = (place ^ static_cast<unsigned char>(c)) * 16777619u;
    place = (place ^ 0xFFu) * 16777619u;
  };
  mix(key);
  for (const std::string_view part : {"item_id", "content_index", "summary_index", "index"})
    mix(root.find(part).raw());
  return {number_of(root.find("output_index")), kind_of(type), place};
}

}  // namespace

// Streaming events of the responses API, OpenAI API reference, read 2026-11.
void read_response_event(json::NodeRef root, std::string_view type, llm::Usage& usage,
                         llm::StreamEvent& out) {
  llm::PieceWalk walk(out);
  const json::NodeRef response = root.find("response");
  out.model = response.find("model").text();
  if (const json::NodeRef counts = response.find("usage"); counts.is_object()) {
    read_usage(counts, usage);
    out.has_usage = true;
  }
  // "auto" while it is not decided, what it was served as in the end.
  if (const std::string_view tier = response.find("service_tier").text(); !tier.empty())
    usage.service_tier = tier;
  const bool is_delta = type.ends_with("delta") && !is_encoded(type);
  for (const json::NodeRef member : root.children()) {
    if (is_delta && member.is_string() && member.key_is("delta")) {
      walk.add(member, channel_of(root, type, {}));
    } else if (is_delta && member.is_object() && member.key_is("delta")) {
      for (const json::NodeRef part : member.children()) {
        if (part.is_string() && !part.key_is("type")) {
          walk.add(part, channel_of(root, type, part.key_raw()));
        } else {
          walk.whole(part);
        }
      }
    } else if (member.is_string() && member.key_is("completion")) {  // Anthropic's /v1/complete
      walk.add(member, channel_of(root, type, member.key_raw()));
    } else if (!llm::is_opaque(member) && !(is_encoded(type) && llm::is_encoded_string(member))) {
      walk.whole(member);
    }
  }
  if (type == "error" || type == "response.failed") {
    out.kind = EventClass::error;
    out.ends_all = true;
    return;
  }
  if (type.ends_with(".delta")) {
    out.kind = out.has_content || is_encoded(type) ? EventClass::content : EventClass::other;
    return;
  }
  if (type == "response.completed" || type == "response.incomplete") {
    out.kind = EventClass::done;
    out.finish_reason = response.find("status").text();
    out.ends_all = true;
  } else if (type == "response.created" || type == "response.in_progress" ||
             type == "response.queued") {
    out.kind = EventClass::start;
  } else if (type.ends_with(".done") && root.find("output_index")) {
    out.kind = EventClass::finish;
    out.ended.push_back(number_of(root.find("output_index")));
  }
}

}  // namespace tollgate::protocol::openai
