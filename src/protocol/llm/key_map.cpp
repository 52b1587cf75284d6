#include "protocol/llm/key_map.hpp"

#include <algorithm>

#include "tollgate/base/same_bytes.hpp"

namespace tollgate::protocol::llm::detail {
namespace {

/// As it is spelled, escapes aside; empty for what has none.
std::string_view key_of(json::NodeRef member) {
  const json::Document& document = *member.document();
  const json::Node& node = document.node(member.index());
  const std::uint32_t quoted = node.key_end - node.key_begin;
  if (quoted <= 2) return {};
  if (node.key_has_escape) return member.key();
  return {document.text().data() + node.key_begin + 1, quoted - 2};
}

const NameTable::Name* look_up(const NameTable& table, std::string_view key) {
  if (key.empty()) return nullptr;
  for (std::size_t slot = NameTable::slot_of(key); table.slots[slot] != 0;
       slot = (slot + 1) % NameTable::kSlots) {
    const NameTable::Name& name = table.names[table.slots[slot] - 1u];
    if (name.size == key.size() && base::same_bytes(name.text, key.data(), key.size()))
      return &name;
  }
  return nullptr;
}

}  // namespace

std::uint32_t NameTable::find(json::NodeRef member) const {
  const Name* const name = look_up(*this, key_of(member));
  return name == nullptr ? 0 : name->field;
}

std::string_view NameTable::find_folded(json::NodeRef member) const {
  const std::string_view key = key_of(member);
  const auto may_fold = [](char c) {
    return (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
  };
  if (std::none_of(key.begin(), key.end(), may_fold)) return {};
  // Two characters beyond ASCII fold into it (Unicode's CaseFolding.txt): the long s and the Kelvin
  // sign.
  constexpr std::string_view kLongS = "\xC5\xBF", kKelvin = "\xE2\x84\xAA";
  std::array<char, 64> folded{};
  std::size_t size = 0;
  for (std::string_view rest = key; !rest.empty();) {
    if (size == folded.size()) return {};
    char c = rest.front();
    std::size_t taken = 1;
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    } else if (rest.starts_with(kLongS)) {
      c = 's';
      taken = kLongS.size();
    } else if (rest.starts_with(kKelvin)) {
      c = 'k';
      taken = kKelvin.size();
    }
    folded[size++] = c;
    rest.remove_prefix(taken);
  }
  const Name* const name = look_up(*this, {folded.data(), size});
  return name == nullptr ? std::string_view() : std::string_view(name->text, name->size);
}

}  // namespace tollgate::protocol::llm::detail
