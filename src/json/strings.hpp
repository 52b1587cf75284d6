#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// Reading inside strings: escapes and UTF-8.
namespace tollgate::json {

/// What is wrong with a piece of text, for the message; `offset` from its first byte.
struct Fault {
  const char* message = nullptr;  ///< null: nothing
  std::size_t offset = 0;
};

inline constexpr std::ptrdiff_t kBlockBytes = 16;

/// What stands in a block of a string's bytes; bit i is byte i.
struct StringBlock {
  std::uint32_t stops;  ///< quotes, backslashes, control characters
  std::uint32_t high;   ///< bytes over 0x7F
};

/// Reads kBlockBytes bytes at `p`.
[[nodiscard]] inline StringBlock look(const char* p) noexcept {
#if defined(__SSE2__)
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  // Unsigned: min(x, 0x1F) == x exactly for the control characters.
  const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
  const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  const __m128i stops = _mm_or_si128(control, _mm_or_si128(quote, backslash));
  return {static_cast<std::uint32_t>(_mm_movemask_epi8(stops)),
          static_cast<std::uint32_t>(_mm_movemask_epi8(bytes))};
#else
  StringBlock block{0, 0};
  for (std::uint32_t i = 0; i < kBlockBytes; ++i) {
    const auto c = static_cast<unsigned char>(p[i]);
    block.stops |= std::uint32_t{c < 0x20 || c == '"' || c == '\\'} << i;
    block.high |= std::uint32_t{c >= 0x80} << i;
  }
  return block;
#endif
}

struct StringEnd {
  const char* at = nullptr;     ///< behind the closing quote; with a fault: where it is
  const char* fault = nullptr;  ///< what was expected instead, null when the string is good
  bool has_escape = false;
  bool is_high = false;  ///< bytes over 0x7F are in it, or near: they are not checked here
};

/// Reads a string up to its closing quote, checking escapes and control characters. Looks at no
/// byte outside [text, end).
/// @param p  the byte after the opening quote.
[[nodiscard]] StringEnd read_string(const char* p, const char* text, const char* end,
                                    bool allow_lone_surrogates) noexcept;

/// Bytes of the UTF-8 sequence at `p`; 0 when it is not valid (overlong, surrogate, cut, stray).
[[nodiscard]] std::size_t utf8_length(const char* p, const char* end) noexcept;

/// Where the first byte stands that is not UTF-8; the size when all is. Slow; for messages only.
[[nodiscard]] std::size_t first_bad_utf8(std::string_view text) noexcept;

}  // namespace tollgate::json
