#include <array>

#include "domain/policy/detectors.hpp"

namespace tollgate::domain::policy {
namespace {

constexpr std::size_t kMaxIban = 33;  // Russia; the standard allows 34

/// IBAN length by country, from the SWIFT IBAN registry (release 99, read 2026-11); 0 = none.
struct CountryLength {
  char code[3];
  std::uint8_t length;
};
constexpr CountryLength kCountries[] = {
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22},
    {"BH", 22}, {"BI", 27}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24},
    {"DE", 22}, {"DJ", 27}, {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18},
    {"FK", 18}, {"FO", 18}, {"FR", 27}, {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27},
    {"GT", 28}, {"HN", 28}, {"HR", 21}, {"HU", 28}, {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26},
    {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20},
    {"LU", 20}, {"LV", 21}, {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19}, {"MN", 20},
    {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NI", 28}, {"NL", 18}, {"NO", 15}, {"OM", 23}, {"PK", 24},
    {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"RU", 33}, {"SA", 24},
    {"SC", 31}, {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"SO", 23}, {"ST", 25},
    {"SV", 28}, {"TL", 23}, {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20},
    {"YE", 30}};

constexpr auto kLengths = [] {
  std::array<std::uint8_t, 26 * 26> t{};
  for (const auto& c : kCountries) {
    t[static_cast<std::size_t>(c.code[0] - 'A') * 26 + static_cast<std::size_t>(c.code[1] - 'A')] =
        c.length;
  }
  return t;
}();

/// 0..25 for a letter of either case.
constexpr std::size_t letter(char c) noexcept {
  return static_cast<std::size_t>((c | 0x20) - 'a');
}

std::size_t country_length(char a, char b) noexcept {
  return kLengths[letter(a) * 26 + letter(b)];
}

/// ISO 7064 mod 97-10: the first four characters go to the end, letters count as 10..35.
bool checksum_holds(const std::array<char, kMaxIban>& chars, std::size_t count) noexcept {
  unsigned rest = 0;
  for (std::size_t k = 0; k < count; ++k) {
    const char c = chars[(k + 4) % count];
    rest = is(c, kDigit) ? (rest * 10 + digit_value(c)) % 97
                         : (rest * 100 + static_cast<unsigned>(letter(c)) + 10) % 97;
  }
  return rest == 1;
}

}  // namespace

Finding find_iban(Window& w, std::size_t start) noexcept {
  Finding found{start, 0, false};
  const std::size_t length = country_length(w.text[start], w.text[start + 1]);
  if (length == 0 || !w.left_boundary(start)) return found;
  std::array<char, kMaxIban> chars;
  std::size_t count = 0;
  std::size_t i = start;
  while (count < length) {
    // The print format puts separators between groups of four; anywhere else one ends the
    // candidate.
    if (count != 0 && count % 4 == 0 && !is(w.at(i), kAlnum)) i += group_separator(w, i).bytes;
    const char c = w.at(i);
    if (!is(c, kAlnum)) return found;
    if ((count == 2 || count == 3) && !is(c, kDigit)) return found;
    chars[count++] = c;
    ++i;
  }
  if (!is(w.at(i), kAlnum) && checksum_holds(chars, count)) found.end = i;
  return found;
}

std::size_t iban_hold(std::string_view text) noexcept {
  const Window w{text};
  const std::size_t n = text.size();
  if (n >= 2 && is(text[n - 1], kAlpha) && is(text[n - 2], kAlpha) &&
      country_length(text[n - 2], text[n - 1]) != 0 && w.left_boundary(n - 2)) {
    return n - 2;
  }
  return n >= 1 && is(text[n - 1], kAlpha) && w.left_boundary(n - 1) ? n - 1 : n;
}

}  // namespace tollgate::domain::policy
