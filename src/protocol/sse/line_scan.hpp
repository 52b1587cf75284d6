#pragma once

#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>

#include <bit>
#endif

namespace tollgate::protocol::sse {

inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// Position of the first CR or LF at or after `from`; npos when there is none.
[[nodiscard]] inline std::size_t find_line_end(std::string_view bytes, std::size_t from) noexcept {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  const char* p = begin + from;
#if defined(__SSE2__)
  const __m128i cr = _mm_set1_epi8('\r');
  const __m128i lf = _mm_set1_epi8('\n');
  for (; end - p >= 16; p += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const auto hits = static_cast<unsigned>(
        _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(block, cr), _mm_cmpeq_epi8(block, lf))));
    if (hits != 0)
      return static_cast<std::size_t>(p - begin) + static_cast<std::size_t>(std::countr_zero(hits));
  }
#endif
  for (; p < end; ++p) {
    if (*p == '\n' || *p == '\r') return static_cast<std::size_t>(p - begin);
  }
  return std::string_view::npos;
}

/// A line's field name and value, as the standard splits them.
struct Field {
  std::string_view name, value;
};
[[nodiscard]] inline Field split_field(std::string_view line) noexcept {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {line, {}};
  std::string_view value = line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  return {line.substr(0, colon), value};
}

}  // namespace tollgate::protocol::sse
