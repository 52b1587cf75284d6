#include "domain/demo/ask.hpp"

#include "tollgate/json/document.hpp"
#include "tollgate/json/writer.hpp"

namespace tollgate::domain::demo {
namespace {

using json::NodeRef;

constexpr std::int64_t kMostChoices = 16;
constexpr std::int64_t kMostDimensions = 4'096;
constexpr int kSchemaDepth = 4;

/// The text of `content`: a string, or the text parts of an array (also inside tool results).
void append_text(NodeRef content, std::string& out) {
  std::string scratch;
  if (content.is_string()) {
    out += content.text(scratch);
    return;
  }
  for (const NodeRef part : content.children()) {
    if (part.find("type").text_is("text")) out += part.find("text").text(scratch);
    if (part.find("type").text_is("tool_result")) append_text(part.find("content"), out);
  }
}

bool has_tool_result(NodeRef content) {
  if (!content.is_array()) return false;
  for (const NodeRef part : content.children())
    if (part.find("type").text_is("tool_result")) return true;
  return false;
}

/// A value that fits `schema`: the first of an enumeration, else one per type.
void write_sample(NodeRef schema, int depth, json::Writer& writer) {
  if (const NodeRef choices = schema.find("enum"); choices.is_array() && choices.size() > 0) {
    writer.raw(choices.at(0).raw());
    return;
  }
  NodeRef type = schema.find("type");
  if (type.is_array()) type = type.at(0);
  if (type.text_is("integer") || type.text_is("number")) {
    writer.integer(1);
  } else if (type.text_is("boolean")) {
    writer.boolean(true);
  } else if (type.text_is("null")) {
    writer.null();
  } else if (type.text_is("array")) {
    writer.begin_array();
    if (depth > 0 && schema.find("items").is_object())
      write_sample(schema.find("items"), depth - 1, writer);
    writer.end_array();
  } else if (type.text_is("object") || schema.find("properties").is_object()) {
    writer.begin_object();
    if (depth > 0) {
      for (const NodeRef property : schema.find("properties").children()) {
        writer.key(property.key());
        write_sample(property, depth - 1, writer);
      }
    }
    writer.end_object();
  } else {
    writer.string("demo");
  }
}

void read_tools(Endpoint endpoint, NodeRef root, Ask& ask) {
  const NodeRef choice = root.find("tool_choice");
  if (choice.text_is("none") || choice.find("type").text_is("none")) return;
  for (const NodeRef tool : root.find("tools").children()) {
    const NodeRef body = endpoint == Endpoint::chat ? tool.find("function") : tool;
    const NodeRef schema = body.find(endpoint == Endpoint::chat ? "parameters" : "input_schema");
    if (!body.find("name").is_string()) continue;  // a server tool: not ours to call
    OfferedTool offered;
    offered.name = body.find("name").text();
    json::Writer writer(offered.arguments);
    if (schema.is_object()) {
      write_sample(schema, kSchemaDepth, writer);
    } else {
      writer.begin_object().end_object();
    }
    ask.tools.push_back(std::move(offered));
  }
}

void read_messages(NodeRef messages, Ask& ask) {
  for (const NodeRef message : messages.children()) {
    const NodeRef role = message.find("role");
    const NodeRef content = message.find("content");
    const bool tool = role.text_is("tool") || has_tool_result(content);
    ask.after_tool = tool;
    if (!tool && !role.text_is("user")) continue;
    ask.last_text.clear();
    append_text(content, ask.last_text);
  }
}

/// An optional whole number in [least, most]; false, with the error said, when it is out of that.
bool read_number(NodeRef root, std::string_view name, std::int64_t least, std::int64_t most,
                 std::int64_t& into, Ask& ask) {
  const NodeRef node = root.find(name);
  if (!node || node.is_null()) return true;
  const auto value = node.as_int64();
  if (!value || *value < least || *value > most) {
    ask.error = "'" + std::string(name) + "' must be a whole number from " + std::to_string(least) +
                " to " + std::to_string(most) + ".";
    ask.error_param = name;
    return false;
  }
  into = *value;
  return true;
}

void require(bool present, std::string_view name, Ask& ask) {
  if (present || !ask.error.empty()) return;
  ask.error = "Missing required parameter: '" + std::string(name) + "'.";
  ask.error_param = name;
}

void read_embeddings(NodeRef root, Ask& ask) {
  const NodeRef input = root.find("input");
  require(input.is_string() || input.is_array(), "input", ask);
  // A list of numbers is one input made of tokens; every other list is several inputs.
  if (input.is_array() && !(input.size() > 0 && input.at(0).is_number())) {
    for (const NodeRef one : input.children()) ask.inputs.emplace_back(one.raw());
  } else if (input) {
    ask.inputs.emplace_back(input.raw());
  }
  (void)read_number(root, "dimensions", 1, kMostDimensions, ask.dimensions, ask);
  ask.base64 = root.find("encoding_format").text_is("base64");
}

}  // namespace

Endpoint endpoint_of(std::string_view path) noexcept {
  path = path.substr(0, path.find('?'));
  if (path.starts_with("/anthropic/")) path.remove_prefix(10);
  if (path.starts_with("/v1/")) path.remove_prefix(3);
  if (path == "/chat/completions") return Endpoint::chat;
  if (path == "/embeddings") return Endpoint::embeddings;
  if (path == "/models") return Endpoint::models;
  if (path == "/messages") return Endpoint::messages;
  if (path == "/messages/count_tokens") return Endpoint::count_tokens;
  return Endpoint::unknown;
}

Ask read_ask(Endpoint endpoint, std::string_view body) {
  Ask ask;
  json::Document document;
  if (const auto parsed = document.parse(body);
      parsed.has_error() || !document.root().is_object()) {
    ask.error = "The body is not a JSON object.";
    return ask;
  }
  const NodeRef root = document.root();
  ask.model = root.find("model").text();
  if (endpoint == Endpoint::embeddings) {
    read_embeddings(root, ask);
    return ask;
  }
  require(root.find("messages").is_array(), "messages", ask);
  read_messages(root.find("messages"), ask);
  if (endpoint == Endpoint::count_tokens) return ask;

  constexpr std::int64_t kMostTokens = 1'000'000'000;
  std::int64_t cap = 0;
  if (!read_number(root, "max_tokens", 1, kMostTokens, cap, ask)) return ask;
  if (endpoint == Endpoint::messages) {
    require(cap > 0, "max_tokens", ask);
  } else {
    if (!read_number(root, "max_completion_tokens", 1, kMostTokens, cap, ask)) return ask;
    if (!read_number(root, "n", 1, kMostChoices, ask.choices, ask)) return ask;
    ask.include_usage = root.find("stream_options").find("include_usage").as_bool() == true;
  }
  ask.output_cap = cap;
  ask.stream = root.find("stream").as_bool() == true;
  read_tools(endpoint, root, ask);
  return ask;
}

}  // namespace tollgate::domain::demo
