#include "tollgate/telemetry/log.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <exception>
#include <memory>
#include <mutex>

#include "tollgate/base/strings.hpp"
#include "tollgate/base/task.hpp"
#include "tollgate/base/time_format.hpp"

namespace tollgate::telemetry::log {
namespace {

constexpr std::size_t kMaxValueBytes = 1'024;

/// Hands finished lines to a function: tests, tools.
class FunctionSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(std::function<void(std::string_view)> write) : write_(std::move(write)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    write_(std::string_view(message.payload.data(), message.payload.size()));
  }
  void flush_() override {}

 private:
  std::function<void(std::string_view)> write_;
};

struct State {
  std::shared_ptr<spdlog::logger> logger;
  bool json = true;
  const base::Clock* clock = nullptr;
};

const base::SystemClock& system_clock() {
  static const base::SystemClock clock;
  return clock;
}

std::shared_ptr<spdlog::logger> make_logger(std::function<void(std::string_view)> sink) {
  std::shared_ptr<spdlog::sinks::sink> target;
  if (sink) {
    target = std::make_shared<FunctionSink>(std::move(sink));
  } else {
    target = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  }
  auto logger = std::make_shared<spdlog::logger>("tollgate", std::move(target));
  logger->set_level(spdlog::level::trace);  // levels are judged here, before formatting
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
  logger->flush_on(spdlog::level::trace);
  return logger;
}

State& state() {
  static State current{make_logger({}), true, &system_clock()};
  return current;
}

std::atomic<Level> minimum{Level::info};
std::atomic<std::uint64_t> failed_tasks{0};

std::string_view level_name(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warn:
      return "warn";
    case Level::error:
      return "error";
    case Level::off:
      return "off";
  }
  return "?";
}

/// Length of the well-formed UTF-8 sequence at the start of `text`; 0 when it is none
/// (Unicode 15 table 3-7).
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i) { return i < text.size() && (at(i) & 0xc0u) == 0x80u; };
  const unsigned b0 = at(0);
  if (b0 < 0x80) return 1;
  if (b0 >= 0xc2 && b0 <= 0xdf) return tail(1) ? 2 : 0;
  if (b0 >= 0xe0 && b0 <= 0xef) {
    if (!tail(1) || !tail(2)) return 0;
    if (b0 == 0xe0 && at(1) < 0xa0) return 0;
    if (b0 == 0xed && at(1) > 0x9f) return 0;
    return 3;
  }
  if (b0 >= 0xf0 && b0 <= 0xf4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (b0 == 0xf0 && at(1) < 0x90) return 0;
    if (b0 == 0xf4 && at(1) > 0x8f) return 0;
    return 4;
  }
  return 0;
}

/// base::printable leaves broken UTF-8 alone; a log reader must not choke on it.
std::string clean(std::string_view text) {
  const bool cut = text.size() > kMaxValueBytes;
  if (cut) text = text.substr(0, kMaxValueBytes);
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i++]));
      continue;
    }
    out += base::printable(text.substr(i, length), 16);
    i += length;
  }
  if (cut) out += "...";
  return out;
}

void append_json_string(std::string_view cleaned, std::string& out) {
  out.push_back('"');
  for (const char c : cleaned) {  // control characters are gone already
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
}

void append_text_value(std::string_view cleaned, std::string& out) {
  if (!cleaned.empty() && cleaned.find_first_of(" =\"") == std::string_view::npos) {
    out += cleaned;
    return;
  }
  out.push_back('"');
  for (const char c : cleaned) {
    if (c == '"') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
}

void append_value(const Field::Value& value, bool json, std::string& out) {
  const auto text = [&](std::string_view v) {
    const std::string cleaned = clean(v);
    json ? append_json_string(cleaned, out) : append_text_value(cleaned, out);
  };
  if (const auto* s = std::get_if<std::string_view>(&value)) return text(*s);
  if (const auto* i = std::get_if<std::int64_t>(&value)) return void(out += fmt::to_string(*i));
  if (const auto* u = std::get_if<std::uint64_t>(&value)) return void(out += fmt::to_string(*u));
  if (const auto* b = std::get_if<bool>(&value)) return void(out += *b ? "true" : "false");
  if (const auto* m = std::get_if<base::NanoUsd>(&value)) text(base::to_string(*m));
}

void on_task_failure(const char* name, std::exception_ptr failure) noexcept {
  failed_tasks.fetch_add(1, std::memory_order_relaxed);
  try {
    std::string what = "unknown exception";
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const std::exception& e) {
      what = e.what();
    } catch (...) {  // not a std::exception: there is nothing to say about it
    }
    write(Level::error, "task_failed", {{"task", name}, {"message", what}});
  } catch (...) {  // no memory to log with: the count above is what remains
  }
}

}  // namespace

std::string format_line(bool json, base::WallTime time, Level level, std::string_view event,
                        Fields fields) {
  std::string out;
  out.reserve(160);
  if (json) {
    out += R"({"time":")";
    out += base::format_rfc3339(time);
    out += R"(","level":")";
    out += level_name(level);
    out += R"(","event":)";
    append_json_string(clean(event), out);
    for (const Field& field : fields) {
      out.push_back(',');
      append_json_string(clean(field.key()), out);
      out.push_back(':');
      append_value(field.value(), true, out);
    }
    out.push_back('}');
    return out;
  }
  out += fmt::format("{} {:<5} {}", base::format_rfc3339(time), level_name(level), clean(event));
  for (const Field& field : fields) {
    out.push_back(' ');
    out += clean(field.key());
    out.push_back('=');
    append_value(field.value(), false, out);
  }
  return out;
}

void configure(Options options) {
  State& current = state();
  current.logger = make_logger(std::move(options.sink));
  current.json = options.json;
  current.clock = options.clock != nullptr ? options.clock : &system_clock();
  set_level(options.level);
}

void set_level(Level level) noexcept {
  minimum.store(level, std::memory_order_relaxed);
}

bool enabled(Level level) noexcept {
  return level >= minimum.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view event, Fields fields) {
  if (!enabled(level)) return;
  const State& current = state();
  const std::string line = format_line(current.json, current.clock->wall(), level, event, fields);
  // The text is an argument, never a format string.
  current.logger->log(spdlog::level::info, "{}", line);
}

void install_task_failure_hook() noexcept {
  base::set_task_failure_hook(on_task_failure);
}

std::uint64_t task_failures() noexcept {
  return failed_tasks.load(std::memory_order_relaxed);
}

}  // namespace tollgate::telemetry::log
