#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::base {

[[nodiscard]] constexpr char ascii_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
[[nodiscard]] bool iequals(std::string_view a, std::string_view b) noexcept;
[[nodiscard]] std::string to_lower(std::string_view text);
/// Trims spaces and tabs (HTTP OWS).
[[nodiscard]] std::string_view trim_ows(std::string_view text) noexcept;
/// Decimal digits only, no sign, no overflow; absent otherwise.
[[nodiscard]] std::optional<std::uint64_t> parse_u64(std::string_view digits) noexcept;
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
/// Levenshtein distance, for "did you mean".
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);
/// `*` matches any run of characters; the only wildcard in keys' allow-lists.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text) noexcept;
/// Text safe for one log line or terminal: control, bidi and U+2028/9 characters escaped, capped.
[[nodiscard]] std::string printable(std::string_view text, std::size_t max_bytes = 200);

/// Transparent hash, so that string_view finds std::string keys without a copy.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view s) const noexcept {
    return std::hash<std::string_view>{}(s);
  }
};

}  // namespace tollgate::base
