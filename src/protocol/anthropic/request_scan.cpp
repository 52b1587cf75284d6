#include <algorithm>

#include "protocol/anthropic/parts.hpp"
#include "protocol/llm/field_reader.hpp"

namespace tollgate::protocol::anthropic {
namespace {

using llm::CacheWrites;
using llm::GovernedFields;
using llm::RequestKind;

void note(GovernedFields& out, std::string_view reason) {
  if (out.unbounded_reason.empty()) out.unbounded_reason = reason;
}

bool is_set(json::NodeRef node) {
  return node && !node.is_null();
}

/// `{"type":"ephemeral","ttl":"1h"}`; without a ttl it is five minutes.
void read_cache_control(json::NodeRef node, GovernedFields& out) {
  if (!node.is_object()) return;
  const json::NodeRef ttl = node.find("ttl");
  const bool is_short = !is_set(ttl) || ttl.text_is("5m");
  out.cache_writes =
      std::max(out.cache_writes, is_short ? CacheWrites::five_minutes : CacheWrites::any);
}

void read_blocks(json::NodeRef blocks, GovernedFields& out);

void read_source(json::NodeRef block, bool is_document, GovernedFields& out) {
  const json::NodeRef source = block.find("source");
  const std::string_view type = source.find("type").text();
  if (is_document && type == "text") return;
  if (is_document && type == "content") {
    read_blocks(source.find("content"), out);
    return;
  }
  if (type != "base64") {
    note(out,
         is_document ? "a document that is not in the body" : "an image that is not in the body");
  } else if (is_document) {
    note(out, "a PDF document, whose pages the body does not show");
  } else {
    ++out.inline_images;
    out.inline_image_bytes += static_cast<std::int64_t>(source.find("data").raw().size());
  }
}

void read_block(json::NodeRef block, GovernedFields& out) {
  constexpr std::string_view kBounded[] = {
      "text",          "thinking",        "redacted_thinking",      "tool_use",
      "tool_result",   "server_tool_use", "web_search_tool_result", "web_fetch_tool_result",
      "search_result", "mcp_tool_use",    "mcp_tool_result",        "tool_reference"};
  read_cache_control(block.find("cache_control"), out);
  const std::string_view type = block.find("type").text();
  if (type == "image") {
    read_source(block, false, out);
  } else if (type == "document") {
    read_source(block, true, out);
  } else if (type.ends_with("_tool_result") || type == "tool_result") {
    read_blocks(block.find("content"), out);
  } else if (std::find(std::begin(kBounded), std::end(kBounded), type) == std::end(kBounded)) {
    note(out, type == "container_upload" ? "an uploaded file"
                                         : "a content block of a type that is not known here");
  }
}

void read_blocks(json::NodeRef blocks, GovernedFields& out) {
  if (blocks.is_object()) {
    read_block(blocks, out);  // results of hosted tools may be one object
    return;
  }
  for (const json::NodeRef block : blocks.children()) {
    if (block.is_object()) read_block(block, out);
  }
}

/// Whether the agent runs the tool itself: its own tools, and those Anthropic defines for it.
bool is_client_tool(std::string_view type) {
  constexpr std::string_view kClientPrefixes[] = {"bash_", "text_editor_", "computer_", "memory_"};
  if (type.empty() || type == "custom") return true;
  return std::any_of(std::begin(kClientPrefixes), std::end(kClientPrefixes),
                     [type](std::string_view prefix) { return type.starts_with(prefix); });
}

base::Result<void> read_tools(json::NodeRef tools, GovernedFields& out) {
  TG_CHECK(llm::check_kind(tools, "tools", json::Kind::array));
  for (const json::NodeRef tool : tools.children()) {
    if (!tool.is_object()) return llm::field_error("tools", "an array of objects");
    read_cache_control(tool.find("cache_control"), out);
    const std::string_view type = tool.find("type").text();
    const json::NodeRef name = tool.find("name");
    if (name && !name.is_string()) return llm::field_error("tools", "named by strings");
    const bool is_hosted = !is_client_tool(type);
    out.tools.push_back({name ? name.text() : type, tool, is_hosted});
    if (is_hosted) note(out, "a tool that the provider runs");
  }
  return {};
}

base::Result<void> read_service_tier(json::NodeRef node, GovernedFields& out) {
  // "auto" may be served from capacity that was paid for before: never dearer per token.
  TG_TRY(out.service_tier, llm::read_string(node, "service_tier"));
  if (!out.service_tier.empty() && out.service_tier != "auto" &&
      out.service_tier != "standard_only" && out.service_tier != "standard") {
    note(out, "a `service_tier` that is priced apart");
  }
  return {};
}

base::Result<void> read_member(json::NodeRef member, GovernedFields& out) {
  if (member.key_is("model")) {
    if (!member.is_string() || member.raw().size() <= 2) {
      return llm::field_error("model", "a string that is not empty");
    }
    out.model_node = member;
    out.model = member.text();
  } else if (member.key_is("messages")) {
    if (out.kind != RequestKind::other_json && !member.is_array())
      return llm::field_error("messages", "an array");
    for (const json::NodeRef message : member.children()) {
      read_blocks(message.find("content"), out);
    }
  } else if (member.key_is("system")) {
    read_blocks(member, out);
  } else if (member.key_is("tools")) {
    return read_tools(member, out);
  } else if (member.key_is("max_tokens")) {
    TG_TRY(out.output_cap, llm::read_integer(member, "max_tokens", 0, llm::kMaxTokens));
    out.max_tokens_node = member;
  } else if (member.key_is("stream")) {
    out.stream_node = member;
    TG_TRY(out.stream, llm::read_bool(member, "stream", false));
  } else if (member.key_is("metadata")) {
    TG_CHECK(llm::check_kind(member, "metadata", json::Kind::object));
    TG_TRY(out.end_user, llm::read_string(member.find("user_id"), "metadata.user_id"));
  } else if (member.key_is("cache_control")) {
    read_cache_control(member, out);
  } else if (member.key_is("service_tier")) {
    return read_service_tier(member, out);
  } else if (member.key_is("container")) {
    if (is_set(member)) note(out, "a `container`");
  } else if (member.key_is("mcp_servers")) {
    if (member.size() > 0) note(out, "`mcp_servers`");
  } else if (member.key_is("speed")) {
    if (is_set(member) && !member.text_is("standard")) note(out, "a `speed` that is priced apart");
  } else if (member.key_is("inference_geo")) {
    if (is_set(member) && !member.text_is("global")) {
      note(out, "an `inference_geo` that is priced apart");
    }
  } else if (member.key_is("context_management")) {
    // Compaction samples once more, on top of max_tokens; the other edits only remove.
    for (const json::NodeRef edit : member.find("edits").children()) {
      if (edit.find("type").text().starts_with("compact")) note(out, "compaction of the context");
    }
  }
  return {};
}

}  // namespace

base::Result<void> scan_request(RequestKind kind, const json::Document& body, GovernedFields& out) {
  out.reset();
  out.kind = kind;
  out.root = body.root();
  if (!out.root.is_object()) {
    if (kind == RequestKind::other_json) return {};
    return base::Error(base::ErrorCode::invalid_request, "the body must be a JSON object");
  }
  bool has_messages = kind == RequestKind::other_json;
  for (const json::NodeRef member : out.root.children()) {
    TG_CHECK(read_member(member, out));
    has_messages = has_messages || member.key_is("messages");
  }
  if (!out.model_node && kind != RequestKind::other_json) {
    return base::Error(base::ErrorCode::invalid_request, "`model` is missing").with_param("model");
  }
  if (!has_messages) {
    return base::Error(base::ErrorCode::invalid_request, "`messages` is missing")
        .with_param("messages");
  }
  return {};
}

}  // namespace tollgate::protocol::anthropic
