#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tollgate/telemetry/registry.hpp"

namespace tollgate::telemetry {
namespace {

TEST(RegistryThreads, WorkersCountWhileSeriesAreMadeAndScraped) {
  constexpr int kWorkers = 3;
  constexpr int kEach = 100'000;
  Registry registry(kWorkers);
  const CounterId calls = registry.counter(Family::refusals, "draining");
  const HistogramId times = registry.histogram(Family::gateway_time, "chat");
  std::vector<std::thread> threads;
  for (unsigned w = 0; w < kWorkers; ++w)
    threads.emplace_back([&, w] {
      for (int i = 0; i < kEach; ++i) {
        registry.lane(w).add(calls);
        registry.lane(w).observe(times, i);
        registry.shared().add(calls);
      }
    });
  threads.emplace_back([&] {
    for (int i = 0; i < 3'000; ++i)
      registry.shared().add(registry.counter(Family::tokens, std::to_string(i), "input"));
  });
  std::int64_t previous = 0;
  for (int i = 0; i < 20; ++i) {
    const std::int64_t seen = registry.value(Family::refusals, "draining");
    EXPECT_GE(seen, previous) << "a counter never falls";
    previous = seen;
    EXPECT_FALSE(registry.render().empty());
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(registry.value(Family::refusals, "draining"), 2 * kWorkers * kEach);
  EXPECT_EQ(registry.count(Family::gateway_time, "chat"), kWorkers * kEach);
  EXPECT_EQ(registry.value(Family::tokens, "2999", "input"), 1);
}

}  // namespace
}  // namespace tollgate::telemetry
