#include "tollgate/json/document.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tollgate/json/text_ref.hpp"

namespace tollgate::json {
namespace {

std::string parse_error(std::string_view text, const ParseLimits& limits = {}) {
  Document document;
  const auto parsed = document.parse(text, limits);
  if (!parsed.has_error()) return "accepted";
  EXPECT_EQ(parsed.error().code(), base::ErrorCode::invalid_json);
  EXPECT_FALSE(document.root());
  return parsed.error().message();
}

TEST(Document, IndexesEveryValueWithItsBytes) {
  const std::string text = R"( {"a": [1, "two\n", null], "b":{"c":true} } )";
  Document document;
  ASSERT_TRUE(document.parse(text).has_value());
  const NodeRef root = document.root();
  EXPECT_EQ(root.kind(), Kind::object);
  EXPECT_EQ(root.size(), 2u);
  EXPECT_EQ(root.raw(), std::string_view(text).substr(1, text.size() - 2));
  const NodeRef a = root.find("a");
  EXPECT_EQ(a.key_raw(), "\"a\"");
  EXPECT_EQ(a.raw(), R"([1, "two\n", null])");
  EXPECT_EQ(a.at(0).as_int64(), 1);
  EXPECT_EQ(a.at(1).raw(), R"("two\n")");
  EXPECT_TRUE(a.at(1).has_escape());
  EXPECT_EQ(a.at(1).text(), "two\n");
  EXPECT_TRUE(a.at(2).is_null());
  EXPECT_FALSE(a.at(3));
  EXPECT_EQ(root.find("b").find("c").as_bool(), true);
  EXPECT_FALSE(root.find("c"));
  EXPECT_EQ(document.node_count(), 7u);
}

TEST(Document, ChildrenComeInOrder) {
  Document document;
  ASSERT_TRUE(document.parse(R"({"x":[[],{}],"y":{},"z":1})").has_value());
  std::vector<std::string> keys;
  for (const NodeRef member : document.root().children()) keys.emplace_back(member.key());
  EXPECT_THAT(keys, testing::ElementsAre("x", "y", "z"));
  std::vector<Kind> kinds;
  for (const NodeRef element : document.root().find("x").children())
    kinds.push_back(element.kind());
  EXPECT_THAT(kinds, testing::ElementsAre(Kind::array, Kind::object));
  for (const NodeRef nothing : document.root().find("y").children()) FAIL() << nothing.raw();
}

TEST(Document, NothingAnswersEmpty) {
  const NodeRef nothing;
  EXPECT_FALSE(nothing.find("a").at(3).find("b"));
  EXPECT_EQ(nothing.text(), "");
  EXPECT_EQ(nothing.raw(), "");
  EXPECT_FALSE(nothing.is_null());
  EXPECT_EQ(nothing.as_int64(), std::nullopt);
  EXPECT_EQ(nothing.children().begin(), nothing.children().end());
}

TEST(Document, AKeyIsTheSameHoweverItIsSpelled) {
  Document document;
  ASSERT_TRUE(document.parse(R"({"\u006do\u0064el":"gpt","x\/y":1})").has_value());
  EXPECT_EQ(document.root().find("model").text(), "gpt");
  EXPECT_EQ(document.root().find("model").key(), "model");
  EXPECT_TRUE(document.root().find("x/y").key_is("x/y"));
  EXPECT_FALSE(document.root().find("m"));
  EXPECT_FALSE(document.root().find("\\u006do\\u0064el"));
}

struct NumberCase {
  const char* text;
  std::optional<std::int64_t> value;
};

TEST(Document, Int64IsExactOrAbsent) {
  const NumberCase cases[] = {{"0", 0},
                              {"-0", 0},
                              {"9223372036854775807", INT64_MAX},
                              {"-9223372036854775808", INT64_MIN},
                              {"9223372036854775808", std::nullopt},
                              {"1.0", std::nullopt},
                              {"1e3", std::nullopt},
                              {"\"1\"", std::nullopt},
                              {"true", std::nullopt}};
  for (const NumberCase& c : cases) {
    Document document;
    ASSERT_TRUE(document.parse(c.text).has_value()) << c.text;
    EXPECT_EQ(document.root().as_int64(), c.value) << c.text;
  }
  Document document;
  ASSERT_TRUE(document.parse("2.5e-1").has_value());
  EXPECT_EQ(document.root().as_double(), 0.25);
}

TEST(Document, RefusesWhatIsNotStrictJson) {
  const char* cases[] = {"",
                         " ",
                         "\n\t",
                         "tru",
                         "truee",
                         "True",
                         "nul",
                         "nullx",
                         "false1",
                         "NaN",
                         "Infinity",
                         "-",
                         "01",
                         "-01",
                         "1.",
                         ".5",
                         "1.e5",
                         "1e",
                         "1e+",
                         "+1",
                         "0x10",
                         "1_000",
                         "--1",
                         "1 2",
                         "1,",
                         "[1,]",
                         "[,1]",
                         "[1 2]",
                         "[1",
                         "[",
                         "]",
                         "{",
                         "}",
                         "{]",
                         "[}",
                         "{\"a\"}",
                         "{\"a\":}",
                         "{\"a\":1,}",
                         "{,\"a\":1}",
                         "{a:1}",
                         "{'a':1}",
                         "{\"a\" 1}",
                         "{\"a\"::1}",
                         "{\"a\":1 \"b\":2}",
                         "{1:2}",
                         "{\"a\":1}}",
                         "[1]]",
                         "\"",
                         "\"a",
                         "\"a\\\"",
                         "\"a\"b",
                         "\"a\" \"b\"",
                         "\"a\"1",
                         "1\"a\"",
                         "[\"a\"b]",
                         "[\"a\"b\"c\"]",
                         "{\"a\":\"b\"c\"d\":1}",
                         "\"\\x\"",
                         "\"\\u12\"",
                         "\"\\u12g4\"",
                         "\"\\u\"",
                         "\"\\U0041\"",
                         "\"\\ \"",
                         "\"\t\"",
                         "\"\n\"",
                         "\"\x01\"",
                         "\"\x1f\"",
                         "\xEF\xBB\xBF{}",
                         "\f1",
                         "1\f",
                         "[1\v]",
                         "[\x1a]",
                         "\"\xff\"",
                         "\"\xc3\"",
                         "\"\xc0\x80\"",
                         "\"\xed\xa0\x80\"",
                         "\"\xf4\x90\x80\x80\"",
                         "\xC3\xA9",
                         "// x\n1",
                         "/* x */1",
                         "[1/**/]",
                         "undefined",
                         "{\"a\":1}\x01"};
  for (const char* text : cases) {
    EXPECT_THAT(parse_error(text), testing::HasSubstr("not valid JSON at byte")) << text;
  }
  EXPECT_NE(parse_error(std::string_view("[1\0]", 4)), "accepted");
  EXPECT_NE(parse_error(std::string_view("1\0", 2)), "accepted");
  EXPECT_NE(parse_error(std::string_view("\"\0\"", 3)), "accepted");
}

TEST(Document, AcceptsAllOfJson) {
  const char* cases[] = {"null",
                         "true",
                         "false",
                         "0",
                         "-0.0e-0",
                         "\"\"",
                         "[]",
                         "{}",
                         " [ ] ",
                         "\r\n{\t}\n",
                         "\"\\u0000\"",
                         "\"\\ud83d\\ude00\"",
                         "\"\x7f\"",
                         "\"\xF4\x8F\xBF\xBF\"",
                         "{\"\":1}",
                         "{\"a\":{\"a\":1},\"b\":{\"a\":1}}",
                         "\"\xEF\xBB\xBF\"",
                         "1e999",
                         "[[[]]]"};
  for (const char* text : cases) EXPECT_EQ(parse_error(text), "accepted") << text;
}

TEST(Document, SaysWhereItWentWrong) {
  EXPECT_EQ(parse_error("{\"a\": tru}"), "not valid JSON at byte 6: expected true, false or null");
  EXPECT_EQ(parse_error("[\"ok\", \"\\q\"]"), "not valid JSON at byte 8: expected a valid escape");
  EXPECT_EQ(parse_error("{} x"), "not valid JSON at byte 3: expected nothing after the value");
  EXPECT_EQ(parse_error("[\"abc\xff\"]"), "not valid JSON at byte 5: expected valid UTF-8");
  EXPECT_EQ(parse_error("[\"a\nb\"]"),
            "not valid JSON at byte 3: expected control characters to be escaped in strings");
  EXPECT_EQ(parse_error("[\"abc]"),
            "not valid JSON at byte 1: expected the string that begins here to be closed");
  EXPECT_EQ(parse_error(""), "not valid JSON at byte 0: expected a value");
}

TEST(Document, RefusesHalfASurrogatePairUnlessAllowed) {
  const char* halves[] = {R"("\ud83d")",      R"("\ude00")",       R"("\ud83dx")",
                          R"("\ud83d\n")",    R"("\ud83d\ud83d")", R"("\ude00\ud83d")",
                          R"("\ud83d\u0041")"};
  ParseLimits lenient;
  lenient.allow_lone_surrogates = true;
  for (const char* text : halves) {
    EXPECT_THAT(parse_error(text), testing::HasSubstr("surrogate")) << text;
    EXPECT_EQ(parse_error(text, lenient), "accepted") << text;
  }
  Document document;
  ASSERT_TRUE(document.parse(R"("a\ud83d\u0041\ud83d\ude00\ude00")", lenient).has_value());
  EXPECT_EQ(document.root().text(),
            "a\xEF\xBF\xBD"
            "A\xF0\x9F\x98\x80\xEF\xBF\xBD");
}

TEST(Document, RefusesAKeyTwiceInAnyObject) {
  const char* cases[] = {R"({"a":1,"a":2})", R"({"model":"x","b":[{"c":{"d":1,"d":2}}]})",
                         R"({"a":1,"\u0061":2})", R"({"\u0061":1,"\u0061":2})", R"({"":1,"":2})"};
  for (const char* text : cases) {
    EXPECT_THAT(parse_error(text), testing::HasSubstr("the same key twice")) << text;
  }
  EXPECT_EQ(parse_error(R"({"a":1,"b":2,"a":3})"),
            "the JSON text is refused at byte 13: the same key twice in one object");
}

std::string object_with_keys(int count, int repeated) {
  std::string text = "{";
  for (int i = 0; i < count; ++i)
    text += "\"key" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  if (repeated >= 0) text += "\"key" + std::to_string(repeated) + "\":0,";
  text.back() = '}';
  return text;
}

TEST(Document, FindsARepeatedKeyInObjectsOfAnySize) {
  for (const int count : {1, 2, 8, 23, 24, 25, 64, 65, 1000, 50'000}) {
    EXPECT_EQ(parse_error(object_with_keys(count, -1)), "accepted") << count;
    for (const int repeated : {0, count / 2, count - 1}) {
      EXPECT_THAT(parse_error(object_with_keys(count, repeated)), testing::HasSubstr("twice"))
          << count << " " << repeated;
    }
  }
}

TEST(Document, KeepsItsLimits) {
  ParseLimits limits;
  limits.max_depth = 3;
  EXPECT_EQ(parse_error("[[[1]]]", limits), "accepted");
  EXPECT_THAT(parse_error("[[[[]]]]", limits), testing::HasSubstr("nested too deeply"));
  EXPECT_THAT(parse_error("[{\"a\":[{}]}]", limits), testing::HasSubstr("nested too deeply"));
  EXPECT_EQ(parse_error("[[[]],[[]]]", limits), "accepted");
  limits.max_depth = 1'000'000;
  EXPECT_THAT(parse_error(std::string(2000, '['), limits), testing::HasSubstr("nested too deeply"));
  limits = {};
  limits.max_nodes = 4;
  EXPECT_EQ(parse_error("[1,2,3]", limits), "accepted");
  EXPECT_THAT(parse_error("[1,2,3,4]", limits), testing::HasSubstr("too many values"));
  EXPECT_THAT(parse_error("[1,2,{},[]]", limits), testing::HasSubstr("too many values"));
}

TEST(Document, CanLeaveOutTheNumbersOfVectors) {
  ParseLimits limits;
  limits.keep_array_numbers = false;
  limits.max_nodes = 6;
  Document document;
  const std::string text = R"({"embedding":[0.5,-1,2e3],"n":7,"mixed":[1,"two",3]})";
  ASSERT_TRUE(document.parse(text, limits).has_value());
  EXPECT_EQ(document.node_count(), 5u);
  EXPECT_EQ(document.root().find("embedding").size(), 3u);
  for (const NodeRef element : document.root().find("embedding").children())
    FAIL() << element.raw();
  EXPECT_EQ(document.root().find("n").as_int64(), 7);
  EXPECT_EQ(document.root().find("mixed").raw(), R"([1,"two",3])");
  EXPECT_EQ(document.root().find("mixed").at(0).text(), "two");
  EXPECT_THAT(parse_error("[1,01]", limits), testing::HasSubstr("a number"));
  EXPECT_THAT(parse_error("[1,2", limits), testing::HasSubstr("',' or ']'"));
  EXPECT_EQ(parse_error("[[1],[2]]", limits), "accepted");
}

TEST(Document, IsReused) {
  Document document;
  ASSERT_TRUE(document.parse(object_with_keys(1000, -1)).has_value());
  EXPECT_EQ(document.root().size(), 1000u);
  ASSERT_TRUE(document.parse("[1]").has_value());
  EXPECT_EQ(document.node_count(), 2u);
  EXPECT_TRUE(document.parse("[").has_error());
  EXPECT_FALSE(document.root());
  document.trim(0);
  ASSERT_TRUE(document.parse("\"a\"").has_value());
  EXPECT_EQ(document.root().text(), "a");
}

TEST(Document, ALargeIndexGivesBackRoomItDoesNotNeed) {
  std::string text = "[";
  for (int i = 0; i < 40'000; ++i) text += "[],";
  text += "\"last\"]";
  Document document;
  ASSERT_TRUE(document.parse(text).has_value());
  const NodeRef last = document.root().at(40'000);
  EXPECT_GT(document.index_bytes(), 60'000 * sizeof(Node)) << "grown by doubling";
  document.shrink();
  EXPECT_EQ(document.index_bytes(), 40'002 * sizeof(Node));
  EXPECT_EQ(last.text(), "last");
  EXPECT_EQ(document.root().size(), 40'001u);
  document.trim(100);
  EXPECT_EQ(document.index_bytes(), 0u);
  // What was refused is not kept either.
  EXPECT_TRUE(document.parse(text + "]").has_error());
  EXPECT_EQ(document.index_bytes(), 0u);
  ASSERT_TRUE(document.parse("[1]").has_value());
  const std::size_t small = document.index_bytes();
  document.shrink();
  EXPECT_EQ(document.index_bytes(), small) << "not worth a copy";
}

TEST(Document, PinnedTextsStayWhileOthersCome) {
  Document document;
  ASSERT_TRUE(document.parse(R"(["a\nb","c\td","e"])").has_value());
  const std::string_view first = document.root().at(0).text();
  const std::string_view second = document.root().at(1).text();
  for (int i = 0; i < 100; ++i) static_cast<void>(document.root().at(0).text());
  EXPECT_EQ(first, "a\nb");
  EXPECT_EQ(second, "c\td");
}

TEST(Document, NeedsNoBytesAfterTheText) {
  // The page after the text cannot be read: any look beyond the end is a crash.
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* memory =
      ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  char* const guard = static_cast<char*>(memory) + page;
  ASSERT_EQ(::mprotect(guard, page, PROT_NONE), 0);
  const std::string texts[] = {"1",
                               "-",
                               "123.5e6",
                               "\"a\"",
                               "\"\\",
                               "\"\\u12",
                               "tru",
                               "nul",
                               "{\"a\":1}",
                               "\"" + std::string(63, 'x') + "\"",
                               "\"" + std::string(100, 'x') + "\\n\"",
                               std::string(200, ' ') + "7",
                               "[\"\\ud83d\\",
                               "\xC3",
                               "12",
                               "[1,2"};
  Document document;
  for (const std::string& text : texts) {
    for (std::size_t cut = 1; cut <= text.size(); ++cut) {
      char* const place = guard - cut;
      std::memcpy(place, text.data(), cut);
      static_cast<void>(document.parse({place, cut}));
    }
  }
  ::munmap(memory, 2 * page);
}

// Strings are read in blocks: whatever stands anywhere in one, at any distance from the text's end.
TEST(Document, ReadsStringsOfEveryLengthWhateverIsInThem) {
  const std::string_view inside[] = {
      "",         "\"",   "\\\"",         "\\n",          "\\u00e9",
      "\\x",      "\\",   "\x1f",         "\n",           "\x7f",
      "\xC3\xA9", "\xC3", "\xE2\x82\xAC", "\xED\xA0\x80", "\\ud83d\\ude00"};
  for (std::size_t size = 0; size <= 40; ++size) {
    for (std::size_t at = 0; at <= size; ++at) {
      for (const std::string_view what : inside) {
        for (const std::string_view tail : {"\"", "\"]", "\",1,\"0123456789abcdef\"]", ""}) {
          std::string text = (tail.size() > 1 ? "[\"" : "\"") + std::string(size, 'x');
          text.insert(text.size() - size + at, what);
          text += tail;
          const bool valid = nlohmann::json::accept(text);
          // Of exactly its size, so that a sanitizer sees a look beyond.
          const std::vector<char> copy(text.begin(), text.end());
          Document document;
          const bool accepted = document.parse({copy.data(), copy.size()}).has_value();
          ASSERT_EQ(accepted, valid) << text;
          if (!accepted) continue;
          const NodeRef string = tail.size() > 1 ? document.root().at(0) : document.root();
          const auto expected = nlohmann::json::parse(text);
          ASSERT_EQ(string.text(), (tail.size() > 1 ? expected[0] : expected).get<std::string>())
              << text;
        }
      }
    }
  }
}

// Equal marks of keys (length, first, middle and last byte) must not be taken for equal keys.
TEST(Document, TellsKeysApartThatLookAlike) {
  EXPECT_EQ(parse_error(R"({"abxcd":1,"aaxad":2,"acxbd":3})"), "accepted");
  EXPECT_THAT(parse_error(R"({"abxcd":1,"aaxad":2,"abxcd":3})"), testing::HasSubstr("twice"));
  EXPECT_THAT(parse_error(R"({"abxcd":1,"o":{"p":[{}]},"a\u0062xcd":3})"),
              testing::HasSubstr("twice"));
}

TEST(TextRef, ListsStringsKeysAndLongNumbers) {
  Document document;
  ASSERT_TRUE(
      document.parse(R"({"k\u0031":"v","n":4111111111111111,"m":12,"e":"","l":["a\tb",{"":true}]})")
          .has_value());
  std::vector<TextRef> refs;
  append_texts(document.root(), true, refs);
  std::vector<std::string> texts;
  std::string scratch;
  for (const TextRef& ref : refs) {
    texts.push_back((ref.is_key ? "key " : "") + std::string(ref.text(scratch)));
    EXPECT_LT(ref.begin_offset(), ref.end_offset());
  }
  EXPECT_THAT(texts, testing::ElementsAre("key k1", "v", "key n", "4111111111111111", "key m",
                                          "key e", "key l", "a\tb"));
  refs.clear();
  append_texts(document.root().find("l"), false, refs);
  ASSERT_EQ(refs.size(), 1u);
  EXPECT_EQ(document.text().substr(refs[0].begin_offset(), 6), "\"a\\tb\"");
}

}  // namespace
}  // namespace tollgate::json
