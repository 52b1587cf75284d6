#pragma once

#include <atomic>
#include <chrono>
#include <string_view>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/time_format.hpp"

namespace tollgate::test {

/// A clock that stands still until a test moves it; the wall part may also step back.
/// Threads: any.
class FakeClock final : public base::Clock {
 public:
  explicit FakeClock(base::WallTime wall = base::WallTime(std::chrono::hours(24 * 365 * 56)),
                     base::MonoTime mono = base::MonoTime(std::chrono::hours(1)))
      : mono_(mono.time_since_epoch().count()), wall_(wall.time_since_epoch().count()) {}
  /// Starts at an RFC 3339 time; a bad text throws.
  explicit FakeClock(std::string_view rfc3339) : FakeClock(at(rfc3339)) {}

  [[nodiscard]] base::MonoTime mono() const noexcept override {
    return base::MonoTime(std::chrono::nanoseconds(mono_.load()));
  }
  [[nodiscard]] base::WallTime wall() const noexcept override {
    return base::WallTime(std::chrono::microseconds(wall_.load()));
  }

  /// Lets time pass on both clocks.
  void advance(std::chrono::nanoseconds by) {
    mono_ += by.count();
    wall_ += std::chrono::duration_cast<std::chrono::microseconds>(by).count();
  }
  /// Sets the wall clock alone, forwards or backwards, as an administrator or NTP does.
  void set_wall(base::WallTime to) { wall_ = to.time_since_epoch().count(); }
  void set_wall(std::string_view rfc3339) { set_wall(at(rfc3339)); }

  static base::WallTime at(std::string_view rfc3339) {
    return base::parse_rfc3339(rfc3339).value();
  }

 private:
  std::atomic<std::int64_t> mono_;
  std::atomic<std::int64_t> wall_;
};

}  // namespace tollgate::test
