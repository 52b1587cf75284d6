#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tollgate::base {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// SHA-256 of `data`; allocates nothing. Threads: any.
[[nodiscard]] Sha256Digest sha256(std::string_view data) noexcept;

/// SHA-256 over several pieces (hash chain, body digest as it streams by). Allocates nothing.
class Sha256 {
 public:
  Sha256() noexcept;
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(std::string_view data) noexcept;
  /// Ends the digest; the object starts anew afterwards.
  [[nodiscard]] Sha256Digest finish() noexcept;

 private:
  /// OpenSSL's SHA256_CTX, kept out of this header.
  alignas(8) std::byte state_[112];
};

[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> bytes);
/// Exactly 64 hex digits, either case.
[[nodiscard]] std::optional<Sha256Digest> digest_from_hex(std::string_view hex);
[[nodiscard]] bool constant_time_equal(std::string_view a, std::string_view b) noexcept;

/// Fills `out` from the operating system's generator; aborts the process when there is none.
void random_bytes(std::span<std::uint8_t> out);

/// CRC-32 (IEEE, as zlib's) used as the checksum inside virtual keys.
[[nodiscard]] std::uint32_t crc32(std::string_view data) noexcept;

}  // namespace tollgate::base
