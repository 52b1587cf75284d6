#include <fmt/format.h>

#include <algorithm>

#include "domain/loops/judgement.hpp"

/// What each detector counts, and when it is too much.
namespace tollgate::domain::loops {
namespace {

using config::LoopAction;
using config::LoopDetector;
using config::LoopMode;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// Repeats at the same place of a conversation shorter than this are several workers that began
/// alike, not one that goes round: that one's history grows, or is long and cut to a length.
/// Examples in a prompt may be longer: those are no history that was cut.
constexpr std::uint32_t kShortConversation = 16;
/// A conversation that rested for so long goes round no more.
constexpr nanoseconds kRest = std::chrono::hours(1);
/// Told apart from a trace: where a key's calls without one are remembered.
constexpr std::uint64_t kUntraced = 23;
/// Weight of a window in a key's baseline once it is warm: one in eight.
constexpr std::uint32_t kBaselineWindows = 8;

/// "600 s", "90 ms": as short as it is exact.
std::string text_of(milliseconds time) {
  return time.count() % 1'000 == 0 ? fmt::format("{} s", time.count() / 1'000)
                                   : fmt::format("{} ms", time.count());
}

bool will_stop(const LoopDetector& detector) noexcept {
  return detector.mode == LoopMode::enforce && detector.action == LoopAction::stop;
}

/// Whether a find is told, which is once per `window`.
bool is_due(base::MonoTime& told_until, nanoseconds window, base::MonoTime now) noexcept {
  if (now < told_until) return false;
  told_until = now + window;
  return true;
}

/// Whether a find is news: each stop is, other findings once per `window`.
bool is_news(const LoopDetector& detector, base::MonoTime& told_until, nanoseconds window,
             base::MonoTime now) noexcept {
  return will_stop(detector) || is_due(told_until, window, now);
}

bool is_paced(base::MonoTime last_start, base::MonoTime last_end, milliseconds pause,
              base::MonoTime now) noexcept {
  return now - std::max(last_start, last_end) >= pause;
}

}  // namespace

bool LoopBreaker::Judgement::judge_depth() {
  const auto& rules = rules_.traces;
  if (rules.mode == LoopMode::off || call_.depth <= rules.max_depth) return true;
  // A trace that is new with every call would be news with every call, and push out those that
  // group calls: it is told by key, and not remembered.
  bool is_known = false, news = false;
  const auto tell = [&](Trace& trace) { news = is_due(trace.told_deep_until, rules.window, now_); };
  if (trace_ != 0) {
    state_.traces.with_known(trace_, [&](Trace& trace) {
      is_known = true;
      tell(trace);
    });
  }
  if (!is_known)
    state_.traces.with(mix(key_, kUntraced), now_, [&](Trace& trace, bool) { tell(trace); });
  found(Detector::traces, {.target = StopTarget::call, .is_once = true}, news, [&] {
    return fmt::format("delegation {} agents deep (limit {})", call_.depth, rules.max_depth);
  });
  return verdict_.decision != Decision::stop;
}

void LoopBreaker::Judgement::judge_trace() {
  if (trace_ == 0) return;
  const auto& rules = rules_.traces;
  std::uint32_t calls = 0;
  bool over = false, news = false;
  state_.traces.with(trace_, now_, [&](Trace& trace, bool) {
    // Whether a trace groups calls at all is asked in mode off too.
    know(trace);
    if (rules.mode == LoopMode::off) return;
    // So far only the depth can be news, which its first call tells by key.
    if (verdict_.is_news) trace.told_deep_until = now_ + rules.window;
    calls = trace.calls.add(now_, rules.window);
    if (calls <= rules.max_calls) return;
    over = true;
    news = is_news(rules, trace.told_until, rules.window, now_);
  });
  if (!over) return;
  // So many calls are what the owner's keys may do in one run, together.
  found(Detector::traces, {.target = StopTarget::trace, .of_all_keys = true}, news, [&] {
    return fmt::format("{} calls of one trace in {} (limit {})", calls, text_of(rules.window),
                       rules.max_calls);
  });
  if (will_stop(rules)) state_.traces.with_known(trace_, [](Trace& trace) { trace.calls.clear(); });
}

void LoopBreaker::Judgement::know(Trace& trace) noexcept {
  if (trace.is_known) group_ = trace_;
  trace.is_known = true;
}

void LoopBreaker::Judgement::judge_rate() {
  const auto& rules = rules_.call_rate;
  if (rules.mode == LoopMode::off) return;
  std::uint32_t count = 0;
  std::uint64_t usual = 0, limit = 0;
  bool over = false, news = false;
  state_.rates.with(key_, now_, [&](Rate& rate, bool) {
    const std::int64_t window = now_.time_since_epoch().count() / nanoseconds(rules.window).count();
    const auto too_many = [&] {
      return std::max<std::uint64_t>(rules.floor, rules.factor * rate.baseline / 256);
    };
    // Far back: another length of window was configured meanwhile.
    if (window > rate.window || window < rate.window - 1) {
      if (rate.count != 0) {
        // What was too many counts as just not: a key that grows for good is let alone in time.
        const std::uint64_t seen =
            256 * (rate.windows >= rules.warm_up ? std::min<std::uint64_t>(rate.count, too_many())
                                                 : rate.count);
        const std::uint64_t weight = std::min(rate.windows + 1, kBaselineWindows);
        rate.baseline = rate.baseline - rate.baseline / weight + seen / weight;
        ++rate.windows;
      }
      rate.window = window;
      rate.count = 0;
    }
    count = ++rate.count;
    if (rate.windows < rules.warm_up || count <= too_many()) return;
    over = true;
    usual = rate.baseline / 256;
    limit = too_many();
    news = is_news(rules, rate.told_until, rules.window, now_);
  });
  if (!over) return;
  found(Detector::call_rate, {.target = StopTarget::key}, news, [&] {
    return fmt::format("{} calls of the key in {}, where {} are usual (limit {})", count,
                       text_of(rules.window), usual, limit);
  });
  if (will_stop(rules)) state_.rates.with_known(key_, [](Rate& rate) { rate.count = 0; });
}

void LoopBreaker::Judgement::judge_retry() {
  const auto& rules = rules_.retries;
  verdict_.ticket.exact = rules.mode == LoopMode::off ? 0 : mix(key_, print_.exact);
  if (rules.mode == LoopMode::off || !state_.has_failed.load(std::memory_order_relaxed)) return;
  std::uint32_t count = 0;
  bool over = false, news = false;
  state_.failures.with_known(verdict_.ticket.exact, [&](Failure& failure) {
    if (!failure.is_failing || now_ - failure.failed_at >= rules.backoff) return;
    count = failure.retries.add(now_, rules.window);
    if (count <= rules.limit) return;
    over = true;
    news = is_news(rules, failure.told_until, rules.window, now_);
  });
  if (!over) return;
  found(Detector::retries, {.target = narrowest()}, news, [&] {
    return fmt::format(
        "{} retries of one failing call in {}, each within {} of its error "
        "(limit {})",
        count, text_of(rules.window), text_of(rules.backoff), rules.limit);
  });
  if (!will_stop(rules)) return;
  state_.failures.with_known(verdict_.ticket.exact,
                             [](Failure& failure) { failure.retries.clear(); });
}

void LoopBreaker::Judgement::judge_cycle(std::uint64_t where) {
  const auto& rules = rules_.cycles;
  if (where == 0) return;
  // Polling two jobs in turn is a cycle of tool calls without a model's thinking between them.
  const std::uint32_t rounds = print_.kind == CallKind::tool ? rules.paced_rounds : rules.rounds;
  bool news = false, of_several = false;
  std::size_t length = 0;
  std::uint32_t seen = 0, limit = 0;
  state_.sequences.with(where, now_, [&](Sequence& sequence, bool is_new) {
    const bool paced =
        !is_new && is_paced(sequence.last_start, sequence.last_end, rules_.pause, now_);
    if (!is_new && now_ - std::max(sequence.last_start, sequence.last_end) >= kRest)
      sequence.start_over();
    sequence.last_start = std::max(sequence.last_start, now_);
    if (paced) sequence.last_pause = now_;
    last_pause_ = sequence.last_pause;
    last_new_ = sequence.last_new;
    sequence.add(print_.near, paced, key_);
    if (rules.mode == LoopMode::off) return;
    for (std::size_t p = 1; p <= kLongestCycle && length == 0; ++p) {
      const auto over = [&](std::uint32_t matches, std::uint32_t most) {
        if (matches <= p * (most - 1)) return false;
        length = p;
        seen = static_cast<std::uint32_t>((matches + 2 * p - 1) / p);
        limit = most;
        return true;
      };
      // One call again and again is no cycle, unless it is paced: else it is a repeat.
      const bool is_cycle = p > 1 && sequence.matches[0] < p;
      if (!(is_cycle && over(sequence.unpaced[p - 1], rounds)))
        over(sequence.matches[p - 1], rules.paced_rounds);
    }
    if (length == 0) return;
    of_several = sequence.callers.are_several();
    news = is_news(rules, sequence.told_until, rules_.repeats.window, now_);
  });
  if (length == 0) return;
  found(Detector::cycles, {.target = narrowest(), .of_all_keys = of_several}, news, [&] {
    return length == 1 ? fmt::format("the same call {} times in a row (limit {})", seen, limit)
                       : fmt::format("round {} of the same {} calls in turn (limit {})", seen,
                                     length, limit);
  });
  if (will_stop(rules))
    state_.sequences.with_known(where, [](Sequence& sequence) { sequence.start_over(); });
}

void LoopBreaker::Judgement::judge_repeat(std::uint64_t repeat, std::uint32_t limit,
                                          const char* what, StopTarget target_if_alike) {
  const auto& rules = rules_.repeats;
  if (rules.mode == LoopMode::off) return;
  const bool goes_on = print_.conversation != 0;
  if (!goes_on) verdict_.ticket.repeat = repeat;
  std::uint32_t count = 0;
  bool over = false, news = false, of_several = false;
  StopTarget target = target_if_alike;
  state_.repeats.with(repeat, now_, [&](Repeat& entry, bool is_new) {
    // Of a conversation any pause since the last call like this one counts: the agent may have
    // looked, slept, and looks again.
    const bool paced =
        !is_new && (goes_on ? last_pause_ > entry.last_start
                            : is_paced(entry.last_start, entry.last_end, rules_.pause, now_));
    is_seen_ = is_seen_ || !is_new;
    // Something else was done since the last call like this one, and other than ever before: the
    // agent looks again at what it may have changed.
    const bool got_on = goes_on && !is_new && last_new_ > entry.last_start;
    const bool grows = is_new || print_.turns != entry.turns || print_.turns == kUnknownTurns ||
                       (print_.may_be_cut && print_.turns >= kShortConversation);
    entry.turns = print_.turns;
    entry.last_start = std::max(entry.last_start, now_);
    if (paced) return;
    const bool gets_nowhere = goes_on && grows && !got_on;
    CountedCalls& counted = gets_nowhere ? entry.going_on : entry.alike;
    count = counted.add(key_, now_, rules.window);
    if (gets_nowhere) {
      target = narrowest();
    } else {
      // Workers that began alike may be as many as calls that stand alone, and no fewer.
      limit = goes_on ? std::max(limit, rules.standalone_limit) : rules.standalone_limit;
    }
    if (count <= limit) return;
    over = true;
    of_several = counted.callers.are_several();
    news = is_news(rules, entry.told_until, rules.window, now_);
  });
  if (!over) return;
  found(Detector::repeats, {.target = target, .of_all_keys = of_several}, news, [&] {
    return fmt::format("{} {} in {} (limit {})", count, what, text_of(rules.window), limit);
  });
  if (!will_stop(rules)) return;
  state_.repeats.with_known(repeat, [](Repeat& entry) {
    entry.going_on = {};
    entry.alike = {};
  });
}

}  // namespace tollgate::domain::loops
