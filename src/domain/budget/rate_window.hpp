#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>

#include "domain/budget/units.hpp"

namespace tollgate::domain::budget {

/// What a rate limit has counted within its sliding window, in buckets of 1/128 of it.
///
/// A bucket counts until its latest instant is out of the window, so within any span as long as the
/// window no more passes than the limit, and never less than it allows over 129/128 of that span:
/// 0.8 % late at most. Guarded by the ledger's mutex.
class RateWindow {
 public:
  static constexpr std::int64_t kParts = 128;

  /// @param now  what was counted before this instant is not in it, and cannot be taken back.
  RateWindow(Micros length, Micros now)
      : width_((length + kParts - 1) / kParts), born_(now), newest_(now / width_) {}

  /// Moves to `now`, which does not go back.
  void advance(Micros now) noexcept {
    const std::int64_t bucket = now / width_;
    if (bucket <= newest_) return;
    if (bucket - newest_ > kParts) {
      counts_.fill(0);
      total_ = 0;
    } else {
      for (std::int64_t b = newest_ + 1; b <= bucket; ++b) {
        Units& count = counts_[place(b)];
        total_ -= count;
        count = 0;
      }
    }
    newest_ = bucket;
  }
  [[nodiscard]] Units used() const noexcept { return total_; }
  /// Counts what came at `at`, not after the last advance(), unless that is out of the window.
  void add(Micros at, Units amount) noexcept {
    if (is_out(at)) return;
    // So many at most that sums of all buckets do not overflow.
    Units& count = counts_[place(at / width_)];
    amount = std::clamp<Units>(amount, 0, kMost - count);
    count += amount;
    total_ += amount;
  }
  /// Gives back what was counted at `at`, unless that is out of the window.
  void take_back(Micros at, Units amount) noexcept {
    if (is_out(at)) return;
    Units& count = counts_[place(at / width_)];
    amount = std::clamp<Units>(amount, 0, count);
    count -= amount;
    total_ -= amount;
  }
  /// How long from `now` until `amount` more stays within `limit`; absent when it never does.
  [[nodiscard]] std::optional<Micros> fits_after(Micros now, Units amount,
                                                 Units limit) const noexcept {
    if (amount > limit) return std::nullopt;
    Units left = total_;
    if (left <= limit - amount) return 0;
    for (std::int64_t b = newest_ - kParts; b <= newest_; ++b) {
      left -= counts_[place(b)];
      if (left <= limit - amount) return (b + kParts + 1) * width_ - now;
    }
    return std::nullopt;  // not reached: by now all of it is out of the window
  }
  /// Until nothing is counted any more.
  [[nodiscard]] Micros empty_after(Micros now) const noexcept {
    if (total_ == 0) return 0;
    for (std::int64_t b = newest_; b >= newest_ - kParts; --b)
      if (counts_[place(b)] != 0) return (b + kParts + 1) * width_ - now;
    return 0;
  }

 private:
  static constexpr std::size_t kBuckets = kParts + 1;
  static constexpr Units kMost = std::numeric_limits<Units>::max() / 256;
  [[nodiscard]] bool is_out(Micros at) const noexcept {
    const std::int64_t bucket = at / width_;
    return at < born_ || bucket > newest_ || bucket < newest_ - kParts;
  }
  [[nodiscard]] static std::size_t place(std::int64_t bucket) noexcept {
    const auto rest = bucket % static_cast<std::int64_t>(kBuckets);
    return static_cast<std::size_t>(rest < 0 ? rest + static_cast<std::int64_t>(kBuckets) : rest);
  }

  Micros width_;
  Micros born_;
  std::int64_t newest_;
  Units total_ = 0;
  std::array<Units, kBuckets> counts_{};
};

}  // namespace tollgate::domain::budget
