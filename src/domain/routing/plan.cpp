#include "tollgate/domain/routing/plan.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace tollgate::domain::routing {
namespace {

using std::chrono::milliseconds;

/// A usable deployment of the tier being ordered.
struct Entry {
  const RoutableDeployment* target;
  std::uint64_t weight;
};
using Tier = boost::container::small_vector<Entry, 8>;

/// One that cools down after failures.
struct Cooling {
  const RoutableDeployment* target;
  base::MonoTime until;
};
using CoolingOnes = boost::container::small_vector<Cooling, 4>;

SkipReason why_not(const RoutableDeployment& target, Dialect dialect,
                   const ProviderFilter& provider_allowed, base::MonoTime now) {
  if (!provider_allowed(*target.provider)) return SkipReason::provider_not_allowed;
  if (!speaks(target.provider->kind, dialect)) return SkipReason::dialect;
  return target.cooldown->asked(now) ? SkipReason::cooling_asked : SkipReason::none;
}

/// Draws without replacement, each time in proportion to weight.
void draw(Tier& tier, Rng& rng, RoutePlan& plan) {
  std::uint64_t total = 0;
  for (const Entry& entry : tier) total += entry.weight;
  const bool weighted = total > 0;
  while (!tier.empty()) {
    std::size_t chosen = 0;
    if (tier.size() > 1) {
      std::uint64_t point = rng.below(weighted ? total : tier.size());
      if (weighted) {
        while (point >= tier[chosen].weight) point -= tier[chosen++].weight;
      } else {
        chosen = static_cast<std::size_t>(point);
      }
    }
    total -= tier[chosen].weight;
    plan.candidates.push_back({tier[chosen].target});
    tier.erase(tier.begin() + static_cast<std::ptrdiff_t>(chosen));
  }
}

bool any_weight(const Tier& tier) noexcept {
  return std::any_of(tier.begin(), tier.end(), [](const Entry& e) { return e.weight > 0; });
}

void drop_unweighted(Tier& tier, RoutePlan& plan) {
  for (const Entry& entry : tier)
    if (entry.weight == 0)
      plan.skipped.push_back({entry.target, SkipReason::zero_weight, milliseconds(0)});
  tier.erase(std::remove_if(tier.begin(), tier.end(), [](const Entry& e) { return !e.weight; }),
             tier.end());
}

void order_tier(Tier& tier, Rng& rng, RoutePlan& plan) {
  if (any_weight(tier)) drop_unweighted(tier, plan);
  draw(tier, rng, plan);
}

}  // namespace

bool speaks(config::ProviderKind kind, Dialect dialect) noexcept {
  switch (kind) {
    case config::ProviderKind::openai:
    case config::ProviderKind::openai_compatible:
      return dialect == Dialect::openai;
    case config::ProviderKind::anthropic:
      return dialect == Dialect::anthropic;
    case config::ProviderKind::demo:
      return true;
  }
  return false;
}

RoutableAlias::RoutableAlias(const config::ModelAlias& alias,
                             const std::map<std::string, config::Provider, std::less<>>& providers,
                             CooldownTable& cooldowns, Callee callee)
    : alias_(&alias), callee_(callee) {
  deployments_.reserve(alias.deployments.size());
  for (const config::Deployment& deployment : alias.deployments) {
    const auto provider = providers.find(deployment.provider);
    if (provider == providers.end()) continue;
    deployments_.push_back({&deployment, &provider->second, cooldowns.resolve(deployment.id)});
  }
  std::stable_sort(deployments_.begin(), deployments_.end(),
                   [](const RoutableDeployment& a, const RoutableDeployment& b) {
                     return a.deployment->priority < b.deployment->priority;
                   });
}

std::string_view to_string(SkipReason reason) noexcept {
  static constexpr std::array<std::string_view, 7> kNames = {
      "none",        "provider_not_allowed", "dialect", "cooling_asked",
      "zero_weight", "unaffordable",         "unpriced"};
  return kNames[static_cast<std::size_t>(reason)];
}

void make_plan(const RoutableAlias& alias, Dialect dialect, ProviderFilter provider_allowed,
               Rng& rng, base::MonoTime now, RoutePlan& plan) {
  plan.candidates.clear();
  plan.skipped.clear();
  plan.callee = alias.callee();
  Tier tier, cooling_tier;
  CoolingOnes cooling;
  const auto deployments = alias.deployments();
  for (std::size_t i = 0; i < deployments.size(); ++i) {
    const RoutableDeployment& target = deployments[i];
    if (const SkipReason reason = why_not(target, dialect, provider_allowed, now);
        reason == SkipReason::none) {
      Tier& fitting = target.cooldown->active(now) ? cooling_tier : tier;
      fitting.push_back({&target, target.deployment->weight});
    } else {
      const auto left = reason == SkipReason::cooling_asked
                            ? std::chrono::ceil<milliseconds>(target.cooldown->asked_until() - now)
                            : milliseconds(0);
      plan.skipped.push_back({&target, reason, std::max(left, milliseconds(0))});
    }
    const bool tier_ends = i + 1 == deployments.size() ||
                           deployments[i + 1].deployment->priority != target.deployment->priority;
    if (!tier_ends) continue;
    if (!cooling_tier.empty()) {
      if (any_weight(tier) || any_weight(cooling_tier)) drop_unweighted(cooling_tier, plan);
      for (const Entry& entry : cooling_tier)
        cooling.push_back({entry.target, entry.target->cooldown->until()});
      cooling_tier.clear();
    }
    if (tier.size() == 1) {  // the usual one; whatever its weight there is nothing to order
      plan.candidates.push_back({tier.front().target});
    } else {
      order_tier(tier, rng, plan);
    }
    tier.clear();
  }
  std::stable_sort(cooling.begin(), cooling.end(),
                   [](const Cooling& a, const Cooling& b) { return a.until < b.until; });
  for (const Cooling& one : cooling) plan.candidates.push_back({one.target});
}

void readmit(RoutePlan& plan, base::MonoTime now) {
  for (auto it = plan.skipped.begin(); it != plan.skipped.end();) {
    const RoutableDeployment& target = *it->target;
    if (it->reason == SkipReason::cooling_asked && target.deployment->weight > 0 &&
        !target.cooldown->asked(now)) {
      plan.candidates.push_back({&target});
      it = plan.skipped.erase(it);
    } else {
      ++it;
    }
  }
}

RoutePlan plan(const RoutableAlias& alias, Dialect dialect, ProviderFilter provider_allowed,
               Rng& rng, base::MonoTime now) {
  RoutePlan out;
  make_plan(alias, dialect, provider_allowed, rng, now, out);
  return out;
}

base::Error empty_plan_error(const RoutePlan& plan) {
  using base::Error;
  using base::ErrorCode;
  std::optional<milliseconds> soonest;
  bool any_dialect = false, any_not_allowed = false;
  for (const Skipped& skipped : plan.skipped) {
    any_dialect |= skipped.reason == SkipReason::dialect;
    any_not_allowed |= skipped.reason == SkipReason::provider_not_allowed;
    if (skipped.reason != SkipReason::cooling_asked) continue;
    if (!soonest || skipped.remaining < *soonest) soonest = skipped.remaining;
  }
  if (soonest) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*soonest).count();
    return Error(ErrorCode::upstream_rate_limited,
                 "Every deployment of the model is at its provider's rate limit.")
        .with_side(base::Side::upstream)
        .with_retry_after(std::max<std::int64_t>(seconds, 1));
  }
  if (any_dialect)
    return Error(ErrorCode::not_supported,
                 "No deployment of the model speaks this API; use the model's own API.")
        .with_param("model");
  if (any_not_allowed)
    return Error(ErrorCode::permission_denied, "The key may not use any provider of this model.")
        .with_param("model");
  return Error(ErrorCode::no_deployment, "The model has no deployment that can be called.")
      .with_side(base::Side::gateway);
}

}  // namespace tollgate::domain::routing
