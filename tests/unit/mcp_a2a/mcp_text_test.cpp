#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tollgate/protocol/mcp/message.hpp"
#include "unit/mcp_a2a/parsed.hpp"

namespace tollgate::protocol::mcp {
namespace {

using protocol::testing::notification;
using protocol::testing::Parsed;
using protocol::testing::request;
using protocol::testing::response;
using protocol::testing::texts;
using ::testing::ElementsAre;

/// Long enough to be binary content.
const std::string kLongBase64 = std::string(300, 'Q') + "UI=";

std::vector<std::string> request_texts(const Parsed& parsed) {
  jsonrpc::Texts out;
  append_request_texts(parsed.message, out);
  return texts(out);
}

std::vector<std::string> response_texts(const Parsed& parsed) {
  jsonrpc::Texts out;
  append_response_texts(parsed.message, out);
  return texts(out);
}

TEST(McpTexts, of_requests) {
  EXPECT_THAT(request_texts(request(
                  "tools/call",
                  R"({"name":"n","arguments":{"q":"a","deep":[{"name":"b","_meta":"c"}],"n":7},)"
                  R"("_meta":{"progressToken":"t","traceparent":"00-1","x":{"y":"z"}},)"
                  R"("requestState":"s"})")),
              ElementsAre("#q", "a", "#deep", "#name", "b", "#_meta", "c", "#n", "00-1", "#y", "z",
                          "=tools/call", "=n", "=t", "=s"));
  EXPECT_THAT(
      request_texts(request("tools/call", R"({"name":"n","inputResponses":{"k":{"action":"accept",)"
                                          R"("content":{"mail":"m@x"}}}})")),
      ElementsAre("#k", "#action", "accept", "#content", "#mail", "m@x", "=tools/call", "=n"));
  EXPECT_THAT(request_texts(request("prompts/get", R"({"name":"n","arguments":{"x":"y"}})")),
              ElementsAre("#x", "y", "=prompts/get", "=n"));
  EXPECT_THAT(request_texts(request("resources/read", R"({"uri":"file:///secret"})")),
              ElementsAre("file:///secret", "=resources/read"));
  EXPECT_THAT(
      request_texts(request("completion/complete", R"({"ref":{"type":"ref/prompt","name":"p"},)"
                                                   R"("argument":{"name":"a","value":"v"}})")),
      ElementsAre("ref/prompt", "p", "a", "v", "=completion/complete"));
  EXPECT_THAT(request_texts(request("initialize", R"({"clientInfo":{"name":"x"}})")),
              ElementsAre("x", "=initialize"));
  EXPECT_THAT(request_texts(request("tools/list", R"({"cursor":"c"})")),
              ElementsAre("=tools/list", "=c"));
  EXPECT_THAT(request_texts(request("vendor/x", R"({"name":"a","b":["c"]})")),
              ElementsAre("a", "c", "=vendor/x"));
  EXPECT_THAT(request_texts(request("vendor/x", R"(["a",["b"]])")),
              ElementsAre("a", "b", "=vendor/x"));
  EXPECT_THAT(request_texts(
                  notification("notifications/progress", R"({"progressToken":"t","message":"m"})")),
              ElementsAre("m", "=notifications/progress", "=t"));
}

TEST(McpTexts, around_the_params) {
  EXPECT_THAT(request_texts(Parsed(R"({"jsonrpc":"2.0","id":"i","method":"ping","more":{"k":"v"},)"
                                   R"("k 1":"w"})")),
              ElementsAre("#k", "v", "#k 1", "w", "=i", "=ping"));
  // A key that is no protocol's word is text, wherever it stands.
  EXPECT_THAT(request_texts(request("tools/list", R"({"a@b.ch":1})")),
              ElementsAre("#a@b.ch", "=tools/list"));
}

TEST(McpTexts, of_answers_to_the_server) {
  EXPECT_THAT(request_texts(response(
                  R"({"role":"assistant","content":{"type":"text","text":"hi"},"model":"m"})")),
              ElementsAre("assistant", "text", "hi", "m"));
  EXPECT_THAT(request_texts(response(R"({"action":"accept","content":{"name":"bob"}})")),
              ElementsAre("accept", "#name", "bob"));
  EXPECT_THAT(
      request_texts(
          Parsed(R"({"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m","data":{"k":"v"}}})")),
      ElementsAre("m", "#k", "v"));
}

TEST(McpTexts, of_results) {
  const std::string image(kLongBase64);
  EXPECT_THAT(
      response_texts(response(
          R"({"content":[{"type":"text","text":"a"},)"
          R"({"type":"image","data":")" +
          image +
          R"(","mimeType":"image/png"},)"
          R"({"type":"resource","resource":{"uri":"u","text":"b","blob":")" +
          image +
          R"("}},)"
          R"({"type":"resource_link","uri":"v","name":"n","description":"d"}],)"
          R"("structuredContent":{"data":"s","mimeType":"t"},"nextCursor":"c","requestState":"r"})")),
      ElementsAre("text", "a", "image", "image/png", "resource", "u", "b", "resource_link", "v",
                  "n", "d", "#data", "s", "#mimeType", "t", "=c", "=r"));
  EXPECT_THAT(
      response_texts(response(
          R"({"tools":[{"name":"n","title":"t","description":"d",)"
          R"("inputSchema":{"properties":{"q":{"description":"p"}}},"_meta":{"x":"y"}}]})")),
      ElementsAre("t", "d", "#properties", "#q", "#description", "p", "y", "=n"));
  EXPECT_THAT(response_texts(response(R"({"contents":[{"uri":"u","text":"a"}]})")),
              ElementsAre("u", "a"));
  EXPECT_THAT(
      response_texts(response(
          R"({"messages":[{"role":"user","content":{"type":"text","text":"a"}}],"description":"d"})")),
      ElementsAre("user", "text", "a", "d"));
  EXPECT_THAT(response_texts(Parsed(
                  R"({"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m","data":"d"}})")),
              ElementsAre("m", "d"));
  EXPECT_THAT(response_texts(response(R"("odd")")), ElementsAre("odd"));
}

TEST(McpTexts, what_stands_where_base64_belongs_is_text_unless_it_is_base64) {
  const auto data = [](const std::string& value) {
    return response(R"({"content":[{"type":"image","mimeType":"image/png","data":")" + value +
                    R"("}],"contents":[{"blob":")" + value + "\"}]}");
  };
  const std::string image(kLongBase64);
  EXPECT_THAT(response_texts(data(image)), ElementsAre("image", "image/png"));
  // A credential alone is valid base64: what is short is read.
  const std::string key = std::string("AKIA") + "IOSFODNN7EXAMPLE";
  EXPECT_THAT(response_texts(data(key)), ElementsAre("image", "image/png", key, key));
  for (const std::string& text : {image + " ", "x." + image, image.substr(1) + "=A"})
    EXPECT_THAT(response_texts(data(text)), ElementsAre("image", "image/png", text, text));
}

TEST(McpTexts, of_the_servers_own_requests) {
  EXPECT_THAT(response_texts(request("sampling/createMessage",
                                     R"({"messages":[{"role":"user","content":{"type":"text",)"
                                     R"("text":"a"}}],"systemPrompt":"s"})")),
              ElementsAre("user", "text", "a", "s", "=sampling/createMessage"));
  EXPECT_THAT(
      response_texts(notification("notifications/message", R"({"level":"info","data":"d"})")),
      ElementsAre("info", "d", "=notifications/message"));
}

TEST(McpTexts, that_continue_over_notifications) {
  const Parsed progress =
      notification("notifications/progress", R"({"progressToken":"t","message":"m"})");
  EXPECT_TRUE(read_continuing(progress.message).text.text_is("m"));
  EXPECT_EQ(read_continuing(progress.message).sequence, "\"t\"");
  const Parsed log = notification("notifications/message", R"({"logger":"l","data":"d"})");
  EXPECT_TRUE(read_continuing(log.message).text.text_is("d"));
  for (const Parsed& other :
       {notification("notifications/message", R"({"data":{"k":"v"}})"),
        notification("notifications/other", R"({"data":"d"})"),
        request("notifications/message", R"({"data":"d"})"), response(R"({"data":"d"})")})
    EXPECT_FALSE(read_continuing(other.message).text) << other.text;
}

TEST(McpFilter, takes_out_whole_elements_and_leaves_other_bytes) {
  // Every subset of four tools, in odd white space, compared with building the list anew.
  const std::string tools[] = {R"({"name":"a","x":1.0e0})", R"({ "n\u0061me" : "b" })",
                               R"({"name":"c","d":[ ]})", R"({"name":"d"})"};
  const std::string text = R"({"jsonrpc":"2.0","id":1,"result":{ "tools" : [ )" + tools[0] +
                           " ,\n" + tools[1] + "," + tools[2] + " , " + tools[3] +
                           R"( ] , "nextCursor":"c"}})";
  for (unsigned subset = 0; subset < 16; ++subset) {
    const Parsed parsed(text);
    json::Splicer splicer(parsed.document);
    const std::size_t removed = filter_tools(
        parsed.message.result,
        [&](std::string_view name) { return (subset >> (name.front() - 'a') & 1) != 0; }, splicer);
    EXPECT_EQ(removed, 4u - static_cast<unsigned>(__builtin_popcount(subset)));
    const std::string after = splicer.str();
    if (subset == 15) {
      EXPECT_EQ(after, text);
    }
    json::Document again;
    ASSERT_TRUE(again.parse(after).has_value()) << after;
    const json::NodeRef list = again.root().find("result").find("tools");
    std::size_t at = 0;
    for (unsigned i = 0; i < 4; ++i) {
      if ((subset >> i & 1) == 0) continue;
      EXPECT_EQ(list.at(static_cast<std::uint32_t>(at++)).raw(), tools[i]) << after;
    }
    EXPECT_EQ(list.size(), at);
    EXPECT_TRUE(after.ends_with(R"( ] , "nextCursor":"c"}})")) << after;
  }
}

TEST(McpFilter, what_cannot_be_judged_is_taken_out) {
  const Parsed parsed = response(R"({"tools":[{"name":7},{"title":"x"},"y",{"name":"ok"},null]})");
  json::Splicer splicer(parsed.document);
  EXPECT_EQ(filter_tools(
                parsed.message.result, [](std::string_view) { return true; }, splicer),
            4u);
  EXPECT_EQ(splicer.str(), R"({"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"ok"}]}})");
  const Parsed other = response(R"({"tools":{"a":1}})");
  json::Splicer none(other.document);
  EXPECT_EQ(filter_tools(
                other.message.result, [](std::string_view) { return false; }, none),
            0u);
}

}  // namespace
}  // namespace tollgate::protocol::mcp
