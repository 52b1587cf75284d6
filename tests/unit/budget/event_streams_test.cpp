// How many event streams of a server a key has open: exact whatever ends them, and over threads.
#include "tollgate/domain/budget/event_streams.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace tollgate::domain::budget {
namespace {

using Place = EventStreams::Place;

TEST(EventStreams, OneBeyondTheLimitFindsNoPlaceUntilOneEnds) {
  EventStreams streams;
  Place first = streams.enter("k", "tools", 2);
  Place second = streams.enter("k", "tools", 2);
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(streams.enter("k", "tools", 2));
  EXPECT_EQ(streams.open(), 2u) << "the refused one is not counted";
  first.release();
  first.release();
  EXPECT_FALSE(first);
  EXPECT_EQ(streams.open(), 1u) << "released once";
  const Place third = streams.enter("k", "tools", 2);
  EXPECT_TRUE(third);
  EXPECT_FALSE(streams.enter("k", "tools", 2));
}

TEST(EventStreams, KeysAndServersDoNotShareTheirPlaces) {
  EventStreams streams;
  const Place first = streams.enter("k", "tools", 1);
  const Place other_key = streams.enter("l", "tools", 1);
  const Place other_server = streams.enter("k", "files", 1);
  EXPECT_TRUE(first && other_key && other_server);
  const Place joined = streams.enter("kt", "ools", 1);
  EXPECT_TRUE(joined) << "a pair, not one text";
  for (const char* key : {"k", "l"}) EXPECT_FALSE(streams.enter(key, "tools", 1)) << key;
  EXPECT_EQ(streams.open(), 4u);
}

TEST(EventStreams, TheLimitOfTheMomentCounts) {
  EventStreams streams;
  std::vector<Place> open;
  for (int i = 0; i < 3; ++i) open.push_back(streams.enter("k", "tools", 3));
  EXPECT_FALSE(streams.enter("k", "tools", 2)) << "lowered below what is open";
  open.pop_back();
  EXPECT_FALSE(streams.enter("k", "tools", 2));
  open.pop_back();
  EXPECT_TRUE(streams.enter("k", "tools", 2));
  EXPECT_EQ(streams.open(), 1u);
}

TEST(EventStreams, APlaceThatIsMovedIsCountedOnce) {
  EventStreams streams;
  Place held;
  {
    Place made = streams.enter("k", "tools", 1);
    held = std::move(made);
    EXPECT_EQ(streams.open(), 1u);
  }
  EXPECT_EQ(streams.open(), 1u) << "what it was moved from holds nothing";
  Place constructed(std::move(held));
  EXPECT_EQ(streams.open(), 1u);
  constructed = streams.enter("l", "tools", 1);
  EXPECT_EQ(streams.open(), 1u) << "the one it stood for ended";
  EXPECT_TRUE(streams.enter("k", "tools", 1));
  Place& itself = constructed;
  constructed = std::move(itself);
  EXPECT_EQ(streams.open(), 1u);
  constructed = {};
  EXPECT_EQ(streams.open(), 0u);
}

TEST(EventStreams, NeverMoreThanTheLimitOverThreads) {
  constexpr int kThreads = 4, kLimit = 3;
  EventStreams streams;
  std::atomic<int> open{0}, most{0}, granted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5'000; ++i) {
        Place place = streams.enter("k", "tools", kLimit);
        if (!place) continue;
        ++granted;
        const int now = ++open;
        int seen = most.load();
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        --open;  // before the place is free, so that `open` is never above what is counted
        place.release();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most.load(), kLimit);
  EXPECT_GT(granted.load(), 0);
  EXPECT_EQ(streams.open(), 0u);
}

}  // namespace
}  // namespace tollgate::domain::budget
