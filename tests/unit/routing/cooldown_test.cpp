#include "tollgate/domain/routing/cooldown.hpp"

#include <gtest/gtest.h>

#include "fixture.hpp"

namespace tollgate::domain::routing {
namespace {

using testing::at;
using testing::milliseconds;
using testing::seconds;

class CooldownStory : public ::testing::Test {
 protected:
  CooldownStory() {
    rules.cooldown = seconds(5);
    rules.cooldown_max = seconds(300);
    rules.cooldown_failures = 3;
  }
  config::Routing rules;
  CooldownTable table;
  CooldownHandle entry = table.resolve("chat/openai/gpt");
};

TEST_F(CooldownStory, FreshDeploymentIsNotCooling) {
  EXPECT_FALSE(entry->active(at(seconds(0))));
  EXPECT_EQ(entry->until(), base::MonoTime::min());
}

TEST_F(CooldownStory, RateLimitCoolsAtOnceForRetryAfter) {
  entry->on_asked_to_wait(rules, milliseconds(1'500), at(seconds(0)));
  EXPECT_TRUE(entry->active(at(milliseconds(1'499))));
  EXPECT_TRUE(entry->asked(at(milliseconds(1'499))));
  EXPECT_FALSE(entry->active(at(milliseconds(1'500))));
}

TEST_F(CooldownStory, RateLimitWithoutRetryAfterCoolsForTheDefault) {
  entry->on_asked_to_wait(rules, std::nullopt, at(seconds(0)));
  EXPECT_TRUE(entry->active(at(milliseconds(4'999))));
  EXPECT_FALSE(entry->active(at(seconds(5))));
}

TEST_F(CooldownStory, RetryAfterIsCapped) {
  entry->on_asked_to_wait(rules, std::chrono::hours(24), at(seconds(0)));
  EXPECT_TRUE(entry->active(at(milliseconds(299'999))));
  EXPECT_FALSE(entry->active(at(seconds(300))));
}

TEST_F(CooldownStory, AShorterWishDoesNotShortenALongerOne) {
  entry->on_asked_to_wait(rules, seconds(60), at(seconds(0)));
  entry->on_asked_to_wait(rules, seconds(1), at(seconds(1)));
  EXPECT_TRUE(entry->active(at(seconds(59))));
}

TEST_F(CooldownStory, FailuresCoolOnlyInARow) {
  entry->on_failure(rules, at(seconds(0)));
  entry->on_failure(rules, at(seconds(0)));
  EXPECT_FALSE(entry->active(at(seconds(0))));
  entry->on_success();
  EXPECT_EQ(entry->failures_in_a_row(), 0u);
  entry->on_failure(rules, at(seconds(1)));
  entry->on_failure(rules, at(seconds(1)));
  EXPECT_FALSE(entry->active(at(seconds(1))));
  entry->on_failure(rules, at(seconds(1)));
  EXPECT_TRUE(entry->active(at(milliseconds(5'999))));
  EXPECT_FALSE(entry->asked(at(milliseconds(5'999)))) << "ours, not the provider's wish";
  EXPECT_FALSE(entry->active(at(seconds(6))));
}

TEST_F(CooldownStory, AfterACooldownOneMoreFailureCoolsAgain) {
  for (int i = 0; i < 3; ++i) entry->on_failure(rules, at(seconds(0)));
  EXPECT_FALSE(entry->active(at(seconds(5))));
  entry->on_failure(rules, at(seconds(5)));
  EXPECT_TRUE(entry->active(at(milliseconds(9'999))));
}

TEST_F(CooldownStory, SuccessEndsACooldownOfFailures) {
  for (int i = 0; i < 3; ++i) entry->on_failure(rules, at(seconds(0)));
  entry->on_success();
  EXPECT_FALSE(entry->active(at(seconds(0))));
}

TEST_F(CooldownStory, ALateSuccessDoesNotUndoWhatTheProviderAskedFor) {
  entry->on_asked_to_wait(rules, seconds(30), at(seconds(0)));
  entry->on_success();
  EXPECT_TRUE(entry->active(at(seconds(29))));
}

TEST_F(CooldownStory, ZeroThresholdMeansTheFirstFailure) {
  rules.cooldown_failures = 0;
  entry->on_failure(rules, at(seconds(0)));
  EXPECT_TRUE(entry->active(at(seconds(1))));
}

TEST_F(CooldownStory, SurvivesAReload) {
  entry->on_asked_to_wait(rules, seconds(30), at(seconds(0)));
  entry.reset();  // the old snapshot is gone
  table.prune(at(seconds(1)));
  EXPECT_TRUE(table.resolve("chat/openai/gpt")->active(at(seconds(2))));
}

TEST_F(CooldownStory, PruneForgetsOnlyWhatNobodyHoldsAndRests) {
  CooldownHandle gone = table.resolve("chat/gone/gpt");
  gone->on_failure(rules, at(seconds(0)));
  gone.reset();
  entry->on_failure(rules, at(seconds(0)));
  table.prune(at(seconds(1)));
  EXPECT_EQ(table.resolve("chat/gone/gpt")->failures_in_a_row(), 0u) << "a new entry";
  EXPECT_EQ(table.resolve("chat/openai/gpt")->failures_in_a_row(), 1u) << "the same entry";
}

TEST_F(CooldownStory, ReportsWhoIsCoolingAndForHowLong) {
  entry->on_asked_to_wait(rules, seconds(30), at(seconds(0)));
  const CooldownHandle other = table.resolve("chat/azure/gpt");
  for (int i = 0; i < 3; ++i) other->on_failure(rules, at(seconds(0)));
  const CooldownHandle healthy = table.resolve("chat/eu/gpt");

  EXPECT_EQ(table.active_count(at(seconds(1))), 2u);
  const auto active = table.active(at(seconds(1)));
  ASSERT_EQ(active.size(), 2u);
  EXPECT_EQ(active[0].deployment_id, "chat/azure/gpt");
  EXPECT_EQ(active[0].remaining, seconds(4));
  EXPECT_FALSE(active[0].asked);
  EXPECT_EQ(active[1].deployment_id, "chat/openai/gpt");
  EXPECT_EQ(active[1].remaining, seconds(29));
  EXPECT_TRUE(active[1].asked);
  EXPECT_EQ(table.active_count(at(seconds(40))), 0u);
}

}  // namespace
}  // namespace tollgate::domain::routing
