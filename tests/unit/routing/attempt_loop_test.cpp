#include "tollgate/domain/routing/attempt_loop.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixture.hpp"

namespace tollgate::domain::routing {
namespace {

using base::ErrorCode;
using testing::at;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::milliseconds;
using ::testing::Not;
using testing::seconds;
using testing::World;
using Step = AttemptLoop::Step;

AttemptOutcome failed(FailureKind kind) {
  return AttemptOutcome::failure(kind);
}
AttemptOutcome answered(int status) {
  return AttemptOutcome::status(status);
}

/// One call through the loop, told as a story.
class Call {
 public:
  explicit Call(World& world, base::Deadline deadline = base::Deadline::never(),
                Repeat repeat = Repeat::safe, base::MonoTime start = at(seconds(0)),
                HealthCheck health = HealthCheck::counted)
      : now(start),
        plan(world.plan_at(start)),
        loop(plan, world.rules, world.budget, world.rng, deadline, repeat, health) {}

  /// Waits as long as the loop wants, then says whom it calls; "" when it gives up.
  std::string next() {
    for (;;) {
      const Step step = loop.next(now);
      if (step == Step::give_up) return "";
      if (step == Step::attempt) return plan.candidates[loop.candidate()].target->provider->name;
      EXPECT_GT(loop.wait_until(), now);
      waited += loop.wait_until() - now;
      now = loop.wait_until();
    }
  }
  Verdict ends(const AttemptOutcome& outcome, bool committed = false) {
    return loop.on_outcome(outcome, committed, now);
  }

  base::MonoTime now;
  RoutePlan plan;
  AttemptLoop loop;
  std::chrono::nanoseconds waited{0};
};

TEST(AttemptLoop, AnAnswerAtOnceIsTheWholeStory) {
  World world({{"primary", 0}, {"secondary", 1}});
  Call call(world);
  EXPECT_EQ(call.next(), "primary");
  EXPECT_EQ(call.ends(answered(200)), Verdict::final);
  EXPECT_EQ(call.loop.attempts(), 1u);
  EXPECT_EQ(call.loop.summary(), "primary: 200");
}

TEST(AttemptLoop, ADeadPrimaryCostsOneAttemptAndNoWait) {
  for (const AttemptOutcome& how :
       {failed(FailureKind::connect), failed(FailureKind::dns), failed(FailureKind::tls),
        failed(FailureKind::reset), failed(FailureKind::first_byte_timeout),
        failed(FailureKind::cut), failed(FailureKind::idle_timeout), failed(FailureKind::invalid),
        answered(503), answered(429), answered(500), answered(529), answered(408)}) {
    SCOPED_TRACE(how.text());
    World world({{"primary", 0}, {"secondary", 1}});
    Call call(world);
    EXPECT_EQ(call.next(), "primary");
    EXPECT_NE(call.ends(how), Verdict::final);
    EXPECT_EQ(call.next(), "secondary");
    EXPECT_EQ(call.ends(answered(200)), Verdict::final);
    EXPECT_EQ(call.waited.count(), 0);
    EXPECT_EQ(call.loop.attempts(), 2u);
    EXPECT_EQ(world.budget.retries(call.now), 0u) << "failover is not a retry";
  }
}

TEST(AttemptLoop, AWrongRequestIsNotTriedElsewhere) {
  World world({{"primary", 0}, {"secondary", 1}});
  Call call(world);
  EXPECT_EQ(call.next(), "primary");
  EXPECT_EQ(call.ends(answered(400)), Verdict::final);
}

TEST(AttemptLoop, AfterTheFirstByteNothingFollows) {
  World world({{"primary", 0}, {"secondary", 1}});
  Call call(world);
  EXPECT_EQ(call.next(), "primary");
  EXPECT_EQ(call.ends(failed(FailureKind::cut), true), Verdict::final);
  EXPECT_EQ(call.loop.error().code(), ErrorCode::upstream_cut);
}

TEST(AttemptLoop, ALonelyDeploymentIsRetriedAfterAJitteredWait) {
  World world({{"only"}});
  world.rules.backoff_base = milliseconds(100);
  Call call(world);
  EXPECT_EQ(call.next(), "only");
  EXPECT_EQ(call.ends(answered(503)), Verdict::retry_same);
  EXPECT_EQ(call.next(), "only");
  EXPECT_GT(call.waited.count(), 0);
  EXPECT_LE(call.waited, milliseconds(100));
  EXPECT_EQ(call.ends(answered(503)), Verdict::retry_same);
  EXPECT_EQ(call.next(), "") << "retries_per_deployment is 1";
  EXPECT_EQ(call.loop.error().code(), ErrorCode::upstream_failed);
  EXPECT_EQ(world.budget.retries(call.now), 1u);
}

TEST(AttemptLoop, RetriesComeAfterEveryOtherDeployment) {
  World world({{"a", 0}, {"b", 1}});
  Call call(world);
  EXPECT_EQ(call.next(), "a");
  call.ends(answered(500));
  EXPECT_EQ(call.next(), "b");
  call.ends(answered(500));
  EXPECT_EQ(call.next(), "a");
  call.ends(answered(500));
  EXPECT_EQ(call.next(), "b");
  call.ends(answered(500));
  EXPECT_EQ(call.next(), "");
  EXPECT_EQ(call.loop.attempts(), 4u);
  EXPECT_EQ(call.loop.summary(), "a: 500; b: 500; a: 500; b: 500");
}

TEST(AttemptLoop, MaxAttemptsIsTheEnd) {
  World world({{"a", 0}, {"b", 1}, {"c", 2}});
  world.rules.max_attempts = 2;
  Call call(world);
  call.next();
  call.ends(answered(500));
  call.next();
  call.ends(answered(500));
  EXPECT_EQ(call.next(), "");
}

TEST(AttemptLoop, ARateLimitedDeploymentIsNotAskedAgainBeforeItsTime) {
  World world({{"only"}});
  Call call(world);
  EXPECT_EQ(call.next(), "only");
  EXPECT_EQ(call.ends(AttemptOutcome::status(429, {seconds(2), std::nullopt})),
            Verdict::next_deployment);
  EXPECT_EQ(call.next(), "");
  const base::Error error = call.loop.error();
  EXPECT_EQ(error.code(), ErrorCode::upstream_rate_limited);
  EXPECT_EQ(error.retry_after_s(), 2);
  EXPECT_TRUE(world.cooldown("only")->active(at(milliseconds(1'999))));

  Call next_call(world);
  EXPECT_TRUE(next_call.plan.candidates.empty());
  EXPECT_EQ(next_call.next(), "");
  EXPECT_EQ(next_call.loop.error().code(), ErrorCode::upstream_rate_limited);
}

TEST(AttemptLoop, WhenAllAreRateLimitedTheSmallestRetryAfterIsTold) {
  World world({{"a", 0}, {"b", 1}, {"c", 2}});
  world.cooldown("c")->on_asked_to_wait(world.rules, seconds(4), at(seconds(0)));
  Call call(world);
  call.next();
  call.ends(AttemptOutcome::status(429, {seconds(30), std::nullopt}));
  call.next();
  call.ends(AttemptOutcome::status(429, {seconds(9), std::nullopt}));
  EXPECT_EQ(call.next(), "");
  EXPECT_EQ(call.loop.error().code(), ErrorCode::upstream_rate_limited);
  EXPECT_EQ(call.loop.error().retry_after_s(), 4);
  EXPECT_EQ(call.loop.summary(), "a: 429; b: 429; c: waiting for its rate limit");
}

TEST(AttemptLoop, A503ThatNamesATimeIsLeftAloneToo) {
  World world({{"only"}});
  Call call(world);
  call.next();
  call.ends(AttemptOutcome::status(503, {seconds(1), std::nullopt}));
  EXPECT_EQ(call.next(), "");
  EXPECT_EQ(call.waited.count(), 0) << "gives up at once";
  EXPECT_EQ(world.budget.retries(call.now), 0u);
  EXPECT_EQ(call.loop.error().code(), ErrorCode::upstream_failed);
}

TEST(AttemptLoop, FailuresInARowCoolAndTheNextCallGoesStraightToTheSecondary) {
  World world({{"primary", 0}, {"secondary", 1}});
  for (int i = 0; i < 3; ++i) {
    Call call(world);
    EXPECT_EQ(call.next(), "primary");
    call.ends(failed(FailureKind::connect));
    EXPECT_EQ(call.next(), "secondary");
    call.ends(answered(200));
  }
  Call call(world);
  EXPECT_EQ(call.next(), "secondary");
  call.ends(answered(200));

  Call later(world, base::Deadline::never(), Repeat::safe, at(seconds(6)));
  EXPECT_EQ(later.next(), "primary");
  later.ends(answered(200));
  EXPECT_EQ(world.cooldown("primary")->failures_in_a_row(), 0u);
}

TEST(AttemptLoop, TheProvidersWishToRetryGoesBeforeFailover) {
  World world({{"a", 0}, {"b", 1}});
  Call call(world);
  EXPECT_EQ(call.next(), "a");
  EXPECT_EQ(call.ends(AttemptOutcome::status(409, {std::nullopt, true})), Verdict::retry_same);
  EXPECT_EQ(call.next(), "a");
  call.ends(AttemptOutcome::status(409, {std::nullopt, true}));
  EXPECT_EQ(call.next(), "b");
}

TEST(AttemptLoop, TheProvidersWishNotToRetryLeavesTheOthers) {
  World world({{"a", 0}, {"b", 1}});
  Call call(world);
  call.next();
  EXPECT_EQ(call.ends(AttemptOutcome::status(500, {std::nullopt, false})),
            Verdict::next_deployment);
  EXPECT_EQ(call.next(), "b");
  call.ends(AttemptOutcome::status(500, {std::nullopt, false}));
  EXPECT_EQ(call.next(), "");
}

TEST(AttemptLoop, AStaleConnectionIsReplacedAtOnceAndOnce) {
  World world({{"only"}});
  world.rules.max_attempts = 1;
  Call call(world);
  EXPECT_EQ(call.next(), "only");
  EXPECT_EQ(call.ends(failed(FailureKind::stale_connection)), Verdict::retry_same);
  EXPECT_EQ(call.next(), "only");
  EXPECT_EQ(call.waited.count(), 0);
  EXPECT_EQ(call.loop.attempts(), 0u);
  call.ends(failed(FailureKind::stale_connection));
  EXPECT_EQ(call.loop.attempts(), 1u);
  EXPECT_EQ(call.next(), "");
  EXPECT_EQ(world.cooldown("only")->failures_in_a_row(), 0u);
}

TEST(AttemptLoop, ACallThatMustNotRunTwiceIsRepeatedOnlyWhenUnsent) {
  World world({{"a", 0}, {"b", 1}});
  {
    Call call(world, base::Deadline::never(), Repeat::only_unsent);
    call.next();
    EXPECT_EQ(call.ends(failed(FailureKind::connect)), Verdict::retry_same);
    EXPECT_EQ(call.next(), "b");
    EXPECT_EQ(call.ends(failed(FailureKind::reset)), Verdict::final);
  }
  {
    Call call(world, base::Deadline::never(), Repeat::only_unsent);
    call.next();
    EXPECT_EQ(call.ends(failed(FailureKind::stale_connection)), Verdict::final);
  }
  {
    Call call(world, base::Deadline::never(), Repeat::only_unsent);
    call.next();
    EXPECT_EQ(call.ends(answered(503)), Verdict::final);
  }
}

TEST(AttemptLoop, TheDeadlineEndsIt) {
  World world({{"a", 0}, {"b", 1}});
  Call call(world, base::Deadline(at(seconds(10))));
  EXPECT_EQ(call.next(), "a");
  call.now = at(seconds(10));
  call.ends(failed(FailureKind::first_byte_timeout));
  EXPECT_EQ(call.next(), "");
  EXPECT_EQ(call.loop.error().code(), ErrorCode::call_timeout);
  EXPECT_EQ(call.loop.error().limit(), base::Limit::total_time);
}

TEST(AttemptLoop, TheCallsOwnTimeBlamesNoDeployment) {
  World world({{"a", 0}, {"b", 1}});
  for (int i = 0; i < 20; ++i) {
    Call call(world, base::Deadline(at(seconds(10))));
    EXPECT_EQ(call.next(), "a") << "it does not cool down";
    EXPECT_EQ(call.ends(failed(FailureKind::total_timeout)), Verdict::final);
    const base::Error error = call.loop.error();
    EXPECT_EQ(error.code(), ErrorCode::call_timeout);
    EXPECT_EQ(error.http_status(), 504);
    EXPECT_EQ(error.side(), base::Side::gateway);
    EXPECT_EQ(error.limit(), base::Limit::total_time) << "so that it is counted";
    EXPECT_NE(error.message().find("timeouts.total"), std::string::npos) << error.message();
    EXPECT_NE(error.message().find("a: out of the call's time"), std::string::npos)
        << error.message();
  }
}

TEST(AttemptLoop, ABackoffThatWouldPassTheDeadlineIsNotBegun) {
  World world({{"only"}});
  world.rules.backoff_base = seconds(2);
  Call call(world, base::Deadline(at(milliseconds(1))));
  call.next();
  call.ends(answered(503));
  EXPECT_EQ(call.next(), "");
  EXPECT_EQ(call.now, at(seconds(0)));
  EXPECT_EQ(call.loop.error().code(), ErrorCode::upstream_failed) << "the 503 is the reason";
}

TEST(AttemptLoop, WithoutRetryBudgetThereIsNoRetryButStillFailover) {
  World world({{"a", 0}, {"b", 1}});
  world.rules.retry_budget_min = 0;
  world.rules.retry_budget_percent = 0;
  Call call(world);
  EXPECT_EQ(call.next(), "a");
  call.ends(answered(503));
  EXPECT_EQ(call.next(), "b");
  call.ends(answered(503));
  EXPECT_EQ(call.next(), "");
  EXPECT_EQ(call.loop.error().detail(), "the retry budget was used up");
  EXPECT_TRUE(call.loop.retry_refused());
}

TEST(AttemptLoop, ASkippedCandidateMakesRoomForTheNext) {
  World world({{"dear", 0}, {"cheap", 1}});
  Call call(world);
  EXPECT_EQ(call.next(), "dear");
  call.loop.skip(SkipReason::unaffordable);
  EXPECT_EQ(call.next(), "cheap");
  EXPECT_EQ(call.ends(failed(FailureKind::tls)), Verdict::next_deployment);
  EXPECT_EQ(call.next(), "");
  EXPECT_EQ(call.loop.summary(), "cheap: TLS failed; dear: does not fit the budget");
}

TEST(AttemptLoop, WhenNothingFitsTheBudgetTheErrorSaysSo) {
  World world({{"a"}, {"b"}});
  Call call(world);
  while (!call.next().empty()) call.loop.skip(SkipReason::unaffordable);
  EXPECT_EQ(call.loop.error().code(), ErrorCode::budget_exceeded);
  Call unpriced(world);
  while (!unpriced.next().empty()) unpriced.loop.skip(SkipReason::unpriced);
  EXPECT_EQ(unpriced.loop.error().code(), ErrorCode::unpriced_model);
}

TEST(AttemptLoop, ADeploymentThatStartedCoolingMeanwhileIsNotCalled) {
  World world({{"a", 0}, {"b", 1}});
  Call call(world);
  EXPECT_EQ(call.next(), "a");
  world.cooldown("b")->on_asked_to_wait(world.rules, seconds(3), call.now);  // another worker's 429
  call.ends(failed(FailureKind::tls));
  EXPECT_EQ(call.next(), "");
  EXPECT_EQ(call.loop.summary(), "a: TLS failed; b: waiting for its rate limit");
}

TEST(AttemptLoop, ADeploymentThatStartedCoolingDuringTheWaitIsNotRetried) {
  World world({{"only"}});
  world.rules.backoff_base = milliseconds(100);
  Call call(world);
  call.next();
  call.ends(answered(500));
  ASSERT_EQ(call.loop.next(call.now), Step::wait);
  world.cooldown("only")->on_asked_to_wait(world.rules, seconds(3), call.now);
  EXPECT_EQ(call.loop.next(call.loop.wait_until()), Step::give_up);
}

TEST(AttemptLoop, WakingTooEarlyGoesOnWaiting) {
  World world({{"only"}});
  world.rules.backoff_base = milliseconds(100);
  Call call(world);
  call.next();
  call.ends(answered(500));
  ASSERT_EQ(call.loop.next(call.now), Step::wait);
  const auto until = call.loop.wait_until();
  EXPECT_EQ(call.loop.next(until - std::chrono::nanoseconds(1)), Step::wait);
  EXPECT_EQ(call.loop.wait_until(), until);
  EXPECT_EQ(call.loop.next(until), Step::attempt);
  EXPECT_EQ(world.budget.retries(call.now), 1u) << "paid once";
}

struct ErrorRow {
  FailureKind kind;
  ErrorCode code;
};

TEST(AttemptLoop, TheErrorNamesWhatAllAttemptsHadInCommon) {
  const ErrorRow rows[] = {
      {FailureKind::dns, ErrorCode::upstream_failed},
      {FailureKind::connect, ErrorCode::upstream_failed},
      {FailureKind::tls, ErrorCode::upstream_failed},
      {FailureKind::reset, ErrorCode::upstream_failed},
      {FailureKind::first_byte_timeout, ErrorCode::upstream_timeout},
      {FailureKind::idle_timeout, ErrorCode::upstream_timeout},
      {FailureKind::cut, ErrorCode::upstream_cut},
      {FailureKind::invalid, ErrorCode::upstream_invalid},
      {FailureKind::too_large, ErrorCode::stream_limit},
      {FailureKind::cancelled, ErrorCode::client_closed},
  };
  for (const ErrorRow& row : rows) {
    SCOPED_TRACE(std::string(to_string(row.kind)));
    World world({{"a", 0}, {"b", 1}});
    Call call(world);
    while (!call.next().empty())
      if (call.ends(failed(row.kind)) == Verdict::final) break;
    EXPECT_EQ(call.loop.error().code(), row.code);
    EXPECT_EQ(call.loop.error().side(), base::Side::upstream);
  }
  World world({{"a", 0}, {"b", 1}});
  Call mixed(world);
  mixed.next();
  mixed.ends(failed(FailureKind::first_byte_timeout));
  mixed.next();
  mixed.ends(failed(FailureKind::invalid));
  EXPECT_EQ(mixed.next(), "");
  EXPECT_EQ(mixed.loop.error().code(), ErrorCode::upstream_failed);
  EXPECT_THAT(mixed.loop.error().message(), HasSubstr("a: no answer in time; b: malformed answer"));
}

TEST(AttemptLoop, TheSummaryNamesModelsOnlyWhereTheProviderIsNotEnough) {
  World world({{"azure", 0, 1, config::ProviderKind::openai, "gpt-eu"},
               {"azure", 1, 1, config::ProviderKind::openai, "gpt-us"},
               {"openai", 2}});
  Call call(world);
  for (int i = 0; i < 3; ++i) {
    call.next();
    call.ends(failed(FailureKind::tls));
  }
  EXPECT_EQ(call.loop.summary(),
            "azure/gpt-eu: TLS failed; azure/gpt-us: TLS failed; openai: TLS failed");
}

TEST(AttemptLoop, ALongSummaryIsCut) {
  World world({{"a", 0},
               {"b", 1},
               {"c", 2},
               {"d", 3},
               {"e", 4},
               {"f", 5},
               {"g", 6},
               {"h", 7},
               {"i", 8},
               {"j", 9}});
  world.rules.max_attempts = 20;
  Call call(world);
  while (!call.next().empty()) call.ends(failed(FailureKind::tls));
  EXPECT_THAT(call.loop.summary(), HasSubstr("h: TLS failed; and 2 more"));
  EXPECT_THAT(call.loop.summary(), Not(HasSubstr("i:")));
}

void fail(World& world, const std::string& provider) {
  for (int i = 0; i < 3; ++i) world.cooldown(provider)->on_failure(world.rules, at(seconds(0)));
}

TEST(AttemptLoop, ALoneDeploymentThatCoolsAfterFailuresIsTriedOncePerCall) {
  World world({{"only"}});
  fail(world, "only");
  for (int i = 0; i < 20; ++i) {
    Call call(world);
    EXPECT_EQ(call.next(), "only");
    call.ends(i % 2 == 0 ? answered(500) : answered(408));  // one that says nothing of its health
    EXPECT_EQ(call.next(), "") << "no retry";
    EXPECT_EQ(call.loop.error().code(), ErrorCode::upstream_failed);
  }
  EXPECT_EQ(world.budget.retries(at(seconds(0))), 0u);
  Call call(world);
  EXPECT_EQ(call.next(), "only");
  call.ends(answered(200));
  EXPECT_FALSE(world.cooldown("only")->active(call.now)) << "which ends it for all";
}

TEST(AttemptLoop, WhatCoolsAfterFailuresIsTheLastResortBehindRetries) {
  World world({{"cools", 0}, {"fine", 1}});
  fail(world, "cools");
  Call call(world);
  EXPECT_EQ(call.next(), "fine");
  call.ends(answered(500));
  EXPECT_EQ(call.next(), "fine");
  call.ends(answered(500));
  EXPECT_EQ(call.next(), "cools");
  call.ends(answered(500));
  EXPECT_EQ(call.next(), "");
  EXPECT_EQ(call.loop.summary(), "fine: 500; fine: 500; cools: 500");
}

TEST(AttemptLoop, TheLastResortNeedsNoRetryBudgetAndKeepsToMaxAttempts) {
  World world({{"a", 0}, {"b", 1}, {"fine", 2}});
  world.rules.retry_budget_min = 0;
  world.rules.retry_budget_percent = 0;
  world.rules.max_attempts = 2;
  fail(world, "a");
  fail(world, "b");
  Call call(world);
  EXPECT_EQ(call.next(), "fine");
  call.ends(answered(500));
  EXPECT_EQ(call.next(), "a");
  call.ends(answered(500));
  EXPECT_EQ(call.next(), "");
}

TEST(AttemptLoop, AServersWishToWaitIsForTheCallThatGotIt) {
  for (const Callee callee : {Callee::mcp_server, Callee::a2a_agent}) {
    for (const int status : {429, 503}) {
      World world({{"tools"}});
      world.callee = callee;
      for (int i = 0; i < 5; ++i) {
        Call call(world);
        EXPECT_EQ(call.next(), "tools");
        call.ends(AttemptOutcome::status(status, {seconds(120), std::nullopt}));
        EXPECT_EQ(call.next(), "") << "it is not asked again before its time by the same call";
        const base::Error error = call.loop.error();
        EXPECT_EQ(error.retry_after_s(), status == 429 ? std::optional(120) : std::nullopt);
        EXPECT_THAT(error.message(), Not(HasSubstr("model")));
        EXPECT_THAT(error.message(), Not(HasSubstr("deployment")));
      }
      EXPECT_FALSE(world.cooldown("tools")->active(at(seconds(0))));
    }
  }
}

TEST(AttemptLoop, OutcomesThatAreNotCountedLeaveTheCooldownAsItIs) {
  World world({{"tools"}});
  world.callee = Callee::mcp_server;
  const auto get = [&](int status) {
    Call call(world, base::Deadline::never(), Repeat::safe, at(seconds(0)), HealthCheck::ignored);
    EXPECT_EQ(call.next(), "tools");
    call.ends(answered(status));
  };
  for (int i = 0; i < 5; ++i) get(500);
  EXPECT_EQ(world.cooldown("tools")->failures_in_a_row(), 0u);
  fail(world, "tools");
  get(200);
  EXPECT_TRUE(world.cooldown("tools")->active(at(seconds(0))));
}

TEST(AttemptLoop, AnEmptyPlanGivesUpAtOnce) {
  World world({});
  Call call(world);
  EXPECT_EQ(call.next(), "");
  EXPECT_EQ(call.loop.error().code(), ErrorCode::no_deployment);
}

}  // namespace
}  // namespace tollgate::domain::routing
