// What a call is settled for: the provider's counts, and our guess where it gave none.
#include <gtest/gtest.h>

#include "tollgate/pipeline/payload.hpp"

namespace tollgate::pipeline {
namespace {

using protocol::llm::RequestKind;
using protocol::llm::Usage;

/// "input output", with ~ where some of it is estimated, of a call with 400 bytes of body and 80 of
/// answer text: by our rule 100 tokens and 20.
std::string used(const Usage& usage, bool is_final = true,
                 RequestKind kind = RequestKind::chat_completions) {
  Payload payload;
  payload.kind = Payload::Kind::model;
  payload.fields.kind = kind;
  payload.output_text_bytes = 80;
  const Payload::Use use = payload.use(usage, is_final, 400);
  return (use.is_estimated ? "~" : "") + std::to_string(use.counts.input) + " " +
         std::to_string(use.counts.output);
}

TEST(PayloadUse, ASideThatWasNotToldIsEstimated) {
  EXPECT_EQ(used({.input = 12, .output = 5, .input_told = true, .output_told = true}), "12 5");
  EXPECT_EQ(used({.input_told = true, .output_told = true}), "0 0") << "a 0 is believed";
  EXPECT_EQ(used({.input = 12, .input_told = true}), "~12 20");
  EXPECT_EQ(used({.output = 5, .output_told = true}), "~100 5");
  EXPECT_EQ(used({}), "~100 20");
}

TEST(PayloadUse, AnEstimateIsNoLessThanWhatWasReported) {
  EXPECT_EQ(used({.output = 30}), "~100 30");
  EXPECT_EQ(used({.input = 300}), "~300 20");
  EXPECT_EQ(used({.cache_read = 70}), "~30 20") << "cached tokens are in the body too";
  EXPECT_EQ(used({.cache_read = 700}), "~0 20");
}

TEST(PayloadUse, OfABrokenAnswerNoMoreThanItsInputIsTold) {
  const Usage usage{.input = 12, .output = 5, .input_told = true, .output_told = true};
  EXPECT_EQ(used(usage, false), "~12 20");
  EXPECT_EQ(used({.input_told = true}, false), "~100 20") << "some hosts tell it at the end";
}

TEST(PayloadUse, WhatCameBehindTheLastCountIsAdded) {
  Payload payload;
  payload.kind = Payload::Kind::model;
  payload.fields.kind = RequestKind::chat_completions;
  const auto output = [&](std::int64_t told) {
    return payload.use({.output = told}, false, 400).counts.output;
  };
  payload.note_output(0, 1);  // before any text: of the request
  payload.note_output(12, 1);
  EXPECT_EQ(output(1), 3);
  payload.note_output(12, 9);
  EXPECT_EQ(output(9), 9) << "the provider's count is better than the guess";
  payload.note_output(1, 9);
  payload.note_output(20, 9);
  EXPECT_EQ(output(9), 9 + 1 + 5) << "less than two tokens is one";
  payload.silent_tokens = 100;
  EXPECT_EQ(output(9), 15) << "the count covers it";
  payload.note_output(4, 2);
  EXPECT_EQ(output(9), 16) << "a count that goes back counts nothing";
  payload.reset();
  payload.kind = Payload::Kind::model;
  payload.fields.kind = RequestKind::chat_completions;
  payload.note_output(40, 0);
  payload.silent_tokens = 100;
  EXPECT_EQ(output(0), 110);
}

TEST(PayloadUse, TokensOfATextAreCountedByItsCharacters) {
  using protocol::llm::token_quarters;
  EXPECT_EQ(token_quarters(""), 0u);
  EXPECT_EQ(token_quarters("some words "), 11u);
  EXPECT_EQ(token_quarters("123456789"), 12u) << "three tokens";
  EXPECT_EQ(token_quarters("1234 5"), 4u + 4u + 1u + 4u);
  EXPECT_EQ(token_quarters("\\u4e2d\\u6587"), 8u);
  EXPECT_EQ(token_quarters("\xE4\xB8\xAD\xE6\x96\x87"), 8u) << "the same as they stand";
  EXPECT_EQ(token_quarters("\xD0\xB4\xD0\xB0"), 4u);
  EXPECT_EQ(token_quarters("\xF0\x9F\x98\x80"), 8u);
  EXPECT_EQ(token_quarters("\\n{}"), 6u);
  EXPECT_EQ(token_quarters("\\u00"), 4u) << "cut short";
}

TEST(PayloadUse, WhatGeneratesNothingNeedsNoOutputCount) {
  EXPECT_EQ(used({.input = 12, .input_told = true}, true, RequestKind::embeddings), "12 0");
  EXPECT_EQ(used({}, true, RequestKind::embeddings), "~100 0");
}

TEST(PayloadUse, AudioIsAKindOfItsOwn) {
  Payload payload;
  payload.kind = Payload::Kind::model;
  payload.fields.kind = RequestKind::chat_completions;
  Usage usage{.input = 100,
              .output = 50,
              .cache_read = 30,
              .audio_in = 60,
              .audio_out = 40,
              .audio_cache_read = 10,
              .input_told = true,
              .output_told = true};
  usage.web_searches = 2;
  const auto counts = payload.use(usage, true, 0).counts;
  EXPECT_EQ(counts.input, 40);
  EXPECT_EQ(counts.audio_input, 60);
  EXPECT_EQ(counts.output, 10);
  EXPECT_EQ(counts.audio_output, 40);
  EXPECT_EQ(counts.cache_read, 20);
  EXPECT_EQ(counts.audio_cache_read, 10);
  EXPECT_EQ(counts.web_searches, 2);
  EXPECT_EQ(counts.total_input(), usage.total_input());
}

TEST(PayloadUse, HowItWasServedIsWhatWasToldElseAsked) {
  Payload payload;
  payload.kind = Payload::Kind::model;
  const auto served = [&](const char* asked, const char* told, const char* asked_speed = "",
                          const char* told_speed = "") {
    payload.fields.service_tier = asked;
    payload.fields.speed = asked_speed;
    Usage usage;
    usage.service_tier = told;
    usage.speed = told_speed;
    return payload.to_counts(usage).modifier;
  };
  EXPECT_EQ(served("", ""), "");
  EXPECT_EQ(served("auto", ""), "");
  EXPECT_EQ(served("priority", ""), "priority");
  EXPECT_EQ(served("priority", "default"), "standard");
  EXPECT_EQ(served("", "priority"), "priority");
  EXPECT_EQ(served("", "standard", "fast", ""), "fast") << "speed was not told";
  EXPECT_EQ(served("", "standard", "fast", "standard"), "standard");
}

TEST(PayloadUse, WithAnAbsurdCountNothingIsExact) {
  const Usage usage{
      .input = 12, .output = 5, .input_told = true, .output_told = true, .is_absurd = true};
  EXPECT_EQ(used(usage), "~12 5");
}

TEST(PayloadUse, NorWhereTheProviderRanAnotherModelToo) {
  const Usage usage{
      .input = 12, .output = 5, .input_told = true, .output_told = true, .leaves_open = true};
  EXPECT_EQ(used(usage), "~12 5");
}

}  // namespace
}  // namespace tollgate::pipeline
