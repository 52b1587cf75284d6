#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// Hashes of text in which what differs between two near-identical calls is folded away.
namespace tollgate::domain::loops {

/// Two 64-bit numbers to one; order matters.
[[nodiscard]] inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a ^ 0x9E3779B97F4A7C15ull) * (b ^ 0xD1B54A32D192ED03ull);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64) ^ b;
}

/// Folded multiplication over blocks of 16 bytes, the last one overlapping (after wyhash).
[[nodiscard]] std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) noexcept;

/// What is folded. White space is, always: runs of it count as one blank, `\n` and its kin too.
enum class Fold : std::uint8_t {
  none,
  times,  ///< dates, times of day, Unix times
  all,    ///< times, numbers, and ids: UUIDs, hexadecimal, call_…, other long mixtures
};

/// Takes texts one after the other and ends in one hash. Text is read as it stands between the
/// quotes of JSON: escapes are not resolved, but for white space, since a client writes the same
/// text the same way every time.
///
/// One pass, no allocation: text without digits, escapes and double blanks goes 16 bytes at a
/// time. Where a word begins and ends is judged in the text, not in the hashed blocks, so that a
/// number that got longer changes nothing behind it.
class TextHash {
 public:
  explicit TextHash(std::uint64_t seed) noexcept : state_(seed) {}

  /// Of a text longer than `limit` bytes the beginning and the end are read, half of it each.
  /// @return bytes read
  std::size_t add(std::string_view raw, Fold fold, std::size_t limit) noexcept;
  /// Sets apart what comes before from what comes after, and says what it is.
  void mark(std::uint64_t what) noexcept;
  [[nodiscard]] std::uint64_t value() const noexcept;

 private:
  void put(const char* from, std::size_t size) noexcept;
  void put(char c) noexcept { put(&c, 1); }
  void blank() noexcept;
  /// Until `end`, or until about `most` bytes were put. Where it stopped.
  const char* fold(const char* p, const char* end, Fold fold, std::size_t most) noexcept;
  void put_token(std::string_view token, Fold fold) noexcept;

  std::uint64_t state_;
  std::uint64_t total_ = 0;  ///< bytes put
  std::size_t used_ = 0;
  char last_ = '\0';  ///< byte put last; 0 at a beginning
  std::array<char, 512> block_;
};

}  // namespace tollgate::domain::loops
