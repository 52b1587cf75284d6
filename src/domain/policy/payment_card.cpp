#include <array>

#include "domain/policy/detectors.hpp"

namespace tollgate::domain::policy {
namespace {

constexpr std::size_t kMaxDigits = 19;
constexpr std::size_t kMinDigits = 12;

constexpr std::uint32_t lengths(std::initializer_list<int> list) {
  std::uint32_t bits = 0;
  for (const int n : list) bits |= 1u << n;
  return bits;
}
constexpr std::uint32_t k16to19 = lengths({16, 17, 18, 19});
constexpr std::uint32_t k12to19 = lengths({12, 13, 14, 15}) | k16to19;

/// Issuer ranges by the first four digits, from the schemes' public tables (ISO/IEC 7812 lists,
/// read 2026-11). First match wins, so special cases stand before the range that holds them.
/// 15 digits from 1 (UATP) are left out: that is the shape of a time stamp.
struct IssuerRange {
  std::uint16_t low, high;
  std::uint32_t lengths;
};
constexpr std::array<IssuerRange, 32> kIssuers = {{
    {2200, 2205, k16to19},                    // Mir
    {2221, 2720, lengths({16})},              // Mastercard
    {3000, 3059, lengths({14}) | k16to19},    // Diners
    {3095, 3095, lengths({14}) | k16to19},    // Diners
    {3400, 3499, lengths({15})},              // American Express
    {3528, 3589, k16to19},                    // JCB
    {3600, 3699, lengths({14}) | k16to19},    // Diners
    {3700, 3799, lengths({15})},              // American Express
    {3800, 3999, lengths({14}) | k16to19},    // Diners
    {4000, 4999, lengths({13, 16, 18, 19})},  // Visa
    {5018, 5020, k12to19},                    // Maestro, Dankort
    {5038, 5038, k12to19},                    // Maestro
    {5060, 5061, k16to19},                    // Verve
    {5067, 5067, lengths({16})},              // Elo
    {5080, 5099, k16to19},                    // RuPay, Elo
    {5100, 5599, lengths({16})},              // Mastercard
    {5612, 5612, k12to19},                    // Maestro
    {5893, 5893, k12to19},                    // Maestro
    {5600, 5899, k16to19},                    // Maestro
    {6011, 6011, k16to19},                    // Discover
    {6040, 6042, k16to19},                    // UkrCard
    {6060, 6062, k16to19},                    // Hipercard
    {6200, 6299, k16to19},                    // UnionPay
    {6304, 6304, k12to19},                    // Maestro
    {6360, 6399, k16to19},                    // InterPayment, Elo, Maestro
    {6440, 6599, k16to19},                    // Discover, RuPay, Elo, Troy, Verve
    {6700, 6799, k12to19},                    // Maestro
    {6000, 6099, k16to19},                    // RuPay
    {8100, 8299, lengths({16})},              // UnionPay, RuPay
    {8600, 8600, lengths({16})},              // Uzcard
    {9792, 9792, lengths({16})},              // Troy
    {9860, 9860, lengths({16})},              // Humo
}};

/// The ranges of a first digit stand together, and years and the like have none: {first, end}.
constexpr auto kByFirstDigit = [] {
  std::array<std::array<std::uint8_t, 2>, 10> t{};
  for (std::uint8_t i = 0; i < kIssuers.size(); ++i) {
    auto& [first, end] = t[kIssuers[i].low / 1000u];
    if (end == 0) first = i;
    end = static_cast<std::uint8_t>(i + 1);
  }
  return t;
}();
static_assert([] {
  for (std::size_t i = 0; i < kIssuers.size(); ++i) {
    const auto& [first, end] = kByFirstDigit[kIssuers[i].low / 1000u];
    if (kIssuers[i].high / 1000 != kIssuers[i].low / 1000 || i < first || i >= end) return false;
    if (kIssuers[first].low / 1000 != kIssuers[end - 1u].low / 1000) return false;
  }
  return true;
}());

/// Lengths a card of this issuer may have; 0 = no issuer.
std::uint32_t issuer_lengths(unsigned first4) noexcept {
  const auto& [first, end] = kByFirstDigit[first4 / 1000];
  for (std::size_t i = first; i < end; ++i) {
    if (first4 >= kIssuers[i].low && first4 <= kIssuers[i].high) return kIssuers[i].lengths;
  }
  return 0;
}

bool luhn(const std::array<std::uint8_t, kMaxDigits>& digits, std::size_t count) noexcept {
  unsigned sum = 0;
  for (std::size_t k = 0; k < count; ++k) {
    unsigned d = digits[count - 1 - k];
    if (k % 2 == 1) d = d < 5 ? 2 * d : 2 * d - 9;
    sum += d;
  }
  return sum % 10 == 0;
}

/// The digit before is part of a number (0.4111...), or the whole is a telephone number (+49...).
bool left_open(const Window& w, std::size_t start) noexcept {
  if (!w.left_boundary(start)) return false;
  if (start == 0) return true;
  const char c = w.text[start - 1];
  if (c == '+') return false;
  return !(c == '.' && start >= 2 && is(w.text[start - 2], kDigit));
}

bool right_open(Window& w, std::size_t end) noexcept {
  const char c = w.at(end);
  if (is(c, kAlnum)) return false;
  return !(c == '.' && is(w.at(end + 1), kDigit));
}

}  // namespace

GroupSeparator group_separator(Window& w, std::size_t i) noexcept {
  const char c = w.at(i);
  if (c == ' ' || c == '-') return {1, static_cast<std::uint32_t>(c)};
  if (c == '\xC2') {
    if (w.at(i + 1) == '\xA0') return {2, 0xA0};
    return {};
  }
  if (c != '\xE2') return {};
  const char d = w.at(i + 1);
  if (d == '\x80') {
    const char e = w.at(i + 2);
    // U+2007, U+2009, U+202F: spaces; U+2010..U+2015: hyphens and dashes.
    if (e == '\x87' || e == '\x89' || e == '\xAF' || (e >= '\x90' && e <= '\x95')) {
      return {3, 0x2000u + static_cast<unsigned char>(e)};
    }
  } else if (d == '\x88' && w.at(i + 2) == '\x92') {
    return {3, 0x2212};  // minus sign
  }
  return {};
}

Finding find_payment_card(Window& w, std::size_t start) noexcept {
  Finding found{start, 0, false};
  const auto& [first_issuer, end_issuer] = kByFirstDigit[digit_value(w.text[start])];
  if (first_issuer == end_issuer) return found;
  std::array<std::uint8_t, kMaxDigits> digits;
  std::size_t count = 0;
  std::size_t i = start;
  std::size_t first_group = 0;
  std::size_t group_max = kMaxDigits;
  std::uint32_t separator = 0;
  std::uint32_t allowed = 0;
  for (int group = 0;; ++group) {
    const std::size_t group_begin = count;
    while (is(w.at(i), kDigit)) {
      if (count == kMaxDigits || count - group_begin == group_max) return found;
      digits[count++] = static_cast<std::uint8_t>(digit_value(w.text[i++]));
    }
    const std::size_t group_size = count - group_begin;
    if (group == 0) {
      if (count < 4) return found;
      allowed = issuer_lengths(digits[0] * 1000u + digits[1] * 100u + digits[2] * 10u + digits[3]);
      if (allowed == 0 || !left_open(w, start)) return found;
      first_group = group_size;
    }
    if (count >= kMinDigits && (allowed >> count & 1u) != 0 && right_open(w, i) &&
        luhn(digits, count)) {
      found.end = i;
    }
    // 4-4-4-4(-1..3), 4-6-5, 4-6-4, 6-13, 8-8 and their like: after a group of four come groups of
    // three to six digits, only the last one may be shorter; and one kind of separator throughout.
    if (group > 0 && first_group == 4 && group_size < 3) return found;
    if (first_group != 4 && (first_group != 6 && first_group != 8)) return found;
    if (first_group != 4 && group > 0) return found;
    if (count == kMaxDigits) return found;
    const GroupSeparator sep = group_separator(w, i);
    if (sep.bytes == 0 || (group > 0 && sep.kind != separator)) return found;
    separator = sep.kind;
    i += sep.bytes;
    if (!is(w.at(i), kDigit)) return found;
    group_max = first_group == 4 ? 6 : kMaxDigits;
  }
}

}  // namespace tollgate::domain::policy
