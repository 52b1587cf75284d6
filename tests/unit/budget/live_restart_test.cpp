// What a start and a reload read of sessions and end users: many at once.
#include <fmt/format.h>

#include <map>
#include <random>
#include <utility>

#include "support/property_seeds.hpp"
#include "unit/budget/ledger_live_fixture.hpp"

namespace tollgate::domain::budget {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class LiveRestart : public LedgerLive {
 protected:
  std::string run(int i) { return fmt::format("agent:a1/run-{}", i); }
};

TEST_F(LiveRestart, SessionsWithTheSameWindowAreReadTogether) {
  config::EachOf sessions = each(ScopeKind::session, ScopeKind::agent, "a1", usd(1));
  sessions.budgets[0].window = WindowKind::day;
  sessions.budgets.push_back(sessions.budgets[0]);
  sessions.budgets[1].name = "calls";
  sessions.budgets[1].unit = config::BudgetUnit::requests;
  for (int i = 0; i < 50; ++i) {
    const auto yesterday = clock.wall() - hours(13);
    history.record(ScopeKind::session, run(i), {usd(7), 0, 7}, yesterday, true);
    history.record(ScopeKind::session, run(i), {cents(3 * i), 0, i}, clock.wall(), i % 2 == 0);
  }
  history.record(ScopeKind::end_user, "team:t1/u", usd(2), clock.wall());
  configure_each({sessions, each(ScopeKind::end_user, ScopeKind::team, "t1", usd(5))});
  history.asked_together.clear();
  ASSERT_TRUE(ledger.load(history).has_value());
  EXPECT_EQ(history.asked_together, (std::vector<std::size_t>{50, 1}));
  for (int i = 0; i < 50; ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(row(ScopeKind::session, run(i)).spent, cents(3 * i));
    EXPECT_EQ(row(ScopeKind::session, run(i)).is_closed, 3 * i > 100 && i % 2 == 0);
    EXPECT_EQ(row(ScopeKind::session, run(i), "calls").spent.value, i);
  }
  EXPECT_EQ(row(ScopeKind::end_user, "team:t1/u").spent, usd(2));
  // A reload that changes their windows reads them together, too; the other budget's stands.
  sessions.budgets[0].window = WindowKind::week;
  history.asked_together.clear();
  configure_each({sessions, each(ScopeKind::end_user, ScopeKind::team, "t1", usd(5))});
  EXPECT_EQ(history.asked_together, std::vector<std::size_t>{50});
  EXPECT_EQ(row(ScopeKind::session, run(20)).spent, usd(7) + cents(60));
}

// Whoever settles while many are read is read again, and nobody else.
TEST_F(LiveRestart, ASettlementDuringTheReadIsReadAgain) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(9), WindowKind::week)});
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(spends(fmt::format("run-{}", i), usd(1)));
    history.record(ScopeKind::session, run(i), usd(1), clock.wall());
  }
  history.asked_together.clear();
  history.questions = 0;
  history.on_question = [&] {
    if (history.questions != 10) return;
    for (const int i : {3, 15}) {  // read before, and read after
      ASSERT_TRUE(spends(fmt::format("run-{}", i), cents(50)));
      history.record(ScopeKind::session, run(i), cents(50), clock.wall());
    }
  };
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(9), WindowKind::day)});
  EXPECT_EQ(history.asked_together, (std::vector<std::size_t>{20, 2}));
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(row(ScopeKind::session, run(i)).spent, i == 3 || i == 15 ? cents(150) : usd(1)) << i;
}

TEST_F(LiveRestart, TheWindowsOfManyMayEndDuringTheRead) {
  clock.set_wall("2026-11-25T23:59:59Z");
  for (int i = 0; i < 20; ++i) history.record(ScopeKind::session, run(i), usd(1), clock.wall());
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(9), WindowKind::day)});
  history.asked_together.clear();
  history.questions = 0;
  history.on_question = [&] {
    if (history.questions != 10) return;
    clock.set_wall("2026-11-26T00:00:01Z");
    ASSERT_TRUE(spends("run-19", cents(5)));
    history.record(ScopeKind::session, run(19), cents(5), clock.wall());
  };
  ASSERT_TRUE(ledger.load(history).has_value());
  EXPECT_EQ(history.asked_together, (std::vector<std::size_t>{20, 1, 19}));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(row(ScopeKind::session, run(i)).spent, i == 19 ? cents(5) : NanoUsd{}) << i;
    EXPECT_EQ(row(ScopeKind::session, run(i)).window_start, FakeClock::at("2026-11-26T00:00:00Z"));
  }
}

// It cannot be read any more, whatever window it would be in: nobody waits for that.
TEST_F(LiveRestart, ASessionForgottenDuringTheReadHoldsNothingUp) {
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(9))});
  ASSERT_TRUE(spends("run-0", usd(1)));
  ASSERT_TRUE(spends("run-1", usd(1)));
  history.questions = 0;
  history.on_question = [&] {
    if (history.questions != 1) return;
    clock.advance(hours(25));
    ASSERT_TRUE(path("new").has_value());
    EXPECT_EQ(ledger.live_scopes(), 1u);
  };
  configure_each({each(ScopeKind::session, ScopeKind::agent, "a1", usd(9), WindowKind::day)});
  EXPECT_EQ(ledger.live_scopes(), 1u);
  EXPECT_TRUE(spends("new", usd(9)));
}

// One owner's flood after the others' calls takes no place that they need.
TEST_F(LiveRestart, AFloodOfSessionsLeavesTheOthersTheirs) {
  for (int i = 0; i < 3; ++i)
    history.record(ScopeKind::session, fmt::format("key:quiet/run-{}", i), cents(10 + i),
                   clock.wall() - hours(3));
  for (int i = 0; i < 500; ++i)
    history.record(ScopeKind::session, fmt::format("key:flood/run-{}", i), cents(1), clock.wall());
  configure_each({each(ScopeKind::session, ScopeKind::key, "quiet", usd(1)),
                  each(ScopeKind::session, ScopeKind::key, "flood", usd(1))},
                 45);
  ASSERT_TRUE(ledger.load(history).has_value());
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(row(ScopeKind::session, fmt::format("key:quiet/run-{}", i)).spent, cents(10 + i));
  EXPECT_TRUE(knows("key:flood/run-499"));
  EXPECT_TRUE(knows("key:flood/run-470")) << "its own latest, with what the others do not use";
  EXPECT_FALSE(knows("key:flood/run-400"));
}

/// A ledger that reads its sessions at a start knows of each what is on record of its window.
TEST_F(LiveRestart, WhatIsReadIsWhatIsOnRecord) {
  for (std::uint64_t seed = 1; seed <= test::property_seeds(5); ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    FakeHistory record;
    Ledger restarted(clock);
    const WindowKind windows[] = {WindowKind::minute, WindowKind::day, WindowKind::month};
    config::Snapshot snapshot;
    for (const char* const owner : {"a", "b", "c"})
      snapshot.each.push_back(
          each(ScopeKind::session, ScopeKind::key, owner, usd(5), windows[random() % 3]));
    snapshot.spending.live_scopes = 200;
    for (int i = 0; i < 300; ++i) {
      const std::string id = fmt::format("key:{}/{}", "abc"[random() % 3], random() % 20);
      record.record(ScopeKind::session, id, cents(static_cast<int>(random() % 300) - 50),
                    clock.wall() - minutes(random() % 1'000) * (random() % 2), random() % 4 == 0);
    }
    ASSERT_TRUE(restarted.configure(snapshot, record).has_value());
    ASSERT_TRUE(restarted.load(record).has_value());
    const auto rows = restarted.snapshot_all();
    EXPECT_GT(rows.size(), 40u);
    for (const BudgetRow& r : rows) {
      SCOPED_TRACE(r.scope_id);
      const auto spent = record.settled_since(r.scope, r.scope_id, r.window_start)->usd;
      EXPECT_EQ(r.spent, spent);
      EXPECT_EQ(r.is_closed,
                spent > usd(5) && *record.has_overrun_since(r.scope, r.scope_id, r.window_start));
    }
  }
}

}  // namespace
}  // namespace tollgate::domain::budget
