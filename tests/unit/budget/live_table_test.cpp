// What becomes of sessions and end users when as many are known as may be.
#include <fmt/format.h>

#include "unit/budget/ledger_live_fixture.hpp"

namespace tollgate::domain::budget {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class LiveTable : public LedgerLive {
 protected:
  /// Each session of the keys k1 and k2 gets a dollar.
  void configure_two(std::uint32_t most) {
    configure_each({each(ScopeKind::session, ScopeKind::key, "k1", usd(1)),
                    each(ScopeKind::session, ScopeKind::key, "k2", usd(1))},
                   most);
    flood = party("k1");
    good = party("k2");
  }
  Party flood, good;
};

TEST_F(LiveTable, AReleasedHoldLeavesNothing) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1))}, 2);
  ASSERT_TRUE(spends("spent", cents(10)));
  ledger.hold(*path("released"), what, cents(10))->release();
  (void)ledger.hold(*path("released"), what, cents(10))->settle({});
  clock.advance(seconds(61));
  ASSERT_TRUE(path("new").has_value());
  EXPECT_FALSE(knows("agent:a1/released")) << "nothing was charged to it";
  EXPECT_EQ(row(ScopeKind::session, "agent:a1/spent").spent, cents(10));
}

TEST_F(LiveTable, OneRequestIsACharge) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1))}, 2);
  (void)ledger.hold(*path("asked"), what, {{}, 0, 1})->settle({{}, 0, 1});
  ASSERT_TRUE(path("nothing").has_value());
  clock.advance(seconds(61));
  ASSERT_TRUE(path("new").has_value());
  EXPECT_TRUE(knows("agent:a1/asked"));
}

// What an operator puts right is worth remembering.
TEST_F(LiveTable, AnAdjustmentIsACharge) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1))}, 2);
  ASSERT_TRUE(path("adjusted").has_value());
  (void)ledger.adjust({ScopeKind::session, "agent:a1/adjusted"}, config::BudgetUnit::usd, usd(1));
  ASSERT_TRUE(path("nothing").has_value());
  clock.advance(minutes(5));
  ASSERT_TRUE(path("new").has_value());
  EXPECT_FALSE(knows("agent:a1/nothing"));
  EXPECT_FALSE(spends("adjusted", NanoUsd{1}));
}

// Random session ids cost a caller nothing: neither must they cost others anything.
TEST_F(LiveTable, AKeyThatCanPayForNothingLocksNobodyOut) {
  configure_each({each(ScopeKind::session, std::nullopt, "", usd(1))}, 3,
                 {budget_of(ScopeKind::key, "k1", cents(10))});
  ASSERT_TRUE(spends("paid", cents(10)));
  for (const char* id : {"random-1", "random-2"}) EXPECT_FALSE(spends(id, cents(10)));
  const Party colleague{ledger.resolve({{ScopeKind::key, "k2"}}),
                        ledger.live_sources({"k2", "", "", "o1"})};
  EXPECT_FALSE(calls(colleague, "good-1", cents(50))) << "their calls may be about to hold";
  clock.advance(seconds(61));
  EXPECT_TRUE(calls(colleague, "good-1", cents(50)));
  EXPECT_TRUE(calls(colleague, "good-2", cents(50)));
  EXPECT_EQ(row(ScopeKind::session, "gateway:org:o1/paid").spent, cents(10));
  EXPECT_EQ(ledger.live_scopes(), 3u);
}

TEST_F(LiveTable, AFloodOfFreeCallsTakesItsOwnPlaces) {
  configure_two(20);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(calls(good, fmt::format("run-{}", i), cents(10)));
  ASSERT_TRUE(calls(good, "looked"));
  for (int i = 0; i < 13; ++i) ASSERT_TRUE(calls(flood, fmt::format("free-{}", i)));
  EXPECT_FALSE(calls(flood, "free-13")) << "within a minute nobody loses anything";
  EXPECT_TRUE(calls(good, "run-5", cents(10))) << "and who has less finds the last place";
  EXPECT_FALSE(calls(good, "run-6", cents(10)));
  clock.advance(minutes(1));
  for (int i = 0; i < 500; ++i) {
    clock.advance(seconds(7));
    ASSERT_TRUE(calls(flood, fmt::format("more-{}", i)));
  }
  EXPECT_TRUE(calls(good, "run-6", cents(10)));
  EXPECT_TRUE(knows("key:k2/looked")) << "of who has less not even what is worth nothing";
  for (int i = 0; i < 7; ++i)
    EXPECT_EQ(row(ScopeKind::session, fmt::format("key:k2/run-{}", i)).spent, cents(10));
}

TEST_F(LiveTable, ACheapFloodLosesItsOwnSessions) {
  configure_two(20);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(calls(good, fmt::format("run-{}", i), usd(1)));
  int got_in = 0;
  for (int i = 0; i < 500; ++i) {
    clock.advance(seconds(7));
    got_in += calls(flood, fmt::format("cheap-{}", i), NanoUsd{1}) ? 1 : 0;
  }
  EXPECT_EQ(got_in, 500);
  for (int i = 0; i < 5; ++i)
    EXPECT_FALSE(calls(good, fmt::format("run-{}", i), NanoUsd{1})) << "its dollar is spent";
  EXPECT_TRUE(calls(good, "run-5", cents(10)));
  EXPECT_TRUE(knows("key:k1/cheap-499"));
  EXPECT_FALSE(knows("key:k1/cheap-480")) << "the oldest goes first";
}

// A session that is used each minute is never given up, so not all places may be taken by such.
TEST_F(LiveTable, AnOwnerThatUsesAllItHasLeavesPlaceForOthers) {
  configure_two(90);
  const auto comes = [&](int i) { return calls(flood, fmt::format("busy-{}", i), NanoUsd{1}); };
  int size = 0;
  while (size < 90 && comes(size)) ++size;
  EXPECT_EQ(size, 80) << "eight times what is free";
  for (int run = 0; run < 9; ++run) {
    for (int i = 0; i < size; ++i) ASSERT_TRUE(comes(i));
    EXPECT_FALSE(calls(flood, "more", NanoUsd{1}));
    ASSERT_TRUE(calls(good, fmt::format("run-{}", run), usd(1)));
    clock.advance(seconds(30));
  }
  EXPECT_FALSE(calls(good, "run-9", usd(1))) << "nor may that be all of the rest";
  // Others have come since, and it has more than its part: it shrinks, and is served.
  clock.advance(minutes(2));
  EXPECT_TRUE(calls(flood, "more", NanoUsd{1}));
  EXPECT_EQ(ledger.live_scopes(), 88u);
  for (int run = 0; run < 9; ++run)
    EXPECT_FALSE(calls(good, fmt::format("run-{}", run), NanoUsd{1})) << "its dollar is spent";
}

TEST_F(LiveTable, OfTheFullestWhatIsWorthNothingGoesFirst) {
  configure_two(4);
  ASSERT_TRUE(calls(flood, "spent-1", cents(1)));
  ASSERT_TRUE(calls(flood, "spent-2", cents(1)));
  ASSERT_TRUE(calls(flood, "nothing"));
  ASSERT_TRUE(calls(good, "run", cents(1)));
  clock.advance(minutes(2));
  ASSERT_TRUE(calls(flood, "spent-1", cents(1)));  // used: now spent-2 is the older one
  EXPECT_TRUE(calls(good, "run-2", cents(1)));
  EXPECT_FALSE(knows("key:k1/nothing"));
  EXPECT_TRUE(knows("key:k1/spent-2"));
}

TEST_F(LiveTable, ByUseAndNotByAge) {
  configure_two(3);
  ASSERT_TRUE(calls(flood, "a", cents(1)));
  ASSERT_TRUE(calls(flood, "b", cents(1)));
  ASSERT_TRUE(calls(flood, "c", cents(1)));
  clock.advance(seconds(30));
  ASSERT_TRUE(calls(flood, "a", cents(1)));
  clock.advance(minutes(2));
  ASSERT_TRUE(calls(good, "run", cents(1)));
  EXPECT_FALSE(knows("key:k1/b"));
  EXPECT_EQ(row(ScopeKind::session, "key:k1/a").spent, cents(2));
}

// Who is forgotten begins anew: that is the price, and only who has the most pays it.
TEST_F(LiveTable, EqualsTakeNothingFromEachOther) {
  configure_two(4);
  for (const char* id : {"1", "2"}) {
    ASSERT_TRUE(calls(flood, id, usd(1)));
    ASSERT_TRUE(calls(good, id, usd(1)));
  }
  clock.advance(minutes(2));
  ASSERT_TRUE(calls(good, "3", usd(1)));
  EXPECT_FALSE(knows("key:k2/1"));
  ASSERT_TRUE(calls(flood, "3", usd(1)));
  EXPECT_FALSE(knows("key:k1/1"));
  for (const char* id : {"2", "3"}) {
    EXPECT_FALSE(calls(flood, id, NanoUsd{1}));
    EXPECT_FALSE(calls(good, id, NanoUsd{1}));
  }
}

TEST_F(LiveTable, WhatIsInUseIsNotGivenUp) {
  configure_two(3);
  const auto holds = [&](const Party& party, std::string_view session) {
    ScopePath p = party.who;
    EXPECT_TRUE(ledger.add_live(party.live, {{}, session, {}}, p).has_value());
    return ledger.hold(p, what, cents(1));
  };
  HoldResult first = holds(flood, "1");
  const HoldResult second = holds(flood, "2");
  ASSERT_TRUE(calls(good, "looked"));
  clock.advance(minutes(2));
  EXPECT_FALSE(calls(flood, "3")) << "not at the cost of who has fewer";
  EXPECT_TRUE(calls(good, "run", cents(1))) << "at its own, where nothing is lost";
  EXPECT_FALSE(knows("key:k2/looked"));
  clock.advance(minutes(2));
  EXPECT_FALSE(calls(good, "run-2", cents(1))) << "all is in use, or has spend of who has fewer";
  (void)first->settle(cents(1));
  EXPECT_TRUE(calls(good, "run-2", cents(1)));
  EXPECT_TRUE(knows("key:k2/run"));
}

// However many calls are in flight, what is idle behind them is found at once.
TEST_F(LiveTable, SessionsInUseDoNotHideIdleOnes) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1))}, 46);
  std::vector<Hold> open;
  for (int i = 0; i < 40; ++i) {
    const std::string id = fmt::format("open-{}", i);
    ASSERT_TRUE(spends(id, cents(1)));
    open.push_back(*ledger.hold(*path(id), what, cents(1)));
  }
  ASSERT_TRUE(spends("idle", cents(1)));
  clock.advance(hours(25));
  EXPECT_TRUE(path("new").has_value());
  EXPECT_FALSE(knows("agent:a1/idle"));
  EXPECT_EQ(row(ScopeKind::session, "agent:a1/open-0").held, cents(1));
}

TEST_F(LiveTable, ARateLimitStandsUnderPressure) {
  config::EachOf limited;
  limited.kind = ScopeKind::session;
  limited.owner = ScopeKind::key;
  limited.owner_id = "k2";
  limited.rate_limits = {
      {"requests", config::RateUnit::requests, 2, std::chrono::milliseconds(hours(1))}};
  config::EachOf alone = limited;
  alone.owner_id = "k1";
  alone.rate_limits = {
      {"concurrent", config::RateUnit::concurrent, 1, std::chrono::milliseconds(0)}};
  configure_each({limited, alone}, 10);
  flood = party("k1");
  good = party("k2");
  ASSERT_TRUE(calls(good, "run"));
  ASSERT_TRUE(calls(good, "run"));
  EXPECT_FALSE(calls(good, "run"));
  ScopePath p = flood.who;
  ASSERT_TRUE(ledger.add_live(flood.live, {{}, "in-flight", {}}, p).has_value());
  const HoldResult in_flight = ledger.hold(p, what, {{}, 0, 1});
  for (int i = 0; i < 300; ++i) {
    clock.advance(seconds(10));
    ASSERT_TRUE(calls(flood, fmt::format("free-{}", i)));
  }
  EXPECT_EQ(ledger.live_scopes(), 9u);
  EXPECT_FALSE(calls(good, "run")) << "its requests are not forgotten";
  EXPECT_FALSE(calls(flood, "in-flight")) << "its call is counted";
  clock.advance(minutes(15));
  EXPECT_TRUE(calls(good, "run"));
}

// Alerts view the id of their session, and the call that is told of may have been long.
TEST_F(LiveTable, ASessionThatIsToldOfAtTheEndOfALongCallStays) {
  config::EachOf told = each(ScopeKind::session, ScopeKind::agent, "a1", usd(1));
  told.budgets[0].alert_percents = {50};
  configure_each({told}, 1);
  HoldResult call = ledger.hold(*path("a-session-that-has-a-long-name"), what, cents(60));
  clock.advance(minutes(5));
  const Settlement settled = call->settle(cents(60));
  ASSERT_EQ(settled.events.size(), 1u);
  EXPECT_TRUE(path("new").has_error());
  EXPECT_EQ(settled.events[0].scope_id, "agent:a1/a-session-that-has-a-long-name");
  clock.advance(seconds(61));
  EXPECT_TRUE(path("new").has_value());
}

TEST_F(LiveTable, ALowerBoundIsReachedByAndBy) {
  configure_two(20);
  for (int i = 0; i < 17; ++i) ASSERT_TRUE(calls(flood, fmt::format("cheap-{}", i), NanoUsd{1}));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(calls(good, fmt::format("run-{}", i), usd(1)));
  clock.advance(minutes(2));
  configure_two(10);
  int tries = 1;
  for (; !calls(good, "run-3", usd(1)) && tries < 20; ++tries) {
  }
  EXPECT_EQ(tries, 6) << "two go for each that comes";
  EXPECT_EQ(ledger.live_scopes(), 10u);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(calls(good, fmt::format("run-{}", i), NanoUsd{1}));
}

// Each kind alone fits, both do not.
TEST_F(LiveTable, ARestartSharesThePlacesBetweenOwners) {
  for (int i = 0; i < 8; ++i)
    history.record(ScopeKind::session, fmt::format("agent:a1/run-{}", i), usd(1), clock.wall());
  for (int i = 0; i < 3; ++i)
    history.record(ScopeKind::end_user, fmt::format("team:t1/user-{}", i), usd(1), clock.wall());
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1)),
                  each(ScopeKind::end_user, ScopeKind::team, "t1", usd(1))},
                 8);
  ASSERT_TRUE(ledger.load(history).has_value());
  EXPECT_EQ(ledger.live_scopes(), 8u);
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(has_row(ScopeKind::end_user, fmt::format("team:t1/user-{}", i)));
  EXPECT_FALSE(knows("agent:a1/run-2"));
  EXPECT_EQ(row(ScopeKind::session, "agent:a1/run-3").spent, usd(1));
}

// A reload reads what is on record, and meanwhile the session may be forgotten and come again.
TEST_F(LiveTable, ASessionThatCameAnewOwesNothingToItsFormerLife) {
  const auto in_windows_of = [&](WindowKind window) {
    config::EachOf two = each(ScopeKind::session, ScopeKind::agent, "a1", usd(1), window);
    two.budgets.push_back(two.budgets[0]);
    two.budgets[1].name = "other";
    if (window == WindowKind::day) two.budgets[1].window = WindowKind::month;  // asked apart
    return two;
  };
  configure_each({in_windows_of(WindowKind::total)}, 1);
  ASSERT_TRUE(spends("run", cents(60)));
  clock.advance(minutes(2));
  int asked = 0;
  history.on_question = [&] {
    if (++asked != 2) return;  // what the first budget has spent is read by then
    ASSERT_TRUE(path("another").has_value());
    clock.advance(minutes(2));
    ASSERT_TRUE(spends("run", cents(10)));
  };
  configure_each({in_windows_of(WindowKind::day)}, 1);
  EXPECT_GE(asked, 2);
  for (const BudgetRow& r : ledger.snapshot_all()) EXPECT_GE(r.spent, NanoUsd{}) << r.budget;
}

}  // namespace
}  // namespace tollgate::domain::budget
