#pragma once

#include <cstddef>
#include <vector>

#include "tollgate/json/text_ref.hpp"
#include "tollgate/protocol/jsonrpc/message.hpp"

namespace tollgate::protocol::jsonrpc {

/// Every text of a message that a guardrail must read, by what it may do to it. No place occurs
/// twice, and none overlap.
struct Texts {
  std::vector<json::TextRef> editable;
  /// Ids, cursors, names, tokens: the other side compares or hands back their bytes, so that a
  /// match is refused where it would else be masked.
  std::vector<json::TextRef> fixed;

  void clear() noexcept {
    editable.clear();
    fixed.clear();
  }
};

/// Text of the message around params, result and error: its id, its method, and members that
/// JSON-RPC does not know.
void append_envelope(const Message& message, Texts& out);
/// Text of an error object, whatever its members.
void append_error(json::NodeRef error, Texts& out);
/// A member's key and all below it; nothing in it is known to be harmless.
void append_free_form(json::NodeRef member, std::vector<json::TextRef>& out);

/// Adds `member`'s key unless it is a protocol's own word: at most 32 letters and underscores, in
/// which no detector finds anything. For objects whose shape a protocol gives.
void append_odd_key(json::NodeRef member, std::vector<json::TextRef>& out);

/// All text below `node`, whose shape a protocol gives: `append_member(member)` takes each member
/// of the objects in it, key and value, and comes back here for those that have a shape too.
template <class AppendMember>
void append_shaped(json::NodeRef node, Texts& out, AppendMember& append_member) {
  if (node.is_object()) {
    for (const json::NodeRef member : node.children()) append_member(member, out);
  } else if (node.is_array()) {
    for (const json::NodeRef child : node.children()) append_shaped(child, out, append_member);
  } else {
    json::append_texts(node, false, out.editable);
  }
}

/// Strings below this are scanned even where base64 belongs: a credential is valid base64 too.
inline constexpr std::size_t kMinBase64Bytes = 256;
/// Whether this is a string of that size or more that decodes as base64 (either alphabet).
[[nodiscard]] bool is_base64(json::NodeRef node) noexcept;

}  // namespace tollgate::protocol::jsonrpc
