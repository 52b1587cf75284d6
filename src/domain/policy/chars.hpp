#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// Byte classes of the detectors, one table lookup each. ASCII only: a byte of 0x80 or more belongs
/// to no class, so every detector treats other scripts as a boundary.
namespace tollgate::domain::policy {

enum CharClass : std::uint16_t {
  kDigit = 1,
  kUpper = 2,
  kLower = 4,
  kAlpha = kUpper | kLower,
  kAlnum = kAlpha | kDigit,
  kHexLower = 8,       ///< 0-9 a-f
  kWord = 16,          ///< alnum _ -
  kUpperDigit = 32,    ///< A-Z 0-9
  kBase64 = 64,        ///< alnum + / =
  kEmailLocal = 128,   ///< alnum . _ % + -
  kUrlPath = 256,      ///< alnum / _ -
  kQuietLetter = 512,  ///< StreamGuard's fast path: part of a word
  kQuietBreak = 1024,  ///< StreamGuard's fast path: ends every candidate
  kMayMail = 2048,     ///< an at sign, or part of another spelling of one, or no ASCII
};

namespace detail {
constexpr std::array<std::uint16_t, 256> make_classes() {
  std::array<std::uint16_t, 256> t{};
  const auto add = [&t](std::string_view chars, unsigned bits) {
    for (const char c : chars) {
      auto& cell = t[static_cast<unsigned char>(c)];
      cell = static_cast<std::uint16_t>(cell | bits);
    }
  };
  add("0123456789", kDigit | kHexLower | kWord | kUpperDigit | kBase64 | kEmailLocal | kUrlPath);
  add("ABCDEFGHIJKLMNOPQRSTUVWXYZ",
      kUpper | kWord | kUpperDigit | kBase64 | kEmailLocal | kUrlPath | kQuietLetter);
  add("abcdefghijklmnopqrstuvwxyz",
      kLower | kWord | kBase64 | kEmailLocal | kUrlPath | kQuietLetter);
  add("abcdef", kHexLower);
  add("_-", kWord | kUrlPath);
  add("._%+-", kEmailLocal);
  add("+/=", kBase64);
  add("/", kUrlPath);
  // Not ':', '/' and the backslash, which begin literals ("https://", "\u0040"); not '.', '-', '_',
  // '%', '+', '@', which are parts of words.
  add(" ,\n\r\t;!?'\"()[]{}<>*#&|~^`$", kQuietBreak);
  add("@%\\", kMayMail);
  for (std::size_t c = 0x80; c < 256; ++c) t[c] = kQuietBreak | kMayMail;
  return t;
}
inline constexpr auto kClasses = make_classes();
}  // namespace detail

[[nodiscard]] constexpr bool is(unsigned char c, unsigned classes) noexcept {
  return (detail::kClasses[c] & classes) != 0;
}
[[nodiscard]] constexpr bool is(char c, unsigned classes) noexcept {
  return is(static_cast<unsigned char>(c), classes);
}
[[nodiscard]] constexpr bool is_hex(char c) noexcept {
  return is(static_cast<unsigned char>(c | 0x20), kHexLower);
}
[[nodiscard]] constexpr unsigned digit_value(char c) noexcept {
  return static_cast<unsigned>(c - '0');
}

namespace detail {
constexpr std::array<std::uint8_t, 256> make_commonness() {
  std::array<std::uint8_t, 256> t{};
  for (std::size_t c = 0; c < 256; ++c) {
    const auto u = static_cast<unsigned char>(c);
    t[c] = u >= 0x80 ? 2 : is(u, kLower) ? 15 : is(u, kDigit) ? 10 : is(u, kUpper) ? 5 : 3;
  }
  const auto set = [&t](std::string_view chars, std::uint8_t weight) {
    for (const char c : chars) t[static_cast<unsigned char>(c)] = weight;
  };
  set("-_./,:;()\n", 10);
  set("hldcu\"", 30);
  set("etaoinsr ", 70);
  return t;
}
inline constexpr auto kCommonness = make_commonness();
}  // namespace detail

/// How often a byte stands in prose, JSON and code, roughly, of a thousand: searches anchor on rare
/// ones.
[[nodiscard]] constexpr unsigned commonness(char c) noexcept {
  return detail::kCommonness[static_cast<unsigned char>(c)];
}

}  // namespace tollgate::domain::policy
