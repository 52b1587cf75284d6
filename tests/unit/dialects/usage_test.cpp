#include <gtest/gtest.h>

#include <functional>

#include "tollgate/protocol/llm/dialect.hpp"

namespace tollgate::protocol {
namespace {

using llm::DialectKind;

llm::Usage openai_usage(const std::string& usage) {
  json::Document document;
  const std::string body = R"({"usage":)" + usage + "}";
  EXPECT_TRUE(document.parse(body).has_value()) << body;
  return llm::dialect(DialectKind::openai).read_response(document).usage;
}

/// Usage after a stream of these `usage` objects: message_start, then message_delta.
llm::Usage anthropic_usage(const std::vector<std::string>& usages) {
  llm::Usage usage;
  json::Document document;
  llm::StreamEvent event;
  bool is_first = true;
  for (const std::string& json : usages) {
    const std::string raw =
        is_first ? "data: {\"type\":\"message_start\",\"message\":{\"usage\":" + json + "}}\n\n"
                 : "data: {\"type\":\"message_delta\",\"delta\":{},\"usage\":" + json + "}\n\n";
    sse::Parser parser;
    parser.feed(raw);
    const sse::Event* parsed = parser.next();
    llm::dialect(DialectKind::anthropic).read_event(*parsed, document, usage, event);
    EXPECT_TRUE(event.has_usage);
    is_first = false;
  }
  return usage;
}

TEST(Usage, OpenAiCountsCachedTokensOnce) {
  const auto u = openai_usage(
      R"({"prompt_tokens":100,"completion_tokens":7,"total_tokens":107,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},"completion_tokens_details":{"reasoning_tokens":5}})");
  EXPECT_TRUE(u.input_told);
  EXPECT_TRUE(u.output_told);
  EXPECT_EQ(u.input, 10);
  EXPECT_EQ(u.cache_read, 60);
  EXPECT_EQ(u.cache_write_5m, 30);
  EXPECT_EQ(u.output, 7);
  EXPECT_EQ(u.reasoning, 5);
  EXPECT_EQ(u.total_input(), 100);
}

TEST(Usage, OpenAiOddities) {
  // More cached than sent: never below zero.
  EXPECT_EQ(
      openai_usage(R"({"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":9}})").input, 0);
  EXPECT_EQ(
      openai_usage(R"({"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":9}})").cache_read,
      5);
  // Embeddings have no completion tokens.
  EXPECT_EQ(openai_usage(R"({"prompt_tokens":9,"total_tokens":9})").output, 0);
  // Reasoning outside completion_tokens but inside the total.
  EXPECT_EQ(openai_usage(R"({"prompt_tokens":10,"completion_tokens":5,"total_tokens":115})").output,
            105);
  // DeepSeek.
  EXPECT_EQ(openai_usage(R"({"prompt_tokens":10,"prompt_cache_hit_tokens":4})").cache_read, 4);
  // Responses.
  EXPECT_EQ(
      openai_usage(
          R"({"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":3})")
          .input,
      6);
}

/// What is told of input and output, and whether something absurd was.
std::string told(const llm::Usage& usage) {
  return (usage.input_told ? std::to_string(usage.total_input()) : "?") + " " +
         (usage.output_told ? std::to_string(usage.output) : "?") + (usage.is_absurd ? " !" : "");
}

TEST(Usage, ASideIsToldByAWholeNumberOnly) {
  const auto openai = [](const std::string& in, const std::string& out) {
    return told(openai_usage(R"({"prompt_tokens":)" + in + R"(,"completion_tokens":)" + out + "}"));
  };
  const auto anthropic = [](const std::string& in, const std::string& out) {
    return told(
        anthropic_usage({R"({"input_tokens":)" + in + "}", R"({"output_tokens":)" + out + "}"}));
  };
  for (const auto& read : {std::function(openai), std::function(anthropic)}) {
    EXPECT_EQ(read("12", "5"), "12 5");
    EXPECT_EQ(read("0", "0"), "0 0");
    EXPECT_EQ(read("-0", "-0.0"), "0 0");
    EXPECT_EQ(read("12.0", "1.2e1"), "12 12");
    EXPECT_EQ(read("1000000000000", "1e12"), "1000000000000 1000000000000");
    for (const char* const none : {"null", "\"12\"", "true", "[]", "{}", "-1", "-1.0", "12.5",
                                   "1e-1", "-1e400", "1e-400", "-9223372036854775809"}) {
      EXPECT_EQ(read(none, "5"), "? 5") << none;
      EXPECT_EQ(read("12", none), "12 ?") << none;
      EXPECT_EQ(read(none, none), "? ?") << none;
    }
    for (const char* const absurd : {"1000000000001", "9223372036854775807", "9223372036854775808",
                                     "1e13", "123456789012345678901234567890", "1e400"}) {
      EXPECT_EQ(read(absurd, "5"), "? 5 !") << absurd;
      EXPECT_EQ(read("12", absurd), "12 ? !") << absurd;
    }
  }
}

TEST(Usage, WhatOpenAiLeavesOutIsNotTold) {
  EXPECT_EQ(told(openai_usage("null")), "? ?");
  EXPECT_EQ(told(openai_usage("5")), "? ?");
  EXPECT_EQ(told(openai_usage("{}")), "? ?");
  EXPECT_EQ(told(openai_usage(R"({"prompt_tokens":7})")), "7 ?");
  EXPECT_EQ(told(openai_usage(R"({"completion_tokens":7})")), "? 7");
  // A total tells what its parts leave over, and of no part by itself.
  EXPECT_EQ(told(openai_usage(R"({"prompt_tokens":7,"total_tokens":9})")), "7 2");
  EXPECT_EQ(told(openai_usage(R"({"prompt_tokens":7,"total_tokens":7})")), "7 ?");
  EXPECT_EQ(told(openai_usage(R"({"total_tokens":9})")), "? ?");
  EXPECT_EQ(openai_usage(R"({"total_tokens":9})").output, 0);
}

TEST(Usage, WhatAnOpenAiStreamTellsLastCounts) {
  const auto stream = [](const std::vector<std::string>& usages) {
    llm::Usage usage;
    json::Document document;
    llm::StreamEvent event;
    for (const std::string& json : usages) {
      const std::string raw = "data: {\"choices\":[],\"usage\":" + json + "}\n\n";
      sse::Parser parser;
      parser.feed(raw);
      llm::dialect(DialectKind::openai).read_event(*parser.next(), document, usage, event);
    }
    return usage;
  };
  const std::string first = R"({"prompt_tokens":7,"completion_tokens":3})";
  EXPECT_EQ(told(stream({first, R"({"prompt_tokens":7,"completion_tokens":9})"})), "7 9");
  const llm::Usage partly = stream({first, "{}"});
  EXPECT_EQ(told(partly), "7 ?");
  EXPECT_EQ(partly.output, 3) << "at least that";
}

TEST(Usage, WhatAnthropicLeavesOutIsNotTold) {
  EXPECT_EQ(told(anthropic_usage({"{}", "{}"})), "? ?");
  EXPECT_EQ(told(anthropic_usage({R"({"input_tokens":7,"output_tokens":1})", "{}"})), "7 ?");
  EXPECT_EQ(told(anthropic_usage({R"({"input_tokens":7})", R"({"output_tokens":3})", "{}"})),
            "7 3");
  EXPECT_EQ(told(anthropic_usage(
                {R"({"input_tokens":null})", R"({"input_tokens":7,"output_tokens":3})"})),
            "7 3");
  // A cache count that is none leaves open what the input cost.
  EXPECT_EQ(told(anthropic_usage({R"({"input_tokens":7,"cache_read_input_tokens":"100"})"})),
            "? ?");
  EXPECT_EQ(told(anthropic_usage({R"({"input_tokens":7,"cache_read_input_tokens":null})"})), "7 ?");
  EXPECT_EQ(told(anthropic_usage(
                {R"({"input_tokens":7,"cache_creation":{"ephemeral_1h_input_tokens":1e30}})"})),
            "? ? !");
}

TEST(Usage, AnthropicStreamsAreCumulative) {
  const auto u = anthropic_usage(
      {R"({"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":50,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":50},"output_tokens":1})",
       R"({"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":50,"output_tokens":40})",
       R"({"output_tokens":90})"});
  EXPECT_EQ(u.input, 10);
  EXPECT_EQ(u.output, 90);
  EXPECT_EQ(u.cache_read, 100);
  EXPECT_EQ(u.cache_write_5m, 0);
  EXPECT_EQ(u.cache_write_1h, 50);
  EXPECT_EQ(u.total_input(), 160);
}

TEST(Usage, AnthropicHostsThatTellLate) {
  const auto late = anthropic_usage(
      {R"({"input_tokens":0,"output_tokens":0})", R"({"input_tokens":33,"output_tokens":4})"});
  EXPECT_EQ(late.input, 33);
  const auto early = anthropic_usage(
      {R"({"input_tokens":33,"output_tokens":0})", R"({"input_tokens":0,"output_tokens":4})"});
  EXPECT_EQ(early.input, 33);
  // Writes without a breakdown, and ones the breakdown misses.
  EXPECT_EQ(anthropic_usage({R"({"cache_creation_input_tokens":70})"}).cache_write_5m, 70);
  const auto partly = anthropic_usage(
      {R"({"cache_creation_input_tokens":70,"cache_creation":{"ephemeral_1h_input_tokens":30}})"});
  EXPECT_EQ(partly.cache_write_5m, 40);
  EXPECT_EQ(partly.cache_write_1h, 30);
}

}  // namespace
}  // namespace tollgate::protocol
