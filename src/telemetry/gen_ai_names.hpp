#pragma once

#include <array>
#include <string_view>

#include "tollgate/telemetry/registry.hpp"

namespace tollgate::telemetry {

/// Our histograms under the names of OpenTelemetry's GenAI semantic conventions, in Prometheus
/// spelling. The conventions are still in Development status (read 2026-11), which is why every
/// name of theirs is in this file and nowhere else.
struct GenAiName {
  Family family;
  std::string_view name;
};
inline constexpr std::array<GenAiName, 2> kGenAiNames = {{
    {Family::request_duration, "gen_ai_server_request_duration_seconds"},
    {Family::ttft, "gen_ai_server_time_to_first_token_seconds"},
}};

}  // namespace tollgate::telemetry
