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

/// Checks the escapes of a string's bytes (without quotes) and says whether there are any.
/// @param text_end  end of readable memory, at or after `end`: lets short strings be read in
/// blocks.
[[nodiscard]] Fault check_escapes(const char* begin, const char* end, const char* text_end,
                                  bool allow_lone_surrogates, bool& has_escape) noexcept;

/// False only when [p, end) surely has no backslash; looks at strings of up to 16 bytes alone.
[[nodiscard]] inline bool may_have_backslash(const char* p, const char* end,
                                             const char* text_end) noexcept {
#if defined(__SSE2__)
  if (end - p > 16 || text_end - p < 16) return true;
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const int hits = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
  return (hits & ((1 << (end - p)) - 1)) != 0;
#else
  static_cast<void>(text_end);
  return p != end;
#endif
}

/// First backslash in [p, end), or end.
[[nodiscard]] const char* find_backslash(const char* p, const char* end,
                                         const char* text_end) noexcept;

/// Bytes of the UTF-8 sequence at `p`; 0 when it is not valid (overlong, surrogate, cut, stray).
[[nodiscard]] std::size_t utf8_length(const char* p, const char* end) noexcept;

/// Why simdjson's first stage refused a text: the first bad UTF-8, control character in a string or
/// unclosed string. Slow; for messages only.
[[nodiscard]] Fault diagnose(std::string_view text) noexcept;

}  // namespace tollgate::json
