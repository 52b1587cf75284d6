#include "tollgate/base/crc32c.hpp"

#include <boost/crc.hpp>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace tollgate::base {

std::uint32_t crc32c_portable(std::span<const std::byte> bytes, std::uint32_t seed) noexcept {
  // Boost begins with the remainder as it is seen from outside: not yet reflected.
  using Crc = boost::crc_optimal<32, 0x1EDC6F41, 0, 0xFFFFFFFF, true, true>;
  std::uint32_t begin = 0;
  for (int bit = 0; bit < 32; ++bit) begin |= (~seed >> bit & 1u) << (31 - bit);
  Crc crc(begin);
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

#if defined(__x86_64__)
namespace {

[[gnu::target("sse4.2")]] std::uint32_t crc32c_sse42(std::span<const std::byte> bytes,
                                                     std::uint32_t seed) noexcept {
  std::uint64_t crc = ~seed & 0xFFFF'FFFFu;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    crc = _mm_crc32_u64(crc, word);
  }
  auto rest = static_cast<std::uint32_t>(crc);
  for (; left > 0; ++at, --left) rest = _mm_crc32_u8(rest, static_cast<std::uint8_t>(*at));
  return ~rest;
}

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed) noexcept {
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  return has_instruction ? crc32c_sse42(bytes, seed) : crc32c_portable(bytes, seed);
}
#else
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed) noexcept {
  return crc32c_portable(bytes, seed);
}
#endif

}  // namespace tollgate::base
