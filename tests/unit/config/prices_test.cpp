#include <gtest/gtest.h>

#include "config/resolve.hpp"
#include "fake_env.hpp"

namespace tollgate::config {
namespace {

Catalogue catalogue_of(const std::string& file, std::vector<Problem>& problems) {
  FakeEnv env;
  env.files["prices.yaml"] = file;
  Reader reader("f", env);
  auto catalogue = load_catalogue(reader, PricesDoc{});
  problems = reader.take_problems();
  return catalogue;
}

TEST(Prices, TheShippedFileIsGoodAndExact) {
  const SystemEnv env;
  Reader reader(TOLLGATE_SOURCE_DIR "/config/x.yaml", env);
  const Catalogue catalogue = load_catalogue(reader, PricesDoc{});
  EXPECT_TRUE(reader.clean()) << text_of(reader.take_problems());
  std::size_t rows = 0;
  for (const auto& [section, models] : catalogue)
    for (const auto& [model, row] : models) {
      ++rows;
      ASSERT_TRUE(row.price) << section << " " << model;
      EXPECT_GE(row.price->input.value, 0);
      // Nothing costs more than USD 1000 per million tokens: a slipped decimal point would.
      EXPECT_LE(row.price->output.value, 1'000'000'000) << section << " " << model;
      if (row.price->cache_read) {
        EXPECT_LE(row.price->cache_read->value, row.price->input.value);
      }
    }
  EXPECT_GT(rows, 550u);
  const auto* gpt = find_row(catalogue, "openai", "gpt-4o");
  ASSERT_NE(gpt, nullptr);
  EXPECT_EQ(gpt->price->input.value, 2'500'000);
  EXPECT_EQ(gpt->price->output.value, 10'000'000);
  EXPECT_EQ(gpt->price->cache_read->value, 1'250'000);
  EXPECT_EQ(gpt->max_output, 16'384);
  const auto* haiku = find_row(catalogue, "anthropic", "claude-haiku-4-5");
  ASSERT_NE(haiku, nullptr);
  EXPECT_EQ(haiku->price->cache_write->value, 1'250'000);
  EXPECT_EQ(haiku->price->cache_write_1h->value, 2'000'000) << "twice the input";
  EXPECT_EQ(find_row(catalogue, "openai", "gpt-4o-typo"), nullptr);
  EXPECT_NE(find_row(catalogue, "demo", "anything"), nullptr);
  EXPECT_EQ(find_row(catalogue, "deepseek", "deepseek-v4-flash")->price->cache_read->value, 2'800);
}

TEST(Prices, AStarRowStandsForTheOthers) {
  std::vector<Problem> problems;
  const auto catalogue = catalogue_of(
      "version: 1\nvintage: x\nunit: y\nprices:\n  s:\n    \"*\": {input: 1, output: 2}\n"
      "    own: {input: 3, output: 4}\n    size-only: {max_output: 10}\n",
      problems);
  EXPECT_EQ(text_of(problems), "");
  EXPECT_EQ(find_row(catalogue, "s", "own")->price->input.value, 3'000'000);
  EXPECT_EQ(find_row(catalogue, "s", "other")->price->input.value, 1'000'000);
  EXPECT_FALSE(find_row(catalogue, "s", "size-only")->price);
  EXPECT_EQ(find_row(catalogue, "t", "own"), nullptr);
}

TEST(Prices, OverridesReplaceAndAdd) {
  FakeEnv env;
  env.files["prices.yaml"] = kPriceFile;
  const auto result = load_text(
      "providers: {openai: {api_key: x}, groq: {kind: openai_compatible, base_url: "
      "\"https://g.example\"}}\n"
      "models: {gpt-4o: openai/gpt-4o, mine: openai/mine, llama: groq/llama}\n"
      "prices:\n"
      "  overrides:\n"
      "    openai:\n"
      "      gpt-4o: {input: 1, output: 2}\n"
      "      mine: {input: 3, output: 4, max_output: 5}\n"
      "    groq:\n"
      "      llama: {max_output: 99}\n",
      "f", env);
  ASSERT_TRUE(result.ok()) << text_of(result.problems);
  EXPECT_EQ(text_of(result.warnings), "");
  const auto row = [&](const char* alias) {
    return result.snapshot->models.at(alias).deployments[0];
  };
  EXPECT_EQ(row("gpt-4o").price->input.value, 1'000'000);
  EXPECT_FALSE(row("gpt-4o").price->cache_read) << "a price is replaced whole";
  EXPECT_EQ(row("gpt-4o").context_window, 128'000) << "sizes are kept";
  EXPECT_EQ(row("mine").max_output, 5);
  EXPECT_EQ(row("llama").price->input.value, 50'000) << "a row without a price keeps it";
  EXPECT_EQ(row("llama").max_output, 99);
}

TEST(Prices, AMissingPriceIsAWarningOnlyWhenItRefusesCalls) {
  const std::string yaml =
      "providers: {openai: {api_key: x}}\n"
      "models: {m: openai/gpt-4p}\n";
  FakeEnv env;
  env.files["prices.yaml"] = kPriceFile;
  EXPECT_EQ(text_of(load_text(yaml, "f", env).warnings),
            "f:2:10: models.m: \"gpt-4p\" has no price; its calls are refused; expected a price "
            "here or in prices.overrides, or spending.unpriced: hold; did you mean \"gpt-4o\"?\n");
  const std::string hold = yaml + "spending: {unpriced: hold, unpriced_hold: 0.1}\n";
  EXPECT_EQ(text_of(load_text(hold, "f", env).warnings), "");
  EXPECT_EQ(load_text(yaml, "f", FakeEnv{}).warnings.size(), 2u) << "and no price file at all";
}

}  // namespace
}  // namespace tollgate::config
