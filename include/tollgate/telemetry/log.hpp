#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/secret.hpp"
#include "tollgate/base/units.hpp"

/// Log lines for the people who run the gateway: start, reload, alerts, failures. Not the audit
/// log, and not written per request at info: the path of a call has metrics and audit rows.
namespace tollgate::telemetry::log {

enum class Level : std::uint8_t { debug, info, warn, error, off };

/// One named value. Text is escaped when written (control, bidi and broken UTF-8), capped at 1 KiB.
class Field {
 public:
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, bool, base::NanoUsd>;
  Field(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  Field(std::string_view key, const std::string& value)
      : key_(key), value_(std::string_view(value)) {}
  Field(std::string_view key, const char* value) : key_(key), value_(std::string_view(value)) {}
  Field(std::string_view key, bool value) : key_(key), value_(value) {}
  Field(std::string_view key, base::NanoUsd value) : key_(key), value_(value) {}
  /// A credential is never written: `***`.
  Field(std::string_view key, const base::Secret&) : key_(key), value_(std::string_view("***")) {}
  template <std::signed_integral I>
  Field(std::string_view key, I value) : key_(key), value_(static_cast<std::int64_t>(value)) {}
  template <std::unsigned_integral I>
  requires(!std::same_as<I, bool>) Field(std::string_view key, I value)
      : key_(key), value_(static_cast<std::uint64_t>(value)) {}

  [[nodiscard]] std::string_view key() const noexcept { return key_; }
  [[nodiscard]] const Value& value() const noexcept { return value_; }

 private:
  std::string_view key_;
  Value value_;
};
using Fields = std::initializer_list<Field>;

struct Options {
  Level level = Level::info;
  bool json = true;  ///< one JSON object per line; else `time level event key=value ...`
  /// Where lines go (without line end); empty: standard error. Called under the logger's mutex.
  std::function<void(std::string_view)> sink;
  const base::Clock* clock = nullptr;  ///< nullptr: the machine's; must outlive the logger
};

/// Sets up the process's logger. At start-up, and in tests; not while other threads log.
void configure(Options options);
/// On reload. Any thread.
void set_level(Level level) noexcept;
[[nodiscard]] bool enabled(Level level) noexcept;

/// Writes one line. `event` is a stable snake_case name; free text belongs into a "message" field.
/// Threads: any; takes the sink's mutex, so not for the path of a call.
void write(Level level, std::string_view event, Fields fields = {});
inline void debug(std::string_view event, Fields fields = {}) {
  if (enabled(Level::debug)) write(Level::debug, event, fields);
}
inline void info(std::string_view event, Fields fields = {}) {
  write(Level::info, event, fields);
}
inline void warn(std::string_view event, Fields fields = {}) {
  write(Level::warn, event, fields);
}
inline void error(std::string_view event, Fields fields = {}) {
  write(Level::error, event, fields);
}

/// Makes base::report_task_failure log `task_failed` and count. Once, at start-up.
void install_task_failure_hook() noexcept;
/// Root tasks that ended by an exception since the start: each is a bug.
[[nodiscard]] std::uint64_t task_failures() noexcept;

/// The line `write` would write, for tests and for tools that print one.
[[nodiscard]] std::string format_line(bool json, base::WallTime time, Level level,
                                      std::string_view event, Fields fields);

}  // namespace tollgate::telemetry::log
