#include "tollgate/domain/budget/pricing.hpp"

#include <algorithm>
#include <limits>

namespace tollgate::domain::budget {
namespace {

using base::CostSum;
using base::NanoUsd;
using base::PicoUsdPerToken;

std::int64_t multiply_saturated(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  return std::numeric_limits<std::int64_t>::max();
}

/// What each kind of input token costs, absent prices filled in as config::Price documents.
struct InputPrices {
  PicoUsdPerToken plain, read, write_5m, write_1h;
  explicit InputPrices(const config::Price& price)
      : plain(price.input),
        read(price.cache_read.value_or(price.input)),
        write_5m(price.cache_write.value_or(price.input)),
        write_1h(price.cache_write_1h.value_or(write_5m)) {}
};

PicoUsdPerToken dearest_input(const config::Price& price, CacheWrites writes) {
  const InputPrices of(price);
  PicoUsdPerToken dearest = std::max(of.plain, of.read);
  if (writes != CacheWrites::none) dearest = std::max(dearest, of.write_5m);
  if (writes == CacheWrites::any) dearest = std::max(dearest, of.write_1h);
  return dearest;
}

std::int64_t choices_of(const CallBound& bound) {
  return std::max<std::int64_t>(bound.choices, 1);
}

/// All of the hold that no output cap can lower.
CostSum fixed_part(const config::Price& price, const CallBound& bound,
                   const config::Spending& spending) {
  CostSum sum;
  sum.add(bound.input_tokens, dearest_input(price, bound.cache_writes));
  sum.add(price.per_call);
  if (bound.has_unbounded_input) sum.add(spending.unbounded_input_hold);
  if (bound.has_output && bound.extra_output_tokens > 0)
    sum.add(multiply_saturated(bound.extra_output_tokens, choices_of(bound)), price.output);
  return sum;
}

NanoUsd amount_for(std::int64_t cap, const config::Price& price, const CallBound& bound,
                   const config::Spending& spending) {
  CostSum sum = fixed_part(price, bound, spending);
  sum.add(multiply_saturated(cap, choices_of(bound)), price.output);
  return sum.total();
}

/// The agent's cap, where it sent one that means something.
std::optional<std::int64_t> sent_cap(const CallBound& bound) {
  if (bound.output_cap && *bound.output_cap >= 0) return bound.output_cap;
  return std::nullopt;
}

/// The lowest cap the agent can be given.
std::int64_t lowest_cap(std::int64_t cap, const config::Spending& spending) {
  return std::min(cap, std::max<std::int64_t>(spending.min_output_tokens, 1));
}

}  // namespace

base::Result<HoldPlan> plan_hold(const config::Deployment& deployment, const CallBound& bound,
                                 const config::Spending& spending) {
  HoldPlan plan;
  if (!deployment.price) {
    if (spending.unpriced == config::UnpricedAction::refuse) {
      return base::Error(base::ErrorCode::unpriced_model,
                         "Model \"" + deployment.model +
                             "\" has no price, and the configuration does not say what to hold for "
                             "it.");
    }
    plan.amount = plan.least = spending.unpriced_hold;
    return plan;
  }
  if (bound.has_unbounded_input && spending.unbounded_input == config::UnpricedAction::refuse) {
    return base::Error(
        base::ErrorCode::unbounded_input,
        "The request refers to input whose size it does not show (a URL, a file, a "
        "stored conversation or a server tool), and the configuration refuses that.");
  }
  const config::Price& price = *deployment.price;
  if (!bound.has_output) {
    plan.amount = plan.least = fixed_part(price, bound, spending).total();
    return plan;
  }
  if (const auto cap = sent_cap(bound)) {
    plan.output_cap = *cap;
  } else if (deployment.max_output > 0) {
    plan.output_cap = deployment.max_output;
  } else {
    plan.output_cap = std::max<std::int64_t>(spending.default_output_cap, 1);
    plan.output_cap_to_forward = plan.output_cap;
  }
  plan.amount = amount_for(plan.output_cap, price, bound, spending);
  plan.least = amount_for(lowest_cap(plan.output_cap, spending), price, bound, spending);
  return plan;
}

std::optional<HoldPlan> fit_output_cap(const HoldPlan& plan, NanoUsd available,
                                       const config::Deployment& deployment, const CallBound& bound,
                                       const config::Spending& spending) {
  if (plan.amount <= available) return plan;
  if (plan.least > available || !deployment.price || !bound.has_output) return std::nullopt;
  const config::Price& price = *deployment.price;
  // amount_for never falls with the cap, so the largest that fits is found by halving: at most 63
  // steps of a few nanoseconds, and exact to the rounding because it asks the same sum.
  std::int64_t fits = lowest_cap(plan.output_cap, spending);
  std::int64_t too_much = plan.output_cap;
  while (too_much - fits > 1) {
    const std::int64_t middle = fits + (too_much - fits) / 2;
    (amount_for(middle, price, bound, spending) <= available ? fits : too_much) = middle;
  }
  HoldPlan lowered = plan;
  lowered.output_cap = fits;
  lowered.amount = amount_for(fits, price, bound, spending);
  lowered.output_cap_to_forward = fits;
  lowered.is_lowered = true;
  return lowered;
}

NanoUsd settle_cost(const std::optional<config::Price>& price, const TokenCounts& tokens,
                    const config::Spending& spending) {
  if (!price) return spending.unpriced_hold;
  const InputPrices of(*price);
  CostSum sum;
  sum.add(tokens.input, of.plain);
  sum.add(tokens.cache_read, of.read);
  sum.add(tokens.cache_write_5m, of.write_5m);
  sum.add(tokens.cache_write_1h, of.write_1h);
  sum.add(tokens.output, price->output);
  sum.add(price->per_call);
  return sum.total();
}

}  // namespace tollgate::domain::budget
