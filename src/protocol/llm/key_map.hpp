#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tollgate/json/document.hpp"

namespace tollgate::protocol::llm {

template <class Field>
struct NamedField {
  std::string_view name;
  Field field;
};

namespace detail {

/// Names by a hash of length and two characters.
struct NameTable {
  struct Name {
    const char* text = nullptr;
    std::uint32_t size = 0;
    std::uint32_t field = 0;
  };
  static constexpr std::size_t kMost = 64, kSlots = 256;

  static constexpr std::size_t slot_of(std::string_view name) {
    const auto byte = [](char c) { return std::size_t{static_cast<unsigned char>(c)}; };
    return (name.size() * 37 + byte(name.front()) * 7 + byte(name.back()) * 13) % kSlots;
  }
  /// The field of the member's key; 0 when it is none. One function for all tables: objects are
  /// read one after the other, and each copy of it would have to be fetched.
  [[nodiscard]] std::uint32_t find(json::NodeRef member) const;
  /// The name that the member's key is in other letter case; empty when it is none.
  [[nodiscard]] std::string_view find_folded(json::NodeRef member) const;

  std::array<std::uint8_t, kSlots> slots{};  ///< index + 1 of the name; 0: free
  std::array<Name, kMost> names{};
};

}  // namespace detail

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
      table_.names[i] = {fields[i].name.data(), static_cast<std::uint32_t>(fields[i].name.size()),
                         static_cast<std::uint32_t>(fields[i].field)};
      std::size_t slot = detail::NameTable::slot_of(fields[i].name);
      while (table_.slots[slot] != 0) slot = (slot + 1) % table_.slots.size();
      table_.slots[slot] = static_cast<std::uint8_t>(i + 1);
    }
  }

  /// However the key is spelled. Field{} also for what has no key.
  [[nodiscard]] Field of(json::NodeRef member) const {
    return static_cast<Field>(table_.find(member));
  }
  /// The name that the key of a member is not, but for its case: to readers that fold it (Go's
  /// encoding/json), the member is both, and the last one counts. Empty for every other key.
  [[nodiscard]] std::string_view in_other_case(json::NodeRef member) const {
    return table_.find_folded(member);
  }

 private:
  static_assert(N < detail::NameTable::kMost);
  detail::NameTable table_;
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
