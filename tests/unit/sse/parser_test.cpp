#include "tollgate/protocol/sse/parser.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace tollgate::protocol::sse {
namespace {

using namespace std::string_view_literals;

struct Expected {
  std::string_view name, data, id;
  bool has_data = true;
  bool is_keep_alive = false;
};

void expect_events(std::string_view stream, const std::vector<Expected>& expected) {
  Parser parser;
  parser.feed(stream);
  std::string raw;
  std::size_t i = 0;
  while (const Event* event = parser.next()) {
    ASSERT_LT(i, expected.size()) << testing::PrintToString(stream) << " more: " << event->raw;
    EXPECT_EQ(event->name, expected[i].name) << stream;
    EXPECT_EQ(event->data, expected[i].data) << stream;
    EXPECT_EQ(event->id, expected[i].id) << stream;
    EXPECT_EQ(event->has_data, expected[i].has_data) << stream;
    EXPECT_EQ(event->is_keep_alive, expected[i].is_keep_alive) << stream;
    raw += event->raw;
    ++i;
  }
  EXPECT_EQ(i, expected.size()) << testing::PrintToString(stream);
  EXPECT_FALSE(parser.failed());
  raw += parser.rest();
  EXPECT_EQ(raw, stream);
}

TEST(SseParser, TableOfStreams) {
  expect_events("data: x\n\n", {{"", "x", ""}});
  expect_events("data:x\r\n\r\n", {{"", "x", ""}});
  expect_events("data: x\r\r", {{"", "x", ""}});
  expect_events("data: x\r\n\n", {{"", "x", ""}});
  expect_events("data:  two spaces\n\n", {{"", " two spaces", ""}});
  expect_events("data\n\n", {{"", "", ""}});
  expect_events("data:\n\n", {{"", "", ""}});
  expect_events("data: a\ndata: b\ndata:\ndata\n\n", {{"", "a\nb\n\n", ""}});
  expect_events("event: ping\ndata: {}\n\n", {{"ping", "{}", ""}});
  expect_events("event: a\nevent: b\n\n", {{"b", "", "", false}});
  expect_events("id: 7\ndata:\n\n", {{"", "", "7"}});
  expect_events("id\n\n", {{"", "", "", false}});
  expect_events(": OPENROUTER PROCESSING\n\ndata: 1\n\n",
                {{"", "", "", false, true}, {"", "1", ""}});
  expect_events(": c\ndata: 1\n\n", {{"", "1", ""}});
  expect_events("\n", {{"", "", "", false, true}});
  expect_events("\n\ndata: x\n\n",
                {{"", "", "", false, true}, {"", "", "", false, true}, {"", "x", ""}});
  expect_events(
      "\xEF\xBB\xBF"
      "data: x\n\n",
      {{"", "x", ""}});
  expect_events(
      "data: 1\n\n\xEF\xBB\xBF"
      "data: x\n\n",
      {{"", "1", ""}, {"", "", "", false}});
  expect_events("datax: 1\ndata : 2\nDATA: 3\n\n", {{"", "", "", false}});
  expect_events("data: a:b: c\n\n", {{"", "a:b: c", ""}});
  expect_events("data: x", {});
  expect_events("data: x\n", {});
  expect_events("data: x\r\n\r", {});  // the LF is due
  expect_events("data: \xC3\xA9\n\ndata: [DONE]\n\n", {{"", "\xC3\xA9", ""}, {"", "[DONE]", ""}});
}

TEST(SseParser, ALoneCrAfterACrLineEndsTheEventAtOnce) {
  // Whatever comes next: the bytes decide, not how they arrive.
  expect_events("data: x\r\r\ndata: y\n\n",
                {{"", "x", ""}, {"", "", "", false, true}, {"", "y", ""}});
}

TEST(SseParser, RetryAndIds) {
  Parser parser;
  parser.feed("retry: 1500\nid: a b\n\nretry: 1x\nid: a\0b\n\n"sv);
  const Event* event = parser.next();
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->retry_ms, 1500u);
  EXPECT_EQ(event->id, "a b");
  EXPECT_TRUE(event->has_id);
  event = parser.next();
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->retry_ms, std::nullopt);
  EXPECT_FALSE(event->has_id);
}

TEST(SseParser, ViewsFedBytesInPlace) {
  const std::string stream = "data: one\n\ndata: two\n\ndata: th";
  Parser parser;
  parser.feed(stream);
  const Event* event = parser.next();
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->raw.data(), stream.data());
  EXPECT_EQ(event->data.data(), stream.data() + 6);
  event = parser.next();
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->raw.data(), stream.data() + 11);
  EXPECT_EQ(parser.next(), nullptr);
  EXPECT_EQ(parser.rest(), "data: th");
}

TEST(SseParser, RawOfACarriedEventLivesUntilTheNextFeed) {
  Parser parser;
  parser.feed("data: first half, ");
  EXPECT_EQ(parser.next(), nullptr);
  const std::string second = "second half\n\ndata: whole\n\ndata: begun";
  parser.feed(second);
  const Event* event = parser.next();
  ASSERT_NE(event, nullptr);
  const std::string_view carried = event->raw;
  event = parser.next();
  ASSERT_NE(event, nullptr);
  const std::string_view whole = event->raw;
  EXPECT_EQ(parser.next(), nullptr);
  EXPECT_EQ(carried, "data: first half, second half\n\n");
  EXPECT_EQ(whole, "data: whole\n\n");
}

TEST(SseParser, FinishLetsTheLastCrEndTheEvent) {
  Parser parser;
  parser.feed("data: x\r\n\r");
  EXPECT_EQ(parser.next(), nullptr);
  parser.finish();
  const Event* event = parser.next();
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->data, "x");
  EXPECT_EQ(event->raw, "data: x\r\n\r");
  EXPECT_EQ(parser.next(), nullptr);
  EXPECT_EQ(parser.rest(), "");
}

TEST(SseParser, FinishDoesNotCompleteACutEvent) {
  Parser parser;
  parser.feed("data: x\n\ndata: y\n");
  ASSERT_NE(parser.next(), nullptr);
  EXPECT_EQ(parser.next(), nullptr);
  parser.finish();
  EXPECT_EQ(parser.next(), nullptr);
  EXPECT_EQ(parser.rest(), "data: y\n");
}

TEST(SseParser, BoundsAnEvent) {
  const std::string fits = "data: " + std::string(92, 'x') + "\n\n";
  ASSERT_EQ(fits.size(), 100u);
  for (const std::size_t chunk : {1u, 7u, 1000u}) {
    Parser parser(100);
    std::size_t events = 0;
    const std::string stream = fits + fits;
    for (std::size_t at = 0; at < stream.size(); at += chunk) {
      parser.feed(std::string_view(stream).substr(at, chunk));
      while (parser.next() != nullptr) ++events;
    }
    EXPECT_EQ(events, 2u);
    EXPECT_FALSE(parser.failed());

    Parser small(99);
    events = 0;
    for (std::size_t at = 0; at < stream.size(); at += chunk) {
      small.feed(std::string_view(stream).substr(at, chunk));
      while (small.next() != nullptr) ++events;
    }
    EXPECT_EQ(events, 0u);
    EXPECT_TRUE(small.failed());
    EXPECT_EQ(small.error().code(), base::ErrorCode::stream_limit);
    EXPECT_EQ(small.error().side(), base::Side::upstream);
    small.reset();
    small.feed("data: x\n\n");
    EXPECT_NE(small.next(), nullptr);
  }
}

TEST(Parser, TellsWhatStandsBesideTheFieldsOfAnEvent) {
  const std::pair<const char*, bool> cases[] = {{"event: a\nid: 1\nretry: 5\ndata: x\n\n", false},
                                                {":\ndata: x\n\n", false},
                                                {": note\ndata: x\n\n", true},
                                                {": note\n\n", true},
                                                {"other: x\ndata: x\n\n", true},
                                                {"retry: soon\ndata: x\n\n", true},
                                                {"event: a\nevent: b\ndata: x\n\n", true},
                                                {"id: 1\nid: 2\ndata: x\n\n", true},
                                                {"data: x\ndata: y\n\n", false}};
  for (const auto& [bytes, has_other] : cases) {
    Parser parser;
    parser.feed(bytes);
    const Event* const event = parser.next();
    ASSERT_NE(event, nullptr) << bytes;
    EXPECT_EQ(event->has_other, has_other) << bytes;
  }
}

}  // namespace
}  // namespace tollgate::protocol::sse
