#include "tollgate/domain/loops/loop_breaker.hpp"

#include <algorithm>

#include "domain/loops/judgement.hpp"
#include "domain/loops/state.hpp"

namespace tollgate::domain::loops {

std::string_view to_string(Detector detector) noexcept {
  switch (detector) {
    case Detector::repeats:
      return "repeats";
    case Detector::cycles:
      return "cycles";
    case Detector::retries:
      return "retries";
    case Detector::call_rate:
      return "call_rate";
    case Detector::traces:
      return "traces";
  }
  return "?";
}

std::string_view to_string(StopTarget target) noexcept {
  switch (target) {
    case StopTarget::call:
      return "call";
    case StopTarget::conversation:
      return "conversation";
    case StopTarget::trace:
      return "trace";
    case StopTarget::key:
      return "key";
  }
  return "?";
}

LoopBreaker::LoopBreaker(const config::LoopMemory& memory)
    : state_(std::make_unique<State>(memory)) {}
LoopBreaker::~LoopBreaker() = default;

Verdict LoopBreaker::on_call(const Call& call, const config::LoopBreaker& rules,
                             base::MonoTime now) {
  return Judgement(*state_, call, rules, now).run();
}

void LoopBreaker::on_outcome(const Ticket& ticket, bool failed, base::MonoTime now) {
  const auto ended = [now](auto& entry) { entry.last_end = std::max(entry.last_end, now); };
  if (ticket.scope != 0) state_->sequences.with_known(ticket.scope, ended);
  if (ticket.repeat != 0) state_->repeats.with_known(ticket.repeat, ended);
  if (ticket.exact == 0) return;
  if (failed) {
    state_->has_failed.store(true, std::memory_order_relaxed);
    state_->failures.with(ticket.exact, now, [now](Failure& failure, bool) {
      failure.is_failing = true;
      failure.failed_at = std::max(failure.failed_at, now);
    });
  } else if (state_->has_failed.load(std::memory_order_relaxed)) {
    state_->failures.with_known(ticket.exact, [](Failure& failure) { failure = Failure{}; });
  }
}

std::vector<Stop> LoopBreaker::stops(base::MonoTime now) const {
  return state_->stops.all(now);
}

std::optional<Stop> LoopBreaker::lift(std::uint64_t stop_id, base::MonoTime now) {
  auto lifted = state_->stops.lift(now, [stop_id](const Stop& stop) { return stop.id == stop_id; });
  if (lifted.empty()) return std::nullopt;
  return std::move(lifted.front());
}

std::vector<Stop> LoopBreaker::lift_key(std::string_view key_id, base::MonoTime now) {
  return state_->stops.lift(now, [key_id](const Stop& stop) { return stop.key_id == key_id; });
}

LoopBreaker::Counters LoopBreaker::counters(base::MonoTime now) const {
  Counters out;
  for (std::size_t i = 0; i < kDetectors; ++i) {
    out.enforced[i] = state_->enforced[i].load(std::memory_order_relaxed);
    out.observed[i] = state_->observed[i].load(std::memory_order_relaxed);
  }
  out.refused = state_->refused.load(std::memory_order_relaxed);
  out.untold = state_->untold.load(std::memory_order_relaxed);
  out.active = state_->stops.count(now);
  out.evicted = state_->sequences.evicted() + state_->repeats.evicted() +
                state_->failures.evicted() + state_->traces.evicted() + state_->rates.evicted();
  out.evicted_stops = state_->stops.evicted();
  return out;
}

}  // namespace tollgate::domain::loops
