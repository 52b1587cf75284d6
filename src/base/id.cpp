#include "tollgate/base/id.hpp"

#include <array>
#include <bit>
#include <cstring>

#include "tollgate/base/digest.hpp"

namespace tollgate::base {
namespace {
/// Crockford's digits of the low 40 bits of `bits`, the most significant first: eight characters
/// worked out side by side in one word.
void put_eight(char* out, std::uint64_t bits) noexcept {
  // Five bits to a byte, by halves.
  std::uint64_t v = (bits & 0xfffff) | (bits & 0xfffff00000) << 12;
  v = (v & 0x000003ff000003ff) | (v & 0x000ffc00000ffc00) << 6;
  v = (v & 0x001f001f001f001f) | (v & 0x03e003e003e003e0) << 3;
  constexpr std::uint64_t ones = 0x0101010101010101;
  // One in each byte that is at least `least`.
  const auto from = [v](unsigned least) { return (v + ones * (128 - least)) >> 7 & ones; };
  // 0-9, then letters without I, L, O and U.
  const std::uint64_t text =
      v + ones * '0' + from(10) * ('A' - '0' - 10) + from(18) + from(20) + from(22) + from(27);
  const std::uint64_t in_order =
      std::endian::native == std::endian::little ? __builtin_bswap64(text) : text;
  std::memcpy(out, &in_order, sizeof in_order);
}

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

void IdGenerator::next(std::string_view prefix, WallTime now, std::string& id) {
  counter_ += step_;
  const std::uint64_t low = mix(counter_);
  const auto millis = static_cast<std::uint64_t>(
      std::chrono::floor<std::chrono::milliseconds>(now).time_since_epoch().count());
  // 128 bits, most significant first: 48 of time, 16 of lane, 64 of mixed counter. At five bits a
  // character the time fills ten of them from the right, the rest sixteen exactly.
  std::array<char, 26> text;
  const auto top = static_cast<unsigned>(millis >> 40 & 0xff);
  std::array<char, 8> first;
  put_eight(first.data(), top);
  text[0] = first[6];
  text[1] = first[7];
  put_eight(&text[2], millis);
  put_eight(&text[10], std::uint64_t{lane_} << 24 | low >> 40);
  put_eight(&text[18], low);
  id.assign(prefix);
  id.append(text.data(), text.size());
}

std::string IdGenerator::next(std::string_view prefix, WallTime now) {
  std::string id;
  next(prefix, now, id);
  return id;
}

}  // namespace tollgate::base
