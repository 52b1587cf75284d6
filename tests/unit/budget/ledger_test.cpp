#include "tollgate/domain/budget/ledger.hpp"

#include "unit/budget/ledger_fixture.hpp"

namespace tollgate::domain::budget {
namespace {

using namespace std::chrono_literals;
using Kind = BudgetEvent::Kind;

class LedgerHold : public LedgerTest {};
class LedgerWindow : public LedgerTest {};
class LedgerAlert : public LedgerTest {};
class LedgerOverrun : public LedgerTest {};

TEST_F(LedgerHold, ChargesEveryScopeAndFreesTheRest) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::agent, "a1", usd(2)),
             budget_of(ScopeKind::team, "t1", usd(3)), budget_of(ScopeKind::org, "o1", usd(4)),
             budget_of(ScopeKind::model, "m1", usd(5)),
             budget_of(ScopeKind::provider, "p1", usd(6))});
  HoldResult h = hold(cents(30));
  ASSERT_TRUE(h.has_value());
  EXPECT_EQ(h->amount(), cents(30));
  EXPECT_EQ(ledger.open_holds(), 1u);
  for (const BudgetRow& r : ledger.snapshot_all()) {
    EXPECT_EQ(r.held, cents(30));
    EXPECT_EQ(r.spent, NanoUsd{});
  }
  const Settlement s = h->settle(cents(12));
  EXPECT_EQ(s.amount, cents(12));
  EXPECT_EQ(s.held, cents(30));
  EXPECT_EQ(s.overrun, NanoUsd{});
  EXPECT_EQ(s.charged_at, clock.wall());
  EXPECT_FALSE(static_cast<bool>(*h));
  const auto rows = ledger.snapshot_all();
  ASSERT_EQ(rows.size(), 6u);
  for (const BudgetRow& r : rows) {
    EXPECT_EQ(r.held, NanoUsd{});
    EXPECT_EQ(r.spent, cents(12));
  }
  EXPECT_EQ(ledger.open_holds(), 0u);
}

// Each scope, and each of several budgets on one scope, can refuse alone; then nothing is held
// anywhere.
TEST_F(LedgerHold, EveryBudgetCanRefuseAndNothingStaysHeld) {
  const struct {
    ScopeKind kind;
    const char* id;
    const char* name;
  } all[] = {{ScopeKind::key, "k1", "default"},   {ScopeKind::key, "k1", "second"},
             {ScopeKind::agent, "a1", "default"}, {ScopeKind::team, "t1", "default"},
             {ScopeKind::org, "o1", "default"},   {ScopeKind::org, "o1", "second"},
             {ScopeKind::model, "m1", "default"}, {ScopeKind::provider, "p1", "default"}};
  for (const auto& tight : all) {
    std::vector<config::ScopedBudget> budgets;
    for (const auto& b : all) {
      budgets.push_back(
          budget_of(b.kind, b.id, &b == &tight ? cents(5) : usd(10), WindowKind::day, b.name));
    }
    configure(budgets);
    const HoldResult h = hold(cents(6));
    ASSERT_TRUE(h.has_error()) << tight.id;
    EXPECT_EQ(h.error().scope, tight.kind);
    EXPECT_EQ(h.error().scope_id, tight.id);
    EXPECT_EQ(h.error().budget, tight.name);
    EXPECT_EQ(h.error().limit, cents(5));
    EXPECT_EQ(h.error().asked, cents(6));
    EXPECT_EQ(h.error().reset_at, FakeClock::at("2026-11-26T00:00:00Z"));
    EXPECT_FALSE(h.error().can_wait);
    for (const BudgetRow& r : ledger.snapshot_all()) EXPECT_EQ(r.held, NanoUsd{});
    EXPECT_TRUE(hold(cents(5)).has_value()) << tight.id;
  }
  EXPECT_EQ(ledger.open_holds(), 0u);
}

TEST_F(LedgerHold, RefusalTellsWhetherWaitingHelps) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::agent, "a1", usd(2))});
  spend(cents(50));
  HoldResult first = hold(cents(30));
  HoldResult h = hold(cents(40));  // fits once `first` is back
  ASSERT_TRUE(h.has_error());
  EXPECT_TRUE(h.error().can_wait);
  EXPECT_EQ(h.error().spent, cents(50));
  EXPECT_EQ(h.error().held, cents(30));
  h = hold(cents(51));  // never fits
  ASSERT_TRUE(h.has_error());
  EXPECT_FALSE(h.error().can_wait);
  // One budget waiting helps, a later one it does not: the hopeless one is named.
  configure(
      {budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::agent, "a1", cents(85))});
  h = hold(cents(40));
  ASSERT_TRUE(h.has_error());
  EXPECT_FALSE(h.error().can_wait);
  EXPECT_EQ(h.error().scope, ScopeKind::agent);
}

TEST_F(LedgerHold, LimitIsReachedExactly) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  std::vector<Hold> holds;
  for (int i = 0; i < 20; ++i) {
    HoldResult h = hold(cents(5));
    ASSERT_TRUE(h.has_value()) << i;
    holds.push_back(std::move(*h));
  }
  EXPECT_TRUE(hold(NanoUsd{1}).has_error());
  EXPECT_TRUE(hold(NanoUsd{0}).has_value());  // holds of others do not stop what costs nothing
  for (Hold& h : holds) EXPECT_EQ(h.settle(cents(5)).overrun, NanoUsd{});
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, usd(1));
  EXPECT_TRUE(hold(NanoUsd{1}).has_error());
}

TEST_F(LedgerHold, ReleasesOnEveryWayOut) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  const auto held = [&] { return row(ScopeKind::key, "k1").held; };
  {
    HoldResult h = hold(cents(10));
    EXPECT_EQ(held(), cents(10));
  }
  EXPECT_EQ(held(), NanoUsd{});
  Hold outer;
  {
    HoldResult h = hold(cents(10));
    Hold moved = std::move(*h);
    EXPECT_FALSE(static_cast<bool>(*h));
    outer = std::move(moved);
  }
  EXPECT_EQ(held(), cents(10));
  auto second = hold(cents(20));
  outer = std::move(*second);  // the old one goes back
  EXPECT_EQ(held(), cents(20));
  outer.release();
  outer.release();
  EXPECT_EQ(held(), NanoUsd{});
  EXPECT_EQ(outer.settle(cents(5)).amount, NanoUsd{});  // ended: nothing is charged
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, NanoUsd{});
}

TEST_F(LedgerHold, NegativeAmountsCountAsZero) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult h = hold(NanoUsd{-5});
  ASSERT_TRUE(h.has_value());
  EXPECT_EQ(h->amount(), NanoUsd{});
  EXPECT_EQ(h->settle(NanoUsd{-7}).amount, NanoUsd{});
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, NanoUsd{});
}

TEST_F(LedgerHold, WithoutBudgetsEverythingFits) {
  HoldResult h = hold(NanoUsd::max());
  ASSERT_TRUE(h.has_value());
  EXPECT_TRUE(hold(NanoUsd::max()).has_value());
  EXPECT_EQ(h->settle(usd(1)).amount, usd(1));
}

TEST_F(LedgerHold, AbsurdAmountsDoNotWrap) {
  configure({budget_of(ScopeKind::key, "k1", NanoUsd::max())});
  HoldResult one = hold(usd(1));
  EXPECT_TRUE(hold(NanoUsd::max()).has_error());
  (void)one->settle(NanoUsd::max());
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, NanoUsd::max());
  EXPECT_TRUE(hold(NanoUsd{1}).has_error());
}

TEST_F(LedgerHold, BetweenTakesWhatFits) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::org, "o1", cents(70))});
  const HoldResult h = ledger.hold_between(who, what, cents(10), usd(5));
  ASSERT_TRUE(h.has_value());
  EXPECT_EQ(h->amount(), cents(70));
  EXPECT_TRUE(ledger.hold_between(who, what, cents(1), usd(5)).has_error());
  EXPECT_EQ(ledger.hold_between(who, what, cents(0), usd(5))->amount(), NanoUsd{});
}

TEST_F(LedgerHold, BetweenTakesWhatOthersLeaveOfTheTightestBudget) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::org, "o1", cents(70))});
  spend(cents(20));
  HoldResult h = hold(cents(10));
  const auto free = [this] { return ledger.hold_between(who, what, cents(0), usd(5))->amount(); };
  EXPECT_EQ(free(), cents(40));
  h->release();
  EXPECT_EQ(free(), cents(50));
}

TEST_F(LedgerHold, OthersAreNotTouched) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::key, "k2", usd(1)),
             budget_of(ScopeKind::agent, "k1", usd(1)),
             budget_of(ScopeKind::provider, "p2", usd(1))});
  spend(cents(40));
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(40));
  EXPECT_EQ(row(ScopeKind::key, "k2").spent, NanoUsd{});
  EXPECT_EQ(row(ScopeKind::agent, "k1").spent, NanoUsd{});  // same id, other kind
  EXPECT_EQ(row(ScopeKind::provider, "p2").spent, NanoUsd{});
}

TEST_F(LedgerHold, ResolveSkipsEmptyNamesAndDoubles) {
  const ScopePath path = ledger.resolve({{ScopeKind::key, "k1"},
                                         {ScopeKind::agent, ""},
                                         {ScopeKind::key, "k1"},
                                         {ScopeKind::org, "o1"}});
  EXPECT_EQ(path.size(), 2u);
  EXPECT_EQ(path, ledger.resolve({{ScopeKind::key, "k1"}, {ScopeKind::org, "o1"}}));
}

TEST_F(LedgerHold, ErrorForTheCallerNamesTheBudget) {
  configure({budget_of(ScopeKind::agent, "a1", cents(5))});
  const HoldResult h = hold(cents(6));
  const base::Error told = to_error(h.error(), true);
  EXPECT_EQ(told.code(), base::ErrorCode::budget_exceeded);
  EXPECT_EQ(told.http_status(), 402);
  for (const char* part : {"agent", "\"a1\"", "$0.05", "$0.06", "2026-11-26T00:00:00", "day"}) {
    EXPECT_NE(told.message().find(part), std::string::npos) << part << " in " << told.message();
  }
  const base::Error hidden = to_error(h.error(), false);
  EXPECT_EQ(hidden.message().find('$'), std::string::npos) << hidden.message();
}

TEST_F(LedgerHold, TheErrorOfABudgetWithoutWindowReadsAsEnglish) {
  configure({budget_of(ScopeKind::agent, "a1", cents(5), WindowKind::total)});
  const base::Error told = to_error(hold(cents(6)).error(), true);
  EXPECT_NE(told.message().find("limit $0.05 in total"), std::string::npos) << told.message();
}

TEST_F(LedgerWindow, ResetsExactlyAtTheBoundary) {
  configure({budget_of(ScopeKind::key, "k1", usd(1), WindowKind::day, "d", "Europe/Berlin"),
             budget_of(ScopeKind::key, "k1", usd(2), WindowKind::week, "w"),
             budget_of(ScopeKind::key, "k1", usd(3), WindowKind::month, "m"),
             budget_of(ScopeKind::key, "k1", usd(9), WindowKind::total, "t")});
  spend(usd(1));
  clock.set_wall("2026-11-25T22:59:59.999999Z");
  EXPECT_TRUE(hold(NanoUsd{1}).has_error());
  clock.set_wall("2026-11-25T23:00:00Z");
  EXPECT_EQ(row(ScopeKind::key, "k1", "d").spent, NanoUsd{});
  EXPECT_EQ(row(ScopeKind::key, "k1", "w").spent, usd(1));
  spend(usd(1));
  clock.set_wall("2026-11-29T23:59:59Z");
  HoldResult h = hold(NanoUsd{1});
  ASSERT_TRUE(h.has_error());
  EXPECT_EQ(h.error().budget, "w");
  clock.set_wall("2026-11-30T00:00:00Z");
  spend(usd(1));
  clock.set_wall("2026-11-30T23:59:59Z");
  h = hold(NanoUsd{1});
  ASSERT_TRUE(h.has_error());
  EXPECT_EQ(h.error().budget, "m");
  clock.set_wall("2026-12-01T00:00:00Z");
  EXPECT_TRUE(hold(NanoUsd{1}).has_value());
  EXPECT_EQ(row(ScopeKind::key, "k1", "t").spent, usd(3));
  EXPECT_FALSE(row(ScopeKind::key, "k1", "t").reset_at.has_value());
}

TEST_F(LedgerWindow, AHoldBelongsToTheWindowItWasMadeIn) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)),
             budget_of(ScopeKind::key, "k1", usd(5), WindowKind::month, "m")});
  clock.set_wall("2026-11-25T23:59:59Z");
  HoldResult late = hold(usd(1));
  ASSERT_TRUE(late.has_value());
  clock.set_wall("2026-11-26T00:00:01Z");
  EXPECT_EQ(row(ScopeKind::key, "k1").held, NanoUsd{});  // yesterday's
  EXPECT_EQ(row(ScopeKind::key, "k1", "m").held, usd(1));
  EXPECT_TRUE(hold(usd(1)).has_value());
  const Settlement s = late->settle(cents(90));
  EXPECT_EQ(s.charged_at, FakeClock::at("2026-11-25T23:59:59Z"));
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, NanoUsd{});
  EXPECT_EQ(row(ScopeKind::key, "k1", "m").spent, cents(90));
  EXPECT_EQ(row(ScopeKind::key, "k1", "m").held, NanoUsd{});
}

TEST_F(LedgerWindow, AClockThatStepsBackOpensNothingAgain) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  spend(usd(1));
  clock.set_wall("2026-11-26T00:00:01Z");
  spend(cents(60));
  clock.set_wall("2026-11-25T23:00:00Z");  // back into yesterday
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(60));
  EXPECT_TRUE(hold(cents(41)).has_error());  // not reopened
  HoldResult h = hold(cents(40));
  ASSERT_TRUE(h.has_value());
  EXPECT_EQ(h->settle(cents(40)).charged_at, FakeClock::at("2026-11-26T00:00:01Z"));
  clock.set_wall("2026-11-26T00:00:05Z");  // forward over the same midnight: not doubled
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, usd(1));
  EXPECT_TRUE(hold(NanoUsd{1}).has_error());
  clock.set_wall("2026-11-27T00:00:00Z");
  EXPECT_TRUE(hold(usd(1)).has_value());
}

TEST_F(LedgerAlert, OncePerWindowAndThreshold) {
  configure({budget_of(ScopeKind::agent, "a1", usd(1), WindowKind::day, "default", "UTC",
                       {95, 50, 80, 80})});
  EXPECT_TRUE(spend(cents(49)).events.empty());
  Settlement s = spend(cents(1));
  ASSERT_EQ(s.events.size(), 1u);
  EXPECT_EQ(s.events[0].kind, Kind::threshold);
  EXPECT_EQ(s.events[0].scope, ScopeKind::agent);
  EXPECT_EQ(s.events[0].scope_id, "a1");
  EXPECT_EQ(s.events[0].budget, "default");
  EXPECT_EQ(s.events[0].percent, 50u);
  EXPECT_EQ(s.events[0].limit, usd(1));
  EXPECT_EQ(s.events[0].spent, cents(50));
  EXPECT_EQ(s.events[0].window_start, FakeClock::at("2026-11-25T00:00:00Z"));
  EXPECT_EQ(s.events[0].reset_at, FakeClock::at("2026-11-26T00:00:00Z"));
  EXPECT_TRUE(spend(cents(1)).events.empty());
  s = spend(cents(45));  // two at once
  ASSERT_EQ(s.events.size(), 2u);
  EXPECT_EQ(s.events[0].percent, 80u);
  EXPECT_EQ(s.events[1].percent, 95u);
  EXPECT_TRUE(spend(cents(1)).events.empty());
  clock.advance(24h);
  EXPECT_EQ(spend(cents(50)).events.size(), 1u);  // a new window tells again
}

TEST_F(LedgerAlert, HoldsDoNotCount) {
  configure({budget_of(ScopeKind::agent, "a1", usd(1), WindowKind::day, "default", "UTC", {50})});
  HoldResult big = hold(cents(90));
  EXPECT_TRUE(big->settle(cents(10)).events.empty());
}

TEST_F(LedgerAlert, AnEditedLimitTellsWhatItCrosses) {
  const auto with_limit = [&](NanoUsd limit) {
    configure({budget_of(ScopeKind::agent, "a1", limit, WindowKind::day, "default", "UTC", {80})});
  };
  with_limit(usd(1));
  EXPECT_EQ(spend(cents(80)).events.size(), 1u);
  with_limit(usd(1));  // an equal reload tells nothing again
  EXPECT_TRUE(spend(cents(1)).events.empty());
  with_limit(usd(10));  // 80 % now means $8: another threshold
  EXPECT_TRUE(spend(cents(1)).events.empty());
  with_limit(usd(1));
  EXPECT_EQ(spend(cents(1)).events.size(), 1u);
}

TEST_F(LedgerOverrun, IsRecordedTrulyAndClosesUntilReset) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::org, "o1", usd(100))});
  HoldResult other = hold(cents(50));
  HoldResult h = hold(cents(50));
  const Settlement s = h->settle(cents(80));
  EXPECT_EQ(s.amount, cents(80));
  EXPECT_EQ(s.overrun, cents(30));
  ASSERT_EQ(s.events.size(), 1u);
  EXPECT_EQ(s.events[0].kind, Kind::closed);
  EXPECT_EQ(s.events[0].scope, ScopeKind::key);
  EXPECT_TRUE(row(ScopeKind::key, "k1").is_closed);
  EXPECT_FALSE(row(ScopeKind::org, "o1").is_closed);  // its cap was not broken
  // The other hold comes back, so that spend is below the limit: still closed.
  (void)other->settle(cents(5));
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(85));
  const HoldResult refused = hold(NanoUsd{1});
  ASSERT_TRUE(refused.has_error());
  EXPECT_TRUE(refused.error().is_closed);
  EXPECT_FALSE(refused.error().can_wait);
  EXPECT_TRUE(hold(NanoUsd{}).has_error()) << "what costs nothing does not pass either";
  // Nor does a reload that raises nothing open it.
  configure({budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::org, "o1", usd(100))});
  EXPECT_TRUE(hold(NanoUsd{1}).has_error());
  clock.set_wall("2026-11-26T00:00:00Z");
  EXPECT_TRUE(hold(usd(1)).has_value());
}

// Near a cap room is nearly always gone: a token more than we guessed is no breach of anybody's.
TEST_F(LedgerOverrun, OfAnEstimateClosesWhatIsTrulyPassed) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::org, "o1", usd(100))});
  HoldResult other = hold(cents(70));
  HoldResult guessed = hold(cents(30));
  const Settlement more = guessed->settle(cents(31), false, HeldAt::estimate);
  EXPECT_EQ(more.overrun, cents(1));
  EXPECT_FALSE(row(ScopeKind::key, "k1").is_closed);
  EXPECT_TRUE(hold(NanoUsd{1}).has_error()) << "while the other holds it all";
  (void)other->settle(cents(5));
  HoldResult rest = hold(cents(64));
  ASSERT_TRUE(rest.has_value());
  (void)rest->settle(cents(65), false, HeldAt::estimate);
  EXPECT_TRUE(row(ScopeKind::key, "k1").is_closed);
}

TEST_F(LedgerOverrun, ARaisedLimitReopens) {
  configure({budget_of(ScopeKind::key, "k1", usd(1), WindowKind::total)});
  (void)hold(usd(1))->settle(usd(2));
  configure({budget_of(ScopeKind::key, "k1", usd(1), WindowKind::total)});
  EXPECT_TRUE(row(ScopeKind::key, "k1").is_closed);  // an equal reload does not
  configure({budget_of(ScopeKind::key, "k1", usd(3), WindowKind::total)});
  EXPECT_FALSE(row(ScopeKind::key, "k1").is_closed);
  EXPECT_TRUE(hold(usd(1)).has_value());
}

TEST_F(LedgerOverrun, AfterTheWindowDoesNotCloseTheNext) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult h = hold(usd(1));
  clock.set_wall("2026-11-26T00:00:00Z");
  EXPECT_TRUE(hold(cents(1)).has_value());
  const Settlement s = h->settle(usd(5));
  EXPECT_EQ(s.overrun, usd(4));
  EXPECT_TRUE(s.events.empty());
  EXPECT_FALSE(row(ScopeKind::key, "k1").is_closed);
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, NanoUsd{});
}

}  // namespace
}  // namespace tollgate::domain::budget
