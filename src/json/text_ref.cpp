#include "tollgate/json/text_ref.hpp"

namespace tollgate::json {

std::string_view TextRef::text(std::string& scratch) const {
  const Node& self = node.document()->node(node.index());
  if (!is_key && self.kind != Kind::string) return self.kind == Kind::number ? node.raw() : "";
  const std::uint32_t begin = is_key ? self.key_begin : self.begin;
  const std::uint32_t end = is_key ? self.key_end : self.end;
  const std::string_view inner(node.document()->text().data() + begin + 1, end - begin - 2);
  if (!(is_key ? self.key_has_escape : self.has_escape)) return inner;
  scratch.clear();
  unescape_into(scratch, inner);
  return scratch;
}

std::uint32_t TextRef::begin_offset() const noexcept {
  return is_key ? node.document()->node(node.index()).key_begin : node.begin_offset();
}

std::uint32_t TextRef::end_offset() const noexcept {
  return is_key ? node.document()->node(node.index()).key_end : node.end_offset();
}

void append_texts(NodeRef root, bool with_keys, std::vector<TextRef>& out) {
  if (!root) return;
  const Document& document = *root.document();
  // The index is in document order, so a subtree is a run of nodes.
  const std::uint32_t last = document.node(root.index()).next;
  for (std::uint32_t i = root.index(); i < last; ++i) {
    const Node& node = document.node(i);
    if (with_keys && i != root.index() && node.key_end > node.key_begin + 2) {
      out.push_back({document.ref(i), true});
    }
    const bool is_text =
        node.kind == Kind::string
            ? node.end - node.begin > 2
            : node.kind == Kind::number && node.end - node.begin >= kNumberAsTextBytes;
    if (is_text) out.push_back({document.ref(i), false});
  }
}

}  // namespace tollgate::json
