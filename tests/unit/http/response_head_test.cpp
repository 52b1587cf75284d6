#include "tollgate/protocol/http/response_head.hpp"

#include <gtest/gtest.h>

#include "unit/http/feeding.hpp"

namespace tollgate::protocol::http {
namespace {

using namespace std::string_view_literals;
using testing::feed_every_way;

struct Case {
  std::string_view rule;
  std::string_view bytes;
};

const Case kRefusals[] = {
    {"not HTTP", "SSH-2.0-OpenSSH\r\n"sv},
    {"HTTP/0.9 body", "<html>\r\n"sv},
    {"HTTP/2", "HTTP/2 200 OK\r\n\r\n"sv},
    {"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n"sv},
    {"no status", "HTTP/1.1\r\n\r\n"sv},
    {"short status", "HTTP/1.1 20\r\n\r\n"sv},
    {"long status", "HTTP/1.1 2000 OK\r\n\r\n"sv},
    {"status with a sign", "HTTP/1.1 +20 OK\r\n\r\n"sv},
    {"status 099", "HTTP/1.1 099 X\r\n\r\n"sv},
    {"status 600", "HTTP/1.1 600 X\r\n\r\n"sv},
    {"two spaces", "HTTP/1.1  200 OK\r\n\r\n"sv},
    {"NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n"sv},
    {"bare LF", "HTTP/1.1 200 OK\nA: b\r\n\r\n"sv},
    {"bare CR", "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n"sv},
    {"obs-fold", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"sv},
    {"space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n"sv},
    {"no colon", "HTTP/1.1 200 OK\r\nabc\r\n\r\n"sv},
    {"NUL in a value", "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n"sv},
    {"TE and CL", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"sv},
    {"two CL", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"sv},
    {"two equal CL", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n"sv},
    {"CL list", "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n"sv},
    {"negative CL", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n"sv},
    {"TE gzip, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"sv},
    {"TE identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"sv},
    {"TE twice",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"sv},
    {"TE in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"sv},
    {"101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"sv},
    {"interim with a length", "HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n"sv},
    {"interim with chunks", "HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n"sv},
    {"two Content-Types", "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n"sv},
    {"bad Connection", "HTTP/1.1 200 OK\r\nConnection: a b\r\n\r\n"sv},
};

TEST(ResponseParser, refuses) {
  ResponseParser parser;
  for (const Case& c : kRefusals) {
    SCOPED_TRACE(c.rule);
    EXPECT_EQ(feed_every_way(parser, c.bytes), "error upstream_invalid");
  }
}

TEST(ResponseParser, blames_the_upstream_and_tells_no_details) {
  ResponseParser parser;
  const auto result = parser.feed("HTTP/1.1 200 OK\nA");
  ASSERT_TRUE(result.has_error());
  EXPECT_EQ(result.error().side(), base::Side::upstream);
  EXPECT_EQ(result.error().message().find("LF"), std::string::npos);
  EXPECT_NE(result.error().detail().find("LF"), std::string::npos);
}

struct Accepted {
  std::string_view bytes;
  BodyKind kind;
  bool keep_alive;
  bool head_request = false;
};

const Accepted kAccepted[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"sv, BodyKind::length, true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"sv, BodyKind::none, true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"sv, BodyKind::chunked, true},
    {"HTTP/1.1 200 OK\r\n\r\n"sv, BodyKind::until_close, false},
    {"HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\n"sv, BodyKind::length, true},
    {"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n"sv, BodyKind::length, true},
    {"HTTP/1.1 529 Site is \xc3\xbc"
     "berlastet\r\nContent-Length: 3\r\n\r\n"sv,
     BodyKind::length, true},
    {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n"sv, BodyKind::length, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n"sv, BodyKind::length,
     true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"sv, BodyKind::length,
     false},
    {"HTTP/1.1 204 No Content\r\n\r\n"sv, BodyKind::none, true},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"sv, BodyKind::none, true},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"sv, BodyKind::none, false},
    {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"sv, BodyKind::none, false},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"sv, BodyKind::none, true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"sv, BodyKind::none, true, true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"sv, BodyKind::none, true, true},
    {"HTTP/1.1 200 OK\r\n\r\n"sv, BodyKind::none, true, true},
};

TEST(ResponseParser, finds_the_end_of_the_body) {
  for (const Accepted& c : kAccepted) {
    SCOPED_TRACE(c.bytes);
    ResponseParser parser;
    if (!c.head_request) {
      EXPECT_EQ(feed_every_way(parser, c.bytes).substr(0, 4), "done");
    }
    parser.reset(c.head_request);
    const auto result = parser.feed(c.bytes);
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->state, HeadState::done);
    EXPECT_EQ(result->head_size, c.bytes.size());
    EXPECT_EQ(parser.head().body_kind, c.kind);
    EXPECT_EQ(parser.head().keep_alive, c.keep_alive);
  }
}

TEST(ResponseParser, reports_interim_heads_and_counts_them) {
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
  const std::string final_head = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
  ResponseParser parser;
  for (int count : {1, 5, 6}) {
    parser.reset();
    std::string all;
    for (int i = 0; i < count; ++i) all += interim;
    all += final_head;
    std::string_view rest = all;
    int seen = 0;
    for (;;) {
      const auto result = parser.feed(rest);
      if (result.has_error()) break;
      if (result->state == HeadState::done) {
        EXPECT_EQ(parser.head().status, 200);
        EXPECT_EQ(parser.head().find("link"), nullptr) << "fields of an interim head leaked";
        rest.remove_prefix(result->head_size);
        break;
      }
      ASSERT_EQ(result->state, HeadState::interim);
      EXPECT_EQ(parser.head().status, 103);
      ++seen;
      rest.remove_prefix(result->head_size);
    }
    EXPECT_EQ(seen, std::min(count, 5));
    EXPECT_EQ(rest.empty(), count <= 5);
  }
  parser.reset();
  EXPECT_EQ(feed_every_way(parser, interim).substr(0, 10), "interim 37");
}

TEST(ResponseParser, limits) {
  ResponseParser parser;
  EXPECT_EQ(feed_every_way(parser, "HTTP/1.1 200 " + std::string(9'000, 'a')),
            "error upstream_invalid");
  EXPECT_EQ(feed_every_way(parser, "HTTP/1.1 200 OK\r\nA: " + std::string(17'000, 'a')),
            "error upstream_invalid");
  std::string many = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 101; ++i) many += "A: b\r\n";
  EXPECT_EQ(feed_every_way(parser, many + "\r\n"), "error upstream_invalid");
}

TEST(ResponseParser, rebase_moves_every_view) {
  ResponseParser parser;
  auto old =
      std::make_unique<std::string>("HTTP/1.1 200 Fine\r\nConnection: x-a\r\nX-A: b\r\n\r\n");
  ASSERT_FALSE(parser.feed(*old).has_error());
  const std::string before = testing::outcome_of(parser.head());
  const std::string moved = *old;
  parser.rebase(moved.data());
  old.reset();
  EXPECT_EQ(testing::outcome_of(parser.head()), before);
}

}  // namespace
}  // namespace tollgate::protocol::http
