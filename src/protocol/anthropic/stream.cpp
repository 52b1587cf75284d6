#include "protocol/anthropic/parts.hpp"
#include "protocol/llm/event_template.hpp"
#include "protocol/llm/piece_walk.hpp"
#include "protocol/llm/text_walk.hpp"
#include "tollgate/json/writer.hpp"
#include "tollgate/protocol/sse/writer.hpp"

namespace tollgate::protocol::anthropic {
namespace {

using llm::Channel;
using llm::ChannelKind;
using llm::EventClass;
using llm::PieceWalk;
using llm::StreamEvent;

std::uint32_t index_of(json::NodeRef root) {
  const auto value = root.find("index").as_int64();
  return value && *value >= 0 && *value < llm::kWholeText ? static_cast<std::uint32_t>(*value) : 0;
}

/// A signature and what is encrypted: read when it does not look it, but never changed.
bool is_signed(json::NodeRef member) {
  return member.key_is("signature") || member.key_is("data") || member.key_is("encrypted_content");
}

/// Members of an event beside those its type is read for.
void read_rest(json::NodeRef root, std::string_view read, PieceWalk& walk) {
  if (root.is_string()) walk.whole(root);
  for (const json::NodeRef member : root.children()) {
    if (!member.key_is(read) && !llm::is_opaque(member)) walk.whole(member);
  }
}

/// A block as it begins: mostly empty, its text comes in deltas; results of hosted tools are whole.
void read_block_start(json::NodeRef root, PieceWalk& walk) {
  const std::uint32_t index = index_of(root);
  const json::NodeRef block = root.find("content_block");
  const bool is_tool_use = block.find("type").text().ends_with("tool_use");
  if (block.is_string()) walk.whole(block);
  for (const json::NodeRef member : block.children()) {
    if (member.is_string() && member.key_is("text")) {
      walk.add(member, {index, ChannelKind::text, 0});
    } else if (member.is_string() && member.key_is("thinking")) {
      walk.add(member, {index, ChannelKind::reasoning, 0}, true);
    } else if (member.key_is("input")) {
      walk.whole_free_form(member);
    } else if (!llm::is_opaque(member) && !llm::is_binary_data(member)) {
      if (is_tool_use && member.key_is("name")) walk.out.has_content = true;
      walk.whole(member, is_signed(member));
    }
  }
}

void read_block_delta(json::NodeRef root, PieceWalk& walk) {
  const std::uint32_t index = index_of(root);
  const json::NodeRef delta = root.find("delta");
  if (delta.is_string()) walk.whole(delta);
  for (const json::NodeRef member : delta.children()) {
    if (!member.is_string()) {
      walk.whole(member);  // citations
    } else if (member.key_is("text")) {
      walk.add_free(member, {index, ChannelKind::text, 0});
    } else if (member.key_is("thinking")) {
      // The signature that covers it comes later.
      walk.add_free(member, {index, ChannelKind::reasoning, 0}, true);
    } else if (member.key_is("partial_json")) {
      walk.add_free(member, {index, ChannelKind::tool_arguments, 0});
    } else if (member.key_is("type") || is_signed(member)) {
      if (!llm::is_opaque(member)) walk.whole(member, is_signed(member));
    } else if (!llm::is_opaque(member)) {
      walk.add(member, {index, ChannelKind::other, llm::place_of(member.key())});
    }
  }
}

/// The kind of delta that carries a channel.
struct DeltaForm {
  std::string_view type, field;
};
DeltaForm form_of(ChannelKind kind) {
  switch (kind) {
    case ChannelKind::reasoning:
      return {"thinking_delta", "thinking"};
    case ChannelKind::tool_arguments:
      return {"input_json_delta", "partial_json"};
    case ChannelKind::text:
    case ChannelKind::refusal:
    case ChannelKind::other:
      break;
  }
  return {"text_delta", "text"};
}

}  // namespace

// Streaming events, Anthropic API reference, read 2026-11. Unknown ones are forwarded.
void read_stream_event(json::NodeRef root, std::string_view type, llm::Usage& usage,
                       StreamEvent& out) {
  PieceWalk walk(out);
  const auto take_usage = [&](json::NodeRef node) {
    if (!node.is_object()) return;
    read_usage(node, usage);
    out.has_usage = true;
  };
  if (type == "content_block_delta") {
    read_rest(root, "delta", walk);
    read_block_delta(root, walk);
    out.kind = out.has_content ? EventClass::content : EventClass::other;
  } else if (type == "message_start") {
    const json::NodeRef message = root.find("message");
    out.kind = EventClass::start;
    out.model = message.find("model").text();
    take_usage(message.find("usage"));
    usage.output_told = false;  // what there is at the start is not all of it
    read_rest(root, {}, walk);
  } else if (type == "content_block_start") {
    read_rest(root, "content_block", walk);
    read_block_start(root, walk);
    out.kind = out.has_content ? EventClass::content : EventClass::other;
  } else if (type == "content_block_stop") {
    out.kind = EventClass::finish;
    out.ended.push_back(index_of(root));
    read_rest(root, {}, walk);
  } else if (type == "message_delta") {
    out.kind = EventClass::finish;
    const json::NodeRef delta = root.find("delta");
    out.finish_reason = delta.find("stop_reason").text();
    // Without a reason it only brings the counts up to date.
    out.ends_all = !out.finish_reason.empty();
    read_rest(root, {}, walk);
    take_usage(root.find("usage"));
  } else if (type == "message_stop") {
    out.kind = EventClass::done;
    out.ends_all = true;
    read_rest(root, {}, walk);
  } else if (type == "error" || (type.empty() && root.find("error").is_object())) {
    out.kind = EventClass::error;
    out.ends_all = true;
    read_rest(root, {}, walk);
  } else if (type == "ping") {
    out.kind = EventClass::ping;
    read_rest(root, {}, walk);
  } else {
    walk.whole(root);
  }
}

void append_delta_like(std::string& out, std::string_view earlier_raw, Channel channel,
                       std::string_view text, json::Document& scratch) {
  const llm::EventTemplate earlier(earlier_raw, scratch);
  const json::NodeRef root = scratch.root();
  const bool is_delta = root.find("type").text_is("content_block_delta");
  StreamEvent event;
  if (is_delta) {
    llm::Usage unused;
    read_stream_event(root, "content_block_delta", unused, event);
  }
  for (const llm::TextPiece& piece : event.pieces) {
    if (piece.channel != channel) continue;
    earlier.append_with_piece(out, event, channel, text);
    return;
  }
  if (channel.kind == ChannelKind::other) return;
  const DeltaForm form = form_of(channel.kind);
  std::string json;
  json::Writer w(json);
  w.begin_object().member("type", "content_block_delta");
  w.member("index", std::int64_t{channel.index}).key("delta").begin_object();
  w.member("type", form.type).member(form.field, text).end_object().end_object();
  sse::append_event(out, "content_block_delta", json);
}

}  // namespace tollgate::protocol::anthropic
