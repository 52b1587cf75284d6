#include "tollgate/protocol/mcp/message.hpp"

namespace tollgate::protocol::mcp {
namespace {

using json::NodeRef;
using jsonrpc::Texts;

/// Members whose bytes the other side compares or gets back.
bool is_fixed(NodeRef member) noexcept {
  return member.key_is("nextCursor") || member.key_is("cursor") || member.key_is("requestState") ||
         member.key_is("progressToken");
}

/// Binary content of images, audio and resources. Anything else in its place is text.
bool is_binary(NodeRef member) noexcept {
  return (member.key_is("blob") || member.key_is("data")) && jsonrpc::is_base64(member);
}

/// `_meta`: free-form but for the token that progress notifications name.
void append_meta(NodeRef meta, Texts& out) {
  if (!meta.is_object()) {
    json::append_texts(meta, true, out.editable);
    return;
  }
  for (const NodeRef member : meta.children()) {
    if (is_fixed(member)) {
      json::append_texts(member, true, out.fixed);
    } else {
      jsonrpc::append_free_form(member, out.editable);
    }
  }
}

/// Objects whose shape an application gives, not the protocol: there, keys count as text.
bool is_free_form(NodeRef member) noexcept {
  return member.key_is("arguments") || member.key_is("structuredContent") ||
         member.key_is("inputSchema") || member.key_is("outputSchema") ||
         member.key_is("context") || member.key_is("inputResponses") ||
         (member.key_is("content") && member.is_object() && !member.find("type"));
}

void append_member(NodeRef member, Texts& out) {
  jsonrpc::append_odd_key(member, out.editable);
  if (member.key_is("_meta")) {
    append_meta(member, out);
  } else if (is_fixed(member)) {
    json::append_texts(member, true, out.fixed);
  } else if (is_free_form(member)) {
    json::append_texts(member, true, out.editable);
  } else if (!is_binary(member)) {
    jsonrpc::append_shaped(member, out, append_member);
  }
}

void append_readable(NodeRef node, Texts& out) {
  jsonrpc::append_shaped(node, out, append_member);
}

/// A tool offered: its name is matched against lists, and the rest is for a model to read, keys of
/// schemas too.
void append_tool(NodeRef tool, Texts& out) {
  if (!tool.is_object()) {
    append_readable(tool, out);
    return;
  }
  for (const NodeRef member : tool.children()) {
    if (member.key_is("_meta")) {
      append_meta(member, out);
    } else if (member.key_is("name")) {
      json::append_texts(member, true, out.fixed);
    } else {
      jsonrpc::append_free_form(member, out.editable);
    }
  }
}

void append_result(NodeRef result, Texts& out) {
  if (!result.is_object()) {
    append_readable(result, out);
    return;
  }
  for (const NodeRef member : result.children()) {
    if (member.key_is("tools") && member.is_array()) {
      for (const NodeRef tool : member.children()) append_tool(tool, out);
      continue;
    }
    append_member(member, out);
  }
}

}  // namespace

void append_request_texts(const jsonrpc::Message& message, Texts& out) {
  jsonrpc::append_envelope(message, out);
  append_readable(message.result, out);
  jsonrpc::append_error(message.error, out);
  // Calls name what they act on; another name would be another call.
  const bool named = message.method == "tools/call" || message.method == "prompts/get";
  if (!named || !message.params.is_object()) {
    append_readable(message.params, out);
    return;
  }
  for (const NodeRef member : message.params.children()) {
    jsonrpc::append_odd_key(member, out.editable);
    if (member.key_is("name") || is_fixed(member)) {
      json::append_texts(member, true, out.fixed);
    } else if (member.key_is("_meta")) {
      append_meta(member, out);
    } else if (is_free_form(member)) {
      json::append_texts(member, true, out.editable);
    } else {
      append_readable(member, out);
    }
  }
}

void append_response_texts(const jsonrpc::Message& message, Texts& out) {
  jsonrpc::append_envelope(message, out);
  append_readable(message.params, out);
  append_result(message.result, out);
  jsonrpc::append_error(message.error, out);
}

Continuing read_continuing(const jsonrpc::Message& message) {
  Continuing found;
  if (message.kind != jsonrpc::MessageKind::notification) return found;
  const bool is_progress = message.method == "notifications/progress";
  if (!is_progress && message.method != "notifications/message") return found;
  const NodeRef text = message.params.find(is_progress ? "message" : "data");
  if (!text.is_string()) return found;
  found.text = text;
  found.kind = message.method;
  found.sequence = message.params.find(is_progress ? "progressToken" : "logger").raw();
  return found;
}

}  // namespace tollgate::protocol::mcp
