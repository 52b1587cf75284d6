#pragma once

#include <cstddef>
#include <optional>

#include "tollgate/base/result.hpp"
#include "tollgate/pipeline/context.hpp"

/// Money for one call, shared by the budget stage (first candidate, settlement) and the router
/// (later candidates, longer bodies, abandoned attempts).
namespace tollgate::stages {

/// Prices `candidate` and makes or changes the call's hold to cover it, lowering the output cap
/// when that makes it fit. On success context.hold, hold_plan and held_candidate speak of it.
/// Errors: unpriced_model, unbounded_input, budget_exceeded (the hold is unchanged, or absent).
[[nodiscard]] base::Result<void> hold_for(pipeline::RequestContext& context, std::size_t candidate);

/// What hold_for would ask the ledger for. Errors: unpriced_model, unbounded_input.
[[nodiscard]] base::Result<domain::budget::HoldPlan> plan_for(
    const pipeline::RequestContext& context, std::size_t candidate);

/// Takes over a hold the ledger granted for `plan`, of at least plan.least: it is the call's money
/// now, whatever room there is beside it; the output cap is lowered to what it covers.
void accept_hold(pipeline::RequestContext& context, std::size_t candidate,
                 const domain::budget::HoldPlan& plan, domain::budget::Hold granted);

/// How much of an answer an attempt had received when it was given up.
struct Received {
  std::uint64_t answer_bytes = 0;
  bool is_cut_off = false;  ///< more than a limit lets us read: the provider may bill all of it
};

/// Turns the hold of an attempt that was given up after its request was sent into its charge
/// (context.abandoned), and leaves the call without a hold. Frees it all when the configuration
/// says that such attempts cost nothing. `index`: of the attempt in the record.
void keep_abandoned(pipeline::RequestContext& context, std::size_t index, Received received);

/// Tokens of a text, when the provider does not say: a quarter of its bytes, rounded up. The rule
/// of thumb for English text in current vocabularies; rows settled by it are marked `estimated`.
[[nodiscard]] constexpr std::int64_t estimate_tokens(std::uint64_t bytes) noexcept {
  return static_cast<std::int64_t>((bytes + 3) / 4);
}

/// Settles what keep_abandoned kept. At the call's end only.
void settle_abandoned(pipeline::RequestContext& context);

/// Books one settlement: ledger charge and the attempt's bill in the audit record, events for the
/// alert sink. `index`: of the attempt in the record.
void book(pipeline::RequestContext& context, const domain::budget::Settlement& settlement,
          std::size_t candidate, std::size_t index, bool estimated, store::LedgerKind kind);

}  // namespace tollgate::stages
