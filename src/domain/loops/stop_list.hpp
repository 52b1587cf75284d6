#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tollgate/domain/loops/loop_breaker.hpp"

namespace tollgate::domain::loops {

/// The stops of now, by the hash of what they stop.
///
/// Bounds:  a key has kMostStopsPerKey at most, of which its own that ends first gives way. Where
/// all
///          are too many, the key with the most loses its own that ends first: a stop is never lost
///          to a key that has more. Adding costs O(log stops).
/// Threads: any. While nothing is stopped, a call pays one atomic read.
class StopList {
 public:
  explicit StopList(std::uint32_t most) : most_(most) {}

  /// The first stop that covers one of `targets` and that `counts` agrees with. Copies: only
  /// refused calls get that far.
  template <class Counts>
  [[nodiscard]] std::optional<Stop> find(std::span<const std::uint64_t> targets, base::MonoTime now,
                                         Counts counts) {
    if (size() == 0) return std::nullopt;
    const std::scoped_lock lock(mutex_);
    purge(now);
    for (const std::uint64_t target : targets) {
      const auto found = target == 0 ? stops_.end() : stops_.find(target);
      if (found != stops_.end() && counts(found->second)) return found->second;
    }
    return std::nullopt;
  }
  struct Added {
    Stop stop;            ///< the one in force
    bool is_news = true;  ///< false: another call had found the same, and told it
  };
  /// Adds a stop and gives it its id. One of the same target that `counts` agrees with stays: two
  /// calls found the same at once, and one stop tells of it. One that it does not agree with is
  /// replaced if it ends earlier.
  template <class Counts>
  Added add(std::uint64_t target, Stop stop, base::MonoTime now, Counts counts) {
    const std::scoped_lock lock(mutex_);
    purge(now);
    const auto same = stops_.find(target);
    if (same != stops_.end()) {
      const bool is_known = counts(same->second);
      if (is_known || same->second.until >= stop.until) return {same->second, !is_known};
      take(target);
    }
    make_room(stop.key_id);
    return {put(target, std::move(stop)), true};
  }
  [[nodiscard]] std::vector<Stop> all(base::MonoTime now) const;
  [[nodiscard]] std::uint64_t count(base::MonoTime now) const;
  /// Takes out those that `which` names; the ones of them that were in force.
  template <class Which>
  std::vector<Stop> lift(base::MonoTime now, Which which) {
    const std::scoped_lock lock(mutex_);
    purge(now);
    std::vector<std::uint64_t> targets;
    for (const auto& [target, stop] : stops_)
      if (which(stop)) targets.push_back(target);
    std::vector<Stop> lifted;
    for (const std::uint64_t target : targets) lifted.push_back(take(target));
    return lifted;
  }
  [[nodiscard]] std::uint64_t size() const noexcept {
    return size_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t evicted() const noexcept {
    return evicted_.load(std::memory_order_relaxed);
  }

 private:
  using End = std::pair<base::MonoTime, std::uint64_t>;  ///< of the stop of that target
  struct OfKey {
    std::set<End> ends;
  };
  using Keys = std::map<std::string, OfKey, std::less<>>;
  /// The key with the most stops; of several the one whose first ends first.
  struct MostFirst {
    bool operator()(const OfKey* a, const OfKey* b) const noexcept;
  };

  // Under the mutex:
  void purge(base::MonoTime now);  ///< takes out what has ended
  void make_room(std::string_view key_id);
  const Stop& put(std::uint64_t target, Stop stop);
  Stop take(std::uint64_t target);  ///< of one that is there
  template <class Change>
  void change(Keys::iterator key, Change how);

  std::uint32_t most_;
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, Stop> stops_;
  std::set<End> ends_;
  Keys keys_;  ///< none without a stop
  std::set<const OfKey*, MostFirst> by_most_;
  std::uint64_t next_id_ = 1;
  std::atomic<std::uint64_t> size_{0};
  std::atomic<std::uint64_t> evicted_{0};
};

}  // namespace tollgate::domain::loops
