#pragma once

#include <cstdint>
#include <string>

namespace tollgate::domain::budget::simulation {

/// What the schedules came to.
struct Totals {
  std::int64_t steps = 0;
  std::int64_t holds = 0, budget_refusals = 0, rate_refusals = 0, concurrency_refusals = 0;
  std::int64_t no_place = 0;  ///< for one more session or end user
  std::int64_t settlements = 0, releases = 0, overruns = 0, attempts = 0;
  std::int64_t rebases = 0, rebases_refused = 0, shrinks = 0;
  std::int64_t waits = 0, waits_granted = 0, waits_refused = 0, waits_cancelled = 0;
  std::int64_t longest_line = 0;
  std::int64_t edits = 0, adjustments = 0, crashes = 0, cuts = 0;
  std::int64_t interrupted = 0;  ///< holds that a crash left open
  std::int64_t recovered = 0;    ///< settlements that a crash left without a row
  std::int64_t repeated = 0;     ///< settlements that a crash left with one
  std::int64_t windows = 0;      ///< opened
  std::int64_t steps_back = 0;   ///< of the clock
  std::int64_t live_seen = 0, live_forgotten = 0;
  /// Sessions and end users forgotten because another needed their place.
  std::int64_t charged_given_up = 0, uncharged_given_up = 0;
  std::int64_t violations = 0;

  Totals& operator+=(const Totals& other);
};
[[nodiscard]] std::string to_string(const Totals& totals);

}  // namespace tollgate::domain::budget::simulation
