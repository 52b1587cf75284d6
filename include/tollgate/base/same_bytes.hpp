#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tollgate::base {

/// Whether `size` bytes at `a` and at `b` are the same. For names: up to 16 bytes are compared as
/// two words that may overlap, where a call of memcmp costs several times as much.
[[nodiscard]] inline bool same_bytes(const char* a, const char* b, std::size_t size) noexcept {
  const auto same = [a, b](auto word, std::size_t first, std::size_t second) {
    decltype(word) a1, a2, b1, b2;
    std::memcpy(&a1, a + first, sizeof word);
    std::memcpy(&b1, b + first, sizeof word);
    std::memcpy(&a2, a + second, sizeof word);
    std::memcpy(&b2, b + second, sizeof word);
    return ((a1 ^ b1) | (a2 ^ b2)) == 0;
  };
  if (size > 16) return std::memcmp(a, b, size) == 0;
  if (size >= 8) return same(std::uint64_t{}, 0, size - 8);
  if (size >= 4) return same(std::uint32_t{}, 0, size - 4);
  if (size == 0) return true;
  return a[0] == b[0] && a[size / 2] == b[size / 2] && a[size - 1] == b[size - 1];
}

}  // namespace tollgate::base
