/// How often property tests run; TOLLGATE_PROPERTY_SEEDS asks for fewer or more.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace tollgate::test {

/// Number of seeds a property is tried with: `usual`, or what TOLLGATE_PROPERTY_SEEDS says, at
/// least 1. What a test expects of its generator must hold for any number: the sanitizer builds
/// run few seeds, bench machines a thousand.
inline std::uint64_t property_seeds(std::uint64_t usual) {
  const char* const asked = std::getenv("TOLLGATE_PROPERTY_SEEDS");
  if (asked == nullptr) return usual;
  const std::uint64_t seeds = std::strtoull(asked, nullptr, 10);
  return seeds == 0 ? 1 : seeds;
}

}  // namespace tollgate::test
