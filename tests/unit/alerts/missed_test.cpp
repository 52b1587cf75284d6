// Thresholds that were crossed by what a crash left open.
#include "tollgate/domain/alerts/missed.hpp"

#include <gtest/gtest.h>

#include "support/fake_clock.hpp"

namespace tollgate::domain::alerts {
namespace {

using budget::BudgetRow;
using config::ScopeKind;
using test::FakeClock;

class MissedTest : public ::testing::Test {
 protected:
  MissedTest() {
    config::ScopedBudget budget;
    budget.scope = ScopeKind::agent;
    budget.scope_id = "coder";
    budget.budget.name = "day";
    budget.budget.alert_percents = {50, 80, 95};
    budgets.push_back(budget);
    row.scope = ScopeKind::agent;
    row.scope_id = "coder";
    row.budget = "day";
    row.limit = 1'000;
    row.spent = 800;
    row.window_start = FakeClock::at("2026-11-26T00:00:00Z");
    row.reset_at = FakeClock::at("2026-11-27T00:00:00Z");
  }
  RecoveredCharge charge(std::int64_t nusd, std::string_view at = "2026-11-26T09:00:00Z") {
    return {{{ScopeKind::key, "k1"}, {ScopeKind::agent, "coder"}},
            {base::NanoUsd{nusd}, 70, 1},
            FakeClock::at(at)};
  }
  std::vector<std::uint32_t> percents(const std::vector<RecoveredCharge>& charges) {
    std::vector<std::uint32_t> out;
    for (const auto& event : missed_thresholds({&row, 1}, budgets, charges, kNow))
      out.push_back(event.percent);
    return out;
  }
  using Percents = std::vector<std::uint32_t>;

  const base::WallTime kNow = FakeClock::at("2026-11-26T12:00:00Z");
  std::vector<config::ScopedBudget> budgets;
  BudgetRow row;
};

TEST_F(MissedTest, AreThoseBetweenTheSpendWithoutAndWithTheCharges) {
  EXPECT_EQ(percents({}), Percents{});
  EXPECT_EQ(percents({charge(1)}), Percents{80});
  EXPECT_EQ(percents({charge(300)}), Percents{80}) << "at 500 it had been told";
  EXPECT_EQ(percents({charge(150), charge(151)}), (Percents{50, 80}));
  row.spent = 799;
  EXPECT_EQ(percents({charge(1)}), Percents{});
}

TEST_F(MissedTest, ChargesCountWhereAndWhenTheyWereMade) {
  EXPECT_EQ(percents({charge(100, "2026-11-25T23:59:59Z")}), Percents{}) << "another window's";
  RecoveredCharge other = charge(100);
  other.scopes = {{ScopeKind::key, "coder"}, {ScopeKind::agent, "other"}};
  EXPECT_EQ(percents({other}), Percents{});
  row.unit = config::BudgetUnit::tokens;
  row.spent = 850;
  EXPECT_EQ(percents({charge(1'000)}), Percents{80}) << "70 tokens";
}

TEST_F(MissedTest, ABudgetThatIsNotConfiguredHasNoThresholds) {
  row.budget = "month";
  EXPECT_EQ(percents({charge(800)}), Percents{});
}

TEST_F(MissedTest, AreToldAsTheLedgerWouldHave) {
  const std::vector<RecoveredCharge> charges{charge(1)};
  const auto missed = missed_thresholds({&row, 1}, budgets, charges, kNow);
  ASSERT_EQ(missed.size(), 1u);
  const budget::BudgetEvent& event = missed[0];
  EXPECT_EQ(event.kind, budget::BudgetEvent::Kind::threshold);
  EXPECT_EQ(event.scope, ScopeKind::agent);
  EXPECT_EQ(event.scope_id, "coder");
  EXPECT_EQ(event.budget, "day");
  EXPECT_EQ(event.limit, base::Quantity(1'000));
  EXPECT_EQ(event.spent, base::Quantity(800));
  EXPECT_EQ(event.at, kNow);
  EXPECT_EQ(event.window_start, row.window_start);
  EXPECT_EQ(event.reset_at, row.reset_at);
  EXPECT_EQ(event.projected_exhaustion_at, FakeClock::at("2026-11-26T15:00:00Z"));
  row.window = config::WindowKind::total;
  row.reset_at.reset();
  EXPECT_FALSE(missed_thresholds({&row, 1}, budgets, charges, kNow)[0].projected_exhaustion_at);
}

}  // namespace
}  // namespace tollgate::domain::alerts
