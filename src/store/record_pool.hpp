#pragma once

#include <mutex>
#include <vector>

#include "store/packed_record.hpp"

namespace tollgate::store {

/// The memory of written records on its way back to the workers.
///
/// Without it a worker allocates what the writer thread frees: frees of another thread's memory are
/// the slow path of malloc, and lock the worker's arena.
/// Threads: any; one short lock per batch on either side.
class RecordPool {
 public:
  /// Moves some pieces to the end of `into`; none when there are none. Of what is in them only
  /// `capacity` still has a meaning.
  void take(std::vector<PackedPtr>& into);
  /// Keeps as many as there is room for. `records` is empty afterwards.
  void give_back(std::vector<PackedPtr>& records) noexcept;

 private:
  /// What is under way at 50,000 calls/s with 1 KB bodies: those of one flush interval, and the
  /// batch being written.
  static constexpr std::size_t kMostBytes = 8u << 20;
  static constexpr std::size_t kMost = 4096;
  static constexpr std::size_t kLargest = 64u << 10;  ///< a worker may have kTake of them
  static constexpr std::size_t kTake = 32;

  std::mutex mutex_;
  std::vector<PackedPtr> spare_;
  std::size_t bytes_ = 0;  ///< of `spare_`
};

}  // namespace tollgate::store
