#include <thread>

#include "fixture.hpp"

namespace tollgate::store::testing {
namespace {

/// What only the writer's own thread shows; by the real clock, with wide margins.
class WriterThreadTest : public StoreTest {};

TEST_F(WriterThreadTest, FewRecordsWaitForMoreAndManyDoNot) {
  constexpr std::chrono::milliseconds kInterval(300);
  options_.audit.flush_interval = kInterval;
  open();
  store_->start();
  const auto time_to_write = [&](int records) {
    const std::uint64_t before = store_->stats().rows_written;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < records; ++i) {
      put(call("req_" + std::to_string(before) + "_" + std::to_string(i)));
    }
    while (store_->stats().rows_written < before + static_cast<std::uint64_t>(records)) {
      std::this_thread::yield();
    }
    return std::chrono::steady_clock::now() - begin;
  };
  EXPECT_GE(time_to_write(15), 3 * kInterval);
  EXPECT_LT(time_to_write(16), 3 * kInterval);
}

TEST_F(WriterThreadTest, ABatchOfOneDoesNotWait) {
  constexpr std::chrono::milliseconds kInterval(300);
  options_.audit.flush_interval = kInterval;
  options_.audit.batch = 1;
  open();
  store_->start();
  const auto begin = std::chrono::steady_clock::now();
  put(call("req_1"));
  while (store_->stats().rows_written == 0) std::this_thread::yield();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2 * kInterval);
}

TEST_F(WriterThreadTest, ARecordWakesAWriterThatSleeps) {
  options_.audit.flush_interval = std::chrono::milliseconds(1);
  options_.audit.batch = 1;
  open();
  store_->start();
  for (int i = 1; i <= 3; ++i) {
    const auto asleep = std::chrono::steady_clock::now() + std::chrono::milliseconds(120);
    while (std::chrono::steady_clock::now() < asleep) std::this_thread::yield();
    const auto begin = std::chrono::steady_clock::now();
    put(call("req_" + std::to_string(i)));
    while (store_->stats().rows_written < static_cast<std::uint64_t>(i)) std::this_thread::yield();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(400));
  }
}

TEST_F(WriterThreadTest, AllRecordsOfManyThreadsArrive) {
  options_.audit.queue = 256;
  options_.audit.flush_interval = std::chrono::milliseconds(1);
  options_.on_state = nullptr;
  open();
  store_->start();
  constexpr int kThreads = 4;
  constexpr int kEach = 2'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        while (!store_->try_reserve()) std::this_thread::yield();
        store_->record(call("req_" + std::to_string(t) + "_" + std::to_string(i), 3));
        if (i % 100 == 0) store_->note_unauthenticated("unknown", "192.0.2.1");
      }
    });
  }
  EXPECT_TRUE(store_->flush_now());
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(store_->stop(std::chrono::milliseconds(0)).has_value());
  EXPECT_EQ(store_->stats().rows_written, std::uint64_t{kThreads} * kEach);
  EXPECT_EQ(number("SELECT sum(nusd) FROM ledger"), 3 * kThreads * kEach);
  EXPECT_EQ(number("SELECT sum(count) FROM unauthenticated"), kThreads * kEach / 100);
  EXPECT_EQ(reader()->verify_chain()->problem, "");
}

}  // namespace
}  // namespace tollgate::store::testing
