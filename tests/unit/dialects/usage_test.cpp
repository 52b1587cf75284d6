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
  // The same by name, with and without a total, as xAI sends it.
  const std::string xai = R"({"prompt_tokens":32,"completion_tokens":9,"completion_tokens_details")"
                          R"(:{"reasoning_tokens":94})";
  EXPECT_EQ(openai_usage(xai + R"(,"total_tokens":135})").output, 103);
  EXPECT_EQ(openai_usage(xai + "}").output, 103);
  EXPECT_EQ(openai_usage(xai + R"(,"total_tokens":41})").output, 103) << "never less";
  // As much as all that was generated is a part of it.
  EXPECT_EQ(openai_usage(
                R"({"completion_tokens":94,"completion_tokens_details":{"reasoning_tokens":94}})")
                .output,
            94);
  EXPECT_TRUE(
      openai_usage(
          R"({"completion_tokens":9,"completion_tokens_details":{"reasoning_tokens":1e30}})")
          .is_absurd);
  // DeepSeek.
  EXPECT_EQ(openai_usage(R"({"prompt_tokens":10,"prompt_cache_hit_tokens":4})").cache_read, 4);
  // Responses.
  EXPECT_EQ(
      openai_usage(
          R"({"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":3})")
          .input,
      6);
}

TEST(Usage, OpenAiAudioIsPartOfItsSide) {
  const auto u = openai_usage(
      R"({"prompt_tokens":150,"completion_tokens":170,"prompt_tokens_details":{"audio_tokens":100},"completion_tokens_details":{"audio_tokens":150,"rejected_prediction_tokens":9}})");
  EXPECT_EQ(u.input, 150);
  EXPECT_EQ(u.audio_in, 100);
  EXPECT_EQ(u.output, 170) << "rejected tokens are counted in";
  EXPECT_EQ(u.audio_out, 150);
  const auto cached = openai_usage(
      R"({"prompt_tokens":150,"completion_tokens":1,"prompt_tokens_details":{"audio_tokens":100,"cached_tokens":80},"completion_tokens_details":{"audio_tokens":9}})");
  EXPECT_EQ(cached.audio_in, 70) << "what can be is not cached";
  EXPECT_EQ(cached.audio_cache_read, 30);
  EXPECT_EQ(cached.audio_out, 1) << "never more than its side";
}

TEST(Usage, AnthropicTellsHowItServed) {
  const auto u = anthropic_usage(
      {R"({"input_tokens":1,"output_tokens":1,"service_tier":"priority","speed":"fast","inference_geo":"us","server_tool_use":{"web_search_requests":1}})",
       R"({"output_tokens":2,"server_tool_use":{"web_search_requests":3,"web_fetch_requests":9}})"});
  EXPECT_EQ(u.service_tier, "priority");
  EXPECT_EQ(u.speed, "fast");
  EXPECT_EQ(u.inference_geo, "us");
  EXPECT_EQ(u.web_searches, 3) << "cumulative";
  EXPECT_TRUE(
      anthropic_usage({R"({"input_tokens":1,"server_tool_use":{"web_search_requests":1e30}})"})
          .is_absurd);
}

TEST(Usage, ResponsesTellTheTierAtTheEnd) {
  llm::Usage usage;
  json::Document document;
  llm::StreamEvent event;
  for (const char* const tier : {"auto", "flex"}) {
    const std::string raw = R"(data: {"type":"response.completed","response":{"service_tier":")" +
                            std::string(tier) +
                            R"(","usage":{"input_tokens":1,"output_tokens":1}}})" + "\n\n";
    sse::Parser parser;
    parser.feed(raw);
    llm::dialect(DialectKind::openai).read_event(*parser.next(), document, usage, event);
    EXPECT_EQ(usage.service_tier, tier);
  }
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

/// An entry of `usage.iterations`.
std::string iteration(const std::string& type, const std::string& counts) {
  return R"({"type":")" + type + "\"," + counts + "}";
}
std::string with_iterations(const std::string& counts, const std::vector<std::string>& entries) {
  std::string list;
  for (const std::string& entry : entries) list += (list.empty() ? "" : ",") + entry;
  return "{" + counts + R"(,"iterations":[)" + list + "]}";
}

TEST(Usage, AnthropicRunsBesideTheAnswerAreAdded) {
  const std::string top = R"("input_tokens":10,"output_tokens":5)";
  const std::string answer = iteration("message", top);
  const std::string compaction = iteration(
      "compaction",
      R"("input_tokens":100,"output_tokens":20,"cache_read_input_tokens":7,"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":6})");
  EXPECT_EQ(anthropic_usage({with_iterations(top, {answer})}).total_input(), 10);
  EXPECT_TRUE(anthropic_usage({with_iterations(top, {answer})}).tells_cost());
  const auto once =
      anthropic_usage({R"({"input_tokens":10})", with_iterations(top, {compaction, answer})});
  EXPECT_EQ(once.input, 110);
  EXPECT_EQ(once.output, 25);
  EXPECT_EQ(once.cache_read, 7);
  EXPECT_EQ(once.cache_write_5m, 3) << "what the breakdown does not name too";
  EXPECT_EQ(once.cache_write_1h, 6);
  EXPECT_EQ(once.beside.output, 20);
  EXPECT_TRUE(once.input_told && once.output_told && once.tells_cost());
  // Events are cumulative, and leave out what they do not bring up to date.
  for (const std::string& last :
       {with_iterations(R"("output_tokens":5)", {compaction, answer}), "{" + top + "}",
        with_iterations(R"("input_tokens":0,"output_tokens":0)", {compaction})}) {
    const auto repeated =
        anthropic_usage({"{" + top + "}", with_iterations(top, {compaction, answer}), last});
    EXPECT_EQ(repeated.input, 110) << last;
    EXPECT_EQ(repeated.output, 25) << last;
  }
  EXPECT_EQ(anthropic_usage({with_iterations(top, {compaction, compaction, answer})}).input, 210);
  EXPECT_EQ(anthropic_usage({with_iterations(top, {iteration("new_kind", top)})}).input, 20);
}

TEST(Usage, AnthropicRunsOfOtherModelsLeaveTheCostOpen) {
  const std::string top = R"("input_tokens":10,"output_tokens":5)";
  const std::string other = R"("model":"claude-opus-4-8",)" + top;
  const auto of = [&](const std::string& entry) {
    return anthropic_usage({with_iterations(top, {entry})});
  };
  const auto advised = of(iteration("advisor_message", other));
  EXPECT_EQ(advised.input, 20);
  EXPECT_FALSE(advised.tells_cost());
  const auto fallback = of(iteration("fallback_message", other));
  EXPECT_EQ(fallback.input, 10) << "the figures above are its own";
  EXPECT_FALSE(fallback.tells_cost());
  EXPECT_FALSE(of(iteration("compaction", R"("input_tokens":1)")).tells_cost());
  EXPECT_TRUE(of(iteration("compaction", R"("input_tokens":1e30,"output_tokens":1)")).is_absurd);
  // Nothing to read is no run.
  for (const char* const list : {"null", "[]", "{}", "[1,\"a\",null,{}]", "5"}) {
    const auto usage = anthropic_usage({"{" + top + R"(,"iterations":)" + list + "}"});
    EXPECT_EQ(usage.input, 10) << list;
    EXPECT_TRUE(usage.tells_cost()) << list;
  }
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
