#pragma once

#include <array>
#include <cstdint>

#include "tollgate/base/clock.hpp"

namespace tollgate::domain::loops {

/// How often something happened within a window that slides by eighths of itself.
class WindowCount {
 public:
  /// Counts one more; the count within `window` up to `now`, this one included. A `now` a little
  /// before that of an earlier call, as two threads may bring them, counts as that.
  std::uint32_t add(base::MonoTime now, std::chrono::nanoseconds window) noexcept {
    slide(now, window);
    std::uint16_t& here = part_[static_cast<std::size_t>(part_now_) % kParts];
    if (here != 0xFFFF) {
      ++here;
      ++sum_;
    }
    return sum_;
  }
  void clear() noexcept { *this = WindowCount{}; }

 private:
  static constexpr std::int64_t kParts = 8;

  void slide(base::MonoTime now, std::chrono::nanoseconds window) noexcept {
    const std::int64_t part = now.time_since_epoch().count() / (window.count() / kParts);
    // Far behind: another length of window was configured meanwhile.
    if (part < part_now_ - kParts || part >= part_now_ + kParts) {
      *this = WindowCount{};
      part_now_ = part;
      return;
    }
    while (part_now_ < part) {
      std::uint16_t& old = part_[static_cast<std::size_t>(++part_now_) % kParts];
      sum_ -= old;
      old = 0;
    }
  }

  std::int64_t part_now_ = 0;
  std::uint32_t sum_ = 0;
  std::array<std::uint16_t, kParts> part_{};
};

}  // namespace tollgate::domain::loops
