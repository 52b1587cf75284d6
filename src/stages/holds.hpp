#pragma once

#include <cstddef>
#include <optional>

#include "tollgate/base/result.hpp"
#include "tollgate/pipeline/context.hpp"

/// Money for one call, shared by the budget stage (first candidate, settlement) and the router
/// (later candidates, abandoned attempts).
namespace tollgate::stages {

/// Prices `candidate` and makes or changes the call's hold to cover it, lowering the output cap
/// when that makes it fit. On success context.hold, hold_plan and held_candidate speak of it.
/// Errors: unpriced_model, unbounded_input, budget_exceeded (the hold is unchanged, or absent).
[[nodiscard]] base::Result<void> hold_for(pipeline::RequestContext& context, std::size_t candidate);

/// The last refusal of hold_for, when it was a budget's: whether waiting could help.
[[nodiscard]] base::Result<domain::budget::HoldPlan> plan_for(pipeline::RequestContext& context,
                                                              std::size_t candidate);

/// Settles the hold of an attempt that was given up after its request was sent, as `estimated`, and
/// leaves the call without a hold. Returns what it was charged.
base::NanoUsd charge_abandoned(pipeline::RequestContext& context);

/// Tokens of a text, when the provider does not say: a quarter of its bytes, rounded up. The rule
/// of thumb for English text in current vocabularies; rows settled by it are marked `estimated`.
[[nodiscard]] constexpr std::int64_t estimate_tokens(std::uint64_t bytes) noexcept {
  return static_cast<std::int64_t>((bytes + 3) / 4);
}

/// Books one settlement: ledger charge in the audit record, events for the alert sink.
void book(pipeline::RequestContext& context, const domain::budget::Settlement& settlement,
          std::size_t candidate, bool estimated, store::LedgerKind kind);

}  // namespace tollgate::stages
