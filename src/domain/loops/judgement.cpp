#include "domain/loops/judgement.hpp"

#include <utility>

#include "tollgate/domain/keys/key_format.hpp"

namespace tollgate::domain::loops {
namespace {

using config::LoopAction;
using config::LoopDetector;
using config::LoopMode;
using std::chrono::milliseconds;

constexpr std::size_t kTraceBytes = 128;
constexpr std::chrono::minutes kToldWindow(1);

}  // namespace

LoopBreaker::Judgement::Judgement(State& state, const Call& call, const config::LoopBreaker& rules,
                                  base::MonoTime now)
    : state_(state), call_(call), print_(call.fingerprint), rules_(rules), now_(now) {
  key_ = hash_of_name(call.key_id);
  const std::uint64_t owner = call.owner.empty() ? key_ : hash_of_name(call.owner);
  if (!call.trace.empty()) trace_ = mix(owner, hash_of_name(call.trace));
}

Verdict LoopBreaker::Judgement::run() {
  if (is_stopped()) return std::move(verdict_);
  state_.rates.prefetch(key_);
  if (!judge_depth()) {
    bound_news();
    return std::move(verdict_);
  }
  judge_trace();
  const std::uint64_t where = scope();
  verdict_.ticket.scope = where;
  const std::uint64_t counted_in = where != 0 ? where : group_ != 0 ? group_ : key_;
  const std::uint64_t repeat = mix(counted_in, print_.near);
  const std::uint64_t reworded = mix(counted_in, print_.reworded);
  if (where != 0) state_.sequences.prefetch(where);
  if (print_.near != 0) state_.repeats.prefetch(repeat);
  if (print_.reworded != 0) state_.repeats.prefetch(reworded);
  judge_rate();
  judge_retry();
  if (print_.near != 0) {
    judge_cycle(where);
    // Calls that only look alike do not stop what else has their beginning. Those that differ in
    // numbers have no name but their conversation's.
    judge_repeat(repeat, rules_.repeats.limit, "near-identical calls",
                 group_ != 0 ? StopTarget::trace : StopTarget::call);
    if (print_.reworded != 0 && verdict_.decision != Decision::stop)
      judge_repeat(reworded, rules_.repeats.reworded_limit, "calls alike but for numbers and ids",
                   narrowest());
    if (where != 0 && !is_seen_ && rules_.repeats.mode != LoopMode::off)
      state_.sequences.with_known(where,
                                  [this](Sequence& s) { s.last_new = std::max(s.last_new, now_); });
  }
  bound_news();
  return std::move(verdict_);
}

bool LoopBreaker::Judgement::is_stopped() {
  if (state_.stops.size() == 0) return false;
  const std::array targets{target_hash(StopTarget::key), target_hash(StopTarget::trace, true),
                           target_hash(StopTarget::trace), target_hash(StopTarget::conversation),
                           target_hash(StopTarget::call)};
  // Rules that were relaxed since, by a reload or for this key, count at once.
  const auto stop = state_.stops.find(targets, now_, [this](const Stop& s) {
    return rules_of(s.detector).mode == LoopMode::enforce;
  });
  if (!stop) return false;
  state_.refused.fetch_add(1, std::memory_order_relaxed);
  verdict_.decision = Decision::stop;
  verdict_.detector = stop->detector;
  verdict_.target = stop->target;
  verdict_.stop_id = stop->id;
  verdict_.wait = std::chrono::ceil<milliseconds>(stop->until - now_);
  verdict_.evidence = stop->evidence;
  return true;
}

void LoopBreaker::Judgement::bound_news() noexcept {
  if (!verdict_.is_news) return;
  state_.told.with(key_, now_, [this](Told& told, bool) {
    if (now_ >= told.until) {
      told.until = now_ + kToldWindow;
      told.count = 0;
    }
    if (told.count < kMostToldPerKey) {
      ++told.count;
      verdict_.untold = std::exchange(told.untold, 0);
    } else {
      ++told.untold;
      verdict_.is_news = false;
      state_.untold.fetch_add(1, std::memory_order_relaxed);
    }
  });
}

std::uint64_t LoopBreaker::Judgement::target_hash(StopTarget target,
                                                  bool of_all_keys) const noexcept {
  const auto what = static_cast<std::uint64_t>(target) + 11;
  switch (target) {
    case StopTarget::call:
      // Of its conversation: the same turn of another one is another call.
      return mix(mix(mix(key_, print_.conversation), print_.near != 0 ? print_.near : print_.exact),
                 what);
    case StopTarget::conversation:
      return print_.conversation == 0 ? 0 : mix(mix(key_, print_.conversation), what);
    case StopTarget::trace:
      return trace_ == 0 ? 0 : mix(of_all_keys ? trace_ : mix(trace_, key_), what);
    case StopTarget::key:
      return mix(key_, what);
  }
  return 0;
}

const LoopDetector& LoopBreaker::Judgement::rules_of(Detector detector) const noexcept {
  switch (detector) {
    case Detector::repeats:
      return rules_.repeats;
    case Detector::cycles:
      return rules_.cycles;
    case Detector::retries:
      return rules_.retries;
    case Detector::call_rate:
      return rules_.call_rate;
    case Detector::traces:
      return rules_.traces;
  }
  return rules_.repeats;
}

std::uint64_t LoopBreaker::Judgement::scope() const noexcept {
  const std::uint64_t base = group_ != 0 ? group_ : key_;
  switch (print_.kind) {
    case CallKind::model:
      return print_.conversation == 0 ? 0 : mix(base, print_.conversation);
    case CallKind::agent:  // two agents that call one another share the trace alone
      if (group_ != 0) return mix(group_, 21);
      return print_.conversation == 0 ? 0 : mix(base, print_.conversation);
    case CallKind::tool:
      return group_ == 0 ? 0 : mix(group_, 22);
    case CallKind::housekeeping:
      return 0;
  }
  return 0;
}

StopTarget LoopBreaker::Judgement::narrowest() const noexcept {
  if (group_ != 0) return StopTarget::trace;
  return print_.conversation != 0 ? StopTarget::conversation : StopTarget::call;
}

Decision LoopBreaker::Judgement::decision_of(const LoopDetector& rules) const noexcept {
  if (rules.mode != LoopMode::enforce) return Decision::proceed;
  switch (rules.action) {
    case LoopAction::alert:
      return Decision::proceed;
    case LoopAction::slow_down:
      return Decision::slow_down;
    case LoopAction::stop:
      return Decision::stop;
  }
  return Decision::proceed;
}

void LoopBreaker::Judgement::stop(Detector detector, Reach reach) {
  state_.refused.fetch_add(1, std::memory_order_relaxed);
  if (reach.is_once) return;
  verdict_.wait = rules_.stop_for;
  Stop stop;
  stop.target = verdict_.target;
  stop.detector = detector;
  stop.key_id = call_.key_id;
  stop.trace = call_.trace.substr(0, kTraceBytes);
  keys::redact_keys(stop.trace);  // agents choose it, and operators read it
  stop.evidence = verdict_.evidence;
  stop.since = now_;
  stop.until = now_ + rules_.stop_for;
  const StopList::Added added = state_.stops.add(
      target_hash(verdict_.target, reach.of_all_keys), std::move(stop), now_,
      [this](const Stop& s) { return rules_of(s.detector).mode == LoopMode::enforce; });
  verdict_.stop_id = added.stop.id;
  // After the stop its conversation begins anew, whichever detector it was.
  if (verdict_.ticket.scope != 0)
    state_.sequences.with_known(verdict_.ticket.scope, [](Sequence& s) { s.start_over(); });
  if (added.is_news) return;
  // Another call was over the limit at the same moment: its stop is in force, and was told.
  verdict_.is_news = false;
  verdict_.detector = added.stop.detector;
  verdict_.evidence = added.stop.evidence;
  verdict_.wait = std::chrono::ceil<milliseconds>(added.stop.until - now_);
}

}  // namespace tollgate::domain::loops
