#include "tollgate/domain/alerts/retry_schedule.hpp"

#include <algorithm>

namespace tollgate::domain::alerts {

std::optional<std::chrono::milliseconds> RetrySchedule::after_failure(
    int status, std::optional<std::chrono::milliseconds> asked) {
  constexpr int kGone = 410;
  if (++failed_ >= attempts_ || status == kGone) return std::nullopt;
  const auto pause = std::max(pause_, asked.value_or(pause_));
  // Bounded here too: a hundred doublings would not fit.
  pause_ = std::min(pause_ * 2, longest_);
  return std::min(pause, longest_);
}

}  // namespace tollgate::domain::alerts
