#include "tollgate/domain/routing/backoff.hpp"

#include <algorithm>

namespace tollgate::domain::routing {

std::chrono::milliseconds backoff_ceiling(const config::Routing& rules, unsigned retry) noexcept {
  const auto top = std::max(rules.backoff_max, std::chrono::milliseconds(0));
  auto ceiling = std::clamp(rules.backoff_base, std::chrono::milliseconds(0), top);
  // Doubling step by step: no shift that could overflow, and it ends at the cap.
  for (unsigned i = 0; i < retry && ceiling < top && ceiling.count() > 0; ++i)
    ceiling = ceiling > top / 2 ? top : ceiling * 2;
  return ceiling;
}

std::chrono::nanoseconds backoff(const config::Routing& rules, unsigned retry, Rng& rng) noexcept {
  const std::chrono::nanoseconds ceiling = backoff_ceiling(rules, retry);
  const auto bound = static_cast<std::uint64_t>(ceiling.count()) + 1;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(rng.below(bound)));
}

}  // namespace tollgate::domain::routing
