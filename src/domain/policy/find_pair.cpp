#include "domain/policy/find_pair.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tollgate::domain::policy {
namespace {

std::size_t find_pair_bytes(const char* a, const char* b, std::size_t count, char first,
                            char second) {
  for (std::size_t i = 0; i < count; ++i)
    if (a[i] == first && b[i] == second) return i;
  return count;
}

#if defined(__x86_64__)

std::size_t find_pair_sse2(const char* a, const char* b, std::size_t count, char first,
                           char second) {
  if (count < 16) return find_pair_bytes(a, b, count, first, second);
  const __m128i wanted_a = _mm_set1_epi8(first), wanted_b = _mm_set1_epi8(second);
  for (std::size_t i = 0;; i += 16) {
    // The last block overlaps the one before, in which nothing was found.
    i = std::min(i, count - 16);
    const __m128i at_a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a + i));
    const __m128i at_b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + i));
    const auto hits = static_cast<std::uint32_t>(_mm_movemask_epi8(
        _mm_and_si128(_mm_cmpeq_epi8(at_a, wanted_a), _mm_cmpeq_epi8(at_b, wanted_b))));
    if (hits != 0) return i + static_cast<std::size_t>(std::countr_zero(hits));
    if (i == count - 16) return count;
  }
}

[[gnu::target("avx2")]] std::size_t find_pair_avx2(const char* a, const char* b, std::size_t count,
                                                   char first, char second) {
  if (count < 32) return find_pair_sse2(a, b, count, first, second);
  const __m256i wanted_a = _mm256_set1_epi8(first), wanted_b = _mm256_set1_epi8(second);
  for (std::size_t i = 0;; i += 32) {
    i = std::min(i, count - 32);
    const __m256i at_a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i));
    const __m256i at_b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i));
    const auto hits = static_cast<std::uint32_t>(_mm256_movemask_epi8(
        _mm256_and_si256(_mm256_cmpeq_epi8(at_a, wanted_a), _mm256_cmpeq_epi8(at_b, wanted_b))));
    if (hits != 0) return i + static_cast<std::size_t>(std::countr_zero(hits));
    if (i == count - 32) return count;
  }
}

#endif

}  // namespace

std::vector<FindPair*> pair_finders() {
  std::vector<FindPair*> all = {find_pair_bytes};
#if defined(__x86_64__)
  all.push_back(find_pair_sse2);
  if (__builtin_cpu_supports("avx2")) all.push_back(find_pair_avx2);
#endif
  return all;
}

}  // namespace tollgate::domain::policy
