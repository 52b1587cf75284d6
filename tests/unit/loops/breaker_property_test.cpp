#include <map>
#include <memory>
#include <random>
#include <vector>

#include "domain/loops/stop_list.hpp"
#include "domain/loops/table.hpp"
#include "domain/loops/window_count.hpp"
#include "support/property_seeds.hpp"
#include "unit/loops/breaker_fixture.hpp"

namespace tollgate::domain::loops::test {
namespace {

base::MonoTime at(std::int64_t ms) {
  return base::MonoTime(std::chrono::hours(1) + std::chrono::milliseconds(ms));
}

TEST(WindowCountProperty, CountsWithinAnEighthOfTheWindow) {
  for (std::uint64_t seed = 0; seed < tollgate::test::property_seeds(100); ++seed) {
    std::mt19937_64 rng(seed);
    WindowCount count;
    std::vector<std::int64_t> times;
    std::int64_t now = 0;
    constexpr std::int64_t kWindow = 8'000;
    for (int i = 0; i < 500; ++i) {
      now += static_cast<std::int64_t>(rng() % (rng() % 50 == 0 ? 20'000 : 200));
      times.push_back(now);
      const std::uint32_t counted = count.add(at(now), std::chrono::milliseconds(kWindow));
      const auto within = [&](std::int64_t window) {
        return std::count_if(times.begin(), times.end(),
                             [&](std::int64_t t) { return t > now - window; });
      };
      ASSERT_LE(counted, within(kWindow)) << "seed " << seed << " call " << i;
      ASSERT_GE(counted, within(kWindow * 7 / 8)) << "seed " << seed << " call " << i;
    }
  }
}

// Readings of two threads come out of order, and a window is configured anew.
TEST(WindowCountProperty, NoTimeAndNoWindowBreaksIt) {
  std::mt19937_64 rng(1);
  WindowCount count;
  std::uint32_t calls = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto window = std::chrono::milliseconds(1'000 << (rng() % 8));
    const std::uint32_t counted =
        count.add(at(static_cast<std::int64_t>(rng() % 100'000'000) - 50'000'000), window);
    ++calls;
    ASSERT_GE(counted, 1u);
    ASSERT_LE(counted, calls);
  }
}

TEST(TableProperty, KeepsWhatIsUsedThroughAFloodAndCountsWhatGaveWay) {
  struct Entry {
    std::uint64_t value;
  };
  // On the heap: the address sanitizer's own stack is aligned to less than a cache line.
  const auto made = std::make_unique<Table<Entry>>(1'024);
  Table<Entry>& table = *made;
  std::mt19937_64 rng(2);
  std::vector<std::uint64_t> flood;
  for (int i = 0; i < 200'000; ++i) {
    // The one in use comes between, more often than its set fills.
    table.with(42, at(i * 1'000), [&](Entry& entry, bool is_new) {
      EXPECT_EQ(is_new, i == 0);
      ++entry.value;
    });
    flood.push_back(rng() | 1ull << 63);
    table.with(flood.back(), at(i * 1'000 + 1), [](Entry& entry, bool) { entry.value = 7; });
  }
  std::uint64_t value = 0;
  table.with_known(42, [&](Entry& entry) { value = entry.value; });
  EXPECT_EQ(value, 200'000u);
  EXPECT_GT(table.evicted(), 0u);
  std::size_t known = 0;
  for (const std::uint64_t hash : flood) table.with_known(hash, [&](Entry&) { ++known; });
  EXPECT_EQ(known, 1'023u) << "with the one in use, as many as were asked for";
}

TEST_F(BreakerTest, AFloodOfKeysAndTracesNeitherGrowsNorStopsAnybody) {
  config::LoopMemory memory;
  memory.entries = 1'024;
  memory.traces = 1'024;
  memory.keys = 64;
  memory.stops = 16;
  LoopBreaker small(memory);
  std::mt19937_64 rng(3);
  for (int i = 0; i < 100'000; ++i) {
    key = "k" + std::to_string(rng() % 50'000);
    const std::string trace = "t" + std::to_string(rng());
    const Verdict verdict =
        small.on_call(call(rng(), rng() % 2 * rng(), trace), rules, clock.mono());
    ASSERT_EQ(verdict.decision, Decision::proceed) << verdict.evidence;
    small.on_outcome(verdict.ticket, rng() % 4 == 0, clock.mono());
    clock.advance(1ms);
  }
  EXPECT_GT(small.counters(clock.mono()).evicted, 0u);
  // Who runs in circles amid the flood is still found.
  key = "stuck";
  int sent = 0;
  for (; sent < 50; ++sent) {
    const Verdict verdict = small.on_call(call(1, 9), rules, clock.mono());
    if (verdict.decision == Decision::stop) break;
    const std::string name = key;
    for (int i = 0; i < 50; ++i) {
      key = "k" + std::to_string(rng());
      (void)small.on_call(call(rng(), rng()), rules, clock.mono());
    }
    key = name;
    clock.advance(100ms);
  }
  EXPECT_EQ(sent, 5);
}

TEST_F(BreakerTest, StopsAreBoundedAndTheOneThatEndsFirstGivesWay) {
  config::LoopMemory memory;
  memory.stops = 16;
  LoopBreaker small(memory);
  for (std::uint64_t i = 1; i <= 100; ++i) {
    for (int n = 0; n < 6; ++n) (void)small.on_call(call(i, i), rules, clock.mono());
    clock.advance(1ms);
  }
  const auto stops = small.stops(clock.mono());
  EXPECT_EQ(stops.size(), 16u);
  EXPECT_EQ(small.counters(clock.mono()).evicted_stops, 84u);
  EXPECT_EQ(small.on_call(call(1, 100), rules, clock.mono()).decision, Decision::stop);
  EXPECT_EQ(small.on_call(call(1, 1), rules, clock.mono()).decision, Decision::proceed);
}

// Whoever adds: a stop is lost only to a key that has no more of them than the one that loses it.
TEST(StopListProperty, NoKeyPushesOutTheStopsOfOneThatHasFewer) {
  const auto held = [](const std::vector<Stop>& stops) {
    std::map<std::string, std::size_t> count;
    for (const Stop& stop : stops) ++count[stop.key_id];
    return count;
  };
  for (std::uint64_t seed = 0; seed < tollgate::test::property_seeds(10); ++seed) {
    std::mt19937_64 rng(seed);
    const std::uint32_t most = 16 + static_cast<std::uint32_t>(rng() % 150);
    StopList list(most);
    std::int64_t now = 0;
    std::uint64_t evicted = 0;
    for (int i = 0; i < 300; ++i) {
      now += static_cast<std::int64_t>(rng() % 5);
      const auto before = list.all(at(now));
      auto count = held(before);
      Stop stop;
      // Half of them one key's.
      stop.key_id = "k" + std::to_string(rng() % 2 * (rng() % 40));
      stop.until = at(now + static_cast<std::int64_t>(100 + rng() % 2'000));
      const std::string key = stop.key_id;
      const auto added =
          list.add(rng(), std::move(stop), at(now), [](const Stop&) { return true; });
      const auto after = list.all(at(now));
      ASSERT_EQ(after.front().id, added.stop.id) << "seed " << seed;
      ASSERT_LE(after.size(), most);
      ASSERT_LE(held(after).at(key), kMostStopsPerKey);
      ASSERT_EQ(list.size(), after.size());
      ASSERT_GE(after.size(), before.size());
      if (after.size() > before.size()) continue;
      ++evicted;
      const auto left = held(after);
      for (const auto& [name, stops] : count) {
        const auto found = left.find(name);
        const std::size_t has = found == left.end() ? 0 : found->second;
        if (name != key && has < stops) {
          ASSERT_GE(stops, count[key] + 1) << "seed " << seed;
        }
      }
    }
    ASSERT_EQ(list.evicted(), evicted);
    list.lift(at(now), [](const Stop& stop) { return stop.key_id == "k0"; });
    ASSERT_FALSE(held(list.all(at(now))).contains("k0"));
    ASSERT_EQ(list.count(at(now)), list.size());
    ASSERT_EQ(list.count(at(now + 5'000)), 0u);
  }
}

// Whatever is thrown at it meanwhile, a stop holds until its time and not a millisecond longer.
TEST_F(BreakerTest, PropertyAStopAlwaysEnds) {
  for (std::uint64_t seed = 0; seed < tollgate::test::property_seeds(50); ++seed) {
    std::mt19937_64 rng(seed);
    LoopBreaker one(config::LoopMemory{});
    rules.stop_for = std::chrono::milliseconds(1'000 + rng() % 100'000);
    Verdict stop;
    while (stop.decision != Decision::stop) stop = one.on_call(call(1, 9), rules, clock.mono());
    const base::MonoTime end = clock.mono() + rules.stop_for;
    while (clock.mono() < end) {
      const auto next = std::min(std::chrono::nanoseconds(1 + rng() % 2'000'000'000),
                                 std::chrono::nanoseconds(end - clock.mono()));
      // Readings a little behind, as of another thread.
      const base::MonoTime seen = clock.mono() - std::chrono::microseconds(rng() % 500);
      ASSERT_EQ(one.on_call(call(1 + rng() % 3, 9), rules, seen).decision, Decision::stop)
          << "seed " << seed;
      one.on_outcome(stop.ticket, rng() % 2 == 0, seen);
      clock.set_wall(base::WallTime(std::chrono::hours(rng() % 500'000)));  // nobody asks it
      clock.advance(next);
    }
    ASSERT_EQ(one.on_call(call(1, 9), rules, clock.mono()).decision, Decision::proceed)
        << "seed " << seed;
  }
}

TEST_F(BreakerTest, PropertyRandomCallsAreNeverStopped) {
  for (std::uint64_t seed = 0; seed < tollgate::test::property_seeds(20); ++seed) {
    std::mt19937_64 rng(seed);
    LoopBreaker one(config::LoopMemory{});
    const config::LoopBreaker shipped;
    for (int i = 0; i < 3'000; ++i) {
      Call next = call(rng(), rng() % 3, rng() % 2 == 0 ? "t" : "");
      next.fingerprint.kind = static_cast<CallKind>(rng() % 4);
      next.depth = static_cast<std::uint32_t>(rng() % 8);
      const Verdict verdict = one.on_call(next, shipped, clock.mono());
      ASSERT_EQ(verdict.decision, Decision::proceed) << "seed " << seed << verdict.evidence;
      one.on_outcome(verdict.ticket, rng() % 2 == 0, clock.mono());
      clock.advance(std::chrono::milliseconds(rng() % 2'000));
    }
  }
}

}  // namespace
}  // namespace tollgate::domain::loops::test
