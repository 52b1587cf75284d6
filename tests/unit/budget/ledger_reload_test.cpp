#include "unit/budget/ledger_fixture.hpp"

namespace tollgate::domain::budget {
namespace {

class LedgerReload : public LedgerTest {
 protected:
  /// Spends and puts it on record, as the store does.
  void spend_on_record(NanoUsd amount) {
    const Settlement s = spend(amount);
    for (const auto& [kind, id] : {std::pair{ScopeKind::key, "k1"},
                                   {ScopeKind::agent, "a1"},
                                   {ScopeKind::team, "t1"},
                                   {ScopeKind::org, "o1"},
                                   {ScopeKind::model, "m1"},
                                   {ScopeKind::provider, "p1"}}) {
      history.record(kind, id, s.amount, s.charged_at);
    }
  }
};

TEST_F(LedgerReload, AnEditedLimitKeepsSpendAndHolds) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  spend(cents(40));
  HoldResult h = hold(cents(30));
  history.questions = 0;
  configure({budget_of(ScopeKind::key, "k1", usd(2))});
  EXPECT_EQ(history.questions, 0);
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(40));
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(30));
  EXPECT_TRUE(hold(cents(130)).has_value());
  configure({budget_of(ScopeKind::key, "k1", cents(50))});  // below what is in use
  EXPECT_TRUE(hold(NanoUsd{1}).has_error());
  EXPECT_EQ(h->settle(cents(5)).overrun, NanoUsd{});
  EXPECT_TRUE(hold(cents(5)).has_value());
}

// A limit lowered below the spend leaves no call that would tell of it.
TEST_F(LedgerReload, AnEditedLimitTellsTheThresholdsItCrosses) {
  const auto reload = [&](NanoUsd limit, std::vector<std::uint32_t> percents) {
    config::Snapshot snapshot;
    snapshot.budgets = {budget_of(ScopeKind::key, "k1", limit, WindowKind::day, "default", "UTC",
                                  std::move(percents))};
    std::vector<BudgetEvent> events;
    EXPECT_TRUE(ledger.configure(snapshot, history, &events).has_value());
    std::vector<std::uint32_t> told;
    for (const BudgetEvent& e : events) {
      EXPECT_EQ(e.kind, BudgetEvent::Kind::threshold);
      EXPECT_EQ(e.limit, limit);
      told.push_back(e.percent);
    }
    return told;
  };
  using Percents = std::vector<std::uint32_t>;
  EXPECT_EQ(reload(usd(1), {50, 80, 100}), Percents());
  EXPECT_EQ(spend(cents(60)).events.size(), 1u);
  EXPECT_EQ(reload(usd(1), {50, 80, 100}), Percents()) << "nothing has changed";
  EXPECT_EQ(reload(cents(70), {50, 80, 100}), Percents{80});
  EXPECT_EQ(reload(cents(70), {50, 80, 100}), Percents()) << "once per window and threshold";
  EXPECT_EQ(reload(cents(50), {50, 80, 100}), Percents{100});
  EXPECT_TRUE(hold(NanoUsd{1}).has_error()) << "no settlement will come";
  EXPECT_EQ(reload(cents(50), {30, 50, 80, 100}), Percents()) << "passed with those above it";
  // What was spent in a window that is over crosses nothing, though no call has opened the next.
  clock.advance(std::chrono::hours(24));
  EXPECT_EQ(reload(usd(1), {50}), Percents());
  EXPECT_TRUE(spend(cents(10)).events.empty());
  clock.advance(std::chrono::hours(24));
  EXPECT_EQ(reload(cents(10), {50}), Percents());
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, NanoUsd{});
  // A budget that the record knows has told before.
  history.record(ScopeKind::team, "t1", cents(90), clock.wall());
  config::Snapshot snapshot;
  snapshot.budgets = {
      budget_of(ScopeKind::team, "t1", usd(1), WindowKind::day, "default", "UTC", {50})};
  std::vector<BudgetEvent> events;
  ASSERT_TRUE(ledger.configure(snapshot, history, &events).has_value());
  EXPECT_TRUE(events.empty());
}

TEST_F(LedgerReload, OrderAndPositionDoNotMatter) {
  configure({budget_of(ScopeKind::key, "k1", usd(1), WindowKind::day, "a"),
             budget_of(ScopeKind::key, "k1", usd(2), WindowKind::week, "b")});
  spend(cents(40));
  configure({budget_of(ScopeKind::org, "o1", usd(9)),
             budget_of(ScopeKind::key, "k1", usd(2), WindowKind::week, "b"),
             budget_of(ScopeKind::key, "k1", usd(1), WindowKind::day, "a")});
  EXPECT_EQ(row(ScopeKind::key, "k1", "a").spent, cents(40));
  EXPECT_EQ(row(ScopeKind::key, "k1", "a").limit, usd(1));
  EXPECT_EQ(row(ScopeKind::key, "k1", "b").spent, cents(40));
}

TEST_F(LedgerReload, AChangedWindowIsRecomputed) {
  configure({budget_of(ScopeKind::key, "k1", usd(5))});
  clock.set_wall("2026-11-24T12:00:00Z");
  history.record(ScopeKind::key, "k1", usd(2), FakeClock::at("2026-11-23T10:00:00Z"));
  history.record(ScopeKind::key, "k1", usd(7), FakeClock::at("2026-11-22T10:00:00Z"));  // last week
  history.record(ScopeKind::key, "k2", usd(9), FakeClock::at("2026-11-23T10:00:00Z"));
  clock.set_wall("2026-11-25T12:00:00Z");
  spend_on_record(cents(50));
  HoldResult h = hold(cents(30));
  configure({budget_of(ScopeKind::key, "k1", usd(5), WindowKind::week)});
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(250));
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(30));  // holds in flight survive
  (void)h->settle(cents(20));
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(270));
  EXPECT_EQ(row(ScopeKind::key, "k1").held, NanoUsd{});
  // Another zone is another window: in Kiritimati it is Thursday already.
  configure(
      {budget_of(ScopeKind::key, "k1", usd(5), WindowKind::day, "default", "Pacific/Kiritimati")});
  EXPECT_EQ(row(ScopeKind::key, "k1").window_start, FakeClock::at("2026-11-25T10:00:00Z"));
}

TEST_F(LedgerReload, HoldsOfAnEarlierWindowDoNotCount) {
  configure({budget_of(ScopeKind::key, "k1", usd(5), WindowKind::month)});
  HoldResult yesterday = hold(cents(30));
  clock.set_wall("2026-11-26T12:00:00Z");
  HoldResult today = hold(cents(20));
  configure({budget_of(ScopeKind::key, "k1", usd(5), WindowKind::day)});
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(20));
  (void)yesterday->settle(cents(30));
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, NanoUsd{});
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(20));
  (void)today->settle(cents(20));
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(20));
}

TEST_F(LedgerReload, ANewBudgetCountsTheRecordAndWhatIsInFlight) {
  spend_on_record(cents(40));
  HoldResult h = hold(cents(30));
  configure(
      {budget_of(ScopeKind::team, "t1", usd(1), WindowKind::day, "default", "UTC", {10, 50})});
  EXPECT_EQ(row(ScopeKind::team, "t1").spent, cents(40));
  EXPECT_EQ(row(ScopeKind::team, "t1").held, cents(30));
  EXPECT_TRUE(hold(cents(31)).has_error());
  const Settlement s = h->settle(cents(25));
  ASSERT_EQ(s.events.size(), 1u);  // 10 % was passed before; only 50 % is news
  EXPECT_EQ(s.events[0].percent, 50u);
  EXPECT_EQ(row(ScopeKind::team, "t1").spent, cents(65));
}

TEST_F(LedgerReload, ARemovedBudgetNoLongerRefuses) {
  configure({budget_of(ScopeKind::key, "k1", cents(10)), budget_of(ScopeKind::org, "o1", usd(9))});
  HoldResult h = hold(cents(10));
  configure({budget_of(ScopeKind::org, "o1", usd(9))});
  EXPECT_FALSE(has_row(ScopeKind::key, "k1"));
  EXPECT_TRUE(hold(usd(1)).has_value());
  (void)h->settle(cents(9));
  EXPECT_EQ(row(ScopeKind::org, "o1").spent, cents(9));
  // And back: the record knows what was spent meanwhile.
  history.record(ScopeKind::key, "k1", cents(9), clock.wall());
  configure({budget_of(ScopeKind::key, "k1", cents(10)), budget_of(ScopeKind::org, "o1", usd(9))});
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(9));
  EXPECT_EQ(row(ScopeKind::key, "k1").held, NanoUsd{});
}

TEST_F(LedgerReload, AMovedKeyLeavesItsHistory) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::team, "t1", usd(1)),
             budget_of(ScopeKind::team, "t2", usd(1))});
  spend(cents(60));
  const ScopePath moved = ledger.resolve({{ScopeKind::key, "k1"}, {ScopeKind::team, "t2"}});
  (void)ledger.hold(moved, what, cents(30))->settle(cents(30));
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(90));
  EXPECT_EQ(row(ScopeKind::team, "t1").spent, cents(60));
  EXPECT_EQ(row(ScopeKind::team, "t2").spent, cents(30));
}

TEST_F(LedgerReload, AFailedReloadChangesNothing) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  spend(cents(40));
  const auto rejected = [&](std::vector<config::ScopedBudget> budgets) {
    config::Snapshot snapshot;
    snapshot.budgets = std::move(budgets);
    return ledger.configure(snapshot, history).has_error();
  };
  EXPECT_TRUE(
      rejected({budget_of(ScopeKind::key, "k1", usd(9)),
                budget_of(ScopeKind::org, "o1", usd(9), WindowKind::day, "x", "No/Where")}));
  EXPECT_TRUE(
      rejected({budget_of(ScopeKind::key, "k1", usd(9)), budget_of(ScopeKind::key, "k1", usd(8))}));
  history.fails = true;
  EXPECT_TRUE(
      rejected({budget_of(ScopeKind::key, "k1", usd(9)), budget_of(ScopeKind::org, "o1", usd(9))}));
  EXPECT_TRUE(ledger.load(history).has_error());
  const auto rows = ledger.snapshot_all();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].limit, usd(1));
  EXPECT_EQ(rows[0].spent, cents(40));
}

// A call settles while the store sums up: it is counted once when the store saw it in the second
// look, and never lost.
TEST_F(LedgerReload, SettlementsDuringTheReadAreNotLost) {
  HoldResult h = hold(cents(30));
  history.on_question = [&] {
    if (history.questions == 1) {
      const Settlement s = h->settle(cents(25));
      history.record(ScopeKind::team, "t1", s.amount, s.charged_at);
    }
  };
  configure({budget_of(ScopeKind::team, "t1", usd(1))});
  EXPECT_EQ(history.questions, 2);  // asked again, since something was settled meanwhile
  EXPECT_EQ(row(ScopeKind::team, "t1").spent, cents(25));
  // Never quiet: counted at least once.
  history.questions = 0;
  history.on_question = [&] {
    const Settlement s = hold(cents(1))->settle(cents(1));
    history.record(ScopeKind::org, "o1", s.amount, s.charged_at);
  };
  configure({budget_of(ScopeKind::org, "o1", usd(1))});
  NanoUsd truth;
  for (const auto& r : history.rows) truth += r.kind == ScopeKind::org ? r.amount.usd : NanoUsd{};
  EXPECT_GE(row(ScopeKind::org, "o1").spent, truth);
  EXPECT_LE(row(ScopeKind::org, "o1").spent, truth + cents(1));
}

// The first budget's record is read already when a call settles, while the second's is being read.
TEST_F(LedgerReload, SettlementsAfterTheReadAreNotLost) {
  HoldResult h = hold(cents(30));
  history.on_question = [&] {
    if (history.questions == 2) (void)h->settle(cents(25));
  };
  configure({budget_of(ScopeKind::team, "t1", usd(1)), budget_of(ScopeKind::org, "other", usd(1))});
  EXPECT_EQ(row(ScopeKind::team, "t1").spent, cents(25));
  EXPECT_EQ(row(ScopeKind::team, "t1").held, NanoUsd{});
}

TEST_F(LedgerReload, TheWindowMayEndDuringTheRead) {
  history.record(ScopeKind::key, "k1", cents(40), FakeClock::at("2026-11-25T11:00:00Z"));
  clock.set_wall("2026-11-25T23:59:59Z");
  history.on_question = [&] { clock.set_wall("2026-11-26T00:00:00Z"); };
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, NanoUsd{});
  EXPECT_EQ(row(ScopeKind::key, "k1").window_start, FakeClock::at("2026-11-26T00:00:00Z"));
}

TEST_F(LedgerReload, RestartReadsTheRecord) {
  history.record(ScopeKind::key, "k1", cents(40), FakeClock::at("2026-11-25T00:00:00Z"));
  history.record(ScopeKind::key, "k1", cents(70), FakeClock::at("2026-11-24T23:59:59.999999Z"));
  for (const bool load_first : {true, false}) {
    Ledger restarted(clock);
    config::Snapshot snapshot;
    snapshot.budgets = {budget_of(ScopeKind::key, "k1", usd(1), WindowKind::day, "d", "UTC", {30})};
    if (load_first) {
      ASSERT_TRUE(restarted.load(history).has_value());
    }
    ASSERT_TRUE(restarted.configure(snapshot, history).has_value());
    if (!load_first) {
      ASSERT_TRUE(restarted.load(history).has_value());
    }
    const auto rows = restarted.snapshot_all();
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].spent, cents(40));
    const ScopePath key = restarted.resolve({{ScopeKind::key, "k1"}});
    EXPECT_TRUE(restarted.hold(key, {}, cents(61)).has_error());
    HoldResult h = restarted.hold(key, {}, cents(60));
    ASSERT_TRUE(h.has_value());
    EXPECT_TRUE(h->settle(cents(60)).events.empty());  // 30 % was told before the restart
  }
}

// The counter of a running ledger and the sum that a restart reads are the same, whatever was given
// back in between.
TEST_F(LedgerReload, MoreGivenBackThanSpentIsOnRecordAsInMemory) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  const auto give_back = [&](NanoUsd amount) {
    const auto at = ledger.adjust({ScopeKind::key, "k1"}, config::BudgetUnit::usd, -amount.value);
    history.record(ScopeKind::key, "k1", minus(amount), at);
  };
  const auto expect_spent = [&](NanoUsd spent) {
    EXPECT_EQ(row(ScopeKind::key, "k1").spent, spent);
    Ledger restarted(clock);
    config::Snapshot snapshot;
    snapshot.budgets = {budget_of(ScopeKind::key, "k1", usd(1))};
    ASSERT_TRUE(restarted.configure(snapshot, history).has_value());
    ASSERT_TRUE(restarted.load(history).has_value());
    EXPECT_EQ(restarted.snapshot_all().at(0).spent, spent) << "after a restart";
    const ScopePath key = restarted.resolve({{ScopeKind::key, "k1"}});
    EXPECT_TRUE(restarted.hold(key, {}, usd(1) - spent).has_value());
    EXPECT_TRUE(restarted.hold(key, {}, usd(1) - spent + NanoUsd{1}).has_error());
  };
  spend_on_record(cents(30));
  give_back(usd(1));
  expect_spent(minus(cents(70)));
  spend_on_record(cents(50));
  expect_spent(minus(cents(20)));
  spend_on_record(cents(110));
  expect_spent(cents(90));
  // Read anew by a reload: of the month, with a credit before today.
  history.record(ScopeKind::key, "k1", minus(usd(2)), FakeClock::at("2026-11-24T12:00:00Z"));
  configure({budget_of(ScopeKind::key, "k1", usd(1), WindowKind::month)});
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, minus(cents(110)));
}

TEST_F(LedgerReload, ABudgetClosedByAnOverrunIsClosedAfterARestart) {
  const auto noon = FakeClock::at("2026-11-25T12:00:00Z");
  history.record(ScopeKind::key, "k1", usd(2), noon, true);
  history.record(ScopeKind::org, "o1", usd(2), noon, true);
  history.record(ScopeKind::agent, "a1", usd(2), noon);
  history.record(ScopeKind::team, "t1", usd(2), FakeClock::at("2026-11-24T12:00:00Z"), true);
  history.record(ScopeKind::team, "t1", usd(2), noon);
  Ledger restarted(clock);
  config::Snapshot snapshot;
  snapshot.budgets = {
      budget_of(ScopeKind::agent, "a1", usd(1)), budget_of(ScopeKind::key, "k1", usd(1)),
      budget_of(ScopeKind::org, "o1", usd(100)), budget_of(ScopeKind::team, "t1", usd(1))};
  ASSERT_TRUE(restarted.configure(snapshot, history).has_value());
  ASSERT_TRUE(restarted.load(history).has_value());
  const auto is_closed = [&](std::string_view id) {
    for (const BudgetRow& r : restarted.snapshot_all())
      if (r.scope_id == id) return r.is_closed;
    ADD_FAILURE() << id;
    return false;
  };
  EXPECT_TRUE(is_closed("k1"));
  EXPECT_FALSE(is_closed("o1")) << "its limit was not broken";
  EXPECT_FALSE(is_closed("a1")) << "full, but nobody billed more than was held";
  EXPECT_FALSE(is_closed("t1")) << "that was yesterday's window";
  const ScopePath key = restarted.resolve({{ScopeKind::key, "k1"}});
  EXPECT_TRUE(restarted.hold(key, {}, NanoUsd{1}).error().is_closed);
  // As in a ledger that saw the overrun: more money opens it, the next window too.
  snapshot.budgets[1].budget.limit = usd(3);
  ASSERT_TRUE(restarted.configure(snapshot, history).has_value());
  EXPECT_TRUE(restarted.hold(key, {}, usd(1)).has_value());
}

TEST_F(LedgerReload, AChangedWindowStaysClosedWhileTheOverrunIsInIt) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult other = hold(cents(50));
  (void)hold(cents(50))->settle(cents(80));
  (void)other->settle(cents(5));  // below the limit again, closed all the same
  history.record(ScopeKind::key, "k1", cents(80), clock.wall(), true);
  history.record(ScopeKind::key, "k1", cents(5), clock.wall());
  configure({budget_of(ScopeKind::key, "k1", usd(1), WindowKind::month)});
  EXPECT_TRUE(row(ScopeKind::key, "k1").is_closed);
  EXPECT_TRUE(hold(NanoUsd{1}).has_error());
  clock.set_wall("2026-11-26T12:00:00Z");
  configure({budget_of(ScopeKind::key, "k1", usd(1), WindowKind::day)});
  EXPECT_FALSE(row(ScopeKind::key, "k1").is_closed);
  EXPECT_TRUE(hold(usd(1)).has_value());
}

TEST_F(LedgerReload, ARestartAfterAStepBackOpensNothingAgain) {
  history.record(ScopeKind::key, "k1", usd(1), FakeClock::at("2026-11-26T00:30:00Z"));
  clock.set_wall("2026-11-25T23:30:00Z");
  Ledger restarted(clock);
  config::Snapshot snapshot;
  snapshot.budgets = {budget_of(ScopeKind::key, "k1", usd(1))};
  ASSERT_TRUE(restarted.load(history).has_value());
  ASSERT_TRUE(restarted.configure(snapshot, history).has_value());
  const ScopePath key = restarted.resolve({{ScopeKind::key, "k1"}});
  EXPECT_TRUE(restarted.hold(key, {}, NanoUsd{1}).has_error());
  clock.set_wall("2026-11-26T00:31:00Z");  // the window of the row: its spend is still there
  EXPECT_TRUE(restarted.hold(key, {}, NanoUsd{1}).has_error());
  clock.set_wall("2026-11-27T00:00:00Z");
  EXPECT_TRUE(restarted.hold(key, {}, usd(1)).has_value());
}

TEST_F(LedgerReload, ARowFromFarAheadIsAClockFault) {
  history.record(ScopeKind::key, "k1", cents(10), FakeClock::at("2036-02-07T00:00:00Z"));
  Ledger restarted(clock);
  config::Snapshot snapshot;
  snapshot.budgets = {budget_of(ScopeKind::key, "k1", usd(1))};
  ASSERT_TRUE(restarted.load(history).has_value());
  ASSERT_TRUE(restarted.configure(snapshot, history).has_value());
  const auto rows = restarted.snapshot_all();
  EXPECT_EQ(rows[0].window_start, FakeClock::at("2026-11-25T00:00:00Z"));
  EXPECT_EQ(rows[0].spent, cents(10));  // believed as money, not as time
}

TEST_F(LedgerReload, LoadKeepsHoldsInFlight) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult h = hold(cents(30));
  history.record(ScopeKind::key, "k1", cents(50), clock.wall());
  ASSERT_TRUE(ledger.load(history).has_value());
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, cents(50));
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(30));
}

TEST_F(LedgerReload, RowsAreSortedAndPathRowsInPathOrder) {
  configure({budget_of(ScopeKind::provider, "p1", usd(1)), budget_of(ScopeKind::key, "k2", usd(1)),
             budget_of(ScopeKind::key, "k1", usd(1), WindowKind::day, "z"),
             budget_of(ScopeKind::key, "k1", usd(1), WindowKind::month, "a", "Europe/Berlin"),
             budget_of(ScopeKind::agent, "a1", usd(1))});
  const auto rows = ledger.snapshot_all();
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows[0].budget, "a");
  EXPECT_EQ(rows[0].window, WindowKind::month);
  EXPECT_EQ(rows[0].time_zone, "Europe/Berlin");
  EXPECT_EQ(rows[1].budget, "z");
  EXPECT_EQ(rows[2].scope_id, "k2");
  EXPECT_EQ(rows[3].scope, ScopeKind::agent);
  EXPECT_EQ(rows[4].scope, ScopeKind::provider);
  const auto mine = ledger.snapshot_of(who);
  ASSERT_EQ(mine.size(), 3u);
  EXPECT_EQ(mine[2].scope, ScopeKind::agent);
}

}  // namespace
}  // namespace tollgate::domain::budget
