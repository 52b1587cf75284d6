#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "tollgate/store/audit_record.hpp"

namespace tollgate::store {

/// Written records on their way back to the workers, with the memory of their strings.
///
/// Without it a worker allocates about twenty strings per call that the writer thread frees: frees
/// of another thread's memory are the slow path of malloc, and lock the worker's arena.
/// Threads: any; one short lock per batch on either side. Bounded by kMost records of some 4 KB.
class RecordPool {
 public:
  /// Moves some ready records to the end of `into`; none when there are none.
  void take(std::vector<std::unique_ptr<AuditRecord>>& into);
  /// Clears the records and keeps as many as there is room for. `records` is empty afterwards.
  void give_back(std::vector<std::unique_ptr<AuditRecord>>& records) noexcept;

 private:
  /// What is under way at 50,000 calls/s: those of one flush interval, and the batch being written.
  static constexpr std::size_t kMost = 2048;
  static constexpr std::size_t kTake = 32;
  static constexpr std::size_t kKeepBody = 4096;  ///< bytes of a body's memory worth keeping

  std::mutex mutex_;
  std::vector<std::unique_ptr<AuditRecord>> spare_;
};

}  // namespace tollgate::store
