#pragma once

#include <vector>

#include "tollgate/config/load.hpp"

namespace tollgate::app {

/// The part of serving_problems that is about the files the gateway makes: whether it can make each
/// of them, what is there already, and whether two of them, or one and a source, are the same file.
/// Parameters are those of serving_problems.
void add_places(std::vector<config::Problem>& problems, const config::Snapshot& snapshot,
                const std::vector<config::SourceFile>& sources, const config::Snapshot* running);

}  // namespace tollgate::app
