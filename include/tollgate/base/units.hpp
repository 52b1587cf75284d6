#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace tollgate::base {

/// An amount of money in nano-USD (1 USD = 1'000'000'000). Never a floating-point number.
struct NanoUsd {
  std::int64_t value = 0;
  constexpr auto operator<=>(const NanoUsd&) const = default;
  constexpr NanoUsd operator+(NanoUsd o) const { return {value + o.value}; }
  constexpr NanoUsd operator-(NanoUsd o) const { return {value - o.value}; }
  constexpr NanoUsd& operator+=(NanoUsd o) {
    value += o.value;
    return *this;
  }
  constexpr NanoUsd& operator-=(NanoUsd o) {
    value -= o.value;
    return *this;
  }
  static constexpr NanoUsd max() { return {std::numeric_limits<std::int64_t>::max()}; }
};

/// An amount of whatever a limit counts: nano-USD, tokens or requests. Its unit stands beside it.
struct Quantity {
  std::int64_t value = 0;
  constexpr Quantity() = default;
  constexpr Quantity(std::int64_t v) : value(v) {}
  constexpr Quantity(NanoUsd usd) : value(usd.value) {}
  friend constexpr auto operator<=>(Quantity, Quantity) = default;
  friend constexpr bool operator==(Quantity, Quantity) = default;
};

/// A price in pico-USD per token. 1 USD per million tokens = 1'000'000.
struct PicoUsdPerToken {
  std::int64_t value = 0;
  constexpr auto operator<=>(const PicoUsdPerToken&) const = default;
};

/// A sum of (tokens x price) terms, exact in 128 bits, rounded up to nano-USD once at the end.
class CostSum {
  __extension__ typedef __int128 int128_type;

 public:
  /// Adds tokens x price; negative inputs count as zero (a provider never pays us back).
  constexpr void add(std::int64_t tokens, PicoUsdPerToken price) {
    if (tokens > 0 && price.value > 0) pico_ += static_cast<int128_type>(tokens) * price.value;
  }
  constexpr void add(NanoUsd amount) {
    if (amount.value > 0) pico_ += static_cast<int128_type>(amount.value) * 1000;
  }
  /// Rounded up; saturates at NanoUsd::max().
  [[nodiscard]] constexpr NanoUsd total() const {
    // A division of 128 bits is a call of some 30 instructions, and no real sum needs one.
    constexpr int128_type kFits = std::numeric_limits<std::int64_t>::max() - 999;
    if (pico_ <= kFits) return {(static_cast<std::int64_t>(pico_) + 999) / 1000};
    const int128_type nano = (pico_ + 999) / 1000;
    const int128_type cap = std::numeric_limits<std::int64_t>::max();
    return {static_cast<std::int64_t>(nano > cap ? cap : nano)};
  }

 private:
  int128_type pico_ = 0;
};

/// "$0.000123" style text with up to nine decimals, trailing zeros cut to at least two.
[[nodiscard]] std::string to_string(NanoUsd amount);
/// Parses a plain decimal number of US dollars ("5", "0.25", "1e-6" is refused). Absent on bad
/// input or more than nine decimals that are not zero.
[[nodiscard]] std::optional<NanoUsd> parse_usd(std::string_view text);
/// Parses USD per million tokens ("2.5") to pico-USD per token; at most six decimals.
[[nodiscard]] std::optional<PicoUsdPerToken> parse_usd_per_mtok(std::string_view text);

}  // namespace tollgate::base
