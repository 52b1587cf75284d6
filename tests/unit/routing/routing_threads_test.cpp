#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "fixture.hpp"

namespace tollgate::domain::routing {
namespace {

using testing::at;
using testing::milliseconds;
using testing::seconds;

TEST(RetryBudgetThreads, RacingWorkersNeverGetMoreThanTheBudget) {
  for (int round = 0; round < 50; ++round) {
    RetryBudget budget;
    config::Routing rules;
    rules.retry_budget_percent = 0;
    rules.retry_budget_min = 100;
    std::atomic<int> granted{0};
    std::vector<std::thread> workers;
    for (int w = 0; w < 4; ++w)
      workers.emplace_back([&] {
        for (int i = 0; i < 200; ++i)
          if (budget.try_retry(rules, at(seconds(0)))) ++granted;
      });
    for (auto& worker : workers) worker.join();
    EXPECT_LE(granted, 100);
    EXPECT_EQ(budget.retries(at(seconds(0))), static_cast<std::uint64_t>(granted.load()));
  }
}

TEST(RetryBudgetThreads, NoCallIsLost) {
  RetryBudget budget;
  std::vector<std::thread> workers;
  for (int w = 0; w < 4; ++w)
    workers.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) budget.on_call(at(milliseconds(i)));
    });
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(budget.calls(at(milliseconds(9'999))), 40'000u);
}

TEST(CooldownThreads, TheLongestWishWins) {
  CooldownTable table;
  config::Routing rules;
  const CooldownHandle entry = table.resolve("d");
  std::vector<std::thread> workers;
  for (int w = 1; w <= 4; ++w)
    workers.emplace_back([&, w] {
      for (int i = 0; i < 5'000; ++i) {
        entry->on_asked_to_wait(rules, milliseconds(w * 10'000 - i), at(seconds(0)));
        entry->on_success();
        EXPECT_EQ(table.resolve("d"), entry);
      }
    });
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(entry->until(), at(milliseconds(40'000)));
}

}  // namespace
}  // namespace tollgate::domain::routing
