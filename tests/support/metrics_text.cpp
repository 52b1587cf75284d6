#include "support/metrics_text.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace tollgate::testing {

MetricsText::MetricsText(std::string text) : text_(std::move(text)) {
  std::istringstream lines(text_);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t space = line.rfind(' ');
    if (space == std::string::npos) continue;
    Series series;
    series.value = std::strtod(line.c_str() + space + 1, nullptr);
    const std::size_t brace = line.find('{');
    series.name = line.substr(0, std::min(brace, space));
    for (std::size_t at = brace; at != std::string::npos && at < space;) {
      const std::size_t equals = line.find("=\"", at);
      if (equals == std::string::npos) break;
      const std::size_t end = line.find('"', equals + 2);
      series.labels[line.substr(at + 1, equals - at - 1)] =
          line.substr(equals + 2, end - equals - 2);
      at = end + 1;  // on ',' or '}'
      if (line[at] != ',') break;
    }
    series_.push_back(std::move(series));
  }
}

double MetricsText::value(std::string_view name, const Labels& labels) const {
  double sum = 0;
  for (const Series& series : series_) {
    if (series.name != name) continue;
    const bool matches = std::all_of(labels.begin(), labels.end(), [&](const auto& wanted) {
      const auto found = series.labels.find(wanted.first);
      return found != series.labels.end() && found->second == wanted.second;
    });
    if (matches) sum += series.value;
  }
  return sum;
}

bool MetricsText::has(std::string_view name) const {
  return std::any_of(series_.begin(), series_.end(),
                     [&](const Series& series) { return series.name == name; });
}

}  // namespace tollgate::testing
