#include "unit/budget/ledger_fixture.hpp"

namespace tollgate::domain::budget {
namespace {

class LedgerWait : public LedgerTest {
 protected:
  /// Keeps what it is given, in the order of all waiters.
  class Recorder final : public Waiter {
   public:
    Recorder(LedgerWait& test, ScopePath what, NanoUsd least, NanoUsd most)
        : Waiter(test.who, what, least, most), test_(test) {}
    void on_outcome(HoldResult result) noexcept override {
      ++calls;
      test_.order.push_back(this);
      if (result.has_value()) {
        hold = std::move(*result);
      } else {
        refusal = result.error();
      }
    }
    int calls = 0;
    Hold hold;
    std::optional<Refusal> refusal;

   private:
    LedgerWait& test_;
  };

  std::shared_ptr<Recorder> make(NanoUsd amount) { return make(amount, amount); }
  std::shared_ptr<Recorder> make(NanoUsd least, NanoUsd most) {
    return std::make_shared<Recorder>(*this, what, least, most);
  }

  std::vector<Recorder*> order;
};

TEST_F(LedgerWait, GetsTheHoldWhenCapacityFrees) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult first = hold(cents(80));
  const auto waiter = make(cents(50));
  ASSERT_TRUE(ledger.wait(waiter));
  EXPECT_EQ(waiter->calls, 0);
  EXPECT_EQ(ledger.waiting(), 1u);
  EXPECT_EQ(ledger.open_holds(), 1u);  // it holds nothing meanwhile
  (void)first->settle(cents(10));
  EXPECT_EQ(waiter->calls, 1);
  EXPECT_EQ(waiter->hold.amount(), cents(50));
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(50));
  EXPECT_EQ(ledger.waiting(), 0u);
}

TEST_F(LedgerWait, WaysCapacityComesFree) {
  struct {
    const char* what;
    std::function<void(Hold&)> act;
  } const ways[] = {
      {"release", [](Hold& h) { h.release(); }},
      {"destruction", [](Hold& h) { Hold dies = std::move(h); }},
      {"settle", [](Hold& h) { (void)h.settle(cents(10)); }},
      {"shrink", [](Hold& h) { h.shrink(cents(10)); }},
      {"cheaper rebase", [this](Hold& h) { (void)h.rebase(other_what, cents(10)); }},
      {"raised limit", [this](Hold&) { configure({budget_of(ScopeKind::key, "k1", usd(5))}); }},
      {"removed budget", [this](Hold&) { configure({}); }},
      {"new window seen by another call",
       [this](Hold&) {
         clock.advance(std::chrono::hours(12));
         (void)hold(cents(1));
       }},
      {"new window seen by a report",
       [this](Hold&) {
         clock.advance(std::chrono::hours(12));
         (void)ledger.snapshot_all();
       }},
  };
  int day = 1;
  for (const auto& way : ways) {
    SCOPED_TRACE(way.what);
    clock.set_wall("2026-12-" + std::string(day < 10 ? "0" : "") + std::to_string(day) +
                   "T12:00:00Z");
    configure({});
    history.rows.clear();
    configure({budget_of(ScopeKind::key, "k1", usd(1))});
    HoldResult first = hold(cents(80));
    ASSERT_TRUE(first.has_value());
    const auto waiter = make(cents(50));
    ASSERT_TRUE(ledger.wait(waiter));
    ASSERT_EQ(waiter->calls, 0);
    way.act(*first);
    EXPECT_EQ(waiter->calls, 1);
    EXPECT_TRUE(static_cast<bool>(waiter->hold));
    day += 2;
  }
}

TEST_F(LedgerWait, InOrderOfArrival) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult first = hold(usd(1));
  const auto one = make(cents(30)), two = make(cents(30)), more = make(cents(40));
  ASSERT_TRUE(ledger.wait(one));
  ASSERT_TRUE(ledger.wait(two));
  ASSERT_TRUE(ledger.wait(more));
  first->shrink(cents(55));  // 0.45 left: more than any needs, and each waits its turn
  EXPECT_EQ(order, (std::vector<Recorder*>{one.get()}));
  one->hold.release();
  EXPECT_EQ(order, (std::vector<Recorder*>{one.get(), two.get()}));
  first->release();
  EXPECT_EQ(order, (std::vector<Recorder*>{one.get(), two.get(), more.get()}));
}

// Nothing lies idle: who needs less than the first in line takes what is too little for that one,
// and before a call that comes anew could.
TEST_F(LedgerWait, WhoNeedsLessNeedNotWaitForMore) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult first = hold(usd(1));
  const auto big = make(cents(80)), same = make(cents(80)), small = make(cents(10));
  ASSERT_TRUE(ledger.wait(big));
  ASSERT_TRUE(ledger.wait(same));
  ASSERT_TRUE(ledger.wait(small));
  first->shrink(cents(90));
  EXPECT_EQ(order, (std::vector<Recorder*>{small.get()}));
  EXPECT_TRUE(hold(cents(1)).has_error()) << "it took all there was";
  first->release();
  EXPECT_EQ(order, (std::vector<Recorder*>{small.get(), big.get()}));
}

TEST_F(LedgerWait, TakesUpToMost) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult first = hold(cents(90));
  const auto waiter = make(cents(50), cents(90));
  ASSERT_TRUE(ledger.wait(waiter));
  first->shrink(cents(30));
  ASSERT_EQ(waiter->calls, 1);
  EXPECT_EQ(waiter->hold.amount(), cents(70));
}

TEST_F(LedgerWait, CapacityThatFreedMeanwhileIsTakenAtOnce) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  const auto waiter = make(cents(50));
  ASSERT_TRUE(ledger.wait(waiter));
  EXPECT_EQ(waiter->calls, 1);
  EXPECT_TRUE(static_cast<bool>(waiter->hold));
}

TEST_F(LedgerWait, PointlessWaitingEndsInARefusal) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  const auto too_big = make(usd(2));
  ASSERT_TRUE(ledger.wait(too_big));
  ASSERT_EQ(too_big->calls, 1);
  ASSERT_TRUE(too_big->refusal.has_value());
  EXPECT_FALSE(too_big->refusal->can_wait);
  // It could wait, then the other call spent what it needed.
  HoldResult first = hold(cents(80));
  const auto waiter = make(cents(50));
  ASSERT_TRUE(ledger.wait(waiter));
  (void)first->settle(cents(60));
  ASSERT_EQ(waiter->calls, 1);
  ASSERT_TRUE(waiter->refusal.has_value());
  EXPECT_FALSE(waiter->refusal->can_wait);
  EXPECT_EQ(waiter->refusal->spent, cents(60));
}

TEST_F(LedgerWait, QueueIsBounded) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult first = hold(usd(1));
  std::vector<std::shared_ptr<Recorder>> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.push_back(make(cents(10)));
    ASSERT_TRUE(ledger.wait(waiters.back()));
  }
  const auto one_more = make(cents(10));
  EXPECT_FALSE(ledger.wait(one_more));
  first->release();
  EXPECT_EQ(order.size(), 4u);
  EXPECT_EQ(one_more->calls, 0);
}

TEST_F(LedgerWait, OneCallerHasOnlyAPartOfTheLine) {
  Ledger lines(clock, {.max_waiters = 4, .max_waiters_of_one = 2, .open_holds = 8});
  config::Snapshot snapshot;
  snapshot.budgets = {budget_of(ScopeKind::org, "o1", usd(1))};
  ASSERT_TRUE(lines.configure(snapshot, history).has_value());
  const auto path = [&](std::string_view key) {
    return lines.resolve({{ScopeKind::key, key}, {ScopeKind::org, "o1"}});
  };
  class Call final : public Waiter {
   public:
    using Waiter::Waiter;
    void on_outcome(HoldResult result) noexcept override {
      if (result.has_value()) hold = std::move(*result);
    }
    Hold hold;
  };
  std::vector<std::shared_ptr<Call>> calls;
  const auto waits = [&](const ScopePath& caller) {
    calls.push_back(std::make_shared<Call>(caller, ScopePath(), cents(60), cents(60)));
    return lines.wait(calls.back());
  };
  HoldResult first = lines.hold(path("other"), {}, usd(1));
  EXPECT_TRUE(waits(path("greedy")));
  EXPECT_TRUE(waits(path("greedy")));
  EXPECT_FALSE(waits(path("greedy")));
  EXPECT_TRUE(waits(path("k1")));
  // A place that was left, and one that led to a hold, can be taken again.
  EXPECT_TRUE(lines.cancel(*calls[1]));
  EXPECT_TRUE(waits(path("greedy")));
  EXPECT_FALSE(waits(path("greedy")));
  first->release();
  ASSERT_TRUE(static_cast<bool>(calls[0]->hold));
  EXPECT_TRUE(waits(path("greedy")));
  EXPECT_FALSE(waits(path("greedy")));
  EXPECT_EQ(lines.waiting(), 3u);
  EXPECT_TRUE(waits(path("k2")));
  EXPECT_FALSE(waits(path("k3"))) << "the line is full for all";
  for (const auto& call : calls) static_cast<void>(lines.cancel(*call));
  EXPECT_EQ(lines.waiting(), 0u);
  for (const auto& call : calls) call->hold.release();
}

TEST_F(LedgerWait, CancelTakesOut) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  HoldResult first = hold(usd(1));
  const auto a = make(cents(60)), b = make(cents(60));
  ASSERT_TRUE(ledger.wait(a));
  ASSERT_TRUE(ledger.wait(b));
  EXPECT_TRUE(ledger.cancel(*a));
  EXPECT_FALSE(ledger.cancel(*a));
  first->release();
  EXPECT_EQ(order, (std::vector<Recorder*>{b.get()}));
  EXPECT_FALSE(ledger.cancel(*b));  // it has its outcome
}

// A budget over its limit by holds has nothing against a call that takes nothing of it, and is not
// what such a call waits for.
TEST_F(LedgerWait, AFreeCallWaitsInTheLineThatRefusesIt) {
  const auto limits = [](NanoUsd on_key) {
    return std::vector{budget_of(ScopeKind::key, "k1", on_key),
                       budget_of(ScopeKind::provider, "p1", usd(1))};
  };
  configure(limits(usd(1)));
  HoldResult on_key = ledger.hold(who, {}, usd(1));
  configure(limits(cents(50)));
  config::Snapshot snapshot;
  snapshot.budgets = limits(cents(50));
  config::ScopedBudget tokens = budget_of(ScopeKind::provider, "p1", {}, WindowKind::day, "tokens");
  tokens.budget.unit = config::BudgetUnit::tokens;
  tokens.budget.limit = 100;
  snapshot.budgets.push_back(tokens);
  ASSERT_TRUE(ledger.configure(snapshot, history).has_value());
  HoldResult on_provider = ledger.hold({}, what, Amounts({}, 100, 1));
  const Amounts asked({}, 50, 1);
  const HoldResult refused = ledger.hold(who, what, asked);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().budget, "tokens");
  class Free final : public Waiter {
   public:
    using Waiter::Waiter;
    void on_outcome(HoldResult result) noexcept override { is_granted = result.has_value(); }
    bool is_granted = false;
  };
  const auto waiter = std::make_shared<Free>(who, what, asked, asked);
  ASSERT_TRUE(ledger.wait(waiter));
  on_provider->release();
  EXPECT_TRUE(waiter->is_granted);
}

// Nobody else calls: the waiting call itself looks when the next window opens.
TEST_F(LedgerWait, IsServedByTheWindowThatOpens) {
  configure({budget_of(ScopeKind::key, "k1", usd(1), WindowKind::minute),
             budget_of(ScopeKind::provider, "p1", usd(5), WindowKind::total)});
  HoldResult first = hold(usd(1));
  const auto waiter = make(cents(50));
  ASSERT_TRUE(ledger.wait(waiter));
  const auto opens = ledger.open_windows(*waiter);
  ASSERT_TRUE(opens.has_value());
  EXPECT_EQ(*opens, row(ScopeKind::key, "k1").reset_at);
  clock.advance(*opens - clock.wall() - std::chrono::microseconds(1));
  EXPECT_EQ(ledger.open_windows(*waiter), opens);
  EXPECT_EQ(waiter->calls, 0);
  clock.advance(std::chrono::microseconds(1));
  EXPECT_EQ(ledger.open_windows(*waiter), *opens + std::chrono::minutes(1));
  ASSERT_EQ(waiter->calls, 1);
  EXPECT_EQ(waiter->hold.amount(), cents(50));
  EXPECT_EQ(row(ScopeKind::key, "k1").held, cents(50));
}

TEST_F(LedgerWait, KnowsOfNoWindowWhereNoneOpens) {
  configure({budget_of(ScopeKind::key, "k1", usd(1), WindowKind::total)});
  HoldResult first = hold(usd(1));
  const auto waiter = make(cents(50));
  ASSERT_TRUE(ledger.wait(waiter));
  EXPECT_FALSE(ledger.open_windows(*waiter).has_value());
  EXPECT_EQ(waiter->calls, 0);
}

// A waiter whose budget has room now, but which another budget refuses, waits there.
TEST_F(LedgerWait, MovesToTheBudgetThatRefusesNext) {
  configure(
      {budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::provider, "p1", usd(1))});
  const ScopePath key_only = who;
  HoldResult on_key = ledger.hold(key_only, {}, usd(1));
  HoldResult on_provider = ledger.hold({}, what, usd(1));
  const auto waiter = make(cents(50));
  ASSERT_TRUE(ledger.wait(waiter));
  on_key->release();
  EXPECT_EQ(waiter->calls, 0);
  on_provider->release();
  EXPECT_EQ(waiter->calls, 1);
  EXPECT_TRUE(static_cast<bool>(waiter->hold));
}

// The callback runs without the lock: it may use the ledger.
TEST_F(LedgerWait, CallbackMayUseTheLedger) {
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  class Chain final : public Waiter {
   public:
    Chain(Ledger& ledger, ScopePath who, ScopePath what)
        : Waiter(who, what, cents(90), cents(90)), ledger_(ledger), who_(who), what_(what) {}
    void on_outcome(HoldResult result) noexcept override {
      seen = ledger_.hold_between(who_, what_, cents(0), usd(5))->amount();
      if (result.has_value()) (void)result->settle(cents(1));
    }
    NanoUsd seen;

   private:
    Ledger& ledger_;
    ScopePath who_, what_;
  };
  HoldResult first = hold(usd(1));
  const auto chain = std::make_shared<Chain>(ledger, who, what);
  const auto after = make(cents(90));
  ASSERT_TRUE(ledger.wait(chain));
  ASSERT_TRUE(ledger.wait(after));
  first->release();
  EXPECT_EQ(chain->seen, cents(10));
  EXPECT_EQ(after->calls, 1);
}

}  // namespace
}  // namespace tollgate::domain::budget
