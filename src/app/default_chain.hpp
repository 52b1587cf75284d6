#pragma once

#include <memory>

#include "tollgate/pipeline/chain.hpp"

namespace tollgate::app {

/// The pipeline: one list, one line and one reason per stage. There is no other.
[[nodiscard]] std::unique_ptr<pipeline::Chain> default_chain();

}  // namespace tollgate::app
