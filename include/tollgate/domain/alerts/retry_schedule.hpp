#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace tollgate::domain::alerts {

/// When a delivery that failed is tried again: after a second at first, then after twice the pause
/// before, or later if the receiver asks for it, and never after more than `longest`.
class RetrySchedule {
 public:
  static constexpr std::chrono::milliseconds kFirstPause{1'000};

  /// @param attempts  in all, the first included; >= 1.
  RetrySchedule(std::uint32_t attempts, std::chrono::milliseconds longest)
      : attempts_(attempts), longest_(longest) {}

  /// Notes a failed attempt. @return the pause before the next; absent: there is none.
  /// @param status  the answer's, 0 without one. 410 (RFC 9110 15.5.11) is an answer for good.
  /// @param asked   the answer's Retry-After.
  [[nodiscard]] std::optional<std::chrono::milliseconds> after_failure(
      int status, std::optional<std::chrono::milliseconds> asked);

 private:
  std::uint32_t attempts_;
  std::chrono::milliseconds longest_;
  std::chrono::milliseconds pause_ = kFirstPause;
  std::uint32_t failed_ = 0;
};

}  // namespace tollgate::domain::alerts
