// What the loop breaker finds, detector by detector.
#include "unit/loops/breaker_fixture.hpp"

namespace tollgate::domain::loops::test {
namespace {

TEST_F(BreakerTest, RepeatsOfAConversationAreStoppedAndToldInPlainWords) {
  EXPECT_EQ(passed(5, [&](int) { return call(1, 9); }), 5);
  const Verdict verdict = play(call(1, 9));
  EXPECT_EQ(verdict.decision, Decision::stop);
  EXPECT_EQ(verdict.detector, Detector::repeats);
  EXPECT_EQ(verdict.target, StopTarget::conversation);
  EXPECT_EQ(verdict.evidence, "6 near-identical calls in 60 s (limit 5)");
  EXPECT_EQ(verdict.wait, 30s);
  EXPECT_TRUE(verdict.is_news);
  EXPECT_EQ(breaker.counters(clock.mono()).enforced[0], 1u);
}

TEST_F(BreakerTest, RepeatsAreCountedWithinTheWindowOnly) {
  rules.pause = 1h;  // pauses are another rule, and so is the order
  rules.cycles.mode = LoopMode::off;
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(play(call(1, 9)).decision, Decision::proceed) << i;
    clock.advance(14s);  // fewer than five in a minute
  }
}

TEST_F(BreakerTest, WhoWaitsBetweenIsPolling) {
  for (int i = 0; i < 6; ++i) {
    ASSERT_EQ(play(call(1, 9)).decision, Decision::proceed) << i;
    clock.advance(5s);
  }
  EXPECT_EQ(passed(20, [&](int) { return call(1, 9); }), 0)
      << "the seventh in a row: over paced_rounds";
  EXPECT_EQ(breaker.stops(clock.mono()).at(0).detector, Detector::cycles);
}

TEST_F(BreakerTest, APauseAnywhereInTheConversationMakesItPolling) {
  rules.cycles.mode = LoopMode::off;
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(play(call(1, 9)).decision, Decision::proceed) << i;
    ASSERT_EQ(play(call(2, 9)).decision, Decision::proceed) << i;
    clock.advance(5s);
  }
}

TEST_F(BreakerTest, AShortConversationAtTheSamePlaceIsSeveralThatBeganAlike) {
  const auto twin = [&](int) {
    Call one = call(1, 9);
    one.fingerprint.turns = 4;
    return one;
  };
  rules.cycles.mode = LoopMode::off;
  // The first of them counts as going on, twelve more are alike.
  EXPECT_EQ(passed(40, twin), 13);
  EXPECT_EQ(breaker.stops(clock.mono()).at(0).target, StopTarget::call);
  EXPECT_EQ(play(call(3, 9)).decision, Decision::proceed) << "what others of them do";
  EXPECT_EQ(play(call(1, 8)).decision, Decision::proceed) << "the same turn elsewhere";
  EXPECT_EQ(play(call(1, 9)).decision, Decision::stop);
  const auto cut = [&](int) {  // to a length that no worker begins with
    Call one = call(2, 10);
    one.fingerprint.turns = 20;
    one.fingerprint.may_be_cut = true;
    return one;
  };
  EXPECT_EQ(passed(40, cut), 5);
  EXPECT_EQ(breaker.stops(clock.mono()).at(0).target, StopTarget::conversation);
}

TEST_F(BreakerTest, AMessageOfUnknownPlaceGoesOn) {
  EXPECT_EQ(passed(40,
                   [&](int) {
                     Call one = call(1, 9);
                     one.fingerprint.turns = kUnknownTurns;
                     return one;
                   }),
            5);
}

TEST_F(BreakerTest, ALongPromptOfExamplesIsNoConversationThatGoesOn) {
  rules.cycles.mode = LoopMode::off;
  EXPECT_EQ(passed(40,
                   [&](int) {
                     Call one = call(1, 9);
                     one.fingerprint.turns = 40;
                     return one;
                   }),
            13);
  EXPECT_EQ(breaker.stops(clock.mono()).at(0).target, StopTarget::call);
  EXPECT_EQ(play(call(2, 9)).decision, Decision::proceed) << "another input to the same examples";
}

TEST_F(BreakerTest, ARepeatAfterSomethingNewIsALookAtIt) {
  std::uint64_t fresh = 1'000;
  const auto works = [&](int i) { return call(i % 2 == 0 ? ++fresh : 1, 9); };
  // The first look is the first of all, twelve more are alike.
  EXPECT_EQ(passed(100, works), 27);
  EXPECT_EQ(breaker.stops(clock.mono()).at(0).evidence,
            "13 near-identical calls in 60 s (limit 12)");
}

TEST_F(BreakerTest, WhoWorkedAndThenGoesRoundIsFoundAsSoon) {
  std::uint64_t fresh = 1'000;
  EXPECT_EQ(passed(16, [&](int i) { return call(i % 2 == 0 ? ++fresh : 1, 9); }), 16);
  // One look was the first of all; four more, and the next is over the limit.
  EXPECT_EQ(passed(100, [&](int) { return call(1, 9); }), 4);
  EXPECT_EQ(breaker.stops(clock.mono()).at(0).evidence, "6 near-identical calls in 60 s (limit 5)");
}

TEST_F(BreakerTest, OtherNumbersAreNothingNew) {
  rules.cycles.mode = LoopMode::off;
  const auto numbers = [&](int i) {
    Call one = call(i % 2 == 0 ? 100 + static_cast<std::uint64_t>(i) : 1, 9);
    one.fingerprint.reworded = i % 2 == 0 ? 50 : 51;
    return one;
  };
  EXPECT_EQ(passed(100, numbers), 11) << "the sixth look";
}

TEST_F(BreakerTest, WhatAnotherConversationDoesIsNothingNewInThis) {
  std::uint64_t fresh = 1'000;
  EXPECT_EQ(passed(100, [&](int i) { return i % 2 == 0 ? call(++fresh, 8) : call(1, 9); }), 11);
}

TEST_F(BreakerTest, OtherNumbersHaveALimitOfTheirOwn) {
  const auto reworded = [&](int i) {
    Call one = call(100 + static_cast<std::uint64_t>(i), 9);
    one.fingerprint.reworded = 50;
    return one;
  };
  EXPECT_EQ(passed(40, reworded), 8);
  EXPECT_EQ(breaker.stops(clock.mono()).at(0).evidence,
            "9 calls alike but for numbers and ids in 60 s (limit 8)");
}

TEST_F(BreakerTest, ACallThatStandsAloneIsStoppedAlone) {
  EXPECT_EQ(passed(40, [&](int) { return call(1); }), 12);
  EXPECT_EQ(breaker.stops(clock.mono()).at(0).target, StopTarget::call);
  EXPECT_EQ(play(call(2)).decision, Decision::proceed);
}

TEST_F(BreakerTest, CyclesOfTwoToFourCalls) {
  rules.repeats.mode = LoopMode::off;
  for (std::uint64_t length = 2; length <= 4; ++length) {
    const auto next = [&](int i) {
      return call(10 + static_cast<std::uint64_t>(i) % length, 20 + length);
    };
    EXPECT_EQ(passed(100, next), static_cast<int>(3 * length)) << length;
  }
  EXPECT_EQ(breaker.stops(clock.mono()).at(0).evidence,
            "round 4 of the same 4 calls in turn (limit 3)");
  EXPECT_EQ(passed(100, [&](int i) { return call(static_cast<std::uint64_t>(i) % 5 + 1, 30); }),
            100)
      << "longer than four is not looked for";
}

TEST_F(BreakerTest, OneCallOutOfTurnBreaksACycle) {
  rules.repeats.mode = LoopMode::off;
  std::uint64_t fresh = 1'000;
  EXPECT_EQ(passed(100, [&](int i) { return call(i % 6 == 5   ? ++fresh
                                                 : i % 2 == 0 ? 1
                                                              : 2,
                                                 9); }),
            100);
}

TEST_F(BreakerTest, RetriesWithoutBackoffAreAStorm) {
  Call same = call(1);
  int sent = 0;
  while (sent < 40 && play(same, true).decision == Decision::proceed) ++sent;
  EXPECT_EQ(sent, 5) << "the first one is no retry";
  EXPECT_EQ(breaker.stops(clock.mono()).at(0).evidence,
            "5 retries of one failing call in 60 s, each within 350 ms of its error (limit 4)");
}

TEST_F(BreakerTest, BackoffAndSuccessAreNoStorm) {
  const Call same = call(0);
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(play(same, true).decision, Decision::proceed) << i;
    clock.advance(1s);
  }
  for (int i = 0; i < 30; ++i)
    ASSERT_EQ(play(same, i % 3 != 0).decision, Decision::proceed) << i << ": succeeds now and then";
}

TEST_F(BreakerTest, AnotherKeysFailuresAreNoRetries) {
  const Call same = call(0);
  for (int i = 0; i < 40; ++i) {
    key = "k" + std::to_string(i % 20);
    Call one = same;
    one.key_id = key;
    ASSERT_EQ(play(one, true).decision, Decision::proceed) << i;
  }
}

TEST_F(BreakerTest, ARateFarAboveTheKeysOwnIsTold) {
  std::uint64_t n = 100;
  for (int window = 0; window < 6; ++window) {
    for (int i = 0; i < 10; ++i) ASSERT_FALSE(play(call(++n)).is_news);
    clock.advance(58s);
  }
  int told = 0;
  for (int i = 0; i < 60; ++i) {
    const Verdict verdict = play(call(++n));
    EXPECT_EQ(verdict.decision, Decision::proceed) << "observed only";
    if (!verdict.is_news) continue;
    ++told;
    EXPECT_EQ(verdict.evidence, "31 calls of the key in 60 s, where 10 are usual (limit 30)");
    EXPECT_EQ(verdict.mode, LoopMode::observe);
    EXPECT_EQ(verdict.action, LoopAction::slow_down) << "what it would have done";
  }
  EXPECT_EQ(told, 1) << "once per window";
  rules.call_rate.mode = LoopMode::enforce;
  const Verdict slowed = play(call(++n));
  EXPECT_EQ(slowed.decision, Decision::slow_down);
  EXPECT_EQ(slowed.wait, 2s);
}

TEST_F(BreakerTest, ANewKeyHasNoBaseline) {
  rules.call_rate.mode = LoopMode::enforce;
  std::uint64_t n = 100;
  EXPECT_EQ(passed(250, [&](int) { return call(++n); }), 250);
}

TEST_F(BreakerTest, IdleTimeLeavesTheBaselineAsItIs) {
  rules.call_rate.mode = LoopMode::enforce;
  std::uint64_t n = 100;
  for (int window = 0; window < 6; ++window) {
    for (int i = 0; i < 30; ++i) ASSERT_EQ(play(call(++n)).decision, Decision::proceed);
    clock.advance(24h);
  }
  EXPECT_EQ(passed(90, [&](int) { return call(++n); }), 90);
}

TEST_F(BreakerTest, CallsThatStandAloneMayHaveTheLowerLimit) {
  rules.repeats.limit = 10;
  rules.repeats.standalone_limit = 3;
  EXPECT_EQ(passed(20, [&](int) { return call(7); }), 3);
}

TEST_F(BreakerTest, TooDeepACallIsRefusedAndNothingElseOfItsTrace) {
  Call deep = call(0, 0, "t");
  deep.depth = 3;
  EXPECT_EQ(play(deep).decision, Decision::proceed);
  deep.depth = 4;
  for (int i = 0; i < 100; ++i) {
    const Verdict verdict = play(deep);
    EXPECT_EQ(verdict.decision, Decision::stop);
    EXPECT_EQ(verdict.evidence, "delegation 4 agents deep (limit 3)");
    EXPECT_EQ(verdict.target, StopTarget::call);
    EXPECT_EQ(verdict.stop_id, 0u);
    EXPECT_EQ(verdict.is_news, i == 0) << "once per window";
  }
  EXPECT_TRUE(breaker.stops(clock.mono()).empty());
  EXPECT_EQ(breaker.counters(clock.mono()).refused, 100u);
  deep.depth = 0;
  EXPECT_EQ(play(deep).decision, Decision::proceed)
      << "nor were they counted as calls of the trace";
  key = "k2";
  EXPECT_EQ(play(call(0, 0, "t")).decision, Decision::proceed);
}

TEST_F(BreakerTest, DepthStopsNoKeyEither) {
  rules.stop_scope = config::LoopStopScope::key;
  Call deep = call(5);
  deep.depth = 4;
  EXPECT_EQ(play(deep).decision, Decision::stop);
  deep.depth = 1;
  EXPECT_EQ(play(deep).decision, Decision::proceed);
  EXPECT_TRUE(breaker.stops(clock.mono()).empty());
}

TEST_F(BreakerTest, DepthHasTheActionsOfOtherDetectors) {
  Call deep = call(5, 0, "t");
  deep.depth = 4;
  const auto news = [&](Decision decision) {
    int told = 0;
    for (int i = 0; i < 10; ++i) {
      deep.fingerprint.near = ++bodies;
      const Verdict verdict = play(deep);
      EXPECT_EQ(verdict.decision, decision);
      told += verdict.is_news;
    }
    clock.advance(rules.traces.window);
    return told;
  };
  rules.traces.action = LoopAction::slow_down;
  EXPECT_EQ(news(Decision::slow_down), 1);
  rules.traces.action = LoopAction::alert;
  EXPECT_EQ(news(Decision::proceed), 1);
  rules.traces.mode = LoopMode::observe;
  EXPECT_EQ(news(Decision::proceed), 1);
  rules.traces.mode = LoopMode::off;
  EXPECT_EQ(news(Decision::proceed), 0);
}

TEST_F(BreakerTest, WhatOneKeyDoesInATraceStopsNoOtherKeyThere) {
  (void)play(call(100, 8, "t"));
  key = "k2";
  // The trace groups calls by now.
  EXPECT_EQ(passed(20, [&](int) { return call(1, 9, "t"); }), 5);
  EXPECT_EQ(breaker.stops(clock.mono()).at(0).target, StopTarget::trace);
  EXPECT_EQ(play(call(101, 7, "t")).decision, Decision::stop) << "all that the key does in it";
  key = "k1";
  EXPECT_EQ(play(call(102, 8, "t")).decision, Decision::proceed);
}

TEST_F(BreakerTest, KeysThatGoRoundTogetherAreStoppedTogether) {
  const auto turn = [&](int i) {
    key = i % 2 == 0 ? "k1" : "k2";
    Call one = call(i % 2 == 0 ? 1 : 2, 0, "t");
    one.fingerprint.kind = CallKind::agent;
    return one;
  };
  const int found = passed(40, turn);
  EXPECT_LT(found, 10);
  EXPECT_EQ(breaker.stops(clock.mono()).at(0).detector, Detector::cycles);
  EXPECT_EQ(play(turn(0)).decision, Decision::stop);
  EXPECT_EQ(play(turn(1)).decision, Decision::stop);
  EXPECT_EQ(breaker.stops(clock.mono()).size(), 1u);
}

TEST_F(BreakerTest, RepeatsOfSeveralKeysStopTheTraceForAll) {
  const auto shared = [&](int i) {
    key = i % 2 == 0 ? "k1" : "k2";
    return call(1, 9, "t");
  };
  EXPECT_LT(passed(20, shared), 8);
  key = "k3";
  EXPECT_EQ(play(call(5, 6, "t")).decision, Decision::stop);
}

TEST_F(BreakerTest, CallsOfATraceAreCountedOverItsKeys) {
  std::uint64_t n = 100;
  EXPECT_EQ(passed(200,
                   [&](int i) {
                     key = i % 2 == 0 ? "k1" : "k2";
                     return call(++n, 0, "t");
                   }),
            50);
  key = "k3";
  EXPECT_EQ(play(call(++n, 0, "t")).decision, Decision::stop) << "the trace, whoever calls";
  EXPECT_EQ(play(call(++n)).decision, Decision::proceed);
}

TEST_F(BreakerTest, OwnersCannotTouchEachOthersTraces) {
  std::uint64_t n = 100;
  passed(200, [&](int) { return call(++n, 0, "t"); });
  owner = "other";
  EXPECT_EQ(play(call(++n, 0, "t")).decision, Decision::proceed);
  owner = "";
  EXPECT_EQ(play(call(++n, 0, "t")).decision, Decision::proceed) << "without owner: the key's own";
}

TEST_F(BreakerTest, ATraceOfEachCallsOwnGroupsNothing) {
  std::string trace;
  EXPECT_EQ(passed(40,
                   [&](int i) {
                     trace = "t" + std::to_string(i);
                     return call(1, 9, trace);
                   }),
            5);
  EXPECT_EQ(breaker.stops(clock.mono()).at(0).target, StopTarget::conversation);
}

TEST_F(BreakerTest, TracesAreCountedApart) {
  // The same standalone call in many traces: each has its own count.
  for (int i = 0; i < 200; ++i)
    ASSERT_EQ(play(call(i < 4 ? 100u + static_cast<unsigned>(i) : 1, 0,
                        std::string("t") + std::to_string(i % 4)))
                  .decision,
              i < 4 + 48 ? Decision::proceed : Decision::stop)
        << i;
}

TEST_F(BreakerTest, AnotherLengthOfWindowStartsTheRateAnew) {
  rules.call_rate.mode = LoopMode::enforce;
  std::uint64_t n = 100;
  for (int window = 0; window < 4; ++window) {
    for (int i = 0; i < 10; ++i) ASSERT_EQ(play(call(++n)).decision, Decision::proceed);
    clock.advance(60s);
  }
  rules.call_rate.window = 600s;
  EXPECT_EQ(passed(30, [&](int) { return call(++n); }), 30);
}

TEST_F(BreakerTest, HousekeepingIsNoRepeat) {
  Call poll = call(0);
  poll.fingerprint.kind = CallKind::housekeeping;
  EXPECT_EQ(passed(300, [&](int) { return poll; }), 300);
}

}  // namespace
}  // namespace tollgate::domain::loops::test
