#include "app/config_checks.hpp"

#include "tollgate/domain/policy/engine.hpp"

namespace tollgate::app {

std::vector<config::Problem> guardrail_problems(const config::Snapshot& snapshot) {
  std::vector<config::Problem> problems;
  for (const auto& fault : domain::policy::validate(snapshot.guardrails)) {
    config::Problem problem;
    problem.path = snapshot.guardrails.at(fault.guardrail).rules.at(fault.rule_index).path;
    problem.what = fault.message;
    problems.push_back(std::move(problem));
  }
  return problems;
}

}  // namespace tollgate::app
