#include "protocol/llm/piece_walk.hpp"

#include <algorithm>

#include "protocol/llm/plain_key.hpp"
#include "protocol/llm/text_walk.hpp"

namespace tollgate::protocol::llm {

void PieceWalk::add(json::NodeRef node, Channel channel, bool read_only) {
  if (!node.is_string() || node.raw().size() <= 2) return;
  out.pieces.push_back({channel, node, read_only});
  out.has_content = true;
}

void PieceWalk::add_free(json::NodeRef node, Channel channel, bool read_only) {
  if (!node.is_string() || node.raw().size() <= 2) return;
  out.pieces.push_back({channel, node, read_only, false, true});
  out.has_content = true;
}

void PieceWalk::whole_free(json::NodeRef member) {
  // Whether it is a text at all may depend on what it says.
  if (member.is_string() && !may_be_opaque(member)) {
    add_whole({member, false}, false, true);
  } else if (!is_opaque(member)) {
    whole(member);
  }
}

void PieceWalk::add_whole(const json::TextRef& ref, bool read_only, bool is_free) {
  if (!ref.is_key && ref.node.is_string() && ref.node.raw().size() <= 2) return;
  // Not counted as content: what comes whole is mostly about the answer, not the answer.
  const Channel channel{kWholeText, ChannelKind::other, ref.node.index()};
  out.pieces.push_back({channel, ref.node, read_only, ref.is_key, is_free});
}

void PieceWalk::whole(json::NodeRef node, bool read_only) {
  if (node.is_string()) {
    add_whole({node, false}, read_only);
    return;
  }
  if (node.is_array()) {
    for (const json::NodeRef element : node.children()) whole(element, read_only);
    return;
  }
  if (!node.is_object()) return;
  const bool is_binary = holds_binary(node);
  for (const json::NodeRef member : node.children()) {
    if (is_opaque(member) || (is_binary && is_binary_data(member))) continue;
    whole(member, read_only);
  }
}

void PieceWalk::whole_free_form(json::NodeRef node) {
  if (node.size() == 0) return;
  // Rare: a vector of its own is fine.
  std::vector<json::TextRef> refs;
  json::append_texts(node, true, refs);
  for (const json::TextRef& ref : refs) add_whole(ref, false);
}

void PieceWalk::odd_keys(const json::Document& document) {
  const std::uint32_t count = document.node_count();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (has_plain_key(document, document.node(i))) continue;
    const bool is_known =
        std::any_of(out.pieces.begin(), out.pieces.end(),
                    [i](const TextPiece& p) { return p.is_key && p.node.index() == i; });
    if (!is_known) add_whole({document.ref(i), true}, true);
  }
}

}  // namespace tollgate::protocol::llm
