#include <atomic>
#include <barrier>
#include <string>
#include <thread>
#include <vector>

#include "unit/loops/breaker_fixture.hpp"

namespace tollgate::domain::loops::test {
namespace {

constexpr int kWorkers = 4;

class WorkersTest : public BreakerTest {
 protected:
  WorkersTest() { rules.cycles.mode = LoopMode::off; }

  /// One call of `conversation`, which has a key of its own, from its beginning to its end.
  Verdict call_once(std::uint64_t conversation, std::uint64_t body) {
    Call one;
    const std::string key_id = "k" + std::to_string(conversation);
    one.key_id = key_id;
    one.owner = "acme";
    one.fingerprint.kind = CallKind::model;
    one.fingerprint.near = 1;
    one.fingerprint.exact = body;
    one.fingerprint.conversation = conversation;
    one.fingerprint.turns = kUnknownTurns;
    Verdict verdict = breaker.on_call(one, rules, clock.mono());
    breaker.on_outcome(verdict.ticket, body % 2 == 0, clock.mono());
    return verdict;
  }
  template <class Work>
  static void on_every_worker(Work work) {
    std::vector<std::thread> workers;
    for (int w = 0; w < kWorkers; ++w) workers.emplace_back(work, w);
    for (auto& worker : workers) worker.join();
  }
};

// One conversation between all workers: its limit is met exactly once.
TEST_F(WorkersTest, ShareEveryCount) {
  rules.repeats.limit = 1'000;
  rules.repeats.window = 24h;
  std::atomic<int> let_through{0}, news{0};
  on_every_worker([&](int worker) {
    for (int i = 0; i < 2'000; ++i) {
      const Verdict verdict = call_once(9, static_cast<std::uint64_t>(i));
      let_through += verdict.decision == Decision::proceed;
      news += verdict.is_news;
      if (worker == 0 && i % 100 == 0) (void)breaker.stops(clock.mono());
    }
  });
  EXPECT_GE(let_through, 1'000);
  // The call of each other worker that had passed the check of stops when the stop was added.
  EXPECT_LE(let_through, 1'000 + kWorkers - 1);
  EXPECT_EQ(news, 1);
  EXPECT_EQ(breaker.stops(clock.mono()).size(), 1u);
}

// Many stops, each reached by all workers at once: whoever finds one may be held up anywhere.
TEST_F(WorkersTest, MeetALimitTogether) {
  constexpr int kConversations = 300, kLimit = 8;
  rules.repeats.limit = kLimit;
  rules.repeats.window = 24h;
  std::vector<std::atomic<int>> let_through(kConversations), news(kConversations);
  std::barrier together(kWorkers);
  on_every_worker([&](int worker) {
    for (int c = 0; c < kConversations; ++c) {
      together.arrive_and_wait();
      for (int i = 0; i < 2 * kLimit; ++i) {
        const Verdict verdict =
            call_once(static_cast<std::uint64_t>(c + 1),
                      static_cast<std::uint64_t>((c * kWorkers + worker) * 2 * kLimit + i));
        let_through[static_cast<std::size_t>(c)] += verdict.decision == Decision::proceed;
        news[static_cast<std::size_t>(c)] += verdict.is_news;
      }
    }
  });
  for (int c = 0; c < kConversations; ++c) {
    EXPECT_GE(let_through[static_cast<std::size_t>(c)], kLimit);
    EXPECT_LE(let_through[static_cast<std::size_t>(c)], kLimit + kWorkers - 1);
    EXPECT_EQ(news[static_cast<std::size_t>(c)], 1);
  }
  const auto counters = breaker.counters(clock.mono());
  EXPECT_EQ(counters.active, static_cast<std::uint64_t>(kConversations));
  EXPECT_EQ(counters.enforced[0], static_cast<std::uint64_t>(kConversations));
}

}  // namespace
}  // namespace tollgate::domain::loops::test
