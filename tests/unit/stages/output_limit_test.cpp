// Streams that go on behind their cap are found, and none that keeps to it.
#include "stages/output_limit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>

#include "relay_fixture.hpp"
#include "support/property_seeds.hpp"
#include "tollgate/json/writer.hpp"

namespace tollgate::stages {
namespace {

using protocol::llm::DialectKind;
using testing::Agent;
using testing::RelayBench;

/// One stream of a call under a cap: events in, and whether one of them broke it.
class CappedStream {
 public:
  CappedStream(RelayBench& bench, std::int64_t cap, std::int64_t choices = 1) {
    bench.begin(context_, agent_);
    context_.payload.kind = pipeline::Payload::Kind::model;
    context_.payload.dialect = &protocol::llm::dialect(DialectKind::openai);
    context_.hold_plan.output_cap = cap;
    context_.bound.choices = choices;
    limit_.emplace(context_);
  }
  ~CappedStream() { context_.end(); }

  [[nodiscard]] bool breaks_with(std::string_view text, const std::string& more = "") {
    std::string event = R"(data: {"choices":[{"index":0,"delta":{"content":)" + json::quote(text) +
                        "},\"finish_reason\":null}]" + more + "}\n\n";
    return breaks_with_event(event);
  }
  [[nodiscard]] bool breaks_with_event(std::string_view event) {
    protocol::sse::Parser parser;
    parser.feed(event);
    context_.payload.dialect->read_event(*parser.next(), document_, usage_, said_);
    return limit_->is_broken_by(said_, usage_);
  }

 private:
  Agent agent_;
  pipeline::RequestContext context_;
  std::optional<OutputLimit> limit_;
  json::Document document_;
  protocol::llm::Usage usage_;
  protocol::llm::StreamEvent said_;
};

/// Text in pieces of at most `most` characters, never inside one.
std::vector<std::string> cut(std::string_view text, std::size_t most, std::minstd_rand& random) {
  std::vector<std::string> pieces;
  while (!text.empty()) {
    std::size_t size = std::uniform_int_distribution<std::size_t>(1, most)(random);
    size = std::min(size, text.size());
    while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) ++size;
    pieces.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return pieces;
}

// vLLM says a reasoning under its old name and its new one, OpenRouter as text and as details.
TEST(OutputLimit, WhatIsSaidTwiceIsGeneratedOnce) {
  RelayBench bench;
  CappedStream stream(bench, 1'000);
  for (int i = 0; i < 1'000; ++i) {
    const std::string word = "\" word" + std::to_string(i) + "\"";
    ASSERT_FALSE(stream.breaks_with_event(R"(data: {"choices":[{"index":0,"delta":{"reasoning":)" +
                                          word + R"(,"reasoning_content":)" + word +
                                          "},\"finish_reason\":null}]}\n\n"))
        << i;
  }
  CappedStream two(bench, 1'000, 1);
  int events = 0;
  while (!two.breaks_with_event(R"(data: {"choices":[{"index":0,"delta":{"content":" abc"}},)"
                                R"({"index":1,"delta":{"content":" abc"}}]})"
                                "\n\n"))
    ASSERT_LT(++events, 1'000) << "two choices say the same, and both were generated";
}

TEST(OutputLimit, LeavesHonestStreamsAloneHoweverTheyAreCut) {
  RelayBench bench;
  std::ifstream in(TOLLGATE_SOURCE_DIR "/tests/golden/tokens/calibration.tsv");
  std::minstd_rand random(7);
  int texts = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream fields(line);
    std::string name, quoted;
    std::int64_t fewest = std::numeric_limits<std::int64_t>::max(), count = 0;
    fields >> name;
    for (int i = 0; i < 5; ++i) {
      fields >> count;
      fewest = std::min(fewest, count);
    }
    std::getline(fields >> std::ws, quoted);
    json::Document document;
    ASSERT_TRUE(document.parse(quoted).has_value());
    ++texts;
    // A long answer of it, at its cap to the token by the tokenizer that makes fewest.
    std::string text;
    constexpr int kTimes = 30;
    for (int i = 0; i < kTimes; ++i) text += document.root().text();
    for (const std::size_t most : {1u, 2u, 4u, 8u, 40u, 1'000u}) {
      CappedStream stream(bench, fewest * kTimes);
      bool is_broken = false;
      for (const std::string& piece : cut(text, most, random))
        is_broken = is_broken || stream.breaks_with(piece);
      EXPECT_FALSE(is_broken) << name << " in pieces of " << most;
    }
  }
  EXPECT_GE(texts, 40);
}

TEST(OutputLimit, FindsWhoGoesOnBehindTheCap) {
  RelayBench bench;
  CappedStream words(bench, 1'000);
  int events = 0;
  while (!words.breaks_with(" word") && events < 10'000) ++events;
  EXPECT_GE(events, 1'250);
  EXPECT_LE(events, 1'350);
  CappedStream lines(bench, 1'000);
  for (events = 0;
       !lines.breaks_with("A line of some forty characters in it. ") && events < 10'000;)
    ++events;
  EXPECT_GE(events * 9, 1'250);
  EXPECT_LE(events * 9, 2'700);
  CappedStream two(bench, 1'000, 2);
  for (events = 0; !two.breaks_with(" word") && events < 10'000;) ++events;
  EXPECT_GE(events, 2'500);
}

TEST(OutputLimit, TakesTheProvidersOwnWord) {
  RelayBench bench;
  CappedStream stream(bench, 1'000);
  const auto usage = [](int tokens) {
    return R"(,"usage":{"prompt_tokens":1,"completion_tokens":)" + std::to_string(tokens) +
           R"(,"total_tokens":)" + std::to_string(1 + tokens) + "}";
  };
  EXPECT_FALSE(stream.breaks_with("a", usage(1'000)));
  EXPECT_TRUE(stream.breaks_with("a", usage(1'001)));
  // What ends by itself needs no end.
  EXPECT_FALSE(stream.breaks_with_event(
      R"(data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]})"
      "\n\n"));
}

TEST(OutputLimit, RulersAndWhiteSpaceAreNoProof) {
  RelayBench bench;
  CappedStream stream(bench, 10);
  for (int i = 0; i < 400; ++i)
    ASSERT_FALSE(stream.breaks_with(std::string(200, i % 2 == 0 ? '=' : ' '))) << i;
}

}  // namespace
}  // namespace tollgate::stages
