#pragma once

#include "tollgate/pipeline/stage.hpp"

namespace tollgate::pipeline {

class RequestContext;

/// The MCP and A2A half of `interpret`: message kind, canonical method, tool and task, price,
/// whether it may be repeated.
[[nodiscard]] Verdict interpret_rpc(RequestContext& context);

}  // namespace tollgate::pipeline
