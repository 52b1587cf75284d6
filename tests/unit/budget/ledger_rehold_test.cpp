// shrink and rebase: one hold changing while it is open.
#include "unit/budget/ledger_fixture.hpp"

namespace tollgate::domain::budget {
namespace {

class LedgerRehold : public LedgerTest {};

TEST_F(LedgerRehold, GrowIsAllOrNothing) {
  configure(
      {budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::provider, "p1", cents(60))});
  HoldResult h = hold(cents(20));
  ASSERT_TRUE(h->rebase(what, cents(50)).has_value());
  EXPECT_EQ(h->amount(), cents(50));
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(50));
  const ReholdResult refused = h->rebase(what, cents(61));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().scope, ScopeKind::provider);
  EXPECT_EQ(refused.error().held, NanoUsd{});  // its own hold is not in its own way
  EXPECT_FALSE(refused.error().can_wait);
  EXPECT_EQ(h->amount(), cents(50));
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(50));
  EXPECT_EQ(row(ScopeKind::provider, "p1").held, cents(50));
  EXPECT_TRUE(h->rebase(what, cents(60)).has_value());
}

TEST_F(LedgerRehold, GrowCanWaitOnlyForOthers) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult h = hold(cents(20));
  const HoldResult other = hold(cents(60));
  EXPECT_TRUE(h->rebase(what, cents(90)).error().can_wait);
  EXPECT_FALSE(h->rebase(what, cents(101)).error().can_wait);
}

TEST_F(LedgerRehold, ShrinkFreesAtOnce) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult h = hold(usd(1));
  h->shrink(cents(30));
  EXPECT_EQ(h->amount(), cents(30));
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(30));
  h->shrink(cents(40));  // no-op
  EXPECT_EQ(h->amount(), cents(30));
  h->shrink(NanoUsd{-1});
  EXPECT_EQ(row(ScopeKind::key, "k1").held, NanoUsd{});
}

TEST_F(LedgerRehold, RebaseSwapsModelAndProvider) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::model, "m1", usd(1)),
             budget_of(ScopeKind::provider, "p1", usd(1)),
             budget_of(ScopeKind::provider, "p2", cents(50))});
  HoldResult h = hold(cents(40));
  ASSERT_TRUE(h->rebase(other_what, cents(45)).has_value());
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(45));
  EXPECT_EQ(row(ScopeKind::model, "m1").held, cents(45));
  EXPECT_EQ(row(ScopeKind::provider, "p1").held, NanoUsd{});
  EXPECT_EQ(row(ScopeKind::provider, "p2").held, cents(45));
  // Too dear for p2: nothing changes.
  const ReholdResult refused = h->rebase(other_what, cents(51));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().scope_id, "p2");
  EXPECT_EQ(row(ScopeKind::provider, "p2").held, cents(45));
  // Back, and cheaper.
  ASSERT_TRUE(h->rebase(what, cents(10)).has_value());
  EXPECT_EQ(h->amount(), cents(10));
  EXPECT_EQ(row(ScopeKind::provider, "p2").held, NanoUsd{});
  (void)h->settle(cents(7));
  EXPECT_EQ(row(ScopeKind::provider, "p1").spent, cents(7));
  EXPECT_EQ(row(ScopeKind::provider, "p2").spent, NanoUsd{});
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(7));
}

TEST_F(LedgerRehold, RebaseNeedsRoomForTheDifferenceOnly) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult h = hold(cents(90));
  EXPECT_TRUE(h->rebase(other_what, usd(1)).has_value());
  EXPECT_TRUE(h->rebase(what, NanoUsd{usd(1).value + 1}).has_error());
  EXPECT_EQ(row(ScopeKind::key, "k1").held, usd(1));
}

TEST_F(LedgerRehold, RebaseBetweenTakesTheMostThatFits) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult h = hold(cents(30));
  HoldResult other = hold(cents(40));
  ASSERT_TRUE(h->rebase(what, cents(35), cents(90)).has_value());
  EXPECT_EQ(h->amount(), cents(60));  // all that the other call leaves
  EXPECT_EQ(row(ScopeKind::key, "k1").held, usd(1));
  const ReholdResult refused = h->rebase(other_what, cents(61), cents(90));
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().asked, cents(61));
  EXPECT_TRUE(refused.error().can_wait);
  EXPECT_EQ(h->amount(), cents(60));
  other->release();
  ASSERT_TRUE(h->rebase(other_what, cents(1), cents(90)).has_value());
  EXPECT_EQ(h->amount(), cents(90));
}

TEST_F(LedgerRehold, HeldCountsEachOpenHoldOnce) {
  configure({budget_of(ScopeKind::key, "k1", usd(5)), budget_of(ScopeKind::agent, "a1", usd(5)),
             budget_of(ScopeKind::key, "k1", usd(9), WindowKind::month, "m")});
  HoldResult first = hold(cents(30));
  // A call on scopes without any budget holds as well.
  const ScopePath nobody = ledger.resolve({{ScopeKind::key, "k9"}});
  HoldResult second = ledger.hold(nobody, {}, cents(20));
  EXPECT_EQ(ledger.held(), cents(50));
  ASSERT_TRUE(first->rebase(other_what, cents(45)).has_value());
  second->shrink(cents(5));
  EXPECT_EQ(ledger.held(), cents(50));
  (void)first->settle(cents(45));
  EXPECT_EQ(ledger.held(), cents(5));
  second->release();
  EXPECT_EQ(ledger.held(), NanoUsd{});
}

TEST_F(LedgerRehold, AfterTheWindowTheHoldIsMadeAnew) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)),
             budget_of(ScopeKind::key, "k1", usd(2), WindowKind::month, "m")});
  HoldResult h = hold(cents(60));
  clock.set_wall("2026-11-26T00:00:00Z");
  spend(cents(50));
  // In today's window all of it counts, not just the difference.
  EXPECT_TRUE(h->rebase(what, cents(61)).has_error());
  EXPECT_EQ(row(ScopeKind::key, "k1").held, NanoUsd{});
  EXPECT_EQ(row(ScopeKind::key, "k1", "m").held, cents(60));
  spend(NanoUsd{});
  clock.set_wall("2026-11-27T00:00:00Z");
  ASSERT_TRUE(h->rebase(what, cents(70)).has_value());
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(70));
  EXPECT_EQ(row(ScopeKind::key, "k1", "m").held, cents(70));
  EXPECT_EQ(h->settle(cents(70)).charged_at, FakeClock::at("2026-11-27T00:00:00Z"));
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(70));
  EXPECT_EQ(row(ScopeKind::key, "k1", "m").spent, cents(120));
}

TEST_F(LedgerRehold, AnEndedHoldRefuses) {
  Hold none;
  EXPECT_TRUE(none.rebase(what, cents(1)).has_error());
  none.shrink({});
  EXPECT_EQ(ledger.open_holds(), 0u);
}

}  // namespace
}  // namespace tollgate::domain::budget
