#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tollgate/base/result.hpp"
#include "tollgate/base/units.hpp"
#include "tollgate/config/snapshot.hpp"

namespace tollgate::domain::budget {

/// The name of a served modifier (config::ModifierTariff::name) for the words of a provider or a
/// request: those that are not usual, joined by "+"; "standard" where all that is said is usual;
/// empty where nothing is said, or `auto`. Does not allocate for the names in use.
[[nodiscard]] std::string modifier_name(std::string_view service_tier, std::string_view speed,
                                        std::string_view geography);

/// Tokens of one call by the price they have; each kind counted once. Reasoning is part of output.
struct TokenCounts {
  std::int64_t input = 0;   ///< without audio, and what was read from or written to a cache
  std::int64_t output = 0;  ///< without audio
  std::int64_t cache_read = 0;
  std::int64_t cache_write_5m = 0;
  std::int64_t cache_write_1h = 0;
  std::int64_t audio_input = 0;
  std::int64_t audio_output = 0;
  std::int64_t audio_cache_read = 0;  ///< no part of cache_read
  std::int64_t web_searches = 0;      ///< that the provider ran; no tokens
  std::string modifier{};             ///< what the call was served as; see modifier_name
  /// Or as this: the call asked for the one, and nobody told which. The dearer counts.
  std::optional<std::string> or_modifier{};

  /// What decides whether a call is one with a long context. Saturates.
  [[nodiscard]] std::int64_t total_input() const noexcept;
};

/// Of all kinds together.
[[nodiscard]] std::int64_t total(const TokenCounts& counts) noexcept;

/// Which cache writes a body may cause; decides the dearest price an input token can have.
enum class CacheWrites : std::uint8_t { none, five_minutes, any };

/// The most a call can use, as far as its body shows: what a hold is computed from.
struct CallBound {
  std::int64_t input_tokens = 0;  ///< upper bound, tokens of all kinds together
  std::int64_t text_tokens = 0;   ///< of them those that are text, whatever the deployment
  std::int64_t web_searches = 0;  ///< that the provider may run, billed by the piece
  std::optional<std::int64_t>
      output_cap;  ///< sent by the agent, tokens per choice; below 0 = absent
  /// Below this the cap cannot be lowered: the provider would refuse the call.
  std::int64_t least_output_cap = 0;
  /// Billed as output over the cap, tokens per choice (a rejected `prediction`).
  std::int64_t extra_output_tokens = 0;
  std::int64_t choices = 1;          ///< `n`; below 1 counts as 1
  bool has_output = true;            ///< false for embeddings and token counting
  bool has_unbounded_input = false;  ///< URLs, file ids, stored conversations, server tools
  bool has_audio_input = false;      ///< some of the input may be audio
  bool has_audio_output = false;     ///< some of the output may be audio
  CacheWrites cache_writes = CacheWrites::any;
  std::string modifier{};  ///< what the call asks to be served as; see modifier_name
};

/// What to hold for a call on one deployment, and what cap goes with it.
struct HoldPlan {
  base::NanoUsd amount;  ///< for the cap in `output_cap`
  base::NanoUsd useful;  ///< for the lowest cap that is worth a call; at most `amount`
  base::NanoUsd least;   ///< for the lowest cap allowed; `amount` when the cap cannot be lowered
  std::int64_t output_cap = 0;  ///< tokens per choice the amount covers; 0 without priced output
  std::int64_t useful_output_cap = 0;  ///< the lowest cap that is worth a call
  std::int64_t least_output_cap = 0;   ///< the lowest cap allowed
  /// What the forwarded body must say as its cap; absent: forward the body as the agent sent it.
  std::optional<std::int64_t> output_cap_to_forward;
  bool is_lowered = false;  ///< below what the agent asked for, or the model's own maximum
};

/// Plans the hold for a call before anything is known about room in the budgets.
///
/// Input is bounded at the dearest of input, cache read and the cache writes the body may cause,
/// output at (cap + what may be billed over it) x choices; a call's own price and a configured sum
/// for unbounded input come on top. Prices are the dearest, kind by kind, that the call can meet:
/// usual and long-context ones up to the input's bound, of the usual tariff and of what the call
/// asks to be served as (a provider may serve less than asked), or of Price::default_modifier when
/// it asks for nothing. No cap from the agent: the model's maximum (nothing forwarded, the provider
/// stops there by itself), else `spending.default_output_cap`, forwarded.
///
/// @param deployment  for its resolved price and max_output.
/// Errors: unpriced_model, unbounded_input when `spending` says refuse; unpriced_model too for a
/// modifier or for audio without a known price (`spending.unknown_modifier`). An unpriced model
/// with a configured sum is held and charged at that sum, whatever it uses.
[[nodiscard]] base::Result<HoldPlan> plan_hold(const config::Deployment& deployment,
                                               const CallBound& bound,
                                               const config::Spending& spending);

/// Lowers the cap of a plan until it costs at most `available`.
///
/// The largest cap that fits, exact to the token, at least `spending.min_output_tokens` (or the
/// agent's own cap, if that is smaller). Absent when not even that fits, or nothing can be lowered.
/// A plan that fits already comes back unchanged. For use with the amount that
/// Ledger::hold_between(plan.least, plan.amount) granted (then shrink the hold to `amount`).
[[nodiscard]] std::optional<HoldPlan> fit_output_cap(const HoldPlan& plan, base::NanoUsd available,
                                                     const config::Deployment& deployment,
                                                     const CallBound& bound,
                                                     const config::Spending& spending);

/// The most tokens of all kinds that a call under `output_cap` can use, cached ones too.
[[nodiscard]] std::int64_t token_bound(const CallBound& bound, std::int64_t output_cap) noexcept;

/// Lowers the cap of a plan until its call can use at most `tokens`: the counterpart of
/// fit_output_cap for budgets and rate limits in tokens.
[[nodiscard]] std::optional<HoldPlan> fit_tokens(const HoldPlan& plan, std::int64_t tokens,
                                                 const config::Deployment& deployment,
                                                 const CallBound& bound,
                                                 const config::Spending& spending);

/// Whether the price of something the call used is not known: the modifier it was served with, or
/// which of two it was served with, audio, searches. Such a charge has to be marked estimated.
/// False without a price.
[[nodiscard]] bool has_unknown_price(const std::optional<config::Price>& price,
                                     const TokenCounts& tokens);

/// What a call cost: tokens x prices + the price per call, rounded up once. The whole call is
/// charged by the tariff it was served with and by the size of its input.
///
/// Counts of 0 cost 0 tokens' worth: a provider that reports no use is believed. When it reports
/// nothing at all the caller passes its estimate and marks the row `estimated`.
/// Of two modifiers (or_modifier) the dearer.
/// With an unknown price (has_unknown_price): each kind at the dearest price the model has for it
/// in any tariff, a kind without one at the dearest it has for any token, and no less than
/// `spending.unknown_modifier_hold`.
/// Never more than plan_hold's amount for counts and a modifier within the bound.
[[nodiscard]] base::NanoUsd settle_cost(const std::optional<config::Price>& price,
                                        const TokenCounts& tokens,
                                        const config::Spending& spending);

}  // namespace tollgate::domain::budget
