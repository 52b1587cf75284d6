// Random worlds, random failures: what must hold whatever happens. The seed is printed; set
// TOLLGATE_PROPERTY_SEEDS for more of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "fixture.hpp"
#include "support/property_seeds.hpp"

namespace tollgate::domain::routing {
namespace {

using testing::at;
using testing::milliseconds;

AttemptOutcome random_outcome(Rng& rng) {
  static constexpr int kAnswers[] = {200, 400, 408, 409, 429, 500, 503, 529};
  if (rng.below(2) == 0)
    return AttemptOutcome::failure(static_cast<FailureKind>(rng.below(kFailureKinds)));
  RetryHints hints;
  if (rng.below(4) == 0)
    hints.retry_after = milliseconds(static_cast<std::int64_t>(rng.below(3'000)));
  if (rng.below(4) == 0) hints.should_retry = rng.below(2) == 0;
  return AttemptOutcome::status(kAnswers[rng.below(std::size(kAnswers))], hints);
}

/// What the budget should count: the moments in the ten whole seconds that end with this one.
std::uint64_t in_window(const std::deque<base::MonoTime>& times, base::MonoTime now) {
  const auto second = [](base::MonoTime t) {
    return std::chrono::floor<std::chrono::seconds>(t.time_since_epoch()).count();
  };
  return static_cast<std::uint64_t>(std::count_if(
      times.begin(), times.end(), [&](base::MonoTime t) { return second(now) - second(t) < 10; }));
}

TEST(RoutingProperty, NoCallExceedsItsLimits) {
  for (std::uint64_t seed = 1; seed <= test::property_seeds(200); ++seed) {
    SCOPED_TRACE(seed);
    Rng chance(seed);
    config::ModelAlias alias;
    std::map<std::string, config::Provider, std::less<>> providers;
    const std::uint64_t count = chance.below(6);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string name = "p" + std::to_string(i);
      providers[name].name = name;
      auto& deployment = alias.deployments.emplace_back();
      deployment.id = name;
      deployment.provider = name;
      deployment.priority = static_cast<std::uint32_t>(chance.below(3));
      deployment.weight = static_cast<std::uint32_t>(chance.below(4));
    }
    CooldownTable cooldowns;
    RetryBudget budget;
    config::Routing rules;
    rules.max_attempts = static_cast<std::uint32_t>(1 + chance.below(6));
    rules.retries_per_deployment = static_cast<std::uint32_t>(chance.below(3));
    rules.retry_budget_min = static_cast<std::uint32_t>(chance.below(4));
    rules.retry_budget_percent = static_cast<std::uint32_t>(chance.below(50));
    rules.cooldown_failures = static_cast<std::uint32_t>(1 + chance.below(4));
    rules.cooldown = milliseconds(static_cast<std::int64_t>(chance.below(5'000)));
    const RoutableAlias routable(alias, providers, cooldowns);
    const auto any = [](const config::Provider&) { return true; };

    std::deque<base::MonoTime> retry_times, call_times;
    base::MonoTime now = at(milliseconds(0));
    for (int call = 0; call < 30; ++call) {
      now += milliseconds(static_cast<std::int64_t>(chance.below(800)));
      budget.on_call(now);
      call_times.push_back(now);
      const RoutePlan routes = plan(routable, Dialect::openai, any, chance, now);
      for (std::size_t i = 1; i < routes.candidates.size(); ++i) {
        const RoutableDeployment& before = *routes.candidates[i - 1].target;
        const RoutableDeployment& behind = *routes.candidates[i].target;
        if (behind.cooldown->active(now)) continue;
        ASSERT_FALSE(before.cooldown->active(now)) << "what cools is behind what does not";
        ASSERT_LE(before.deployment->priority, behind.deployment->priority);
      }
      const auto waits = [](const Skipped& s) { return s.reason == SkipReason::cooling_asked; };
      ASSERT_TRUE(routes.candidates.size() > 0 || alias.deployments.empty() ||
                  std::any_of(routes.skipped.begin(), routes.skipped.end(), waits))
          << "failures take nothing away";
      ASSERT_EQ(routes.candidates.size() + routes.skipped.size(), alias.deployments.size());
      const base::Deadline deadline = base::Deadline::after(now, milliseconds(4'000));
      const Repeat repeat = chance.below(4) == 0 ? Repeat::only_unsent : Repeat::safe;
      AttemptLoop loop(routes, rules, budget, chance, deadline, repeat);
      std::map<std::size_t, unsigned> starts;
      bool any_sent = false, is_reconnect = false;
      for (unsigned step = 0;; ++step) {
        ASSERT_LT(step, 100u) << "the loop must end";
        const std::uint64_t retries_before = budget.retries(now);
        const auto next = loop.next(now);
        if (budget.retries(now) > retries_before) {
          retry_times.push_back(now);
          ASSERT_LE(in_window(retry_times, now),
                    std::max<std::uint64_t>(
                        rules.retry_budget_min,
                        in_window(call_times, now) * rules.retry_budget_percent / 100));
        }
        if (next == AttemptLoop::Step::give_up) {
          ASSERT_FALSE(loop.error().message().empty());
          break;
        }
        if (next == AttemptLoop::Step::wait) {
          ASSERT_GT(loop.wait_until(), now);
          ASSERT_FALSE(deadline.passed(loop.wait_until()));
          now = loop.wait_until();
          continue;
        }
        ASSERT_FALSE(deadline.passed(now));
        const std::size_t index = loop.candidate();
        ASSERT_LT(index, routes.candidates.size());
        if (repeat == Repeat::only_unsent) {
          ASSERT_FALSE(any_sent) << "must not run twice";
        }
        if (chance.below(10) == 0) {
          loop.skip(SkipReason::unaffordable);
          continue;
        }
        // Not while its provider asked for peace, and once while it cools; a reconnect may race
        // with others' failures.
        const Cooldown& cooldown = *routes.candidates[index].target->cooldown;
        if (!is_reconnect) {
          ASSERT_FALSE(cooldown.asked(now));
          ASSERT_FALSE(cooldown.active(now) && starts[index] > 0);
        }
        is_reconnect = false;
        ++starts[index];
        now += milliseconds(static_cast<std::int64_t>(chance.below(300)));
        const AttemptOutcome outcome = random_outcome(chance);
        const auto kind = outcome.failure_kind();
        is_reconnect = kind == FailureKind::stale_connection;
        any_sent |= !kind || may_have_been_sent(*kind);
        if (loop.on_outcome(outcome, false, now) == Verdict::final) break;
      }
      ASSERT_LE(loop.attempts(), rules.max_attempts);
      for (const auto& [index, n] : starts)
        ASSERT_LE(n, 1 + rules.retries_per_deployment + 1) << "one of them a reconnect";
    }
  }
}

}  // namespace
}  // namespace tollgate::domain::routing
