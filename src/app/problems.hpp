#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tollgate/config/load.hpp"

namespace tollgate::app {

/// What the checks of a configuration found; the loader gives each its place in the file.
using Problems = std::vector<config::Problem>;

inline void add(Problems& problems, std::string path, std::string what, std::string expected) {
  config::Problem problem;
  problem.path = std::move(path);
  problem.what = std::move(what);
  problem.expected = std::move(expected);
  problems.push_back(std::move(problem));
}

}  // namespace tollgate::app
