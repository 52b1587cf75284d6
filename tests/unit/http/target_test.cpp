#include "tollgate/protocol/http/target.hpp"

#include <gtest/gtest.h>

namespace tollgate::protocol::http {
namespace {

TEST(Target, refuses) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"empty", ""},
      {"no slash", "a"},
      {"asterisk with more", "*a"},
      {"double slash at the start", "//a"},
      {"double slash inside", "/a//b"},
      {"double slash at the end", "/a//"},
      {"dot", "/./a"},
      {"dot at the end", "/a/."},
      {"dot dot", "/a/../b"},
      {"dot dot at the end", "/a/.."},
      {"dot dot, escaped", "/a/%2e%2e/b"},
      {"dot dot, half escaped", "/a/.%2E/b"},
      {"dot, escaped", "/a/%2e"},
      {"dot dot with parameters", "/a/..;x=1/b"},
      {"escaped slash", "/a%2fb"},
      {"escaped slash, upper case", "/a%2Fb"},
      {"escaped backslash", "/a%5Cb"},
      {"escaped NUL", "/a%00"},
      {"escaped CR", "/a%0d"},
      {"escaped LF", "/a%0A"},
      {"escaped DEL", "/a%7f"},
      {"escaped percent", "/a%252e"},
      {"escaped question mark", "/a%3fb"},
      {"escaped hash", "/a%23b"},
      {"bad escape", "/a%2"},
      {"bad escape at the end", "/a%"},
      {"escape of no hex", "/a%zz"},
      {"escape with sign", "/a%+1"},
      {"overlong slash", "/a%c0%afb"},
      {"lone continuation byte", "/a%80"},
      {"surrogate", "/a%ed%a0%80"},
      {"cut UTF-8", "/a%c3"},
      {"beyond Unicode", "/a%f4%90%80%80"},
      {"quote in the path", "/a\"b"},
      {"angle bracket", "/a<b"},
      {"brace", "/a{b}"},
      {"pipe", "/a|b"},
      {"caret", "/a^b"},
      {"backtick", "/a`b"},
      {"bad escape in the query", "/a?b=%2"},
      {"escaped NUL in the query", "/a?b=%00"},
  };
  Target target;
  for (const auto& [rule, text] : cases) {
    const auto result = target.parse(text);
    ASSERT_TRUE(result.has_error()) << rule;
    EXPECT_EQ(result.error().code(), base::ErrorCode::bad_http) << rule;
  }
}

TEST(Target, decodes_once_and_keeps_the_raw_form) {
  struct Case {
    std::string_view text, path, raw_path, query;
  };
  const Case cases[] = {
      {"/", "/", "/", ""},
      {"*", "*", "*", ""},
      {"/v1/messages?beta=true", "/v1/messages", "/v1/messages", "beta=true"},
      {"/v1/%63hat/completions", "/v1/chat/completions", "/v1/%63hat/completions", ""},
      {"/v1beta/models/a%3AgenerateContent?alt=sse", "/v1beta/models/a:generateContent",
       "/v1beta/models/a%3AgenerateContent", "alt=sse"},
      {"/a/b/", "/a/b/", "/a/b/", ""},
      {"/a...b/.c/..d", "/a...b/.c/..d", "/a...b/.c/..d", ""},
      {"/%C3%A4/%e2%82%ac/%f0%9f%98%80", "/\xc3\xa4/\xe2\x82\xac/\xf0\x9f\x98\x80",
       "/%C3%A4/%e2%82%ac/%f0%9f%98%80", ""},
      {"/a?b=/../c//d&e={\"x\"}", "/a", "/a", "b=/../c//d&e={\"x\"}"},
      {"/a?", "/a", "/a", ""},
      {"/a+b%20c", "/a+b c", "/a+b%20c", ""},
  };
  Target target;
  for (const Case& c : cases) {
    ASSERT_TRUE(target.parse(c.text).has_value()) << c.text;
    EXPECT_EQ(target.path(), c.path);
    EXPECT_EQ(target.raw_path(), c.raw_path);
    EXPECT_EQ(target.raw_query(), c.query);
    EXPECT_EQ(target.has_query(), c.text.find('?') != std::string_view::npos);
  }
}

TEST(Target, decoding_again_changes_nothing) {
  // Every escape of every byte: what is accepted must not decode a second time.
  Target target, again;
  for (int byte = 0; byte < 256; ++byte) {
    char text[16];
    std::snprintf(text, sizeof text, "/a%%%02x41", static_cast<unsigned>(byte));
    if (target.parse(text).has_error()) continue;
    EXPECT_EQ(target.path().find('%'), std::string_view::npos) << text;
  }
}

TEST(Target, finds_parameters) {
  Target target;
  ASSERT_TRUE(target.parse("/a?key=1&x&y=&key=2&k%65y=3&keys=4&%6b=5").has_value());
  EXPECT_EQ(target.query_param("key"), "1");
  EXPECT_EQ(target.count_query_param("key"), 3u);
  EXPECT_EQ(target.query_param("x"), "");
  EXPECT_EQ(target.query_param("y"), "");
  EXPECT_EQ(target.query_param("k"), "5");
  EXPECT_EQ(target.query_param("ke"), std::nullopt);
  EXPECT_EQ(target.query_param("absent"), std::nullopt);
  ASSERT_TRUE(target.parse("/a").has_value());
  EXPECT_EQ(target.query_param(""), std::nullopt);
  EXPECT_EQ(target.count_query_param("key"), 0u);
}

TEST(Target, removes_a_parameter_from_the_query) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"/a", ""},
      {"/a?", ""},
      {"/a?key=s", ""},
      {"/a?key", ""},
      {"/a?key=s&alt=sse", "?alt=sse"},
      {"/a?alt=sse&key=s", "?alt=sse"},
      {"/a?alt=sse&key=s&b=1", "?alt=sse&b=1"},
      {"/a?key=s&key=t", ""},
      {"/a?k%65y=s&b=1", "?b=1"},
      {"/a?%4bey=s", "?%4bey=s"},  // names are case-sensitive
      {"/a?b=1;key=s", "?b=1"},
      {"/a?b=1;key=s;c=2&d=3", "?b=1;c=2&d=3"},
      {"/a?keys=1&akey=2&key2=3", "?keys=1&akey=2&key2=3"},
      {"/a?b=key=s", "?b=key=s"},
      {"/a?b=%20+c", "?b=%20+c"},
  };
  Target target;
  for (const auto& [text, expected] : cases) {
    ASSERT_TRUE(target.parse(text).has_value());
    std::string out = "x";
    target.append_query_without("key", out);
    EXPECT_EQ(out, "x" + std::string(expected)) << text;
  }
  ASSERT_TRUE(target.parse("/a?b=%20&key=1").has_value());
  std::string out;
  target.append_query(out);
  EXPECT_EQ(out, "?b=%20&key=1");
}

TEST(Target, decodes_query_values) {
  std::string out;
  EXPECT_TRUE(decode_query_value("a%20b+c%2b", out));
  EXPECT_EQ(out, "a b c+");
  EXPECT_FALSE(decode_query_value("a%2", out));
  EXPECT_FALSE(decode_query_value("%g1", out));
}

}  // namespace
}  // namespace tollgate::protocol::http
