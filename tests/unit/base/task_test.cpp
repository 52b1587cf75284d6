#include "tollgate/base/task.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/sanitized.hpp"

namespace tollgate::base {
namespace {

using ::testing::ElementsAre;
using Trace = std::vector<std::string>;

/// Something to wait for: resumed by the test.
class Gate {
 public:
  auto wait() {
    struct Awaiter {
      Gate& gate;
      explicit Awaiter(Gate& g) : gate(g) {}
      [[nodiscard]] bool await_ready() const noexcept { return gate.open_; }
      void await_suspend(std::coroutine_handle<> h) noexcept { gate.waiting_ = h; }
      void await_resume() const noexcept {}
    };
    return Awaiter(*this);
  }
  void open() {
    open_ = true;
    if (const auto waiting = std::exchange(waiting_, {})) waiting.resume();
  }

 private:
  bool open_ = false;
  std::coroutine_handle<> waiting_;
};

Task<int> leaf(Trace& trace, Gate& gate) {
  trace.push_back("leaf begins");
  co_await gate.wait();
  trace.push_back("leaf ends");
  co_return 21;
}

Task<int> middle(Trace& trace, Gate& gate) {
  trace.push_back("middle begins");
  const int half = co_await leaf(trace, gate);
  trace.push_back("middle ends");
  co_return 2 * half;
}

Task<void> root(Trace& trace, Gate& gate, int& result) {
  result = co_await middle(trace, gate);
  trace.push_back("root ends");
}

TEST(Task, IsLazyAndResumesFromTheInsideOut) {
  Trace trace;
  Gate gate;
  int result = 0;
  {
    const auto never_awaited = middle(trace, gate);
    EXPECT_TRUE(trace.empty()) << "a task starts when it is awaited";
  }
  spawn("root", root(trace, gate, result));
  EXPECT_THAT(trace, ElementsAre("middle begins", "leaf begins"));
  gate.open();
  EXPECT_THAT(trace,
              ElementsAre("middle begins", "leaf begins", "leaf ends", "middle ends", "root ends"));
  EXPECT_EQ(result, 42);
}

TEST(Task, FramesMayBeGivenBackOnAnotherThread) {
  // At shutdown the main thread destroys what workers made. What a thread keeps it frees at its
  // end, and one that makes no frames keeps none (the leak checker looks).
  Trace trace;
  Gate gate;
  std::vector<Task<int>> made;
  std::thread([&] {
    for (int i = 0; i < 100; ++i) made.push_back(middle(trace, gate));
  }).join();
  std::thread([&] { made.clear(); }).join();
  EXPECT_TRUE(trace.empty());
}

TEST(Task, RunsThroughWithoutSuspendingWhenNothingBlocks) {
  Trace trace;
  Gate gate;
  gate.open();
  int result = 0;
  spawn("root", root(trace, gate, result));
  EXPECT_EQ(result, 42);
}

Task<int> throws() {
  throw std::runtime_error("broken");
  co_return 0;  // NOLINT: makes it a coroutine
}

Task<void> catches(std::string& caught) {
  try {
    (void)co_await throws();
  } catch (const std::runtime_error& e) {
    caught = e.what();
  }
}

TEST(Task, AnExceptionReachesWhoAwaits) {
  std::string caught;
  spawn("root", catches(caught));
  EXPECT_EQ(caught, "broken");
}

std::string reported;
Task<void> lets_it_pass() {
  (void)co_await throws();
}

TEST(Task, AnExceptionNobodyCatchesIsReportedWithTheRootsName) {
  set_task_failure_hook([](const char* name, std::exception_ptr error) noexcept {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      reported = std::string(name) + ": " + e.what();
    }
  });
  spawn("session", lets_it_pass());
  EXPECT_EQ(reported, "session: broken");
  set_task_failure_hook(nullptr);
  spawn("session", lets_it_pass());  // without a hook: ignored, not terminated
}

Task<std::unique_ptr<int>> makes(int n) {
  co_return std::make_unique<int>(n);
}
Task<void> takes(int& out) {
  const std::unique_ptr<int> value = co_await makes(5);
  out = *value;
}

TEST(Task, CarriesMoveOnlyValues) {
  int out = 0;
  spawn("root", takes(out));
  EXPECT_EQ(out, 5);
}

struct CountsDeath {
  explicit CountsDeath(int& n) : count(n) {}
  CountsDeath(const CountsDeath&) = delete;
  ~CountsDeath() { ++count; }
  int& count;
};

Task<void> holds(int& deaths, Gate& gate) {
  const CountsDeath local(deaths);
  co_await gate.wait();
}

TEST(Task, LocalsDieOnceWhenItEnds) {
  int deaths = 0;
  Gate gate;
  spawn("root", holds(deaths, gate));
  EXPECT_EQ(deaths, 0);
  gate.open();
  EXPECT_EQ(deaths, 1);
}

Task<void> forwards(int& deaths, Gate& gate) {
  co_await holds(deaths, gate);
}

TEST(Task, DestroyingASuspendedTaskDestroysTheChainBelowIt) {
  int deaths = 0;
  Gate gate;
  {
    auto task = forwards(deaths, gate);
    // Driven by hand, as spawn would; the frame is still ours to destroy.
    task.await_suspend(std::noop_coroutine()).resume();
    EXPECT_EQ(deaths, 0);
  }
  EXPECT_EQ(deaths, 1);
}

Task<int> deep(int n) {
  if (n == 0) co_return 0;
  const int below = co_await deep(n - 1);
  co_return below + 1;
}
Task<void> loops(int times, long& sum) {
  for (int i = 0; i < times; ++i) sum += co_await deep(1);
}

TEST(Task, ManyAwaitsInALoopNeedNoStack) {
  // Symmetric transfer is a tail call when g++ optimises, which it does not do under a sanitizer.
  constexpr int kTimes = tollgate::testing::kSanitized ? 1'000 : 200'000;
  long sum = 0;
  spawn("root", loops(kTimes, sum));
  EXPECT_EQ(sum, kTimes);
}

TEST(Frames, AreRecycledBySizeClass) {
  void* const first = frame_allocate(300);
  frame_deallocate(first, 300);
  void* const again = frame_allocate(384);  // the same class of 128-byte steps
  EXPECT_EQ(again, first);
  void* const other = frame_allocate(385);
  EXPECT_NE(other, first);
  frame_deallocate(other, 385);
  frame_deallocate(again, 384);
}

TEST(Frames, AllOfAClassComeBack) {
  void* const first = frame_allocate(900);
  void* const second = frame_allocate(900);
  frame_deallocate(first, 900);
  frame_deallocate(second, 900);
  EXPECT_EQ(frame_allocate(900), second);
  EXPECT_EQ(frame_allocate(900), first);
  frame_deallocate(first, 900);
  frame_deallocate(second, 900);
}

TEST(Frames, LargeOnesAndFloodsGoBackToTheHeap) {
  void* const large = frame_allocate(1 << 20);
  frame_deallocate(large, 1 << 20);
  std::vector<void*> frames;
  for (int i = 0; i < 200; ++i) frames.push_back(frame_allocate(256));
  for (void* frame : frames) frame_deallocate(frame, 256);
  for (int i = 0; i < 200; ++i) frames[static_cast<std::size_t>(i)] = frame_allocate(256);
  for (void* frame : frames) frame_deallocate(frame, 256);
}

}  // namespace
}  // namespace tollgate::base
