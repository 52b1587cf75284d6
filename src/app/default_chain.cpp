#include "app/default_chain.hpp"

#include "tollgate/stages/stages.hpp"

namespace tollgate::app {

std::unique_ptr<pipeline::Chain> default_chain() {
  std::vector<std::unique_ptr<pipeline::Stage>> stages;
  // Who is it, and may they? From the head alone, so that nobody unknown gets a body read.
  stages.push_back(stages::make_auth_stage());
  // Does the agent run in circles? Before anything is held, so that a call that is stopped or made
  // to wait has nobody's money meanwhile; behind auth, which says whose loop it is and knows what
  // is asked for.
  stages.push_back(stages::make_loop_stage());
  // Can it be paid for? Before any text is scanned: a refused call should cost us little.
  stages.push_back(stages::make_budget_stage());
  // Is it fit to be read by the model, and the answer by the agent? On answers it runs right after
  // the router, so that nothing later can see or keep what it masks.
  stages.push_back(stages::make_policy_stage());
  // Ends the request's way: attempts, failover, relay.
  stages.push_back(stages::make_router_stage());
  // Last, so that on completion it sees the settled cost and how everything ended.
  stages.push_back(stages::make_audit_stage());
  return std::make_unique<pipeline::Chain>(std::move(stages));
}

}  // namespace tollgate::app
