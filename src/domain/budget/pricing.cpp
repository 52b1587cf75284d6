#include "tollgate/domain/budget/pricing.hpp"

#include <algorithm>
#include <limits>

#include "tollgate/config/usual_service.hpp"

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

constexpr std::string_view kStandard = "standard";

/// What each kind of token costs, absent prices filled in as config::TokenPrices documents.
struct FilledPrices {
  PicoUsdPerToken input, read, write_5m, write_1h, output, audio_input, audio_output, audio_read;
  explicit FilledPrices(const config::TokenPrices& prices)
      : input(prices.input),
        read(prices.cache_read.value_or(prices.input)),
        write_5m(prices.cache_write.value_or(prices.input)),
        write_1h(prices.cache_write_1h.value_or(write_5m)),
        output(prices.output),
        audio_input(prices.audio_input.value_or(PicoUsdPerToken{})),
        audio_output(prices.audio_output.value_or(PicoUsdPerToken{})),
        audio_read(prices.audio_cache_read.value_or(audio_input)) {}

  void raise(const FilledPrices& other) {
    input = std::max(input, other.input);
    read = std::max(read, other.read);
    write_5m = std::max(write_5m, other.write_5m);
    write_1h = std::max(write_1h, other.write_1h);
    output = std::max(output, other.output);
    audio_input = std::max(audio_input, other.audio_input);
    audio_output = std::max(audio_output, other.audio_output);
    audio_read = std::max(audio_read, other.audio_read);
  }
  [[nodiscard]] PicoUsdPerToken dearest_input(CacheWrites writes) const {
    PicoUsdPerToken dearest = std::max(input, read);
    if (writes != CacheWrites::none) dearest = std::max(dearest, write_5m);
    if (writes == CacheWrites::any) dearest = std::max(dearest, write_1h);
    return dearest;
  }
  [[nodiscard]] PicoUsdPerToken dearest() const {
    return std::max(
        {dearest_input(CacheWrites::any), output, audio_input, audio_output, audio_read});
  }
};

/// The dearest of a tariff, kind by kind, for inputs of at most `input_bound` tokens.
FilledPrices dearest_within(const config::Tariff& tariff, std::int64_t input_bound) {
  FilledPrices dearest(tariff);
  for (const config::LongContextPrices& row : tariff.long_context)
    if (row.above < input_bound) dearest.raise(FilledPrices(row));
  return dearest;
}

/// The dearest that the model has at all, kind by kind; kinds it has no price for at the dearest of
/// them. For what has no price that is known.
FilledPrices dearest_of_all(const config::Price& price) {
  constexpr std::int64_t kAnySize = std::numeric_limits<std::int64_t>::max();
  FilledPrices dearest = dearest_within(price, kAnySize);
  for (const config::ModifierTariff& tariff : price.modifiers)
    dearest.raise(dearest_within(tariff, kAnySize));
  // The loader sees to it that audio has a price in all of a model's tariffs or in none.
  const PicoUsdPerToken most = dearest.dearest();
  if (!price.audio_input) dearest.audio_input = dearest.audio_read = most;
  if (!price.audio_output) dearest.audio_output = most;
  return dearest;
}

/// The tariff of a call that is served with `modifier`; none when it is not known.
const config::Tariff* tariff_of(const config::Price& price, std::string_view modifier) {
  if (modifier.empty()) modifier = price.default_modifier;
  if (modifier.empty() || modifier == kStandard) return &price;
  for (const config::ModifierTariff& tariff : price.modifiers)
    if (tariff.name == modifier) return &tariff;
  return nullptr;
}

bool has_unknown_kind(const config::Tariff& tariff, const TokenCounts& tokens) {
  return (!tariff.audio_input && (tokens.audio_input > 0 || tokens.audio_cache_read > 0)) ||
         (!tariff.audio_output && tokens.audio_output > 0);
}

const config::TokenPrices& prices_for(const config::Tariff& tariff, const TokenCounts& tokens) {
  const config::TokenPrices* prices = &tariff;
  if (tariff.long_context.empty()) return *prices;
  const std::int64_t input = tokens.total_input();
  for (const config::LongContextPrices& row : tariff.long_context)
    if (input > row.above) prices = &row;
  return *prices;
}

NanoUsd cost_at(const FilledPrices& prices, const config::Price& price, const TokenCounts& tokens) {
  CostSum sum;
  sum.add(tokens.input, prices.input);
  sum.add(tokens.cache_read, prices.read);
  sum.add(tokens.cache_write_5m, prices.write_5m);
  sum.add(tokens.cache_write_1h, prices.write_1h);
  sum.add(tokens.output, prices.output);
  sum.add(tokens.audio_input, prices.audio_input);
  sum.add(tokens.audio_cache_read, prices.audio_read);
  sum.add(tokens.audio_output, prices.audio_output);
  if (tokens.web_searches > 0)
    sum.add({multiply_saturated(tokens.web_searches, price.web_search.value_or(NanoUsd{}).value)});
  sum.add(price.per_call);
  return sum.total();
}

/// What a hold reckons with.
struct HoldPrices {
  PicoUsdPerToken input, output;
  bool is_known = true;
};

HoldPrices hold_prices(const config::Price& price, const CallBound& bound) {
  const config::Tariff* asked = tariff_of(price, bound.modifier);
  const bool is_known = asked != nullptr && (!bound.has_audio_input || price.audio_input) &&
                        (!bound.has_audio_output || price.audio_output) &&
                        (bound.web_searches == 0 || price.web_search);
  const std::int64_t input_bound =
      bound.has_unbounded_input ? std::numeric_limits<std::int64_t>::max() : bound.input_tokens;
  FilledPrices dearest = is_known ? dearest_within(price, input_bound) : dearest_of_all(price);
  if (is_known && asked != &price) dearest.raise(dearest_within(*asked, input_bound));
  HoldPrices prices{dearest.dearest_input(bound.cache_writes), dearest.output, is_known};
  if (bound.has_audio_input)
    prices.input = std::max({prices.input, dearest.audio_input, dearest.audio_read});
  if (bound.has_audio_output) prices.output = std::max(prices.output, dearest.audio_output);
  return prices;
}

std::int64_t choices_of(const CallBound& bound) {
  return std::max<std::int64_t>(bound.choices, 1);
}

/// All of the hold that no output cap can lower.
CostSum fixed_part(const HoldPrices& prices, const config::Price& price, const CallBound& bound,
                   const config::Spending& spending) {
  CostSum sum;
  sum.add(bound.input_tokens, prices.input);
  sum.add(price.per_call);
  if (bound.has_unbounded_input) sum.add(spending.unbounded_input_hold);
  if (bound.web_searches > 0 && price.web_search)
    sum.add({multiply_saturated(bound.web_searches, price.web_search->value)});
  if (bound.has_output && bound.extra_output_tokens > 0)
    sum.add(multiply_saturated(bound.extra_output_tokens, choices_of(bound)), prices.output);
  return sum;
}

NanoUsd amount_for(std::int64_t cap, const HoldPrices& prices, const config::Price& price,
                   const CallBound& bound, const config::Spending& spending) {
  CostSum sum = fixed_part(prices, price, bound, spending);
  if (bound.has_output) sum.add(multiply_saturated(cap, choices_of(bound)), prices.output);
  if (prices.is_known) return sum.total();
  return std::max(sum.total(), spending.unknown_modifier_hold);
}

/// What the refusal of a call says that asks for something without a known price.
base::Error unknown_price(const config::Deployment& deployment, const CallBound& bound) {
  const bool is_modifier = tariff_of(*deployment.price, bound.modifier) == nullptr;
  const std::string& name =
      bound.modifier.empty() ? deployment.price->default_modifier : bound.modifier;
  return base::Error(base::ErrorCode::unpriced_model,
                     "Model \"" + deployment.model + "\" has no price for " +
                         (is_modifier ? "calls served as \"" + name + "\""
                          : bound.web_searches > 0 && !deployment.price->web_search ? "searches"
                                                                                    : "audio") +
                         ", and the configuration does not say what to hold for it.");
}

/// The agent's cap, where it sent one that means something.
std::optional<std::int64_t> sent_cap(const CallBound& bound) {
  if (bound.output_cap && *bound.output_cap >= 0) return bound.output_cap;
  return std::nullopt;
}

/// The lowest cap the agent can be given.
std::int64_t lowest_cap(std::int64_t cap, const CallBound& bound,
                        const config::Spending& spending) {
  return std::min(cap,
                  std::max({spending.min_output_tokens, bound.least_output_cap, std::int64_t{1}}));
}

/// The lowest cap that is worth a call.
std::int64_t useful_cap(std::int64_t cap, const CallBound& bound,
                        const config::Spending& spending) {
  return std::max(std::min(cap, spending.useful_output_tokens), lowest_cap(cap, bound, spending));
}

}  // namespace

std::string modifier_name(std::string_view service_tier, std::string_view speed,
                          std::string_view geography) {
  std::string name;
  bool is_said = false;
  for (const std::string_view word : {service_tier, speed, geography}) {
    is_said = is_said || (!word.empty() && word != "auto");
    if (config::is_usual_service(word)) continue;
    if (!name.empty()) name += '+';
    name += word;
  }
  if (name.empty() && is_said) name = kStandard;
  return name;
}

std::int64_t TokenCounts::total_input() const noexcept {
  std::int64_t total = 0;
  for (const std::int64_t part :
       {input, cache_read, cache_write_5m, cache_write_1h, audio_input, audio_cache_read}) {
    if (part > 0 && __builtin_add_overflow(total, part, &total))
      return std::numeric_limits<std::int64_t>::max();
  }
  return total;
}

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
    plan.amount = plan.useful = plan.least = spending.unpriced_hold;
    if (bound.has_output) {  // its tokens may have a limit all the same
      const std::int64_t most =
          deployment.max_output > 0 ? deployment.max_output : spending.default_output_cap;
      plan.output_cap = sent_cap(bound).value_or(most);
      plan.useful_output_cap = useful_cap(plan.output_cap, bound, spending);
      plan.least_output_cap = lowest_cap(plan.output_cap, bound, spending);
    }
    return plan;
  }
  if (bound.has_unbounded_input && spending.unbounded_input == config::UnpricedAction::refuse) {
    return base::Error(
        base::ErrorCode::unbounded_input,
        "The request refers to input whose size it does not show (a URL, a file, a "
        "stored conversation or a server tool), and the configuration refuses that.");
  }
  const config::Price& price = *deployment.price;
  const HoldPrices prices = hold_prices(price, bound);
  if (!prices.is_known && spending.unknown_modifier == config::UnpricedAction::refuse)
    return unknown_price(deployment, bound);
  if (!bound.has_output) {
    plan.amount = plan.useful = plan.least = amount_for(0, prices, price, bound, spending);
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
  plan.useful_output_cap = useful_cap(plan.output_cap, bound, spending);
  plan.least_output_cap = lowest_cap(plan.output_cap, bound, spending);
  plan.amount = amount_for(plan.output_cap, prices, price, bound, spending);
  plan.useful = plan.useful_output_cap == plan.output_cap
                    ? plan.amount
                    : amount_for(plan.useful_output_cap, prices, price, bound, spending);
  plan.least = amount_for(plan.least_output_cap, prices, price, bound, spending);
  return plan;
}

std::optional<HoldPlan> fit_output_cap(const HoldPlan& plan, NanoUsd available,
                                       const config::Deployment& deployment, const CallBound& bound,
                                       const config::Spending& spending) {
  if (plan.amount <= available) return plan;
  if (plan.least > available || !deployment.price || !bound.has_output) return std::nullopt;
  const config::Price& price = *deployment.price;
  const HoldPrices prices = hold_prices(price, bound);
  // amount_for never falls with the cap, so the largest that fits is found by halving: at most 63
  // steps of a few nanoseconds, and exact to the rounding because it asks the same sum.
  std::int64_t fits = lowest_cap(plan.output_cap, bound, spending);
  std::int64_t too_much = plan.output_cap;
  while (too_much - fits > 1) {
    const std::int64_t middle = fits + (too_much - fits) / 2;
    (amount_for(middle, prices, price, bound, spending) <= available ? fits : too_much) = middle;
  }
  HoldPlan lowered = plan;
  lowered.output_cap = fits;
  lowered.amount = amount_for(fits, prices, price, bound, spending);
  lowered.output_cap_to_forward = fits;
  lowered.is_lowered = true;
  return lowered;
}

std::int64_t total(const TokenCounts& counts) noexcept {
  std::int64_t sum = counts.total_input();
  for (const std::int64_t part : {counts.output, counts.audio_output}) {
    if (part > 0 && __builtin_add_overflow(sum, part, &sum))
      return std::numeric_limits<std::int64_t>::max();
  }
  return sum;
}

std::int64_t token_bound(const CallBound& bound, std::int64_t output_cap) noexcept {
  if (!bound.has_output) return std::max<std::int64_t>(bound.input_tokens, 0);
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const std::int64_t extra = std::max<std::int64_t>(bound.extra_output_tokens, 0);
  const std::int64_t cap = std::max<std::int64_t>(output_cap, 0);
  const std::int64_t each = cap > kMost - extra ? kMost : cap + extra;
  const std::int64_t output = multiply_saturated(each, choices_of(bound));
  const std::int64_t input = std::max<std::int64_t>(bound.input_tokens, 0);
  return output > kMost - input ? kMost : output + input;
}

std::optional<HoldPlan> fit_tokens(const HoldPlan& plan, std::int64_t tokens,
                                   const config::Deployment& deployment, const CallBound& bound,
                                   const config::Spending& spending) {
  if (token_bound(bound, plan.output_cap) <= tokens) return plan;
  if (!bound.has_output || token_bound(bound, plan.least_output_cap) > tokens) return std::nullopt;
  // Not below the least, as the line before says.
  const std::int64_t input = std::max<std::int64_t>(bound.input_tokens, 0);
  const std::int64_t extra = std::max<std::int64_t>(bound.extra_output_tokens, 0);
  HoldPlan lowered = plan;
  lowered.output_cap = (tokens - input) / choices_of(bound) - extra;
  if (deployment.price)
    lowered.amount = amount_for(lowered.output_cap, hold_prices(*deployment.price, bound),
                                *deployment.price, bound, spending);
  lowered.output_cap_to_forward = lowered.output_cap;
  lowered.is_lowered = true;
  return lowered;
}

namespace {

/// Whether the price names all that was used, served with `modifier`.
bool has_unknown_price(const config::Price& price, const TokenCounts& tokens,
                       std::string_view modifier) {
  const config::Tariff* tariff = tariff_of(price, modifier);
  return tariff == nullptr || has_unknown_kind(*tariff, tokens) ||
         (tokens.web_searches > 0 && !price.web_search);
}

NanoUsd settle_cost(const config::Price& price, const TokenCounts& tokens,
                    std::string_view modifier, const config::Spending& spending) {
  if (has_unknown_price(price, tokens, modifier))
    return std::max(cost_at(dearest_of_all(price), price, tokens), spending.unknown_modifier_hold);
  return cost_at(FilledPrices(prices_for(*tariff_of(price, modifier), tokens)), price, tokens);
}

}  // namespace

bool has_unknown_price(const std::optional<config::Price>& price, const TokenCounts& tokens) {
  if (!price) return false;
  if (has_unknown_price(*price, tokens, tokens.modifier)) return true;
  return tokens.or_modifier &&
         tariff_of(*price, *tokens.or_modifier) != tariff_of(*price, tokens.modifier);
}

NanoUsd settle_cost(const std::optional<config::Price>& price, const TokenCounts& tokens,
                    const config::Spending& spending) {
  if (!price) return spending.unpriced_hold;
  const NanoUsd cost = settle_cost(*price, tokens, tokens.modifier, spending);
  if (!tokens.or_modifier) return cost;
  return std::max(cost, settle_cost(*price, tokens, *tokens.or_modifier, spending));
}

}  // namespace tollgate::domain::budget
