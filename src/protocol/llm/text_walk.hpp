#pragma once

#include <string_view>
#include <vector>

#include "protocol/llm/plain_key.hpp"
#include "tollgate/protocol/llm/types.hpp"

/// Finding text in structures whose shape is known: what both dialects share.
namespace tollgate::protocol::llm {

/// Collects texts below a node of a message, block or part: every string, ids and type tags too,
/// but what is encoded and looks it. Keys that say so are only believed where structure is
/// expected; below tool input everything is text.
class TextWalk {
 public:
  explicit TextWalk(std::vector<TextSpan>& out) : out_(out) {}

  /// A member's key, unless it is a plain name.
  void key(json::NodeRef member, TextRole role) {
    const json::Document& document = *member.document();
    if (!has_plain_key(document, document.node(member.index()))) odd_key(member, role);
  }
  /// A string by itself. Nothing and empty strings are skipped.
  void add(json::NodeRef node, TextRole role, bool read_only = false);
  /// Every string below `node` but signatures, encrypted and binary data; keys but plain names.
  void structured(json::NodeRef node, TextRole role, bool read_only = false);
  /// Every string below a tool's definition, and the keys of its schema, which may not be changed.
  void definition(json::NodeRef node);
  /// Everything below `node`, keys and long numbers too: data a model wrote or will read as it is.
  void free_form(json::NodeRef node, TextRole role);

 private:
  void odd_key(json::NodeRef member, TextRole role);
  void below(json::NodeRef container, TextRole role, bool read_only);

  std::vector<TextSpan>& out_;
  std::vector<json::TextRef> refs_;
};

/// A member that is no text where structure is expected: a signature, encrypted or binary data.
/// Judged with its value: a `signature` that is short or holds a space is text.
[[nodiscard]] inline bool is_opaque(json::NodeRef member);
/// Whether is_opaque depends on what the member's string says.
[[nodiscard]] bool may_be_opaque(json::NodeRef member);
/// A string that looks encoded: long, without white space and escapes.
[[nodiscard]] bool is_encoded_string(json::NodeRef node);
/// An object whose `data` may be binary, and its member when it is.
[[nodiscard]] bool holds_binary(json::NodeRef object);
[[nodiscard]] bool is_binary_data(json::NodeRef member);

/// `data:` URLs, whose content no guardrail can read.
/// @param type  how its media type begins; empty: any
[[nodiscard]] bool is_data_url(json::NodeRef node, std::string_view type = {}) noexcept;

/// Shorter strings are read whatever their name says: nothing encrypted or encoded is that short,
/// and a key or a card number is.
inline constexpr std::size_t kShortestOpaque = 64;

[[nodiscard]] bool is_opaque_string(json::NodeRef member);
/// Vectors have a thousand numbers each.
[[nodiscard]] bool is_vector(json::NodeRef member);

inline bool is_opaque(json::NodeRef member) {
  // The length decides nearly always.
  if (member.is_string())
    return member.end_offset() - member.begin_offset() >= kShortestOpaque + 2 &&
           is_opaque_string(member);
  return member.is_array() && is_vector(member);
}

}  // namespace tollgate::protocol::llm
