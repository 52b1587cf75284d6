#include "domain/loops/text_hash.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "domain/loops/token.hpp"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace tollgate::domain::loops {
namespace {

std::uint64_t load(const char* p) noexcept {
  std::uint64_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

bool is_blank(char c) noexcept {
  return static_cast<unsigned char>(c) <= ' ';
}

/// The first byte from `p` on that needs a look, or `end`: a digit, an escape, or white space
/// behind white space.
const char* next_special(const char* p, const char* end) noexcept {
  bool behind_blank = false;
#ifdef __SSE2__
  const __m128i zero = _mm_set1_epi8('0'), nine = _mm_set1_epi8(9), slash = _mm_set1_epi8('\\');
  const __m128i blank = _mm_set1_epi8(' ');
  std::uint32_t carry = 0;
  for (; end - p >= 16; p += 16) {
    const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i digit = _mm_sub_epi8(here, zero);
    const __m128i hit =
        _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(digit, nine), digit), _mm_cmpeq_epi8(here, slash));
    const auto blanks = static_cast<std::uint32_t>(
        _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(here, blank), here)));
    const std::uint32_t found =
        static_cast<std::uint32_t>(_mm_movemask_epi8(hit)) | (blanks & (blanks << 1 | carry));
    if (found != 0) return p + std::countr_zero(found);
    carry = blanks >> 15;
  }
  behind_blank = carry != 0;
#endif
  for (; p != end; ++p) {
    if (is_digit(*p) || *p == '\\' || (behind_blank && is_blank(*p))) return p;
    behind_blank = is_blank(*p);
  }
  return p;
}

/// Where reading of a text's end begins: before a word near `from` that the text itself chooses, so
/// that a number that got longer seldom moves it.
const char* anchor(const char* from, const char* end) noexcept {
  constexpr std::ptrdiff_t kNear = 512;
  const char* const until = from + std::min(kNear, end - from);
  const char* best = from;
  std::uint64_t least = ~std::uint64_t{0};
  for (const char* p = from; until - p > 8; ++p) {
    if (*p != ' ' || is_blank(p[1]) || is_digit(p[1])) continue;
    // Four bytes: longer ones would more often have a number among them.
    std::uint32_t word;
    std::memcpy(&word, p + 1, sizeof word);
    const std::uint64_t rank = mix(word, 1);
    if (rank >= least) continue;
    least = rank;
    best = p + 1;
  }
  return best;
}

}  // namespace

std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) noexcept {
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t state = seed;
  if (left > 64) {  // four chains: a multiplication waits for none of the others
    std::uint64_t a = seed, b = ~seed, c = seed ^ 0xA0761D6478BD642Full,
                  d = seed ^ 0xE7037ED1A0B428DBull;
    for (; left > 64; left -= 64, p += 64) {
      a = mix(load(p) ^ a, load(p + 8));
      b = mix(load(p + 16) ^ b, load(p + 24));
      c = mix(load(p + 32) ^ c, load(p + 40));
      d = mix(load(p + 48) ^ d, load(p + 56));
    }
    state = mix(mix(a, b), mix(c, d));
  }
  for (; left > 16; left -= 16, p += 16) state = mix(load(p) ^ state, load(p + 8));
  std::uint64_t low = 0, high = 0;
  if (left >= 8) {
    low = load(p);
    high = load(p + left - 8);
  } else {
    std::memcpy(&low, p, left);
  }
  return mix(mix(low ^ state, high), bytes.size());
}

void TextHash::put(const char* from, std::size_t size) noexcept {
  if (size == 0) return;
  last_ = from[size - 1];
  total_ += size;
  while (size > 0) {
    const std::size_t part = std::min(size, block_.size() - used_);
    std::memcpy(block_.data() + used_, from, part);
    used_ += part;
    from += part;
    size -= part;
    if (used_ < block_.size()) continue;
    state_ = hash_bytes({block_.data(), used_}, state_);
    used_ = 0;
  }
}

void TextHash::blank() noexcept {
  if (last_ != ' ') put(' ');
}

void TextHash::mark(std::uint64_t what) noexcept {
  state_ = mix(hash_bytes({block_.data(), used_}, state_), what);
  used_ = 0;
  last_ = '\0';
}

std::uint64_t TextHash::value() const noexcept {
  return hash_bytes({block_.data(), used_}, state_);
}

void TextHash::put_token(std::string_view token, Fold fold) noexcept {
  switch (kind_of_token(token)) {
    case TokenKind::time:
      return put('#');
    case TokenKind::id:
      if (fold == Fold::all) return put('@');
      return put(token.data(), token.size());
    case TokenKind::word:
      break;
  }
  if (fold != Fold::all) return put(token.data(), token.size());
  const char* p = token.data();
  const char* const end = p + token.size();
  if (*p == '-' || *p == '+') ++p;
  while (p != end) {
    const char* const from = p;
    while (p != end && !is_digit(*p)) ++p;
    put(from, static_cast<std::size_t>(p - from));
    if (p == end) break;
    put('#');
    p = end_of_number(p, end);
  }
}

const char* TextHash::fold(const char* p, const char* end, Fold fold, std::size_t most) noexcept {
  const std::uint64_t full = total_ + most;
  const char* from = p;  // what stands from here on is not put yet, and goes as it is
  const auto put_until = [&](const char* to) { put(from, static_cast<std::size_t>(to - from)); };
  while (p != end && total_ + static_cast<std::size_t>(p - from) < full) {
    // In steps, so that a text without anything special ends at its limit too.
    const char* const stop = p + std::min<std::size_t>(static_cast<std::size_t>(end - p),
                                                       std::max<std::size_t>(most, 64));
    p = next_special(p, stop);
    if (p == stop) continue;
    if (is_digit(*p)) {
      if (fold == Fold::none) {
        ++p;
        continue;
      }
      const char* token = p;
      while (token != from && is_token_char(token[-1])) --token;
      p = end_of_token(p, end);
      const std::string_view whole(token, static_cast<std::size_t>(p - token));
      if (fold == Fold::times && kind_of_token(whole) != TokenKind::time) continue;
      put_until(token);
      put_token(whole, fold);
      from = p;
    } else if (*p == '\\') {
      const char what = p + 1 < end ? p[1] : '\\';
      if (what == 'n' || what == 't' || what == 'r' || what == 'f' || what == 'b') {
        put_until(p);
        blank();
        p += 2;
        from = p;
        // Blanks behind it belong to it.
        while (from != end && is_blank(*from)) ++from;
        p = from;
      } else {  // \" \\ \/ as they are; \u with its digits
        put_until(p);
        const std::size_t size =
            std::min<std::size_t>(what == 'u' ? 6 : 2, static_cast<std::size_t>(end - p));
        put(p, size);
        p += size;
        from = p;
      }
    } else {
      put_until(p);
      blank();
      while (p != end && is_blank(*p)) ++p;
      from = p;
    }
  }
  put_until(p);
  return p;
}

std::size_t TextHash::add(std::string_view raw, Fold how, std::size_t limit) noexcept {
  const char* const begin = raw.data();
  const char* const end = begin + raw.size();
  if (raw.size() <= limit) {
    fold(begin, end, how, raw.size() + 1);
    return raw.size();
  }
  const std::size_t half = limit / 2;
  const char* const stopped = fold(begin, end, how, half);
  mark(half);
  const char* const tail = std::max(stopped, anchor(end - half, end));
  fold(tail, end, how, half + 1);
  return limit;
}

}  // namespace tollgate::domain::loops
