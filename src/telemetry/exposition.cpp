// Prometheus text exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats,
// read 2026-11), and the documentation page made from the same table.
#include <fmt/format.h>

#include "gen_ai_names.hpp"
#include "tollgate/telemetry/registry.hpp"

namespace tollgate::telemetry {
namespace {

constexpr std::uint64_t kNano = 1'000'000'000;

/// HELP text: backslash and line feed.
std::string escape_help(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else
      out.push_back(c);
  }
  return out;
}

/// Label value: backslash, double quote and line feed.
void append_label(std::string_view name, std::string_view value, std::string& out) {
  out += name;
  out += "=\"";
  for (const char c : value) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '"')
      out += "\\\"";
    else if (c == '\n')
      out += "\\n";
    else
      out.push_back(c);
  }
  out.push_back('"');
}

/// Exact decimal: money and seconds never pass through floating point.
std::string number(std::int64_t value, Unit unit) {
  if (unit == Unit::one) return fmt::to_string(value);
  const bool negative = value < 0;
  const std::uint64_t magnitude =
      negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  std::string out =
      fmt::format("{}{}.{:09}", negative ? "-" : "", magnitude / kNano, magnitude % kNano);
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out;
}

std::string label_block(const FamilyInfo& family, std::string_view a, std::string_view b,
                        std::string_view le = {}) {
  std::string out;
  const auto add = [&out](std::string_view name, std::string_view value) {
    out.push_back(out.empty() ? '{' : ',');
    append_label(name, value, out);
  };
  if (!family.labels[0].empty()) add(family.labels[0], a);
  if (!family.labels[1].empty()) add(family.labels[1], b);
  if (!le.empty()) add("le", le);
  if (!out.empty()) out.push_back('}');
  return out;
}

std::string_view type_name(MetricType type) {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::gauge:
      return "gauge";
    case MetricType::histogram_fast:
    case MetricType::histogram_slow:
      return "histogram";
  }
  return "untyped";
}

}  // namespace

void Registry::render_histogram(const FamilyInfo& family, std::string_view name,
                                const Labels& labels, std::uint32_t cell, std::string& out) const {
  const auto bounds = bucket_bounds(family.type);
  std::string lines;
  std::int64_t seen = 0;
  // Buckets are summed here once, so that _count always equals the +Inf bucket even while workers
  // go on counting.
  for (std::size_t i = 0; i <= bounds.size(); ++i) {
    seen += sum(cell + static_cast<std::uint32_t>(i));
    const std::string le = i < bounds.size() ? number(bounds[i], family.unit) : "+Inf";
    lines += fmt::format("{}_bucket{} {}\n", name,
                         label_block(family, labels.first, labels.second, le), seen);
  }
  if (seen == 0) return;  // two dozen lines that say nothing
  out += lines;
  const std::string block = label_block(family, labels.first, labels.second);
  const std::int64_t total = sum(cell + static_cast<std::uint32_t>(bounds.size()) + 1);
  out += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, block, number(total, family.unit), name,
                     block, seen);
}

void Registry::render_family(Family family_id, std::string_view name, std::string& out) const {
  const FamilyInfo& family = info(family_id);
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escape_help(family.help), name,
                     type_name(family.type));
  const bool sparse = !family.labels[1].empty();
  for (const auto& [labels, series] : series_[static_cast<std::size_t>(family_id)]) {
    if (family.type == MetricType::histogram_fast || family.type == MetricType::histogram_slow) {
      render_histogram(family, name, labels, series.cell, out);
      continue;
    }
    const std::int64_t value =
        (series.cell != 0 ? sum(series.cell) : 0) + (series.read ? series.read() : 0);
    if (sparse && value == 0) continue;
    out += fmt::format("{}{} {}\n", name, label_block(family, labels.first, labels.second),
                       number(value, family.unit));
  }
  if (family_id == Family::series_overflow) out += fmt::format("{} {}\n", name, refused_);
}

std::string Registry::render() const {
  std::string out;
  out.reserve(64 * 1024);
  const std::scoped_lock lock(mutex_);
  for (std::size_t i = 0; i < families().size(); ++i)
    render_family(static_cast<Family>(i), families()[i].name, out);
  for (const GenAiName& alias : kGenAiNames) render_family(alias.family, alias.name, out);
  return out;
}

std::string metrics_markdown() {
  std::string out =
      "# Metrics\n\n"
      "`GET /metrics` on the admin port, Prometheus text format 0.0.4. Labels take their values "
      "from closed sets (surfaces, error codes, names of the configuration), never from callers. "
      "Histograms and series of two labels appear with their first count. A restart sets counters "
      "to zero, a "
      "reload does not.\n\n"
      "This page is made from `include/tollgate/telemetry/metric_families.def`; a test holds it to "
      "that.\n\n"
      "| metric | type | labels | meaning |\n|---|---|---|---|\n";
  for (const FamilyInfo& family : families()) {
    std::string labels;
    for (const std::string_view label : family.labels)
      if (!label.empty()) labels += fmt::format("{}`{}`", labels.empty() ? "" : ", ", label);
    out += fmt::format("| `{}` | {} | {} | {} |\n", family.name, type_name(family.type), labels,
                       family.help);
  }
  const auto bounds = [&out](std::string_view title, MetricType type) {
    out += fmt::format("\n{} (seconds): ", title);
    std::string_view separator;
    for (const std::int64_t bound : bucket_bounds(type)) {
      out += fmt::format("{}{}", separator, number(bound, Unit::nano));
      separator = ", ";
    }
    out += ".\n";
  };
  out += "\n## Histogram buckets\n";
  bounds("`tollgate_gateway_seconds`", MetricType::histogram_fast);
  bounds("All others", MetricType::histogram_slow);
  out +=
      "\n## OpenTelemetry names\n\n"
      "Shown a second time, same values and labels, under the names of the GenAI conventions:\n\n";
  for (const GenAiName& alias : kGenAiNames)
    out += fmt::format("- `{}` = `{}`\n", alias.name, info(alias.family).name);
  return out;
}

}  // namespace tollgate::telemetry
