#pragma once

#include <cstdint>
#include <string_view>

/// Words with digits in them, and what they are.
namespace tollgate::domain::loops {

[[nodiscard]] inline bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
[[nodiscard]] inline bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
/// What words, ids and dates are made of; beside these `.` `:` `,` `+` before a digit.
[[nodiscard]] inline bool is_token_char(char c) noexcept {
  return is_letter(c) || is_digit(c) || c == '_' || c == '-';
}

enum class TokenKind : std::uint8_t {
  word,  ///< letters, with numbers in them or not, or a number alone
  time,  ///< 2026-11-26T20:01:02.5Z, 20:01:02, 1795723262
  id,    ///< not meant to be read: UUID, hexadecimal, call_abc123, base64
};

/// Of a word with at least one digit.
[[nodiscard]] TokenKind kind_of_token(std::string_view token) noexcept;
/// Where the word goes on to that has a digit at `p`.
[[nodiscard]] const char* end_of_token(const char* p, const char* end) noexcept;
/// Where the number ends that begins at `p`: digits, and single `.` `,` `:` between digits.
[[nodiscard]] const char* end_of_number(const char* p, const char* end) noexcept;

}  // namespace tollgate::domain::loops
