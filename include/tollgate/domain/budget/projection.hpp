#pragma once

#include <optional>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/units.hpp"

namespace tollgate::domain::budget {

/// How much of a budget had been spent at a moment.
struct SpendMark {
  base::WallTime at;
  base::Quantity spent;
};

/// When spend reaches `limit`, if it goes on from `now` at the mean pace since `since`; rounded up
/// to a microsecond. For alerts: a guess from the past, which binds nobody.
///
/// Absent when there is no pace (no time has passed, nothing was spent in it), when nothing is left
/// to spend, or when it lies beyond what WallTime can tell.
[[nodiscard]] std::optional<base::WallTime> projected_exhaustion(const SpendMark& since,
                                                                 const SpendMark& now,
                                                                 base::Quantity limit) noexcept;

}  // namespace tollgate::domain::budget
