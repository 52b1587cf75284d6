#include <gtest/gtest.h>

#include "tollgate/protocol/http/client_address.hpp"
#include "tollgate/protocol/http/proxy_protocol.hpp"

namespace tollgate::protocol::http {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

TEST(IpAddress, parses_and_prints) {
  const std::pair<std::string_view, std::string_view> good[] = {
      {"1.2.3.4", "1.2.3.4"},
      {"255.255.255.255", "255.255.255.255"},
      {"::1", "::1"},
      {"2001:DB8:0:0::1", "2001:db8::1"},
      {"::ffff:1.2.3.4", "1.2.3.4"},
      {"::ffff:102:304", "1.2.3.4"},
      {"::", "::"}};
  for (const auto& [text, printed] : good) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), printed);
  }
  EXPECT_EQ(IpAddress::parse("::ffff:1.2.3.4"), IpAddress::parse("1.2.3.4"));
  EXPECT_NE(IpAddress::parse("::1.2.3.4"), IpAddress::parse("1.2.3.4"));
  for (const std::string_view bad :
       {""sv, "1.2.3"sv, "1.2.3.4.5"sv, "256.1.1.1"sv, "01.2.3.4"sv, "0x7f.0.0.1"sv, "127.1"sv,
        "2130706433"sv, "1.2.3.4 "sv, " 1.2.3.4"sv, "1.2.3.4\0"sv, "::g"sv, ":::"sv, "1::2::3"sv,
        "fe80::1%eth0"sv, "[::1]"sv, "1.2.3.4:80"sv, "a"sv,
        "0000:0000:0000:0000:0000:ffff:255.255.255.2555"sv})
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
}

TEST(Cidr, matches) {
  struct Case {
    std::string_view block, address;
    bool expected;
  };
  const Case cases[] = {
      {"10.0.0.0/8", "10.255.1.2", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.0.0.0/8", "::ffff:10.1.2.3", true},
      {"10.0.0.0/8", "a00::1", false},
      {"10.128.0.0/9", "10.128.0.1", true},
      {"10.128.0.0/9", "10.127.255.255", false},
      {"1.2.3.4", "1.2.3.4", true},
      {"1.2.3.4", "1.2.3.5", false},
      {"1.2.3.4/32", "1.2.3.4", true},
      {"0.0.0.0/0", "9.9.9.9", true},
      {"0.0.0.0/0", "::1", false},
      {"::/0", "::1", true},
      {"::/0", "1.2.3.4", true},
      {"2001:db8::/32", "2001:db8:ffff::1", true},
      {"2001:db8::/32", "2001:db9::1", false},
      {"::1", "::1", true},
      {"::ffff:10.0.0.0/104", "10.1.1.1", true},
      {"fe80::/10", "febf::1", true},
      {"fe80::/10", "fec0::1", false},
  };
  for (const Case& c : cases) {
    const auto block = Cidr::parse(c.block);
    ASSERT_TRUE(block) << c.block;
    EXPECT_EQ(block->contains(*IpAddress::parse(c.address)), c.expected)
        << c.block << " " << c.address;
  }
  for (const std::string_view bad :
       {"", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.1/8", "/8", "10.0.0.0/-1", "10.0.0.0/+8",
        "10.0.0.0/8/8", "10/8", "a/8", "2001:db8::1/64", "10.0.0.0/0008"})
    EXPECT_FALSE(Cidr::parse(bad)) << bad;
}

TEST(ClientAddress, trusts_only_the_right_hops) {
  struct Case {
    std::string_view rule, peer;
    std::vector<std::string_view> fields;
    std::string_view expected;
  };
  const Case cases[] = {
      {"no field", "10.0.0.1", {}, "10.0.0.1"},
      {"peer not trusted", "9.9.9.9", {"1.1.1.1"}, "9.9.9.9"},
      {"one hop", "10.0.0.1", {"1.1.1.1"}, "1.1.1.1"},
      {"forged entry on the left", "10.0.0.1", {"6.6.6.6, 1.1.1.1"}, "1.1.1.1"},
      {"two trusted hops", "10.0.0.1", {"6.6.6.6, 1.1.1.1, 10.0.0.2"}, "1.1.1.1"},
      {"two fields", "10.0.0.1", {"1.1.1.1", "10.0.0.2"}, "1.1.1.1"},
      {"all trusted", "10.0.0.1", {"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
      {"garbage ends the walk", "10.0.0.1", {"1.1.1.1, x, 10.0.0.2"}, "10.0.0.2"},
      {"garbage at once", "10.0.0.1", {"unknown"}, "10.0.0.1"},
      {"empty entry", "10.0.0.1", {"1.1.1.1,"}, "10.0.0.1"},
      {"port", "10.0.0.1", {"1.1.1.1:1234"}, "1.1.1.1"},
      {"IPv6", "10.0.0.1", {"2001:db8::1"}, "2001:db8::1"},
      {"IPv6 with port", "10.0.0.1", {"[2001:db8::1]:80"}, "2001:db8::1"},
      {"IPv6 in brackets", "10.0.0.1", {"[2001:db8::1]"}, "2001:db8::1"},
      {"bad port", "10.0.0.1", {"1.1.1.1:x"}, "10.0.0.1"},
      {"mapped peer", "::ffff:10.0.0.1", {"1.1.1.1"}, "1.1.1.1"},
  };
  const std::vector<Cidr> trusted{*Cidr::parse("10.0.0.0/8")};
  for (const Case& c : cases) {
    HeaderSection headers;
    for (const std::string_view value : c.fields)
      headers.add({"X-Forwarded-For", value, HeaderId::x_forwarded_for});
    EXPECT_EQ(client_address(*IpAddress::parse(c.peer), headers, trusted).to_string(), c.expected)
        << c.rule;
  }
  HeaderSection many;
  std::string value = "1.1.1.1";
  for (int i = 0; i < 40; ++i) value += ",10.0.0.2";
  many.add({"X-Forwarded-For", value, HeaderId::x_forwarded_for});
  EXPECT_EQ(client_address(*IpAddress::parse("10.0.0.1"), many, trusted).to_string(), "10.0.0.2");
}

TEST(ClientSpokeTls, is_believed_of_trusted_proxies_only) {
  const std::vector<Cidr> trusted{*Cidr::parse("10.0.0.0/8")};
  const auto says = [&](std::string_view peer, std::string_view value) {
    HeaderSection headers;
    if (!value.empty()) headers.add({"X-Forwarded-Proto", value, HeaderId::x_forwarded_proto});
    return client_spoke_tls(*IpAddress::parse(peer), headers, trusted);
  };
  EXPECT_TRUE(says("10.0.0.1", "https"));
  EXPECT_TRUE(says("10.0.0.1", "HTTPS, http"));
  for (const std::string_view value : {"", "http", "http, https", "httpsx", ",https"})
    EXPECT_FALSE(says("10.0.0.1", value)) << value;
  EXPECT_FALSE(says("11.0.0.1", "https"));
}

std::string proxy_outcome(std::string_view bytes) {
  const auto result = parse_proxy_header(bytes);
  if (result.has_error()) return "error";
  if (result->size == 0) return "more";
  std::string out = std::to_string(result->size);
  if (result->source)
    out += " " + result->source->to_string() + " " + std::to_string(result->source_port);
  return out;
}

TEST(ProxyProtocol, version_1) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\r\nGET", "36 1.2.3.4 1000"},
      {"PROXY TCP6 2001:db8::1 ::1 65535 443\r\n", "38 2001:db8::1 65535"},
      {"PROXY UNKNOWN\r\n", "15"},
      {"PROXY UNKNOWN anything at all\r\nGET", "31"},
      {"PROXY TCP4 1.2.3.4 5.6.7.8 1000 80\n", "error"},
      {"PROXY TCP4 1.2.3.4 5.6.7.8 1000\r\n", "error"},
      {"PROXY TCP4 1.2.3.4 5.6.7.8 1000 80 1\r\n", "error"},
      {"PROXY TCP4  1.2.3.4 5.6.7.8 1000 80\r\n", "error"},
      {"PROXY TCP4 1.2.3.4 5.6.7.8 65536 80\r\n", "error"},
      {"PROXY TCP4 1.2.3.4 5.6.7.8 1000 +80\r\n", "error"},
      {"PROXY TCP4 1.2.3.4 5.6.7.8 01 80\r\n", "error"},
      {"PROXY TCP4 ::1 ::1 1 80\r\n", "error"},
      {"PROXY TCP6 1.2.3.4 5.6.7.8 1 80\r\n", "error"},
      {"PROXY TCP4 1.2.3 5.6.7.8 1 80\r\n", "error"},
      {"PROXY TCP5 1.2.3.4 5.6.7.8 1 80\r\n", "error"},
      {"PROXY UNKNOWNX\r\n", "error"},
      {"PROXY \r\n", "error"},
      {"proxy TCP4 1.2.3.4 5.6.7.8 1000 80\r\n", "error"},
      {"GET / HTTP/1.1\r\n", "error"},
      {"\r\nPROXY", "error"},
  };
  for (const auto& [bytes, expected] : cases) {
    EXPECT_EQ(proxy_outcome(bytes), expected) << bytes;
    if (expected == "error") continue;
    const std::size_t end = bytes.find('\n') + 1;
    for (std::size_t i = 0; i < end; ++i)
      EXPECT_EQ(proxy_outcome(bytes.substr(0, i)), "more") << bytes << " " << i;
  }
  EXPECT_EQ(proxy_outcome("PROXY UNKNOWN " + std::string(92, 'a')), "more");
  EXPECT_EQ(proxy_outcome("PROXY UNKNOWN " + std::string(93, 'a')), "error");
}

std::string v2(int version_command, int family, const std::string& payload) {
  std::string out = "\r\n\r\n\0\r\nQUIT\n"s;
  out += static_cast<char>(version_command);
  out += static_cast<char>(family);
  out += static_cast<char>(payload.size() >> 8);
  out += static_cast<char>(payload.size() & 255);
  return out + payload;
}

TEST(ProxyProtocol, version_2) {
  const std::string four = "\1\2\3\4\5\6\7\10\x03\xe8\0\x50"s;
  std::string six(36, '\0');
  six[0] = 0x20, six[1] = 0x01, six[15] = 1, six[32] = 0x04, six[33] = 0x01;
  const std::pair<std::string, std::string_view> cases[] = {
      {v2(0x21, 0x11, four), "28 1.2.3.4 1000"},
      {v2(0x21, 0x21, six), "52 2001::1 1025"},
      {v2(0x21, 0x11, four + "\4\0\2ab"s), "33 1.2.3.4 1000"},
      {v2(0x20, 0x00, ""), "16"},
      {v2(0x20, 0x11, four), "28"},
      {v2(0x20, 0x99, "xyz"), "19"},
      {v2(0x21, 0x00, "xyz"), "19"},
      {v2(0x21, 0x12, four), "28"},
      {v2(0x21, 0x31, std::string(216, 'x')), "232"},
      {v2(0x11, 0x11, four), "error"},
      {v2(0x22, 0x11, four), "error"},
      {v2(0x21, 0x41, four), "error"},
      {v2(0x21, 0x11, four.substr(1)), "error"},
      {v2(0x21, 0x21, four), "error"},
      {v2(0x21, 0x11, four + "\4\0"s), "error"},
      {v2(0x21, 0x11, four + "\4\0\3ab"s), "error"},
      {v2(0x21, 0x00, std::string(3'000, 'x')), "error"},
  };
  for (const auto& [bytes, expected] : cases) {
    EXPECT_EQ(proxy_outcome(bytes), expected);
    if (expected == "error") continue;
    EXPECT_EQ(proxy_outcome(bytes + "GET"), expected);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      EXPECT_EQ(proxy_outcome(std::string_view(bytes).substr(0, i)), "more") << i;
  }
}

}  // namespace
}  // namespace tollgate::protocol::http
