#pragma once

#include <cstdint>
#include <limits>

namespace tollgate::domain::routing {

/// The injected source of chance for weights and jitter: eight bytes of state, no system call.
///
/// SplitMix64 (Steele, Lea, Flood 2014). Not for secrets. Threads: one per worker.
class Rng {
 public:
  using result_type = std::uint64_t;
  explicit constexpr Rng(std::uint64_t seed) noexcept : state_(seed) {}
  static constexpr result_type min() noexcept { return 0; }
  static constexpr result_type max() noexcept { return std::numeric_limits<result_type>::max(); }

  constexpr result_type operator()() noexcept {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  /// Uniform in [0, bound), bound > 0. Bias below bound / 2^64: of no matter for routing.
  constexpr std::uint64_t below(std::uint64_t bound) noexcept { return (*this)() % bound; }

 private:
  std::uint64_t state_;
};

}  // namespace tollgate::domain::routing
