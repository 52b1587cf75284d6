#include "tollgate/base/kept_list.hpp"

#include <gtest/gtest.h>

#include <span>
#include <string>

namespace tollgate::base {
namespace {

struct Item {
  std::string text;
  void clear() { text.clear(); }
  bool operator==(const Item&) const = default;
};

TEST(KeptList, ClearedElementsComeBackEmptyWithTheirMemory) {
  KeptList<Item> list;
  EXPECT_TRUE(list.empty());
  list.emplace_back().text = std::string(100, 'a');
  list.push_back({"b"});
  EXPECT_EQ(list.size(), 2u);
  const char* const memory = list[0].text.data();
  list.clear();
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.begin(), list.end());
  EXPECT_EQ(list, KeptList<Item>());
  Item& again = list.emplace_back();
  EXPECT_EQ(again, Item());
  again.text = "short";
  EXPECT_EQ(again.text.data(), memory);
  EXPECT_EQ(list.size(), 1u);
}

TEST(KeptList, EqualityAndViewsAreOfTheElementsOnly) {
  KeptList<Item> one, two;
  one = {{"a"}, {"b"}};
  two = {{"a"}, {"c"}};
  EXPECT_FALSE(one == two);
  one.resize(1);
  two.resize(1);
  EXPECT_EQ(one, two);
  const std::span<const Item> view = one;
  ASSERT_EQ(view.size(), 1u);
  EXPECT_EQ(view[0].text, "a");
  one.resize(2);
  EXPECT_EQ(one[1], Item()) << "not the one that was there";
}

}  // namespace
}  // namespace tollgate::base
