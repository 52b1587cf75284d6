#include "protocol/llm/text_walk.hpp"

#include <algorithm>
#include <array>

#include "tollgate/base/strings.hpp"

namespace tollgate::protocol::llm {
namespace {

/// Shorter strings are read whatever their name says: nothing encrypted or encoded is that short,
/// and a key or a card number is.
constexpr std::size_t kShortestOpaque = 64;

/// Long, without escapes and white space: what encodings look like and prose does not.
bool looks_encoded(json::NodeRef node) {
  return node.is_string() && !node.has_escape() && node.raw().size() - 2 >= kShortestOpaque &&
         node.raw().find(' ') == std::string_view::npos;
}

/// Names a member's key is compared with, told apart by length first: most keys are none of them.
template <std::size_t N>
class KeySet {
 public:
  constexpr explicit KeySet(const std::array<std::string_view, N>& keys) : keys_(keys) {
    for (const std::string_view key : keys) lengths_ |= std::uint32_t{1} << key.size();
  }
  /// A key spelled with escapes is taken for an unknown one: its value is then read as text.
  [[nodiscard]] bool has(json::NodeRef member) const {
    const std::string_view raw = member.key_raw();
    if (raw.size() < 2 || raw.size() > 33) return false;
    const std::string_view key = raw.substr(1, raw.size() - 2);
    if ((lengths_ >> key.size() & 1) == 0) return false;
    return std::find(keys_.begin(), keys_.end(), key) != keys_.end();
  }

 private:
  std::array<std::string_view, N> keys_;
  std::uint32_t lengths_ = 0;
};

// No text when they look encoded: made by the provider, checked by the provider.
constexpr KeySet kOpaque(std::to_array<std::string_view>({"signature", "thoughtSignature",
                                                          "thought_signature", "encrypted_content",
                                                          "encrypted_index", "file_data",
                                                          "b64_json", "embedding"}));
// Ids and type tags: read like any text, but nobody generated them.
constexpr KeySet kTags(std::to_array<std::string_view>(
    {"type",         "role",         "id",           "object",       "status",
     "call_id",      "item_id",      "file_id",      "tool_call_id", "tool_use_id",
     "container_id", "media_type",   "mime_type",    "detail",       "format",
     "phase",        "stop_reason",  "ttl",          "$schema",      "finish_reason",
     "model",        "service_tier", "server_label", "request_id",   "system_fingerprint"}));
constexpr KeySet kUrls(std::to_array<std::string_view>({"url", "image_url", "video_url"}));

}  // namespace

bool is_data_url(json::NodeRef node) noexcept {
  if (!node.is_string()) return false;
  const std::string_view raw = node.raw();
  return raw.size() > 6 && base::iequals(raw.substr(1, 5), "data:");
}

bool is_opaque(json::NodeRef member) {
  if (member.is_string()) {
    if (!kOpaque.has(member) && !(is_data_url(member) && kUrls.has(member))) return false;
    return looks_encoded(member);
  }
  // Vectors have a thousand numbers each.
  return member.is_array() && member.key_is("embedding") && member.at(0).is_number();
}

bool may_be_opaque(json::NodeRef member) {
  return kOpaque.has(member) || kUrls.has(member);
}

bool is_encoded_string(json::NodeRef node) {
  return looks_encoded(node);
}

bool holds_binary(json::NodeRef object) {
  const json::NodeRef type = object.find("type");
  if (type.text_is("base64") || type.text_is("redacted_thinking") ||
      type.text_is("reasoning.encrypted"))
    return true;
  const json::NodeRef format = object.find("format");
  return format.text_is("wav") || format.text_is("mp3");
}

bool is_binary_data(json::NodeRef member) {
  return member.key_is("data") && looks_encoded(member);
}

void TextWalk::add(json::NodeRef node, TextRole role, bool read_only) {
  if (!node.is_string() || node.raw().size() <= 2) return;
  out_.push_back({{node, false}, kTags.has(node) ? TextRole::tag : role, read_only});
}

void TextWalk::structured(json::NodeRef node, TextRole role, bool read_only) {
  if (node.is_string()) {
    add(node, role, read_only);
    return;
  }
  if (node.is_array()) {
    for (const json::NodeRef element : node.children()) structured(element, role, read_only);
    return;
  }
  if (!node.is_object()) return;
  // `{"type":"base64","data":…}`, `{"data":…,"format":"wav"}`, `{"type":"redacted_thinking",…}`
  const bool is_binary = holds_binary(node);
  for (const json::NodeRef member : node.children()) {
    if (is_opaque(member) || (is_binary && is_binary_data(member))) continue;
    structured(member, role, read_only);
  }
}

void TextWalk::definition(json::NodeRef node) {
  if (node.is_string()) {
    add(node, TextRole::tool_definition);
    return;
  }
  for (const json::NodeRef child : node.children()) {
    // Property names: two that are masked would become one, so they can only be refused.
    if (node.is_object()) out_.push_back({{child, true}, TextRole::tool_definition, true});
    definition(child);
  }
}

void TextWalk::free_form(json::NodeRef node, TextRole role) {
  refs_.clear();
  json::append_texts(node, true, refs_);
  for (const json::TextRef& ref : refs_) out_.push_back({ref, role, false});
}

}  // namespace tollgate::protocol::llm
