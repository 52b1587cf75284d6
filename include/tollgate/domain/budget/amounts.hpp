#pragma once

#include <cstdint>

#include "tollgate/base/units.hpp"
#include "tollgate/config/snapshot.hpp"

namespace tollgate::domain::budget {

/// What a call takes of each unit that a limit may count. Below 0 counts as 0 wherever it is held.
struct Amounts {
  base::NanoUsd usd;
  std::int64_t tokens = 0;    ///< of all kinds, cached ones too
  std::int64_t requests = 0;  ///< 1 for a call; 0 for an attempt of it that was given up

  constexpr Amounts() = default;
  /// Money and nothing else.
  constexpr Amounts(base::NanoUsd money) : usd(money) {}
  constexpr Amounts(base::NanoUsd money, std::int64_t all_tokens, std::int64_t calls)
      : usd(money), tokens(all_tokens), requests(calls) {}
  bool operator==(const Amounts&) const = default;

  [[nodiscard]] constexpr std::int64_t of(config::BudgetUnit unit) const noexcept {
    switch (unit) {
      case config::BudgetUnit::usd:
        return usd.value;
      case config::BudgetUnit::tokens:
        return tokens;
      case config::BudgetUnit::requests:
        return requests;
    }
    return 0;
  }
  [[nodiscard]] constexpr bool is_nothing() const noexcept {
    return usd.value <= 0 && tokens <= 0 && requests <= 0;
  }
};

/// What a hold must have at least and wants at most, for each unit.
///
/// Where other calls stand beside it, on a scope whose room is small, a call takes no more than its
/// share of what is free there (Ledger::hold_between); `useful` it takes however small its share
/// is. Meant to be ordered least <= useful <= most; what is not is raised to be.
struct HoldRange {
  Amounts least, useful, most;

  constexpr HoldRange() = default;
  constexpr HoldRange(const Amounts& at_least, const Amounts& worthwhile, const Amounts& at_most)
      : least(at_least), useful(worthwhile), most(at_most) {}
  /// Whatever is free, and no share of it.
  constexpr HoldRange(const Amounts& at_least, const Amounts& at_most)
      : least(at_least), useful(at_most), most(at_most) {}
};

}  // namespace tollgate::domain::budget
