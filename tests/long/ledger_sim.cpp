// The simulated ledger over many seeds; see tests/unit/budget/simulation.
//
//   ledger_sim [--seeds 1000] [--steps 1000] [--first 1]
//
// Prints each seed that breaks an invariant, then what the schedules came to; exit 1 after a
// violation.
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "unit/budget/simulation/race.hpp"
#include "unit/budget/simulation/simulation.hpp"

namespace {

using namespace tollgate::domain::budget::simulation;

struct Arguments {
  std::uint64_t seeds = 1'000, steps = 1'000, first = 1;
};

bool parse(int argc, char** argv, Arguments& out) {
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (i + 1 == argc) return false;
    char* end = nullptr;
    const std::uint64_t value = std::strtoull(argv[i + 1], &end, 10);
    if (end == argv[i + 1] || *end != '\0') return false;
    if (name == "--seeds") {
      out.seeds = value;
    } else if (name == "--steps") {
      out.steps = value;
    } else if (name == "--first") {
      out.first = value;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    fmt::print(stderr, "usage: ledger_sim [--seeds N] [--steps N] [--first N]\n");
    return 2;
  }
  const auto begin = std::chrono::steady_clock::now();
  Totals totals;
  for (std::uint64_t i = 0; i < arguments.seeds; ++i) {
    const std::uint64_t seed = arguments.first + i;
    Simulation simulation(seed);
    simulation.run(static_cast<int>(arguments.steps));
    totals += simulation.totals();
    if (!simulation.violation().empty()) fmt::print("seed {}: {}\n", seed, simulation.violation());
    if (const std::string fault = race(seed); !fault.empty()) {
      fmt::print("seed {}: race of 200 calls: {}\n", seed, fault);
      ++totals.violations;
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  fmt::print("{}{:>12}  races of 200 calls on $1.00\n{:>12.1f}  seconds\n", to_string(totals),
             arguments.seeds, took.count());
  return totals.violations == 0 ? 0 : 1;
}
