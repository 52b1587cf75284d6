#include "tollgate/base/strings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tollgate/base/same_bytes.hpp"

namespace tollgate::base {
namespace {

using ::testing::ElementsAre;

TEST(Strings, CaseFoldsAsciiOnly) {
  EXPECT_TRUE(iequals("Retry-AFTER", "retry-after"));
  EXPECT_FALSE(iequals("retry", "retry-"));
  EXPECT_FALSE(iequals("a", "b"));
  EXPECT_FALSE(iequals("\xc3\x84", "\xc3\xa4")) << "no Unicode folding in protocol tokens";
  EXPECT_FALSE(iequals("@", "`")) << "neighbours of the letters differ by 32 as well";
  EXPECT_EQ(to_lower("AbC-Z[\xc3\x84"), "abc-z[\xc3\x84");
}

TEST(Strings, CaseFoldsEveryByteAtEveryPlace) {
  // Against one character at a time, over the sizes at which words begin, end and overlap.
  for (const std::size_t size : {1u, 7u, 8u, 9u, 15u, 16u, 21u}) {
    for (std::size_t at = 0; at < size; ++at) {
      for (int x = 0; x < 256; ++x) {
        for (const int y : {x, x ^ 0x20, x ^ 0x80, x + 1}) {
          std::string a(size, 'q'), b(size, 'Q');
          a[at] = static_cast<char>(x);
          b[at] = static_cast<char>(y);
          ASSERT_EQ(iequals(a, b), ascii_lower(a[at]) == ascii_lower(b[at]))
              << size << " " << at << " " << x << " " << y;
        }
      }
    }
  }
}

TEST(Strings, TrimsSpacesAndTabsOnly) {
  EXPECT_EQ(trim_ows(" \t a b\t "), "a b");
  EXPECT_EQ(trim_ows("\r\nx"), "\r\nx");
  EXPECT_EQ(trim_ows(" \t"), "");
  EXPECT_EQ(trim_ows(""), "");
}

TEST(Strings, ParsesUnsignedStrictly) {
  EXPECT_EQ(parse_u64("0"), 0u);
  EXPECT_EQ(parse_u64("007"), 7u);
  EXPECT_EQ(parse_u64("18446744073709551615"), 18446744073709551615u);
  for (const char* bad : {"", "18446744073709551616", "99999999999999999999", "+1", "-1", " 1",
                          "1 ", "0x1", "1.0", "1e3"})
    EXPECT_FALSE(parse_u64(bad)) << bad;
  EXPECT_EQ(parse_u64("9999999999999999999"), 9'999'999'999'999'999'999ull);
  EXPECT_EQ(parse_u64("00000000000000000000001"), 1u);
  EXPECT_FALSE(parse_u64("999999999999999999a"));
  EXPECT_FALSE(parse_u64("99999999999999999999"));
}

TEST(Strings, SplitKeepsEmptyParts) {
  EXPECT_THAT(split("a,b,,c,", ','), ElementsAre("a", "b", "", "c", ""));
  EXPECT_THAT(split("", ','), ElementsAre(""));
  EXPECT_THAT(split("abc", ','), ElementsAre("abc"));
}

TEST(Strings, EditDistance) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("timeout", "timeouts"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("sitting", "kitten"), 3u);
  EXPECT_EQ(edit_distance("ab", "ba"), 2u);
}

struct GlobRow {
  const char* pattern;
  const char* text;
  bool matches;
};

TEST(Strings, GlobTable) {
  const GlobRow rows[] = {
      {"*", "", true},
      {"*", "anything/at all", true},
      {"", "", true},
      {"", "a", false},
      {"gpt-4", "gpt-4", true},
      {"gpt-4", "gpt-4o", false},
      {"gpt-4*", "gpt-4o", true},
      {"*4o", "gpt-4o", true},
      {"*4o", "gpt-4o-mini", false},
      {"g*o", "gpt-4o", true},
      {"g**o", "go", true},
      {"a*b*c", "aXbXc", true},
      {"a*b*c", "aXcXb", false},
      {"*ab", "aab", true},
      {"*aab", "aaab", true},
      {"a?c", "abc", false},
      {"[ab]", "a", false},
      {"A*", "abc", false},
      {"ab*", "a", false},
      {"*a*", "bbb", false},
      {"a.c", "abc", false},
  };
  for (const GlobRow& row : rows)
    EXPECT_EQ(glob_match(row.pattern, row.text), row.matches) << row.pattern << " ~ " << row.text;
}

TEST(Strings, GlobOfManyStarsEnds) {
  const std::string text(2'000, 'a');
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "*a";
  EXPECT_TRUE(glob_match(pattern, text));
  EXPECT_FALSE(glob_match(pattern + "b", text));
}

TEST(Printable, EscapesWhatCouldForgeALine) {
  EXPECT_EQ(printable("plain text, \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
            "plain text, \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(printable("a\nb\r\tc"), "a\\x0ab\\x0d\\x09c");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(printable("\x1b[31m"), "\\x1b[31m");
  EXPECT_EQ(printable("\x7f"), "\\x7f");
  EXPECT_EQ(printable("a\\n"), "a\\x5cn") << "so that an escape cannot be forged";
  EXPECT_EQ(printable("\xc2\x85"), "\\u0085");  // C1: next line
  EXPECT_EQ(printable("\xc2\x9f"), "\\u009f");
  EXPECT_EQ(printable("\xc2\xa0"), "\xc2\xa0");
  EXPECT_EQ(printable("\xe2\x80\xa8\xe2\x80\xa9"), "\\u2028\\u2029");
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\u202e");  // right-to-left override
  EXPECT_EQ(printable("\xe2\x81\xa6"), "\\u2066");  // isolates
  EXPECT_EQ(printable("\xe2\x80\x8b"), "\\u200b");  // zero-width space
}

TEST(Printable, EndsCutSequencesAndLongTexts) {
  EXPECT_EQ(printable("\xe2\x80"), "\xe2\x80");
  EXPECT_EQ(printable("\xc2"), "\xc2");
  EXPECT_EQ(printable(std::string(300, 'x')), std::string(200, 'x') + "...");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("abc", 3), "abc");
}

TEST(StringHash, FindsByViewWhatWasStoredAsString) {
  EXPECT_EQ(StringHash{}("abc"), StringHash{}(std::string("abc")));
}

TEST(SameBytes, SeesEveryByteOfEverySize) {
  for (std::size_t size = 0; size < 40; ++size) {
    const std::string a(size, 'x');
    std::string b = a;
    EXPECT_TRUE(same_bytes(a.data(), b.data(), size)) << size;
    for (std::size_t at = 0; at < size; ++at) {
      b[at] = 'y';
      EXPECT_FALSE(same_bytes(a.data(), b.data(), size)) << size << " at " << at;
      b[at] = 'x';
    }
  }
}

}  // namespace
}  // namespace tollgate::base
