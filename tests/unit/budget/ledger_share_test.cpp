// How much of what is left one call gets, when others want some too.
#include "unit/budget/ledger_fixture.hpp"

namespace tollgate::domain::budget {
namespace {

class LedgerShare : public LedgerTest {
 protected:
  HoldResult ask(Amounts least, Amounts useful, Amounts most) {
    return ledger.hold_between(who, what, HoldRange(least, useful, most));
  }
  HoldResult ask(NanoUsd useful, NanoUsd most) { return ask(cents(1), useful, most); }
};

TEST_F(LedgerShare, AloneGetsAllItAsksForThatIsFree) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  EXPECT_EQ(ask(cents(10), cents(90))->amount(), cents(90));
  EXPECT_EQ(ask(cents(10), usd(5))->amount(), usd(1));
  // Room enough: nobody counts.
  HoldResult first = ask(cents(1), cents(10)), second = ask(cents(1), cents(10));
  EXPECT_EQ(second->amount(), cents(10));
}

TEST_F(LedgerShare, EachOfSeveralGetsItsPartOfWhatIsFree) {
  configure({budget_of(ScopeKind::org, "o1", usd(1))});
  HoldResult first = ask(cents(20), cents(20));
  HoldResult second = ask(cents(10), cents(75));
  EXPECT_EQ(second->amount(), cents(40));  // half of 0.80
  HoldResult third = ask(cents(10), cents(75));
  EXPECT_EQ(third->amount().value, 400'000'000 / 3);
  HoldResult small = ask(cents(1), cents(3));
  EXPECT_EQ(small->amount(), cents(3));  // wants less than its part
}

TEST_F(LedgerShare, IsNeverLessThanWhatIsUsefulNorMoreThanIsFree) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult first = ask(cents(20), cents(20));
  HoldResult second = ask(cents(60), cents(75));
  EXPECT_EQ(second->amount(), cents(60));  // its part is 0.40
  HoldResult third = ask(cents(60), cents(75));
  EXPECT_EQ(third->amount(), cents(20));  // all that is left, since it takes so little
  EXPECT_TRUE(ask(cents(1), cents(60), cents(75)).has_error());
}

TEST_F(LedgerShare, IsAnEighthAtTheSmallest) {
  configure({budget_of(ScopeKind::key, "k1", usd(17))});
  std::vector<HoldResult> others;
  for (int i = 0; i < 100; ++i) others.push_back(ask(cents(1), cents(1)));
  EXPECT_EQ(ask(cents(1), usd(10))->amount(), usd(2));
}

TEST_F(LedgerShare, ACrowdIsRememberedForAMinute) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  {
    HoldResult a = ask(cents(10), cents(10)), b = ask(cents(10), cents(10));
    HoldResult c = ask(cents(10), cents(90));
    EXPECT_EQ(c->amount().value, 800'000'000 / 3);
  }
  clock.advance(std::chrono::seconds(60));
  EXPECT_EQ(ask(cents(10), cents(90))->amount().value, 1'000'000'000 / 3);
  clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(ask(cents(10), cents(90))->amount(), cents(90));
}

TEST_F(LedgerShare, CallsInLineCount) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  class Quiet final : public Waiter {
   public:
    using Waiter::Waiter;
    void on_outcome(HoldResult result) noexcept override { outcome.emplace(std::move(result)); }
    std::optional<HoldResult> outcome;
  };
  HoldResult first = ask(cents(40), cents(40));
  const auto waiter = std::make_shared<Quiet>(who, what, Amounts(cents(90)), Amounts(cents(90)));
  ASSERT_TRUE(ledger.wait(waiter));
  EXPECT_EQ(ask(cents(1), cents(50))->amount(), cents(20));  // one runs, one waits, one asks
  EXPECT_TRUE(ledger.cancel(*waiter));
  clock.advance(std::chrono::seconds(61));
  EXPECT_EQ(ask(cents(1), cents(50))->amount(), cents(30));
  // Who stands in line gets a share too: the first in it is one of two.
  const auto next = std::make_shared<Quiet>(who, what, HoldRange(cents(70), cents(70), cents(95)));
  clock.advance(std::chrono::seconds(61));
  ASSERT_TRUE(ledger.wait(next));
  first->shrink(cents(10));
  ASSERT_TRUE(next->outcome.has_value());
  EXPECT_EQ((*next->outcome)->amount(), cents(70));
}

TEST_F(LedgerShare, GoesByTheScopeThatManyUse) {
  // The key is alone, its organisation is not.
  configure({budget_of(ScopeKind::key, "k1", usd(10)), budget_of(ScopeKind::org, "o1", usd(1))});
  const ScopePath other_key = ledger.resolve({{ScopeKind::key, "k2"}, {ScopeKind::org, "o1"}});
  HoldResult other = ledger.hold(other_key, what, cents(20));
  EXPECT_EQ(ask(cents(1), usd(5))->amount(), cents(40));
}

TEST_F(LedgerShare, OfTokensTooAndOfRateLimits) {
  config::Snapshot snapshot;
  config::ScopedRateLimit limit;
  limit.scope = ScopeKind::key;
  limit.scope_id = "k1";
  limit.rate.name = "tokens";
  limit.rate.unit = config::RateUnit::tokens;
  limit.rate.limit = 100'000;
  snapshot.rate_limits = {limit};
  ASSERT_TRUE(ledger.configure(snapshot, history).has_value());
  HoldResult first = ask({{}, 10, 1}, {{}, 4'000, 1}, {{}, 64'000, 1});
  EXPECT_EQ(first->amounts().tokens, 64'000);
  HoldResult second = ask({{}, 10, 1}, {{}, 4'000, 1}, {{}, 64'000, 1});
  EXPECT_EQ(second->amounts().tokens, 18'000);
}

TEST_F(LedgerShare, AHoldThatMovesIsNoOtherCall) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult only = ask(cents(10), cents(10));
  ASSERT_TRUE(only->rebase(other_what, HoldRange(cents(1), cents(10), cents(90))).has_value());
  EXPECT_EQ(only->amount(), cents(90));
  // A refused move changes nothing, the count of calls neither.
  ASSERT_TRUE(only->rebase(what, usd(2)).has_error());
  only->release();
  HoldResult next = ask(cents(10), cents(95));
  EXPECT_EQ(next->amount(), cents(95));
}

}  // namespace
}  // namespace tollgate::domain::budget
