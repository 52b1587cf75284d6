// Google's counts in the terms of every dialect: each token once.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tollgate/protocol/gemini/usage.hpp"

namespace tollgate::protocol::gemini {
namespace {

/// Usage after these `usageMetadata` objects, as the chunks of a stream bring them.
llm::Usage usage_of(const std::vector<std::string>& chunks) {
  llm::Usage usage;
  for (const std::string& chunk : chunks) {
    json::Document document;
    EXPECT_TRUE(document.parse(chunk).has_value()) << chunk;
    read_usage(document.root(), usage);
  }
  return usage;
}

std::string told(const llm::Usage& usage) {
  return (usage.input_told ? std::to_string(usage.total_input()) : "?") + " " +
         (usage.output_told ? std::to_string(usage.output) : "?") + (usage.is_absurd ? " !" : "");
}

TEST(GeminiUsage, CountsEachTokenOnce) {
  const auto u = usage_of(
      {R"({"promptTokenCount":1000,"cachedContentTokenCount":700,"candidatesTokenCount":200,"thoughtsTokenCount":300,"toolUsePromptTokenCount":50,"totalTokenCount":1550})"});
  EXPECT_EQ(u.input, 350);
  EXPECT_EQ(u.cache_read, 700);
  EXPECT_EQ(u.total_input(), 1'050);
  EXPECT_EQ(u.output, 500) << "thoughts are beside the candidates, and billed";
  EXPECT_EQ(u.reasoning, 300);
  EXPECT_EQ(told(u), "1050 500");
}

TEST(GeminiUsage, BothSpellings) {
  const auto u = usage_of(
      {R"({"prompt_token_count":10,"cached_content_token_count":4,"candidates_token_count":2,"thoughts_token_count":3,"tool_use_prompt_token_count":1,"prompt_tokens_details":[{"modality":"AUDIO","token_count":8}],"traffic_type":"ON_DEMAND_FLEX"})"});
  EXPECT_EQ(told(u), "11 5");
  EXPECT_EQ(u.audio_in, 7);
  EXPECT_EQ(u.audio_cache_read, 1) << "as little of the cache as can be";
  EXPECT_EQ(u.service_tier, "flex");
}

TEST(GeminiUsage, StreamsRepeatTheCallSoFar) {
  const auto u = usage_of(
      {R"({"promptTokenCount":10,"totalTokenCount":10})",
       R"({"promptTokenCount":10,"thoughtsTokenCount":40,"totalTokenCount":50})",
       R"({"promptTokenCount":10,"candidatesTokenCount":7,"thoughtsTokenCount":40,"totalTokenCount":57})"});
  EXPECT_EQ(told(u), "10 47");
  // A chunk that tells less does not forget what was told, and its output is no whole.
  const auto cut = usage_of({R"({"promptTokenCount":10,"candidatesTokenCount":7})", "{}"});
  EXPECT_EQ(told(cut), "10 ?");
  EXPECT_EQ(cut.output, 7);
}

TEST(GeminiUsage, AudioByModality) {
  const auto u = usage_of(
      {R"({"promptTokenCount":1500,"cachedContentTokenCount":600,"candidatesTokenCount":100,"toolUsePromptTokenCount":20,"promptTokensDetails":[{"modality":"TEXT","tokenCount":500},{"modality":"AUDIO","tokenCount":1000}],"toolUsePromptTokensDetails":[{"modality":"AUDIO","tokenCount":20}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":400}],"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":60}]})"});
  EXPECT_EQ(u.input, 920);
  EXPECT_EQ(u.audio_in, 620);
  EXPECT_EQ(u.audio_cache_read, 400);
  EXPECT_EQ(u.audio_out, 60);
  // Details never tell of more than there is.
  const auto odd = usage_of(
      {R"({"promptTokenCount":5,"cachedContentTokenCount":9,"candidatesTokenCount":3,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":99},{"modality":"AUDIO","tokenCount":99}],"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":99}]})"});
  EXPECT_EQ(odd.input, 0);
  EXPECT_EQ(odd.cache_read, 5);
  EXPECT_EQ(odd.audio_cache_read, 5);
  EXPECT_EQ(odd.audio_out, 3);
}

TEST(GeminiUsage, OutputThatNoPartNames) {
  EXPECT_EQ(told(usage_of({R"({"promptTokenCount":10,"totalTokenCount":35})"})), "10 25");
  EXPECT_EQ(
      told(usage_of({R"({"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":35})"})),
      "10 25");
  // A prompt that was blocked.
  EXPECT_EQ(told(usage_of({R"({"promptTokenCount":10,"totalTokenCount":10})"})), "10 ?");
}

TEST(GeminiUsage, ASideIsToldByAWholeNumberOnly) {
  const auto read = [](const std::string& in, const std::string& out) {
    return told(
        usage_of({R"({"promptTokenCount":)" + in + R"(,"candidatesTokenCount":)" + out + "}"}));
  };
  EXPECT_EQ(read("0", "0"), "0 0");
  EXPECT_EQ(read("12.0", "1.2e1"), "12 12");
  for (const char* const none : {"null", "\"12\"", "true", "[]", "-1", "12.5"}) {
    EXPECT_EQ(read(none, "5"), "? 5") << none;
    EXPECT_EQ(read("12", none), "12 ?") << none;
  }
  EXPECT_EQ(read("1000000000001", "5"), "? 5 !");
  EXPECT_EQ(read("12", "1e400"), "12 ? !");
  EXPECT_EQ(told(usage_of({R"({"promptTokenCount":9,"cachedContentTokenCount":-1})"})), "? ?");
  EXPECT_EQ(told(usage_of({"null"})), "? ?");
  EXPECT_EQ(told(usage_of({"[1]"})), "? ?");
}

TEST(GeminiUsage, HowItWasServed) {
  const auto tier = [](const std::string& members) {
    return usage_of({"{" + members + "}"}).service_tier;
  };
  EXPECT_EQ(tier(""), "");
  EXPECT_EQ(tier(R"("trafficType":"ON_DEMAND")"), "standard");
  EXPECT_EQ(tier(R"("trafficType":"ON_DEMAND_PRIORITY")"), "priority");
  EXPECT_EQ(tier(R"("trafficType":"PROVISIONED_THROUGHPUT")"), "PROVISIONED_THROUGHPUT");
  EXPECT_EQ(tier(R"("trafficType":"ON_DEMAND","serviceTier":"flex")"), "flex");
}

}  // namespace
}  // namespace tollgate::protocol::gemini
