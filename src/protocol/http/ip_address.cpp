#include "tollgate/protocol/http/ip_address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>

#include "tollgate/base/strings.hpp"

namespace tollgate::protocol::http {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

IpAddress IpAddress::v4(const std::array<std::uint8_t, 4>& bytes) noexcept {
  IpAddress address;
  std::copy(kMapped.begin(), kMapped.end(), address.bytes_.begin());
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin() + 12);
  return address;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes) noexcept {
  IpAddress address;
  address.bytes_ = bytes;
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
  char buffer[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  if (text.find(':') != std::string_view::npos) {
    std::array<std::uint8_t, 16> bytes;
    if (inet_pton(AF_INET6, buffer, bytes.data()) != 1) return std::nullopt;
    return v6(bytes);
  }
  std::array<std::uint8_t, 4> bytes;
  if (inet_pton(AF_INET, buffer, bytes.data()) != 1) return std::nullopt;
  return v4(bytes);
}

bool IpAddress::is_v4() const noexcept {
  return std::equal(kMapped.begin(), kMapped.end(), bytes_.begin());
}

std::string IpAddress::to_string() const {
  char buffer[INET6_ADDRSTRLEN];
  if (!is_v4()) {
    inet_ntop(AF_INET6, bytes_.data(), buffer, sizeof buffer);
    return buffer;
  }
  // Once per call: inet_ntop would go through printf.
  char* out = buffer;
  for (std::size_t i = 12; i < 16; ++i) {
    out = std::to_chars(out, std::end(buffer), unsigned{bytes_[i]}).ptr;
    *out++ = '.';
  }
  return {buffer, out - 1};
}

std::optional<Cidr> Cidr::parse(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  const auto network = IpAddress::parse(address);
  if (!network) return std::nullopt;
  // The written form counts: "::ffff:10.0.0.0/104" speaks of 128 bits.
  const bool four = address.find(':') == std::string_view::npos;
  Cidr block;
  block.network_ = *network;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto bits = base::parse_u64(digits);
    if (!bits || digits.size() > 3 || *bits > (four ? 32u : 128u)) return std::nullopt;
    block.prefix_ = static_cast<std::uint8_t>(*bits + (four ? 96 : 0));
  }
  for (unsigned bit = block.prefix_; bit < 128; ++bit)
    if ((network->bytes()[bit / 8] >> (7 - bit % 8) & 1) != 0) return std::nullopt;
  return block;
}

bool Cidr::contains(const IpAddress& address) const noexcept {
  const unsigned whole = prefix_ / 8u;
  const auto& a = address.bytes();
  const auto& b = network_.bytes();
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  const unsigned rest = prefix_ % 8u;
  return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

bool contains(const std::vector<Cidr>& blocks, const IpAddress& address) noexcept {
  return std::any_of(blocks.begin(), blocks.end(),
                     [&](const Cidr& block) { return block.contains(address); });
}

}  // namespace tollgate::protocol::http
