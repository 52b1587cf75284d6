#include "tollgate/base/mpsc_queue.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace tollgate::base {
namespace {

/// On the heap: g++ 12's address sanitizer does not align a stack frame to a cache line.
template <class T>
std::unique_ptr<MpscQueue<T>> make_queue(std::size_t capacity) {
  return std::make_unique<MpscQueue<T>>(capacity);
}

TEST(MpscQueue, CapacityIsAPowerOfTwoAtLeastTheWish) {
  EXPECT_EQ(make_queue<int>(0)->capacity(), 2u);
  EXPECT_EQ(make_queue<int>(2)->capacity(), 2u);
  EXPECT_EQ(make_queue<int>(3)->capacity(), 4u);
  EXPECT_EQ(make_queue<int>(1'000)->capacity(), 1'024u);
}

TEST(MpscQueue, IsFifoAndBoundedOverManyRounds) {
  const auto owned = make_queue<int>(4);
  auto& queue = *owned;
  int out = -1;
  EXPECT_FALSE(queue.try_pop(out));
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue.try_push(round * 10 + i));
    EXPECT_EQ(queue.size(), 4u);
    EXPECT_FALSE(queue.try_push(99)) << "full";
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE(queue.try_pop(out));
      EXPECT_EQ(out, round * 10 + i);
    }
    EXPECT_FALSE(queue.try_pop(out));
    EXPECT_EQ(queue.size(), 0u);
  }
}

TEST(MpscQueue, ARefusedValueIsStillTheCallers) {
  const auto owned = make_queue<std::unique_ptr<int>>(2);
  auto& queue = *owned;
  EXPECT_TRUE(queue.try_push(std::make_unique<int>(1)));
  EXPECT_TRUE(queue.try_push(std::make_unique<int>(2)));
  auto kept = std::make_unique<int>(3);
  EXPECT_FALSE(queue.try_push(std::move(kept)));
  ASSERT_TRUE(kept);
  EXPECT_EQ(*kept, 3);
}

TEST(MpscQueue, APoppedCellHoldsNothingBack) {
  const auto owned = make_queue<std::shared_ptr<int>>(2);
  auto& queue = *owned;
  auto value = std::make_shared<int>(1);
  EXPECT_TRUE(queue.try_push(std::shared_ptr<int>(value)));
  std::shared_ptr<int> out;
  EXPECT_TRUE(queue.try_pop(out));
  out.reset();
  EXPECT_EQ(value.use_count(), 1);
}

TEST(MpscQueueThreads, NothingIsLostDoubledOrReorderedPerProducer) {
  constexpr int kProducers = 4;
  constexpr int kEach = 20'000;
  const auto owned = make_queue<std::pair<int, int>>(256);
  auto& queue = *owned;
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p)
    producers.emplace_back([&queue, p] {
      for (int i = 0; i < kEach; ++i)
        while (!queue.try_push({p, i})) std::this_thread::yield();
    });
  std::vector<int> next(kProducers, 0);
  std::pair<int, int> item;
  for (int seen = 0; seen < kProducers * kEach;) {
    EXPECT_LE(queue.size(), queue.capacity());
    if (!queue.try_pop(item)) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(item.second, next[static_cast<std::size_t>(item.first)]++);
    ++seen;
  }
  EXPECT_FALSE(queue.try_pop(item));
  for (auto& producer : producers) producer.join();
}

}  // namespace
}  // namespace tollgate::base
