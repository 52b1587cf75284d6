#pragma once

// The digit-run finder: one comparison per 16 bytes on text without digits. Included by
// detectors.hpp; a template so that the two callbacks are inlined into the loop.

#include <bit>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace tollgate::domain::policy {

namespace detail {
/// Bit k set = p[k] is a digit; reads 64 bytes.
[[nodiscard]] inline std::uint64_t digit_mask64(const char* p) noexcept {
#if defined(__SSE2__)
  std::uint64_t mask = 0;
  const __m128i zero = _mm_set1_epi8('0');
  const __m128i nine = _mm_set1_epi8(9);
  for (int i = 0; i < 4; ++i) {
    // c - '0' as unsigned is <= 9 exactly for digits: min(x, 9) == x.
    const __m128i x =
        _mm_sub_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * i)), zero);
    const auto bits =
        static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(x, nine), x)));
    mask |= std::uint64_t{bits} << (16 * i);
  }
  return mask;
#else
  std::uint64_t mask = 0;
  for (int i = 0; i < 64; ++i) mask |= std::uint64_t{is(p[i], kDigit)} << i;
  return mask;
#endif
}
}  // namespace detail

template <class Card, class Iban>
void each_digit_run(std::string_view text, Card&& card, Iban&& iban) {
  const char* const p = text.data();
  const auto run_at = [&](std::size_t i) {
    card(i);
    if (i >= 2 && is(p[i - 1], kAlpha) && is(p[i - 2], kAlpha)) iban(i - 2);
  };
  std::size_t i = 0;
  std::uint64_t carry = 0;  // 1 = the byte before this block is a digit
  for (; i + 64 <= text.size(); i += 64) {
    const std::uint64_t digits = detail::digit_mask64(p + i);
    std::uint64_t starts = digits & ~((digits << 1) | carry);
    carry = digits >> 63;
    while (starts != 0) {
      run_at(i + static_cast<std::size_t>(std::countr_zero(starts)));
      starts &= starts - 1;
    }
  }
  bool before = carry != 0;
  for (; i < text.size(); ++i) {
    const bool digit = is(p[i], kDigit);
    if (digit && !before) run_at(i);
    before = digit;
  }
}

}  // namespace tollgate::domain::policy
