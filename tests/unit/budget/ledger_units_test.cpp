// Budgets in tokens and requests, attempts that are split off, and what is used up.
#include "tollgate/domain/budget/row_json.hpp"
#include "unit/budget/ledger_fixture.hpp"

namespace tollgate::domain::budget {
namespace {

using config::BudgetUnit;

config::ScopedBudget in_unit(BudgetUnit unit, std::int64_t limit, ScopeKind kind = ScopeKind::key,
                             std::string id = "k1", std::string name = "u",
                             WindowKind window = WindowKind::day) {
  config::ScopedBudget b = budget_of(kind, std::move(id), {}, window, std::move(name));
  b.budget.unit = unit;
  b.budget.limit = limit;
  return b;
}

using LedgerUnits = LedgerTest;

TEST_F(LedgerUnits, EachBudgetCountsItsOwnUnit) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), in_unit(BudgetUnit::tokens, 1'000),
             in_unit(BudgetUnit::requests, 3, ScopeKind::agent, "a1")});
  HoldResult h = ledger.hold(who, what, {cents(10), 400, 1});
  ASSERT_TRUE(h.has_value());
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(10));
  EXPECT_EQ(row(ScopeKind::key, "k1", "u").held, 400);
  EXPECT_EQ(row(ScopeKind::agent, "a1", "u").held, 1);
  const Settlement s = h->settle({cents(4), 150, 1});
  EXPECT_EQ(s.charged, Amounts(cents(4), 150, 1));
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(4));
  EXPECT_EQ(row(ScopeKind::key, "k1", "u").spent, 150);
  EXPECT_EQ(row(ScopeKind::key, "k1", "u").held, 0);
  EXPECT_EQ(row(ScopeKind::agent, "a1", "u").spent, 1);

  h = ledger.hold(who, what, {cents(1), 851, 1});
  ASSERT_TRUE(h.has_error());
  EXPECT_EQ(h.error().unit, BudgetUnit::tokens);
  EXPECT_EQ(h.error().asked, 851);
  EXPECT_EQ(h.error().spent, 150);
  EXPECT_NE(to_error(h.error(), true).message().find("851 tokens"), std::string::npos);
  EXPECT_EQ(to_error(h.error(), true).code(), base::ErrorCode::budget_exceeded);
  EXPECT_EQ(row(ScopeKind::key, "k1").held, NanoUsd{});

  (void)ledger.hold(who, what, {cents(1), 1, 1})->settle({cents(1), 1, 1});
  (void)ledger.hold(who, what, {cents(1), 1, 1})->settle({cents(1), 1, 1});
  h = ledger.hold(who, what, {cents(1), 1, 1});
  ASSERT_TRUE(h.has_error());
  EXPECT_EQ(h.error().unit, BudgetUnit::requests);
  EXPECT_EQ(h.error().scope, ScopeKind::agent);
}

TEST_F(LedgerUnits, TheLargestAmountsThatFitAreHeldOfEachUnit) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), in_unit(BudgetUnit::tokens, 1'000)});
  const HoldResult h = ledger.hold_between(who, what, {cents(1), 100, 1}, {usd(5), 64'000, 1});
  ASSERT_TRUE(h.has_value());
  EXPECT_EQ(h->amounts(), Amounts(usd(1), 1'000, 1));
}

TEST_F(LedgerUnits, MoreTokensThanHeldCloseABudgetInTokens) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), in_unit(BudgetUnit::tokens, 100)});
  HoldResult h = ledger.hold(who, what, {cents(1), 100, 1});
  const Settlement s = h->settle({cents(1), 101, 1});
  EXPECT_EQ(s.overrun, NanoUsd{});
  EXPECT_TRUE(s.is_overrun);
  ASSERT_EQ(s.events.size(), 1u);
  EXPECT_EQ(s.events[0].kind, BudgetEvent::Kind::closed);
  EXPECT_EQ(s.events[0].unit, BudgetUnit::tokens);
  EXPECT_TRUE(row(ScopeKind::key, "k1", "u").is_closed);
  EXPECT_FALSE(row(ScopeKind::key, "k1").is_closed);
}

TEST_F(LedgerUnits, MoreThanHeldOfAnyUnitIsAnOverrun) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  const auto settle = [&](Amounts held, Amounts actual, HeldAt bound = HeldAt::strict_bound) {
    return ledger.hold(who, what, held)->settle(actual, false, bound);
  };
  EXPECT_FALSE(settle({cents(1), 100, 1}, {cents(1), 100, 1}).is_overrun);
  EXPECT_FALSE(settle({cents(1), 100, 1}, {}).is_overrun);
  EXPECT_TRUE(settle({{}, 100, 1}, {{}, 101, 1}).is_overrun) << "of a model that costs nothing";
  EXPECT_TRUE(settle({cents(1), 100, 1}, {cents(2), 50, 1}).is_overrun);
  EXPECT_EQ(settle({cents(1), 100, 1}, {cents(2), 50, 1}).overrun, cents(1));
  EXPECT_TRUE(settle({{}, 100, 0}, {{}, 100, 1}).is_overrun);
  EXPECT_TRUE(settle({{}, 100, 1}, {{}, 101, 1}, HeldAt::estimate).is_overrun);
  EXPECT_FALSE(Hold().settle({cents(1), 1, 1}).is_overrun);
}

// The row is all that the next process knows.
TEST_F(LedgerUnits, ABudgetClosedByTokensIsClosedAfterARestart) {
  const std::vector<config::ScopedBudget> budgets{budget_of(ScopeKind::key, "k1", usd(1)),
                                                  in_unit(BudgetUnit::tokens, 100)};
  configure(budgets);
  const Settlement s = ledger.hold(who, what, {{}, 100, 1})->settle({{}, 130, 1});
  history.record(ScopeKind::key, "k1", s.charged, s.charged_at, s.is_overrun);
  Ledger restarted(clock);
  config::Snapshot snapshot;
  snapshot.budgets = budgets;
  ASSERT_TRUE(restarted.configure(snapshot, history).has_value());
  ASSERT_TRUE(restarted.load(history).has_value());
  const ScopePath key = restarted.resolve({{ScopeKind::key, "k1"}});
  for (const BudgetRow& r : restarted.snapshot_of(key))
    EXPECT_EQ(r.is_closed, r.unit == BudgetUnit::tokens) << r.budget;
  EXPECT_TRUE(restarted.hold(key, {}, {{}, 0, 1}).error().is_closed);
}

// What costs nothing is stopped where nothing is left, and not by what others hold.
TEST_F(LedgerUnits, AUsedUpBudgetRefusesFreeCallsToo) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), in_unit(BudgetUnit::tokens, 100),
             budget_of(ScopeKind::org, "o1", usd(9))});
  const auto is_let_in = [&] { return ledger.hold(who, what, {{}, 0, 1}).has_value(); };
  {
    HoldResult all = ledger.hold(who, what, {usd(1), 100, 1});
    EXPECT_TRUE(is_let_in());
    (void)all->settle({usd(1), 1, 1});
  }
  EXPECT_FALSE(is_let_in());
  const HoldResult h = ledger.hold(who, what, {{}, 0, 1});
  EXPECT_FALSE(h.error().can_wait);
  EXPECT_EQ(h.error().budget, "default");
  clock.set_wall("2026-11-26T00:00:00Z");
  EXPECT_TRUE(is_let_in());
  configure({budget_of(ScopeKind::org, "o1", usd(0))});
  EXPECT_FALSE(is_let_in()) << "a budget of nothing lets nothing in";
}

TEST_F(LedgerUnits, ASplitAttemptKeepsItsChargeAndTheCallItsPlace) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), in_unit(BudgetUnit::tokens, 1'000),
             in_unit(BudgetUnit::requests, 10, ScopeKind::key, "k1", "r")});
  HoldResult call = ledger.hold(who, what, {cents(60), 500, 1});
  Hold attempt = call->split({cents(20), 100, 0});
  ASSERT_TRUE(static_cast<bool>(attempt));
  EXPECT_EQ(attempt.amounts(), Amounts(cents(20), 100, 0));
  EXPECT_EQ(call->amounts(), Amounts({}, 0, 1));
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(20));
  EXPECT_EQ(row(ScopeKind::key, "k1", "r").held, 1);
  EXPECT_EQ(ledger.held(), cents(20));
  ASSERT_TRUE(call->rebase(other_what, {cents(30), 200, 1}).has_value());
  EXPECT_EQ(row(ScopeKind::key, "k1", "r").held, 1) << "a call is one request";
  (void)attempt.settle(attempt.amounts(), true);
  (void)call->settle({cents(5), 50, 1});
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(25));
  EXPECT_EQ(row(ScopeKind::key, "k1", "u").spent, 150);
  EXPECT_EQ(row(ScopeKind::key, "k1", "r").spent, 1);
  EXPECT_EQ(row(ScopeKind::key, "k1").held, NanoUsd{});
  EXPECT_EQ(ledger.open_holds(), 0u);
}

TEST_F(LedgerUnits, MinutesResetToTheSecond) {
  configure({in_unit(BudgetUnit::requests, 1, ScopeKind::key, "k1", "m", WindowKind::minute)});
  clock.set_wall("2026-11-25T12:00:59.999999Z");
  (void)ledger.hold(who, what, {{}, 0, 1})->settle({{}, 0, 1});
  EXPECT_TRUE(ledger.hold(who, what, {{}, 0, 1}).has_error());
  clock.set_wall("2026-11-25T12:01:00Z");
  EXPECT_TRUE(ledger.hold(who, what, {{}, 0, 1}).has_value());
}

TEST_F(LedgerUnits, TheRecordTellsTheSpendOfEachUnit) {
  history.record(ScopeKind::key, "k1", {cents(30), 700, 4}, clock.wall());
  configure({budget_of(ScopeKind::key, "k1", usd(1)), in_unit(BudgetUnit::tokens, 1'000),
             in_unit(BudgetUnit::requests, 5, ScopeKind::key, "k1", "r")});
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(30));
  EXPECT_EQ(row(ScopeKind::key, "k1", "u").spent, 700);
  EXPECT_EQ(row(ScopeKind::key, "k1", "r").spent, 4);
  // Another unit under the same name is another budget.
  configure({in_unit(BudgetUnit::requests, 1'000)});
  EXPECT_EQ(row(ScopeKind::key, "k1", "u").spent, 4);
}

TEST_F(LedgerUnits, AnAdjustmentMovesTheSpendAndReopens) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), in_unit(BudgetUnit::tokens, 100)});
  (void)ledger.hold(who, what, {usd(1), 0, 1})->settle({usd(2), 0, 1});
  ASSERT_TRUE(row(ScopeKind::key, "k1").is_closed);
  EXPECT_EQ(ledger.adjust({ScopeKind::key, "k1"}, BudgetUnit::usd, NanoUsd{-usd(1).value - 1}),
            clock.wall());
  EXPECT_EQ(row(ScopeKind::key, "k1").spent.value, usd(1).value - 1);
  EXPECT_FALSE(row(ScopeKind::key, "k1").is_closed);
  EXPECT_TRUE(ledger.hold(who, what, {NanoUsd{1}, 0, 1}).has_value());
  (void)ledger.adjust({ScopeKind::key, "k1"}, BudgetUnit::tokens, 100);
  EXPECT_TRUE(ledger.hold(who, what, {NanoUsd{1}, 0, 1}).has_error());
  (void)ledger.adjust({ScopeKind::key, "k1"}, BudgetUnit::tokens, -500);
  EXPECT_EQ(row(ScopeKind::key, "k1", "u").spent, -400) << "as the record adds it up";
}

// What is in flight comes back without a word to a closed budget: it must not keep it closed.
TEST_F(LedgerUnits, AnAdjustmentReopensWithCallsInFlight) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult in_flight = hold(cents(90));
  (void)hold(cents(10))->settle(cents(110));
  ASSERT_TRUE(row(ScopeKind::key, "k1").is_closed);
  (void)ledger.adjust({ScopeKind::key, "k1"}, BudgetUnit::usd, -cents(60).value);
  EXPECT_FALSE(row(ScopeKind::key, "k1").is_closed);
  EXPECT_TRUE(hold(cents(1)).has_error()) << "what is held is held";
  (void)in_flight->settle(cents(1));
  EXPECT_TRUE(hold(cents(49)).has_value());
}

TEST_F(LedgerUnits, MoreGivenBackThanSpentIsRoomUntilTheWindowEnds) {
  configure({budget_of(ScopeKind::key, "k1", usd(1), WindowKind::day, "default", "UTC", {50})});
  spend(cents(10));
  (void)ledger.adjust({ScopeKind::key, "k1"}, BudgetUnit::usd, -cents(50).value);
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, minus(cents(40)));
  EXPECT_EQ(ledger.hold_between(who, what, cents(0), usd(5))->amount(), cents(140));
  EXPECT_TRUE(spend(cents(89)).events.empty());
  EXPECT_EQ(spend(cents(1)).events.size(), 1u) << "50 % of the limit are reached at last";
  HoldResult too_much = hold(cents(51));
  ASSERT_TRUE(too_much.has_error());
  EXPECT_EQ(too_much.error().spent, cents(50));
  // An overrun closes where the limit is broken, and not before.
  (void)ledger.adjust({ScopeKind::key, "k1"}, BudgetUnit::usd, -cents(60).value);
  (void)hold(cents(10))->settle(cents(110));
  EXPECT_FALSE(row(ScopeKind::key, "k1").is_closed);
  (void)ledger.adjust({ScopeKind::key, "k1"}, BudgetUnit::usd, -cents(5).value);
  (void)hold(cents(5))->settle(cents(6));
  EXPECT_TRUE(row(ScopeKind::key, "k1").is_closed);
  clock.advance(std::chrono::hours(24));
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, NanoUsd{});
  EXPECT_TRUE(hold(cents(101)).has_error());
}

// The call that would tell of it may never come: the budget can be used up by the correction.
TEST_F(LedgerUnits, AnAdjustmentTellsTheThresholdsItCrosses) {
  configure(
      {budget_of(ScopeKind::key, "k1", usd(1), WindowKind::day, "default", "UTC", {50, 80, 100}),
       in_unit(BudgetUnit::tokens, 100)});
  spend(cents(40));
  const auto adjust = [&](std::int64_t change) {
    std::vector<BudgetEvent> events;
    (void)ledger.adjust({ScopeKind::key, "k1"}, BudgetUnit::usd, change, &events);
    return events;
  };
  EXPECT_TRUE(adjust(cents(9).value).empty());
  const auto told = adjust(cents(51).value);
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[0].kind, BudgetEvent::Kind::threshold);
  EXPECT_EQ(told[0].percent, 50u);
  EXPECT_EQ(told[2].percent, 100u);
  EXPECT_EQ(told[2].scope_id, "k1");
  EXPECT_EQ(told[2].spent, usd(1));
  EXPECT_TRUE(adjust(-cents(90).value).empty());
  EXPECT_TRUE(adjust(cents(80).value).empty()) << "once per window and threshold";
  // Nobody listens: the next settlement tells.
  clock.advance(std::chrono::hours(24));
  (void)ledger.adjust({ScopeKind::key, "k1"}, BudgetUnit::usd, cents(60).value);
  EXPECT_EQ(spend(cents(1)).events.size(), 1u);
}

TEST_F(LedgerUnits, SpendBelowNothingIsShownAsSuch) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  (void)ledger.adjust({ScopeKind::key, "k1"}, BudgetUnit::usd, -cents(25).value);
  const std::string report = report_json(ledger);
  EXPECT_NE(report.find(R"("spent_usd":"-0.25")"), std::string::npos) << report;
  EXPECT_NE(report.find(R"("spent_nusd":-250000000)"), std::string::npos) << report;
}

}  // namespace
}  // namespace tollgate::domain::budget
