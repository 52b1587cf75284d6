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

TEST(PayloadUse, WhatGeneratesNothingNeedsNoOutputCount) {
  EXPECT_EQ(used({.input = 12, .input_told = true}, true, RequestKind::embeddings), "12 0");
  EXPECT_EQ(used({}, true, RequestKind::embeddings), "~100 0");
}

TEST(PayloadUse, WithAnAbsurdCountNothingIsExact) {
  const Usage usage{
      .input = 12, .output = 5, .input_told = true, .output_told = true, .is_absurd = true};
  EXPECT_EQ(used(usage), "~12 5");
}

}  // namespace
}  // namespace tollgate::pipeline
