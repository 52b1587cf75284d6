#pragma once

#include <chrono>
#include <cstdint>

/// What the loop breaker looks for, and what it does about it. Part of the Snapshot; a key may have
/// its own. Every field has its YAML key, default and unit in config/tollgate.example.yaml; what
/// each detector sees, and how to tune it, is in docs/loops.md.
namespace tollgate::config {

enum class LoopMode : std::uint8_t {
  off,
  observe,  ///< says what it would have done, and lets the call pass
  enforce,
};
enum class LoopAction : std::uint8_t { alert, slow_down, stop };
/// How much a stop stops.
enum class LoopStopScope : std::uint8_t {
  narrowest,  ///< the trace; without one the conversation; without that the repeated call alone
  key,        ///< everything the key does
};

/// What all detectors have.
struct LoopDetector {
  LoopMode mode = LoopMode::enforce;
  LoopAction action = LoopAction::stop;
};

/// Near-identical calls.
struct LoopRepeats : LoopDetector {
  std::uint32_t limit = 20;              ///< of a conversation that goes on
  std::uint32_t reworded_limit = 100;    ///< of these, with other numbers and ids in arguments
  std::uint32_t standalone_limit = 300;  ///< of calls without a conversation: tools, first turns
  std::chrono::milliseconds window{600'000};
};

/// A-B-A-B, up to four calls long.
struct LoopCycles : LoopDetector {
  std::uint32_t rounds = 10;
  std::uint32_t paced_rounds = 250;  ///< of a cycle that pauses, a single call repeated included
};

/// The same call again after errors, without backoff.
struct LoopRetries : LoopDetector {
  std::uint32_t limit = 10;
  /// Sooner than this is no backoff. SDKs wait 0.375 s to 0.5 s before their first retry.
  std::chrono::milliseconds backoff{350};
  std::chrono::milliseconds window{60'000};
};

/// Calls of a key per window, against its own baseline.
struct LoopCallRate : LoopDetector {
  LoopCallRate() : LoopDetector{LoopMode::observe, LoopAction::slow_down} {}
  std::uint32_t factor = 10;
  std::uint32_t floor = 600;  ///< calls per window that are never too many
  std::chrono::milliseconds window{60'000};
  std::uint32_t warm_up = 10;  ///< windows with calls before there is a baseline
};

/// Depth of delegation between agents, and calls of a trace.
struct LoopTraces : LoopDetector {
  std::uint32_t max_depth = 8;
  std::uint32_t max_calls = 3'000;
  std::chrono::milliseconds window{3'600'000};
};

struct LoopBreaker {
  LoopRepeats repeats;
  LoopCycles cycles;
  LoopRetries retries;
  LoopCallRate call_rate;
  LoopTraces traces;
  /// A call that comes later than this after the last answer like it is taken for a poll.
  std::chrono::milliseconds pause{5'000};
  std::chrono::milliseconds stop_for{600'000};
  std::chrono::milliseconds delay{2'000};  ///< of action slow_down
  LoopStopScope stop_scope = LoopStopScope::narrowest;

  /// Nothing is looked for: nobody need ask.
  [[nodiscard]] bool is_off() const noexcept {
    return repeats.mode == LoopMode::off && cycles.mode == LoopMode::off &&
           retries.mode == LoopMode::off && call_rate.mode == LoopMode::off &&
           traces.mode == LoopMode::off;
  }
};

/// Bounds of the state; of the process, not of a key.
struct LoopMemory {
  std::uint32_t entries = 65'536;          ///< restart-only; calls and conversations remembered
  std::uint32_t traces = 16'384;           ///< restart-only
  std::uint32_t keys = 4'096;              ///< restart-only
  std::uint32_t stops = 1'024;             ///< restart-only; at once
  std::uint64_t read_bytes = 16ull << 10;  ///< of one call's texts
};

}  // namespace tollgate::config
