#include "tollgate/base/digest.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace tollgate::base {
namespace {

TEST(Sha256, VectorsOfFips180) {
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(to_hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesMakeTheSameDigestAndTheObjectStartsAnew) {
  Sha256 pieces;
  for (int round = 0; round < 2; ++round) {
    pieces.update("a");
    pieces.update("");
    pieces.update("bc");
    EXPECT_EQ(pieces.finish(), sha256("abc")) << round;
  }
  EXPECT_EQ(pieces.finish(), sha256(""));
}

TEST(Hex, IsReadBackInEitherCase) {
  const Sha256Digest digest = sha256("abc");
  std::string hex = to_hex(digest);
  EXPECT_EQ(digest_from_hex(hex), digest);
  std::transform(hex.begin(), hex.end(), hex.begin(),
                 [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
  EXPECT_EQ(digest_from_hex(hex), digest);
}

TEST(Hex, RefusesWhatIsNotADigest) {
  const std::string good = to_hex(sha256("abc"));
  EXPECT_FALSE(digest_from_hex(""));
  EXPECT_FALSE(digest_from_hex(good.substr(1)));
  EXPECT_FALSE(digest_from_hex(good + "0"));
  for (const char bad : {'g', ' ', '-', '\0', '/', ':', '@', 'G', '`'}) {
    std::string text = good;
    text[20] = bad;
    EXPECT_FALSE(digest_from_hex(text)) << bad;
  }
}

TEST(ConstantTimeEqual, ComparesContent) {
  EXPECT_TRUE(constant_time_equal("", ""));
  EXPECT_TRUE(constant_time_equal("secret", "secret"));
  EXPECT_FALSE(constant_time_equal("secret", "secreT"));
  EXPECT_FALSE(constant_time_equal("Secret", "secret"));
  EXPECT_FALSE(constant_time_equal("secret", "secre"));
  EXPECT_FALSE(constant_time_equal("", "s"));
}

TEST(Crc32, CheckValue) {
  EXPECT_EQ(crc32("123456789"), 0xcbf43926u);  // the check value every CRC-32/ISO-HDLC shows
  EXPECT_EQ(crc32(""), 0u);
  EXPECT_EQ(crc32(std::string_view("\0", 1)), 0xd202ef8du);
}

TEST(RandomBytes, FillsAndDiffers) {
  std::array<std::uint8_t, 32> a{}, b{};
  random_bytes(a);
  random_bytes(b);
  EXPECT_NE(a, b);
  EXPECT_NE(a, (std::array<std::uint8_t, 32>{}));
}

}  // namespace
}  // namespace tollgate::base
