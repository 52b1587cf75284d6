// Random schedules over many budgets: no cap is ever broken, no call lost or counted twice.
// TOLLGATE_PROPERTY_SEEDS sets how many seeds run, TOLLGATE_PROPERTY_SEED runs one again.
#include <cstdlib>
#include <iostream>

#include "support/property_seeds.hpp"
#include "unit/budget/ledger_simulation.hpp"

namespace tollgate::domain::budget {
namespace {

TEST(LedgerProperty, RandomSchedulesKeepEveryCap) {
  const std::uint64_t seeds = test::property_seeds(12);
  const char* only = std::getenv("TOLLGATE_PROPERTY_SEED");
  const std::uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  int granted = 0, refused = 0, overruns = 0, waited = 0, reloads = 0, restarts = 0;
  for (std::uint64_t seed = first; seed < first + (only != nullptr ? 1 : seeds); ++seed) {
    Simulation sim(seed);
    sim.run(1'000);
    granted += sim.granted, refused += sim.refused, overruns += sim.overruns;
    waited += sim.waited, reloads += sim.reloads, restarts += sim.restarts;
    ASSERT_FALSE(::testing::Test::HasFailure()) << "TOLLGATE_PROPERTY_SEED=" << seed;
  }
  std::cout << "holds " << granted << " refusals " << refused << " overruns " << overruns
            << " waits granted " << waited << " reloads " << reloads << " restarts " << restarts
            << "\n";
  if (only == nullptr && seeds >= 10) {
    // The schedules reach what they are for.
    EXPECT_GT(granted, 0);
    EXPECT_GT(refused, granted / 20);
    EXPECT_GT(overruns, 10);
    EXPECT_GT(waited, 10);
    EXPECT_GT(restarts, 0);
  }
}

}  // namespace
}  // namespace tollgate::domain::budget
