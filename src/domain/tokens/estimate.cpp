#include "tollgate/domain/tokens/estimate.hpp"

#include <algorithm>
#include <array>

namespace tollgate::domain::tokens {
namespace {

using config::Tokenizer;

/// What things cost, in thousandths of a token.
///
/// Measured 2026-11 with cl100k and o200k (OpenAI), Claude's published vocabulary, Gemini's and
/// Llama 2's (for `generic`) over the texts that docs/budgets.md names; each figure is the dearest
/// of its column, raised until every text has a margin. Claude's newer tokenizer is not published
/// and makes up to 1.35 times as many tokens of a text as Anthropic says, so that factor
/// is in its column.
struct Costs {
  std::int32_t word;     ///< a run of ASCII letters: the first two
  std::int32_t letter;   ///< each further one
  std::int32_t encoded;  ///< letters and digits that stand behind kLongestName others
  std::int32_t digit;
  std::int32_t punctuation;  ///< each character
  std::int32_t blank;        ///< a run of white space, but for one space before something
  std::int32_t blank_more;   ///< each further character of it
  std::int32_t escape;       ///< a JSON escape
  // A character of another script, by the first byte of its UTF-8.
  std::int32_t latin, greek, cyrillic, hebrew, arabic, other_two;
  std::int32_t indic, cjk, hangul, other_three;
  std::int32_t four;
};

constexpr Costs kOpenAi{1'150, 450,   840,   650,   920,   1'000, 100,   1'050, 1'350, 1'300,
                        1'050, 1'400, 1'300, 2'250, 1'700, 1'900, 1'650, 2'400, 3'200};
constexpr Costs kAnthropic{1'450, 650,   1'120, 950,   1'200, 1'350, 150,   1'400, 1'900, 2'000,
                           1'400, 1'600, 2'000, 2'400, 3'000, 2'250, 2'250, 3'000, 4'000};
constexpr Costs kGemini{1'150, 440, 740,   1'150, 920,   1'000, 100,   1'050, 1'300, 750,
                        750,   850, 1'000, 2'000, 1'100, 1'250, 1'250, 2'400, 3'000};
constexpr Costs kGeneric{1'200, 520,   940,   1'150, 1'050, 1'000, 250,   1'100, 1'350, 1'350,
                         1'050, 1'350, 1'450, 2'250, 2'000, 2'200, 2'450, 3'000, 4'000};

/// What goes on longer without anything between is base64, hexadecimal or the like: pieces of two
/// letters or less.
constexpr std::size_t kLongestName = 24;

const Costs& costs_of(Tokenizer tokenizer) noexcept {
  switch (tokenizer) {
    case Tokenizer::openai:
      return kOpenAi;
    case Tokenizer::anthropic:
      return kAnthropic;
    case Tokenizer::gemini:
      return kGemini;
    case Tokenizer::generic:
      break;
  }
  return kGeneric;
}

enum class Kind : std::uint8_t { lower, upper, digit, blank, punctuation, escape, tail, lead };

constexpr std::array<Kind, 256> make_kinds() {
  std::array<Kind, 256> kinds{};
  for (std::size_t c = 0; c < kinds.size(); ++c) {
    Kind& kind = kinds[c];
    if (c >= 'a' && c <= 'z') {
      kind = Kind::lower;
    } else if (c >= 'A' && c <= 'Z') {
      kind = Kind::upper;
    } else if (c >= '0' && c <= '9') {
      kind = Kind::digit;
    } else if (c == ' ' || (c >= '\t' && c <= '\r')) {
      kind = Kind::blank;
    } else if (c == '\\') {
      kind = Kind::escape;
    } else if (c < 0x80) {
      kind = Kind::punctuation;
    } else {
      kind = c < 0xC0 ? Kind::tail : Kind::lead;
    }
  }
  return kinds;
}
constexpr std::array<Kind, 256> kKinds = make_kinds();

/// Of a character of more than one byte, by its first.
std::int32_t script_cost(const Costs& costs, std::uint8_t lead) noexcept {
  if (lead >= 0xF0) return costs.four;
  if (lead >= 0xE0) {
    if (lead == 0xE0) return costs.indic;
    if (lead >= 0xE3 && lead <= 0xE9) return costs.cjk;
    if (lead >= 0xEA && lead <= 0xED) return costs.hangul;
    return costs.other_three;
  }
  if (lead <= 0xC9) return costs.latin;
  if (lead == 0xCE || lead == 0xCF) return costs.greek;
  if (lead == 0xD0 || lead == 0xD1) return costs.cyrillic;
  if (lead == 0xD7) return costs.hebrew;
  if (lead >= 0xD8 && lead <= 0xDB) return costs.arabic;
  return costs.other_two;
}

}  // namespace

std::int64_t estimate(std::string_view text, Tokenizer tokenizer) noexcept {
  const Costs& costs = costs_of(tokenizer);
  std::int64_t sum = 0;
  std::size_t run = 0;   // letters of one word, or white space, up to here
  std::size_t name = 0;  // letters and digits
  Kind last = Kind::punctuation;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    const Kind kind = kKinds[byte];
    name = kind <= Kind::digit ? name + 1 : 0;
    switch (kind) {
      case Kind::lower:
      case Kind::upper:
        // aB is two words, Ab and AB are one.
        run = last == kind || (kind == Kind::lower && last == Kind::upper) ? run + 1 : 1;
        if (name > kLongestName) {
          sum += costs.encoded;
        } else if (run != 2) {
          sum += run == 1 ? costs.word : costs.letter;
        }
        break;
      case Kind::digit:
        sum += name > kLongestName ? std::max(costs.encoded, costs.digit) : costs.digit;
        break;
      case Kind::blank:
        run = last == Kind::blank ? run + 1 : 1;
        if (run > 2) {
          sum += costs.blank_more;
        } else if (run == 2 || byte != ' ') {
          sum += costs.blank;  // one space belongs to the word behind it
        }
        break;
      case Kind::punctuation:
        sum += costs.punctuation;
        break;
      case Kind::escape:
        if (text.substr(i + 1).starts_with('u')) {
          sum += costs.other_three;
          i += 5;
        } else {
          sum += costs.escape;
          ++i;
        }
        break;
      case Kind::tail:
        break;  // counted with its first byte
      case Kind::lead:
        sum += script_cost(costs, byte);
        break;
    }
    last = kind;
  }
  const auto bytes = static_cast<std::int64_t>(text.size());
  return std::min(bytes, (sum + 999) / 1'000);
}

}  // namespace tollgate::domain::tokens
