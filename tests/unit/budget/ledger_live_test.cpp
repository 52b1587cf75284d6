// Sessions and end users: scopes that calls bring.
#include "unit/budget/ledger_live_fixture.hpp"

namespace tollgate::domain::budget {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_F(LedgerLive, EachSessionHasABudgetOfItsOwn) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1))});
  EXPECT_TRUE(spends("run-1", usd(1)));
  EXPECT_FALSE(spends("run-1", NanoUsd{1}));
  EXPECT_TRUE(spends("run-2", usd(1)));
  EXPECT_EQ(ledger.live_scopes(), 2u);
  EXPECT_EQ(row(ScopeKind::session, "agent:a1/run-1").spent, usd(1));
  EXPECT_TRUE(path("")->size() == who.size()) << "a call without a session has none";
}

TEST_F(LedgerLive, OthersKeysCannotTouchASession) {
  configure_each({each(ScopeKind::session, std::nullopt, "", usd(1))});
  EXPECT_TRUE(spends("run", usd(1)));
  const LiveSources stranger = ledger.live_sources({"k9", "", "", "o9"});
  ScopePath p = ledger.resolve({{ScopeKind::key, "k9"}});
  ASSERT_TRUE(ledger.add_live(stranger, {{}, "run", {}}, p).has_value());
  EXPECT_TRUE(ledger.hold(p, what, usd(1)).has_value());
  // Another key of the same organisation works on the same run.
  const LiveSources colleague = ledger.live_sources({"k2", "a2", "t2", "o1"});
  ScopePath q = ledger.resolve({{ScopeKind::key, "k2"}});
  ASSERT_TRUE(ledger.add_live(colleague, {{}, "run", {}}, q).has_value());
  EXPECT_TRUE(ledger.hold(q, what, NanoUsd{1}).has_error());
}

TEST_F(LedgerLive, SessionsAndEndUsersOfSeveralOwnersAtOnce) {
  configure_each({each(ScopeKind::session, std::nullopt, "", usd(9)),
                  each(ScopeKind::session, ScopeKind::key, "k1", usd(3)),
                  each(ScopeKind::end_user, ScopeKind::team, "t1", usd(2)),
                  each(ScopeKind::end_user, ScopeKind::team, "other", usd(1))});
  EXPECT_TRUE(live.wants_session());
  EXPECT_TRUE(live.wants_end_user());
  const ScopePath p = *path("s", "u");
  EXPECT_EQ(p.size(), who.size() + 3);
  (void)ledger.hold(p, what, usd(2))->settle(usd(2));
  const HoldResult h = ledger.hold(*path("t", "u"), what, NanoUsd{1});
  ASSERT_TRUE(h.has_error());
  EXPECT_EQ(h.error().scope, ScopeKind::end_user);
  EXPECT_EQ(h.error().scope_id, "team:t1/u");
}

TEST_F(LedgerLive, WhoMustNameASessionIsTold) {
  configure_each({each(ScopeKind::session, ScopeKind::key, "k1", usd(1), WindowKind::total, true)});
  const auto refused = path("");
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code(), base::ErrorCode::invalid_request);
  EXPECT_TRUE(path("x").has_value());
}

TEST_F(LedgerLive, AnIdleSessionIsForgottenAndItsNumberReused) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1))}, 2);
  EXPECT_TRUE(spends("a", usd(1)));
  EXPECT_TRUE(spends("b", usd(1)));
  const auto full = path("c");
  ASSERT_TRUE(full.has_error());
  EXPECT_EQ(full.error().code(), base::ErrorCode::overloaded);
  EXPECT_FALSE(spends("a", NanoUsd{1})) << "nobody is pushed out by newcomers";
  clock.advance(hours(23));
  EXPECT_FALSE(spends("b", NanoUsd{1}));  // used: its time begins anew
  clock.advance(hours(2));
  EXPECT_TRUE(spends("c", usd(1)));
  EXPECT_EQ(ledger.live_scopes(), 2u);
  EXPECT_FALSE(spends("b", NanoUsd{1}));
}

TEST_F(LedgerLive, ASessionWithACallInFlightIsNotForgotten) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1))}, 1);
  HoldResult open = ledger.hold(*path("a"), what, cents(10));
  clock.advance(hours(100));
  EXPECT_TRUE(path("b").has_error());
  (void)open->settle(cents(10));
  EXPECT_TRUE(path("b").has_value());
}

TEST_F(LedgerLive, AReportOutlivesTheSessionsInIt) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1))}, 1);
  ASSERT_TRUE(path("a-session-that-has-a-long-name").has_value());
  const std::vector<BudgetRow> rows = ledger.snapshot_all();
  clock.advance(minutes(2));
  ASSERT_TRUE(path("another-session-of-a-long-name").has_value());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].scope_id, "agent:a1/a-session-that-has-a-long-name");
}

TEST_F(LedgerLive, WithPlaceForAllNobodyIsForgottenEarly) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1))}, 3);
  ASSERT_TRUE(path("a").has_value());
  clock.advance(hours(23));
  ASSERT_TRUE(path("b").has_value());
  EXPECT_EQ(ledger.live_scopes(), 2u);
  clock.advance(hours(1));
  ASSERT_TRUE(path("c").has_value());
  EXPECT_EQ(ledger.live_scopes(), 2u) << "a is idle for a day";
}

TEST_F(LedgerLive, WhoWaitsKeepsItsSession) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(5))}, 2,
                 {budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult first = ledger.hold(who, what, usd(1));
  const ScopePath waits = *path("waits");
  const auto caller = std::make_shared<Caller>(waits, what, cents(60), cents(60));
  ASSERT_TRUE(ledger.wait(caller));
  ASSERT_TRUE(path("refused").has_value());
  clock.advance(minutes(2));
  // The older one is in use: the other makes place, though somebody waits.
  ASSERT_TRUE(path("new").has_value());
  EXPECT_FALSE(has_row(ScopeKind::session, "agent:a1/refused"));
  first->release();
  EXPECT_EQ(row(ScopeKind::session, "agent:a1/waits").held, cents(60));
  EXPECT_EQ(row(ScopeKind::session, "agent:a1/new").held, NanoUsd{});
}

// After its wait a call may ask for less, and its path must still be its own.
TEST_F(LedgerLive, WhoHasWaitedKeepsItsSessionForItsHold) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(5))}, 1,
                 {budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult first = ledger.hold(who, what, cents(90));
  const ScopePath waited = *path("waited");
  const auto caller = std::make_shared<Caller>(waited, what, cents(60), cents(60));
  ASSERT_TRUE(ledger.wait(caller));
  clock.advance(minutes(5));
  EXPECT_TRUE(ledger.cancel(*caller));
  clock.advance(seconds(30));
  EXPECT_TRUE(path("new").has_error());
  const HoldResult less = ledger.hold(waited, what, cents(10));
  ASSERT_TRUE(less.has_value());
  EXPECT_EQ(row(ScopeKind::session, "agent:a1/waited").held, cents(10));
}

TEST_F(LedgerLive, AnIdleSessionIsForgottenThoughOthersWait) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1))}, 1,
                 {budget_of(ScopeKind::key, "k1", usd(1), WindowKind::total)});
  EXPECT_TRUE(spends("a", cents(10)));
  HoldResult first = ledger.hold(who, what, cents(90));
  const auto caller = std::make_shared<Caller>(who, what, cents(60), cents(60));
  ASSERT_TRUE(ledger.wait(caller));
  clock.advance(hours(25));
  EXPECT_TRUE(path("b").has_value());
  EXPECT_FALSE(has_row(ScopeKind::session, "agent:a1/a"));
}

TEST_F(LedgerLive, AReloadEditsSessionsThatAreThere) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1))});
  EXPECT_TRUE(spends("a", usd(1)));
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(2))});
  EXPECT_EQ(row(ScopeKind::session, "agent:a1/a").spent, usd(1)) << "spend kept";
  EXPECT_TRUE(spends("a", usd(1)));
  EXPECT_FALSE(spends("a", NanoUsd{1}));
  configure_each({});
  EXPECT_TRUE(spends("a", usd(5))) << "no limit any more";
}

TEST_F(LedgerLive, AnAdjustmentReachesASession) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1))});
  EXPECT_TRUE(spends("a", usd(1)));
  (void)ledger.adjust({ScopeKind::session, "agent:a1/a"}, config::BudgetUnit::usd,
                      -cents(10).value);
  EXPECT_EQ(row(ScopeKind::session, "agent:a1/a").spent, cents(90));
  EXPECT_TRUE(spends("a", cents(10)));
  (void)ledger.adjust({ScopeKind::session, "agent:a1/nobody"}, config::BudgetUnit::usd, usd(1));
  EXPECT_EQ(ledger.live_scopes(), 1u);
}

// The alert that a reload tells views the session's id.
TEST_F(LedgerLive, ASessionThatIsToldOfStaysForAWhile) {
  const auto reload = [&](NanoUsd limit) {
    config::Snapshot snapshot;
    snapshot.each = {each(ScopeKind::session, ScopeKind::agent, "a1", limit)};
    snapshot.each[0].budgets[0].alert_percents = {80};
    snapshot.spending.live_scopes = 2;
    snapshot.spending.live_scope_idle = hours(24);
    std::vector<BudgetEvent> events;
    EXPECT_TRUE(ledger.configure(snapshot, history, &events).has_value());
    return events;
  };
  EXPECT_TRUE(reload(usd(1)).empty());
  live = ledger.live_sources({"k1", "a1", "t1", "o1"});
  EXPECT_TRUE(spends("a", cents(50)));
  clock.advance(hours(25));
  const auto events = reload(cents(60));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_TRUE(path("b").has_value());
  EXPECT_EQ(events[0].scope_id, "agent:a1/a");
  EXPECT_TRUE(has_row(ScopeKind::session, "agent:a1/a"));
}

TEST_F(LedgerLive, ARestartKnowsTheSessionsOfTheLastHours) {
  history.record(ScopeKind::session, "agent:a1/old", usd(1), clock.wall() - hours(25));
  history.record(ScopeKind::session, "agent:a1/run/with/slashes", usd(1), clock.wall());
  history.record(ScopeKind::session, "agent:gone/x", usd(1), clock.wall());
  history.record(ScopeKind::session, "nonsense", usd(1), clock.wall());
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(1))});
  ASSERT_TRUE(ledger.load(history).has_value());
  EXPECT_EQ(ledger.live_scopes(), 1u);
  EXPECT_FALSE(spends("run/with/slashes", NanoUsd{1}));
}

TEST(LiveId, LongOrStrangeIdsStandAsTheirDigest) {
  std::string out;
  set_live_id("run-1", out);
  EXPECT_EQ(out, "run-1");
  for (const std::string& id : {std::string(41, 'a'), std::string("with space"),
                                std::string("sha256:abc"), std::string("Grüße")}) {
    set_live_id(id, out);
    EXPECT_TRUE(out.starts_with("sha256:")) << id;
    EXPECT_EQ(out.size(), 39u) << id;
  }
}

}  // namespace
}  // namespace tollgate::domain::budget
