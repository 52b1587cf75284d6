#include <gmock/gmock.h>

#include "play.hpp"

namespace tollgate::domain::demo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Json;
using testing::messages;
using testing::play;
using testing::Played;
using ::testing::StartsWith;

std::vector<std::string> types(const Played& out) {
  std::vector<std::string> types;
  for (const std::string& event : out.events()) types.push_back(Json(event).text("type"));
  return types;
}

TEST(AnthropicMessages, EchoAnswersWithTheLastUserText) {
  const std::string body = messages();
  const Played out = play("/v1/messages?beta=true", "demo/echo", body);
  EXPECT_EQ(out.status, 200);
  EXPECT_THAT(out.header_lines, HasSubstr("\r\nrequest-id: req_"));
  const Json json(out.body);
  EXPECT_THAT(json.text("id"), StartsWith("msg_"));
  EXPECT_EQ(json.text("type"), "message");
  EXPECT_EQ(json.text("role"), "assistant");
  EXPECT_EQ(json.text("content.0.type"), "text");
  EXPECT_EQ(json.text("content.0.text"), "Hello, toll gate!");
  EXPECT_EQ(json.text("stop_reason"), "end_turn");
  EXPECT_TRUE(json.at("stop_sequence").is_null());
  EXPECT_EQ(json.number("usage.input_tokens"), demo_tokens(body.size()));
  EXPECT_EQ(json.number("usage.cache_read_input_tokens"), 0);
  EXPECT_EQ(json.number("usage.output_tokens"), 5);
}

TEST(AnthropicMessages, TheCapCutsTheAnswer) {
  const Json json(play("/v1/messages", "echo",
                       R"({"max_tokens":2,"messages":[{"role":"user","content":"Hello, toll"}]})")
                      .body);
  EXPECT_EQ(json.text("content.0.text"), "Hello, t");
  EXPECT_EQ(json.text("stop_reason"), "max_tokens");
  EXPECT_EQ(json.number("usage.output_tokens"), 2);
}

TEST(AnthropicMessages, StreamsInTheDocumentedOrder) {
  const Played out = play("/v1/messages", "echo", messages(R"(,"stream":true)"));
  EXPECT_THAT(types(out), ElementsAre("message_start", "content_block_start", "content_block_delta",
                                      "content_block_delta", "content_block_delta",
                                      "content_block_stop", "message_delta", "message_stop"));
  for (const std::string& piece : out.pieces) {
    const std::size_t line = piece.find('\n');
    ASSERT_THAT(piece, StartsWith("event: "));
    EXPECT_EQ(piece.substr(7, line - 7), Json(piece.substr(line + 7)).text("type"))
        << "the event's name is its type";
  }
  const auto events = out.events();
  EXPECT_GT(Json(events[0]).number("message.usage.input_tokens"), 0);
  EXPECT_EQ(Json(events[0]).number("message.usage.output_tokens"), 1);
  EXPECT_TRUE(Json(events[0]).at("message.stop_reason").is_null());
  std::string text;
  for (const auto& event : events) text += Json(event).text("delta.text");
  EXPECT_EQ(text, "Hello, toll gate!");
  EXPECT_EQ(Json(events[6]).text("delta.stop_reason"), "end_turn");
  EXPECT_EQ(Json(events[6]).number("usage.output_tokens"), 5) << "cumulative";
}

constexpr char kTools[] =
    R"(,"tools":[{"type":"web_search_20250305"},{"name":"weather","input_schema":{"type":"object",
       "properties":{"city":{"type":"string"}}}},{"name":"clock","input_schema":{"type":"object"}}])";

TEST(AnthropicMessages, CallsTools) {
  const Json json(play("/v1/messages", "tool-calls-2", messages(kTools)).body);
  EXPECT_EQ(json.text("stop_reason"), "tool_use");
  ASSERT_EQ(json.at("content").size(), 2u);
  EXPECT_THAT(json.text("content.0.id"), StartsWith("toolu_"));
  EXPECT_EQ(json.text("content.0.name"), "weather");
  EXPECT_EQ(json.text("content.0.input.city"), "demo");
  EXPECT_EQ(json.text("content.1.name"), "clock");
  EXPECT_TRUE(json.at("content.1.input").is_object());
}

TEST(AnthropicMessages, StreamsToolsBlockByBlock) {
  const Played out =
      play("/v1/messages", "tool-calls-2", messages(std::string(kTools) + R"(,"stream":true)"));
  std::vector<std::string> inputs(2), names;
  std::vector<std::int64_t> stopped;
  bool first_piece_empty = false;
  for (const std::string& event : out.events()) {
    const Json json(event);
    if (json.text("type") == "content_block_start")
      names.push_back(json.text("content_block.name"));
    if (json.text("type") == "content_block_stop") stopped.push_back(json.number("index"));
    if (json.text("type") != "content_block_delta") continue;
    EXPECT_EQ(json.text("delta.type"), "input_json_delta");
    std::string& input = inputs.at(static_cast<std::size_t>(json.number("index")));
    if (input.empty()) first_piece_empty |= json.text("delta.partial_json").empty();
    input += json.text("delta.partial_json");
  }
  EXPECT_THAT(names, ElementsAre("weather", "clock"));
  EXPECT_THAT(inputs, ElementsAre(R"({"city":"demo"})", "{}"));
  EXPECT_THAT(stopped, ElementsAre(0, 1));
  EXPECT_TRUE(first_piece_empty);
  EXPECT_EQ(types(out).back(), "message_stop");
}

TEST(AnthropicMessages, AToolResultEndsTheLoop) {
  const Json json(play("/v1/messages", "tool-call",
                       R"({"max_tokens":50,"messages":[{"role":"user","content":[
    {"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"18 degrees"}]}]}])" +
                           std::string(kTools) + "}")
                      .body);
  EXPECT_EQ(json.text("content.0.text"), "18 degrees");
  EXPECT_EQ(json.text("stop_reason"), "end_turn");
}

TEST(AnthropicMessages, RefusesWithItsStopReason) {
  EXPECT_EQ(Json(play("/v1/messages", "refuse", messages()).body).text("stop_reason"), "refusal");
}

TEST(AnthropicCountTokens, CountsAndNeedsNoCap) {
  const std::string body = R"({"model":"m","messages":[{"role":"user","content":"Hello"}]})";
  const Played out = play("/v1/messages/count_tokens", "echo", body);
  EXPECT_EQ(out.status, 200);
  EXPECT_EQ(out.body, "{\"input_tokens\":" + std::to_string(demo_tokens(body.size())) + "}");
}

struct ErrorRow {
  const char* model;
  const char* body;
  int status;
  const char* type;
};

TEST(AnthropicErrors, HaveTheirOwnShapeAndTypes) {
  const ErrorRow rows[] = {
      {"echo", "{", 400, "invalid_request_error"},
      {"echo", R"({"max_tokens":5})", 400, "invalid_request_error"},
      {"echo", R"({"messages":[]})", 400, "invalid_request_error"},
      {"claude", R"({"max_tokens":5,"messages":[]})", 404, "not_found_error"},
      {"fail-401", "{}", 401, "authentication_error"},
      {"fail-402", "{}", 402, "billing_error"},
      {"fail-403", "{}", 403, "permission_error"},
      {"fail-413", "{}", 413, "request_too_large"},
      {"fail-429", "{}", 429, "rate_limit_error"},
      {"fail-500", "{}", 500, "api_error"},
      {"fail-504", "{}", 504, "timeout_error"},
      {"fail-529", "{}", 529, "overloaded_error"},
  };
  for (const ErrorRow& row : rows) {
    SCOPED_TRACE(std::string(row.model) + " " + row.body);
    const Played out = play("/anthropic/v1/messages", row.model, row.body);
    EXPECT_EQ(out.status, row.status);
    const Json json(out.body);
    EXPECT_EQ(json.text("type"), "error");
    EXPECT_EQ(json.text("error.type"), row.type);
    EXPECT_FALSE(json.text("error.message").empty());
    EXPECT_THAT(json.text("request_id"), StartsWith("req_"));
  }
}

}  // namespace
}  // namespace tollgate::domain::demo
