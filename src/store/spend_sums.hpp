#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/schema.hpp"
#include "tollgate/config/snapshot.hpp"

namespace tollgate::store {

/// Sums stop at the largest amount instead of wrapping into credit.
[[nodiscard]] constexpr std::int64_t add_saturated(std::int64_t a, std::int64_t b) noexcept {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  return b > 0 && a > kMax - b ? kMax : a + b;
}

/// The six owners and targets a charge counts against, as views.
struct ChargeScopes {
  std::string_view key, agent, team, org, model, provider;
};

/// Money per scope and quarter of an hour, summed over a batch before it goes to `spend_quarter`:
/// the calls of a batch share nearly all their scopes. Views must outlive the batch. Keeps its
/// memory.
class SpendSums {
 public:
  struct Bucket {
    config::ScopeKind kind;
    std::string_view id;
    std::int64_t quarter_us;
    bool operator==(const Bucket&) const = default;
  };
  struct Entry {
    Bucket bucket;
    std::int64_t nusd = 0;
    std::int64_t calls = 0;
  };

  void add(const ChargeScopes& s, std::int64_t charged_us, std::int64_t nusd, std::int64_t calls) {
    const std::int64_t quarter = floor_to(charged_us, kQuarterUs);
    using enum config::ScopeKind;
    add_one({key, s.key, quarter}, nusd, calls);
    add_one({agent, s.agent, quarter}, nusd, calls);
    add_one({team, s.team, quarter}, nusd, calls);
    add_one({org, s.org, quarter}, nusd, calls);
    add_one({model, s.model, quarter}, nusd, calls);
    add_one({provider, s.provider, quarter}, nusd, calls);
  }
  void clear() noexcept {
    entries_.clear();
    places_.clear();
    latest_.fill(0);
  }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] const Entry& operator[](std::size_t i) const noexcept { return entries_[i]; }

 private:
  struct Hash {
    std::size_t operator()(const Bucket& b) const noexcept {
      const std::size_t h = std::hash<std::string_view>{}(b.id);
      return h ^ (static_cast<std::size_t>(b.kind) * 0x9e3779b97f4a7c15ull) ^
             (static_cast<std::size_t>(b.quarter_us / kQuarterUs) << 7);
    }
  };
  void add_one(const Bucket& bucket, std::int64_t nusd, std::int64_t calls) {
    if (bucket.id.empty()) return;
    // Nearly always the bucket of the charge before: a comparison instead of a hash.
    std::size_t& latest = latest_[static_cast<std::size_t>(bucket.kind)];
    if (latest >= entries_.size() || entries_[latest].bucket != bucket) {
      const auto [found, is_new] = places_.try_emplace(bucket, entries_.size());
      if (is_new) entries_.push_back({bucket});
      latest = found->second;
    }
    Entry& sum = entries_[latest];
    sum.nusd = add_saturated(sum.nusd, nusd);
    sum.calls += calls;
  }
  std::vector<Entry> entries_;
  std::unordered_map<Bucket, std::size_t, Hash> places_;
  std::array<std::size_t, 6> latest_{};  ///< per kind of scope
};

}  // namespace tollgate::store
