#include "tollgate/base/clock.hpp"

namespace tollgate::base {

MonoTime SystemClock::mono() const noexcept {
  return std::chrono::steady_clock::now();
}

WallTime SystemClock::wall() const noexcept {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}  // namespace tollgate::base
