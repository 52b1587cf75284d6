#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "domain/policy/chars.hpp"

namespace tollgate::domain::policy {

/// A text under scan that may have more to come.
///
/// Why: a detector reads forward with at(). One that never asked for a byte past the end gives the
/// same answer on every longer text, so its answer is final; one that did (`hit_end`) is undecided
/// while the text is not `final`, and the stream holds from its begin. This is the whole argument
/// for "any split gives the same result".
struct Window {
  std::string_view text;
  std::size_t base = 0;    ///< bytes before it are decided already; they serve as left context only
  bool final = true;       ///< no more text will follow
  bool from_start = true;  ///< text[0] is the first byte of the whole text
  bool hit_end = false;
  /// Streams: by rule, where the last reported match of an observed regex ended; one that begins
  /// before it is the same match, grown. Null for whole texts.
  const std::vector<std::size_t>* observed_until = nullptr;

  [[nodiscard]] char at(std::size_t i) noexcept {
    if (i < text.size()) return text[i];
    hit_end = true;
    return '\0';  // belongs to no class
  }
  [[nodiscard]] bool starts_with(std::size_t i, std::string_view word) noexcept {
    for (std::size_t k = 0; k < word.size(); ++k) {
      if (at(i + k) != word[k]) return false;
    }
    return true;
  }
  /// No letter or digit directly before `i`. What ends an escape sequence left in the text (JSON
  /// inside JSON: `\n`, `\u003d`) is no letter of the word that follows. Whether its backslash is
  /// escaped itself does not matter: a reader may take the text apart once more.
  [[nodiscard]] bool left_boundary(std::size_t i) const noexcept {
    if (i == 0) return true;
    const char c = text[i - 1];
    if (!is(c, kAlnum)) return true;
    if (i >= 2 && text[i - 2] == '\\')
      return c == 'n' || c == 'r' || c == 't' || c == 'b' || c == 'f';
    return ends_escape(i);
  }
  /// Whether `\uXXXX` ends directly before `i`.
  [[nodiscard]] bool ends_escape(std::size_t i) const noexcept {
    return i >= 6 && text[i - 6] == '\\' && text[i - 5] == 'u' && is_hex(text[i - 4]) &&
           is_hex(text[i - 3]) && is_hex(text[i - 2]) && is_hex(text[i - 1]);
  }
  /// Where the number begins whose digits begin at `i`: the first ones may belong to an escape.
  [[nodiscard]] std::size_t number_begin(std::size_t i) const noexcept {
    for (std::size_t own = i + 1; own <= i + 4 && own < text.size(); ++own)
      if (is(text[own], kDigit) && ends_escape(own)) return own;
    return i;
  }
};

/// What a detector made of one candidate; `end` 0 = nothing. When the window's hit_end is set and
/// the text is not final, only `begin` (hold from here) and `certain` count.
struct Finding {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool certain = false;  ///< a match whatever follows, only its end is open
};

}  // namespace tollgate::domain::policy
