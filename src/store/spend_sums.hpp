#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>

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
/// the calls of a batch share nearly all their scopes. Views must outlive the batch.
class SpendSums {
 public:
  struct Sum {
    std::int64_t nusd = 0;
    std::int64_t calls = 0;
  };
  struct Bucket {
    config::ScopeKind kind;
    std::string_view id;
    std::int64_t quarter_us;
    bool operator==(const Bucket&) const = default;
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
  void clear() noexcept { sums_.clear(); }
  [[nodiscard]] auto begin() const noexcept { return sums_.begin(); }
  [[nodiscard]] auto end() const noexcept { return sums_.end(); }

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
    Sum& sum = sums_[bucket];
    sum.nusd = add_saturated(sum.nusd, nusd);
    sum.calls += calls;
  }
  std::unordered_map<Bucket, Sum, Hash> sums_;
};

}  // namespace tollgate::store
