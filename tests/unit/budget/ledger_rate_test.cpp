// Rate limits: sliding windows and calls in flight, judged in the same step as budgets.
#include <random>

#include "tollgate/config/names.hpp"
#include "unit/budget/ledger_fixture.hpp"

namespace tollgate::domain::budget {
namespace {

using config::RateUnit;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

class LedgerRate : public LedgerTest {
 protected:
  config::ScopedRateLimit rate(RateUnit unit, std::int64_t limit, milliseconds per = seconds(60),
                               ScopeKind kind = ScopeKind::key, std::string id = "k1") {
    config::ScopedRateLimit r;
    r.scope = kind;
    r.scope_id = std::move(id);
    r.rate.name = std::string(config::name_of(unit));
    r.rate.unit = unit;
    r.rate.limit = limit;
    r.rate.per = per;
    return r;
  }
  void limit(std::vector<config::ScopedRateLimit> rates,
             std::vector<config::ScopedBudget> budgets = {}) {
    config::Snapshot snapshot;
    snapshot.rate_limits = std::move(rates);
    snapshot.budgets = std::move(budgets);
    const auto done = ledger.configure(snapshot, history);
    ASSERT_TRUE(done.has_value()) << done.error().message();
  }
  HoldResult call(std::int64_t tokens = 0) { return ledger.hold(who, what, {{}, tokens, 1}); }
  bool passes(std::int64_t tokens = 0) {
    HoldResult h = call(tokens);
    if (h.has_error()) return false;
    (void)h->settle({{}, tokens, 1});
    return true;
  }
  RateRow rate_row(std::string_view name) {
    for (const RateRow& r : ledger.rates_all())
      if (r.name == name) return r;
    ADD_FAILURE() << name;
    return {};
  }
};

TEST_F(LedgerRate, AThousandAtOnceAreLetInUpToTheLimit) {
  limit({rate(RateUnit::requests, 100)});
  int passed = 0;
  for (int i = 0; i < 1'000; ++i) passed += passes() ? 1 : 0;
  EXPECT_EQ(passed, 100);
  const HoldResult h = call();
  EXPECT_EQ(h.error().kind, Refusal::Kind::rate);
  EXPECT_FALSE(h.error().can_wait);
  const base::Error told = to_error(h.error(), true);
  EXPECT_EQ(told.code(), base::ErrorCode::rate_limited);
  EXPECT_EQ(told.http_status(), 429);
  EXPECT_EQ(told.retry_after_s(), 61);
}

// The instant that Retry-After names lets it pass, and no earlier whole second does.
TEST_F(LedgerRate, RetryAfterIsExact) {
  limit({rate(RateUnit::requests, 3, seconds(10))});
  EXPECT_TRUE(passes());
  clock.advance(seconds(4));
  EXPECT_TRUE(passes());
  EXPECT_TRUE(passes());
  const HoldResult h = call();
  ASSERT_TRUE(h.has_error());
  const microseconds wait = *h.error().retry_after;
  EXPECT_GE(wait, seconds(6));
  EXPECT_LE(wait, milliseconds(6'080)) << "1/128 of the window at most";
  clock.advance(wait - microseconds(1));
  EXPECT_FALSE(passes());
  clock.advance(microseconds(1));
  EXPECT_TRUE(passes());
  EXPECT_FALSE(passes());
}

// Within any span as long as the window no more pass than the limit, and no fewer than 1 % less.
TEST_F(LedgerRate, NeverMoreThanTheLimitInAnyWindow) {
  std::mt19937_64 random(11);
  limit({rate(RateUnit::requests, 500, seconds(1))});
  std::vector<std::int64_t> passed;
  std::int64_t now = 0;
  while (now < 5'000'000) {  // ten times the limit for five windows
    const std::int64_t step = std::uniform_int_distribution<std::int64_t>(0, 400)(random);
    clock.advance(microseconds(step));
    now += step;
    if (passes()) passed.push_back(now);
  }
  for (std::size_t i = 0; i + 500 < passed.size(); ++i)
    ASSERT_GT(passed[i + 500] - passed[i], 1'000'000 - 1) << i;
  EXPECT_GE(passed.size(), 5u * 495u);
}

TEST_F(LedgerRate, TokensCountAsHeldAndThenAsTheyWere) {
  limit({rate(RateUnit::tokens, 1'000)});
  HoldResult a = ledger.hold_between(who, what, {{}, 100, 1}, {{}, 5'000, 1});
  ASSERT_TRUE(a.has_value());
  EXPECT_EQ(a->amounts().tokens, 1'000) << "the most that fits";
  EXPECT_TRUE(call(1).has_error());
  EXPECT_TRUE(call(0).has_value());
  (void)a->settle({{}, 300, 1});
  EXPECT_EQ(rate_row("tokens").used, 300);
  EXPECT_TRUE(passes(700));
  EXPECT_FALSE(passes(1));
  clock.advance(seconds(61));
  EXPECT_TRUE(passes(1'000));
  const HoldResult never = call(1'001);
  ASSERT_TRUE(never.has_error());
  EXPECT_FALSE(never.error().retry_after.has_value()) << "more than the whole limit";
  EXPECT_FALSE(to_error(never.error(), true).retry_after_s().has_value());
}

TEST_F(LedgerRate, ReleasedTokensComeBackAndTheRequestStays) {
  limit({rate(RateUnit::tokens, 1'000), rate(RateUnit::requests, 2)});
  call(1'000)->release();
  EXPECT_EQ(rate_row("tokens").used, 0);
  EXPECT_EQ(rate_row("requests").used, 1);
  EXPECT_TRUE(passes(1'000));
  EXPECT_FALSE(passes());
}

TEST_F(LedgerRate, ARefusedCallCountsNowhere) {
  limit({rate(RateUnit::requests, 5),
         rate(RateUnit::requests, 1, seconds(60), ScopeKind::team, "t1")});
  EXPECT_TRUE(passes());
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(passes());
  for (const RateRow& r : ledger.rates_all()) EXPECT_EQ(r.used, 1) << r.scope_id;
}

TEST_F(LedgerRate, CallsInFlight) {
  limit({rate(RateUnit::concurrent, 2)});
  HoldResult a = call(), b = call();
  const HoldResult c = call();
  ASSERT_TRUE(c.has_error());
  EXPECT_EQ(c.error().kind, Refusal::Kind::concurrency);
  EXPECT_TRUE(c.error().can_wait);
  EXPECT_EQ(to_error(c.error(), true).retry_after_s(), 1);
  // An attempt split off is not another call.
  Hold attempt = a->split({});
  EXPECT_EQ(rate_row("concurrent").used, 2);
  a->release();
  EXPECT_EQ(rate_row("concurrent").used, 1);
  EXPECT_TRUE(call().has_value());
  (void)b->settle({{}, 0, 1});
  EXPECT_EQ(rate_row("concurrent").used, 0);
}

TEST_F(LedgerRate, ACallBeyondTheNumberAtOnceWaitsForAPlace) {
  struct Recorder final : Waiter {
    using Waiter::Waiter;
    void on_outcome(HoldResult outcome) noexcept override { result.emplace(std::move(outcome)); }
    std::optional<HoldResult> result;
  };
  limit({rate(RateUnit::concurrent, 1)});
  HoldResult first = call();
  auto waiter = std::make_shared<Recorder>(who, what, Amounts({}, 0, 1), Amounts({}, 0, 1));
  ASSERT_TRUE(ledger.wait(waiter));
  EXPECT_FALSE(waiter->result.has_value());
  first->release();
  ASSERT_TRUE(waiter->result.has_value());
  EXPECT_TRUE(waiter->result->has_value());
}

TEST_F(LedgerRate, TheRefusalThatKeepsOutLongestIsNamed) {
  limit({rate(RateUnit::requests, 1, seconds(1)),
         rate(RateUnit::requests, 1, seconds(600), ScopeKind::agent, "a1"),
         rate(RateUnit::concurrent, 1, seconds(60), ScopeKind::org, "o1")},
        {budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult first = call();
  HoldResult h = call();
  EXPECT_EQ(h.error().scope, ScopeKind::agent) << "ten minutes, not a second or a call's end";
  (void)first->settle({usd(1), 0, 1});
  h = call();
  EXPECT_EQ(h.error().kind, Refusal::Kind::budget);
}

TEST_F(LedgerRate, AReloadKeepsCountsAndCountsWhatIsInFlight) {
  limit({rate(RateUnit::requests, 3)});
  HoldResult open = call();
  EXPECT_TRUE(passes());
  limit({rate(RateUnit::requests, 2), rate(RateUnit::concurrent, 1)});
  EXPECT_EQ(rate_row("requests").used, 2);
  EXPECT_EQ(rate_row("concurrent").used, 1);
  EXPECT_FALSE(passes());
  limit({rate(RateUnit::requests, 5), rate(RateUnit::concurrent, 2)});
  EXPECT_TRUE(passes());
  open->release();
  EXPECT_EQ(rate_row("concurrent").used, 0);
  // Another window is another limit: it counts from now on.
  limit({rate(RateUnit::requests, 5, seconds(10))});
  EXPECT_EQ(rate_row("requests").used, 0);
}

// The wall clock may jump: rates run on the other one.
TEST_F(LedgerRate, AWallClockThatJumpsChangesNothing) {
  limit({rate(RateUnit::requests, 1)});
  EXPECT_TRUE(passes());
  clock.set_wall("2026-11-25T18:00:00Z");
  EXPECT_FALSE(passes());
  clock.set_wall("2026-11-25T11:00:00Z");
  EXPECT_FALSE(passes());
}

TEST_F(LedgerRate, AFailoverMovesTheCallAndLeavesTheRequest) {
  limit({rate(RateUnit::concurrent, 1, seconds(60), ScopeKind::provider, "p1"),
         rate(RateUnit::requests, 1, seconds(60), ScopeKind::provider, "p2"),
         rate(RateUnit::requests, 9, seconds(60), ScopeKind::model, "m1")});
  HoldResult h = call();
  EXPECT_TRUE(call().has_error());
  ASSERT_TRUE(h->rebase(other_what, Amounts({}, 0, 1)).has_value());
  EXPECT_TRUE(call().has_value()) << "p1 is free again";
  EXPECT_TRUE(ledger.hold(who, other_what, {{}, 0, 1}).has_error()) << "p2 has had its one";
  // Back to p1: the request that was made to p2 was made.
  ASSERT_TRUE(h->rebase(what, Amounts({}, 0, 1)).has_value());
  EXPECT_TRUE(ledger.hold(who, other_what, {{}, 0, 1}).has_error());
  (void)h->settle({{}, 0, 1});
  EXPECT_TRUE(ledger.hold(who, other_what, {{}, 0, 1}).has_error());
  clock.advance(seconds(61));
  EXPECT_TRUE(ledger.hold(who, other_what, {{}, 0, 1}).has_value());
}

TEST_F(LedgerRate, TheStateForTheCallersHeaders) {
  limit({rate(RateUnit::requests, 10),
         rate(RateUnit::requests, 4, seconds(60), ScopeKind::team, "t1"),
         rate(RateUnit::tokens, 1'000)});
  RateStatus status;
  const HoldResult h = ledger.hold_between(who, what, {{}, 100, 1}, {{}, 100, 1}, {}, &status);
  ASSERT_TRUE(h.has_value());
  EXPECT_EQ(status.requests.limit, 4) << "the tightest";
  EXPECT_EQ(status.requests.remaining, 3);
  EXPECT_EQ(status.tokens.remaining, 900);
  EXPECT_GE(status.requests.reset, seconds(60));
  EXPECT_LE(status.requests.reset, milliseconds(60'500));
}

}  // namespace
}  // namespace tollgate::domain::budget
