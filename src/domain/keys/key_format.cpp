#include "tollgate/domain/keys/key_format.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>

#include "domain/policy/find_pair.hpp"

namespace tollgate::domain::keys {
namespace {

constexpr std::string_view kDigits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

constexpr bool is_base62(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

std::array<char, kKeyChecksumChars> checksum_of(std::string_view text) noexcept {
  std::array<char, kKeyChecksumChars> out{};
  std::uint32_t rest = base::crc32(text);
  for (std::size_t i = out.size(); i-- > 0; rest /= 62) out[i] = kDigits[rest % 62];
  return out;
}

}  // namespace

std::string encode_key(std::span<const std::uint8_t, kKeyRandomBytes> random) {
  std::array<std::uint8_t, kKeyRandomBytes> number{};
  std::copy(random.begin(), random.end(), number.begin());
  std::string key(kKeyChars, '0');
  std::copy(kKeyPrefix.begin(), kKeyPrefix.end(), key.begin());
  // Long division by 62, the least digit first. 62^43 > 2^256, so 43 digits hold every number.
  for (std::size_t i = kKeyPrefix.size() + kKeyBodyChars; i-- > kKeyPrefix.size();) {
    std::uint32_t remainder = 0;
    for (std::uint8_t& digit : number) {
      const std::uint32_t value = (remainder << 8) | digit;
      digit = static_cast<std::uint8_t>(value / 62);
      remainder = value % 62;
    }
    key[i] = kDigits[remainder];
  }
  OPENSSL_cleanse(number.data(), number.size());
  const auto sum = checksum_of(std::string_view(key).substr(0, kKeyChars - kKeyChecksumChars));
  std::copy(sum.begin(), sum.end(), key.end() - static_cast<std::ptrdiff_t>(sum.size()));
  return key;
}

base::Secret generate_key() {
  std::array<std::uint8_t, kKeyRandomBytes> random{};
  base::random_bytes(random);
  base::Secret key(encode_key(random));
  OPENSSL_cleanse(random.data(), random.size());
  return key;
}

bool has_key_shape(std::string_view text) noexcept {
  return text.size() == kKeyChars && text.starts_with(kKeyPrefix);
}

bool is_well_formed_key(std::string_view text) noexcept {
  if (!has_key_shape(text)) return false;
  if (!std::all_of(text.begin() + kKeyPrefix.size(), text.end(), is_base62)) return false;
  const auto sum = checksum_of(text.substr(0, kKeyChars - kKeyChecksumChars));
  return text.ends_with(std::string_view(sum.data(), sum.size()));
}

namespace {
/// Where the next well-formed key begins; npos when there is none. Looks for the "g-" of "tg-",
/// which texts have less of than of 't'.
std::size_t find_key(std::string_view text, std::size_t from) noexcept {
  static_assert(kKeyPrefix == "tg-");
  static policy::FindPair* const find_pair = policy::pair_finders().back();
  while (text.size() >= kKeyChars && from <= text.size() - kKeyChars) {
    const std::size_t places = text.size() - kKeyChars - from + 1;
    const char* const p = text.data() + from;
    const std::size_t next = find_pair(p + 1, p + 2, places, 'g', '-');
    if (next == places) break;
    from += next;
    if (text[from] == 't' && is_well_formed_key(text.substr(from, kKeyChars))) return from;
    ++from;
  }
  return std::string_view::npos;
}
}  // namespace

bool contains_key(std::string_view text) noexcept {
  return find_key(text, 0) != std::string_view::npos;
}

bool redact_keys(std::string& text) {
  bool any = false;
  for (std::size_t at = find_key(text, 0); at != std::string::npos;
       at = find_key(text, at + kRedactedKey.size())) {
    text.replace(at, kKeyChars, kRedactedKey);
    any = true;
  }
  return any;
}

base::Sha256Digest key_digest(std::string_view text) noexcept {
  return base::sha256(text);
}

std::string_view last4(std::string_view text) noexcept {
  return text.substr(text.size() < 4 ? 0 : text.size() - 4);
}

}  // namespace tollgate::domain::keys
