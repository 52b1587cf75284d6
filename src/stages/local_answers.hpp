#pragma once

#include "tollgate/pipeline/context.hpp"

namespace tollgate::stages {

/// Answers what needs no upstream: the models a key may use, what it has spent, the probe of the
/// base URL.
base::Task<pipeline::Verdict> answer_locally(pipeline::RequestContext& context);

}  // namespace tollgate::stages
