#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::protocol::http {

/// An IPv4 or IPv6 address as a value. An IPv4-mapped IPv6 address is the IPv4 address: rules
/// written for one must hold for the other.
class IpAddress {
 public:
  constexpr IpAddress() = default;
  static IpAddress v4(const std::array<std::uint8_t, 4>& bytes) noexcept;
  static IpAddress v6(const std::array<std::uint8_t, 16>& bytes) noexcept;
  /// Dotted decimal without leading zeros, or RFC 4291 text without zone.
  static std::optional<IpAddress> parse(std::string_view text) noexcept;

  [[nodiscard]] bool is_v4() const noexcept;
  /// 16 bytes; IPv4 in mapped form.
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::string to_string() const;
  bool operator==(const IpAddress&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

/// A block of addresses: "10.0.0.0/8", "2001:db8::/32", or one address.
class Cidr {
 public:
  /// Absent on bad text and on bits set behind the prefix ("10.0.0.1/8" is a typing error).
  static std::optional<Cidr> parse(std::string_view text) noexcept;
  [[nodiscard]] bool contains(const IpAddress& address) const noexcept;

 private:
  IpAddress network_;
  std::uint8_t prefix_ = 128;  ///< bits of the 16-byte form
};

[[nodiscard]] bool contains(const std::vector<Cidr>& blocks, const IpAddress& address) noexcept;

}  // namespace tollgate::protocol::http
