#pragma once

#include "tollgate/json/document.hpp"

namespace tollgate::protocol::llm {

/// For what upstreams send: a model may cut an emoji in half, and that is not the agent's fault.
[[nodiscard]] inline json::ParseLimits upstream_limits() {
  json::ParseLimits limits;
  limits.allow_lone_surrogates = true;
  return limits;
}

}  // namespace tollgate::protocol::llm
