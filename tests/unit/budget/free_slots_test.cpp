#include "domain/budget/free_slots.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace tollgate::domain::budget {
namespace {

TEST(FreeSlots, TheLowestFirst) {
  FreeSlots free;
  EXPECT_TRUE(free.empty());
  free.grow(256);
  EXPECT_EQ(free.size(), 256u);
  EXPECT_EQ(free.take(), 0u);
  EXPECT_EQ(free.take(), 1u);
  EXPECT_EQ(free.take(), 2u);
  free.put(1);
  EXPECT_EQ(free.take(), 1u);
  EXPECT_EQ(free.take(), 3u);
}

// Against a plain set, through several groups of 4,096.
TEST(FreeSlots, AsASetDoesIt) {
  std::mt19937_64 random(7);
  FreeSlots free;
  std::set<std::uint32_t> model;
  std::vector<std::uint32_t> taken;
  std::uint32_t all = 0;
  for (int step = 0; step < 60'000; ++step) {
    const auto way = random() % 10;
    if (model.empty() || (way == 0 && all < 20'000)) {
      free.grow(256);
      for (int i = 0; i < 256; ++i) model.insert(all++);
    } else if (way < 6) {
      const std::uint32_t slot = free.take();
      ASSERT_EQ(slot, *model.begin());
      model.erase(slot);
      taken.push_back(slot);
    } else if (!taken.empty()) {
      std::swap(taken[random() % taken.size()], taken.back());
      free.put(taken.back());
      model.insert(taken.back());
      taken.pop_back();
    }
    ASSERT_EQ(free.size(), model.size());
  }
  EXPECT_GT(all, 8'192u);
}

}  // namespace
}  // namespace tollgate::domain::budget
