#include "domain/loops/token.hpp"

#include <algorithm>
#include <array>

namespace tollgate::domain::loops {
namespace {

bool is_hex(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool joins(char c) noexcept {
  return c == '.' || c == ':' || c == ',' || c == '+';
}

/// Ids whose prefix says so, as the model APIs and agent frameworks make them.
constexpr std::array<std::string_view, 16> kPrefixes{
    "call_", "toolu_",  "srvtoolu_", "msg_",  "chatcmpl-", "req_",  "resp_",  "fc_",
    "run_",  "thread_", "step_",     "task_", "task-",     "sess_", "trace_", "job_"};

/// 10, 13 or 16 digits of seconds, milliseconds or microseconds, from 2017 to 2033.
bool is_unix_time(std::string_view digits) noexcept {
  const std::string_view whole = digits.substr(0, digits.find('.'));
  if (whole.size() != 10 && whole.size() != 13 && whole.size() != 16) return false;
  return whole[0] == '1' && whole[1] >= '5';
}

}  // namespace

const char* end_of_number(const char* p, const char* end) noexcept {
  while (p != end) {
    if (is_digit(*p) || (joins(*p) && *p != '+' && p + 1 != end && is_digit(p[1]))) {
      ++p;
      continue;
    }
    break;
  }
  return p;
}

const char* end_of_token(const char* p, const char* end) noexcept {
  while (p != end && (is_token_char(*p) || (joins(*p) && p + 1 != end && is_digit(p[1])))) ++p;
  return p;
}

TokenKind kind_of_token(std::string_view token) noexcept {
  std::size_t digits = 0, hex = 0, letters = 0, breaks = 0, dashes = 0, colons = 0;
  bool only_t_and_z = true;
  for (const char c : token) {
    if (is_digit(c)) {
      ++digits;
      ++hex;
    } else if (is_letter(c)) {
      ++letters;
      if (is_hex(c)) ++hex;
      only_t_and_z = only_t_and_z && (c == 'T' || c == 'Z');
    } else if (c == '-') {
      ++dashes;
    } else if (c == ':') {
      ++colons;
    } else {
      ++breaks;
    }
  }
  if (is_digit(token.front()) && only_t_and_z && letters <= 2 &&
      (dashes >= 2 || (colons >= 1 && digits >= 3)))
    return TokenKind::time;
  if (letters == 0 && dashes == 0 && colons == 0 && is_unix_time(token)) return TokenKind::time;
  if (letters == 0) return TokenKind::word;
  // A UUID, or a digest with dashes.
  if (hex + dashes == token.size() && token.size() >= 32) return TokenKind::id;
  for (const std::string_view prefix : kPrefixes)
    if (dashes + breaks > 0 && token.size() > prefix.size() && token.starts_with(prefix))
      return TokenKind::id;
  // A part without `_` and `-` that nobody would write: hexadecimal from 8 on, a mixture from 12.
  std::size_t part_digits = 0, part_hex = 0, part = 0;
  for (std::size_t i = 0; i <= token.size(); ++i) {
    const char c = i < token.size() ? token[i] : '-';
    if (is_digit(c) || is_letter(c)) {
      ++part;
      if (is_digit(c)) ++part_digits;
      if (is_hex(c)) ++part_hex;
      continue;
    }
    const bool mixed = part_digits >= 2 && part > part_digits;
    if (mixed && ((part >= 8 && part_hex == part) || part >= 12)) return TokenKind::id;
    part_digits = part_hex = part = 0;
  }
  return TokenKind::word;
}

}  // namespace tollgate::domain::loops
