#pragma once

#include <memory>

#include "tollgate/pipeline/services.hpp"
#include "tollgate/pipeline/stage.hpp"

/// The six stages. Each is thin: domain objects decide, the stage moves values between them and
/// the RequestContext.
namespace tollgate::stages {

/// Credential -> key; may it use this surface, model, tool? Makes the route plan.
[[nodiscard]] std::unique_ptr<pipeline::Stage> make_auth_stage();
/// Does the agent run in circles? Stops or slows down the call, and tells.
[[nodiscard]] std::unique_ptr<pipeline::Stage> make_loop_stage();
/// Holds the most the call can cost; settles what it did cost.
[[nodiscard]] std::unique_ptr<pipeline::Stage> make_budget_stage();
/// Guardrails on everything the model or tool reads and everything the agent reads.
[[nodiscard]] std::unique_ptr<pipeline::Stage> make_policy_stage();
/// Attempts, failover, relay.
[[nodiscard]] std::unique_ptr<pipeline::Stage> make_router_stage();
/// One record for every call, whatever happened to it.
[[nodiscard]] std::unique_ptr<pipeline::Stage> make_audit_stage();

}  // namespace tollgate::stages
