#pragma once

#include <vector>

#include "tollgate/config/load.hpp"

namespace tollgate::app {

/// LoadOptions::further_checks of everything that serves or checks a configuration: what only the
/// compiler of patterns can tell of the guardrails. Takes milliseconds per regex.
[[nodiscard]] std::vector<config::Problem> guardrail_problems(const config::Snapshot& snapshot);

}  // namespace tollgate::app
