#include "tollgate/protocol/sse/writer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tollgate::protocol::sse {
namespace {

std::string event(std::string_view name, std::string_view data) {
  std::string out;
  append_event(out, name, data);
  return out;
}

std::string with_data(std::string_view raw, std::string_view data) {
  Parser parser;
  parser.feed(raw);
  const Event* parsed = parser.next();
  EXPECT_NE(parsed, nullptr);
  std::string out;
  if (parsed != nullptr) append_with_data(out, *parsed, data);
  return out;
}

TEST(SseWriter, WritesEvents) {
  EXPECT_EQ(event("", "{}"), "data: {}\n\n");
  EXPECT_EQ(event("error", "{}"), "event: error\ndata: {}\n\n");
  EXPECT_EQ(event("", ""), "data: \n\n");
  EXPECT_EQ(event("", "{\n\"a\":\r\n1\r}"), "data: {\ndata: \"a\":\ndata: 1\ndata: }\n\n");
}

TEST(SseWriter, ReplacesOnlyTheData) {
  EXPECT_EQ(with_data("data: old\n\n", "new"), "data: new\n\n");
  EXPECT_EQ(with_data("event: x\r\ndata: old\r\n\r\n", "new"), "event: x\r\ndata: new\r\n\r\n");
  EXPECT_EQ(with_data(": c\nid: 4\ndata:a\nretry: 1\ndata:b\n\n", "n"),
            ": c\nid: 4\ndata: n\nretry: 1\n\n");
  EXPECT_EQ(with_data("\xEF\xBB\xBF"
                      "data: old\n\n",
                      "new"),
            "\xEF\xBB\xBF"
            "data: new\n\n");
  EXPECT_EQ(with_data("event: x\n\n", "new"), "event: x\ndata: new\n\n");
  EXPECT_EQ(with_data("data: old\r\r", "a\nb"), "data: a\rdata: b\r\r");
}

}  // namespace
}  // namespace tollgate::protocol::sse
