#pragma once

#include <chrono>

#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/routing/rng.hpp"

namespace tollgate::domain::routing {

/// How long to wait before the `retry`-th retry (0 = the first) of one call: full jitter.
///
/// Uniform in [0, min(backoff_max, backoff_base x 2^retry)]: spreads retries of many calls that
/// failed together better than equal or decorrelated jitter does at these few retries (Brooker,
/// "Exponential Backoff And Jitter", AWS 2015). Pure but for `rng`.
[[nodiscard]] std::chrono::nanoseconds backoff(const config::Routing& rules, unsigned retry,
                                               Rng& rng) noexcept;
/// The upper end of that range.
[[nodiscard]] std::chrono::milliseconds backoff_ceiling(const config::Routing& rules,
                                                        unsigned retry) noexcept;

}  // namespace tollgate::domain::routing
