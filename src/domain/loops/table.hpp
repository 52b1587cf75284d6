#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>

#include "tollgate/base/clock.hpp"

namespace tollgate::domain::loops {

/// What is remembered by hash: a fixed number of entries, eight to a set, of which the one unused
/// for longest gives way.
///
/// Purpose:  a flood of made-up keys and traces costs nobody memory. What it costs is memory of
///           others' calls; `evicted` counts that.
/// Memory:   all of it is taken at the start; the system gives pages as they are first used, which
/// is
///           why an entry that is all zeros must be as good as one default-made. Threads: any; a
///           short mutex per shard, nothing is allocated and nobody waits under it.
template <class Entry>
class Table {
 public:
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kShards = 16;

  explicit Table(std::uint32_t entries)
      : sets_(std::bit_ceil(std::max<std::size_t>(entries / kWays, kShards))),
        set_(static_cast<Set*>(std::calloc(sets_, sizeof(Set)))) {
    if (!set_) throw std::bad_alloc();
  }

  /// Asks for the memory that `with` will look at: a table is larger than the caches, and the wait
  /// for one can overlap with that for the next.
  void prefetch(std::uint64_t hash) noexcept {
    const Set& set = set_of(hash);
    __builtin_prefetch(&set.hash);
    __builtin_prefetch(&set.used);
  }

  /// Calls `use(entry, is_new)` under the lock; an entry that is new is default-made.
  template <class Use>
  void with(std::uint64_t hash, base::MonoTime now, Use use) {
    Set& set = set_of(hash);
    const std::scoped_lock lock(mutex_of(hash));
    const std::uint32_t second = second_of(now);
    std::size_t oldest = 0;
    for (std::size_t i = 0; i < kWays; ++i) {
      if (set.hash[i] == hash) {
        set.used[i] = std::max(set.used[i], second);
        return use(set.entry[i], false);
      }
      if (set.hash[oldest] != 0 && (set.hash[i] == 0 || set.used[i] < set.used[oldest])) oldest = i;
    }
    if (set.hash[oldest] != 0 && second - std::min(second, set.used[oldest]) < kFresh)
      evicted_.fetch_add(1, std::memory_order_relaxed);
    set.hash[oldest] = hash;
    set.used[oldest] = second;
    set.entry[oldest] = Entry{};
    use(set.entry[oldest], true);
  }

  /// Calls `use(entry)` if there is one.
  template <class Use>
  void with_known(std::uint64_t hash, Use use) {
    Set& set = set_of(hash);
    const std::scoped_lock lock(mutex_of(hash));
    for (std::size_t i = 0; i < kWays; ++i)
      if (set.hash[i] == hash) return use(set.entry[i]);
  }

  /// Entries that gave way within ten minutes of their last use.
  [[nodiscard]] std::uint64_t evicted() const noexcept {
    return evicted_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::uint32_t kFresh = 600;

  struct Set {
    std::array<std::uint64_t, kWays> hash{};  ///< 0: free
    std::array<std::uint32_t, kWays> used{};  ///< seconds
    std::array<Entry, kWays> entry{};
  };
  static_assert(std::is_trivially_copyable_v<Set> && std::is_trivially_destructible_v<Set>);
  struct Free {
    void operator()(Set* sets) const noexcept { std::free(sets); }
  };
  struct alignas(64) Shard {
    std::mutex mutex;
  };

  static std::uint32_t second_of(base::MonoTime now) noexcept {
    return static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
  }
  Set& set_of(std::uint64_t hash) noexcept { return set_[hash & (sets_ - 1)]; }
  std::mutex& mutex_of(std::uint64_t hash) noexcept { return shard_[hash % kShards].mutex; }

  std::size_t sets_;
  std::unique_ptr<Set[], Free> set_;
  std::array<Shard, kShards> shard_;
  std::atomic<std::uint64_t> evicted_{0};
};

}  // namespace tollgate::domain::loops
