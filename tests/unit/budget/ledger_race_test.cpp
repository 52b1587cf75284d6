// The ledger under real threads; run under the thread sanitizer too.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "unit/budget/ledger_fixture.hpp"

namespace tollgate::domain::budget {
namespace {

class LedgerRace : public LedgerTest {
 protected:
  /// Runs `work(i)` for i in [0, count), spread over `threads`, all started together.
  template <class Work>
  void run(int threads, int count, Work work) {
    std::atomic<int> next{0}, ready{0};
    std::vector<std::thread> pool;
    for (int t = 0; t < threads; ++t) {
      pool.emplace_back([&] {
        ++ready;
        while (ready < threads) std::this_thread::yield();
        for (int i = next++; i < count; i = next++) work(i);
      });
    }
    for (std::thread& thread : pool) thread.join();
  }
};

TEST_F(LedgerRace, TwoHundredCallsOfFiveCentsOnOneDollar) {
  for (const int threads : {2, 4, 8}) {
    for (int round = 0; round < 20; ++round) {
      Ledger fresh(clock);
      config::Snapshot snapshot;
      snapshot.budgets = {budget_of(ScopeKind::key, "k1", usd(1)),
                          budget_of(ScopeKind::org, "o1", usd(100))};
      ASSERT_TRUE(fresh.configure(snapshot, history).has_value());
      const ScopePath caller = fresh.resolve({{ScopeKind::key, "k1"}, {ScopeKind::org, "o1"}});
      std::atomic<int> succeeded{0}, refused{0};
      run(threads, 200, [&](int) {
        HoldResult h = fresh.hold(caller, {}, cents(5));
        if (h.has_value()) {
          (void)h->settle(cents(5));
          ++succeeded;
        } else {
          ++refused;
        }
      });
      ASSERT_EQ(succeeded, 20);
      ASSERT_EQ(refused, 180);
      const auto rows = fresh.snapshot_all();
      ASSERT_EQ(rows[0].spent, usd(1));
      ASSERT_EQ(rows[0].held, NanoUsd{});
      ASSERT_EQ(rows[1].spent, usd(1));
      ASSERT_EQ(fresh.open_holds(), 0u);
    }
  }
}

TEST_F(LedgerRace, MixedWorkKeepsTheCapAndTheSum) {
  const auto budgets = [](NanoUsd limit) {
    return std::vector{budget_of(ScopeKind::key, "k1", limit, WindowKind::total),
                       budget_of(ScopeKind::provider, "p1", usd(30), WindowKind::total),
                       budget_of(ScopeKind::provider, "p2", usd(30), WindowKind::total)};
  };
  configure(budgets(usd(40)));
  std::atomic<std::int64_t> settled{0};
  std::atomic<bool> stop{false}, is_broken{false};
  std::thread watcher([&] {
    // Limits only go up here, so that at no instant anything may be over them.
    std::int64_t limit = 40;
    while (!stop) {
      for (const BudgetRow& r : ledger.snapshot_all()) {
        if (r.spent.value + r.held.value > r.limit.value) is_broken = true;
      }
      if (limit < 50) configure(budgets(usd(++limit)));
    }
  });
  run(3, 6'000, [&](int i) {
    HoldResult h = ledger.hold_between(who, i % 2 ? what : other_what, cents(1), cents(5));
    if (!h.has_value()) return;
    if (i % 3 == 0) (void)h->rebase(i % 2 ? what : other_what, cents(2), cents(6));
    if (i % 5 == 0) (void)h->rebase(i % 2 ? other_what : what, cents(4));
    if (i % 7 == 0) return;  // dropped
    const NanoUsd actual{h->amount().value / (1 + i % 4)};
    settled += h->settle(actual).amount.value;
  });
  stop = true;
  watcher.join();
  EXPECT_FALSE(is_broken);
  EXPECT_EQ(row(ScopeKind::key, "k1").spent.value, settled.load());
  EXPECT_EQ(row(ScopeKind::provider, "p1").spent.value + row(ScopeKind::provider, "p2").spent.value,
            settled.load());
  for (const BudgetRow& r : ledger.snapshot_all()) EXPECT_EQ(r.held, NanoUsd{});
  EXPECT_EQ(ledger.open_holds(), 0u);
}

// More callers than fit, each waits its turn: all get through, none is lost, the cap holds.
TEST_F(LedgerRace, WaitersAllGetTheirTurn) {
  class Turn final : public Waiter {
   public:
    Turn(ScopePath who, ScopePath what) : Waiter(who, what, cents(50), cents(50)) {}
    void on_outcome(HoldResult outcome) noexcept override {
      const std::lock_guard lock(mutex_);
      if (outcome.has_value()) hold_ = std::move(*outcome);
      is_done_ = true;
      changed_.notify_all();
    }
    Hold wait() {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return is_done_; });
      return std::move(hold_);
    }

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool is_done_ = false;
    Hold hold_;
  };
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  std::atomic<int> through{0};
  run(4, 2'000, [&](int) {
    const auto turn = std::make_shared<Turn>(who, what);
    if (!ledger.wait(turn)) return;
    Hold hold = turn->wait();
    if (!hold) return;
    (void)hold.settle(NanoUsd{1});
    ++through;
  });
  EXPECT_EQ(through, 2'000);
  EXPECT_EQ(row(ScopeKind::key, "k1").spent, NanoUsd{2'000});
  EXPECT_EQ(ledger.waiting(), 0u);
}

TEST_F(LedgerRace, CancelOrOutcomeNeverBothNeverNeither) {
  class Counter final : public Waiter {
   public:
    Counter(ScopePath who, ScopePath what) : Waiter(who, what, cents(80), cents(80)) {}
    void on_outcome(HoldResult) noexcept override { ++calls; }
    std::atomic<int> calls{0};
  };
  configure({budget_of(ScopeKind::key, "k1", usd(1))});
  for (int round = 0; round < 200; ++round) {
    HoldResult first = hold(usd(1));
    ASSERT_TRUE(first.has_value());
    const auto waiter = std::make_shared<Counter>(who, what);
    ASSERT_TRUE(ledger.wait(waiter));
    std::atomic<bool> was_cancelled{false};
    run(2, 2, [&](int i) {
      if (i == 0) {
        first->release();
      } else {
        was_cancelled = ledger.cancel(*waiter);
      }
    });
    ASSERT_EQ(waiter->calls, was_cancelled ? 0 : 1);
    ASSERT_EQ(ledger.open_holds(), 0u);
  }
}

}  // namespace
}  // namespace tollgate::domain::budget
