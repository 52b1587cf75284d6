#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tollgate/config/snapshot.hpp"

/// Pieces of the configuration as JSON, without secrets (config::dump).
namespace tollgate::config::dumped {

using Json = nlohmann::ordered_json;

/// "***", or nothing when there is none.
[[nodiscard]] std::string hidden(const base::Secret& secret);
/// Exact decimal text without "$", so that no reader makes a double of it.
[[nodiscard]] std::string dollars(base::NanoUsd amount);

[[nodiscard]] Json json(const Provider& provider);
[[nodiscard]] Json json(const ModelAlias& alias);
[[nodiscard]] Json json(const McpServer& server);
[[nodiscard]] Json json(const A2aAgent& agent);

}  // namespace tollgate::config::dumped
