#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

/// Character classes of RFC 9110/9112 as one table. Private to src/protocol/http.
namespace tollgate::protocol::http::detail {

inline constexpr std::uint8_t kToken = 1;       ///< tchar, '_' included
inline constexpr std::uint8_t kUnderscore = 2;  ///< '_'
inline constexpr std::uint8_t kTargetChar = 4;  ///< may stand in a request target, see ADR 0004
inline constexpr std::uint8_t kHex = 8;
inline constexpr std::uint8_t kRegName = 16;     ///< letters, digits, '-', '.', '_'
inline constexpr std::uint8_t kPathChar = 32;    ///< RFC 3986 pchar, '/' and '%'
inline constexpr std::uint8_t kQuotedText = 64;  ///< inside a quoted string, without '"' and '\'

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

/// Whether every byte may stand in a field value: no control character but tab. Eight at a time;
/// the exact test for tab is made only for words that hold something below 0x20.
[[nodiscard]] inline bool is_value_text(std::string_view text) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101ull;
  constexpr std::uint64_t high = ones * 0x80;
  const char* at = text.data();
  std::size_t left = text.size();
  const auto slow = [](const char* p, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      const auto c = static_cast<std::uint8_t>(p[i]);
      if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
    }
    return true;
  };
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    const std::uint64_t below_space = (word - ones * 0x20) & ~word & high;
    const std::uint64_t del = word ^ (ones * 0x7f);
    const std::uint64_t is_del = (del - ones) & ~del & high;
    if ((below_space | is_del) != 0 && !slow(at, 8)) return false;
  }
  return slow(at, left);
}

}  // namespace tollgate::protocol::http::detail
