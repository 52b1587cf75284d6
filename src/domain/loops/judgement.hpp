#pragma once

#include "domain/loops/state.hpp"
#include "domain/loops/text_hash.hpp"

namespace tollgate::domain::loops {

/// One on_call: asks the detectors in turn, and keeps the strongest of what is to be done.
///
/// Lifetime: of the call, whose views it keeps. What a detector counts it counts under its entry's
/// lock; words are found after that. A count begins anew only when the stop it led to is in force:
/// until then other workers' calls find it over its limit too, so that of each other worker at most
/// the one call passes that had been asked for stops before.
class LoopBreaker::Judgement {
 public:
  Judgement(State& state, const Call& call, const config::LoopBreaker& rules, base::MonoTime now);
  Verdict run();

 private:
  bool is_stopped();
  /// @param of_all_keys  of a trace: whichever key of its owner calls, not this call's alone
  [[nodiscard]] std::uint64_t target_hash(StopTarget target,
                                          bool of_all_keys = false) const noexcept;
  [[nodiscard]] const config::LoopDetector& rules_of(Detector detector) const noexcept;
  /// Where the order of calls is kept; 0: nowhere, since they need not have one.
  [[nodiscard]] std::uint64_t scope() const noexcept;
  [[nodiscard]] StopTarget narrowest() const noexcept;
  /// News go no further than a key may tell in a minute.
  void bound_news() noexcept;

  /// What a finding stops when its detector is to stop.
  struct Reach {
    StopTarget target = StopTarget::call;
    /// Of a trace: all keys of its owner, since the evidence is made of calls of several. One key's
    /// calls alone are no reason to refuse those of another.
    bool of_all_keys = false;
    /// This call only, whatever the configured scope: nothing is in force afterwards.
    bool is_once = false;
  };

  // ---- the detectors: detectors.cpp ----

  /// Whether the call goes on. The depth is the caller's own word, so that it speaks against
  /// nothing but the call, and what is refused for it is not counted anywhere.
  bool judge_depth();
  void judge_trace();
  /// A trace that is new with each call groups nothing: its calls are judged by key.
  void know(Trace& trace) noexcept;
  void judge_rate();
  void judge_retry();
  void judge_cycle(std::uint64_t where);
  /// @param target_if_alike  what is stopped when the repeats are not one conversation's that goes
  ///                         on; else it is the narrowest thing
  void judge_repeat(std::uint64_t repeat, std::uint32_t limit, const char* what,
                    StopTarget target_if_alike);

  /// Something is over its limit; `evidence` is asked for words when they are needed.
  template <class Evidence>
  void found(Detector detector, Reach reach, bool news, Evidence evidence) {
    const config::LoopDetector& rules = rules_of(detector);
    const Decision decision = decision_of(rules);
    const bool stops_now = decision == Decision::stop && verdict_.decision != Decision::stop;
    if (news && !stops_now) count(detector, rules.mode);
    if (decision < verdict_.decision || (decision == Decision::proceed && !news)) return;
    if (decision == verdict_.decision && !verdict_.evidence.empty()) return;
    verdict_.decision = decision;
    verdict_.is_news = news;
    verdict_.mode = rules.mode;
    verdict_.action = rules.action;
    verdict_.detector = detector;
    verdict_.target = rules_.stop_scope == config::LoopStopScope::key && !reach.is_once
                          ? StopTarget::key
                          : reach.target;
    verdict_.evidence = evidence();
    verdict_.wait = decision == Decision::slow_down ? rules_.delay : std::chrono::milliseconds(0);
    if (!stops_now) return;
    stop(detector, reach);
    if (verdict_.is_news) count(detector, rules.mode);
  }
  void count(Detector detector, config::LoopMode mode) noexcept {
    auto& counts = mode == config::LoopMode::enforce ? state_.enforced : state_.observed;
    counts[static_cast<std::size_t>(detector)].fetch_add(1, std::memory_order_relaxed);
  }
  /// What the detector asks for, by its mode and action.
  [[nodiscard]] Decision decision_of(const config::LoopDetector& rules) const noexcept;
  void stop(Detector detector, Reach reach);

  State& state_;
  const Call& call_;
  const Fingerprint& print_;
  const config::LoopBreaker& rules_;
  base::MonoTime now_;
  std::uint64_t key_ = 0;
  std::uint64_t trace_ = 0;               ///< of its owner; 0: none
  std::uint64_t group_ = 0;               ///< trace_, when it groups calls
  base::MonoTime last_pause_, last_new_;  ///< of the conversation
  bool is_seen_ = false;                  ///< a call like this one came before, numbers aside
  Verdict verdict_;
};

}  // namespace tollgate::domain::loops
