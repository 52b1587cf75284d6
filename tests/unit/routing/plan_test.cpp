#include "tollgate/domain/routing/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixture.hpp"

namespace tollgate::domain::routing {
namespace {

using testing::at;
using ::testing::ElementsAre;
using testing::milliseconds;
using testing::names;
using testing::seconds;
using ::testing::UnorderedElementsAre;
using testing::World;

std::vector<std::string> skipped(const RoutePlan& plan) {
  std::vector<std::string> out;
  for (const Skipped& s : plan.skipped)
    out.push_back(s.target->provider->name + ":" + std::string(to_string(s.reason)));
  return out;
}

TEST(Plan, LowerPriorityComesFirst) {
  World world({{"third", 9}, {"first", 0}, {"second", 5}});
  EXPECT_THAT(names(world.plan_at(at(seconds(0)))), ElementsAre("first", "second", "third"));
}

TEST(Plan, EveryDeploymentAppearsOnceWhateverTheDraw) {
  World world({{"a", 0, 1}, {"b", 0, 50}, {"c", 0, 3}, {"d", 1, 1}});
  for (int i = 0; i < 200; ++i) {
    const auto order = names(world.plan_at(at(seconds(0))));
    EXPECT_THAT(order, UnorderedElementsAre("a", "b", "c", "d"));
    EXPECT_EQ(order.back(), "d");
  }
}

TEST(Plan, FirstChoiceFollowsTheWeights) {
  World world({{"a", 0, 1}, {"b", 0, 3}, {"c", 0, 6}});
  constexpr int kDraws = 20'000;
  std::map<std::string, int> first, second_after_c;
  int c_first = 0;
  for (int i = 0; i < kDraws; ++i) {
    const auto order = names(world.plan_at(at(seconds(0))));
    ++first[order[0]];
    if (order[0] == "c") {
      ++c_first;
      ++second_after_c[order[1]];
    }
  }
  // Four standard deviations of a binomial with n = 20,000 are below 0.015.
  EXPECT_NEAR(first["a"] / double{kDraws}, 0.1, 0.015);
  EXPECT_NEAR(first["b"] / double{kDraws}, 0.3, 0.015);
  EXPECT_NEAR(first["c"] / double{kDraws}, 0.6, 0.015);
  // Among the rest the weights go on to count: 1 to 3.
  EXPECT_NEAR(second_after_c["b"] / double(c_first), 0.75, 0.02);
}

TEST(Plan, SameSeedSameOrder) {
  World one({{"a"}, {"b"}, {"c"}}), two({{"a"}, {"b"}, {"c"}});
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(names(one.plan_at(at(seconds(0)))), names(two.plan_at(at(seconds(0)))));
}

TEST(Plan, WeightZeroIsNotChosenBesideAWeight) {
  World world({{"drained", 0, 0}, {"a", 0, 1}, {"b", 1, 1}});
  const RoutePlan plan = world.plan_at(at(seconds(0)));
  EXPECT_THAT(names(plan), ElementsAre("a", "b"));
  EXPECT_THAT(skipped(plan), ElementsAre("drained:zero_weight"));
}

TEST(Plan, WeightZeroIsChosenWhenAlone) {
  World world({{"drained", 0, 0}, {"a", 0, 1}, {"spare", 1, 0}, {"spare2", 1, 0}});
  world.cooldown("a")->on_asked_to_wait(world.rules, seconds(9), at(seconds(0)));
  const RoutePlan plan = world.plan_at(at(seconds(1)));
  EXPECT_EQ(names(plan)[0], "drained");
  EXPECT_THAT(names(plan), UnorderedElementsAre("drained", "spare", "spare2"));
}

void fail(World& world, const std::string& provider, base::MonoTime now) {
  for (int i = 0; i < 3; ++i) world.cooldown(provider)->on_failure(world.rules, now);
}

TEST(Plan, WhoseProviderAskedForPeaceIsLeftOutWithTheReasonAndTheRest) {
  World world({{"limited", 0}, {"fine", 1}});
  world.cooldown("limited")->on_asked_to_wait(world.rules, seconds(2), at(seconds(0)));
  fail(world, "limited", at(seconds(0)));
  const RoutePlan plan = world.plan_at(at(milliseconds(500)));
  EXPECT_THAT(names(plan), ElementsAre("fine"));
  EXPECT_THAT(skipped(plan), ElementsAre("limited:cooling_asked"));
  EXPECT_EQ(plan.skipped[0].remaining, milliseconds(1'500)) << "not the rest of our own count";
  EXPECT_THAT(names(world.plan_at(at(seconds(3)))), ElementsAre("fine", "limited"));
  EXPECT_THAT(names(world.plan_at(at(seconds(20)))), ElementsAre("limited", "fine"));
}

TEST(Plan, FailuresPutADeploymentBehindTheOthersButNeverOut) {
  World world({{"a", 0}, {"b", 1}, {"c", 2}});
  fail(world, "a", at(seconds(1)));
  EXPECT_THAT(names(world.plan_at(at(seconds(1)))), ElementsAre("b", "c", "a"));
  fail(world, "b", at(seconds(0)));
  EXPECT_THAT(names(world.plan_at(at(seconds(1)))), ElementsAre("c", "b", "a"));
  fail(world, "c", at(seconds(1)));
  EXPECT_THAT(names(world.plan_at(at(seconds(1)))), ElementsAre("b", "a", "c"))
      << "the shortest rest first, then by priority";
  EXPECT_THAT(names(world.plan_at(at(seconds(20)))), ElementsAre("a", "b", "c"));
  World lone({{"only"}});
  fail(lone, "only", at(seconds(0)));
  EXPECT_THAT(names(lone.plan_at(at(seconds(0)))), ElementsAre("only"));
}

TEST(Plan, WeightZeroStaysOutBesideAWeightThatCools) {
  World world({{"drained", 0, 0}, {"a", 0, 1}, {"spare", 1, 0}});
  for (const char* name : {"drained", "a", "spare"}) fail(world, name, at(seconds(0)));
  const RoutePlan plan = world.plan_at(at(seconds(1)));
  EXPECT_THAT(names(plan), ElementsAre("a", "spare"));
  EXPECT_THAT(skipped(plan), ElementsAre("drained:zero_weight"));
}

TEST(Plan, OnlyProvidersTheKeyMayUse) {
  World world({{"a"}, {"b"}});
  const auto only_b = [](const config::Provider& p) { return p.name == "b"; };
  const RoutableAlias alias = world.routable();
  const RoutePlan result = plan(alias, Dialect::openai, only_b, world.rng, at(seconds(0)));
  EXPECT_THAT(names(result), ElementsAre("b"));
  EXPECT_THAT(skipped(result), ElementsAre("a:provider_not_allowed"));
}

TEST(Plan, OnlyProvidersThatSpeakTheDialect) {
  World world({{"openai", 0, 1, config::ProviderKind::openai},
               {"compatible", 1, 1, config::ProviderKind::openai_compatible},
               {"anthropic", 2, 1, config::ProviderKind::anthropic},
               {"demo", 3, 1, config::ProviderKind::demo}});
  EXPECT_THAT(names(world.plan_at(at(seconds(0)), Dialect::openai)),
              ElementsAre("openai", "compatible", "demo"));
  EXPECT_THAT(names(world.plan_at(at(seconds(0)), Dialect::anthropic)),
              ElementsAre("anthropic", "demo"));
}

TEST(Plan, ReusedPlanForgetsTheLastCall) {
  World world({{"a"}, {"b", 0, 0}});
  const RoutableAlias alias = world.routable();
  RoutePlan reused;
  const auto any = [](const config::Provider&) { return true; };
  for (int i = 0; i < 3; ++i)
    make_plan(alias, Dialect::openai, any, world.rng, at(seconds(0)), reused);
  EXPECT_EQ(reused.candidates.size(), 1u);
  EXPECT_EQ(reused.skipped.size(), 1u);
}

TEST(Plan, UnknownProvidersAreLeftOut) {
  config::ModelAlias alias;
  alias.deployments.emplace_back().provider = "nobody";
  CooldownTable cooldowns;
  EXPECT_TRUE(RoutableAlias(alias, {}, cooldowns).deployments().empty());
}

TEST(EmptyPlan, SaysWhatIsNearestToWorking) {
  using base::ErrorCode;
  {
    World world({{"a"}, {"b"}});
    world.cooldown("a")->on_asked_to_wait(world.rules, seconds(30), at(seconds(0)));
    world.cooldown("b")->on_asked_to_wait(world.rules, milliseconds(7'100), at(seconds(0)));
    const base::Error error = empty_plan_error(world.plan_at(at(seconds(0))));
    EXPECT_EQ(error.code(), ErrorCode::upstream_rate_limited);
    EXPECT_EQ(error.retry_after_s(), 8) << "the smallest, rounded up";
    EXPECT_EQ(error.side(), base::Side::upstream);
  }
  {
    World world({{"a", 0, 1, config::ProviderKind::anthropic}});
    const base::Error error = empty_plan_error(world.plan_at(at(seconds(0))));
    EXPECT_EQ(error.code(), ErrorCode::not_supported);
    EXPECT_EQ(error.param(), "model");
  }
  {
    World world({{"a"}});
    const RoutableAlias alias = world.routable();
    const auto none = [](const config::Provider&) { return false; };
    const RoutePlan result = plan(alias, Dialect::openai, none, world.rng, at(seconds(0)));
    EXPECT_EQ(empty_plan_error(result).code(), ErrorCode::permission_denied);
  }
  EXPECT_EQ(empty_plan_error(RoutePlan()).code(), ErrorCode::no_deployment);
}

TEST(SkipReason, NamesAreStable) {
  EXPECT_EQ(to_string(SkipReason::none), "none");
  EXPECT_EQ(to_string(SkipReason::unpriced), "unpriced");
}

TEST(Plan, ReadmitsBehindTheOthersWhoseCooldownEndedDuringAWait) {
  World world({{"first", 0},
               {"second", 1},
               {"drained", 2, 0},
               {"third", 3},
               {"other", 4, 1, config::ProviderKind::anthropic}});
  world.cooldown("first")->on_asked_to_wait(world.rules, seconds(2), at(seconds(0)));
  world.cooldown("drained")->on_asked_to_wait(world.rules, seconds(2), at(seconds(0)));
  world.cooldown("third")->on_asked_to_wait(world.rules, seconds(9), at(seconds(0)));
  RoutePlan plan = world.plan_at(at(seconds(1)));
  ASSERT_THAT(names(plan), ElementsAre("second"));
  readmit(plan, at(milliseconds(1'999)));
  EXPECT_THAT(names(plan), ElementsAre("second"));
  readmit(plan, at(seconds(2)));
  EXPECT_THAT(names(plan), ElementsAre("second", "first"));
  EXPECT_THAT(skipped(plan), UnorderedElementsAre("drained:cooling_asked", "third:cooling_asked",
                                                  "other:dialect"));
  readmit(plan, at(seconds(2)));
  EXPECT_THAT(names(plan), ElementsAre("second", "first")) << "once";
}

}  // namespace
}  // namespace tollgate::domain::routing
