#include "tollgate/base/id.hpp"

#include <cstring>

#include "tollgate/base/digest.hpp"

namespace tollgate::base {
namespace {
constexpr char kAlphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// SplitMix64's finaliser: a bijection, so distinct counters give distinct outputs.
std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}
}  // namespace

IdGenerator::IdGenerator() {
  std::array<std::uint8_t, 18> seed{};
  random_bytes(seed);
  std::memcpy(&counter_, seed.data(), 8);
  std::memcpy(&step_, seed.data() + 8, 8);
  std::memcpy(&lane_, seed.data() + 16, 2);
  step_ |= 1;  // odd: the counter visits all 2^64 values before it repeats
}

std::string IdGenerator::next(std::string_view prefix, WallTime now) {
  counter_ += step_;
  const std::uint64_t random = mix(counter_);
  const auto millis = static_cast<std::uint64_t>(
      std::chrono::floor<std::chrono::milliseconds>(now).time_since_epoch().count());
  // 128 bits, most significant first: 48 of time, 16 of lane, 64 of mixed counter.
  const std::uint64_t high = (millis << 16) | lane_;
  std::string id(prefix.size() + 26, '0');
  std::memcpy(id.data(), prefix.data(), prefix.size());
  char* out = id.data() + prefix.size();
  std::uint64_t h = high, l = random;
  for (int i = 25; i >= 0; --i) {
    out[i] = kAlphabet[l & 31];
    l = (l >> 5) | (h << 59);
    h >>= 5;
  }
  return id;
}

}  // namespace tollgate::base
