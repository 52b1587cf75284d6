#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <map>

#include "play.hpp"

namespace tollgate::domain::demo {
namespace {

using testing::chat;
using ::testing::HasSubstr;
using testing::Json;
using testing::play;
using testing::Played;
using ::testing::StartsWith;

TEST(OpenAiChat, EchoAnswersWithTheLastUserText) {
  const std::string body = chat();
  const Played out = play("/v1/chat/completions", "demo/echo", body);
  EXPECT_EQ(out.status, 200);
  EXPECT_EQ(out.last, Action::Kind::end);
  EXPECT_THAT(out.header_lines, StartsWith("content-type: application/json\r\n"));
  const Json json(out.body);
  EXPECT_THAT(json.text("id"), StartsWith("chatcmpl-"));
  EXPECT_EQ(json.text("object"), "chat.completion");
  EXPECT_EQ(json.text("model"), "m");
  EXPECT_EQ(json.text("choices.0.message.role"), "assistant");
  EXPECT_EQ(json.text("choices.0.message.content"), "Hello, toll gate!");
  EXPECT_TRUE(json.at("choices.0.message.refusal").is_null());
  EXPECT_EQ(json.text("choices.0.finish_reason"), "stop");
  EXPECT_EQ(json.number("usage.prompt_tokens"), demo_tokens(body.size()));
  EXPECT_EQ(json.number("usage.completion_tokens"), 5) << "17 bytes, four to a token, rounded up";
  EXPECT_EQ(json.number("usage.total_tokens"), demo_tokens(body.size()) + 5);
}

TEST(OpenAiChat, TheSameRequestHasTheSameAnswer) {
  const Played a = play("/chat/completions", "echo", chat());
  EXPECT_EQ(play("/chat/completions", "echo", chat()).body, a.body);
  EXPECT_NE(Json(play("/chat/completions", "echo", chat(R"(,"seed":1)")).body).text("id"),
            Json(a.body).text("id"));
}

TEST(OpenAiChat, ReadsTextParts) {
  const Played out = play("/chat/completions", "echo",
                          R"({"messages":[{"role":"user","content":[{"type":"text","text":"a\"b"},
      {"type":"image_url","image_url":{"url":"x"}},{"type":"text","text":" c\u00e4"}]}]})");
  EXPECT_EQ(Json(out.body).text("choices.0.message.content"), "a\"b c\xc3\xa4");
  EXPECT_EQ(Json(out.body).text("model"), "echo") << "the deployment's, when the body names none";
}

TEST(OpenAiChat, TheCapCutsTheAnswer) {
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {
    const Json json(
        play("/chat/completions", "echo", chat(std::string(",\"") + name + "\":2")).body);
    EXPECT_EQ(json.text("choices.0.message.content"), "Hello, t");
    EXPECT_EQ(json.text("choices.0.finish_reason"), "length");
    EXPECT_EQ(json.number("usage.completion_tokens"), 2);
  }
}

TEST(OpenAiChat, SeveralChoicesAreBilledEach) {
  const Json json(play("/chat/completions", "echo", chat(R"(,"n":3)")).body);
  EXPECT_EQ(json.at("choices").size(), 3u);
  EXPECT_EQ(json.number("choices.2.index"), 2);
  EXPECT_EQ(json.number("usage.completion_tokens"), 15);
}

/// Puts the deltas of one choice together again.
std::string streamed_text(const std::vector<std::string>& events, std::int64_t choice = 0) {
  std::string text;
  for (const std::string& event : events) {
    if (event == "[DONE]") break;
    const Json json(event);
    if (json.number("choices.0.index") == choice) text += json.text("choices.0.delta.content");
  }
  return text;
}

TEST(OpenAiChat, StreamsRolePiecesFinishDone) {
  const Played out = play("/chat/completions", "echo", chat(R"(,"stream":true)"));
  EXPECT_EQ(out.status, 200);
  EXPECT_THAT(out.header_lines, StartsWith("content-type: text/event-stream\r\n"));
  const auto events = out.events();
  ASSERT_EQ(events.size(), 6u);
  EXPECT_EQ(out.pieces.size(), events.size()) << "one body action per event";
  EXPECT_EQ(Json(events[0]).text("choices.0.delta.role"), "assistant");
  EXPECT_EQ(Json(events[0]).text("object"), "chat.completion.chunk");
  EXPECT_EQ(streamed_text(events), "Hello, toll gate!");
  EXPECT_TRUE(Json(events[1]).at("choices.0.finish_reason").is_null());
  EXPECT_EQ(Json(events[4]).text("choices.0.finish_reason"), "stop");
  EXPECT_FALSE(Json(events[4]).at("usage")) << "nobody asked for usage";
  EXPECT_EQ(events[5], "[DONE]");
}

TEST(OpenAiChat, UsageComesInItsOwnChunkWhenAskedFor) {
  const std::string body = chat(R"(,"stream":true,"stream_options":{"include_usage":true})");
  const auto events = play("/chat/completions", "echo", body).events();
  ASSERT_EQ(events.size(), 7u);
  EXPECT_TRUE(Json(events[0]).at("usage").is_null());
  const Json usage(events[5]);
  EXPECT_EQ(usage.at("choices").size(), 0u);
  EXPECT_EQ(usage.number("usage.prompt_tokens"), demo_tokens(body.size()));
  EXPECT_EQ(usage.number("usage.completion_tokens"), 5);
  EXPECT_EQ(events[6], "[DONE]");
}

TEST(OpenAiChat, AStreamSaysWhatTheJsonAnswerSays) {
  const std::string words(300, 'w');
  const std::string body = R"({"messages":[{"role":"user","content":")" + words +
                           R"( \u20ac\u20ac\u20ac\u20ac"}],"max_tokens":70,"n":2)";
  const Json whole(play("/chat/completions", "echo", body + "}").body);
  const auto events =
      play("/chat/completions", "echo",
           body + R"(,"stream":true,"stream_options":{)" + R"("include_usage":true}})")
          .events();
  EXPECT_EQ(streamed_text(events, 0), whole.text("choices.0.message.content"));
  EXPECT_EQ(streamed_text(events, 1), whole.text("choices.1.message.content"));
  EXPECT_EQ(Json(events[events.size() - 2]).number("usage.completion_tokens"),
            whole.number("usage.completion_tokens"));
}

constexpr char kTools[] =
    R"(,"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object",
       "properties":{"city":{"type":"string"},"days":{"type":"integer"},"unit":{"enum":["C","F"]},
       "tags":{"type":"array","items":{"type":"string"}},"exact":{"type":["boolean","null"]},
       "area":{"type":"object","properties":{"radius":{"type":"number"}}}}}}},
       {"type":"function","function":{"name":"clock"}}])";

TEST(OpenAiChat, CallsTheFirstToolWithEveryProperty) {
  const Json json(play("/chat/completions", "tool-call", chat(kTools)).body);
  EXPECT_TRUE(json.at("choices.0.message.content").is_null());
  EXPECT_EQ(json.text("choices.0.finish_reason"), "tool_calls");
  EXPECT_EQ(json.at("choices.0.message.tool_calls").size(), 1u);
  EXPECT_THAT(json.text("choices.0.message.tool_calls.0.id"), StartsWith("call_"));
  EXPECT_EQ(json.text("choices.0.message.tool_calls.0.type"), "function");
  EXPECT_EQ(json.text("choices.0.message.tool_calls.0.function.name"), "weather");
  EXPECT_EQ(json.text("choices.0.message.tool_calls.0.function.arguments"),
            R"({"city":"demo","days":1,"unit":"C","tags":["demo"],"exact":true,)"
            R"("area":{"radius":1}})");
  EXPECT_GT(json.number("usage.completion_tokens"), 10);
}

TEST(OpenAiChat, ToolCallsAreNotBilledOverTheCap) {
  const Json json(
      play("/chat/completions", "tool-call", chat(std::string(kTools) + R"(,"max_tokens":3)"))
          .body);
  EXPECT_EQ(json.number("usage.completion_tokens"), 3);
}

TEST(OpenAiChat, StreamsParallelToolCalls) {
  const auto events =
      play("/chat/completions", "tool-calls-2", chat(std::string(kTools) + R"(,"stream":true)"))
          .events();
  std::map<std::int64_t, std::string> names, ids, arguments;
  for (const std::string& event : events) {
    if (event == "[DONE]") break;
    const Json json(event);
    const json::NodeRef call = json.at("choices.0.delta.tool_calls.0");
    if (!call) continue;
    const std::int64_t index = call.find("index").as_int64().value_or(-1);
    names[index] += call.find("function").find("name").text();
    ids[index] += call.find("id").text();
    arguments[index] += call.find("function").find("arguments").text();
  }
  ASSERT_EQ(names.size(), 2u);
  EXPECT_EQ(names[0], "weather");
  EXPECT_EQ(names[1], "clock");
  EXPECT_NE(ids[0], ids[1]);
  EXPECT_THAT(arguments[0], HasSubstr(R"("city":"demo")"));
  EXPECT_EQ(arguments[1], "{}");
  EXPECT_EQ(Json(events[events.size() - 2]).text("choices.0.finish_reason"), "tool_calls");
}

TEST(OpenAiChat, AToolResultEndsTheLoop) {
  const Json json(play("/chat/completions", "tool-call",
                       R"({"messages":[{"role":"user","content":"q"},{"role":"assistant",
    "content":null,"tool_calls":[]},{"role":"tool","tool_call_id":"c","content":"18 degrees"}])" +
                           std::string(kTools) + "}")
                      .body);
  EXPECT_EQ(json.text("choices.0.message.content"), "18 degrees");
  EXPECT_EQ(json.text("choices.0.finish_reason"), "stop");
}

TEST(OpenAiChat, WithoutToolsOrChoiceThereIsNoCall) {
  EXPECT_EQ(
      Json(play("/chat/completions", "tool-call", chat()).body).text("choices.0.message.content"),
      "No tool was offered.");
  const Json none(
      play("/chat/completions", "tool-call", chat(std::string(kTools) + R"(,"tool_choice":"none")"))
          .body);
  EXPECT_EQ(none.text("choices.0.finish_reason"), "stop");
}

TEST(OpenAiChat, RefusesInItsOwnField) {
  const Json json(play("/chat/completions", "refuse", chat()).body);
  EXPECT_TRUE(json.at("choices.0.message.content").is_null());
  EXPECT_EQ(json.text("choices.0.message.refusal"), "I cannot help with that.");
  const auto events = play("/chat/completions", "refuse", chat(R"(,"stream":true)")).events();
  std::string refusal;
  for (const auto& event : events)
    if (event != "[DONE]") refusal += Json(event).text("choices.0.delta.refusal");
  EXPECT_EQ(refusal, "I cannot help with that.");
}

TEST(OpenAiEmbeddings, OneVectorPerInput) {
  const std::string body = R"({"model":"m","input":["a","b"],"dimensions":40})";
  const Json json(play("/v1/embeddings", "echo", body).body);
  EXPECT_EQ(json.at("data").size(), 2u);
  EXPECT_EQ(json.text("data.1.object"), "embedding");
  EXPECT_EQ(json.number("data.1.index"), 1);
  EXPECT_EQ(json.at("data.0.embedding").size(), 40u);
  EXPECT_NE(json.at("data.0.embedding").raw(), json.at("data.1.embedding").raw());
  for (const json::NodeRef value : json.at("data.0.embedding").children()) {
    ASSERT_TRUE(value.as_double());
    EXPECT_LE(std::abs(*value.as_double()), 1.0);
  }
  EXPECT_EQ(json.number("usage.prompt_tokens"), demo_tokens(body.size()));
  EXPECT_EQ(json.number("usage.total_tokens"), demo_tokens(body.size()));
}

TEST(OpenAiEmbeddings, InputForms) {
  EXPECT_EQ(Json(play("/embeddings", "echo", R"({"input":"a"})").body).at("data").size(), 1u);
  EXPECT_EQ(Json(play("/embeddings", "echo", R"({"input":[1,2,3]})").body).at("data").size(), 1u);
  EXPECT_EQ(Json(play("/embeddings", "echo", R"({"input":[[1],[2]]})").body).at("data").size(), 2u);
  EXPECT_EQ(
      Json(play("/embeddings", "echo", R"({"input":"a"})").body).at("data.0.embedding").size(),
      16u);
}

TEST(OpenAiEmbeddings, Base64IsTheSameVectorInLittleEndianFloats) {
  const Json text(play("/embeddings", "echo", R"({"input":"a","dimensions":2})").body);
  const Json coded(
      play("/embeddings", "echo", R"({"input":"a","dimensions":2,"encoding_format":"base64"})")
          .body);
  // Eight bytes in base64: eleven digits and one '='.
  const std::string digits = coded.text("data.0.embedding");
  ASSERT_EQ(digits.size(), 12u);
  EXPECT_EQ(digits[11], '=');
  std::string bytes;
  std::uint32_t buffer = 0;
  int bits = 0;
  for (const char c : digits.substr(0, 11)) {
    static constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buffer = (buffer << 6) | static_cast<std::uint32_t>(kDigits.find(c));
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<char>((buffer >> bits) & 0xff));
    }
  }
  ASSERT_EQ(bytes.size(), 8u);
  for (std::uint32_t i = 0; i < 2; ++i) {
    float value = 0;
    std::memcpy(&value, bytes.data() + 4 * i, 4);
    EXPECT_EQ(static_cast<double>(value), text.at("data.0.embedding").at(i).as_double());
  }
}

TEST(OpenAiModels, AreListed) {
  const Played out = play("/v1/models", "", "", "GET");
  EXPECT_EQ(out.status, 200);
  const Json json(out.body);
  EXPECT_EQ(json.text("object"), "list");
  EXPECT_EQ(json.text("data.0.id"), "echo");
}

struct BadRow {
  const char* path;
  const char* method;
  const char* model;
  const char* body;
  int status;
  const char* param;
};

TEST(OpenAiErrors, WrongRequests) {
  const BadRow rows[] = {
      {"/v1/chat/completions", "POST", "echo", "{", 400, nullptr},
      {"/v1/chat/completions", "POST", "echo", "[]", 400, nullptr},
      {"/v1/chat/completions", "POST", "echo", "{}", 400, "messages"},
      {"/v1/chat/completions", "POST", "echo", R"({"messages":[],"n":0})", 400, "n"},
      {"/v1/chat/completions", "POST", "echo", R"({"messages":[],"n":1.5})", 400, "n"},
      {"/v1/chat/completions", "POST", "echo", R"({"messages":[],"max_tokens":0})", 400,
       "max_tokens"},
      {"/v1/chat/completions", "POST", "gpt-4o", R"({"messages":[]})", 404, "model"},
      {"/v1/chat/completions", "POST", "", R"({"messages":[]})", 404, "model"},
      {"/v1/chat/completions", "GET", "echo", "", 405, nullptr},
      {"/v1/embeddings", "POST", "echo", "{}", 400, "input"},
      {"/v1/embeddings", "POST", "echo", R"({"input":"a","dimensions":5000})", 400, "dimensions"},
      {"/v1/models", "POST", "echo", "{}", 405, nullptr},
      {"/v1/audio/speech", "POST", "echo", "{}", 404, nullptr},
      {"/", "GET", "", "", 404, nullptr},
  };
  for (const BadRow& row : rows) {
    SCOPED_TRACE(std::string(row.method) + " " + row.path + " " + row.body);
    const Played out = play(row.path, row.model, row.body, row.method);
    EXPECT_EQ(out.status, row.status);
    const Json json(out.body);
    EXPECT_FALSE(json.text("error.message").empty());
    EXPECT_EQ(json.text("error.type"), "invalid_request_error");
    EXPECT_EQ(json.text("error.param"), row.param == nullptr ? "" : row.param);
  }
}

}  // namespace
}  // namespace tollgate::domain::demo
