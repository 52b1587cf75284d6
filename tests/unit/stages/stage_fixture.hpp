#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "relay_fixture.hpp"
#include "tollgate/pipeline/interpret.hpp"

namespace tollgate::stages::testing {

/// A loop on which time passes when somebody waits, or the agent leaves.
struct Sleeper final : NoUpstream {
  explicit Sleeper(test::FakeClock& time) : clock(time) {}
  base::Task<bool> sleep_until(base::Deadline until, pipeline::CancelSignal& cancel) override {
    run_posted();
    if (cancel.cancelled()) co_return false;
    slept.push_back(until.at() - clock.mono());
    if (agent_leaves) {
      cancel.cancel();
    } else {
      clock.advance(slept.back());
      if (meanwhile) meanwhile();
    }
    run_posted();
    co_return !cancel.cancelled();
  }
  void post(std::function<void()> work) override { posted.push_back(std::move(work)); }
  void run_posted() {
    for (; !posted.empty(); posted.pop_front()) posted.front()();
  }

  test::FakeClock& clock;
  std::vector<std::chrono::nanoseconds> slept;
  std::deque<std::function<void()>> posted;
  std::function<void()> meanwhile;  ///< what happens while it waits
  bool agent_leaves = false;
};

/// One stage, asked about one call after the other.
class StageTest : public ::testing::Test {
 protected:
  StageTest(const std::string& yaml, std::unique_ptr<pipeline::Stage> asked,
            pipeline::AlertSink& alerts)
      : world(yaml, clock, sleeper, alerts), stage(std::move(asked)) {}
  ~StageTest() override { context.end(); }

  /// A call as it is when auth has let it in.
  void begin(const std::string& target, const std::string& body, const std::string& fields = {}) {
    context.end();
    context.reset();
    context.begin(world.runtime, *world.services, agent, clock.mono());
    parser.reset();
    head =
        (body.empty() ? "GET " : "POST ") + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
    EXPECT_TRUE(parser.feed(head).has_value());
    context.head = &parser.head();
    EXPECT_TRUE(context.target.parse(parser.head().path_and_query).has_value());
    context.route = pipeline::match_route(parser.head(), context.target);
    context.key = world.runtime->keys->find_by_id(key);
    if (context.route.surface == pipeline::Surface::mcp)
      context.peer = world.runtime->mcp.find(context.route.name)->second.get();
    EXPECT_FALSE(pipeline::admit(context).refused());
    context.body = body;
    context.body.reserve(body.size() + 64);
    EXPECT_FALSE(pipeline::interpret(context).refused());
    context.body_read_at = clock.mono();
    context.record = std::make_unique<store::AuditRecord>();
  }
  /// The stage's word; waits are over when it returns.
  pipeline::Verdict ask() {
    pipeline::Decision decision = stage->on_request(context);
    if (decision.made()) return std::move(decision.verdict());
    std::optional<pipeline::Verdict> verdict;
    base::spawn("wait", wait(decision.waiting(), verdict));
    return std::move(*verdict);
  }
  void complete(int status = 200) {
    context.status = status;
    context.finished_at = clock.mono();
    stage->on_complete(context);
  }

  test::FakeClock clock;
  Sleeper sleeper{clock};
  StageWorld world;
  std::unique_ptr<pipeline::Stage> stage;
  Agent agent;
  protocol::http::RequestParser parser;
  std::string head, key = "a";
  pipeline::RequestContext context;

 private:
  static base::Task<void> wait(base::Task<pipeline::Verdict>& task,
                               std::optional<pipeline::Verdict>& out) {
    pipeline::Verdict verdict = co_await task;
    out.emplace(std::move(verdict));
  }
};

}  // namespace tollgate::stages::testing
