#include "tollgate/domain/alerts/retry_schedule.hpp"

#include <gtest/gtest.h>

namespace tollgate::domain::alerts {
namespace {

using namespace std::chrono_literals;

TEST(RetrySchedule, PausesDoubleUpToTheLongestAndEndWithTheAttempts) {
  RetrySchedule schedule(6, 5s);
  for (const auto pause : {1s, 2s, 4s, 5s, 5s}) EXPECT_EQ(schedule.after_failure(503, {}), pause);
  EXPECT_FALSE(schedule.after_failure(503, {}));
}

TEST(RetrySchedule, OneAttemptIsNeverRepeated) {
  RetrySchedule schedule(1, 5min);
  EXPECT_FALSE(schedule.after_failure(0, 1s));
}

TEST(RetrySchedule, AHundredAttemptsStayWithinTheLongestPause) {
  RetrySchedule schedule(100, 24h);
  for (int i = 0; i < 99; ++i) {
    const auto pause = schedule.after_failure(0, {});
    ASSERT_TRUE(pause) << i;
    EXPECT_GE(*pause, 1s) << i;
    EXPECT_LE(*pause, 24h) << i;
  }
  EXPECT_FALSE(schedule.after_failure(0, {}));
}

TEST(RetrySchedule, RetryAfterMakesAPauseLongerNeverShorterAndIsBounded) {
  RetrySchedule schedule(10, 30s);
  EXPECT_EQ(schedule.after_failure(429, 7s), 7s);
  EXPECT_EQ(schedule.after_failure(429, 0s), 2s) << "its own pause has grown meanwhile";
  EXPECT_EQ(schedule.after_failure(429, 24h), 30s);
  EXPECT_EQ(schedule.after_failure(503, {}), 8s);
}

TEST(RetrySchedule, ALongestPauseBelowTheFirstHolds) {
  RetrySchedule schedule(3, 20ms);
  EXPECT_EQ(schedule.after_failure(500, {}), 20ms);
  EXPECT_EQ(schedule.after_failure(500, 1h), 20ms);
}

TEST(RetrySchedule, GoneIsAnAnswerForGood) {
  RetrySchedule schedule(5, 5min);
  EXPECT_TRUE(schedule.after_failure(404, {})) << "a proxy in the middle of a deployment";
  EXPECT_FALSE(schedule.after_failure(410, 1s));
}

}  // namespace
}  // namespace tollgate::domain::alerts
