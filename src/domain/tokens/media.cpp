#include "tollgate/domain/tokens/media.hpp"

#include <algorithm>
#include <limits>
#include <string_view>

namespace tollgate::domain::tokens {
namespace {

using config::Tokenizer;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

std::int64_t add(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? kMost : sum;
}

std::int64_t multiply(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? kMost : product;
}

/// The largest image of a model whose name has `part` in it. The first row that fits counts.
struct ImageRow {
  std::string_view part;
  std::int64_t tokens;
};

/// OpenAI's formulas as of 2026-11: tiles of 512 pixels, at most 8 of them and a base;
/// or patches of 32, at most 1,536 times the model's factor. What is not here may count as
/// gpt-4o-mini does, the dearest of all.
constexpr ImageRow kOpenAiImages[] = {
    {"gpt-4o-mini", 48'169},                          // 2,833 + 8 x 5,667
    {"gpt-4o", 1'445},                                // 85 + 8 x 170
    {"gpt-4.1-mini", 2'489},                          // 1,536 x 1.62
    {"gpt-4.1-nano", 3'779},                          // 1,536 x 2.46
    {"gpt-4.1", 1'536},      {"gpt-4-turbo", 1'445},  // 85 + 8 x 170
};
/// Anthropic's as of 2026-11: width x height / 750, at most about 1,600; models of high
/// resolution up to 4,784. Which those are goes by generation: the third has none of them.
constexpr ImageRow kAnthropicImages[] = {{"claude-3", 1'700}, {"", 5'000}};
/// Google's as of 2026-11: 258 a tile of 768 pixels (20
/// tiles of them are reckoned here), from Gemini 3 on at most 2,240 an image.
constexpr ImageRow kGeminiImages[] = {{"", 5'160}};
constexpr std::int64_t kAnyImage = 50'000;

template <std::size_t N>
std::int64_t row_of(const ImageRow (&rows)[N], std::string_view model) noexcept {
  for (const ImageRow& row : rows)
    if (model.find(row.part) != std::string_view::npos) return row.tokens;
  return kAnyImage;
}

std::int64_t image_tokens(const config::Deployment& deployment) noexcept {
  switch (deployment.tokenizer) {
    case Tokenizer::openai:
      return row_of(kOpenAiImages, deployment.model);
    case Tokenizer::anthropic:
      return row_of(kAnthropicImages, deployment.model);
    case Tokenizer::gemini:
      return row_of(kGeminiImages, deployment.model);
    case Tokenizer::generic:
      break;
  }
  return kAnyImage;
}

/// OpenAI counts a token for a tenth of a second, Gemini 32 for a second; encoders of other models
/// make up to 50.
std::int64_t audio_tokens(Tokenizer tokenizer) noexcept {
  if (tokenizer == Tokenizer::openai) return 10;
  return tokenizer == Tokenizer::gemini ? 32 : 50;
}

/// Bytes of a second of audio at the least: MP3 has no bit rate below 8 kbit/s, and WAV at 8 kHz
/// has eight times that.
constexpr std::int64_t kLeastAudioBytes = 1'000;

}  // namespace

std::int64_t MediaBound::input_tokens(std::int64_t text) const noexcept {
  const std::int64_t once = add(text, tokens);
  const std::int64_t uses = std::max<std::int64_t>(server_tool_uses, 0);
  if (uses == 0) return once;
  // The model reads everything again behind each use, with what the uses so far have brought: k+1
  // times the input and (1 + 2 + ... + k) times what one brings.
  const std::int64_t brought =
      uses % 2 == 0 ? multiply(uses / 2, add(uses, 1)) : multiply(uses, add(uses, 1) / 2);
  return add(multiply(once, add(uses, 1)), multiply(brought, server_tool_tokens));
}

MediaBound bound_media(const protocol::llm::MediaParts& parts,
                       const config::Deployment& deployment) noexcept {
  const config::MediaTokens& said = deployment.media;
  MediaBound bound;
  if (parts.images > 0)
    bound.tokens = multiply(parts.images, said.image.value_or(image_tokens(deployment)));
  if (parts.audios > 0) {
    const std::int64_t each = said.audio_second.value_or(audio_tokens(deployment.tokenizer));
    const std::int64_t seconds = add(parts.audio_bytes / kLeastAudioBytes, parts.audios);
    // No audio has more tokens than bytes.
    bound.tokens = add(bound.tokens, std::min(parts.audio_bytes, multiply(seconds, each)));
  }
  if (parts.documents > 0) {
    // All documents of a call are read at once: what does not fit into the context window is
    // refused by the provider.
    const std::int64_t window = deployment.context_window > 0 ? deployment.context_window : kMost;
    const std::int64_t all = said.document ? multiply(parts.documents, *said.document) : window;
    if (all == kMost) bound.is_known = false;
    bound.tokens = add(bound.tokens, std::min(all, window));
  }
  if (parts.server_tool_uses > 0) {
    if (!said.server_tool) bound.is_known = false;
    bound.server_tool_uses = parts.server_tool_uses;
    bound.server_tool_tokens = said.server_tool.value_or(0);
  }
  return bound;
}

}  // namespace tollgate::domain::tokens
