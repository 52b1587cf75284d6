#include "tollgate/domain/budget/pricing.hpp"

#include <gtest/gtest.h>

#include <limits>

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

TEST(PlanHold, ChargesInputBoundAndOutputCap) {
  const config::Spending spending;
  struct {
    const char* what;
    std::int64_t input_price, output_price, input, cap, n;
    std::int64_t nano;
  } const cases[] = {
      {"input and output", 2'500'000, 10'000'000, 1'000, 500, 1, 7'500'000},
      {"n choices", 2'500'000, 10'000'000, 1'000, 500, 3, 17'500'000},
      {"n below 1 is 1", 0, 10'000'000, 0, 500, 0, 5'000'000},
      {"rounded up once", 1, 1, 1, 1, 1, 1},
      {"exact thousandth", 500, 500, 1, 1, 1, 1},
      {"one pico over", 500, 501, 1, 1, 1, 2},
      {"cap 0 is a cap", 1'000'000, 10'000'000, 10, 0, 1, 10'000},
      {"free", 0, 0, 1'000'000, 1'000'000, 1, 0},
      {"negative input is 0", 1'000'000, 1'000'000, -5, 10, 1, 10'000},
      {"race case", 0, 50'000'000, 123, 1'000, 1, 50'000'000},
  };
  for (const auto& c : cases) {
    const auto plan =
        plan_hold(priced(c.input_price, c.output_price), bound_of(c.input, c.cap, c.n), spending);
    ASSERT_TRUE(plan.has_value()) << c.what;
    EXPECT_EQ(plan->amount.value, c.nano) << c.what;
    EXPECT_EQ(plan->output_cap, c.cap) << c.what;
    EXPECT_FALSE(plan->output_cap_to_forward.has_value()) << c.what;
    EXPECT_FALSE(plan->is_lowered) << c.what;
  }
}

TEST(PlanHold, CapNotSent) {
  config::Spending spending;
  spending.default_output_cap = 4'096;
  config::Deployment d = priced(0, 1'000'000);
  // Nobody knows the maximum: the default is held and told to the provider.
  auto plan = plan_hold(d, bound_of(0, std::nullopt), spending);
  EXPECT_EQ(plan->amount.value, 4'096'000);
  EXPECT_EQ(plan->output_cap_to_forward, 4'096);
  // The catalogue knows it: the provider stops there by itself, the body stays as it is.
  d.max_output = 128'000;
  plan = plan_hold(d, bound_of(0, std::nullopt), spending);
  EXPECT_EQ(plan->amount.value, 128'000'000);
  EXPECT_EQ(plan->output_cap, 128'000);
  EXPECT_FALSE(plan->output_cap_to_forward.has_value());
  // A cap below 0 means nothing.
  plan = plan_hold(d, bound_of(0, -1), spending);
  EXPECT_EQ(plan->amount.value, 128'000'000);
}

TEST(PlanHold, DearestInputTokenTheBodyAllows) {
  const config::Spending spending;
  config::Deployment d = priced(3'000'000, 0);
  d.price->cache_read = per_mtok(300'000);
  d.price->cache_write = per_mtok(3'750'000);
  d.price->cache_write_1h = per_mtok(6'000'000);
  CallBound b = bound_of(1'000, 0);
  const auto amount = [&](CacheWrites writes) {
    b.cache_writes = writes;
    return plan_hold(d, b, spending)->amount.value;
  };
  EXPECT_EQ(amount(CacheWrites::none), 3'000'000);
  EXPECT_EQ(amount(CacheWrites::five_minutes), 3'750'000);
  EXPECT_EQ(amount(CacheWrites::any), 6'000'000);
  d.price->cache_write_1h.reset();  // absent: as a 5-minute write
  EXPECT_EQ(amount(CacheWrites::any), 3'750'000);
  d.price->cache_write.reset();
  EXPECT_EQ(amount(CacheWrites::any), 3'000'000);
  d.price->cache_read = per_mtok(4'000'000);  // odd, but then that is the bound
  EXPECT_EQ(amount(CacheWrites::none), 4'000'000);
}

TEST(PlanHold, PerCallAndCallsWithoutOutput) {
  const config::Spending spending;
  config::Deployment d = priced(1'000'000, 10'000'000);
  d.price->per_call = {2'000'000};
  CallBound b = bound_of(100, 1'000);
  b.has_output = false;
  const auto plan = plan_hold(d, b, spending);
  EXPECT_EQ(plan->amount.value, 2'100'000);
  EXPECT_EQ(plan->least, plan->amount);
  EXPECT_EQ(plan->output_cap, 0);
  EXPECT_FALSE(plan->output_cap_to_forward.has_value());
}

TEST(PlanHold, WhatMayBeBilledOverTheCapIsHeldToo) {
  const config::Spending spending;
  const config::Deployment d = priced(1'000'000, 10'000'000);
  CallBound b = bound_of(100, 1'000, 2);
  b.extra_output_tokens = 300;
  const auto plan = plan_hold(d, b, spending);
  EXPECT_EQ(plan->amount.value, 100'000 + 2 * (1'000 + 300) * 10'000);
  EXPECT_FALSE(plan->output_cap_to_forward.has_value());
  // It is no part of the cap: lowering that leaves it in full.
  const NanoUsd room{100'000 + 2 * (200 + 300) * 10'000};
  const auto lowered = fit_output_cap(*plan, room, d, b, spending);
  ASSERT_TRUE(lowered.has_value());
  EXPECT_EQ(lowered->output_cap, 200);
  EXPECT_EQ(lowered->amount, room);
}

TEST(PlanHold, NoCapIsLoweredBelowWhatTheProviderTakes) {
  config::Spending spending;
  spending.min_output_tokens = 16;
  spending.useful_output_tokens = 4'096;
  CallBound bound = bound_of(0, 32'000);
  bound.least_output_cap = 20'001;
  const HoldPlan plan = plan_hold(priced(1, 1), bound, spending).value();
  EXPECT_EQ(plan.least_output_cap, 20'001);
  EXPECT_EQ(plan.useful_output_cap, 20'001);
  // What an agent asks for wrongly is the provider's to refuse.
  bound.output_cap = 100;
  EXPECT_EQ(plan_hold(priced(1, 1), bound, spending).value().least_output_cap, 100);
}

TEST(PlanHold, UnpricedModels) {
  config::Spending spending;
  config::Deployment d;
  d.model = "mystery";
  auto plan = plan_hold(d, bound_of(10, 10), spending);
  ASSERT_TRUE(plan.has_error());
  EXPECT_EQ(plan.error().code(), base::ErrorCode::unpriced_model);
  spending.unpriced = UnpricedAction::hold;
  spending.unpriced_hold = {250'000'000};
  plan = plan_hold(d, bound_of(10, 10), spending);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->amount.value, 250'000'000);
  EXPECT_EQ(plan->least.value, 250'000'000);
  EXPECT_EQ(settle_cost(d.price, {.input = 5, .output = 5}, spending).value, 250'000'000);
  // A price of zero is a price.
  EXPECT_EQ(plan_hold(priced(0, 0), bound_of(10, 10), config::Spending())->amount.value, 0);
}

TEST(PlanHold, UnboundedInput) {
  config::Spending spending;
  const config::Deployment d = priced(1'000'000, 1'000'000);
  CallBound b = bound_of(100, 100);
  b.has_unbounded_input = true;
  auto plan = plan_hold(d, b, spending);
  ASSERT_TRUE(plan.has_error());
  EXPECT_EQ(plan.error().code(), base::ErrorCode::unbounded_input);
  spending.unbounded_input = UnpricedAction::hold;
  spending.unbounded_input_hold = {1'000'000'000};
  plan = plan_hold(d, b, spending);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->amount.value, 1'000'200'000);
}

TEST(PlanHold, AbsurdCountsSaturate) {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const auto plan = plan_hold(priced(1'000'000, 1'000'000), bound_of(most, most, most), {});
  EXPECT_EQ(plan->amount, NanoUsd::max());
}

TEST(FitOutputCap, LargestCapThatFits) {
  config::Spending spending;
  spending.min_output_tokens = 16;
  struct {
    const char* what;
    std::int64_t input_price, output_price, input, cap, n, available;
    std::int64_t expect_cap;  // -1: refused
  } const cases[] = {
      {"fits already", 0, 1'000'000, 0, 100, 1, 100'000, 100},
      {"one nano short", 0, 1'000'000, 0, 100, 1, 99'999, 99},
      {"input first", 1'000'000, 1'000'000, 50, 100, 1, 100'000, 50},
      {"shared by choices", 0, 1'000'000, 0, 100, 2, 100'000, 50},
      {"choices round down", 0, 1'000'000, 0, 100, 3, 100'000, 33},
      {"just the minimum", 0, 1'000'000, 0, 100, 1, 16'000, 16},
      {"below the minimum", 0, 1'000'000, 0, 100, 1, 15'999, -1},
      {"own cap below the minimum", 0, 1'000'000, 0, 5, 1, 5'000, 5},
      {"own cap below the minimum, no fit", 0, 1'000'000, 0, 5, 1, 4'999, -1},
      {"input alone too dear", 1'000'000, 1'000'000, 100, 100, 1, 99'999, -1},
      {"nothing left", 0, 1'000'000, 0, 100, 1, 0, -1},
      {"free output, dear input", 1'000'000, 0, 100, 100, 1, 99'999, -1},
      {"rounding: 1 pico per token", 0, 1, 0, 100'000, 1, 5, 5'000},
  };
  for (const auto& c : cases) {
    const config::Deployment d = priced(c.input_price, c.output_price);
    const CallBound b = bound_of(c.input, c.cap, c.n);
    const HoldPlan plan = *plan_hold(d, b, spending);
    const auto fitted = fit_output_cap(plan, {c.available}, d, b, spending);
    if (c.expect_cap < 0) {
      EXPECT_FALSE(fitted.has_value()) << c.what;
      continue;
    }
    ASSERT_TRUE(fitted.has_value()) << c.what;
    EXPECT_EQ(fitted->output_cap, c.expect_cap) << c.what;
    EXPECT_LE(fitted->amount.value, c.available) << c.what;
    EXPECT_EQ(fitted->is_lowered, c.expect_cap < c.cap) << c.what;
    EXPECT_EQ(fitted->output_cap_to_forward.has_value(), c.expect_cap < c.cap) << c.what;
  }
}

TEST(FitOutputCap, LowersTheModelsOwnMaximum) {
  config::Deployment d = priced(0, 1'000'000);
  d.max_output = 128'000;
  const CallBound b = bound_of(0, std::nullopt);
  const HoldPlan plan = *plan_hold(d, b, {});
  const auto fitted = fit_output_cap(plan, {1'000'000}, d, b, {});
  ASSERT_TRUE(fitted.has_value());
  EXPECT_EQ(fitted->output_cap_to_forward, 1'000);
  EXPECT_TRUE(fitted->is_lowered);
}

TEST(SettleCost, EachKindAtItsPrice) {
  config::Price p;
  p.input = per_mtok(3'000'000);
  p.output = per_mtok(15'000'000);
  p.cache_read = per_mtok(300'000);
  p.cache_write = per_mtok(3'750'000);
  p.cache_write_1h = per_mtok(6'000'000);
  const config::Spending spending;
  struct {
    const char* what;
    TokenCounts tokens;
    std::int64_t nano;
  } const cases[] = {
      {"nothing used", {}, 0},
      {"input", {.input = 1'000}, 3'000'000},
      {"output", {.output = 1'000}, 15'000'000},
      {"cache read", {.cache_read = 1'000}, 300'000},
      {"5-minute write", {.cache_write_5m = 1'000}, 3'750'000},
      {"1-hour write", {.cache_write_1h = 1'000}, 6'000'000},
      {"all", {100, 200, 300, 400, 500}, 300'000 + 3'000'000 + 90'000 + 1'500'000 + 3'000'000},
      {"negative counts are 0", {.input = -5, .output = 1}, 15'000},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(settle_cost(p, c.tokens, spending).value, c.nano) << c.what;
  }
  p.per_call = {7};
  EXPECT_EQ(settle_cost(p, {}, spending).value, 7);
}

TEST(SettleCost, AbsentCachePricesAreTheInputPrice) {
  config::Price p;
  p.input = per_mtok(2'000'000);
  const TokenCounts all{1, 0, 1, 1, 1};
  EXPECT_EQ(settle_cost(p, all, {}).value, 8'000);
}

}  // namespace
}  // namespace tollgate::domain::budget
