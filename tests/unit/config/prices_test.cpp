#include <gtest/gtest.h>

#include <algorithm>

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
      for (const auto& above : row.price->long_context) {
        EXPECT_GE(above.input.value, row.price->input.value) << section << " " << model;
        EXPECT_GE(above.output.value, row.price->output.value) << section << " " << model;
        EXPECT_EQ(above.cache_read.has_value(), row.price->cache_read.has_value()) << model;
        EXPECT_EQ(above.cache_write_1h.has_value(), row.price->cache_write_1h.has_value()) << model;
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
  const auto* gpt55 = find_row(catalogue, "openai", "gpt-5.5");
  ASSERT_NE(gpt55, nullptr);
  ASSERT_EQ(gpt55->price->long_context.size(), 1u);
  EXPECT_EQ(gpt55->price->long_context[0].above, 272'000);
  EXPECT_EQ(gpt55->price->long_context[0].output.value, 45'000'000);
  ASSERT_EQ(gpt55->price->modifiers.size(), 3u);
  EXPECT_EQ(gpt55->price->modifiers[1].name, "priority");
  EXPECT_EQ(gpt55->price->modifiers[1].output.value, 75'000'000);
  EXPECT_EQ(find_row(catalogue, "openai", "gpt-4o-typo"), nullptr);
  EXPECT_NE(find_row(catalogue, "demo", "anything"), nullptr);
  EXPECT_EQ(find_row(catalogue, "deepseek", "deepseek-v4-flash")->price->cache_read->value, 2'800);
}

/// The price of a row, and what was wrong with it.
std::optional<Price> price_of(const std::string& row, std::string& wrong) {
  std::vector<Problem> problems;
  const auto catalogue = catalogue_of(
      "version: 1\nvintage: x\nunit: y\nprices:\n  s:\n    m: " + row + "\n", problems);
  wrong = text_of(problems);
  const auto* found = find_row(catalogue, "s", "m");
  return found == nullptr ? std::nullopt : found->price;
}

TEST(Prices, LongContextAndModifiersAreWorkedOut) {
  std::string wrong;
  const auto price = price_of(
      "{input: 5, output: 30, cache_read: 0.5, web_search: 0.01, "
      "long_context: [{above: 200000, input: 10, output: 45}, {above: 500000, input: 20, "
      "output: 90, cache_read: 2}], "
      "modifiers: {priority: {factor: 2.5}, fast: {factor: 6, cache_read: 1, long_context: "
      "[{above: 300000, input: 1, output: 2}]}, own: {input: 1, output: 2, long_context: [{above: "
      "1, input: 3, output: 4}]}}}",
      wrong);
  EXPECT_EQ(wrong, "");
  ASSERT_TRUE(price);
  EXPECT_EQ(price->web_search->value, 10'000'000);
  ASSERT_EQ(price->long_context.size(), 2u);
  EXPECT_EQ(price->long_context[0].above, 200'000);
  EXPECT_EQ(price->long_context[0].output.value, 45'000'000);
  EXPECT_FALSE(price->long_context[0].cache_read) << "as its input, not as the model's";
  ASSERT_EQ(price->modifiers.size(), 3u);
  const auto& fast = price->modifiers[0];
  EXPECT_EQ(fast.name, "fast");
  EXPECT_EQ(fast.input.value, 30'000'000);
  EXPECT_EQ(fast.cache_read->value, 1'000'000) << "a price beside the factor is meant";
  ASSERT_EQ(fast.long_context.size(), 1u);
  EXPECT_EQ(fast.long_context[0].above, 300'000);
  EXPECT_EQ(price->modifiers[1].name, "own");
  EXPECT_EQ(price->modifiers[1].output.value, 2'000'000);
  const auto& priority = price->modifiers[2];
  EXPECT_EQ(priority.input.value, 12'500'000);
  EXPECT_EQ(priority.cache_read->value, 1'250'000);
  ASSERT_EQ(priority.long_context.size(), 2u);
  EXPECT_EQ(priority.long_context[0].above, 200'000);
  EXPECT_EQ(priority.long_context[1].cache_read->value, 5'000'000);
}

TEST(Prices, AFactorIsExactOrRefused) {
  std::string wrong;
  EXPECT_EQ(price_of("{input: 0.000002, output: 4, modifiers: {half: {factor: 0.5}}}", wrong)
                ->modifiers[0]
                .input.value,
            1);
  EXPECT_EQ(wrong, "");
  (void)price_of("{input: 0.000001, output: 4, modifiers: {half: {factor: 0.5}}}", wrong);
  EXPECT_NE(wrong.find("prices.s.m.modifiers.half.factor: makes prices of more than six decimals"),
            std::string::npos)
      << wrong;
  // A price of its own needs no factor.
  (void)price_of("{input: 0.000001, output: 4, modifiers: {half: {factor: 0.5, input: 0.000001}}}",
                 wrong);
  EXPECT_EQ(wrong, "");
}

TEST(Prices, WhatWouldBeGuessedIsRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {"{input: 1, output: 2, long_context: [{above: 5, input: 1}]}",
       "long_context[0]: has only part of a price"},
      {"{input: 1, output: 2, long_context: [{input: 1, output: 2}]}",
       "long_context[0]: above is missing"},
      {"{input: 1, output: 2, long_context: [{above: 5, input: 1, output: 2}, {above: 5, input: 1, "
       "output: 2}]}",
       "long_context[1].above: is not above the one before it"},
      {"{input: 1, output: 2, long_context: [{above: 0, input: 1, output: 2}]}", "is out of range"},
      {"{long_context: [{above: 5, input: 1, output: 2}]}",
       "long_context: stands without prices to change"},
      {"{modifiers: {flex: {factor: 0.5}}}", "modifiers: stands without prices to change"},
      {"{input: 1, output: 2, modifiers: {flex: {}}}", "modifiers.flex: says nothing"},
      {"{input: 1, output: 2, modifiers: {flex: {factor: 0}}}", "factor: \"0\" is not a factor"},
      {"{input: 1, output: 2, modifiers: {flex: {factor: 101}}}", "is not a factor"},
      {"{input: 1, output: 2, modifiers: {flex: {factor: 1/2}}}", "is not a factor"},
      {"{input: 1, output: 2, modifiers: {flex: {input: 1}}}",
       "modifiers.flex: has only part of a price"},
      {"{input: 1, output: 2, modifiers: {default: {factor: 1}}}",
       "modifiers.default: is what calls are served as usually"},
      {"{input: 1, output: 2, long_context: [{above: 5, input: 1, output: 2}], modifiers: {flex: "
       "{input: 1, output: 1}}}",
       "modifiers.flex: leaves out long_context"},
      {"{input: 1, output: 2, audio_input: 3, audio_output: 4, modifiers: {flex: {input: 1, "
       "output: 1}}}",
       "modifiers.flex: leaves out audio"},
      {"{input: 1, output: 2, audio_input: 3, long_context: [{above: 5, input: 1, output: 2}]}",
       "long_context[0]: leaves out audio"},
      {"{input: 1, output: 2, audio_cache_read: 3}",
       "audio_cache_read: stands without audio_input"},
      {"{audio_input: 1}", "has only part of a price"},
      {"{input: 1, output: 2, modifers: {}}", "unknown key"},
  };
  for (const auto& [row, expected] : cases) {
    std::string wrong;
    (void)price_of(row, wrong);
    EXPECT_NE(wrong.find(expected), std::string::npos) << row << "\n" << wrong;
    EXPECT_EQ(std::count(wrong.begin(), wrong.end(), '\n'), 1) << wrong;
    EXPECT_EQ(wrong.find("prices.yaml:6:"), 0u) << wrong;
  }
}

TEST(Prices, AProvidersDefaultModifierIsPartOfItsPrices) {
  const auto load = [](const std::string& modifier) {
    FakeEnv env;
    return load_text("providers: {openai: {api_key: x, default_modifier: " + modifier +
                         "}}\nmodels: {m: openai/m}\nprices: {file: \"\", overrides: {openai: {m: "
                         "{input: 1, output: 2, modifiers: {priority: {factor: 2}}}}}}\n",
                     "f", env);
  };
  const auto of = [](const LoadResult& result) {
    return result.snapshot->models.at("m").deployments[0].price->default_modifier;
  };
  const auto priority = load("priority");
  ASSERT_TRUE(priority.ok()) << text_of(priority.problems);
  EXPECT_EQ(of(priority), "priority");
  EXPECT_EQ(of(load("default")), "") << "the usual is none";
  const auto warp = load("prioriti");
  EXPECT_NE(
      text_of(warp.warnings)
          .find("has no price for its provider's default_modifier \"prioriti\"; its calls are "
                "refused; expected that modifier in its price, or spending.unknown_modifier: "
                "hold; did you mean \"priority\"?"),
      std::string::npos)
      << text_of(warp.warnings);
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
