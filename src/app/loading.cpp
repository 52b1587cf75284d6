#include "app/loading.hpp"

#include <algorithm>
#include <stdexcept>

#include "app/config_checks.hpp"
#include "tollgate/telemetry/log.hpp"

namespace tollgate::app {

config::SnapshotPtr load_or_throw(const std::string& path, std::uint64_t generation,
                                  const config::Snapshot* running) {
  config::LoadOptions options;
  options.generation = generation;
  options.further_checks = [running](const config::Snapshot& next,
                                     const std::vector<config::SourceFile>& sources) {
    return serving_problems(next, sources, running);
  };
  auto loaded = config::load_file(path, config::SystemEnv(), options);
  for (const auto& warning : loaded.warnings)
    telemetry::log::warn("config_warning", {{"message", to_string(warning)}});
  if (loaded.ok()) return loaded.snapshot;
  std::string text;
  for (const auto& problem : loaded.problems)
    text += (text.empty() ? "" : "\n") + to_string(problem);
  throw std::runtime_error(text);
}

void log_failure(std::string_view event, std::string_view text) {
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    telemetry::log::error(event, {{"message", text.substr(at, end - at)}});
    at = end + 1;
  }
}

void apply_log(const config::Log& log) {
  using telemetry::log::Level;
  Level level = Level::info;
  if (log.level == config::LogLevel::debug) level = Level::debug;
  if (log.level == config::LogLevel::warn) level = Level::warn;
  if (log.level == config::LogLevel::error) level = Level::error;
  telemetry::log::set_level(level);
}

}  // namespace tollgate::app
