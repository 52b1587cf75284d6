#include <algorithm>

#include "protocol/anthropic/parts.hpp"
#include "protocol/llm/field_reader.hpp"
#include "protocol/llm/key_map.hpp"

namespace tollgate::protocol::anthropic {
namespace {

using llm::CacheWrites;
using llm::GovernedFields;
using llm::RequestKind;

enum class RequestField : std::uint8_t {
  other,
  model,
  messages,
  system,
  tools,
  max_tokens,
  thinking,
  stream,
  metadata,
  cache_control,
  service_tier,
  container,
  mcp_servers,
  speed,
  inference_geo,
  context_management,
  compaction,
};
constexpr llm::NamedField<RequestField> kNames[] = {
    {"model", RequestField::model},
    {"messages", RequestField::messages},
    {"system", RequestField::system},
    {"tools", RequestField::tools},
    {"max_tokens", RequestField::max_tokens},
    {"thinking", RequestField::thinking},
    {"stream", RequestField::stream},
    {"metadata", RequestField::metadata},
    {"cache_control", RequestField::cache_control},
    {"service_tier", RequestField::service_tier},
    {"container", RequestField::container},
    {"mcp_servers", RequestField::mcp_servers},
    {"speed", RequestField::speed},
    {"inference_geo", RequestField::inference_geo},
    {"context_management", RequestField::context_management},
    {"compaction", RequestField::compaction},
};
constexpr llm::KeyMap kFields(kNames);

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
  const json::NodeRef data = source.find("data");
  const bool is_inline = type == "base64" && data.is_string();
  if (!is_inline && (is_document || type != "url")) {
    note(out,
         is_document ? "a document that is not in the body" : "an image that is not in the body");
    return;
  }
  ++(is_document ? out.media.documents : out.media.images);
  if (is_inline) out.media.add_encoded(data);
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

/// A tool that the provider runs: how often at most, where the body says so.
void read_hosted_tool(json::NodeRef tool, std::string_view type, GovernedFields& out) {
  constexpr std::int64_t kMostUses = 1'000;
  const bool is_search = type.starts_with("web_search_");
  const auto uses = tool.find("max_uses").as_int64();
  if ((!is_search && !type.starts_with("web_fetch_")) || !uses || *uses < 0 || *uses > kMostUses) {
    note(out, "a tool that the provider runs");
    return;
  }
  out.media.server_tool_uses += *uses;
  if (is_search) out.media.web_searches += *uses;
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
    if (is_hosted) read_hosted_tool(tool, type, out);
  }
  return {};
}

base::Result<void> read_field(RequestField field, json::NodeRef member, GovernedFields& out) {
  switch (field) {
    case RequestField::other: {
      const std::string_view name = kFields.in_other_case(member);
      return name.empty() ? base::Result<void>() : llm::other_case_error(member, name);
    }
    case RequestField::model:
      if (!member.is_string() || member.raw().size() <= 2) {
        return llm::field_error("model", "a string that is not empty");
      }
      out.model_node = member;
      out.model = member.text();
      return {};
    case RequestField::messages:
      if (out.kind != RequestKind::other_json && !member.is_array())
        return llm::field_error("messages", "an array");
      for (const json::NodeRef message : member.children()) {
        read_blocks(message.find("content"), out);
      }
      return {};
    case RequestField::system:
      read_blocks(member, out);
      return {};
    case RequestField::tools:
      return read_tools(member, out);
    case RequestField::max_tokens: {
      TG_TRY(out.output_cap, llm::read_integer(member, "max_tokens", 0, llm::kMaxTokens));
      out.max_tokens_node = member;
      return {};
    }
    case RequestField::thinking:
      // "must be greater than `thinking.budget_tokens`", says the API's refusal of a lower
      // max_tokens.
      if (const auto budget = member.find("budget_tokens").as_int64(); budget && *budget > 0)
        out.least_output_cap = std::min(*budget, llm::kMaxTokens) + 1;
      return {};
    case RequestField::stream: {
      out.stream_node = member;
      TG_TRY(out.stream, llm::read_bool(member, "stream", false));
      return {};
    }
    case RequestField::metadata: {
      TG_CHECK(llm::check_kind(member, "metadata", json::Kind::object));
      TG_TRY(out.end_user, llm::read_string(member.find("user_id"), "metadata.user_id"));
      return {};
    }
    case RequestField::cache_control:
      read_cache_control(member, out);
      return {};
    case RequestField::service_tier: {
      // "auto" may be served from capacity that was paid for before.
      TG_TRY(out.service_tier, llm::read_string(member, "service_tier"));
      return {};
    }
    case RequestField::container:
      if (is_set(member)) note(out, "a `container`");
      return {};
    case RequestField::mcp_servers:
      if (member.size() > 0) note(out, "`mcp_servers`");
      return {};
    case RequestField::speed: {
      TG_TRY(out.speed, llm::read_string(member, "speed"));
      return {};
    }
    case RequestField::inference_geo: {
      TG_TRY(out.inference_geo, llm::read_string(member, "inference_geo"));
      return {};
    }
    case RequestField::compaction:
      if (is_set(member)) note(out, "compaction of the context");
      return {};
    case RequestField::context_management:
      // Compaction samples once more, on top of max_tokens; the other edits only remove.
      for (const json::NodeRef edit : member.find("edits").children()) {
        if (edit.find("type").text().starts_with("compact")) note(out, "compaction of the context");
      }
      return {};
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
    const RequestField field = kFields.of(member);
    TG_CHECK(read_field(field, member, out));
    has_messages = has_messages || field == RequestField::messages;
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
