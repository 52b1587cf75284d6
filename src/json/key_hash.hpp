#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

/// What tells the keys of one object apart.
namespace tollgate::json {

/// Random per thread: without it a sender could choose keys that all hash alike and make duplicate
/// detection quadratic.
struct HashSecret {
  std::uint64_t a, b;
};

namespace detail {
__extension__ typedef unsigned __int128 uint128;

inline std::uint64_t load(const char* p, std::size_t bytes) {
  std::uint64_t value = 0;
  std::memcpy(&value, p, bytes);
  return value;
}

inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const uint128 product = static_cast<uint128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace detail

/// Folded multiplication over 16-byte blocks, the last one overlapping (after wyhash).
[[nodiscard]] inline std::uint32_t hash_key(std::string_view key, const HashSecret& with) {
  const char* p = key.data();
  std::size_t left = key.size();
  std::uint64_t state = with.a;
  while (left > 16) {
    state = detail::fold(detail::load(p, 8) ^ with.b, detail::load(p + 8, 8) ^ state);
    p += 16;
    left -= 16;
  }
  std::uint64_t low = 0, high = 0;
  if (left >= 8) {
    low = detail::load(p, 8);
    high = detail::load(p + left - 8, 8);
  } else if (left >= 4) {
    low = detail::load(p, 4) << 32 | detail::load(p + left - 4, 4);
  } else if (left > 0) {
    const auto byte = [p](std::size_t i) {
      return std::uint64_t{static_cast<unsigned char>(p[i])};
    };
    low = byte(0) << 16 | byte(left / 2) << 8 | byte(left - 1);
  }
  const std::uint64_t mixed = detail::fold(
      low ^ with.b, high ^ state ^ (std::uint64_t{key.size()} * 0x9E3779B97F4A7C15ull));
  return static_cast<std::uint32_t>(mixed ^ mixed >> 32);
}

/// What equal keys have in common and different ones mostly not, for a few instructions. The
/// factors are such that no two members of the model APIs' usual objects have the same.
[[nodiscard]] inline std::uint8_t mark_of(std::string_view key) {
  if (key.empty()) return 0;
  const auto byte = [key](std::size_t i) { return static_cast<unsigned char>(key[i]); };
  const std::size_t size = key.size();
  return static_cast<std::uint8_t>(size * 45 + byte(0) * 113u + byte(size / 2) * 97u +
                                   byte(size - 1) * 39u);
}

}  // namespace tollgate::json
