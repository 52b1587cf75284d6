#pragma once

#include <mutex>
#include <vector>

#include "store/packed_record.hpp"

namespace tollgate::store {

/// The memory of written records on its way back to the workers.
///
/// Without it a worker allocates what the writer thread frees: frees of another thread's memory are
/// the slow path of malloc, and lock the worker's arena.
/// Threads: any; one short lock per batch on either side. Bounded by kMost pieces of some 4 KB.
class RecordPool {
 public:
  /// Moves some pieces of RecordPacker::kBlock bytes to the end of `into`; none when there are
  /// none. What is in them has no meaning any more but for `capacity`.
  void take(std::vector<PackedPtr>& into);
  /// Keeps as many as there is room for. `records` is empty afterwards.
  void give_back(std::vector<PackedPtr>& records) noexcept;

 private:
  /// What is under way at 50,000 calls/s: those of one flush interval, and the batch being written.
  static constexpr std::size_t kMost = 2048;
  static constexpr std::size_t kTake = 32;

  std::mutex mutex_;
  std::vector<PackedPtr> spare_;
};

}  // namespace tollgate::store
