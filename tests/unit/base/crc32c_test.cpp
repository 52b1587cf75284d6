#include "tollgate/base/crc32c.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

namespace tollgate::base {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// The check value of the polynomial, and two of RFC 3720, B.4.
TEST(Crc32c, KnownValues) {
  const std::vector<std::byte> zeros(32, std::byte{0}), ones(32, std::byte{0xff});
  for (const auto crc : {crc32c, crc32c_portable}) {
    EXPECT_EQ(crc(bytes_of("123456789"), 0), 0xe3069283u);
    EXPECT_EQ(crc(zeros, 0), 0x8a9136aau);
    EXPECT_EQ(crc(ones, 0), 0x62a8ab43u);
    EXPECT_EQ(crc({}, 0), 0u);
  }
}

TEST(Crc32c, InPartsAndEitherWayTheSame) {
  std::mt19937_64 random(1);
  std::vector<std::byte> data(200);
  for (std::byte& byte : data) byte = static_cast<std::byte>(random());
  for (std::size_t begin = 0; begin < 9; ++begin) {
    for (std::size_t size = 0; size + begin <= data.size(); ++size) {
      const auto part = std::span<const std::byte>(data).subspan(begin, size);
      const std::uint32_t whole = crc32c(part);
      ASSERT_EQ(whole, crc32c_portable(part)) << begin << "+" << size;
      const std::size_t cut = size / 3;
      ASSERT_EQ(crc32c(part.subspan(cut), crc32c(part.first(cut))), whole);
      ASSERT_EQ(crc32c_portable(part.subspan(cut), crc32c_portable(part.first(cut))), whole);
    }
  }
}

}  // namespace
}  // namespace tollgate::base
