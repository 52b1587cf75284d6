#pragma once

#include <cstdint>
#include <optional>

#include "tollgate/base/result.hpp"
#include "tollgate/base/units.hpp"
#include "tollgate/config/snapshot.hpp"

namespace tollgate::domain::budget {

/// Tokens of one call by the price they have; each kind counted once. Reasoning is part of output.
struct TokenCounts {
  std::int64_t input = 0;  ///< without what was read from or written to a cache
  std::int64_t output = 0;
  std::int64_t cache_read = 0;
  std::int64_t cache_write_5m = 0;
  std::int64_t cache_write_1h = 0;
};

/// Which cache writes a body may cause; decides the dearest price an input token can have.
enum class CacheWrites : std::uint8_t { none, five_minutes, any };

/// The most a call can use, as far as its body shows: what a hold is computed from.
struct CallBound {
  std::int64_t input_tokens = 0;  ///< upper bound, tokens of all kinds together
  std::optional<std::int64_t>
      output_cap;  ///< sent by the agent, tokens per choice; below 0 = absent
  /// Billed as output over the cap, tokens per choice (a rejected `prediction`).
  std::int64_t extra_output_tokens = 0;
  std::int64_t choices = 1;          ///< `n`; below 1 counts as 1
  bool has_output = true;            ///< false for embeddings and token counting
  bool has_unbounded_input = false;  ///< URLs, file ids, stored conversations, server tools
  CacheWrites cache_writes = CacheWrites::any;
};

/// What to hold for a call on one deployment, and what cap goes with it.
struct HoldPlan {
  base::NanoUsd amount;  ///< for the cap in `output_cap`
  base::NanoUsd least;   ///< for the lowest cap allowed; `amount` when the cap cannot be lowered
  std::int64_t output_cap = 0;  ///< tokens per choice the amount covers; 0 without priced output
  /// What the forwarded body must say as its cap; absent: forward the body as the agent sent it.
  std::optional<std::int64_t> output_cap_to_forward;
  bool is_lowered = false;  ///< below what the agent asked for, or the model's own maximum
};

/// Plans the hold for a call before anything is known about room in the budgets.
///
/// Input is bounded at the dearest of input, cache read and the cache writes the body may cause,
/// output at (cap + what may be billed over it) x choices; a call's own price and a configured sum
/// for unbounded input come on top. No cap from the agent: the model's maximum (nothing forwarded,
/// the provider stops there by itself), else `spending.default_output_cap`, forwarded.
///
/// @param deployment  for its resolved price and max_output.
/// Errors: unpriced_model, unbounded_input when `spending` says refuse. An unpriced model with a
/// configured sum is held and charged at that sum, whatever it uses.
[[nodiscard]] base::Result<HoldPlan> plan_hold(const config::Deployment& deployment,
                                               const CallBound& bound,
                                               const config::Spending& spending);

/// Lowers the cap of a plan until it costs at most `available`.
///
/// The largest cap that fits, exact to the token, at least `spending.min_output_tokens` (or the
/// agent's own cap, if that is smaller). Absent when not even that fits, or nothing can be lowered.
/// A plan that fits already comes back unchanged. For use with Ledger::available, or with the
/// amount Ledger::hold_between(plan.least, plan.amount) granted (then shrink the hold to `amount`).
[[nodiscard]] std::optional<HoldPlan> fit_output_cap(const HoldPlan& plan, base::NanoUsd available,
                                                     const config::Deployment& deployment,
                                                     const CallBound& bound,
                                                     const config::Spending& spending);

/// What a call cost: tokens x prices + the price per call, rounded up once.
///
/// Counts of 0 cost 0 tokens' worth: a provider that reports no use is believed. When it reports
/// nothing at all the caller passes its estimate and marks the row `estimated`.
/// Never more than plan_hold's amount for counts within the bound.
[[nodiscard]] base::NanoUsd settle_cost(const std::optional<config::Price>& price,
                                        const TokenCounts& tokens,
                                        const config::Spending& spending);

}  // namespace tollgate::domain::budget
