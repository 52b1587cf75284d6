#pragma once

#include <cstddef>
#include <optional>

#include "tollgate/base/result.hpp"
#include "tollgate/pipeline/context.hpp"

/// Money for one call, shared by the budget stage (first candidate, settlement) and the router
/// (later candidates, longer bodies, abandoned attempts).
namespace tollgate::stages {

/// How far an output cap may be lowered.
enum class Floor : std::uint8_t {
  useful,  ///< while waiting for other calls may bring more
  least,   ///< as far as the configuration allows
};

/// Prices `candidate` and makes or changes the call's hold to cover it. Where its strict bound does
/// not fit, its text is held at an estimate (spending.estimate_near_cap), then the output cap is
/// lowered to what fits. On success context.hold, hold_plan and held_candidate speak of it.
/// Errors: unpriced_model, unbounded_input, budget_exceeded, rate_limited, overloaded (the hold is
/// unchanged, or absent).
/// @param can_wait  set when a limit refuses: whether only other calls' holds stand in the way.
[[nodiscard]] base::Result<void> hold_for(pipeline::RequestContext& context, std::size_t candidate,
                                          Floor floor = Floor::least, bool* can_wait = nullptr);

/// A place among the calls in flight, for a call that goes to no upstream and costs nothing.
/// Errors: budget_exceeded, rate_limited.
[[nodiscard]] base::Result<void> hold_place(pipeline::RequestContext& context);

/// Whether the call is the stream on which an MCP server speaks unasked (`GET`): it stays open for
/// hours, and is neither a request nor a call in flight (EventStreams counts it).
[[nodiscard]] bool is_event_stream(const pipeline::RequestContext& context) noexcept;

/// What a plan asks of the ledger, in all units.
[[nodiscard]] domain::budget::HoldRange demand_of(const pipeline::RequestContext& context,
                                                  const domain::budget::HoldPlan& plan,
                                                  Floor floor);
/// The call, as the ledger's journal writes it down.
[[nodiscard]] domain::budget::CallRef call_ref(const pipeline::RequestContext& context);

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
  std::int64_t silent_tokens = 0;  ///< see silent_output
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

/// Output that a provider is taken to have made while it was silent for `span`: reasoning that it
/// does not show, a JSON answer that was to come. An agent that leaves before it is told would have
/// it for nothing otherwise.
[[nodiscard]] std::int64_t silent_output(const config::Spending& spending,
                                         std::chrono::nanoseconds span) noexcept;

/// Settles what keep_abandoned kept. At the call's end only.
void settle_abandoned(pipeline::RequestContext& context);

/// Books one settlement: ledger charge and the attempt's bill in the audit record, events for the
/// alert sink. `index`: of the attempt in the record.
void book(pipeline::RequestContext& context, const domain::budget::Settlement& settlement,
          std::size_t candidate, std::size_t index, bool estimated, store::LedgerKind kind);

}  // namespace tollgate::stages
