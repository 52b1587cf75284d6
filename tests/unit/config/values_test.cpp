#include "config/values.hpp"

#include <gtest/gtest.h>

namespace tollgate::config {
namespace {

using std::chrono::milliseconds;

TEST(Values, Durations) {
  const std::pair<const char*, std::int64_t> good[] = {
      {"0", 0},        {"0s", 0},         {"500ms", 500},         {"30s", 30'000},
      {"5m", 300'000}, {"1h", 3'600'000}, {"30d", 2'592'000'000}, {"36525d", 3'155'760'000'000},
  };
  for (const auto& [text, ms] : good) {
    const auto value = parse_duration(text);
    ASSERT_TRUE(value) << text;
    EXPECT_EQ(value->count(), ms) << text;
  }
  for (const char* bad : {"", "s", "30", "-1s", "+1s", "1.5s", "1 s", "1S", "1m30s", "1w", "1us",
                          "36526d", "99999999999999999999s", "0x1s"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Values, DurationsAreWrittenInTheLargestUnit) {
  const std::pair<std::int64_t, const char*> cases[] = {
      {0, "0s"},       {1, "1ms"},         {1'500, "1500ms"}, {30'000, "30s"},
      {90'000, "90s"}, {1'200'000, "20m"}, {86'400'000, "1d"}};
  for (const auto& [ms, text] : cases) {
    EXPECT_EQ(format_duration(milliseconds(ms)), text);
    EXPECT_EQ(parse_duration(text), milliseconds(ms));
  }
}

TEST(Values, Sizes) {
  const std::pair<const char*, std::uint64_t> good[] = {{"0", 0},
                                                        {"512B", 512},
                                                        {"64KiB", 65'536},
                                                        {"16MiB", 16'777'216},
                                                        {"10GiB", 10ull << 30},
                                                        {"1KB", 1'000},
                                                        {"2MB", 2'000'000},
                                                        {"10GB", 10'000'000'000}};
  for (const auto& [text, bytes] : good) EXPECT_EQ(parse_size(text), bytes) << text;
  for (const char* bad :
       {"", "B", "1024", "64kb", "1kiB", "1.5MiB", "-1B", "1 MiB", "1TiB", "99999999999999999GiB"})
    EXPECT_FALSE(parse_size(bad)) << bad;
  EXPECT_EQ(format_size(65'536), "64KiB");
  EXPECT_EQ(format_size(10'000'000'000), "10GB");
  EXPECT_EQ(format_size(1'025), "1025B");
  EXPECT_EQ(format_size(0), "0B");
}

TEST(Values, Addresses) {
  const std::tuple<const char*, const char*, int> good[] = {{"127.0.0.1:8080", "127.0.0.1", 8080},
                                                            {"[::1]:8080", "::1", 8080},
                                                            {"0.0.0.0:0", "0.0.0.0", 0},
                                                            {"localhost:1", "127.0.0.1", 1}};
  for (const auto& [text, host, port] : good) {
    const auto address = parse_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->host, host);
    EXPECT_EQ(address->port, port);
  }
  for (const char* bad : {"", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                          "::1:8080", "[::1]", "[127.0.0.1]:1", "[::1:8080", "example.com:80",
                          "127.0.0.1:-1", "127.0.0.1:080800", "256.0.0.1:80"})
    EXPECT_FALSE(parse_address(bad)) << bad;
  EXPECT_EQ(format_address("::1", 1), "[::1]:1");
  EXPECT_EQ(format_address("10.0.0.1", 1), "10.0.0.1:1");
}

TEST(Values, Cidrs) {
  for (const char* good : {"10.0.0.0/8", "0.0.0.0/0", "192.168.1.1", "fd00::/8", "::1", "::/128"})
    EXPECT_TRUE(is_cidr(good)) << good;
  for (const char* bad : {"", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "fd00::/129",
                          "example.com", "10.0.0.0/8/8"})
    EXPECT_FALSE(is_cidr(bad)) << bad;
}

struct UrlCase {
  const char* text;
  const char* why;  // empty = good
  const char* scheme = "";
  const char* host = "";
  int port = 0;
  const char* path = "";
};

TEST(Values, Urls) {
  const UrlCase cases[] = {
      {"https://api.openai.com/v1", "", "https", "api.openai.com", 443, "/v1"},
      {"HTTPS://API.Example.COM", "", "https", "api.example.com", 443, ""},
      {"http://localhost:8000/", "", "http", "localhost", 8000, "/"},
      {"http://[::1]:8000/v1/", "", "http", "::1", 8000, "/v1/"},
      {"http://127.0.0.1", "", "http", "127.0.0.1", 80, ""},
      {"http://my_service:1", "", "http", "my_service", 1, ""},
      {"", "has no scheme"},
      {"example.com/v1", "has no scheme"},
      {"//example.com", "has no scheme"},
      {"ftp://example.com", "has another scheme than http(s)"},
      {"https://", "has no host"},
      {"https:///v1", "has no host"},
      {"https://:443", "has no host"},
      {"https://user@example.com", "has a user name or password"},
      {"https://user:pw@example.com", "has a user name or password"},
      {"https://example.com?x=1", "has a query"},
      {"https://example.com/#top", "has a fragment"},
      {"https://example.com:0", "has a bad port"},
      {"https://example.com:65536", "has a bad port"},
      {"https://example.com:", "has a bad port"},
      {"https://example.com:8a", "has a bad port"},
      {"https://exa mple.com", "has a space, a backslash or a control character"},
      {"https://example.com\\@evil.com", "has a space, a backslash or a control character"},
      {"https://example.com/\n", "has a space, a backslash or a control character"},
      {"https://127.1", "has a bad host name"},
      {"https://256.1.1.1", "has a bad host name"},
      {"https://a..b", "has a bad host name"},
      {"https://-a.b", "has a bad host name"},
      {"https://b\xc3\xbc"
       "cher.de",
       "has a bad host name"},
      {"https://[::1", "has an unfinished IPv6 address"},
      {"https://[::zz]", "has a bad IPv6 address"},
      {"https://[::1]x", "has text after its host"},
  };
  for (const auto& c : cases) {
    std::string why;
    const auto url = parse_url(c.text, {}, why);
    EXPECT_EQ(why, c.why) << c.text;
    ASSERT_EQ(url.has_value(), *c.why == '\0') << c.text;
    if (!url) continue;
    EXPECT_EQ(url->scheme, c.scheme);
    EXPECT_EQ(url->host, c.host);
    EXPECT_EQ(url->port, c.port);
    EXPECT_EQ(url->path, c.path);
  }
  std::string why;
  const auto full = parse_url("http://a%40b:p@proxy:3128", {.userinfo = true, .query = false}, why);
  ASSERT_TRUE(full);
  EXPECT_EQ(full->userinfo, "a%40b:p");
  EXPECT_EQ(full->host, "proxy");
  const auto query = parse_url("https://h?x=1", {.userinfo = false, .query = true}, why);
  ASSERT_TRUE(query);
  EXPECT_EQ(query->path, "/?x=1");
}

TEST(Values, WebOrigins) {
  for (const char* good : {"https://app.example.com", "http://localhost:3000"})
    EXPECT_TRUE(is_web_origin(good)) << good;
  for (const char* bad : {"https://app.example.com/", "app.example.com", "null", "*"})
    EXPECT_FALSE(is_web_origin(bad)) << bad;
}

TEST(Values, Names) {
  EXPECT_TRUE(is_name("gpt-4.1_mini"));
  for (const char* bad : {"", "a/b", "a b", ".a", "-a", "a\n", "\xc3\xbc"})
    EXPECT_FALSE(is_name(bad));
  EXPECT_FALSE(is_name(std::string(129, 'a')));
  for (const char* good : {"demo/echo", "us.anthropic:0", "a@b", "Etc/GMT+5"})
    EXPECT_TRUE(is_model_name(good)) << good;
  for (const char* bad : {"*", "a b", "/a", "a\"b"}) EXPECT_FALSE(is_model_name(bad)) << bad;
  EXPECT_TRUE(is_token("X-Api-Key"));
  for (const char* bad : {"", "a b", "a:", "a\r"}) EXPECT_FALSE(is_token(bad));
}

TEST(Values, NearestOnlyWhenItIsALikelyTypo) {
  const std::vector<std::string> keys{"header", "body", "drain", "drain_min_delay"};
  EXPECT_EQ(nearest("heder", keys), "header");
  EXPECT_EQ(nearest("HEADER", keys), "header");
  EXPECT_EQ(nearest("bdy", keys), "body");
  EXPECT_EQ(nearest("drian", keys), "drain") << "two letters swapped";
  EXPECT_EQ(nearest("head", keys), "header") << "a beginning";
  EXPECT_EQ(nearest("colour", keys), "");
  EXPECT_EQ(nearest("", keys), "");
}

TEST(Values, Base64AndPercent) {
  const std::pair<const char*, const char*> rfc4648[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : rfc4648) EXPECT_EQ(base64(plain), coded);
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
  EXPECT_EQ(percent_decode("a%40b%3Ac%2"), "a@b:c%2");
}

}  // namespace
}  // namespace tollgate::config
