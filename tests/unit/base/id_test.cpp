#include "tollgate/base/id.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <unordered_set>

namespace tollgate::base {
namespace {

WallTime at_ms(std::int64_t ms) {
  return WallTime(std::chrono::milliseconds(ms));
}

TEST(Id, HasPrefixAndTwentySixCrockfordCharacters) {
  IdGenerator generator;
  const std::string id = generator.next("req_", at_ms(1'795'472'969'123));
  ASSERT_EQ(id.size(), 30u);
  EXPECT_EQ(id.substr(0, 4), "req_");
  EXPECT_EQ(id.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 4), std::string::npos) << id;
}

TEST(Id, TimeIsInTheFirstTenCharacters) {
  IdGenerator generator;
  // 48 bits of milliseconds fill the 50 bits of ten characters from the right (as in a ULID).
  EXPECT_EQ(generator.next("", at_ms(0)).substr(0, 10), "0000000000");
  EXPECT_EQ(generator.next("", at_ms(1)).substr(0, 10), "0000000001");
  EXPECT_EQ(generator.next("", at_ms((1ll << 48) - 1)).substr(0, 10), "7ZZZZZZZZZ");
}

TEST(Id, EveryDigitAtEveryPlaceOfTheTime) {
  constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  IdGenerator generator;
  for (std::size_t place = 0; place < 10; ++place) {
    for (std::int64_t digit = 0; digit < (place == 9 ? 8 : 32); ++digit) {
      std::string expected(10, '0');
      expected[9 - place] = kDigits[static_cast<std::size_t>(digit)];
      EXPECT_EQ(generator.next("", at_ms(digit << (5 * place))).substr(0, 10), expected);
    }
  }
}

TEST(Id, LaneIsInTheThreeCharactersAfterTheTime) {
  IdGenerator generator;
  std::string id = "of a call before";
  generator.next("req_", at_ms(7), id);
  ASSERT_EQ(id.size(), 30u);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(generator.next("", at_ms(i)).substr(10, 3), id.substr(14, 3));
}

TEST(Id, SortsByTime) {
  IdGenerator generator;
  std::vector<std::string> ids;
  for (std::int64_t ms = 1; ms < 1ll << 47; ms = ms * 3 + 1)
    ids.push_back(generator.next("r", at_ms(ms)));
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
}

TEST(Id, NeverRepeatsWithinOneMillisecond) {
  IdGenerator one, two;
  std::unordered_set<std::string> seen;
  for (int i = 0; i < 100'000; ++i) {
    EXPECT_TRUE(seen.insert(one.next("", at_ms(5))).second);
    EXPECT_TRUE(seen.insert(two.next("", at_ms(5))).second);
  }
}

TEST(Id, NeighboursShareNoPattern) {
  // What an outsider could guess from one id: consecutive ids differ in about half of their bits.
  IdGenerator generator;
  std::size_t different = 0;
  std::string previous = generator.next("", at_ms(5));
  for (int i = 0; i < 1'000; ++i) {
    const std::string id = generator.next("", at_ms(5));
    for (std::size_t c = 14; c < 26; ++c) different += id[c] != previous[c] ? 1u : 0u;
    previous = id;
  }
  EXPECT_GT(different, 11'000u) << "of 12,000 characters";
}

}  // namespace
}  // namespace tollgate::base
