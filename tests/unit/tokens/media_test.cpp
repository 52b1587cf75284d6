#include "tollgate/domain/tokens/media.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace tollgate::domain::tokens {
namespace {

using config::Tokenizer;
using protocol::llm::MediaParts;

config::Deployment model(std::string name, Tokenizer tokenizer, std::int64_t window = 0) {
  config::Deployment d;
  d.model = std::move(name);
  d.tokenizer = tokenizer;
  d.context_window = window;
  return d;
}

MediaParts images(std::int64_t count) {
  MediaParts parts;
  parts.images = count;
  return parts;
}

TEST(MediaBound, ImagesCountByTheModel) {
  struct {
    const char* name;
    Tokenizer tokenizer;
    std::int64_t tokens;
  } const cases[] = {
      {"gpt-4o-mini-2024-07-18", Tokenizer::openai, 48'169},
      {"gpt-4o-2024-08-06", Tokenizer::openai, 1'445},
      {"gpt-4.1-mini", Tokenizer::openai, 2'489},
      {"gpt-4.1-nano", Tokenizer::openai, 3'779},
      {"gpt-4.1", Tokenizer::openai, 1'536},
      {"gpt-99", Tokenizer::openai, 50'000},
      {"claude-3-haiku-20240307", Tokenizer::anthropic, 1'700},
      {"claude-opus-4-7", Tokenizer::anthropic, 5'000},
      {"gemini-3-pro", Tokenizer::gemini, 5'160},
      {"llava", Tokenizer::generic, 50'000},
  };
  for (const auto& c : cases)
    EXPECT_EQ(bound_media(images(2), model(c.name, c.tokenizer)).tokens, 2 * c.tokens) << c.name;
  config::Deployment own = model("gpt-4o", Tokenizer::openai);
  own.media.image = 300;
  EXPECT_EQ(bound_media(images(2), own).tokens, 600);
}

TEST(MediaBound, AudioCountsByItsLeastBitRate) {
  MediaParts parts;
  parts.audios = 1;
  parts.audio_bytes = 480'000;  // a minute at 64 kbit/s; 480 s at the least rate there is
  EXPECT_EQ(bound_media(parts, model("gpt-audio", Tokenizer::openai)).tokens, 4'810);
  EXPECT_EQ(bound_media(parts, model("gemini", Tokenizer::gemini)).tokens, 481 * 32);
  config::Deployment own = model("m", Tokenizer::generic);
  own.media.audio_second = 7;
  EXPECT_EQ(bound_media(parts, own).tokens, 481 * 7);
  parts.audio_bytes = 12;  // never more tokens than bytes
  EXPECT_EQ(bound_media(parts, model("m", Tokenizer::generic)).tokens, 12);
}

TEST(MediaBound, DocumentsFitIntoTheContextWindow) {
  MediaParts parts;
  parts.documents = 3;
  EXPECT_FALSE(bound_media(parts, model("m", Tokenizer::anthropic)).is_known);
  const MediaBound all = bound_media(parts, model("m", Tokenizer::anthropic, 200'000));
  EXPECT_TRUE(all.is_known);
  EXPECT_EQ(all.tokens, 200'000);  // however many there are
  config::Deployment own = model("m", Tokenizer::anthropic, 200'000);
  own.media.document = 60'000;
  EXPECT_EQ(bound_media(parts, own).tokens, 180'000);
  own.media.document = 100'000;
  EXPECT_EQ(bound_media(parts, own).tokens, 200'000);
}

TEST(MediaBound, EachUseOfAServerToolReadsAllAgain) {
  MediaParts parts;
  parts.server_tool_uses = 3;
  EXPECT_FALSE(bound_media(parts, model("claude", Tokenizer::anthropic)).is_known);
  config::Deployment own = model("claude", Tokenizer::anthropic);
  own.media.server_tool = 1'000;
  const MediaBound bound = bound_media(parts, own);
  EXPECT_TRUE(bound.is_known);
  // 100, 1,100, 2,100 and 3,100.
  EXPECT_EQ(bound.input_tokens(100), 6'400);
  parts.server_tool_uses = 4;
  EXPECT_EQ(bound_media(parts, own).input_tokens(100), 6'400 + 4'100);
  parts.server_tool_uses = 0;
  EXPECT_EQ(bound_media(parts, own).input_tokens(100), 100);
}

TEST(MediaBound, SaturatesInsteadOfWrapping) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  config::Deployment own = model("m", Tokenizer::generic);
  own.media.image = 1'000'000'000;
  EXPECT_EQ(bound_media(images(kMost), own).tokens, kMost);
  MediaParts parts;
  parts.server_tool_uses = kMost;
  own.media.server_tool = 1'000'000'000;
  EXPECT_EQ(bound_media(parts, own).input_tokens(5), kMost);
}

}  // namespace
}  // namespace tollgate::domain::tokens
