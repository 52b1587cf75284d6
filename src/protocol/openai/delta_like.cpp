#include "protocol/llm/event_template.hpp"
#include "protocol/openai/parts.hpp"
#include "tollgate/json/splice.hpp"
#include "tollgate/json/writer.hpp"
#include "tollgate/protocol/sse/writer.hpp"

namespace tollgate::protocol::openai {
namespace {

using llm::Channel;
using llm::ChannelKind;

void write_tool_call(json::Writer& out, json::NodeRef earlier, Channel channel,
                     std::string_view text) {
  if (channel.sub == kFunctionCall) {
    out.key("function_call").begin_object().member("arguments", text).end_object();
    return;
  }
  bool is_custom = false;
  for (const json::NodeRef call : earlier.find("delta").find("tool_calls").children()) {
    if (call.find("index").as_int64() == channel.sub) is_custom = bool(call.find("custom"));
  }
  out.key("tool_calls").begin_array().begin_object().member("index", std::int64_t{channel.sub});
  // No id and no name: those came with the first piece and would be appended to it.
  out.key(is_custom ? "custom" : "function").begin_object();
  out.member(is_custom ? "input" : "arguments", text).end_object().end_object().end_array();
}

bool is_parts(json::NodeRef value) {
  return value.is_array() || value.is_object();
}

/// One choice with nothing but `text`, like the one of that index in an earlier chunk. False for
/// channels that cannot be built anew.
bool write_choice(std::string& json, json::NodeRef earlier, Channel channel,
                  std::string_view text) {
  json::Writer out(json);
  out.begin_array().begin_object().member("index", std::int64_t{channel.index});
  const json::NodeRef delta = earlier.find("delta");
  if (channel.kind == ChannelKind::text && channel.sub == kLegacyText) {
    out.member("text", text);
  } else {
    out.key("delta").begin_object();
    switch (channel.kind) {
      case ChannelKind::text:
        if (is_parts(delta.find("content"))) return false;
        out.member("content", text);
        break;
      case ChannelKind::reasoning:
        // As `reasoning_details` and parts it cannot be built anew.
        if (channel.sub != 0 && channel.sub != kReasoning) return false;
        if (is_parts(delta.find("reasoning_content")) || is_parts(delta.find("reasoning")))
          return false;
        out.member(channel.sub == kReasoning ? "reasoning" : "reasoning_content", text);
        break;
      case ChannelKind::refusal:
        if (is_parts(delta.find("content")) || is_parts(delta.find("refusal"))) return false;
        out.member("refusal", text);
        break;
      case ChannelKind::tool_arguments:
        write_tool_call(out, earlier, channel, text);
        break;
      case ChannelKind::other:
        return false;
    }
    out.end_object();
  }
  if (earlier.find("logprobs")) out.key("logprobs").null();
  out.key("finish_reason").null().end_object().end_array();
  return true;
}

json::NodeRef choice_of(json::NodeRef choices, std::uint32_t index) {
  for (const json::NodeRef choice : choices.children()) {
    if (choice.find("index").as_int64() == index) return choice;
  }
  return choices.at(0);
}

}  // namespace

void append_delta_like(std::string& out, std::string_view earlier_raw, Channel channel,
                       std::string_view text, json::Document& scratch) {
  const llm::EventTemplate earlier(earlier_raw, scratch);
  const json::NodeRef root = scratch.root();
  const json::NodeRef choices = root.find("choices");
  std::string choice;
  if (root.is_object() && !choices.is_array()) {
    // An event of the responses API: one piece, replaced in place.
    llm::StreamEvent event;
    llm::Usage unused;
    read_response_event(root, root.find("type").text(), unused, event);
    earlier.append_with_piece(out, event, channel, text);
    return;
  }
  if (!write_choice(choice, choice_of(choices, channel.index), channel, text)) {
    llm::StreamEvent event;
    llm::Usage unused;
    read_chunk(root, unused, event);
    earlier.append_with_piece(out, event, channel, text);
    return;
  }
  if (!choices) {
    sse::append_event(
        out, {},
        R"({"object":"chat.completion.chunk","created":0,"model":"","choices":)" + choice + "}");
    return;
  }
  json::Splicer edits(scratch);
  edits.replace(choices, choice);
  const json::NodeRef usage = root.find("usage");
  if (usage && !usage.is_null()) edits.replace(usage, "null");
  sse::append_event(out, earlier.name(), edits.str());
}

}  // namespace tollgate::protocol::openai
