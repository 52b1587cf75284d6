#include <gtest/gtest.h>

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
  EXPECT_TRUE(u.reported);
  EXPECT_EQ(u.input, 10);
  EXPECT_EQ(u.cache_read, 60);
  EXPECT_EQ(u.cache_write_5m, 30);
  EXPECT_EQ(u.output, 7);
  EXPECT_EQ(u.reasoning, 5);
  EXPECT_EQ(u.total_input(), 100);
}

TEST(Usage, OpenAiOddities) {
  EXPECT_FALSE(openai_usage("null").reported);
  EXPECT_FALSE(openai_usage("5").reported);
  EXPECT_TRUE(openai_usage("{}").reported);
  // More cached than sent, negative, absurd: never below zero, never overflowing.
  EXPECT_EQ(
      openai_usage(R"({"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":9}})").input, 0);
  EXPECT_EQ(
      openai_usage(R"({"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":9}})").cache_read,
      5);
  EXPECT_EQ(openai_usage(R"({"prompt_tokens":-5,"completion_tokens":-1})").input, 0);
  EXPECT_EQ(openai_usage(R"({"prompt_tokens":9223372036854775807})").input, 1'000'000'000'000);
  EXPECT_EQ(openai_usage(R"({"prompt_tokens":"7"})").input, 0);
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
