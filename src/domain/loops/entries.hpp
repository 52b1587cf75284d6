#pragma once

#include <array>
#include <cstdint>

#include "domain/loops/window_count.hpp"
#include "tollgate/base/clock.hpp"

/// What the breaker remembers. All zeros is the state of a thing never seen (Table).
namespace tollgate::domain::loops {

inline constexpr std::size_t kLongestCycle = 4;

/// Whether some evidence is made of the calls of one key or of several.
class Callers {
 public:
  void add(std::uint64_t key) noexcept {
    const std::uint32_t tag = static_cast<std::uint32_t>(key >> 32) | 1;
    are_several_ = are_several_ || (first_ != 0 && first_ != tag);
    if (first_ == 0) first_ = tag;
  }
  [[nodiscard]] bool are_several() const noexcept { return are_several_; }

 private:
  std::uint32_t first_ = 0;  ///< 0: none yet
  bool are_several_ = false;
};

/// Calls within a window, and whose they are.
struct CountedCalls {
  WindowCount count;
  Callers callers;

  std::uint32_t add(std::uint64_t key, base::MonoTime now,
                    std::chrono::nanoseconds window) noexcept {
    const std::uint32_t counted = count.add(now, window);
    if (counted == 1) callers = {};
    callers.add(key);
    return counted;
  }
};

/// The order in which one conversation, or one trace's calls of a kind, came.
struct Sequence {
  std::array<std::uint64_t, kLongestCycle> last{};     ///< newest first
  std::array<std::uint32_t, kLongestCycle> matches{};  ///< calls in a row like the one p+1 before
  std::array<std::uint32_t, kLongestCycle> unpaced{};  ///< of these, since the last pause
  base::MonoTime last_start, last_end;
  base::MonoTime last_pause;  ///< start of the last call that came after one
  base::MonoTime last_new;    ///< start of the last call like none before
  base::MonoTime told_until;
  Callers callers;  ///< since a call was last unlike those before it

  /// Adds a call.
  void add(std::uint64_t call, bool is_paced, std::uint64_t key) noexcept {
    bool matches_any = false;
    for (std::size_t i = 0; i < kLongestCycle; ++i) {
      const bool matches_now = last[i] == call;
      matches_any = matches_any || matches_now;
      matches[i] = matches_now ? matches[i] + 1 : 0;
      unpaced[i] = matches_now && !is_paced ? unpaced[i] + 1 : 0;
    }
    for (std::size_t i = kLongestCycle - 1; i > 0; --i) last[i] = last[i - 1];
    last[0] = call;
    if (!matches_any) callers = {};
    callers.add(key);
  }
  void start_over() noexcept {
    last = {};
    matches = unpaced = {};
    callers = {};
  }
};

/// Near-identical calls.
struct Repeat {
  CountedCalls going_on;  ///< each further on in its conversation than the one before
  CountedCalls alike;     ///< the others
  base::MonoTime last_start, last_end;
  base::MonoTime told_until;
  std::uint32_t turns = 0;  ///< of the last one
};

/// A call that failed, byte for byte.
struct Failure {
  WindowCount retries;
  base::MonoTime failed_at;
  base::MonoTime told_until;
  bool is_failing = false;
};

struct Trace {
  WindowCount calls;
  base::MonoTime told_until;
  base::MonoTime told_deep_until;
  bool is_known = false;  ///< this is not its first call
};

/// The usual rate of one key.
struct Rate {
  std::int64_t window = 0;     ///< number of the window that `count` is of
  std::uint64_t baseline = 0;  ///< calls per window with calls, in 1/256
  base::MonoTime told_until;
  std::uint32_t count = 0;
  std::uint32_t windows = 0;  ///< that went into the baseline
};

/// What people were told of one key.
struct Told {
  base::MonoTime until;      ///< end of the minute that `count` is of
  std::uint32_t count = 0;   ///< findings told
  std::uint32_t untold = 0;  ///< findings since the last one that was told
};

}  // namespace tollgate::domain::loops
