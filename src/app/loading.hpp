#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tollgate/config/load.hpp"

namespace tollgate::app {

/// Loads a configuration for serving: with all checks that `tollgate check` makes, warnings logged.
/// @param running  what a reload would replace; null at the start
/// Throws std::runtime_error with one line per problem.
[[nodiscard]] config::SnapshotPtr load_or_throw(const std::string& path, std::uint64_t generation,
                                                const config::Snapshot* running);

/// One log line for each line of `text`: a configuration's problems come as one text.
void log_failure(std::string_view event, std::string_view text);

void apply_log(const config::Log& log);

}  // namespace tollgate::app
