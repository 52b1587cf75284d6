#include "protocol/llm/key_map.hpp"

#include "tollgate/base/same_bytes.hpp"

namespace tollgate::protocol::llm::detail {

std::uint32_t NameTable::find(json::NodeRef member) const {
  const json::Document& document = *member.document();
  const json::Node& node = document.node(member.index());
  const std::uint32_t quoted = node.key_end - node.key_begin;
  if (quoted <= 2) return 0;
  std::string_view key(document.text().data() + node.key_begin + 1, quoted - 2);
  if (node.key_has_escape) key = member.key();
  for (std::size_t slot = slot_of(key); slots[slot] != 0; slot = (slot + 1) % kSlots) {
    const Name& name = names[slots[slot] - 1u];
    if (name.size == key.size() && base::same_bytes(name.text, key.data(), key.size()))
      return name.field;
  }
  return 0;
}

}  // namespace tollgate::protocol::llm::detail
