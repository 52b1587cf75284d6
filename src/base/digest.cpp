// The SHA256_* functions are deprecated in OpenSSL 3 in favour of EVP, which costs about 600
// instructions and 100 cache lines of code more per digest; three digests are made per call. They
// reach the same assembly.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tollgate/base/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <cstdlib>
#include <new>

namespace tollgate::base {
namespace {

SHA256_CTX* context(std::byte* state) noexcept {
  return std::launder(reinterpret_cast<SHA256_CTX*>(state));
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Sha256Digest sha256(std::string_view data) noexcept {
  SHA256_CTX state;
  Sha256Digest out;
  SHA256_Init(&state);
  SHA256_Update(&state, data.data(), data.size());
  SHA256_Final(out.data(), &state);
  return out;
}

Sha256::Sha256() noexcept {
  static_assert(sizeof(SHA256_CTX) <= sizeof state_ && alignof(SHA256_CTX) <= alignof(Sha256));
  SHA256_Init(new (state_) SHA256_CTX);
}
void Sha256::update(std::string_view data) noexcept {
  SHA256_Update(context(state_), data.data(), data.size());
}
Sha256Digest Sha256::finish() noexcept {
  Sha256Digest out;
  SHA256_Final(out.data(), context(state_));
  SHA256_Init(context(state_));
  return out;
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t b : bytes) {
    out.push_back(kDigits[b >> 4]);
    out.push_back(kDigits[b & 15]);
  }
  return out;
}

std::optional<Sha256Digest> digest_from_hex(std::string_view hex) {
  Sha256Digest out{};
  if (hex.size() != 2 * out.size()) return std::nullopt;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_value(hex[2 * i]);
    const int low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return out;
}

bool constant_time_equal(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void random_bytes(std::span<std::uint8_t> out) {
  if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1) std::abort();
}

std::uint32_t crc32(std::string_view data) noexcept {
  std::uint32_t crc = 0xffffffffu;
  for (const char c : data) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

}  // namespace tollgate::base
