#include "tollgate/domain/routing/retry_budget.hpp"

#include <gtest/gtest.h>

#include "fixture.hpp"

namespace tollgate::domain::routing {
namespace {

using testing::at;
using testing::milliseconds;
using testing::seconds;

config::Routing rules_of(std::uint32_t percent, std::uint32_t least) {
  config::Routing rules;
  rules.retry_budget_percent = percent;
  rules.retry_budget_min = least;
  return rules;
}

int granted(RetryBudget& budget, const config::Routing& rules, base::MonoTime now, int asked) {
  int count = 0;
  for (int i = 0; i < asked; ++i) count += budget.try_retry(rules, now) ? 1 : 0;
  return count;
}

TEST(RetryBudget, AQuietGatewayMayRetryTheMinimum) {
  RetryBudget budget;
  EXPECT_EQ(granted(budget, rules_of(20, 10), at(seconds(0)), 50), 10);
}

TEST(RetryBudget, ABusyGatewayMayRetryItsShare) {
  RetryBudget budget;
  for (int i = 0; i < 500; ++i) budget.on_call(at(milliseconds(i * 10)));
  EXPECT_EQ(budget.calls(at(seconds(5))), 500u);
  EXPECT_EQ(granted(budget, rules_of(20, 10), at(seconds(5)), 500), 100);
  EXPECT_EQ(budget.retries(at(seconds(5))), 100u);
}

TEST(RetryBudget, WhatWasRefusedIsNotSpent) {
  RetryBudget budget;
  const auto rules = rules_of(0, 3);
  EXPECT_EQ(granted(budget, rules, at(seconds(0)), 1'000), 3);
  EXPECT_EQ(budget.retries(at(seconds(0))), 3u);
}

TEST(RetryBudget, TenSecondsLaterItIsFresh) {
  RetryBudget budget;
  const auto rules = rules_of(0, 3);
  EXPECT_EQ(granted(budget, rules, at(seconds(0)), 5), 3);
  EXPECT_EQ(granted(budget, rules, at(seconds(9)), 5), 0);
  EXPECT_EQ(granted(budget, rules, at(seconds(10)), 5), 3);
}

TEST(RetryBudget, CallsOlderThanTenSecondsDoNotCount) {
  RetryBudget budget;
  for (int i = 0; i < 100; ++i) budget.on_call(at(seconds(0)));
  for (int i = 0; i < 50; ++i) budget.on_call(at(seconds(5)));
  EXPECT_EQ(budget.calls(at(seconds(9))), 150u);
  EXPECT_EQ(budget.calls(at(seconds(10))), 50u);
  EXPECT_EQ(budget.calls(at(seconds(15))), 0u);
  EXPECT_EQ(granted(budget, rules_of(20, 0), at(seconds(10)), 100), 10);
}

TEST(RetryBudget, ZeroAndZeroMeansNever) {
  RetryBudget budget;
  budget.on_call(at(seconds(0)));
  EXPECT_EQ(granted(budget, rules_of(0, 0), at(seconds(0)), 10), 0);
}

TEST(RetryBudget, TheFirstSecondsAfterBootAreLikeAnyOther) {
  RetryBudget budget;
  EXPECT_EQ(budget.calls(base::MonoTime{}), 0u);
  budget.on_call(base::MonoTime{});
  EXPECT_EQ(budget.calls(base::MonoTime{}), 1u);
}

}  // namespace
}  // namespace tollgate::domain::routing
