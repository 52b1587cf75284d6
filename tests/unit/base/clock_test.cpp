#include "tollgate/base/clock.hpp"

#include <gtest/gtest.h>

namespace tollgate::base {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
constexpr MonoTime kNow{std::chrono::hours(1)};

TEST(Deadline, PassesAtItsInstant) {
  const Deadline deadline = Deadline::after(kNow, seconds(5));
  EXPECT_FALSE(deadline.passed(kNow + seconds(5) - nanoseconds(1)));
  EXPECT_TRUE(deadline.passed(kNow + seconds(5)));
}

TEST(Deadline, ZeroAndLessMeanNever) {
  EXPECT_EQ(Deadline::after(kNow, seconds(0)).at(), Deadline::never().at());
  EXPECT_EQ(Deadline::after(kNow, seconds(-1)).at(), Deadline::never().at());
  EXPECT_FALSE(Deadline::never().passed(MonoTime::max() - nanoseconds(1)));
}

TEST(Deadline, SaturatesInsteadOfWrapping) {
  EXPECT_EQ(Deadline::after(kNow, nanoseconds::max()).at(), Deadline::never().at());
}

TEST(Deadline, TheEarlierOfTwo) {
  const Deadline a = Deadline::after(kNow, seconds(1)), b = Deadline::after(kNow, seconds(2));
  EXPECT_EQ(a.earlier(b).at(), a.at());
  EXPECT_EQ(b.earlier(a).at(), a.at());
  EXPECT_EQ(Deadline::never().earlier(a).at(), a.at());
  EXPECT_EQ(a.earlier(Deadline::never()).at(), a.at());
}

}  // namespace
}  // namespace tollgate::base
