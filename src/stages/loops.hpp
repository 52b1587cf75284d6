#pragma once

#include "tollgate/base/error.hpp"
#include "tollgate/domain/loops/loop_breaker.hpp"

namespace tollgate::stages {

/// What the agent of a stopped call is told: the evidence, what is stopped, and for how long.
[[nodiscard]] base::Error loop_error(const domain::loops::Verdict& found);

}  // namespace tollgate::stages
