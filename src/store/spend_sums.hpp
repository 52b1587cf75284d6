#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/packed_record.hpp"
#include "store/schema.hpp"
#include "tollgate/config/snapshot.hpp"

namespace tollgate::store {

/// Sums stop at the largest and the least amount instead of wrapping into credit.
[[nodiscard]] constexpr std::int64_t add_saturated(std::int64_t a, std::int64_t b) noexcept {
  using Limits = std::numeric_limits<std::int64_t>;
  if (b > 0) return a > Limits::max() - b ? Limits::max() : a + b;
  return a < Limits::min() - b ? Limits::min() : a + b;
}

/// The six owners and targets a charge counts against, and those that most calls have none of, as
/// views.
struct ChargeScopes {
  std::string_view key, agent, team, org, model, provider;
  std::span<const PackedRecord::Scope> others;
};

/// Amounts per scope and quarter of an hour, summed over a batch before it goes to `spend_quarter`:
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
  struct Amounts {
    std::int64_t nusd = 0;
    std::int64_t tokens = 0;
    std::int64_t calls = 0;
  };
  struct Entry {
    Bucket bucket;
    Amounts amounts;
  };

  void add(const ChargeScopes& s, std::int64_t quarter, const Amounts& amounts) {
    using enum config::ScopeKind;
    add_one({key, s.key, quarter}, amounts);
    add_one({agent, s.agent, quarter}, amounts);
    add_one({team, s.team, quarter}, amounts);
    add_one({org, s.org, quarter}, amounts);
    add_one({model, s.model, quarter}, amounts);
    add_one({provider, s.provider, quarter}, amounts);
    for (const PackedRecord::Scope& other : s.others)
      add_one({other.kind, other.id, quarter}, amounts);
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
  void add_one(const Bucket& bucket, const Amounts& amounts) {
    if (bucket.id.empty()) return;
    // Nearly always the bucket of the charge before: a comparison instead of a hash.
    std::size_t& latest = latest_[static_cast<std::size_t>(bucket.kind)];
    if (latest >= entries_.size() || entries_[latest].bucket != bucket) {
      const auto [found, is_new] = places_.try_emplace(bucket, entries_.size());
      if (is_new) entries_.push_back({bucket, {}});
      latest = found->second;
    }
    Amounts& sum = entries_[latest].amounts;
    sum.nusd = add_saturated(sum.nusd, amounts.nusd);
    sum.tokens = add_saturated(sum.tokens, amounts.tokens);
    sum.calls += amounts.calls;
  }
  std::vector<Entry> entries_;
  std::unordered_map<Bucket, std::size_t, Hash> places_;
  std::array<std::size_t, config::kScopeKinds> latest_{};  ///< per kind of scope
};

}  // namespace tollgate::store
