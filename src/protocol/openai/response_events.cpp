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

/// Texts of a response object or item: `.done` events and the last one repeat the whole answer.
void read_whole(json::NodeRef root, llm::PieceWalk& walk) {
  for (const json::NodeRef member : root.children()) {
    if (member.key_is("type") || llm::is_structural(member)) continue;
    if (!member.key_is("response")) {
      walk.whole(member);
      continue;
    }
    for (const json::NodeRef part : member.children()) {
      // The rest of a response object repeats the request.
      if (part.key_is("output") || part.key_is("error")) walk.whole(part);
    }
  }
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
  if (type == "error" || type == "response.failed") {
    out.kind = EventClass::error;
    out.ends_all = true;
    return;
  }
  if (type.ends_with(".delta")) {
    const std::uint32_t sub =
        number_of(root.find("content_index")) + number_of(root.find("summary_index"));
    const ChannelKind kind = kind_of(type);
    walk.add(root.find("delta"), {number_of(root.find("output_index")), kind, sub});
    out.kind = out.has_content ? EventClass::content : EventClass::other;
    return;
  }
  read_whole(root, walk);
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
  walk.close();
}

}  // namespace tollgate::protocol::openai
