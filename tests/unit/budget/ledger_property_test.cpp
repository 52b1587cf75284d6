// Random schedules over many limits: no cap is ever broken, no call lost or counted twice.
// TOLLGATE_PROPERTY_SEEDS sets how many seeds run, TOLLGATE_PROPERTY_SEED runs one again; the long
// run is tests/long/ledger_sim.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "support/property_seeds.hpp"
#include "unit/budget/simulation/race.hpp"
#include "unit/budget/simulation/simulation.hpp"

namespace tollgate::domain::budget::simulation {
namespace {

TEST(LedgerProperty, RandomSchedulesKeepEveryCap) {
  const std::uint64_t seeds = test::property_seeds(100);
  const char* only = std::getenv("TOLLGATE_PROPERTY_SEED");
  const std::uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  Totals totals;
  for (std::uint64_t seed = first; seed < first + (only != nullptr ? 1 : seeds); ++seed) {
    Simulation simulation(seed);
    simulation.run(1'000);
    totals += simulation.totals();
    ASSERT_EQ(simulation.violation(), "") << "TOLLGATE_PROPERTY_SEED=" << seed;
  }
  std::cout << to_string(totals);
  if (only != nullptr || seeds < 10) return;
  // The schedules reach what they are for.
  EXPECT_GT(totals.holds, totals.steps / 20);
  EXPECT_GT(totals.budget_refusals, totals.holds / 20);
  for (const auto figure :
       {&Totals::rate_refusals, &Totals::concurrency_refusals, &Totals::no_place, &Totals::overruns,
        &Totals::attempts, &Totals::rebases, &Totals::rebases_refused, &Totals::waits_granted,
        &Totals::waits_refused, &Totals::crashes, &Totals::cuts, &Totals::interrupted,
        &Totals::recovered, &Totals::repeated, &Totals::windows, &Totals::steps_back,
        &Totals::live_forgotten, &Totals::charged_given_up, &Totals::uncharged_given_up})
    EXPECT_GT(totals.*figure, 10);
}

// 200 calls of five cents on one dollar, in any order of their steps.
TEST(LedgerProperty, TwoHundredCallsOfFiveCentsOnOneDollar) {
  for (std::uint64_t seed = 1; seed <= test::property_seeds(100); ++seed)
    ASSERT_EQ(race(seed), "") << "seed " << seed;
}

}  // namespace
}  // namespace tollgate::domain::budget::simulation
