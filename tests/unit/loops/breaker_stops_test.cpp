// What becomes of a finding: modes, actions, stops, their end, and rules that change meanwhile.
#include "unit/loops/breaker_fixture.hpp"

namespace tollgate::domain::loops::test {
namespace {

TEST_F(BreakerTest, WhileStoppedEveryCallOfItIsRefusedWithTheSameEvidence) {
  passed(6, [&](int) { return call(1, 9); });
  const Verdict next = play(call(77, 9));
  EXPECT_EQ(next.decision, Decision::stop) << "another turn of the conversation";
  EXPECT_EQ(next.evidence, "6 near-identical calls in 60 s (limit 5)");
  EXPECT_FALSE(next.is_news);
  EXPECT_EQ(next.wait, 29'800ms);
  EXPECT_EQ(play(call(1, 8)).decision, Decision::proceed) << "another conversation";
  EXPECT_EQ(play(call(1)).decision, Decision::proceed);
  EXPECT_EQ(breaker.counters(clock.mono()).refused, 2u);
}

TEST_F(BreakerTest, AStopEndsAtItsTimeAndCountingBeginsAnew) {
  passed(6, [&](int) { return call(1, 9); });
  clock.advance(29'799ms);
  EXPECT_EQ(breaker.on_call(call(1, 9), rules, clock.mono()).decision, Decision::stop);
  clock.advance(1ms);
  EXPECT_TRUE(breaker.stops(clock.mono()).empty());
  EXPECT_EQ(passed(20, [&](int) { return call(1, 9); }), 6) << "the first one came after a pause";
}

TEST_F(BreakerTest, ModesAndActions) {
  rules.cycles.mode = LoopMode::off;
  rules.repeats.mode = LoopMode::off;
  EXPECT_EQ(passed(40, [&](int) { return call(1, 1); }), 40);

  const auto told = [&](std::uint64_t near) {
    int news = 0;
    for (int i = 0; i < 40; ++i) {
      const Verdict verdict = play(call(near, near));
      EXPECT_EQ(verdict.decision, Decision::proceed);
      EXPECT_EQ(verdict.is_news, !verdict.evidence.empty());
      news += verdict.is_news;
    }
    return news;
  };
  rules.repeats.mode = LoopMode::observe;
  EXPECT_EQ(told(2), 1) << "once per window, not per call";
  EXPECT_EQ(breaker.counters(clock.mono()).observed[0], 1u);
  rules.repeats.mode = LoopMode::enforce;
  rules.repeats.action = LoopAction::alert;
  EXPECT_EQ(told(3), 1);
  rules.repeats.action = LoopAction::slow_down;
  int slowed = 0, news = 0;
  for (int i = 0; i < 20; ++i) {
    const Verdict verdict = play(call(4, 4));
    slowed += verdict.decision == Decision::slow_down && verdict.wait == 2s;
    news += verdict.is_news;
  }
  EXPECT_EQ(slowed, 15) << "each call over the limit";
  EXPECT_EQ(news, 1);
  EXPECT_TRUE(breaker.stops(clock.mono()).empty());
}

TEST_F(BreakerTest, AStopByOneDetectorWinsOverWhatAnotherObserves) {
  rules.traces.max_calls = 2;
  rules.traces.mode = LoopMode::observe;
  Verdict last;
  for (int i = 0; i < 10 && last.decision == Decision::proceed; ++i) last = play(call(1, 9, "t"));
  EXPECT_EQ(last.decision, Decision::stop);
  EXPECT_EQ(last.detector, Detector::repeats);
}

TEST_F(BreakerTest, StopScopeKeyStopsTheWholeKey) {
  rules.stop_scope = config::LoopStopScope::key;
  passed(6, [&](int) { return call(1, 9); });
  EXPECT_EQ(play(call(55)).decision, Decision::stop);
  key = "k2";
  EXPECT_EQ(play(call(55)).decision, Decision::proceed);
}

TEST_F(BreakerTest, OperatorsSeeAndLiftStops) {
  passed(6, [&](int) { return call(1, 9); });
  key = "k2";
  passed(7, [&](int) { return call(1, 8, "run-8"); });
  auto stops = breaker.stops(clock.mono());
  ASSERT_EQ(stops.size(), 2u);
  EXPECT_EQ(stops[0].key_id, "k2");
  EXPECT_EQ(stops[0].trace, "run-8");
  EXPECT_EQ(stops[0].target, StopTarget::trace);
  EXPECT_EQ(stops[0].until - stops[0].since, 30s);
  ASSERT_TRUE(breaker.lift(stops[0].id, clock.mono()));
  EXPECT_FALSE(breaker.lift(stops[0].id, clock.mono()));
  EXPECT_EQ(play(call(1, 8, "run-8")).decision, Decision::proceed);
  EXPECT_EQ(breaker.lift_key("k1", clock.mono()).size(), 1u);
  key = "k1";
  EXPECT_EQ(passed(20, [&](int) { return call(1, 9); }), 5) << "and counted anew";
}

TEST_F(BreakerTest, RulesThatAreRelaxedLiftTheStop) {
  passed(6, [&](int) { return call(1, 9); });
  rules.repeats.mode = LoopMode::observe;
  EXPECT_EQ(play(call(1, 9)).decision, Decision::proceed);
  rules.repeats.mode = LoopMode::enforce;
  EXPECT_EQ(play(call(1, 9)).decision, Decision::stop);
}

TEST_F(BreakerTest, AStopThatIsRelaxedHidesNoOther) {
  rules.retries.mode = LoopMode::observe;
  passed(6, [&](int) { return call(1, 9); });
  config::LoopBreaker wide = rules;
  wide.stop_scope = config::LoopStopScope::key;
  wide.retries.mode = LoopMode::enforce;
  const Call same = call(5);
  for (int i = 0; i < 6; ++i)
    breaker.on_outcome(breaker.on_call(same, wide, clock.mono()).ticket, true, clock.mono());
  ASSERT_EQ(breaker.stops(clock.mono()).at(0).target, StopTarget::key);
  EXPECT_EQ(play(call(7)).decision, Decision::proceed) << "retries only observed by these rules";
  EXPECT_EQ(play(call(1, 9)).decision, Decision::stop) << "the conversation's stop stands";
}

TEST_F(BreakerTest, AFloodOfMadeUpTracesIsToldOnceAndCostsNobodyAStop) {
  passed(7, [&](int) { return call(1, 9, "run-7"); });
  ASSERT_EQ(breaker.stops(clock.mono()).size(), 1u);
  for (const LoopMode mode : {LoopMode::enforce, LoopMode::observe}) {
    rules.traces.mode = mode;
    key = mode == LoopMode::enforce ? "noisy" : "observed";
    int news = 0;
    for (int i = 0; i < 5'000; ++i) {
      const std::string trace = "made-up-" + std::to_string(i);
      Call deep = call(++bodies, 0, trace);
      deep.depth = 99;
      const Verdict verdict = breaker.on_call(deep, rules, clock.mono());
      ASSERT_EQ(verdict.decision, mode == LoopMode::enforce ? Decision::stop : Decision::proceed);
      news += verdict.is_news;
    }
    EXPECT_EQ(news, 1);
  }
  const auto counters = breaker.counters(clock.mono());
  EXPECT_EQ(counters.active, 1u);
  EXPECT_EQ(counters.evicted_stops, 0u);
  key = "k1";
  EXPECT_EQ(breaker.on_call(call(1, 9, "run-7"), rules, clock.mono()).decision, Decision::stop);
}

TEST_F(BreakerTest, WhatIsToldOfAKeyIsBoundedAndTheRestIsCounted) {
  const auto run_in_circles = [&](std::uint64_t conversation) {
    Verdict last;
    while (last.decision != Decision::stop)
      last = breaker.on_call(call(1, conversation), rules, clock.mono());
    return last;
  };
  std::uint32_t news = 0, others = 0;
  for (std::uint64_t i = 1; i <= 50; ++i) {
    const Verdict verdict = run_in_circles(i);
    EXPECT_FALSE(verdict.evidence.empty()) << "on the call's record all the same";
    EXPECT_EQ(verdict.untold, 0u);
    news += verdict.is_news;
  }
  EXPECT_EQ(news, kMostToldPerKey);
  EXPECT_EQ(breaker.counters(clock.mono()).untold, 50 - kMostToldPerKey);
  EXPECT_EQ(breaker.counters(clock.mono()).enforced[0], 50u) << "found they were";
  key = "k2";
  others += run_in_circles(1).is_news;
  EXPECT_EQ(others, 1u) << "each key has its own bound";

  key = "k1";
  clock.advance(59'999ms);
  EXPECT_FALSE(run_in_circles(51).is_news);
  clock.advance(1ms);
  const Verdict next = run_in_circles(52);
  EXPECT_TRUE(next.is_news);
  EXPECT_EQ(next.untold, 51 - kMostToldPerKey) << "the next one says how many";
  EXPECT_EQ(run_in_circles(53).untold, 0u);
}

TEST_F(BreakerTest, AKeyThatLoopsEverywhereLosesItsOwnStops) {
  for (int n = 0; n < 6; ++n) (void)breaker.on_call(call(1, 1), rules, clock.mono());
  key = "noisy";
  for (std::uint64_t i = 1; i <= 200; ++i) {
    clock.advance(1ms);
    for (int n = 0; n < 6; ++n) (void)breaker.on_call(call(i, i), rules, clock.mono());
  }
  EXPECT_EQ(breaker.stops(clock.mono()).size(), 1u + kMostStopsPerKey);
  EXPECT_EQ(breaker.counters(clock.mono()).evicted_stops, 200u - kMostStopsPerKey);
  EXPECT_EQ(breaker.on_call(call(200, 200), rules, clock.mono()).decision, Decision::stop);
  EXPECT_EQ(breaker.on_call(call(1, 1), rules, clock.mono()).decision, Decision::proceed)
      << "the one that ended first gave way";
  key = "k1";
  EXPECT_EQ(breaker.on_call(call(1, 1), rules, clock.mono()).decision, Decision::stop);
}

}  // namespace
}  // namespace tollgate::domain::loops::test
