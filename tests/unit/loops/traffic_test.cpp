// The shipped settings against the benchmark set: what is found, after how many calls, and what is
// taken for a loop that is none. docs/loops.md has the table this prints.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <queue>

#include "tollgate/domain/loops/loop_breaker.hpp"
#include "unit/loops/traffic.hpp"

namespace tollgate::domain::loops::test {
namespace {

using std::chrono::milliseconds;

struct Outcome {
  std::size_t calls = 0;    ///< of the scenario
  std::size_t through = 0;  ///< before the first finding
  bool is_stopped = false;
  bool is_observed = false;
  std::string detector, evidence;
};

base::MonoTime at(std::int64_t ms) {
  return base::MonoTime(std::chrono::hours(1) + milliseconds(ms));
}

/// Plays a scenario until something is found.
Outcome play(Scenario scenario) {
  std::stable_sort(scenario.events.begin(), scenario.events.end(),
                   [](const Event& a, const Event& b) { return a.start < b.start; });
  LoopBreaker breaker(config::LoopMemory{});
  const config::LoopBreaker shipped;
  struct End {
    std::int64_t at;
    Ticket ticket;
    bool failed;
    bool operator<(const End& other) const { return at > other.at; }
  };
  std::priority_queue<End> open;
  Outcome out;
  out.calls = scenario.events.size();
  for (const Event& event : scenario.events) {
    for (; !open.empty() && open.top().at <= event.start; open.pop())
      breaker.on_outcome(open.top().ticket, open.top().failed, at(open.top().at));
    const Verdict verdict = breaker.on_call(
        {event.key, event.owner, event.trace, event.depth, print_of(event.surface, event.body())},
        shipped, at(event.start));
    if (verdict.is_news) {
      out.is_stopped = verdict.decision != Decision::proceed;
      out.is_observed = !out.is_stopped;
      out.detector = to_string(verdict.detector);
      out.evidence = fmt::format("{} [{}]", verdict.evidence, to_string(verdict.target));
      return out;
    }
    ++out.through;
    open.push({event.start + event.duration, verdict.ticket, event.failed});
  }
  return out;
}

TEST(LoopTraffic, RunawaysAreFound) {
  std::size_t all = 0, found = 0;
  for (const Scenario& scenario : runaway_traffic()) {
    const Outcome outcome = play(scenario);
    const bool is_found = outcome.is_stopped || outcome.is_observed;
    fmt::print("{:58} {:>5} {:>7} {}\n", scenario.name,
               is_found ? fmt::to_string(outcome.through) : "-",
               is_found ? (outcome.is_stopped ? "stopped" : "told") : "missed", outcome.evidence);
    ++all;
    found += is_found ? 1 : 0;
    EXPECT_EQ(is_found, !scenario.is_blind_spot) << scenario.name;
    if (is_found) {
      EXPECT_EQ(outcome.detector, scenario.what) << scenario.name << ": " << outcome.evidence;
      EXPECT_EQ(outcome.is_observed, scenario.what == "call_rate") << "only (d) ships observing";
    }
  }
  fmt::print("found {} of {}\n", found, all);
  // Nine of ten, the known blind spots counted as missed.
  EXPECT_GE(found * 10, all * 9);
}

TEST(LoopTraffic, AgentsAtWorkAreLeftAlone) {
  std::size_t all = 0, calls = 0, false_alarms = 0;
  for (const Scenario& scenario : normal_traffic()) {
    const Outcome outcome = play(scenario);
    const bool alarm = outcome.is_stopped || outcome.is_observed;
    fmt::print("{:66} {:>5} calls {}\n", scenario.name, outcome.calls,
               alarm ? "FALSE ALARM " + outcome.evidence : "");
    ++all;
    calls += outcome.calls;
    false_alarms += alarm ? 1 : 0;
    EXPECT_FALSE(alarm) << scenario.name << " after " << outcome.through << ": "
                        << outcome.evidence;
  }
  fmt::print("{} false alarms in {} scenarios, {} calls\n", false_alarms, all, calls);
  EXPECT_GE(all, 49u) << "docs/loops.md says how many";
}

}  // namespace
}  // namespace tollgate::domain::loops::test
