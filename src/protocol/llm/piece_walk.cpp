#include "protocol/llm/piece_walk.hpp"

#include "protocol/llm/text_walk.hpp"

namespace tollgate::protocol::llm {

void PieceWalk::add(json::NodeRef node, Channel channel, bool read_only) {
  if (!node.is_string() || node.raw().size() <= 2) return;
  out.pieces.push_back({channel, node, read_only});
  out.has_content = true;
}

void PieceWalk::add_whole(const TextSpan& span) {
  // Keys and numbers cannot be pieces: a piece is a string value, replaced by one.
  if (span.ref.is_key || !span.ref.node.is_string()) return;
  // Not counted as content: what comes whole is mostly about the answer, not the answer.
  out.pieces.push_back(
      {{kWholeText, ChannelKind::other, span.ref.node.index()}, span.ref.node, span.read_only});
  has_whole_ = true;
}

void PieceWalk::whole(json::NodeRef node) {
  if (node.is_string()) {
    add_whole({{node, false}, TextRole::other, false});
    return;
  }
  if (node.size() == 0) return;
  // Rare: a vector of its own is fine.
  std::vector<TextSpan> spans;
  TextWalk(spans).structured(node, TextRole::other);
  for (const TextSpan& span : spans) add_whole(span);
}

void PieceWalk::whole_free_form(json::NodeRef node) {
  if (node.size() == 0) return;
  std::vector<TextSpan> spans;
  TextWalk(spans).free_form(node, TextRole::tool_arguments);
  for (const TextSpan& span : spans) add_whole(span);
}

void PieceWalk::close() {
  if (has_whole_) out.ended.push_back(kWholeText);
}

}  // namespace tollgate::protocol::llm
