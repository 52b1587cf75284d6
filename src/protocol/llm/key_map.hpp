#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tollgate/base/same_bytes.hpp"
#include "tollgate/json/document.hpp"

namespace tollgate::protocol::llm {

template <class Field>
struct NamedField {
  std::string_view name;
  Field field;
};

/// Tells a member's key among names known when compiling, in a comparison or two: objects are read
/// member by member, once, where a find() per name would read them again for each.
///
/// Field: an enum whose first value stands for every other key.
template <class Field, std::size_t N>
class KeyMap {
 public:
  // An array, so that N follows from the list.
  explicit consteval KeyMap(const NamedField<Field> (&fields)[N]) {  // NOLINT: modernize
    for (std::size_t i = 0; i < N; ++i) {
      fields_[i] = fields[i];
      std::size_t slot = slot_of(fields[i].name);
      while (slots_[slot] != 0) slot = (slot + 1) % kSlots;
      slots_[slot] = static_cast<std::uint8_t>(i + 1);
    }
  }

  /// However the key is spelled. Field{} also for what has no key.
  [[nodiscard]] Field of(json::NodeRef member) const {
    const json::Document& document = *member.document();
    const json::Node& node = document.node(member.index());
    const std::uint32_t quoted = node.key_end - node.key_begin;
    if (quoted <= 2) return Field{};
    const std::string_view key =
        node.key_has_escape
            ? member.key()
            : std::string_view(document.text().data() + node.key_begin + 1, quoted - 2);
    for (std::size_t slot = slot_of(key); slots_[slot] != 0; slot = (slot + 1) % kSlots) {
      const NamedField<Field>& named = fields_[slots_[slot] - 1u];
      if (named.name.size() == key.size() &&
          base::same_bytes(named.name.data(), key.data(), key.size()))
        return named.field;
    }
    return Field{};
  }

 private:
  static_assert(N < 64);
  static constexpr std::size_t kSlots = N < 16 ? 64 : 256;
  static constexpr std::size_t slot_of(std::string_view name) {
    const auto byte = [](char c) { return std::size_t{static_cast<unsigned char>(c)}; };
    return (name.size() * 37 + byte(name.front()) * 7 + byte(name.back()) * 13) % kSlots;
  }

  std::array<NamedField<Field>, N> fields_{};
  std::array<std::uint8_t, kSlots> slots_{};  ///< index + 1 of the field; 0: free
};

/// The members of an object by what they are, those that are not there as nothing. `Field::end` is
/// one past the last field.
template <class Field, std::size_t N>
class Members {
 public:
  Members(json::NodeRef object, const KeyMap<Field, N>& map) {
    if (!object.is_object()) return;
    for (const json::NodeRef member : object.children())
      found_[static_cast<std::size_t>(map.of(member))] = member;
  }
  [[nodiscard]] json::NodeRef operator[](Field field) const {
    return found_[static_cast<std::size_t>(field)];
  }
  /// The first of two names that is there.
  [[nodiscard]] json::NodeRef either(Field a, Field b) const {
    return (*this)[a] ? (*this)[a] : (*this)[b];
  }

 private:
  std::array<json::NodeRef, static_cast<std::size_t>(Field::end)> found_;
};

}  // namespace tollgate::protocol::llm
