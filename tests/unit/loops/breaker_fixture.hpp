#pragma once

#include <gtest/gtest.h>

#include <string>

#include "support/fake_clock.hpp"
#include "tollgate/domain/loops/loop_breaker.hpp"

namespace tollgate::domain::loops::test {

using namespace std::chrono_literals;
using config::LoopAction;
using config::LoopMode;

/// A breaker, a clock, and small limits.
class BreakerTest : public testing::Test {
 protected:
  BreakerTest() {
    rules.repeats.limit = 5;
    rules.repeats.reworded_limit = 8;
    rules.repeats.standalone_limit = 12;
    rules.repeats.window = 60s;
    rules.cycles.rounds = 3;
    rules.cycles.paced_rounds = 6;
    rules.retries.limit = 4;
    rules.call_rate.floor = 20;
    rules.call_rate.factor = 3;
    rules.call_rate.warm_up = 3;
    rules.traces.max_depth = 3;
    rules.traces.max_calls = 50;
    rules.stop_for = 30s;
  }

  /// A call whose turn is `near`; of a conversation it is one message longer than the one before.
  Call call(std::uint64_t near, std::uint64_t conversation = 0, std::string_view trace = "") {
    Call call;
    call.key_id = key;
    call.owner = owner;
    call.trace = trace;
    call.fingerprint.kind = CallKind::model;
    call.fingerprint.exact = ++bodies;
    call.fingerprint.near = near;
    call.fingerprint.conversation = conversation;
    call.fingerprint.turns = ++turns;
    return call;
  }
  /// Judges a call and lets it end 100 ms later, the next one comes 100 ms after that.
  Verdict play(const Call& call, bool failed = false) {
    Verdict verdict = breaker.on_call(call, rules, clock.mono());
    clock.advance(100ms);
    if (verdict.decision != Decision::stop)
      breaker.on_outcome(verdict.ticket, failed, clock.mono());
    clock.advance(100ms);
    return verdict;
  }
  /// How many of `most` calls pass before one does not.
  template <class Next>
  int passed(int most, Next next) {
    for (int i = 0; i < most; ++i)
      if (play(next(i)).decision != Decision::proceed) return i;
    return most;
  }

  tollgate::test::FakeClock clock;
  config::LoopBreaker rules;
  LoopBreaker breaker{config::LoopMemory{}};
  std::string key = "k1", owner = "acme";
  std::uint64_t bodies = 0;
  std::uint32_t turns = 0;
};

}  // namespace tollgate::domain::loops::test
