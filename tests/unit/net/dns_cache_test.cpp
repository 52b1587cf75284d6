// Names to addresses with scripted lookups: who waits for what, and for how long.
#include "tollgate/net/dns_cache.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>

#include "support/fake_clock.hpp"
#include "unit/net/loop.hpp"

namespace tollgate::net {
namespace {

using namespace std::chrono_literals;
using test::run_until;

const asio::ip::address kOne = asio::ip::make_address("192.0.2.1");
const asio::ip::address kTwo = asio::ip::make_address("192.0.2.2");

/// Lookups that answer what the test says, when the test says.
class Script {
 public:
  DnsCache::Addresses look_up(const std::string& host) {
    std::unique_lock lock(mutex_);
    ++asked_[host];
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_[host]; });
    return answers_[host];
  }
  void answer(const std::string& host, DnsCache::Addresses with) {
    const std::lock_guard lock(mutex_);
    answers_[host] = std::move(with);
  }
  void hold(const std::string& host, bool held) {
    const std::lock_guard lock(mutex_);
    held_[host] = held;
    changed_.notify_all();
  }
  int asked(const std::string& host) {
    const std::lock_guard lock(mutex_);
    return asked_[host];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, DnsCache::Addresses> answers_;
  std::map<std::string, bool> held_;
  std::map<std::string, int> asked_;
};

class Dns : public ::testing::Test {
 protected:
  ~Dns() override {
    for (const char* host : {"a", "b", "c"}) script.hold(host, false);
  }
  struct Call {
    pipeline::CancelSignal cancel;
    DnsCache::Addresses got;
    bool done = false;
  };
  base::Task<void> resolve(Call& call, std::string host, base::Deadline deadline) {
    call.got = co_await cache.resolve(worker, std::move(host), deadline, call.cancel);
    call.done = true;
  }
  void start(Call& call, const std::string& host,
             base::Deadline deadline = base::Deadline::never()) {
    base::spawn("resolve", resolve(call, host, deadline));
  }
  bool finish(Call& call) {
    return run_until(worker.loop(), [&] { return call.done; });
  }
  DnsCache::Addresses now(const std::string& host) {
    Call call;
    start(call, host);
    EXPECT_TRUE(finish(call));
    return call.got;
  }

  test::FakeClock clock;
  Script script;
  Worker worker{0, clock};
  DnsCache cache{clock,
                 {.ttl = 30s, .stale = 300s, .negative_ttl = 1s, .threads = 2},
                 [this](const std::string& host) { return script.look_up(host); }};
};

TEST_F(Dns, AnAnswerIsKeptForItsTime) {
  script.answer("a", {kOne});
  EXPECT_EQ(now("a"), DnsCache::Addresses{kOne});
  clock.advance(29s);
  EXPECT_EQ(now("a"), DnsCache::Addresses{kOne});
  EXPECT_EQ(script.asked("a"), 1);
  EXPECT_EQ(now("192.0.2.9"), DnsCache::Addresses{asio::ip::make_address("192.0.2.9")});
}

TEST_F(Dns, AnOldAnswerServesAtOnceWhileTheNameIsAskedBehindIt) {
  script.answer("a", {kOne});
  (void)now("a");
  clock.advance(31s);
  script.answer("a", {kTwo});
  script.hold("a", true);
  Call call;
  start(call, "a");
  EXPECT_TRUE(call.done) << "no wait at all";
  EXPECT_EQ(call.got, DnsCache::Addresses{kOne});
  script.hold("a", false);
  EXPECT_TRUE(run_until(worker.loop(), [&] { return now("a") == DnsCache::Addresses{kTwo}; }));
  EXPECT_EQ(script.asked("a"), 2);
}

TEST_F(Dns, AFailureIsRememberedForAMomentAndOldAddressesOutliveIt) {
  EXPECT_TRUE(now("a").empty());
  EXPECT_TRUE(now("a").empty());
  EXPECT_EQ(script.asked("a"), 1) << "not asked again by every call";
  clock.advance(1s);
  script.answer("a", {kOne});
  EXPECT_EQ(now("a"), DnsCache::Addresses{kOne});
  clock.advance(31s);
  script.answer("a", {});
  EXPECT_EQ(now("a"), DnsCache::Addresses{kOne});
  ASSERT_TRUE(run_until(worker.loop(), [&] { return script.asked("a") == 3; }));
  EXPECT_EQ(now("a"), DnsCache::Addresses{kOne});
  clock.advance(300s);
  EXPECT_TRUE(now("a").empty()) << "too old at last";
}

TEST_F(Dns, ANameServerThatIsSilentHoldsUpItsOwnNameOnly) {
  script.hold("a", true);
  script.answer("b", {kTwo});
  Call slow;
  start(slow, "a");
  EXPECT_EQ(now("b"), DnsCache::Addresses{kTwo});
  EXPECT_FALSE(slow.done);
  script.answer("a", {kOne});
  script.hold("a", false);
  EXPECT_TRUE(finish(slow));
  EXPECT_EQ(slow.got, DnsCache::Addresses{kOne});
}

TEST_F(Dns, WhereNoThreadCanBeHadTheNameIsAskedAgainLater) {
  script.answer("a", {kOne});
  pthread_attr_t usual, huge;
  ASSERT_EQ(pthread_getattr_default_np(&usual), 0);
  ASSERT_EQ(pthread_attr_init(&huge), 0);
  // No address space has room for such a stack: no thread can be started.
  ASSERT_EQ(pthread_attr_setstacksize(&huge, std::size_t{1} << 47), 0);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  const DnsCache::Addresses without = now("a");
  ASSERT_EQ(pthread_setattr_default_np(&usual), 0);
  EXPECT_TRUE(without.empty());
  EXPECT_EQ(script.asked("a"), 0);
  EXPECT_TRUE(now("a").empty()) << "a failure like any other";
  clock.advance(1s);
  EXPECT_EQ(now("a"), DnsCache::Addresses{kOne});
}

TEST_F(Dns, ConcurrentQuestionsForOneNameAreAskedOnce) {
  script.hold("a", true);
  std::array<Call, 5> calls;
  for (Call& call : calls) start(call, "a");
  ASSERT_TRUE(run_until(worker.loop(), [&] { return script.asked("a") == 1; }));
  script.answer("a", {kOne});
  script.hold("a", false);
  for (Call& call : calls) {
    EXPECT_TRUE(finish(call));
    EXPECT_EQ(call.got, DnsCache::Addresses{kOne});
  }
  EXPECT_EQ(script.asked("a"), 1);
}

TEST_F(Dns, AWaitEndsWithItsDeadlineOrItsCallAndTheAnswerHarmsNobody) {
  script.hold("a", true);
  Call late;
  Call left;
  start(late, "a", base::Deadline(std::chrono::steady_clock::now() + 20ms));
  start(left, "a");
  left.cancel.cancel();
  EXPECT_TRUE(finish(late));
  EXPECT_TRUE(finish(left));
  EXPECT_TRUE(late.got.empty());
  EXPECT_TRUE(left.got.empty());
  script.answer("a", {kOne});
  script.hold("a", false);
  EXPECT_TRUE(run_until(worker.loop(), [&] { return now("a") == DnsCache::Addresses{kOne}; }));
  Call gone;
  gone.cancel.cancel();
  start(gone, "b");
  EXPECT_TRUE(gone.done) << "a call that has ended asks nothing";
  EXPECT_EQ(script.asked("b"), 0);
}

}  // namespace
}  // namespace tollgate::net
