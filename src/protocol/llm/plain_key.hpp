#pragma once

#include <cstdint>

#include "tollgate/json/document.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// Which keys of a model API's objects nobody need read.
namespace tollgate::protocol::llm {

/// Names as the APIs give them: up to 32 small letters and underscores, two digits among them at
/// most (`ephemeral_5m_input_tokens`), or kShortName bytes of any kind. No detector's match fits
/// into one.
inline constexpr std::uint32_t kShortName = 5;
[[nodiscard]] bool is_plain_name(std::string_view name) noexcept;

/// The same for the member's key, however it is spelled (with an escape it is not plain) and, of
/// elements, for none. In a look or two for what has no digit: every key of a call is asked about.
[[nodiscard]] inline bool has_plain_key(const json::Document& document,
                                        const json::Node& node) noexcept {
  const std::uint32_t quoted = node.key_end - node.key_begin;
  if (quoted <= kShortName + 2) return true;
  const std::uint32_t size = quoted - 2;
  const char* const name = document.text().data() + node.key_begin + 1;
#if defined(__SSE2__)
  constexpr std::uint32_t kBlock = 16;
  const auto odd = [](const char* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i from_a = _mm_sub_epi8(bytes, _mm_set1_epi8('a'));
    const __m128i letters = _mm_cmpeq_epi8(_mm_min_epu8(from_a, _mm_set1_epi8(25)), from_a);
    const __m128i plain = _mm_or_si128(letters, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('_')));
    return ~static_cast<std::uint32_t>(_mm_movemask_epi8(plain)) & 0xFFFFu;
  };
  if (size <= kBlock) {
    // Keys are followed by their values: only the last of a text has less than a block behind it.
    if (document.text().size() - node.key_begin > kBlock && (odd(name) & ((1u << size) - 1)) == 0)
      return true;
  } else if (size <= 2 * kBlock && (odd(name) | odd(name + size - kBlock)) == 0) {
    return true;
  }
#endif
  return is_plain_name({name, size});
}

}  // namespace tollgate::protocol::llm
