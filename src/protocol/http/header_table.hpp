#pragma once

#include <array>
#include <cstring>

#include "tollgate/protocol/http/header_section.hpp"

/// The table of known names, inline for the parsers. Private to src/protocol/http.
namespace tollgate::protocol::http::detail {

inline constexpr std::uint8_t single = kHeaderSingle;
inline constexpr std::uint8_t hop = kHeaderHop;
inline constexpr std::uint8_t no_up = kHeaderNotUpstream;
inline constexpr std::uint8_t no_down = kHeaderNotDownstream;

inline constexpr std::array kNames = {
#define TG_HEADER(id, name, flags) std::string_view{name},
#include "tollgate/protocol/http/header_names.def"
#undef TG_HEADER
};
inline constexpr std::array<std::uint8_t, kNames.size()> kFlags = {
#define TG_HEADER(id, name, flags) flags,
#include "tollgate/protocol/http/header_names.def"
#undef TG_HEADER
};

// Perfect hash: length and three characters, multiplied by a constant found at compile time.
inline constexpr unsigned kHashBits = 9;

constexpr std::uint32_t hash_key(std::string_view name) noexcept {
  const auto at = [name](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<std::uint8_t>(name[i]) | 0x20u);
  };
  const std::size_t n = name.size();
  return (static_cast<std::uint32_t>(n) & 0xff) | at(0) << 8 | at(n / 2) << 16 | at(n - 1) << 24;
}

struct NameTable {
  std::uint32_t multiplier = 0;
  std::array<std::uint8_t, 1u << kHashBits> slots{};
};

constexpr NameTable make_table() {
  std::array<std::uint32_t, kNames.size()> keys{};
  for (std::size_t i = 0; i < kNames.size(); ++i) keys[i] = hash_key(kNames[i]);
  std::uint32_t multiplier = 0x9e3779b1u;
  for (int attempt = 0; attempt < 2'000;
       ++attempt, multiplier = multiplier * 1664525u + 1013904223u) {
    multiplier |= 1u;
    NameTable table;
    table.multiplier = multiplier;
    table.slots.fill(static_cast<std::uint8_t>(HeaderId::other));
    bool collision = false;
    for (std::size_t i = 0; i < keys.size() && !collision; ++i) {
      std::uint8_t& slot = table.slots[keys[i] * multiplier >> (32 - kHashBits)];
      collision = slot != static_cast<std::uint8_t>(HeaderId::other);
      slot = static_cast<std::uint8_t>(i);
    }
    if (!collision) return table;
  }
  return {};
}
inline constexpr NameTable kTable = make_table();
static_assert(kTable.multiplier != 0, "no perfect hash for header_names.def: change hash_key");

/// A name beside its length, so that a look-up touches one cache line more than the slot's.
struct alignas(32) PackedName {
  std::uint8_t size = 0;
  char text[31] = {};
};
constexpr auto pack_names() {
  std::array<PackedName, kNames.size()> packed{};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    packed[i].size = static_cast<std::uint8_t>(kNames[i].size());
    for (std::size_t k = 0; k < kNames[i].size(); ++k) packed[i].text[k] = kNames[i][k];
  }
  return packed;
}
inline constexpr auto kPacked = pack_names();

/// Compares `n` bytes of any text, as words, with a lower-case name. Setting bit 5 lowers letters;
/// what it maps onto a '-' or a digit besides itself is a control character, which has neither bit
/// 5 nor 6.
template <class Word>
bool same_words(const char* text, const char* lower, std::size_t n) noexcept {
  constexpr auto bit5 = static_cast<Word>(0x2020202020202020ull);
  constexpr auto bit6 = static_cast<Word>(bit5 << 1);
  const auto same = [&](std::size_t i) {
    Word a, b;
    std::memcpy(&a, text + i, sizeof a);
    std::memcpy(&b, lower + i, sizeof b);
    return (a | bit5) == b && ((a | a << 1) & bit6) == bit6;
  };
  for (std::size_t i = 0; i + sizeof(Word) < n; i += sizeof(Word))
    if (!same(i)) return false;
  return same(n - sizeof(Word));  // the last ones, some of them once more
}

inline bool same_name(const char* text, const char* lower, std::size_t n) noexcept {
  if (n >= 8) return same_words<std::uint64_t>(text, lower, n);
  if (n >= 4) return same_words<std::uint32_t>(text, lower, n);
  for (std::size_t i = 0; i < n; ++i)
    if ((text[i] | 0x20) != lower[i] || (text[i] & 0x60) == 0) return false;
  return true;
}

/// Whether a field of that number may have that name: any token where the number is `other`.
inline bool is_name_of(HeaderId id, std::string_view name) noexcept {
  if (id == HeaderId::other) return is_token(name);
  const PackedName& known = kPacked[static_cast<std::size_t>(id)];
  return known.size == name.size() && same_name(name.data(), known.text, name.size());
}

/// Of any text: what is not a token is `other`.
inline HeaderId find_header_id(std::string_view name) noexcept {
  if (name.empty()) return HeaderId::other;
  const std::uint8_t slot = kTable.slots[hash_key(name) * kTable.multiplier >> (32 - kHashBits)];
  if (slot >= kNames.size()) return HeaderId::other;
  const PackedName& known = kPacked[slot];
  if (known.size != name.size() || !same_name(name.data(), known.text, name.size()))
    return HeaderId::other;
  return static_cast<HeaderId>(slot);
}

}  // namespace tollgate::protocol::http::detail
