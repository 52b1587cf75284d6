#include "protocol/llm/text_walk.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "tollgate/base/same_bytes.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::protocol::llm {
namespace {

/// Long, without escapes and white space: what encodings look like and prose does not.
bool looks_encoded(json::NodeRef node) {
  return node.is_string() && !node.has_escape() && node.raw().size() - 2 >= kShortestOpaque &&
         node.raw().find(' ') == std::string_view::npos;
}

/// Names a member's key is compared with, only those of its length: most keys are none of them.
template <std::size_t N>
class KeySet {
 public:
  constexpr explicit KeySet(const std::array<std::string_view, N>& keys) : keys_(keys) {
    std::sort(keys_.begin(), keys_.end(),
              [](std::string_view a, std::string_view b) { return a.size() < b.size(); });
    for (const std::string_view key : keys_) {
      if (key.size() > kLongest) throw "a longer name";  // not constant: does not compile
      for (std::size_t size = key.size() + 1; size < first_.size(); ++size) ++first_[size];
    }
  }
  /// A key spelled with escapes is taken for an unknown one: its value is then read as text.
  [[nodiscard]] bool has(json::NodeRef member) const {
    const std::string_view raw = member.key_raw();
    if (raw.size() < 2 || raw.size() - 2 > kLongest) return false;
    const std::string_view key = raw.substr(1, raw.size() - 2);
    for (std::size_t i = first_[key.size()]; i != first_[key.size() + 1]; ++i)
      if (base::same_bytes(keys_[i].data(), key.data(), key.size())) return true;
    return false;
  }

 private:
  static constexpr std::size_t kLongest = 31;
  std::array<std::string_view, N> keys_;
  /// Where the names of each length begin.
  std::array<std::uint8_t, kLongest + 2> first_{};
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

bool is_data_url(json::NodeRef node, std::string_view type) noexcept {
  if (!node.is_string()) return false;
  const std::string_view raw = node.raw();
  return raw.size() > 6 && base::iequals(raw.substr(1, 5), "data:") &&
         base::iequals(raw.substr(6, type.size()), type);
}

bool is_opaque_string(json::NodeRef member) {
  return looks_encoded(member) &&
         (kOpaque.has(member) || (is_data_url(member) && kUrls.has(member)));
}

bool is_vector(json::NodeRef member) {
  return member.key_is("embedding") && member.at(0).is_number();
}

bool is_tag(const TextSpan& span) {
  return span.in_structure && !span.ref.is_key && kTags.has(span.ref.node);
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

bool is_plain_name(std::string_view name) noexcept {
  constexpr std::size_t kLongest = 32;
  constexpr int kMostDigits = 2;
  if (name.size() <= kShortName) return true;
  if (name.size() > kLongest) return false;
  int digits = 0;
  for (const char c : name) {
    if (c >= '0' && c <= '9') {
      ++digits;
    } else if (!((c >= 'a' && c <= 'z') || c == '_')) {
      return false;
    }
  }
  return digits <= kMostDigits;
}

void TextWalk::odd_key(json::NodeRef member, TextRole role) {
  // Two that are masked would become one, so they can only be refused.
  out_.push_back({{member, true}, role, true, true});
}

void TextWalk::add(json::NodeRef node, TextRole role, bool read_only) {
  if (!node.is_string() || node.raw().size() <= 2) return;
  out_.push_back({{node, false}, role, read_only, true});
}

void TextWalk::structured(json::NodeRef node, TextRole role, bool read_only) {
  if (node.is_string()) {
    add(node, role, read_only);
  } else if (node.size() > 0) {
    below(node, role, read_only);
  }
}

/// Everything below a container that is not empty. Reads the index itself: this runs for every
/// string of a call, and most of them need no more than a look at their length.
void TextWalk::below(json::NodeRef container, TextRole role, bool read_only) {
  const json::Document& document = *container.document();
  const json::Node& self = document.node(container.index());
  const bool is_object = self.kind == json::Kind::object;
  for (std::uint32_t i = container.index() + 1; i != self.next; i = document.node(i).next) {
    const json::Node& child = document.node(i);
    const json::NodeRef ref = document.ref(i);
    if (is_object) key(ref, role);
    if (child.kind == json::Kind::string) {
      const std::uint32_t size = child.end - child.begin - 2;
      if (size == 0) continue;
      // `{"type":"base64","data":...}`, `{"data":...,"format":"wav"}`,
      // `{"type":"redacted_thinking",...}`
      if (is_object && size >= kShortestOpaque &&
          (is_opaque(ref) || (is_binary_data(ref) && holds_binary(container))))
        continue;
      out_.push_back({{ref, false}, role, read_only, true});
    } else if (child.count > 0) {
      if (is_object && is_opaque(ref)) continue;
      below(ref, role, read_only);
    }
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
