#include "domain/policy/prefilter.hpp"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tollgate::domain::policy {
namespace {

void classify_bytes(const char* p, std::size_t blocks, const AnchorTables& tables,
                    BlockMarks* out) {
  for (; blocks > 0; --blocks, p += 64, ++out) {
    BlockMarks marks{0, 0};
    for (int i = 0; i < 64; ++i) {
      unsigned buckets = 0xFF;
      for (std::size_t k = 0; k < 3; ++k) {
        const auto c = static_cast<unsigned char>(p[i + static_cast<int>(k) - 2]);
        buckets &= tables.low[k][c & 15u] & unsigned{tables.high[k][unsigned{c} >> 4]};
      }
      marks.digits |= std::uint64_t{is(p[i], kDigit)} << i;
      marks.anchors |= std::uint64_t{buckets != 0} << i;
    }
    *out = marks;
  }
}

#if defined(__x86_64__)

[[gnu::target("ssse3"), gnu::always_inline]] inline __m128i table_ssse3(
    const AnchorTables::Nibbles& nibbles) noexcept {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(nibbles.data()));
}

[[gnu::target("ssse3")]] void classify_ssse3(const char* p, std::size_t blocks,
                                             const AnchorTables& tables, BlockMarks* out) {
  const __m128i low0 = table_ssse3(tables.low[0]), high0 = table_ssse3(tables.high[0]);
  const __m128i low1 = table_ssse3(tables.low[1]), high1 = table_ssse3(tables.high[1]);
  const __m128i low2 = table_ssse3(tables.low[2]), high2 = table_ssse3(tables.high[2]);
  const __m128i half = _mm_set1_epi8(15), zero = _mm_setzero_si128();
  for (; blocks > 0; --blocks, p += 64, ++out) {
    BlockMarks marks{0, 0};
    for (int i = 0; i < 64; i += 16) {
      const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i - 2));
      const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i - 1));
      const __m128i c = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
      const __m128i in_a =
          _mm_and_si128(_mm_shuffle_epi8(low0, _mm_and_si128(a, half)),
                        _mm_shuffle_epi8(high0, _mm_and_si128(_mm_srli_epi16(a, 4), half)));
      const __m128i in_b =
          _mm_and_si128(_mm_shuffle_epi8(low1, _mm_and_si128(b, half)),
                        _mm_shuffle_epi8(high1, _mm_and_si128(_mm_srli_epi16(b, 4), half)));
      const __m128i in_c =
          _mm_and_si128(_mm_shuffle_epi8(low2, _mm_and_si128(c, half)),
                        _mm_shuffle_epi8(high2, _mm_and_si128(_mm_srli_epi16(c, 4), half)));
      const __m128i none = _mm_cmpeq_epi8(_mm_and_si128(in_a, _mm_and_si128(in_b, in_c)), zero);
      // c - '0' as unsigned is <= 9 exactly for digits: min(x, 9) == x.
      const __m128i x = _mm_sub_epi8(c, _mm_set1_epi8('0'));
      const __m128i digit = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(9)), x);
      const auto no_anchor = static_cast<std::uint32_t>(_mm_movemask_epi8(none));
      marks.anchors |= std::uint64_t{no_anchor ^ 0xFFFFu} << i;
      marks.digits |= std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(digit))} << i;
    }
    *out = marks;
  }
}

[[gnu::target("avx2"), gnu::always_inline]] inline __m256i table_avx2(
    const AnchorTables::Nibbles& nibbles) noexcept {
  return _mm256_broadcastsi128_si256(
      _mm_load_si128(reinterpret_cast<const __m128i*>(nibbles.data())));
}

[[gnu::target("avx2")]] void classify_avx2(const char* p, std::size_t blocks,
                                           const AnchorTables& tables, BlockMarks* out) {
  const __m256i low0 = table_avx2(tables.low[0]), high0 = table_avx2(tables.high[0]);
  const __m256i low1 = table_avx2(tables.low[1]), high1 = table_avx2(tables.high[1]);
  const __m256i low2 = table_avx2(tables.low[2]), high2 = table_avx2(tables.high[2]);
  const __m256i half = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
  for (; blocks > 0; --blocks, p += 64, ++out) {
    BlockMarks marks{0, 0};
    for (int i = 0; i < 64; i += 32) {
      const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i - 2));
      const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i - 1));
      const __m256i c = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i));
      const __m256i in_a = _mm256_and_si256(
          _mm256_shuffle_epi8(low0, _mm256_and_si256(a, half)),
          _mm256_shuffle_epi8(high0, _mm256_and_si256(_mm256_srli_epi16(a, 4), half)));
      const __m256i in_b = _mm256_and_si256(
          _mm256_shuffle_epi8(low1, _mm256_and_si256(b, half)),
          _mm256_shuffle_epi8(high1, _mm256_and_si256(_mm256_srli_epi16(b, 4), half)));
      const __m256i in_c = _mm256_and_si256(
          _mm256_shuffle_epi8(low2, _mm256_and_si256(c, half)),
          _mm256_shuffle_epi8(high2, _mm256_and_si256(_mm256_srli_epi16(c, 4), half)));
      const __m256i none =
          _mm256_cmpeq_epi8(_mm256_and_si256(in_a, _mm256_and_si256(in_b, in_c)), zero);
      const __m256i x = _mm256_sub_epi8(c, _mm256_set1_epi8('0'));
      const __m256i digit = _mm256_cmpeq_epi8(_mm256_min_epu8(x, _mm256_set1_epi8(9)), x);
      const auto no_anchor = static_cast<std::uint32_t>(_mm256_movemask_epi8(none));
      marks.anchors |= std::uint64_t{~no_anchor} << i;
      marks.digits |= std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(digit))} << i;
    }
    *out = marks;
  }
}

#endif

}  // namespace

std::vector<Classify*> classifiers() {
  std::vector<Classify*> all = {classify_bytes};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("ssse3")) all.push_back(classify_ssse3);
  if (__builtin_cpu_supports("avx2")) all.push_back(classify_avx2);
#endif
  return all;
}

namespace {

Classify* const classify = classifiers().back();

/// One block that begins too early or ends too late to be read where it stands.
void mark_edge(std::string_view text, std::size_t from, const AnchorTables& tables,
               BlockMarks& marks) noexcept {
  constexpr std::size_t kContext = 2;
  // NULs around it are no part of any anchor, and no digits.
  alignas(16) std::array<char, kContext + 64 + 14> copy{};
  const std::size_t context = std::min(from, kContext);
  const std::size_t end = std::min(text.size(), from + 64);
  std::memcpy(copy.data() + kContext - context, text.data() + from - context, end - from + context);
  classify(copy.data() + kContext, 1, tables, &marks);
}

/// How much text the bucket lets pass: for each of the three places the bytes it takes there,
/// weighed by how usual they are.
std::uint64_t passing(const AnchorTables& tables, unsigned bucket) noexcept {
  std::uint64_t product = 1;
  for (std::size_t k = 0; k < 3; ++k) {
    std::uint64_t sum = 0;
    for (unsigned high = 0; high < 16; ++high) {
      if ((tables.high[k][high] & bucket) == 0) continue;
      for (unsigned low = 0; low < 16; ++low)
        if ((tables.low[k][low] & bucket) != 0)
          sum += commonness(static_cast<char>(high << 4 | low));
    }
    product *= sum;
  }
  return product;
}

/// The anchor of `literal` that ends at `last`, put into the bucket.
void admit(AnchorTables& tables, std::string_view literal, std::size_t last,
           unsigned bucket) noexcept {
  for (std::size_t back = 0; back < 3; ++back) {
    AnchorTables::Nibbles& low = tables.low[2 - back];
    AnchorTables::Nibbles& high = tables.high[2 - back];
    const auto bit = static_cast<std::uint8_t>(bucket);
    if (back <= last) {
      const auto byte = static_cast<unsigned char>(literal[last - back]);
      low[byte & 15u] |= bit;
      high[unsigned{byte} >> 4] |= bit;
    } else {
      for (std::size_t n = 0; n < 16; ++n) {
        low[n] |= bit;
        high[n] |= bit;
      }
    }
  }
}

}  // namespace

std::size_t AnchorTables::add(std::string_view literal) noexcept {
  AnchorTables best;
  std::uint64_t fewest = ~std::uint64_t{0};
  std::size_t best_last = 0;
  for (unsigned bucket = 1; bucket < 256; bucket <<= 1) {
    const std::uint64_t before = passing(*this, bucket);
    for (std::size_t last = std::min<std::size_t>(2, literal.size() - 1); last < literal.size();
         ++last) {
      AnchorTables with = *this;
      admit(with, literal, last, bucket);
      const std::uint64_t more = passing(with, bucket) - before;
      if (more >= fewest) continue;
      fewest = more;
      best = with;
      best_last = last;
    }
  }
  *this = best;
  return best_last;
}

std::size_t mark_blocks(std::string_view text, std::size_t from, const AnchorTables& tables,
                        std::span<BlockMarks> marks) noexcept {
  std::size_t done = 0;
  if (from < 2) {
    mark_edge(text, from, tables, marks[done++]);
    from += 64;
  }
  if (from < text.size()) {
    const std::size_t whole = std::min((text.size() - from) / 64, marks.size() - done);
    if (whole > 0) classify(text.data() + from, whole, tables, &marks[done]);
    done += whole;
    from += 64 * whole;
    if (from < text.size() && done < marks.size()) mark_edge(text, from, tables, marks[done++]);
  }
  return done;
}

}  // namespace tollgate::domain::policy
