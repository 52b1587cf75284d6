#include "protocol/llm/text_walk.hpp"

#include <algorithm>
#include <array>

#include "tollgate/base/strings.hpp"

namespace tollgate::protocol::llm {
namespace {

constexpr std::size_t kLongestTag = 160;  // ids of OpenAI's items have about 70 characters

constexpr bool is_tag_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == ':' || c == '/' || c == '+' || c == '|' || c == '#';
}

/// One short word without white space: what ids and type tags look like.
bool is_tag(json::NodeRef node) {
  if (!node.is_string() || node.has_escape()) return false;
  const std::string_view text = node.raw().substr(1, node.raw().size() - 2);
  return text.size() <= kLongestTag && std::all_of(text.begin(), text.end(), is_tag_char);
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

// No text whatever they hold: made by the provider, checked by the provider.
constexpr KeySet kOpaque(std::to_array<std::string_view>({"signature", "thoughtSignature",
                                                          "thought_signature", "encrypted_content",
                                                          "encrypted_index", "file_data",
                                                          "b64_json", "embedding"}));
// Tags and ids, when they look like it.
constexpr KeySet kTags(std::to_array<std::string_view>(
    {"type",        "role",          "id",      "object",       "status",      "index",
     "call_id",     "item_id",       "file_id", "tool_call_id", "tool_use_id", "container_id",
     "media_type",  "mime_type",     "detail",  "format",       "phase",       "server_label",
     "stop_reason", "finish_reason", "ttl",     "$schema"}));
constexpr KeySet kUrls(std::to_array<std::string_view>({"url", "image_url", "video_url"}));

}  // namespace

bool is_data_url(json::NodeRef node) noexcept {
  if (!node.is_string()) return false;
  const std::string_view raw = node.raw();
  return raw.size() > 6 && base::iequals(raw.substr(1, 5), "data:");
}

bool is_structural(json::NodeRef member) {
  if (member.is_string()) {
    if (is_tag(member) && kTags.has(member)) return true;
    return kOpaque.has(member) || (is_data_url(member) && kUrls.has(member));
  }
  if (!member.is_array()) return false;
  // A schema's `required` repeats property names; vectors have a thousand numbers each.
  if (member.key_is("embedding")) return member.at(0).is_number();
  const auto children = member.children();
  return member.key_is("required") && std::all_of(children.begin(), children.end(), is_tag);
}

void TextWalk::add(json::NodeRef node, TextRole role, bool read_only) {
  if (!node.is_string() || node.raw().size() <= 2) return;
  out_.push_back({{node, false}, role, read_only});
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
  const json::NodeRef type = node.find("type");
  const bool is_binary = type.text_is("base64") || type.text_is("redacted_thinking") ||
                         node.find("format").text_is("wav") || node.find("format").text_is("mp3");
  for (const json::NodeRef member : node.children()) {
    if (is_structural(member) || (is_binary && member.key_is("data"))) continue;
    structured(member, role, read_only);
  }
}

void TextWalk::free_form(json::NodeRef node, TextRole role) {
  refs_.clear();
  json::append_texts(node, true, refs_);
  for (const json::TextRef& ref : refs_) out_.push_back({ref, role, false});
}

}  // namespace tollgate::protocol::llm
