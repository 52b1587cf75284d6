#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tollgate::base {

/// CRC-32C (Castagnoli) of some bytes, to tell whether they are the ones that were written.
///
/// Purpose:  a checksum cheap enough for the path of a call: processors have an instruction for it
///           (x86-64 with SSE 4.2; elsewhere a table of Boost's does the same). No protection
///           against who means harm.
/// @param bytes  any size and alignment
/// @param seed   result of the bytes before these, or 0: crc32c(b, crc32c(a)) is that of a and b
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes,
                                   std::uint32_t seed = 0) noexcept;

/// The same without the processor's instruction: what it is checked against.
[[nodiscard]] std::uint32_t crc32c_portable(std::span<const std::byte> bytes,
                                            std::uint32_t seed = 0) noexcept;

}  // namespace tollgate::base
