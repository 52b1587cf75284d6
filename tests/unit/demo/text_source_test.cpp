#include "domain/demo/text_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace tollgate::domain::demo {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> pieces(TextSource& source) {
  std::vector<std::string> out;
  std::string piece;
  while (source.next(piece)) out.push_back(piece);
  return out;
}

std::string joined(TextSource& source) {
  std::string out, piece;
  while (source.next(piece)) out += piece;
  return out;
}

TEST(TextSource, WordsKeepTheirSpaces) {
  TextSource source("one two\nthree  four");
  EXPECT_THAT(pieces(source), ElementsAre("one ", "two\n", "three ", " ", "four"));
  EXPECT_FALSE(source.was_cut());
  EXPECT_EQ(source.bytes_out(), 19u);
}

TEST(TextSource, LongWordsAreCutBetweenCodePoints) {
  TextSource plain("abcdefghijklmnopq r");
  EXPECT_THAT(pieces(plain), ElementsAre("abcdefgh", "ijklmnop", "q ", "r"));
  TextSource euros("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac");
  EXPECT_THAT(pieces(euros), ElementsAre("\xe2\x82\xac\xe2\x82\xac", "\xe2\x82\xac\xe2\x82\xac"));
}

TEST(TextSource, TheLimitCutsBetweenCodePointsToo) {
  TextSource source(
      "ab\xe2\x82\xac"
      "cd");
  source.limit(4);
  EXPECT_EQ(joined(source), "ab");
  EXPECT_TRUE(source.was_cut());
  source.restart();
  EXPECT_FALSE(source.was_cut());
  EXPECT_EQ(joined(source), "ab");
}

TEST(TextSource, ATextThatJustFitsIsNotCut) {
  TextSource source("abcd");
  source.limit(4);
  EXPECT_EQ(joined(source), "abcd");
  EXPECT_FALSE(source.was_cut());
}

TEST(TextSource, GeneratedWordsAreCountedAndRepeatable) {
  TextSource source = TextSource::words(10);
  const auto first = pieces(source);
  EXPECT_EQ(first.size(), 10u);
  EXPECT_EQ(first[0], "north ");
  EXPECT_EQ(first[9], "east") << "no space after the last";
  source.restart();
  EXPECT_EQ(pieces(source), first);
}

TEST(TextSource, EmptyTextHasNoPiece) {
  TextSource source{std::string()};
  EXPECT_TRUE(pieces(source).empty());
  EXPECT_FALSE(source.was_cut());
}

}  // namespace
}  // namespace tollgate::domain::demo
