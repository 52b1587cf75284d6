// What decides at which of a model's prices a call is held and charged: the size of its input, how
// it is served, what has no price that is known.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "tollgate/domain/budget/pricing.hpp"

namespace tollgate::domain::budget {
namespace {

using base::NanoUsd;
using base::PicoUsdPerToken;
using config::UnpricedAction;

/// USD per million tokens, in millionths: 2'500'000 = $2.50.
constexpr PicoUsdPerToken per_mtok(std::int64_t micro_usd) {
  return {micro_usd};
}

config::Deployment priced(std::int64_t input, std::int64_t output) {
  config::Deployment d;
  d.model = "m";
  d.price.emplace();
  d.price->input = per_mtok(input);
  d.price->output = per_mtok(output);
  return d;
}

CallBound bound_of(std::int64_t input, std::optional<std::int64_t> cap, std::int64_t n = 1) {
  CallBound b;
  b.input_tokens = input;
  b.output_cap = cap;
  b.choices = n;
  return b;
}

/// gpt-5.5's shape: other prices above 272 000, priority at 2.5 times both.
config::Deployment tiered() {
  config::Deployment d = priced(5'000'000, 30'000'000);
  auto& above = d.price->long_context.emplace_back();
  above.above = 272'000;
  above.input = per_mtok(10'000'000);
  above.output = per_mtok(45'000'000);
  auto& priority = d.price->modifiers.emplace_back();
  priority.name = "priority";
  priority.input = per_mtok(12'500'000);
  priority.output = per_mtok(75'000'000);
  auto& above_priority = priority.long_context.emplace_back();
  above_priority.above = 272'000;
  above_priority.input = per_mtok(25'000'000);
  above_priority.output = per_mtok(112'500'000);
  auto& flex = d.price->modifiers.emplace_back();
  flex.name = "flex";
  flex.input = per_mtok(2'500'000);
  flex.output = per_mtok(15'000'000);
  return d;
}

TEST(PlanHold, LongContextWhereTheInputCanReachIt) {
  const config::Deployment d = tiered();
  const auto amount = [&](std::int64_t input) {
    return plan_hold(d, bound_of(input, 100), {})->amount.value;
  };
  EXPECT_EQ(amount(272'000), 272'000ll * 5'000 + 100 * 30'000);
  EXPECT_EQ(amount(272'001), 272'001ll * 10'000 + 100 * 45'000);
  // Nobody knows how large it is.
  config::Spending spending;
  spending.unbounded_input = UnpricedAction::hold;
  spending.unbounded_input_hold = {1'000};
  CallBound b = bound_of(10, 100);
  b.has_unbounded_input = true;
  EXPECT_EQ(plan_hold(d, b, spending)->amount.value, 1'000 + 10 * 10'000 + 100 * 45'000);
}

TEST(PlanHold, TheDearerOfWhatIsAskedForAndTheUsual) {
  config::Deployment d = tiered();
  CallBound b = bound_of(1'000, 100);
  const auto amount = [&](const char* modifier) {
    b.modifier = modifier;
    return plan_hold(d, b, {})->amount.value;
  };
  constexpr std::int64_t kUsual = 1'000 * 5'000 + 100 * 30'000;
  constexpr std::int64_t kPriority = 1'000 * 12'500 + 100 * 75'000;
  EXPECT_EQ(amount(""), kUsual);
  EXPECT_EQ(amount("standard"), kUsual);
  EXPECT_EQ(amount("priority"), kPriority);
  EXPECT_EQ(amount("flex"), kUsual) << "flex may be served as usual";
  d.price->default_modifier = "priority";
  EXPECT_EQ(amount(""), kPriority);
  EXPECT_EQ(amount("standard"), kUsual);
  EXPECT_EQ(amount("flex"), kUsual);
}

TEST(PlanHold, AModifierWithoutAPriceIsRefusedOrHeld) {
  config::Deployment d = tiered();
  d.model = "m";
  config::Spending spending;
  CallBound b = bound_of(1'000, 100);
  b.modifier = "warp";
  auto plan = plan_hold(d, b, spending);
  ASSERT_TRUE(plan.has_error());
  EXPECT_EQ(plan.error().code(), base::ErrorCode::unpriced_model);
  EXPECT_NE(plan.error().message().find("\"m\" has no price for calls served as \"warp\""),
            std::string::npos)
      << plan.error().message();
  spending.unknown_modifier = UnpricedAction::hold;
  spending.unknown_modifier_hold = {1};
  // The dearest of each kind that is known at all.
  constexpr std::int64_t kDearest = 1'000 * 25'000 + 100 * 112'500;
  plan = plan_hold(d, b, spending);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->amount.value, kDearest);
  spending.unknown_modifier_hold = {kDearest + 1};
  plan = plan_hold(d, b, spending);
  EXPECT_EQ(plan->amount.value, kDearest + 1);
  EXPECT_EQ(plan->least.value, kDearest + 1) << "no cap lowers the sum";
  // The same of a default that nobody gave a price.
  b.modifier.clear();
  d.price->default_modifier = "warp";
  EXPECT_TRUE(plan_hold(d, b, {}).has_error());
}

TEST(PlanHold, AudioAtItsOwnPrice) {
  config::Deployment d = priced(2'500'000, 10'000'000);
  CallBound b = bound_of(1'000, 100);
  b.has_audio_input = b.has_audio_output = true;
  const auto refused = plan_hold(d, b, {});
  ASSERT_TRUE(refused.has_error());
  EXPECT_NE(refused.error().message().find("audio"), std::string::npos);
  config::Spending spending;
  spending.unknown_modifier = UnpricedAction::hold;
  spending.unknown_modifier_hold = {1};
  EXPECT_EQ(plan_hold(d, b, spending)->amount.value, 1'100 * 10'000) << "the dearest of any kind";
  d.price->audio_input = per_mtok(40'000'000);
  EXPECT_TRUE(plan_hold(d, b, {}).has_error());
  d.price->audio_output = per_mtok(80'000'000);
  EXPECT_EQ(plan_hold(d, b, {})->amount.value, 1'000 * 40'000 + 100 * 80'000);
  b.has_audio_input = false;
  EXPECT_EQ(plan_hold(d, b, {})->amount.value, 1'000 * 2'500 + 100 * 80'000);
}

TEST(ModifierName, JoinsWhatIsNotUsual) {
  EXPECT_EQ(modifier_name("", "", ""), "");
  EXPECT_EQ(modifier_name("auto", "", ""), "") << "says nothing of how it is served";
  EXPECT_EQ(modifier_name("default", "", ""), "standard");
  EXPECT_EQ(modifier_name("standard", "standard", "not_available"), "standard");
  EXPECT_EQ(modifier_name("priority", "", ""), "priority");
  EXPECT_EQ(modifier_name("standard", "fast", "global"), "fast");
  EXPECT_EQ(modifier_name("priority", "fast", "us"), "priority+fast+us");
}

TEST(SettleCost, TheWholeCallByTheSizeOfItsInputAndHowItWasServed) {
  const config::Deployment d = tiered();
  const config::Spending spending;
  const struct {
    const char* what;
    TokenCounts tokens;
    std::int64_t nano;
  } cases[] = {
      {"at the size", {.input = 272'000, .output = 10}, 1'360'000'000 + 300'000},
      {"above it", {.input = 272'001, .output = 10}, 2'720'010'000 + 450'000},
      {"cached tokens count", {.input = 1, .cache_read = 272'000}, 2'720'010'000},
      {"written ones too", {.cache_write_1h = 272'001}, 2'720'010'000},
      {"priority", {.input = 10, .output = 10, .modifier = "priority"}, 125'000 + 750'000},
      {"flex has no other prices above", {.input = 272'001, .modifier = "flex"}, 272'001 * 2'500ll},
      {"no use, no cost", {.modifier = "warp"}, 0},
  };
  for (const auto& c : cases)
    EXPECT_EQ(settle_cost(d.price, c.tokens, spending).value, c.nano) << c.what;
}

TEST(SettleCost, SearchesByThePiece) {
  std::optional<config::Price> price = priced(1'000'000, 1'000'000).price;
  const TokenCounts used{.input = 5, .web_searches = 3};
  EXPECT_TRUE(has_unknown_price(price, used));
  price->web_search = NanoUsd{10'000'000};
  EXPECT_FALSE(has_unknown_price(price, used));
  EXPECT_EQ(settle_cost(price, used, {}).value, 30'005'000);
  const TokenCounts absurd{.web_searches = std::numeric_limits<std::int64_t>::max()};
  EXPECT_EQ(settle_cost(price, absurd, {}), NanoUsd::max());
}

/// A tariff with everything a price can have, or some of it.
template <class Pick>
void fill(config::TokenPrices& p, Pick& pick, bool audio) {
  p.input = per_mtok(pick(20'000'000));
  p.output = per_mtok(pick(90'000'000));
  if (pick(1)) p.cache_read = per_mtok(pick(5'000'000));
  if (pick(1)) p.cache_write = per_mtok(pick(30'000'000));
  if (pick(1)) p.cache_write_1h = per_mtok(pick(40'000'000));
  if (audio) p.audio_input = per_mtok(pick(50'000'000));
  if (audio) p.audio_output = per_mtok(pick(90'000'000));
  if (audio && pick(1)) p.audio_cache_read = per_mtok(pick(50'000'000));
}
template <class Pick>
void fill(config::Tariff& tariff, Pick& pick, bool audio) {
  fill(static_cast<config::TokenPrices&>(tariff), pick, audio);
  for (std::int64_t above = pick(150'000); pick(1) && above < 300'000; above += 1 + pick(99'999)) {
    tariff.long_context.emplace_back().above = above;
    fill(static_cast<config::TokenPrices&>(tariff.long_context.back()), pick, audio);
  }
}

// The hold covers whatever the call then costs within its bound, and the fitted cap is the largest.
TEST(Pricing, HoldCoversEverySettlementWithinTheBound) {
  std::mt19937_64 random(11);
  const auto pick = [&](std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(0, most)(random);
  };
  int unknown = 0, lowered = 0;
  for (int i = 0; i < 20'000; ++i) {
    config::Deployment d;
    const bool audio = pick(1);
    fill(static_cast<config::Tariff&>(d.price.emplace()), pick, audio);
    for (const char* name : {"flex", "priority"}) {
      if (pick(1)) continue;
      d.price->modifiers.emplace_back().name = name;
      fill(static_cast<config::Tariff&>(d.price->modifiers.back()), pick, audio);
    }
    const char* const words[] = {"", "standard", "flex", "priority", "warp"};
    d.price->default_modifier = pick(3) ? "" : words[2 + pick(2)];
    if (pick(1)) d.price->per_call = {pick(1'000'000)};
    CallBound b = bound_of(pick(300'000), pick(64'000), 1 + pick(3));
    b.cache_writes = static_cast<CacheWrites>(pick(2));
    b.modifier = words[pick(4)];
    b.has_audio_input = pick(1);
    b.has_audio_output = pick(1);
    config::Spending spending;
    spending.unknown_modifier = UnpricedAction::hold;
    spending.unknown_modifier_hold = {pick(1'000'000'000)};
    const HoldPlan plan = *plan_hold(d, b, spending);
    ASSERT_LE(plan.least, plan.amount);

    TokenCounts used;
    std::int64_t left = b.input_tokens;
    const auto take = [&](std::int64_t& kind, bool may) {
      if (may) kind = pick(left);
      left -= kind;
    };
    take(used.cache_read, true);
    take(used.cache_write_5m, b.cache_writes != CacheWrites::none);
    take(used.cache_write_1h, b.cache_writes == CacheWrites::any);
    take(used.audio_input, b.has_audio_input);
    take(used.audio_cache_read, b.has_audio_input);
    used.input = pick(1) ? left : pick(left);
    used.output = pick(1) ? *b.output_cap * b.choices : pick(*b.output_cap * b.choices);
    if (b.has_audio_output) used.audio_output = pick(used.output);
    used.output -= used.audio_output;
    used.modifier = pick(1) ? b.modifier : "standard";
    unknown += has_unknown_price(d.price, used);
    ASSERT_LE(settle_cost(d.price, used, spending), plan.amount) << i;

    const NanoUsd available{pick(plan.amount.value + 1'000)};
    const auto fitted = fit_output_cap(plan, available, d, b, spending);
    ASSERT_EQ(fitted.has_value(), plan.least <= available);
    if (!fitted) continue;
    ASSERT_LE(fitted->amount, available);
    if (!fitted->is_lowered) continue;
    ++lowered;
    CallBound one_more = b;
    one_more.output_cap = fitted->output_cap + 1;
    ASSERT_GT(plan_hold(d, one_more, spending)->amount, available) << "a larger cap fits too";
  }
  EXPECT_GT(unknown, 1'000);
  EXPECT_GT(lowered, 1'000);
}

// A price that is not known is never cheaper than one that is.
TEST(Pricing, WhatIsServedUnderAnUnknownNameIsNoCheaper) {
  std::mt19937_64 random(12);
  const auto pick = [&](std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(0, most)(random);
  };
  for (int i = 0; i < 5'000; ++i) {
    std::optional<config::Price> price(std::in_place);
    const bool audio = pick(1);
    fill(static_cast<config::Tariff&>(*price), pick, audio);
    price->modifiers.emplace_back().name = "priority";
    fill(static_cast<config::Tariff&>(price->modifiers.back()), pick, audio);
    TokenCounts used{pick(200'000), pick(9'000), pick(99'000), pick(99'000), pick(99'000)};
    if (audio) used.audio_input = pick(9'000), used.audio_output = pick(9'000);
    const config::Spending spending;
    const NanoUsd usual = settle_cost(price, used, spending);
    used.modifier = "priority";
    const NanoUsd priority = settle_cost(price, used, spending);
    used.modifier = "warp";
    ASSERT_TRUE(has_unknown_price(price, used));
    ASSERT_GE(settle_cost(price, used, spending), std::max(usual, priority)) << i;
  }
}

}  // namespace
}  // namespace tollgate::domain::budget
