#pragma once

#include <string>
#include <utility>
#include <vector>

#include "unit/loops/traffic.hpp"

/// Agents at work. Nothing in here may be stopped or slowed down.
namespace tollgate::domain::loops::test {

struct Normal {
  std::vector<Scenario> list;
  /// The reference is good until the next one is added.
  Scenario& add(std::string name) {
    list.push_back({std::move(name), "", {}});
    return list.back();
  }
};

/// Those that go on for many rounds.
void normal_agents(Normal& made);

}  // namespace tollgate::domain::loops::test
