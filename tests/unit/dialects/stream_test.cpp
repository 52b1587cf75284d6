#include <gtest/gtest.h>

#include "tollgate/json/text_ref.hpp"
#include "tollgate/protocol/llm/dialect.hpp"

namespace tollgate::protocol {
namespace {

using llm::Channel;
using llm::ChannelKind;
using llm::DialectKind;
using llm::EventClass;

/// One event read by a dialect.
struct Read {
  Read(DialectKind kind, std::string bytes) : dialect(llm::dialect(kind)), raw(std::move(bytes)) {
    parser.feed(raw);
    const sse::Event* parsed = parser.next();
    EXPECT_NE(parsed, nullptr) << raw;
    if (parsed != nullptr) dialect.read_event(*parsed, document, usage, event);
  }
  [[nodiscard]] std::string like(Channel channel, std::string_view text) const {
    std::string out;
    json::Document scratch;
    dialect.append_delta_like(out, raw, channel, text, scratch);
    return out;
  }
  /// The pieces that go on from event to event.
  [[nodiscard]] std::vector<llm::TextPiece> channels() const {
    std::vector<llm::TextPiece> out;
    for (const llm::TextPiece& piece : event.pieces)
      if (piece.channel.index != llm::kWholeText) out.push_back(piece);
    return out;
  }
  const llm::Dialect& dialect;
  std::string raw;
  sse::Parser parser;
  json::Document document;
  llm::Usage usage;
  llm::StreamEvent event;
};

Read openai(const std::string& data) {
  return {DialectKind::openai, "data: " + data + "\n\n"};
}
Read anthropic(const std::string& data) {
  return {DialectKind::anthropic, "event: x\ndata: " + data + "\n\n"};
}

TEST(OpenAiStream, ClassesOfEvents) {
  const std::pair<const char*, EventClass> cases[] = {
      {"[DONE]", EventClass::done},
      {"not json", EventClass::other},
      {R"({"choices":[{"delta":{"role":"assistant","content":""}}]})", EventClass::start},
      {R"({"choices":[{"delta":{"content":"x"}}]})", EventClass::content},
      {R"({"choices":[{"delta":{"reasoning_content":"x"}}]})", EventClass::content},
      {R"({"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}}]})",
       EventClass::content},
      {R"({"choices":[{"delta":{},"finish_reason":"stop"}]})", EventClass::finish},
      {R"({"choices":[{"delta":{},"finish_reason":null}]})", EventClass::other},
      {R"({"choices":[],"usage":{"prompt_tokens":1}})", EventClass::usage_only},
      {R"({"choices":[],"usage":null})", EventClass::other},
      {R"({"choices":[],"prompt_filter_results":[]})", EventClass::other},
      {R"({"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":1}})",
       EventClass::content},
      {R"({"error":{"message":"m"}})", EventClass::error},
      {R"({"error":null,"choices":[{"delta":{"content":"x"}}]})", EventClass::content},
      {R"([1])", EventClass::other},
  };
  for (const auto& [data, kind] : cases) EXPECT_EQ(openai(data).event.kind, kind) << data;
  EXPECT_EQ(Read(DialectKind::openai, ": keep\n\n").event.kind, EventClass::ping);
}

TEST(OpenAiStream, TextInPartsContinuesLikeAString) {
  const Channel text{0, ChannelKind::text, 0};
  const auto channels_of = [](const Read& read) {
    std::string out;
    for (const llm::TextPiece& piece : read.channels())
      out += std::to_string(piece.channel.index) + "/" +
             std::to_string(static_cast<int>(piece.channel.kind)) + ":" +
             std::string(piece.node.text()) + " ";
    return out;
  };
  // Mistral's reasoning models, docs.mistral.ai, read 2026-11.
  const Read parts =
      openai(R"({"choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[)"
             R"({"type":"text","text":"hm"}]},{"type":"text","text":"so"},"ab"]}}]})");
  EXPECT_EQ(channels_of(parts), "0/1:hm 0/0:so 0/0:ab ");
  EXPECT_TRUE(parts.event.has_content);
  EXPECT_EQ(channels_of(openai(
                R"({"choices":[{"index":2,"delta":{"reasoning_content":[{"text":"a"}]}}]})")),
            "2/1:a ");
  // What was held goes out in the form it came in.
  EXPECT_NE(parts.like(text, "REST").find(R"({"type":"text","text":"REST"},"")"), std::string::npos)
      << parts.like(text, "REST");
  EXPECT_NE(
      parts.like(parts.channels().at(0).channel, "REST").find(R"([{"type":"text","text":"REST"}])"),
      std::string::npos);
}

TEST(OpenAiStream, TheInjectedUsageChunkIsKnownAndItsUsageTaken) {
  const Read read = openai(R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}})");
  EXPECT_TRUE(read.event.has_usage);
  EXPECT_TRUE(read.event.ends_all);
  EXPECT_EQ(read.usage.input, 9);
}

TEST(OpenAiStream, LoneSurrogatesDoNotBreakAnEvent) {
  const Read read = openai(R"({"choices":[{"delta":{"content":"\ud83d"}}]})");
  ASSERT_EQ(read.event.pieces.size(), 1u);
  EXPECT_EQ(read.event.pieces[0].node.text(), "\xEF\xBF\xBD");
}

TEST(OpenAiStream, BuildsADeltaWithoutRepeatingTheToolsName) {
  const Read first = openai(
      R"({"id":"c1","model":"m","choices":[{"index":3,"delta":{"role":"assistant","tool_calls":[{"index":1,"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a"}}]},"logprobs":null,"finish_reason":null}],"usage":null})");
  EXPECT_EQ(
      first.like({3, ChannelKind::tool_arguments, 1}, "\":1}"),
      "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":3,\"delta\":{\"tool_calls\":[{"
      "\"index\":1,\"function\":{\"arguments\":\"\\\":1}\"}}]},\"logprobs\":null,"
      "\"finish_reason\":null}],\"usage\":null}\n\n");
}

TEST(OpenAiStream, BuildsDeltasOfEveryNamedChannel) {
  const Read text = openai(
      R"({"id":"c","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}})");
  EXPECT_EQ(text.like({0, ChannelKind::text, 0}, "held"),
            "data: "
            "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"held\"},\"finish_"
            "reason\":null}],\"usage\":null}\n\n");
  EXPECT_EQ(text.like({0, ChannelKind::refusal, 0}, "no"),
            "data: "
            "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"refusal\":\"no\"},\"finish_"
            "reason\":null}],\"usage\":null}\n\n");
  const Read reasoning = openai(R"({"choices":[{"index":0,"delta":{"reasoning":"a"}}]})");
  EXPECT_EQ(
      reasoning.like(reasoning.channels().at(0).channel, "b"),
      "data: "
      "{\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"b\"},\"finish_reason\":null}]}\n\n");
  const Read legacy = openai(R"({"choices":[{"index":0,"text":"a","finish_reason":null}]})");
  EXPECT_EQ(legacy.like(legacy.channels().at(0).channel, "b"),
            "data: {\"choices\":[{\"index\":0,\"text\":\"b\",\"finish_reason\":null}]}\n\n");
  // An unknown field: the event again, everything else in it emptied.
  const Read unknown = openai(R"({"choices":[{"index":0,"delta":{"content":"a","aside":"b"}}]})");
  ASSERT_EQ(unknown.event.pieces.size(), 2u);
  EXPECT_EQ(unknown.like(unknown.event.pieces[1].channel, "c"),
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\",\"aside\":\"c\"}}]}\n\n");
  // Even without a usable template.
  const Read none(DialectKind::openai, "data: x\n\n");
  EXPECT_NE(none.like({0, ChannelKind::text, 0}, "b").find("\"content\":\"b\""), std::string::npos);
}

TEST(OpenAiStream, WhatIsBuiltReadsBackAsTheSameChannel) {
  const Read first = openai(
      R"({"id":"c","choices":[{"index":2,"delta":{"content":"x","refusal":"y","reasoning_content":"z","reasoning_details":[{"index":0,"text":"d"}],"function_call":{"name":"f","arguments":"g"},"tool_calls":[{"index":4,"custom":{"name":"n","input":"i"}}],"aside":"u","audio":{"transcript":"t"}}}]})");
  ASSERT_EQ(first.channels().size(), 8u);
  for (const llm::TextPiece& piece : first.channels()) {
    const Read again(DialectKind::openai, first.like(piece.channel, "held back"));
    ASSERT_EQ(again.channels().size(), 1u) << again.raw;
    EXPECT_EQ(again.channels()[0].channel, piece.channel) << again.raw;
    EXPECT_EQ(again.channels()[0].node.text(), "held back");
    EXPECT_TRUE(again.event.ended.empty());
  }
}

TEST(AnthropicStream, ClassesOfEvents) {
  const std::pair<const char*, EventClass> cases[] = {
      {R"({"type":"message_start","message":{}})", EventClass::start},
      {R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})",
       EventClass::other},
      {R"({"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":"f","input":{}}})",
       EventClass::content},
      {R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}})",
       EventClass::content},
      {R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}})",
       EventClass::other},
      {R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}})",
       EventClass::other},
      {R"({"type":"content_block_stop","index":0})", EventClass::finish},
      {R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}})",
       EventClass::finish},
      {R"({"type":"message_stop"})", EventClass::done},
      {R"({"type":"ping"})", EventClass::ping},
      {R"({"type":"error","error":{"type":"overloaded_error"}})", EventClass::error},
      {R"({"type":"never_heard_of"})", EventClass::other},
      {"nonsense", EventClass::other},
  };
  for (const auto& [data, kind] : cases) EXPECT_EQ(anthropic(data).event.kind, kind) << data;
  EXPECT_EQ(Read(DialectKind::anthropic, "event: error\ndata: {\"message\":\"x\"}\n\n").event.kind,
            EventClass::error);
}

TEST(AnthropicStream, WhatIsBuiltReadsBackAsTheSameChannel) {
  const char* deltas[] = {R"({"type":"text_delta","text":"x","extra":{"a":1}})",
                          R"({"type":"thinking_delta","thinking":"x"})",
                          R"({"type":"input_json_delta","partial_json":"x"})",
                          R"({"type":"future_delta","prose":"x"})"};
  for (const char* delta : deltas) {
    const Read first =
        anthropic(R"({"type":"content_block_delta","index":7,"delta":)" + std::string(delta) + "}");
    ASSERT_EQ(first.channels().size(), 1u) << delta;
    const Channel channel = first.channels()[0].channel;
    EXPECT_EQ(channel.index, 7u);
    const Read again(DialectKind::anthropic, first.like(channel, "held\nback"));
    ASSERT_EQ(again.channels().size(), 1u) << again.raw;
    EXPECT_EQ(again.channels()[0].channel, channel);
    EXPECT_EQ(again.channels()[0].node.text(), "held\nback");
  }
  // From a block's first event there is no delta to copy.
  const Read start = anthropic(
      R"({"type":"content_block_start","index":2,"content_block":{"type":"text","text":"ab"}})");
  EXPECT_EQ(start.like({2, ChannelKind::text, 0}, "cd"),
            "event: content_block_delta\ndata: "
            "{\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"text_delta\","
            "\"text\":\"cd\"}}\n\n");
}

TEST(OpenAiStream, OnlyAReasonEndsAChoice) {
  // Some hosts send an empty one with every chunk: nothing held may go out for it.
  EXPECT_TRUE(openai(R"({"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":""}]})")
                  .event.ended.empty());
  EXPECT_EQ(openai(R"({"choices":[{"index":3,"delta":{},"finish_reason":"stop"}]})").event.ended,
            std::vector<std::uint32_t>{3});
}

TEST(AnthropicStream, OnlyAStopReasonEndsTheAnswer) {
  const Read counts =
      anthropic(R"({"type":"message_delta","delta":{},"usage":{"output_tokens":3}})");
  EXPECT_FALSE(counts.event.ends_all);
  EXPECT_TRUE(counts.event.has_usage);
  EXPECT_TRUE(
      anthropic(R"({"type":"message_delta","delta":{"stop_reason":"end_turn"}})").event.ends_all);
}

/// Every text of an event, in whatever piece.
bool finds(const Read& read, std::string_view needle) {
  std::string scratch;
  for (const llm::TextPiece& piece : read.event.pieces) {
    const std::string_view text = json::TextRef{piece.node, piece.is_key}.text(scratch);
    if (text.find(needle) != text.npos) return true;
  }
  return false;
}

TEST(Pieces, EveryStringOfAnEventIsOne) {
  for (const char* data :
       {R"({"id":"NEEDLE","choices":[]})",
        R"({"citations":["NEEDLE"],"choices":[]})",
        R"({"error":{"message":"NEEDLE"}})",
        R"({"choices":"NEEDLE"})",
        R"({"choices":["NEEDLE"]})",
        R"(["NEEDLE"])",
        R"("NEEDLE")",
        R"({"choices":[{"delta":{"role":"NEEDLE"}}]})",
        R"({"choices":[{"delta":"NEEDLE"}]})",
        R"({"choices":[{"finish_reason":"NEEDLE"}]})",
        R"({"choices":[{"delta":{"tool_calls":[{"id":"NEEDLE"}]}}]})",
        R"({"choices":[{"delta":{"tool_calls":"NEEDLE"}}]})",
        R"({"choices":[{"delta":{"tool_calls":[{"function":{"name":"NEEDLE"}}]}}]})",
        R"({"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{"a":"NEEDLE"}}}]}}]})",
        R"({"choices":[{"delta":{"reasoning_details":[{"signature":"NEEDLE"}]}}]})",
        R"({"choices":[{"delta":{"refusal":["NEEDLE"]}}]})",
        R"({"choices":[{"delta":{"encrypted_content":"NEEDLE"}}]})",
        R"({"type":"response.output_text.delta","item_id":"NEEDLE","delta":"x"})",
        R"({"type":"response.output_text.delta","delta":{"text":"NEEDLE"}})",
        R"({"type":"response.created","response":{"instructions":"NEEDLE"}})",
        R"({"type":"response.failed","response":{"error":{"message":"NEEDLE"}}})",
        R"({"type":"NEEDLE"})"})
    EXPECT_TRUE(finds(openai(data), "NEEDLE")) << data;
  for (
      const char* data :
      {R"({"type":"error","error":{"message":"NEEDLE"}})", R"({"type":"NEEDLE"})",
       R"({"type":"ping","x":"NEEDLE"})", R"({"type":"message_stop","x":"NEEDLE"})",
       R"({"type":"message_start","message":{"id":"NEEDLE"}})",
       R"({"type":"message_delta","delta":{"stop_sequence":"NEEDLE"}})",
       R"({"type":"content_block_start","content_block":{"type":"tool_use","id":"NEEDLE"}})",
       R"({"type":"content_block_start","content_block":{"type":"tool_use","input":{"NEEDLE":1}}})",
       R"({"type":"content_block_start","content_block":"NEEDLE"})",
       R"({"type":"content_block_delta","delta":{"type":"signature_delta","signature":"NEEDLE"}})",
       R"({"type":"content_block_delta","delta":{"type":"NEEDLE"}})",
       R"({"type":"content_block_delta","delta":"NEEDLE"})",
       R"({"type":"content_block_stop","index":0,"x":"NEEDLE"})", R"(["NEEDLE"])"})
    EXPECT_TRUE(finds(anthropic(data), "NEEDLE")) << data;
}

TEST(Pieces, TextsOfOtherApisGoOnByTheirPlace) {
  const auto channel = [](const char* data) { return openai(data).channels().at(0).channel; };
  const Channel first = channel(
      R"({"type":"response.output_text.delta","item_id":"a","output_index":0,"content_index":0,"delta":"x"})");
  EXPECT_EQ(
      first,
      channel(
          R"({"type":"response.output_text.delta","item_id":"a","output_index":0,"content_index":0,"delta":"y"})"));
  for (
      const char* other :
      {R"({"type":"response.output_text.delta","item_id":"b","output_index":0,"content_index":0,"delta":"x"})",
       R"({"type":"response.output_text.delta","item_id":"a","output_index":1,"content_index":0,"delta":"x"})",
       R"({"type":"response.output_text.delta","item_id":"a","output_index":0,"content_index":1,"delta":"x"})",
       R"({"type":"response.refusal.delta","item_id":"a","output_index":0,"content_index":0,"delta":"x"})"})
    EXPECT_NE(first, channel(other)) << other;
  // Each piece of an encoding is decoded by itself.
  const std::string sound(80, 'A');
  EXPECT_TRUE(
      openai(R"({"type":"response.audio.delta","delta":")" + sound + R"("})").channels().empty());
  EXPECT_EQ(openai(R"({"type":"transcript.text.delta","delta":"x"})").channels().size(), 1u);
}

TEST(Channel, KeysAreDistinct) {
  const Channel channels[] = {
      {0, ChannelKind::text, 0},           {1, ChannelKind::text, 0},
      {0, ChannelKind::reasoning, 0},      {0, ChannelKind::tool_arguments, 0},
      {0, ChannelKind::tool_arguments, 1}, {llm::kWholeText, ChannelKind::other, 0xFFFFFFFF}};
  for (const Channel& a : channels) {
    for (const Channel& b : channels) EXPECT_EQ(a.key() == b.key(), a == b);
  }
}

}  // namespace
}  // namespace tollgate::protocol
