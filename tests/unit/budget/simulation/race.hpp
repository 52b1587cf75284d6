#pragma once

#include <cstdint>
#include <string>

namespace tollgate::domain::budget::simulation {

/// 200 calls of $0.05 on one key with $1.00, their holds, settlements and cancels in a random
/// order, some waiting in line: exactly 20 go through, one for each that was cancelled takes its
/// place, at no instant more than $1.00 is spent and held, and nobody is refused while there is
/// room. Says what was wrong; empty when nothing was.
[[nodiscard]] std::string race(std::uint64_t seed);

}  // namespace tollgate::domain::budget::simulation
