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
  const auto big = make(cents(80)), small = make(cents(10)), third = make(cents(10));
  ASSERT_TRUE(ledger.wait(big));
  ASSERT_TRUE(ledger.wait(small));
  ASSERT_TRUE(ledger.wait(third));
  first->shrink(cents(50));  // room for the small ones, not for the first in line
  EXPECT_TRUE(order.empty());
  first->shrink(cents(15));  // room for the first, and then not for the second
  EXPECT_EQ(order, (std::vector<Recorder*>{big.get()}));
  first->release();  // 0.20 left: both
  EXPECT_EQ(order, (std::vector<Recorder*>{big.get(), small.get(), third.get()}));
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
      seen = ledger_.available(who_, what_).free;
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
