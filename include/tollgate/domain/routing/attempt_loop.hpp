#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <span>
#include <string>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/error.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/routing/outcome.hpp"
#include "tollgate/domain/routing/plan.hpp"
#include "tollgate/domain/routing/retry_budget.hpp"

namespace tollgate::domain::routing {

/// Whether the outcomes of a call are counted by the cooldown of whom it calls.
enum class HealthCheck : std::uint8_t {
  counted,
  ignored,  ///< a GET or DELETE at an MCP server or agent: other handlers than its JSON-RPC calls'
};

/// Decides, attempt by attempt, whom to call next, when, and when to stop: the failover of one
/// call.
///
/// Another deployment is preferred to the same one again (no wait, no load on one that fails); the
/// same one is asked again, after a jittered wait and within the retry budget, when no other is
/// left or when the provider says `x-should-retry: true`. A connection that had gone stale in the
/// pool is replaced at once and once per deployment: that is no failure and counts for nothing.
/// Deployments that cool down after failures are the last resort, behind those retries: one attempt
/// each while they cool, so that calls which all try a lone dead one do not add retries to it.
///
/// Protocol: `next` → attempt i → (`skip` | `on_outcome`) → `next` …, until give_up, or on_outcome
/// returns Verdict::final.
/// Invariants: at most `max_attempts` outcomes other than stale connections; at most
/// `1 + retries_per_deployment` of them per deployment; nothing starts after the deadline.
/// Lifetime: of one call; refers to plan, rules, budget and rng. Threads: the worker's.
class AttemptLoop {
 public:
  /// @param health  whether the outcomes say anything about the deployment's other calls
  AttemptLoop(const RoutePlan& plan, const config::Routing& rules, RetryBudget& budget, Rng& rng,
              base::Deadline deadline, Repeat repeat, HealthCheck health = HealthCheck::counted);

  enum class Step : std::uint8_t {
    attempt,  ///< call plan.candidates[candidate()]
    wait,     ///< call `next` again at wait_until()
    give_up,  ///< answer with error()
  };
  Step next(base::MonoTime now);
  [[nodiscard]] std::size_t candidate() const noexcept { return current_; }
  [[nodiscard]] base::MonoTime wait_until() const noexcept { return wait_until_; }

  /// The candidate cannot be called after all (budget, price): go on with another.
  void skip(SkipReason reason);
  /// Records how the attempt ended, tells the deployment's cooldown, and says what may follow.
  /// `committed`: a byte of the answer has gone to the agent. Call it once per attempt; for a
  /// stream that breaks later, report only the break.
  Verdict on_outcome(const AttemptOutcome& outcome, bool committed, base::MonoTime now);

  /// Why it gave up, for the caller: names what was tried, no address, no secret.
  [[nodiscard]] base::Error error() const;
  /// "openai-primary: connect failed; openai-eu: 503".
  [[nodiscard]] std::string summary() const;
  [[nodiscard]] unsigned attempts() const noexcept { return attempts_; }
  /// A retry was wanted that the retry budget did not allow; for the metric.
  [[nodiscard]] bool retry_refused() const noexcept { return retry_refused_; }

 private:
  struct State {
    std::uint32_t attempts = 0;
    bool usable = true;
    bool reconnected = false;
    bool retry_wanted = false;  ///< x-should-retry: true
    SkipReason skipped = SkipReason::none;
    std::chrono::milliseconds remaining{0};  ///< of the cooldown it was skipped for
  };
  struct Tried {
    std::size_t candidate;
    AttemptOutcome outcome;
  };
  [[nodiscard]] bool may_retry(std::size_t candidate, base::MonoTime now) const noexcept;
  Step retry(std::size_t candidate, base::MonoTime now);
  void note_health(const AttemptOutcome& outcome, base::MonoTime now);
  Step attempt(std::size_t candidate) noexcept;
  [[nodiscard]] std::string name_of(const RoutableDeployment& target) const;

  const RoutePlan& plan_;
  const config::Routing& rules_;
  RetryBudget& budget_;
  Rng& rng_;
  base::Deadline deadline_;
  Repeat repeat_;
  HealthCheck health_;
  unsigned attempts_ = 0;
  unsigned retries_ = 0;
  std::size_t current_ = 0;
  bool reconnect_ = false;  ///< the next step is the same candidate on a new connection
  bool waiting_ = false;    ///< a retry of current_ is granted and waits
  bool deadline_hit_ = false;
  bool retry_refused_ = false;  ///< by the retry budget
  base::MonoTime wait_until_{};
  boost::container::small_vector<State, 4> states_;
  boost::container::small_vector<Tried, 4> tried_;
};

/// The error of a call whose own time (timeouts.total) is over; `tried`: a summary(), or empty.
/// Names the limit, so that whoever answers with it counts it; blames no upstream.
[[nodiscard]] base::Error out_of_time(std::string_view tried = {});

}  // namespace tollgate::domain::routing
