#include "json/strings.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "tollgate/json/document.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tollgate::json {
namespace {

/// What `\x` stands for; 0 = not an escape, 'u' = four hex digits follow.
constexpr std::array<char, 256> kEscapes = [] {
  std::array<char, 256> table{};
  table['"'] = '"';
  table['\\'] = '\\';
  table['/'] = '/';
  table['b'] = '\b';
  table['f'] = '\f';
  table['n'] = '\n';
  table['r'] = '\r';
  table['t'] = '\t';
  table['u'] = 'u';
  return table;
}();

constexpr std::array<std::int8_t, 256> kHex = [] {
  std::array<std::int8_t, 256> table{};
  for (auto& entry : table) entry = -1;
  for (unsigned i = 0; i < 10; ++i) table['0' + i] = static_cast<std::int8_t>(i);
  for (unsigned i = 0; i < 6; ++i) {
    table['a' + i] = static_cast<std::int8_t>(10 + i);
    table['A' + i] = static_cast<std::int8_t>(10 + i);
  }
  return table;
}();

constexpr unsigned char byte(char c) {
  return static_cast<unsigned char>(c);
}

/// Four hex digits at `p`; negative when they are not.
std::int32_t hex4(const char* p) noexcept {
  std::int32_t value = 0;
  std::int32_t bad = 0;
  for (int i = 0; i < 4; ++i) {
    const std::int32_t digit = kHex[byte(p[i])];
    bad |= digit;
    value = value * 16 + (digit & 15);
  }
  return bad < 0 ? -1 : value;
}

constexpr bool is_high(std::int32_t unit) {
  return unit >= 0xD800 && unit < 0xDC00;
}
constexpr bool is_low(std::int32_t unit) {
  return unit >= 0xDC00 && unit < 0xE000;
}

char* put_utf8(char* out, std::uint32_t c) noexcept {
  const auto put = [&out](std::uint32_t value) { *out++ = static_cast<char>(value); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
  return out;
}

/// Bytes of the escape at `p` ('\\'), or 0 with what was expected in `message`.
std::size_t escape_length(const char* p, const char* end, bool allow_lone_surrogates,
                          const char*& message) noexcept {
  if (end - p < 2 || kEscapes[byte(p[1])] == '\0') {
    message = "a valid escape";
    return 0;
  }
  if (p[1] != 'u') return 2;
  const std::int32_t unit = end - p >= 6 ? hex4(p + 2) : -1;
  if (unit < 0) {
    message = "four hex digits after \\u";
    return 0;
  }
  if (unit < 0xD800 || unit >= 0xE000) return 6;
  if (is_high(unit) && end - p >= 12 && p[6] == '\\' && p[7] == 'u' && is_low(hex4(p + 8))) {
    return 12;
  }
  if (allow_lone_surrogates) return 6;
  message = "a surrogate pair, not half of one";
  return 0;
}

/// The same as look() where fewer than kBlockBytes bytes are left: never reads beyond `end`. Bits
/// of bytes that are not there are 0.
StringBlock look_at_end(const char* p, const char* text, const char* end) noexcept {
  const auto left = static_cast<std::uint32_t>(end - p);
  StringBlock block;
  if (end - text >= kBlockBytes) {
    block = look(end - kBlockBytes);
    const auto before = static_cast<std::uint32_t>(kBlockBytes) - left;
    return {block.stops >> before, block.high >> before};
  }
  std::array<char, kBlockBytes> copy{};
  if (left != 0) std::memcpy(copy.data(), p, left);
  block = look(copy.data());
  const std::uint32_t there = (1u << left) - 1;
  return {block.stops & there, block.high & there};
}

const char* skip_plain_blocks(const char* p, const char* end, std::uint32_t& high) {
  while (end - p >= kBlockBytes) {
    const StringBlock block = look(p);
    if (block.stops != 0) break;
    high |= block.high;
    p += kBlockBytes;
  }
  return p;
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] const char* skip_plain_avx2(const char* p, const char* end,
                                                    std::uint32_t& high) {
  const __m256i last_control = _mm256_set1_epi8(0x1F);
  const __m256i quote = _mm256_set1_epi8('"'), backslash = _mm256_set1_epi8('\\');
  __m256i seen = _mm256_setzero_si256();
  for (; end - p >= 32; p += 32) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i stops = _mm256_or_si256(
        _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, last_control), bytes),
        _mm256_or_si256(_mm256_cmpeq_epi8(bytes, quote), _mm256_cmpeq_epi8(bytes, backslash)));
    if (_mm256_movemask_epi8(stops) != 0) break;
    seen = _mm256_or_si256(seen, bytes);
  }
  high |= static_cast<std::uint32_t>(_mm256_movemask_epi8(seen));
  return p;
}
// False until it is known, should a string be read before.
const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
#endif

/// Moves over bytes that are neither quote, backslash nor control character, as far as that goes
/// fast: at most to the block in which one stands, or to the last ones before `end`.
const char* skip_plain(const char* p, const char* end, std::uint32_t& high) {
#if defined(__x86_64__)
  if (has_avx2) return skip_plain_avx2(p, end, high);
#endif
  return skip_plain_blocks(p, end, high);
}

}  // namespace

StringEnd read_string(const char* p, const char* text, const char* end,
                      bool allow_lone_surrogates) noexcept {
  const char* const opened = p - 1;
  std::uint32_t high = 0;
  bool has_escape = false;
  for (;;) {
    StringBlock block{0, 0};
    int plain = 0;
    while (end - p >= kBlockBytes && (block = look(p)).stops == 0) {
      high |= block.high;
      p += kBlockBytes;
      // Two blocks without any: prose, likely, of which there is more.
      if (++plain == 2) p = skip_plain(p, end, high);
    }
    const bool is_last = end - p < kBlockBytes;
    if (is_last) block = look_at_end(p, text, end);
    high |= block.high;
    std::size_t done = kBlockBytes;
    // Code in prompts has an escape every few bytes: all of a block are found at once.
    for (std::uint32_t stops = block.stops; stops != 0;) {
      const auto place = static_cast<std::size_t>(std::countr_zero(stops));
      const char* const at = p + place;
      if (*at == '"') return {at + 1, nullptr, has_escape, high != 0};
      if (*at != '\\') return {at, "control characters to be escaped in strings"};
      const char* message = nullptr;
      const std::size_t length = escape_length(at, end, allow_lone_surrogates, message);
      if (length == 0) return {at, message};
      has_escape = true;
      if (place + length >= done) {
        done = place + length;
        break;
      }
      stops &= ~std::uint32_t{0} << (place + length);
    }
    if (is_last) return {opened, "the string that begins here to be closed"};
    p += done;
  }
}

void unescape_into(std::string& out, std::string_view escaped) {
  // The text is never longer than its escaped form: write past the end, then cut.
  const std::size_t before = out.size();
  out.resize(before + escaped.size());
  char* o = out.data() + before;
  const char* p = escaped.data();
  const char* const end = p + escaped.size();
  while (p < end) {
#if defined(__SSE2__)
    // As much room is left in `out` as bytes are left to read, so 16 can be stored as well as read.
    if (end - p >= 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(o), bytes);
      const auto hits =
          static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
      const int plain = hits == 0 ? 16 : std::countr_zero(hits);
      p += plain;
      o += plain;
      if (hits == 0) continue;
    }
#endif
    if (*p != '\\') {
      *o++ = *p++;
      continue;
    }
    if (end - p < 2) break;  // cannot come from a parsed string
    if (p[1] != 'u') {
      *o++ = kEscapes[byte(p[1])];
      p += 2;
      continue;
    }
    const std::int32_t unit = end - p >= 6 ? hex4(p + 2) : -1;
    if (unit < 0) break;
    p += 6;
    auto c = static_cast<std::uint32_t>(unit);
    if (unit >= 0xD800 && unit < 0xE000) {
      const std::int32_t low =
          is_high(unit) && end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2) : -1;
      if (is_low(low)) {
        c = static_cast<std::uint32_t>(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
        p += 6;
      } else {
        c = 0xFFFD;
      }
    }
    o = put_utf8(o, c);
  }
  out.resize(static_cast<std::size_t>(o - out.data()));
}

std::size_t utf8_length(const char* p, const char* end) noexcept {
  // RFC 3629, section 4.
  const unsigned char first = byte(*p);
  if (first < 0x80) return 1;
  const auto room = static_cast<std::size_t>(end - p);
  const auto tail = [&](std::size_t i) { return (byte(p[i]) & 0xC0) == 0x80; };
  if (first >= 0xC2 && first <= 0xDF) return room >= 2 && tail(1) ? 2 : 0;
  if ((first & 0xF0) == 0xE0) {
    if (room < 3 || !tail(1) || !tail(2)) return 0;
    if (first == 0xE0 && byte(p[1]) < 0xA0) return 0;
    if (first == 0xED && byte(p[1]) >= 0xA0) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (room < 4 || !tail(1) || !tail(2) || !tail(3)) return 0;
    if (first == 0xF0 && byte(p[1]) < 0x90) return 0;
    if (first == 0xF4 && byte(p[1]) >= 0x90) return 0;
    return 4;
  }
  return 0;
}

std::size_t first_bad_utf8(std::string_view text) noexcept {
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    const std::size_t length = utf8_length(p, end);
    if (length == 0) return static_cast<std::size_t>(p - text.data());
    p += length;
  }
  return text.size();
}

}  // namespace tollgate::json
