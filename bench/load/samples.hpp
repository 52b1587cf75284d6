#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace tollgate::bench {

/// Every measured duration, kept whole: percentiles are exact, not those of a histogram.
class Samples {
 public:
  void reserve(std::size_t count) { values_.reserve(count); }
  void add(std::uint64_t nanoseconds) { values_.push_back(nanoseconds); }
  [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }

  /// `{"mean":..,"p50":..,"p90":..,"p99":..,"p999":..,"max":..}` in microseconds.
  [[nodiscard]] std::string json() const {
    if (values_.empty()) return "null";
    std::vector<std::uint64_t> sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    double sum = 0;
    for (const std::uint64_t value : sorted) sum += static_cast<double>(value);
    const auto at = [&](double share) {
      const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
      return static_cast<double>(sorted[std::min(index, sorted.size() - 1)]) / 1e3;
    };
    std::array<char, 256> text{};
    std::snprintf(text.data(), text.size(),
                  R"({"mean":%.1f,"p50":%.1f,"p90":%.1f,"p99":%.1f,"p999":%.1f,"max":%.1f})",
                  sum / static_cast<double>(sorted.size()) / 1e3, at(0.5), at(0.9), at(0.99),
                  at(0.999), static_cast<double>(sorted.back()) / 1e3);
    return text.data();
  }

 private:
  std::vector<std::uint64_t> values_;
};

}  // namespace tollgate::bench
