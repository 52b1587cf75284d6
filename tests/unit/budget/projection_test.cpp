// When a budget will be used up, as its alerts say it.
#include "tollgate/domain/budget/projection.hpp"

#include "ledger_fixture.hpp"

namespace tollgate::domain::budget {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const WallTime kNoon = FakeClock::at("2026-11-25T12:00:00Z");

TEST(Projection, GoesOnAtTheMeanPace) {
  const SpendMark start{kNoon - hours(8), 0};
  EXPECT_EQ(projected_exhaustion(start, {kNoon, 80}, 100), kNoon + hours(2));
  const SpendMark later{kNoon - minutes(10), 70};
  EXPECT_EQ(projected_exhaustion(later, {kNoon, 80}, 100), kNoon + minutes(20));
}

TEST(Projection, RoundsUp) {
  EXPECT_EQ(projected_exhaustion({kNoon, 0}, {kNoon + microseconds(1), 3}, 4),
            kNoon + microseconds(2));
}

TEST(Projection, IsAbsentWithoutAPaceOrWithNothingLeft) {
  EXPECT_FALSE(projected_exhaustion({kNoon, 0}, {kNoon, 80}, 100)) << "no time has passed";
  EXPECT_FALSE(projected_exhaustion({kNoon, 0}, {kNoon - hours(1), 80}, 100)) << "a clock set back";
  EXPECT_FALSE(projected_exhaustion({kNoon - hours(1), 80}, {kNoon, 80}, 100));
  EXPECT_FALSE(projected_exhaustion({kNoon - hours(1), 90}, {kNoon, 80}, 100)) << "a correction";
  EXPECT_FALSE(projected_exhaustion({kNoon - hours(1), 0}, {kNoon, 100}, 100));
  EXPECT_FALSE(projected_exhaustion({kNoon - hours(1), 0}, {kNoon, 120}, 100));
}

TEST(Projection, HugeNumbersNeitherWrapNorLie) {
  const base::Quantity most = std::numeric_limits<std::int64_t>::max();
  EXPECT_FALSE(projected_exhaustion({kNoon - hours(1), 0}, {kNoon, 1}, most))
      << "beyond the end of time";
  const WallTime old{};
  EXPECT_EQ(projected_exhaustion({old, 0}, {kNoon, most.value - 1}, most), kNoon + microseconds(1));
}

class ProjectionOfAlerts : public LedgerTest {
 protected:
  void with(WindowKind window, std::vector<std::uint32_t> percents) {
    configure({budget_of(ScopeKind::key, "k1", usd(100), window, "b", "UTC", std::move(percents))});
  }
  std::vector<std::optional<WallTime>> told(NanoUsd amount) {
    std::vector<std::optional<WallTime>> out;
    for (const BudgetEvent& e : spend({amount}).events) out.push_back(e.projected_exhaustion_at);
    return out;
  }
  using Told = std::vector<std::optional<WallTime>>;
};

TEST_F(ProjectionOfAlerts, TakesThePaceOfTheWindow) {
  with(WindowKind::day, {80});  // opened at midnight, twelve hours ago
  EXPECT_EQ(told(usd(80)), (Told{kNoon + hours(3)}));
}

TEST_F(ProjectionOfAlerts, IsAbsentWhenItLiesAtTheResetOrBehindIt) {
  with(WindowKind::day, {50, 60});
  EXPECT_EQ(told(usd(50)), (Told{std::nullopt})) << "used up at midnight, when it resets";
  EXPECT_EQ(told(usd(10)), (Told{kNoon + hours(8)}));
}

TEST_F(ProjectionOfAlerts, SeesARunawayBehindAQuietMorning) {
  with(WindowKind::day, {10, 50});
  EXPECT_EQ(told(usd(10)), (Told{std::nullopt}));
  clock.advance(minutes(5));
  EXPECT_EQ(told(usd(40)), (Told{kNoon + minutes(5) + seconds(375)})) << "$40 in 5 min, $50 left";
}

TEST_F(ProjectionOfAlerts, AlertsCloseTogetherAreNoPace) {
  with(WindowKind::day, {10, 20, 50});
  EXPECT_EQ(told(usd(10)), (Told{std::nullopt}));
  clock.advance(seconds(59));
  EXPECT_EQ(told(usd(10)), (Told{std::nullopt}));
  clock.advance(seconds(1));
  EXPECT_EQ(told(usd(30)), (Told{kNoon + seconds(60 + 75)})) << "$40 since the first alert";
}

TEST_F(ProjectionOfAlerts, ATotalBudgetHasNoPaceBeforeItsSecondAlert) {
  with(WindowKind::total, {50, 75});
  EXPECT_EQ(told(usd(50)), (Told{std::nullopt}));
  clock.advance(hours(100));
  EXPECT_EQ(told(usd(25)), (Told{kNoon + hours(200)}));
}

TEST_F(ProjectionOfAlerts, ANewWindowBeginsAnew) {
  with(WindowKind::day, {10, 50});
  EXPECT_EQ(told(usd(10)), (Told{std::nullopt}));
  clock.advance(hours(12) + minutes(30));  // half past midnight
  EXPECT_EQ(told(usd(20)), (Told{kNoon + hours(12) + minutes(30) + hours(2)}));
}

TEST_F(ProjectionOfAlerts, WhatIsUsedUpOrClosedIsNotProjected) {
  with(WindowKind::day, {100});
  EXPECT_EQ(told(usd(100)), (Told{std::nullopt}));
  with(WindowKind::day, {});
  clock.advance(hours(12));
  auto held = hold({usd(90)});
  ASSERT_TRUE(held);
  const Settlement s = held->settle({usd(101)});
  ASSERT_EQ(s.events.size(), 1u);
  EXPECT_EQ(s.events[0].kind, BudgetEvent::Kind::closed);
  EXPECT_FALSE(s.events[0].projected_exhaustion_at);
}

TEST_F(ProjectionOfAlerts, EventsNameTheirWindow) {
  with(WindowKind::month, {1});
  const Settlement s = spend({usd(1)});
  ASSERT_EQ(s.events.size(), 1u);
  EXPECT_EQ(s.events[0].window, WindowKind::month);
}

}  // namespace
}  // namespace tollgate::domain::budget
