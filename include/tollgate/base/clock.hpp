#pragma once

#include <chrono>
#include <cstdint>

namespace tollgate::base {

/// Monotonic time for deadlines and latencies; never steps back.
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
/// Wall time, UTC, microseconds since 1970: for records and budget windows only.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

/// Whole microseconds, as records have them.
[[nodiscard]] constexpr std::int64_t to_micros(std::chrono::nanoseconds span) noexcept {
  return std::chrono::duration_cast<std::chrono::microseconds>(span).count();
}
[[nodiscard]] constexpr std::int64_t to_micros(WallTime t) noexcept {
  return t.time_since_epoch().count();
}

/// The only source of time for domain code; injected so that tests can cross midnight.
/// Threads: implementations are safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual MonoTime mono() const noexcept = 0;
  [[nodiscard]] virtual WallTime wall() const noexcept = 0;
};

/// The real clocks of the machine.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] MonoTime mono() const noexcept override;
  [[nodiscard]] WallTime wall() const noexcept override;
};

/// An absolute point in monotonic time; `never()` is later than every other.
class Deadline {
 public:
  constexpr Deadline() = default;
  explicit constexpr Deadline(MonoTime at) : at_(at) {}
  static constexpr Deadline never() { return Deadline(); }
  /// `now + timeout`, saturating; a timeout of zero or less means never.
  static constexpr Deadline after(MonoTime now, std::chrono::nanoseconds timeout) {
    if (timeout.count() <= 0 || now > MonoTime::max() - timeout) return never();
    return Deadline(now + timeout);
  }
  [[nodiscard]] constexpr bool passed(MonoTime now) const { return now >= at_; }
  [[nodiscard]] constexpr MonoTime at() const { return at_; }
  [[nodiscard]] constexpr Deadline earlier(Deadline o) const { return o.at_ < at_ ? o : *this; }

 private:
  MonoTime at_ = MonoTime::max();
};

}  // namespace tollgate::base
