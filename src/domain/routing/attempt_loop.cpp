#include "tollgate/domain/routing/attempt_loop.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "tollgate/base/strings.hpp"
#include "tollgate/domain/routing/backoff.hpp"

namespace tollgate::domain::routing {
namespace {
/// A summary is for a person: more entries than this say nothing new.
constexpr std::size_t kSummaryEntries = 8;

/// What the caller is told, by whom it called.
struct Words {
  std::string_view limited, no_answer, late, full;
};
const Words& words_of(Callee callee) noexcept {
  static constexpr std::array<Words, 3> kWords = {
      {{"Every deployment of the model is at its provider's rate limit",
        "No deployment gave an answer", "No deployment answered in time",
        "Every connection the gateway may open to the model is in use"},
       {"The MCP server asks to wait", "The MCP server gave no answer",
        "The MCP server did not answer in time",
        "Every connection the gateway may open to the MCP server is in use"},
       {"The agent asks to wait", "The agent gave no answer", "The agent did not answer in time",
        "Every connection the gateway may open to the agent is in use"}}};
  return kWords[static_cast<std::size_t>(callee)];
}
}  // namespace

AttemptLoop::AttemptLoop(const RoutePlan& plan, const config::Routing& rules, RetryBudget& budget,
                         Rng& rng, base::Deadline deadline, Repeat repeat, HealthCheck health)
    : plan_(plan),
      rules_(rules),
      budget_(budget),
      rng_(rng),
      deadline_(deadline),
      repeat_(repeat),
      health_(health),
      states_(plan.candidates.size()) {}

AttemptLoop::Step AttemptLoop::attempt(std::size_t candidate) noexcept {
  current_ = candidate;
  return Step::attempt;
}

bool AttemptLoop::may_retry(std::size_t candidate, base::MonoTime now) const noexcept {
  const State& state = states_[candidate];
  return state.usable && state.attempts > 0 && state.attempts <= rules_.retries_per_deployment &&
         !plan_.candidates[candidate].target->cooldown->active(now);
}

AttemptLoop::Step AttemptLoop::retry(std::size_t candidate, base::MonoTime now) {
  const base::MonoTime at = now + backoff(rules_, retries_, rng_);
  if (deadline_.passed(at)) return Step::give_up;  // what failed says more than "deadline"
  if (!budget_.try_retry(rules_, now)) {
    retry_refused_ = true;
    return Step::give_up;
  }
  ++retries_;
  current_ = candidate;
  if (at <= now) return Step::attempt;
  wait_until_ = at;
  waiting_ = true;
  return Step::wait;
}

AttemptLoop::Step AttemptLoop::next(base::MonoTime now) {
  if (deadline_.passed(now)) {
    deadline_hit_ = true;
    return Step::give_up;
  }
  if (waiting_) {
    if (now < wait_until_) return Step::wait;
    waiting_ = false;
    // Calls of other workers may have put it to rest during the wait.
    if (!plan_.candidates[current_].target->cooldown->active(now)) return Step::attempt;
    states_[current_].usable = false;
  }
  if (reconnect_) {
    reconnect_ = false;
    return Step::attempt;
  }
  if (attempts_ >= std::max(rules_.max_attempts, 1u)) return Step::give_up;
  if (attempts_ > 0 && states_[current_].retry_wanted && may_retry(current_, now)) {
    states_[current_].retry_wanted = false;
    if (const Step step = retry(current_, now); step != Step::give_up) return step;
  }
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (states_[i].attempts > 0 || !states_[i].usable) continue;
    const Cooldown& cooldown = *plan_.candidates[i].target->cooldown;
    if (!cooldown.active(now)) return attempt(i);
    if (!cooldown.asked(now)) continue;
    states_[i].usable = false;
    states_[i].skipped = SkipReason::cooling_asked;
    states_[i].remaining =
        std::chrono::ceil<std::chrono::milliseconds>(cooldown.asked_until() - now);
  }
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (!may_retry(i, now)) continue;
    if (const Step step = retry(i, now); step != Step::give_up) return step;
    break;
  }
  // What is left and was not tried cools down after failures.
  for (std::size_t i = 0; i < states_.size(); ++i)
    if (states_[i].attempts == 0 && states_[i].usable) return attempt(i);
  return Step::give_up;
}

void AttemptLoop::skip(SkipReason reason) {
  states_[current_].usable = false;
  states_[current_].skipped = reason;
}

void AttemptLoop::note_health(const AttemptOutcome& outcome, base::MonoTime now) {
  Cooldown& cooldown = *plan_.candidates[current_].target->cooldown;
  switch (health(outcome)) {
    case Health::alive:
      if (health_ == HealthCheck::counted) cooldown.on_success();
      break;
    case Health::failing:
      if (health_ == HealthCheck::counted) cooldown.on_failure(rules_, now);
      break;
    case Health::asked_to_wait:
      // A provider limits the gateway's one credential. A server or agent may mean this caller,
      // this session or this tool: the wait is for this call alone.
      if (plan_.callee == Callee::model) {
        cooldown.on_asked_to_wait(rules_, outcome.hints().retry_after, now);
      } else {
        states_[current_].usable = false;
      }
      break;
    case Health::unknown:
      break;
  }
}

Verdict AttemptLoop::on_outcome(const AttemptOutcome& outcome, bool committed, base::MonoTime now) {
  State& state = states_[current_];
  note_health(outcome, now);
  const Verdict verdict = classify(outcome, repeat_, committed);
  if (outcome.failure_kind() == FailureKind::total_timeout) deadline_hit_ = true;
  if (outcome.failure_kind() == FailureKind::stale_connection && verdict != Verdict::final &&
      !state.reconnected) {
    state.reconnected = true;
    reconnect_ = true;
    return Verdict::retry_same;
  }
  ++state.attempts;
  ++attempts_;
  tried_.push_back({current_, outcome});
  if (verdict != Verdict::retry_same) state.usable = false;
  state.retry_wanted =
      verdict == Verdict::retry_same && outcome.hints().should_retry.value_or(false);
  return verdict;
}

std::string AttemptLoop::name_of(const RoutableDeployment& target) const {
  // The provider's name tells enough, unless the plan has two of its models.
  std::size_t same = 0;
  for (const Candidate& c : plan_.candidates) same += c.target->provider == target.provider;
  for (const Skipped& s : plan_.skipped) same += s.target->provider == target.provider;
  if (same <= 1) return base::printable(target.provider->name);
  return base::printable(target.provider->name + "/" + target.deployment->model);
}

std::string AttemptLoop::summary() const {
  std::string out;
  std::size_t entries = 0;
  const auto add = [&](const RoutableDeployment& target, std::string_view text) {
    if (++entries > kSummaryEntries) return;
    if (!out.empty()) out += "; ";
    out += name_of(target);
    out += ": ";
    out += text;
  };
  for (const Tried& tried : tried_)
    add(*plan_.candidates[tried.candidate].target, tried.outcome.text());
  const auto skip_text = [](SkipReason reason) -> std::string_view {
    switch (reason) {
      case SkipReason::cooling_asked:
        return "waiting for its rate limit";
      case SkipReason::unaffordable:
        return "does not fit the budget";
      case SkipReason::unpriced:
        return "has no price";
      case SkipReason::none:
      case SkipReason::provider_not_allowed:  // not the caller's business which others exist
      case SkipReason::dialect:
      case SkipReason::zero_weight:
        return {};
    }
    return {};
  };
  for (std::size_t i = 0; i < states_.size(); ++i)
    if (const auto text = skip_text(states_[i].skipped); !text.empty())
      add(*plan_.candidates[i].target, text);
  for (const Skipped& skipped : plan_.skipped)
    if (const auto text = skip_text(skipped.reason); !text.empty()) add(*skipped.target, text);
  if (entries > kSummaryEntries)
    out += "; and " + std::to_string(entries - kSummaryEntries) + " more";
  return out;
}

base::Error AttemptLoop::error() const {
  using base::Error;
  using base::ErrorCode;
  using std::chrono::milliseconds;

  if (tried_.empty() && !deadline_hit_) {
    // Nothing was called: everything was skipped, some of it by the loop itself.
    RoutePlan skipped;
    skipped.skipped = plan_.skipped;
    bool unaffordable = false, unpriced = false;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      unaffordable |= states_[i].skipped == SkipReason::unaffordable;
      unpriced |= states_[i].skipped == SkipReason::unpriced;
      if (states_[i].skipped != SkipReason::none)
        skipped.skipped.push_back(
            {plan_.candidates[i].target, states_[i].skipped, states_[i].remaining});
    }
    if (unaffordable)
      return Error(ErrorCode::budget_exceeded, "No deployment of the model fits the budget.");
    if (unpriced)
      return Error(ErrorCode::unpriced_model, "No deployment of the model has a price.");
    return empty_plan_error(skipped);
  }

  bool all_limited = true;
  std::optional<milliseconds> soonest;
  const auto wait_for = [&](milliseconds wait) {
    if (!soonest || wait < *soonest) soonest = wait;
  };
  std::optional<FailureKind> common;
  bool one_kind = true;
  for (const Tried& tried : tried_) {
    const auto kind = tried.outcome.failure_kind();
    one_kind &= kind && (!common || *common == *kind);
    common = kind ? kind : common;
    all_limited &= tried.outcome.http_status() == 429;
    if (tried.outcome.http_status() == 429)
      wait_for(std::min(tried.outcome.hints().retry_after.value_or(rules_.cooldown),
                        rules_.cooldown_max));
  }
  for (const Skipped& skipped : plan_.skipped) {
    if (skipped.reason == SkipReason::cooling_asked) wait_for(skipped.remaining);
  }

  if (deadline_hit_) return out_of_time(summary());
  const std::string tail = tried_.empty() ? std::string(".") : " (" + summary() + ").";
  const Words& words = words_of(plan_.callee);
  if (all_limited && soonest) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*soonest).count();
    return Error(ErrorCode::upstream_rate_limited, std::string(words.limited) + tail)
        .with_side(base::Side::upstream)
        .with_retry_after(std::max<std::int64_t>(seconds, 1));
  }
  ErrorCode code = ErrorCode::upstream_failed;
  std::string_view text = words.no_answer;
  if (one_kind && common) {
    switch (*common) {
      case FailureKind::first_byte_timeout:
      case FailureKind::idle_timeout:
        code = ErrorCode::upstream_timeout;
        text = words.late;
        break;
      case FailureKind::invalid:
        code = ErrorCode::upstream_invalid;
        text = "The upstream's answer was malformed";
        break;
      case FailureKind::cut:
        code = ErrorCode::upstream_cut;
        text = "The upstream ended in the middle of an answer";
        break;
      case FailureKind::too_large:
        code = ErrorCode::stream_limit;
        text = "The upstream's answer was over a size limit";
        break;
      case FailureKind::pool_exhausted:
        code = ErrorCode::overloaded;
        text = words.full;
        break;
      case FailureKind::cancelled:
        code = ErrorCode::client_closed;
        text = "The caller left";
        break;
      case FailureKind::total_timeout:  // deadline_hit_: told above
      case FailureKind::dns:
      case FailureKind::connect:
      case FailureKind::tls:
      case FailureKind::stale_connection:
      case FailureKind::reset:
        break;
    }
  }
  return Error(code, std::string(text) + tail, retry_refused_ ? "the retry budget was used up" : "")
      .with_side(base::Side::upstream);
}

base::Error out_of_time(std::string_view tried) {
  std::string text = "The call took longer than timeouts.total allows";
  if (!tried.empty()) text.append(" (").append(tried).append(")");
  text += '.';
  return base::Error(base::ErrorCode::call_timeout, std::move(text))
      .with_side(base::Side::gateway)
      .with_limit(base::Limit::total_time);
}

}  // namespace tollgate::domain::routing
