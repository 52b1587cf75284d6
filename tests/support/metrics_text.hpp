#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::testing {

using Labels = std::map<std::string, std::string>;

/// One scrape of /metrics.
class MetricsText {
 public:
  MetricsText() = default;
  explicit MetricsText(std::string text);

  /// The sum of all series of `name` that carry these labels (and any others). 0 when there is
  /// none.
  [[nodiscard]] double value(std::string_view name, const Labels& labels = {}) const;
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  struct Series {
    std::string name;
    Labels labels;
    double value = 0;
  };
  std::string text_;
  std::vector<Series> series_;
};

}  // namespace tollgate::testing
