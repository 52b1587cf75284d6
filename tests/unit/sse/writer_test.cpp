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

/// The event with bytes [begin, end) of its data replaced, and that the long way gives the same.
std::string with_edit(const std::string& raw, std::uint32_t begin, std::uint32_t end,
                      std::string_view replacement) {
  Parser parser;
  parser.feed(raw);
  const Event* const parsed = parser.next();
  EXPECT_NE(parsed, nullptr) << raw;
  if (parsed == nullptr) return {};
  json::Splicer edits(parsed->data);
  EXPECT_TRUE(edits.replace(begin, end, replacement)) << raw;
  std::string out = "before", wanted = "before";
  append_with_edits(out, *parsed, edits);
  append_with_data(wanted, *parsed, edits.str());
  EXPECT_EQ(out, wanted) << raw;
  return out;
}

TEST(SseWriter, SplicesInPlaceWhatItWouldWriteAnew) {
  EXPECT_EQ(with_edit("event: x\nid: 4\ndata: abc\n: c\n\n", 1, 2, "BB"),
            "beforeevent: x\nid: 4\ndata: aBBc\n: c\n\n");
  for (const std::string raw :
       {"data: abc\n\n", "data:abc\n\n", "data:  abc\r\n\r\n", "data: abc\r\r",
        "\xEF\xBB\xBF"
        "data: abc\n\n",
        "data: abc\ndata: def\n\n", "data: abc\ndata:\n\n", "data\ndata: abc\n\n",
        "data:data: abc\n\n", "x: data: abc\ndata: abc\n\n", "data: abc\nevent: data: abc\n\n"}) {
    with_edit(raw, 0, 1, "new");
    with_edit(raw, 1, 3, "");
    with_edit(raw, 1, 2, "two\nlines");
    with_edit(raw, 1, 2, "two\rlines");
  }
}

}  // namespace
}  // namespace tollgate::protocol::sse
