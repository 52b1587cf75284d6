#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "fake_env.hpp"
#include "support/property_seeds.hpp"

namespace tollgate::config {
namespace {

std::string read(const std::string& name) {
  std::ifstream file(std::string(TOLLGATE_SOURCE_DIR) + "/" + name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Cuts, doubles, swaps and replaces pieces, with the characters YAML cares about.
std::string mutate(std::string text, std::mt19937_64& random) {
  static constexpr std::string_view kPieces[] = {
      ":",     ": ",       "- ",   "\n",   "\t",  "  ", "{", "}",    "[",           "]",
      "&a ",   "*a",       "<<: ", "!x ",  "|\n", ">",  "'", "\"",   "#",           "?",
      "---\n", "${env:X}", "${",   "\x80", "0",   "-1", "~", "null", "\xef\xbb\xbf"};
  const auto at = [&](std::size_t size) { return size == 0 ? 0 : random() % size; };
  const int rounds = 1 + static_cast<int>(random() % 4);
  for (int i = 0; i < rounds; ++i) {
    const std::size_t from = at(text.size());
    const std::size_t length = std::min<std::size_t>(random() % 40, text.size() - from);
    switch (random() % 4) {
      case 0:
        text.erase(from, length);
        break;
      case 1:
        text.insert(from, text.substr(at(text.size()), length));
        break;
      case 2:
        text.insert(from, kPieces[random() % std::size(kPieces)]);
        break;
      default:
        text.replace(from, length, kPieces[random() % std::size(kPieces)]);
    }
  }
  return text;
}

TEST(Property, AnyTextGivesASnapshotOrProblemsWithAPlace) {
  FakeEnv env;
  env.variables = {{"OPENAI_API_KEY", "sk-canary"},
                   {"TOLLGATE_ADMIN_TOKEN", "sk-canary"},
                   {"TOLLGATE_WEBHOOK_SECRET", "sk-canary"},
                   {"X", "sk-canary"}};
  env.files["prices.yaml"] = kPriceFile;
  const std::string sources[] = {read("config/tollgate.example.yaml"),
                                 read("config/quickstart.yaml")};
  for (unsigned seed = 0; seed < test::property_seeds(60); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const std::string text = mutate(sources[seed % 2], random);
    const auto result = load_text(text, "f.yaml", env);
    ASSERT_EQ(result.ok(), result.problems.empty());
    for (const auto& problem : result.problems) {
      EXPECT_FALSE(problem.what.empty());
      EXPECT_FALSE(problem.file.empty());
      EXPECT_GE(problem.line, 1u);
      EXPECT_GE(problem.column, 1u);
      EXPECT_LE(problem.line,
                2u + static_cast<unsigned>(std::count(text.begin(), text.end(), '\n')));
    }
    EXPECT_EQ(text_of(result.problems).find("canary"), std::string::npos);
    if (result.ok()) {
      EXPECT_FALSE(dump(*result.snapshot).empty());
    }
  }
}

TEST(Property, PriceFilesToo) {
  for (unsigned seed = 0; seed < test::property_seeds(60); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    FakeEnv env;
    env.files["prices.yaml"] = mutate(kPriceFile, random);
    const auto result = load_text("providers: {demo: {kind: demo}}\n", "f.yaml", env);
    ASSERT_EQ(result.ok(), result.problems.empty());
    for (const auto& problem : result.problems) EXPECT_EQ(problem.file, "prices.yaml");
  }
}

}  // namespace
}  // namespace tollgate::config
