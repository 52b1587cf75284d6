#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "tollgate/base/clock.hpp"
#include "tollgate/domain/budget/amounts.hpp"

namespace tollgate::domain::budget {

/// Microseconds since 1970 of budget time or of the monotonic clock, and nano-USD, tokens or
/// requests: plain integers inside the ledger, so that the path of a call compares numbers and
/// nothing else.
using Micros = std::int64_t;
using Units = std::int64_t;

__extension__ typedef __int128 Wide;

/// Sums stay at the ends of the range instead of wrapping.
[[nodiscard]] inline Units add_saturated(Units a, Units b) noexcept {
  Units sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? std::numeric_limits<Units>::max() : std::numeric_limits<Units>::min();
}

[[nodiscard]] inline Units narrow(Wide amount) noexcept {
  const auto same = static_cast<Units>(amount);
  if (same == amount) return same;
  return amount > 0 ? std::numeric_limits<Units>::max() : std::numeric_limits<Units>::min();
}

/// From which spend on `percent` of a limit are reached.
[[nodiscard]] inline Units threshold_of(Units limit, std::uint32_t percent) noexcept {
  return narrow((Wide{limit} * percent + 99) / 100);
}

[[nodiscard]] inline Micros to_micros(base::WallTime t) noexcept {
  return t.time_since_epoch().count();
}
[[nodiscard]] inline Micros to_micros(base::MonoTime t) noexcept {
  return std::chrono::duration_cast<std::chrono::microseconds>(t.time_since_epoch()).count();
}
[[nodiscard]] inline base::WallTime to_wall(Micros t) noexcept {
  return base::WallTime(std::chrono::microseconds(t));
}

/// Amounts by the number of their unit; made of Amounts, none below 0.
struct UnitAmounts {
  static constexpr std::size_t kUnits = 3;
  std::array<Units, kUnits> of{};

  UnitAmounts() = default;
  explicit UnitAmounts(const Amounts& amounts) noexcept
      : of{positive(amounts.usd.value), positive(amounts.tokens), positive(amounts.requests)} {}
  [[nodiscard]] Units& operator[](config::BudgetUnit unit) noexcept {
    return of[static_cast<std::size_t>(unit)];
  }
  [[nodiscard]] Units operator[](config::BudgetUnit unit) const noexcept {
    return of[static_cast<std::size_t>(unit)];
  }
  [[nodiscard]] Units usd() const noexcept { return of[0]; }
  [[nodiscard]] Units tokens() const noexcept { return of[1]; }
  [[nodiscard]] Units requests() const noexcept { return of[2]; }
  [[nodiscard]] Amounts amounts() const noexcept { return {{of[0]}, of[1], of[2]}; }
  /// No less of any unit.
  [[nodiscard]] bool covers(const UnitAmounts& other) const noexcept {
    return of[0] >= other.of[0] && of[1] >= other.of[1] && of[2] >= other.of[2];
  }

 private:
  static constexpr Units positive(Units value) noexcept { return value < 0 ? 0 : value; }
};
static_assert(static_cast<std::size_t>(config::BudgetUnit::requests) == 2);

}  // namespace tollgate::domain::budget
