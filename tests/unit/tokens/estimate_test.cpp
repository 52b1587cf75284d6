// The estimate from above, against counts of real tokenizers (tests/golden/tokens/calibration.tsv).
#include "tollgate/domain/tokens/estimate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "support/property_seeds.hpp"
#include "tollgate/json/document.hpp"

namespace tollgate::domain::tokens {
namespace {

using config::Tokenizer;

constexpr Tokenizer kAll[] = {Tokenizer::openai, Tokenizer::anthropic, Tokenizer::gemini,
                              Tokenizer::generic};

struct Counted {
  std::string name, text;
  std::string quoted;  ///< as it stands in a request
  std::int64_t cl100k = 0, o200k = 0, claude = 0, gemini = 0, llama = 0;

  /// The most that a tokenizer of the vendor makes of the text.
  [[nodiscard]] std::int64_t most(Tokenizer tokenizer) const {
    switch (tokenizer) {
      case Tokenizer::openai:
        return std::max(cl100k, o200k);
      case Tokenizer::anthropic:
        return (claude * 135 + 99) / 100;  // the newer one's factor
      case Tokenizer::gemini:
        return gemini;
      case Tokenizer::generic:
        break;
    }
    return std::max({cl100k, o200k, llama});
  }
};

std::vector<Counted> calibration() {
  std::vector<Counted> all;
  std::ifstream in(TOLLGATE_SOURCE_DIR "/tests/golden/tokens/calibration.tsv");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream fields(line);
    Counted one;
    fields >> one.name >> one.cl100k >> one.o200k >> one.claude >> one.gemini >> one.llama;
    std::getline(fields >> std::ws, one.quoted);
    json::Document document;
    EXPECT_TRUE(document.parse(one.quoted).has_value()) << one.name;
    one.text = document.root().text();
    all.push_back(std::move(one));
  }
  return all;
}

TEST(Estimate, IsNotBelowWhatRealTokenizersCount) {
  const auto texts = calibration();
  ASSERT_GE(texts.size(), 40u);
  for (const Counted& text : texts) {
    const auto bytes = static_cast<std::int64_t>(text.text.size());
    for (const Tokenizer tokenizer : kAll)
      EXPECT_GE(estimate(text.quoted, tokenizer), std::min(text.most(tokenizer), bytes))
          << text.name << " of " << text.text.size() << " bytes, tokenizer " << int(tokenizer);
  }
}

TEST(Estimate, AnEscapeCountsAsMuchAsTheCharacterItStandsFor) {
  for (const Tokenizer tokenizer : kAll) {
    EXPECT_GE(estimate(R"(\u00fc\u0414\u4eba)", tokenizer), 3);
    EXPECT_GE(estimate(R"(\u0414\u0414\u0414\u0414)", tokenizer),
              estimate("\u0414\u0414\u0414\u0414", tokenizer));
    EXPECT_LE(estimate(R"(\n\n\n\n\n\n)", tokenizer), 9);
  }
}

TEST(Estimate, IsWellBelowABytePerTokenForProseAndCode) {
  for (const Counted& text : calibration()) {
    if (text.name != "english" && text.name != "cpp" && text.name != "python") continue;
    const auto bytes = static_cast<std::int64_t>(text.text.size());
    EXPECT_LE(estimate(text.text, Tokenizer::openai) * 100, bytes * 60) << text.name;
    EXPECT_LE(estimate(text.text, Tokenizer::anthropic) * 100, bytes * 80) << text.name;
  }
}

TEST(Estimate, IsNeverAboveTheBytes) {
  for (std::uint64_t seed = 1; seed <= test::property_seeds(200); ++seed) {
    std::minstd_rand random(static_cast<unsigned>(seed));
    const auto pick = [&](int most) { return std::uniform_int_distribution<int>(0, most)(random); };
    std::string text;
    const int kind = pick(3);
    for (int i = pick(400); i > 0; --i) {
      const int most = kind == 0 ? 255 : kind == 1 ? 127 : 25;
      text += static_cast<char>(pick(most) + (kind > 1 ? 'a' : 0));
      if (kind == 3) text += R"(\u00e4)";
    }
    for (const Tokenizer tokenizer : kAll) {
      const std::int64_t tokens = estimate(text, tokenizer);
      EXPECT_LE(tokens, static_cast<std::int64_t>(text.size()));
      // Text that is added never makes it less.
      EXPECT_LE(estimate(std::string_view(text).substr(0, text.size() / 2), tokenizer), tokens);
    }
  }
  EXPECT_EQ(estimate("", Tokenizer::openai), 0);
  EXPECT_EQ(estimate("\\", Tokenizer::openai), 1);
  EXPECT_EQ(estimate("\\u", Tokenizer::openai), 2);
}

}  // namespace
}  // namespace tollgate::domain::tokens
