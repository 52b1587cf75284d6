#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>

#include <bit>
#endif

/// Character classes of RFC 9110/9112 as one table. Private to src/protocol/http.
namespace tollgate::protocol::http::detail {

inline constexpr std::uint8_t kToken = 1;       ///< tchar, '_' included
inline constexpr std::uint8_t kUnderscore = 2;  ///< '_'
inline constexpr std::uint8_t kTargetChar = 4;  ///< may stand in a request target, see ADR 0004
inline constexpr std::uint8_t kHex = 8;
inline constexpr std::uint8_t kRegName = 16;     ///< letters, digits, '-', '.', '_'
inline constexpr std::uint8_t kPathChar = 32;    ///< RFC 3986 pchar, '/' and '%'
inline constexpr std::uint8_t kQuotedText = 64;  ///< inside a quoted string, without '"' and '\'
inline constexpr std::uint8_t kPlainPath = 128;  ///< kPathChar without '/', '.' and '%'

constexpr std::array<std::uint8_t, 256> make_char_table() {
  std::array<std::uint8_t, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    const bool digit = c >= '0' && c <= '9';
    const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    std::uint8_t bits = 0;
    const auto one_of = [c](std::string_view set) {
      return c < 128 && set.find(static_cast<char>(c)) != std::string_view::npos;
    };
    if (digit || alpha || one_of("!#$%&'*+-.^_`|~")) bits |= kToken;
    if (c == '_') bits |= kUnderscore;
    if (c > 0x20 && c < 0x7f && c != '#' && c != '\\') bits |= kTargetChar;
    if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) bits |= kHex;
    if (digit || alpha || one_of("-._")) bits |= kRegName;
    if (digit || alpha || one_of("-._~!$&'()*+,;=:@/%")) bits |= kPathChar;
    if ((bits & kPathChar) != 0 && !one_of("/.%")) bits |= kPlainPath;
    if (c == '\t' || (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')) bits |= kQuotedText;
    table[c] = bits;
  }
  return table;
}
inline constexpr std::array<std::uint8_t, 256> kCharTable = make_char_table();

[[nodiscard]] inline bool has_class(char c, std::uint8_t mask) noexcept {
  return (kCharTable[static_cast<std::uint8_t>(c)] & mask) != 0;
}
[[nodiscard]] inline bool all_of_class(std::string_view text, std::uint8_t mask) noexcept {
  for (const char c : text)
    if (!has_class(c, mask)) return false;
  return true;
}
[[nodiscard]] inline unsigned hex_digit(char c) noexcept {
  return c <= '9' ? static_cast<unsigned>(c - '0') : static_cast<unsigned>((c | 0x20) - 'a' + 10);
}

[[nodiscard]] inline bool is_value_char(char c) noexcept {
  const auto byte = static_cast<std::uint8_t>(c);
  return (byte >= 0x20 || byte == '\t') && byte != 0x7f;
}

#if defined(__SSE2__)
inline __m128i load16(const char* at) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
/// Bit i: byte i may not stand in a field value.
inline unsigned not_value_chars(__m128i bytes) noexcept {
  const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  const __m128i not_tab = _mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')), low);
  const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(not_tab, del)));
}
#endif

/// Whether every byte may stand in a field value: no control character but tab.
[[nodiscard]] inline bool is_value_text(std::string_view text) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
#if defined(__SSE2__)
  if (text.size() >= 16) {
    for (; end - at > 16; at += 16)
      if (not_value_chars(load16(at)) != 0) return false;
    return not_value_chars(load16(end - 16)) == 0;  // the last sixteen, some of them once more
  }
  if (text.size() >= 8) {
    const auto load8 = [](const char* p) {
      return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    };
    return not_value_chars(_mm_unpacklo_epi64(load8(at), load8(end - 8))) == 0;
  }
#endif
  for (; at != end; ++at)
    if (!is_value_char(*at)) return false;
  return true;
}

/// Whether every byte has kTargetChar.
[[nodiscard]] inline bool is_target_text(std::string_view text) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
#if defined(__SSE2__)
  const auto all_fit = [](const char* p) {
    const __m128i bytes = load16(p);
    // Signed: what is over 0x7f is below 0x21 as well.
    const __m128i inside = _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x20)),
                                         _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x7f)));
    const __m128i named = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')),
                                       _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    return _mm_movemask_epi8(_mm_andnot_si128(named, inside)) == 0xffff;
  };
  if (text.size() >= 16) {
    for (; end - at > 16; at += 16)
      if (!all_fit(at)) return false;
    return all_fit(end - 16);
  }
#endif
  return all_of_class({at, static_cast<std::size_t>(end - at)}, kTargetChar);
}

}  // namespace tollgate::protocol::http::detail
