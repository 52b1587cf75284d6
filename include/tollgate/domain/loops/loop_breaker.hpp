#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/config/loop_breaker.hpp"
#include "tollgate/domain/loops/fingerprint.hpp"

namespace tollgate::domain::loops {

enum class Detector : std::uint8_t { repeats, cycles, retries, call_rate, traces };
inline constexpr std::size_t kDetectors = 5;
/// As in the configuration, the metrics and refusals.
[[nodiscard]] std::string_view to_string(Detector detector) noexcept;

/// Findings of one key that people are told of within a minute. What is beyond it, as when an agent
/// makes up a trace for each call, is counted and told with the next one.
inline constexpr std::uint32_t kMostToldPerKey = 10;
/// Stops at once that the calls of one key caused: a key that loops everywhere costs itself its
/// older stops, not others theirs.
inline constexpr std::uint32_t kMostStopsPerKey = 64;

/// What a stop stops.
enum class StopTarget : std::uint8_t { call, conversation, trace, key };
[[nodiscard]] std::string_view to_string(StopTarget target) noexcept;

/// One call, as the breaker judges it. The views need to live during on_call only.
struct Call {
  std::string_view key_id;
  /// Whose traces these are: keys of one owner (an organisation or team) may share a trace, as
  /// agents that call one another do; keys of different owners never touch each other's.
  std::string_view owner;
  /// Session or trace id the caller gave; empty when there is none.
  std::string_view trace;
  /// Agents that delegated to one another down to this call, as it says itself: too deep a call is
  /// refused and not counted, and stops nothing else.
  std::uint32_t depth = 0;
  Fingerprint fingerprint;
};

/// What on_outcome needs to find a call again.
struct Ticket {
  std::uint64_t scope = 0, repeat = 0, exact = 0;
};

enum class Decision : std::uint8_t {
  proceed,
  slow_down,  ///< wait for `wait`, then go on
  stop,       ///< 429 loop_detected, x-should-retry: false, Retry-After `wait`
};

struct Verdict {
  Decision decision = Decision::proceed;
  /// Something was found that nobody was told of yet: to be logged, counted, alerted, recorded.
  /// Once per window and stop; not for the calls that a stop refuses later, nor beyond
  /// kMostToldPerKey.
  bool is_news = false;
  /// Of news: findings of this key, since the last one told, that were beyond kMostToldPerKey.
  std::uint32_t untold = 0;
  config::LoopMode mode = config::LoopMode::enforce;
  config::LoopAction action = config::LoopAction::stop;  ///< done, or in mode observe not done
  Detector detector = Detector::repeats;
  StopTarget target = StopTarget::call;
  /// Of a decision `stop`, for `lift`; 0 when only this call is refused.
  std::uint64_t stop_id = 0;
  std::chrono::milliseconds wait{0};
  /// "21 near-identical calls in 10m (limit 20)"; empty when nothing was found.
  std::string evidence;
  Ticket ticket;
};

/// What is stopped now.
struct Stop {
  std::uint64_t id = 0;
  StopTarget target = StopTarget::call;
  Detector detector = Detector::repeats;
  std::string key_id;  ///< of the call that caused it
  std::string
      trace;  ///< of that call; empty when it had none, cut at 128 bytes; never a credential
  std::string evidence;
  base::MonoTime since, until;
};

/// Finds runaway agents by how they call, and stops them for a time.
///
/// Purpose:  a loop is stopped as a loop, with the evidence in plain words, after some tens of
///           calls and not when a budget is gone. What each detector sees: docs/loops.md.
/// Place:    one per process, between authentication and the budget's hold. State is in memory
///           only: a restart forgets it, stops included.
/// Threads:  any. Short mutexes, a shard each; none is held while another is taken.
/// Memory:   fixed at the start (LoopMemory). What does not fit makes the oldest be forgotten:
///           then a loop is found later or not at all, and never is a call refused for it. on_call
///           and on_outcome allocate only when something is found or refused.
/// Time:     monotonic, from the caller; readings may come a little out of order. A stop ends at
///           its time, whatever happens meanwhile.
class LoopBreaker {
 public:
  explicit LoopBreaker(const config::LoopMemory& memory);
  ~LoopBreaker();
  LoopBreaker(const LoopBreaker&) = delete;
  LoopBreaker& operator=(const LoopBreaker&) = delete;

  /// Counts a call and judges it. A call that is stopped was not counted.
  /// @param rules  the key's own, else the snapshot's; may change from call to call
  [[nodiscard]] Verdict on_call(const Call& call, const config::LoopBreaker& rules,
                                base::MonoTime now);

  /// The end of a call that went on. `failed`: no answer that got the agent further: an error
  /// status, the gateway's own included, a timeout, an agent that went away.
  void on_outcome(const Ticket& ticket, bool failed, base::MonoTime now);

  /// For operators: newest first.
  [[nodiscard]] std::vector<Stop> stops(base::MonoTime now) const;
  /// Ends a stop. @return it; absent when none of that id is in force
  std::optional<Stop> lift(std::uint64_t stop_id, base::MonoTime now);
  /// Ends all stops that calls of the key caused. @return them
  std::vector<Stop> lift_key(std::string_view key_id, base::MonoTime now);

  struct Counters {
    /// Findings by detector: acted on, and in mode observe not.
    std::array<std::uint64_t, kDetectors> enforced{}, observed{};
    std::uint64_t refused = 0;        ///< calls that a stop refused, its first one included
    std::uint64_t untold = 0;         ///< findings beyond kMostToldPerKey
    std::uint64_t active = 0;         ///< stops now
    std::uint64_t evicted = 0;        ///< remembered calls, traces, keys that gave way too soon
    std::uint64_t evicted_stops = 0;  ///< stops that ended early for want of room
  };
  [[nodiscard]] Counters counters(base::MonoTime now) const;

 private:
  struct State;
  class Judgement;
  std::unique_ptr<State> state_;
};

}  // namespace tollgate::domain::loops
