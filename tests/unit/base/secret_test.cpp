#include "tollgate/base/secret.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ostream>
#include <type_traits>

namespace tollgate::base {
namespace {

template <class T>
concept Streamable = requires(std::ostream& out, const T& value) {
  out << value;
};

// Compile-time promises: there is no quiet way from a Secret to text.
static_assert(!Streamable<Secret>);
static_assert(Streamable<std::string>);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);
static_assert(!std::is_constructible_v<std::string, Secret>);
static_assert(!std::is_convertible_v<std::string, Secret>);

TEST(Secret, FormatsAsStars) {
  const Secret secret("sk-very-secret");
  EXPECT_EQ(fmt::format("{}", secret), "***");
  EXPECT_EQ(fmt::format("{}", Secret()), "***") << "not even whether it is empty";
  EXPECT_EQ(secret.reveal(), "sk-very-secret");
}

TEST(Secret, ComparesByContent) {
  const Secret secret("abc");
  EXPECT_TRUE(secret.equals("abc"));
  EXPECT_FALSE(secret.equals("abd"));
  EXPECT_FALSE(secret.equals("ab"));
  EXPECT_FALSE(secret.equals(""));
  EXPECT_TRUE(Secret().equals(""));
}

TEST(Secret, MovesLeaveNothingBehind) {
  Secret from(std::string(100, 's'));
  Secret to(std::move(from));
  EXPECT_EQ(to.reveal().size(), 100u);
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  Secret target("old");
  target = std::move(to);
  EXPECT_EQ(target.reveal(), std::string(100, 's'));
  EXPECT_TRUE(to.empty());  // NOLINT(bugprone-use-after-move)
}

TEST(Secret, CopiesAndSelfAssignment) {
  Secret a("abc");
  const Secret b = a;
  EXPECT_TRUE(b.equals("abc"));
  Secret& same = a;
  a = same;
  EXPECT_TRUE(a.equals("abc"));
  a = std::move(same);
  EXPECT_TRUE(a.equals("abc"));
}

TEST(Secret, AssignmentWipesTheOldBytes) {
  Secret secret("0123456789abcdef-0123456789abcdef");  // long enough to live on the heap
  const char* const bytes = secret.reveal().data();
  secret = Secret("new");
  // A short value moves into the object itself; the old buffer must have been cleansed before it
  // was given up or is still owned: read it only in the second case.
  if (secret.reveal().data() == bytes) {
    EXPECT_EQ(secret.reveal(), "new");
  }
  EXPECT_TRUE(secret.equals("new"));
}

}  // namespace
}  // namespace tollgate::base
