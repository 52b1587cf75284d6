#include "tollgate/protocol/http/request_head.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "unit/http/feeding.hpp"

namespace tollgate::protocol::http {
namespace {

using namespace std::string_view_literals;
using testing::feed_every_way;
using testing::feed_in_pieces;

TEST(RequestParser, damaged_heads_are_read_one_way_however_they_come) {
  const std::string whole =
      "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway.example.com:8080\r\n"
      "Content-Type: application/json\r\nX-Stainless-Lang: js\r\nx-app:\tcli \t \r\nempty:\r\n"
      "Authorization: Bearer tg-0123456789\r\nConnection: keep-alive\r\naccept: */*\r\n"
      "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
      "Content-Length: 28\r\n\r\n{\"model\": \"m\", \"input\": []}";
  constexpr std::string_view kBytes = "\r\n\t :_-aZ\0\x7f\x80\x1f"sv;
  std::mt19937 random(7);
  const auto below = [&random](std::size_t n) { return random() % n; };
  std::vector<std::size_t> every;
  for (std::size_t i = 1; i < whole.size() + 8; ++i) every.push_back(i);
  RequestParser parser;
  for (int round = 0; round < 3'000; ++round) {
    std::string bytes = whole;
    for (std::size_t changes = 1 + below(2); changes != 0; --changes) {
      const std::size_t at = below(bytes.size());
      const char c = kBytes[below(kBytes.size())];
      switch (below(3)) {
        case 0:
          bytes[at] = c;
          break;
        case 1:
          bytes.insert(at, 1, c);
          break;
        default:
          bytes.erase(at, 1 + below(3));
          break;
      }
    }
    auto cuts = every;
    while (cuts.back() >= bytes.size()) cuts.pop_back();
    parser.reset();
    const std::string at_once = feed_in_pieces(parser, bytes, {});
    parser.reset();
    // Byte by byte no line is ever there whole, so each goes the careful way.
    ASSERT_EQ(feed_in_pieces(parser, bytes, std::move(cuts)), at_once) << round << ": " << bytes;
  }
}

// What is refused for its method or Expect alone still tells who sent it; nothing else does.
TEST(RequestParser, a_whole_head_can_be_read_after_two_refusals_only) {
  const auto complete = [](std::string_view text) {
    RequestParser parser;
    for (std::size_t cut = 1; cut < text.size(); ++cut)
      EXPECT_TRUE(parser.feed(text.substr(0, cut)).has_value()) << cut;
    EXPECT_TRUE(parser.feed(text).has_error());
    return parser.head_complete() && parser.head().value(HeaderId::x_api_key) == "k";
  };
  EXPECT_TRUE(complete("FOO /a HTTP/1.1\r\nHost: a\r\nx-api-key: k\r\n\r\n"));
  EXPECT_TRUE(complete("POST /a HTTP/1.1\r\nHost: a\r\nx-api-key: k\r\nExpect: foo\r\n\r\n"));
  EXPECT_FALSE(complete("FOO /a HTTP/1.1\r\nx-api-key: k\r\n\r\n")) << "no Host";
  EXPECT_FALSE(complete("GET /a HTTP/1.1\r\nx-api-key: k\r\n\r\n"));
  EXPECT_TRUE(complete("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nx-api-key: k\r\n\r\n"));
  EXPECT_TRUE(complete("CONNECT [::1]:1 HTTP/1.1\r\nHost: a\r\nx-api-key: k\r\n\r\n"));
  EXPECT_FALSE(complete("CONNECT u@a:1 HTTP/1.1\r\nHost: a:1\r\nx-api-key: k\r\n\r\n"));
  EXPECT_FALSE(complete("CONNECT a:1 HTTP/1.1\r\nx-api-key: k\r\n\r\n")) << "no Host";
  EXPECT_FALSE(complete("FOO a:1 HTTP/1.1\r\nHost: a:1\r\nx-api-key: k\r\n\r\n"));
}

TEST(RequestParser, the_path_of_a_refused_head_is_what_came_of_it) {
  struct Case {
    std::string_view bytes, path;
  };
  for (const Case& c :
       std::initializer_list<Case>{{"POST /v1/messages HTTP/1.1\r\nHost: a\r\n", "/v1/messages"},
                                   {"\r\nPOST /mcp/x?y=/z HTTP/1.1\r\n", "/mcp/x?y=/z"},
                                   {"POST /mcp/x", "/mcp/x"},
                                   {"GET /mcp/x\nGET /v1/messages HTTP/1.1\r\n", "/mcp/x"},
                                   {"GET /a2a/x y HTTP/1.1\r\n", "/a2a/x"},
                                   {"POST http://h:1/mcp/x HTTP/1.1\r\n", "/mcp/x"},
                                   {"POST http://h HTTP/1.1\r\n", ""},
                                   {"POST h/mcp/x HTTP/1.1\r\n", ""},
                                   {"GET  /mcp/x HTTP/1.1\r\n", ""},
                                   {"GET\r\nx: /mcp/x", ""},
                                   {"POST ", ""},
                                   {"/mcp/x", ""},
                                   {"", ""}})
    EXPECT_EQ(unchecked_path(c.bytes), c.path) << c.bytes;
}

TEST(RequestParser, underscores_pass_when_allowed) {
  HeadLimits limits;
  limits.allow_underscores = true;
  RequestParser parser(limits);
  EXPECT_EQ(feed_every_way(parser, "GET / HTTP/1.1\r\nHost: a\r\nsession_id: b\r\n\r\n"),
            "done 42 GET / [/] 1.1 host=a length=- keep|Host=a|session_id=b");
}

std::string request_with(std::size_t target_size, std::size_t value_size, int fields) {
  std::string out = "GET /" + std::string(target_size - 1, 'a') + " HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < fields; ++i) out += "X-A: " + std::string(value_size, 'b') + "\r\n";
  return out + "\r\n";
}

TEST(RequestParser, limits_are_exact) {
  HeadLimits limits;
  limits.start_line_bytes = 100;
  limits.field_bytes = 50;
  limits.section_bytes = 200;
  limits.field_count = 4;
  RequestParser parser(limits);
  const auto is_done = [&](const std::string& bytes) {
    return feed_every_way(parser, bytes).substr(0, 4) == "done";
  };
  // The request line: "GET " + target + " HTTP/1.1".
  EXPECT_TRUE(is_done(request_with(100 - 13, 1, 0)));
  EXPECT_EQ(feed_every_way(parser, request_with(101 - 13, 1, 0)), "error uri_too_long");
  EXPECT_EQ(feed_every_way(parser, std::string(500, 'G')), "error uri_too_long");
  // A field line: "X-A: " + value.
  EXPECT_TRUE(is_done(request_with(1, 45, 1)));
  EXPECT_EQ(feed_every_way(parser, request_with(1, 46, 1)), "error headers_too_large");
  // The section: "Host: a\r\n" is 9, the end 2, three lines of 63 - 189 bytes in all.
  EXPECT_TRUE(is_done(request_with(1, 40, 3)));
  EXPECT_EQ(feed_every_way(parser, "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(300, 'x')),
            "error headers_too_large");
  EXPECT_TRUE(is_done(request_with(1, 1, 3)));
  EXPECT_EQ(feed_every_way(parser, request_with(1, 1, 4)), "error headers_too_large");
  limits.section_bytes = 9 + 2 + 3 * 47;
  parser.set_limits(limits);
  EXPECT_TRUE(is_done(request_with(1, 40, 3)));
  limits.section_bytes -= 1;
  parser.set_limits(limits);
  EXPECT_EQ(feed_every_way(parser, request_with(1, 40, 3)), "error headers_too_large");
}

TEST(RequestParser, default_limits) {
  RequestParser parser;
  EXPECT_EQ(feed_every_way(parser, request_with(9'000, 1, 0)), "error uri_too_long");
  EXPECT_EQ(feed_every_way(parser, request_with(1, 17'000, 1)), "error headers_too_large");
  EXPECT_EQ(feed_every_way(parser, request_with(1, 1, 100)), "error headers_too_large");
  EXPECT_EQ(feed_every_way(parser, request_with(1, 1, 99)).substr(0, 4), "done");
}

TEST(RequestParser, is_reusable_and_knows_fields) {
  RequestParser parser;
  const std::string first =
      "POST / HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\nContent-Type: b\r\nX-Own: 1\r\nx-own: "
      "2\r\n\r\n";
  ASSERT_FALSE(parser.feed(first).has_error());
  EXPECT_EQ(parser.head().value(HeaderId::x_api_key), "k");
  EXPECT_EQ(parser.head().find("content-TYPE")->value, "b");
  EXPECT_EQ(parser.head().find("X-OWN")->value, "1");
  EXPECT_EQ(parser.head().find("absent"), nullptr);
  EXPECT_EQ(parser.head().find(HeaderId::authorization), nullptr);
  EXPECT_EQ(parser.head().method, Method::post);
  parser.reset();
  EXPECT_FALSE(parser.started());
  const std::string second = "GET / HTTP/1.1\r\nHost: b\r\n\r\n";
  ASSERT_FALSE(parser.feed(second).has_error());
  EXPECT_EQ(parser.head().find(HeaderId::x_api_key), nullptr);
  EXPECT_EQ(parser.head().find("x-own"), nullptr);
  EXPECT_EQ(parser.head().host, "b");
}

TEST(RequestParser, rebase_moves_every_view) {
  RequestParser parser;
  auto old = std::make_unique<std::string>(
      "OPTIONS http://abc/d HTTP/1.1\r\nHost: abc\r\nConnection: x-a\r\nX-A: b\r\n\r\n");
  ASSERT_FALSE(parser.feed(*old).has_error());
  const std::string before = testing::outcome_of(parser.head());
  const std::string moved = *old;
  parser.rebase(moved.data());
  old.reset();
  EXPECT_EQ(testing::outcome_of(parser.head()), before);
}

}  // namespace
}  // namespace tollgate::protocol::http
