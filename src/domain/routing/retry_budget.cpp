#include "tollgate/domain/routing/retry_budget.hpp"

#include <algorithm>

namespace tollgate::domain::routing {
namespace {

constexpr std::uint64_t kCountMask = 0xffffffffu;

/// The second `now` lies in, counted from 1 so that zeroed words belong to no second of a test.
std::uint32_t second_of(base::MonoTime now) noexcept {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(seconds) + 1u);
}

constexpr std::uint64_t pack(std::uint32_t second, std::uint64_t count) noexcept {
  return (static_cast<std::uint64_t>(second) << 32) | count;
}

template <class Words>
void add(Words& words, std::uint32_t second) noexcept {
  auto& word = words[second % RetryBudget::kBuckets];
  std::uint64_t seen = word.load(std::memory_order_relaxed);
  std::uint64_t next = 0;
  do {
    const bool same = (seen >> 32) == second;
    if (same && (seen & kCountMask) == kCountMask) return;  // saturated
    next = same ? seen + 1 : pack(second, 1);
  } while (!word.compare_exchange_weak(seen, next, std::memory_order_relaxed));
}

template <class Words>
void take_back(Words& words, std::uint32_t second) noexcept {
  auto& word = words[second % RetryBudget::kBuckets];
  std::uint64_t seen = word.load(std::memory_order_relaxed);
  while ((seen >> 32) == second && (seen & kCountMask) != 0 &&
         !word.compare_exchange_weak(seen, seen - 1, std::memory_order_relaxed)) {
  }
}

template <class Words>
std::uint64_t sum(const Words& words, std::uint32_t second) noexcept {
  std::uint64_t total = 0;
  for (const auto& word : words) {
    const std::uint64_t seen = word.load(std::memory_order_relaxed);
    // Unsigned difference: right across the wrap of the second, and false for stale buckets.
    const auto age = static_cast<std::uint32_t>(second - static_cast<std::uint32_t>(seen >> 32));
    if (age < RetryBudget::kBuckets) total += seen & kCountMask;
  }
  return total;
}

}  // namespace

void RetryBudget::on_call(base::MonoTime now) noexcept {
  add(calls_, second_of(now));
}

bool RetryBudget::try_retry(const config::Routing& rules, base::MonoTime now) noexcept {
  const std::uint32_t second = second_of(now);
  const std::uint64_t share = sum(calls_, second) * rules.retry_budget_percent / 100;
  const std::uint64_t allowed = std::max<std::uint64_t>(share, rules.retry_budget_min);
  // Take first, then look: two racing callers may both step back, but never both get the last one.
  add(retries_, second);
  if (sum(retries_, second) <= allowed) return true;
  take_back(retries_, second);
  return false;
}

std::uint64_t RetryBudget::calls(base::MonoTime now) const noexcept {
  return sum(calls_, second_of(now));
}

std::uint64_t RetryBudget::retries(base::MonoTime now) const noexcept {
  return sum(retries_, second_of(now));
}

}  // namespace tollgate::domain::routing
