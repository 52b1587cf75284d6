#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "domain/loops/entries.hpp"
#include "domain/loops/stop_list.hpp"
#include "domain/loops/table.hpp"
#include "tollgate/domain/loops/loop_breaker.hpp"

namespace tollgate::domain::loops {

/// All that the breaker remembers.
struct LoopBreaker::State {
  explicit State(const config::LoopMemory& memory)
      : sequences(memory.entries),
        repeats(memory.entries),
        failures(memory.entries),
        traces(memory.traces),
        rates(memory.keys),
        told(memory.keys),
        stops(memory.stops) {}

  Table<Sequence> sequences;
  Table<Repeat> repeats;
  Table<Failure> failures;
  Table<Trace> traces;
  Table<Rate> rates;
  Table<Told> told;
  StopList stops;
  std::array<std::atomic<std::uint64_t>, kDetectors> enforced{}, observed{};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> untold{0};
  std::atomic<bool> has_failed{false};  ///< some call ever did
};

}  // namespace tollgate::domain::loops
