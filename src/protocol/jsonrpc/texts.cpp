#include "tollgate/protocol/jsonrpc/texts.hpp"

#include <algorithm>
#include <array>

namespace tollgate::protocol::jsonrpc {
namespace {

using json::NodeRef;
using json::TextRef;

constexpr bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

constexpr std::array<bool, 256> kBase64 = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const char ch = static_cast<char>(c);
    table[static_cast<std::size_t>(c)] = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                                         (ch >= '0' && ch <= '9') || ch == '+' || ch == '/' ||
                                         ch == '-' || ch == '_';
  }
  return table;
}();

}  // namespace

void append_free_form(NodeRef member, std::vector<TextRef>& out) {
  append_odd_key(member, out);
  json::append_texts(member, true, out);
}

void append_odd_key(NodeRef member, std::vector<TextRef>& out) {
  constexpr std::size_t kLongestWord = 32;
  const std::string_view raw = member.key_raw();
  if (raw.size() <= 2) return;
  const std::string_view key = raw.substr(1, raw.size() - 2);
  if (key.size() <= kLongestWord && std::all_of(key.begin(), key.end(), is_letter)) return;
  out.push_back({member, true});
}

void append_envelope(const Message& message, Texts& out) {
  json::append_texts(message.id, false, out.fixed);
  json::append_texts(message.method_node, false, out.fixed);
  for (const NodeRef member : message.root.children()) {
    if (member.key_is("jsonrpc") || member.key_is("id") || member.key_is("method") ||
        member.key_is("params") || member.key_is("result") || member.key_is("error"))
      continue;
    append_free_form(member, out.editable);
  }
}

void append_error(NodeRef error, Texts& out) {
  if (!error.is_object()) {
    json::append_texts(error, true, out.editable);
    return;
  }
  for (const NodeRef member : error.children()) append_free_form(member, out.editable);
}

bool is_base64(NodeRef node) noexcept {
  if (!node.is_string() || node.has_escape() || node.raw().size() < kMinBase64Bytes + 2)
    return false;
  std::string_view text = node.raw().substr(1, node.raw().size() - 2);
  while (text.ends_with('=')) text.remove_suffix(1);
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return kBase64[static_cast<unsigned char>(c)]; });
}

}  // namespace tollgate::protocol::jsonrpc
