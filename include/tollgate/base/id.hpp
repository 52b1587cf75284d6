#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tollgate/base/clock.hpp"

namespace tollgate::base {

/// Makes request ids that sort by time and are unique across replicas without talking to them.
///
/// Form: `prefix` + 26 characters of Crockford base32 = 48 bits of milliseconds, then 80 random
/// bits (a 64-bit counter seeded at random per generator, plus 16 fixed random bits), so an id
/// cannot be guessed from outside but costs no system call. Threads: one generator per thread.
class IdGenerator {
 public:
  IdGenerator();
  [[nodiscard]] std::string next(std::string_view prefix, WallTime now);
  /// The same into a string whose memory is reused.
  void next(std::string_view prefix, WallTime now, std::string& id);

 private:
  std::uint64_t counter_;
  std::uint64_t step_;
  std::uint16_t lane_;
};

}  // namespace tollgate::base
