#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "tollgate/base/clock.hpp"
#include "tollgate/config/snapshot.hpp"

namespace tollgate::domain::routing {

/// Keeps retries a small share of live traffic, so that a struggling provider is not buried.
///
/// At most `retry_budget_percent` of the calls of the last ten seconds, or `retry_budget_min`, if
/// that is more. Ten buckets of one second, each counter tagged with its second in one word.
/// A retry is the same deployment again; going on to another deployment is bounded by max_attempts
/// and by cooldowns, and draws nothing here (a dead primary must not fail calls that a healthy
/// secondary would answer).
/// Threads: any; lock-free. Racing callers may be refused falsely, never granted falsely.
class RetryBudget {
 public:
  static constexpr std::uint32_t kBuckets = 10;

  /// Counts a call (not an attempt).
  void on_call(base::MonoTime now) noexcept;
  /// Takes one retry, or says no.
  [[nodiscard]] bool try_retry(const config::Routing& rules, base::MonoTime now) noexcept;

  [[nodiscard]] std::uint64_t calls(base::MonoTime now) const noexcept;
  [[nodiscard]] std::uint64_t retries(base::MonoTime now) const noexcept;

 private:
  // High 32 bits: the second it counts (modulo 2^32), low 32: the count.
  using Word = std::atomic<std::uint64_t>;
  std::array<Word, kBuckets> calls_{};
  std::array<Word, kBuckets> retries_{};
};

}  // namespace tollgate::domain::routing
