#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tollgate::domain::demo {

/// What a model name asks for.
enum class Behaviour : std::uint8_t {
  echo,
  slow,
  drip,
  words,
  fail,
  drop,
  drop_mid_stream,
  stall_mid_stream,
  silent,
  tool_calls,
  secret,
  refuse,
  no_usage,
  cost,
  bad_json,
};

struct ModelName {
  Behaviour behaviour = Behaviour::echo;
  /// Milliseconds, words, status, tool calls or tokens; 0 where the name has no number.
  std::int64_t number = 0;
};

/// Reads "echo", "slow-50ms", "demo/fail-503"; absent for a name that means nothing here.
[[nodiscard]] std::optional<ModelName> parse_model_name(std::string_view name) noexcept;

}  // namespace tollgate::domain::demo
