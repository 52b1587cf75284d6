#include "stages/attempt.hpp"

#include <gtest/gtest.h>

#include "relay_fixture.hpp"

namespace tollgate::stages {
namespace {

using namespace std::chrono_literals;
using domain::routing::AttemptLoop;

class AttemptBooks : public ::testing::Test {
 protected:
  AttemptBooks() {
    bench.begin(context, agent);
    loop.emplace(context.plan, context.config().routing, context.services->retry_budget,
                 context.services->rng, context.deadline, domain::routing::Repeat::safe);
  }
  ~AttemptBooks() override { context.end(); }
  [[nodiscard]] const auto& row() const { return context.record->attempts[0]; }

  testing::RelayBench bench;
  testing::Agent agent;
  pipeline::RequestContext context;
  std::optional<AttemptLoop> loop;
};

TEST_F(AttemptBooks, AnAnswerIsDatedByTheTimeItWasRead) {
  ASSERT_EQ(loop->next(bench.clock().mono()), AttemptLoop::Step::attempt);
  bench.clock().advance(2ms);
  Attempt attempt(context, *loop, loop->candidate());
  bench.clock().advance(9ms);
  attempt.succeeded(200, attempt.started() + 5ms);
  EXPECT_EQ(row().started_us, 2'000);
  EXPECT_EQ(row().duration_us, 5'000);
  EXPECT_EQ(context.upstream_time, 5ms);
}

/// Bytes are dated by the begin of the turn that read them. A kept-alive connection on which its
/// upstream spoke unasked gives them out in the turn of the attempt, which began after that.
TEST_F(AttemptBooks, NoDurationIsNegative) {
  ASSERT_EQ(loop->next(bench.clock().mono()), AttemptLoop::Step::attempt);
  Attempt attempt(context, *loop, loop->candidate());
  attempt.succeeded(200, attempt.started() - 3ms);
  EXPECT_EQ(row().duration_us, 0);
  EXPECT_EQ(row().outcome, "ok");
  EXPECT_EQ(context.upstream_time, 0ns);
}

}  // namespace
}  // namespace tollgate::stages
