#pragma once

#include "tollgate/pipeline/stage.hpp"

namespace tollgate::pipeline {

class RequestContext;

/// Before any stage: does the route exist, does it take the method, is the gateway taking calls?
[[nodiscard]] Verdict admit(RequestContext& context);

/// After the body is read: parses it once, strictly, and fills context.payload. Untrusted bytes are
/// understood here and nowhere else.
[[nodiscard]] Verdict interpret(RequestContext& context);

}  // namespace tollgate::pipeline
