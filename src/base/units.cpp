#include "tollgate/base/units.hpp"

#include <fmt/format.h>

namespace tollgate::base {
namespace {

/// Reads digits[.digits] into value x 10^scale; absent when not exactly representable.
std::optional<std::int64_t> parse_scaled(std::string_view text, int scale) {
  if (text.empty()) return std::nullopt;
  std::int64_t value = 0;
  int decimals = -1;
  bool any_digit = false;
  for (const char c : text) {
    if (c == '.') {
      if (decimals >= 0) return std::nullopt;
      decimals = 0;
      continue;
    }
    if (c < '0' || c > '9') return std::nullopt;
    any_digit = true;
    if (decimals >= scale) {
      if (c != '0') return std::nullopt;
      continue;
    }
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, c - '0', &value))
      return std::nullopt;
    if (decimals >= 0) ++decimals;
  }
  if (!any_digit) return std::nullopt;
  for (int i = decimals < 0 ? 0 : decimals; i < scale; ++i)
    if (__builtin_mul_overflow(value, 10, &value)) return std::nullopt;
  return value;
}

}  // namespace

std::string to_string(NanoUsd amount) {
  const bool negative = amount.value < 0;
  const auto magnitude = negative ? 0 - static_cast<std::uint64_t>(amount.value)
                                  : static_cast<std::uint64_t>(amount.value);
  std::string text = fmt::format("{}${}.{:09}", negative ? "-" : "", magnitude / 1'000'000'000,
                                 magnitude % 1'000'000'000);
  const std::size_t keep = text.find('.') + 3;
  while (text.size() > keep && text.back() == '0') text.pop_back();
  return text;
}

std::optional<NanoUsd> parse_usd(std::string_view text) {
  const auto nano = parse_scaled(text, 9);
  if (!nano) return std::nullopt;
  return NanoUsd{*nano};
}

std::optional<PicoUsdPerToken> parse_usd_per_mtok(std::string_view text) {
  const auto pico = parse_scaled(text, 6);
  if (!pico) return std::nullopt;
  return PicoUsdPerToken{*pico};
}

}  // namespace tollgate::base
