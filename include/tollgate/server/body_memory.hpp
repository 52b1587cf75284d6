#pragma once

#include <atomic>
#include <cstdint>

namespace tollgate::server {

/// Bytes of memory that request bodies and what is made of them take at this moment, whole process
/// (limits.body_memory_bytes).
///
/// Counts what was reserved for bodies over 16 KiB, and indexes over as much, so that many large
/// uploads at once cannot take the machine's memory. Threads: any; one relaxed atomic, touched by
/// large bodies only.
class BodyMemory {
 public:
  /// False, and nothing taken, when `bytes` more would pass `limit`.
  [[nodiscard]] bool try_add(std::uint64_t bytes, std::uint64_t limit) noexcept {
    if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= limit) return true;
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  void subtract(std::uint64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t used() const noexcept {
    return used_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> used_{0};
};

}  // namespace tollgate::server
