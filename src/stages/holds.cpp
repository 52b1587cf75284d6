#include "stages/holds.hpp"

#include "tollgate/domain/budget/refusal.hpp"

namespace tollgate::stages {

using domain::budget::HoldPlan;
using domain::budget::ScopePath;
using pipeline::RequestContext;

namespace {

const config::Deployment& deployment_of(const RequestContext& context, std::size_t candidate) {
  if (context.priced) return *context.priced;
  return *context.plan.candidates[candidate].target->deployment;
}

const ScopePath& scopes_of(const RequestContext& context, std::size_t candidate) {
  return context.alias->of(context.plan.candidates[candidate]).scopes;
}

void accept(RequestContext& context, std::size_t candidate, const HoldPlan& plan) {
  context.hold_plan = plan;
  context.held_candidate = candidate;
  context.largest_hold = std::max(context.largest_hold, context.hold.amount());
}

}  // namespace

base::Result<HoldPlan> plan_for(RequestContext& context, std::size_t candidate) {
  return domain::budget::plan_hold(deployment_of(context, candidate), context.bound,
                                   context.config().spending);
}

base::Result<void> hold_for(RequestContext& context, std::size_t candidate) {
  const config::Spending& spending = context.config().spending;
  const config::Deployment& deployment = deployment_of(context, candidate);
  const ScopePath& what = scopes_of(context, candidate);
  auto planned = plan_for(context, candidate);
  if (planned.has_error()) return planned.error();
  HoldPlan plan = *planned;

  if (context.hold) {
    auto moved = context.hold.rebase(what, plan.amount);
    if (moved.has_error()) {
      // The whole does not fit. What would, beside the money this call has already?
      const auto room = context.services->ledger.available(context.key->scopes, what);
      const base::NanoUsd fits =
          room.free == base::NanoUsd::max() ? room.free : room.free + context.hold.amount();
      const auto lowered =
          domain::budget::fit_output_cap(plan, fits, deployment, context.bound, spending);
      if (!lowered) return domain::budget::to_error(moved.error(), spending.show_amounts);
      plan = *lowered;
      moved = context.hold.rebase(what, plan.amount);
      if (moved.has_error()) return domain::budget::to_error(moved.error(), spending.show_amounts);
    }
    accept(context, candidate, plan);
    return {};
  }

  auto held =
      context.services->ledger.hold_between(context.key->scopes, what, plan.least, plan.amount);
  if (held.has_error()) return domain::budget::to_error(held.error(), spending.show_amounts);
  context.hold = std::move(*held);
  if (context.hold.amount() < plan.amount) {
    const auto lowered = domain::budget::fit_output_cap(plan, context.hold.amount(), deployment,
                                                        context.bound, spending);
    if (lowered) {
      plan = *lowered;
      context.hold.shrink(plan.amount);
    }
  }
  accept(context, candidate, plan);
  return {};
}

void book(RequestContext& context, const domain::budget::Settlement& settlement,
          std::size_t candidate, bool estimated, store::LedgerKind kind) {
  const auto& target = *context.plan.candidates[candidate].target;
  context.cost += settlement.amount;
  context.estimated = context.estimated || estimated;
  if (context.record) {
    store::LedgerCharge charge;
    charge.provider = target.provider->name;
    charge.model = context.alias->routable.alias().name;
    charge.amount = settlement.amount;
    charge.estimated = estimated;
    charge.overrun = settlement.overrun.value > 0;
    charge.kind = kind;
    charge.charged_at = settlement.charged_at;
    context.record->overrun = context.record->overrun || charge.overrun;
    if (settlement.amount.value > 0) context.record->charges.push_back(std::move(charge));
    context.record->held_at = settlement.charged_at;
  }
  pipeline::Services& services = *context.services;
  services.metrics.cost(context.alias->of(context.plan.candidates[candidate]).series,
                        settlement.amount);
  if (settlement.overrun.value > 0) services.metrics.budget_overruns().inc();
  for (const auto& event : settlement.events) services.alerts.on_budget_event(event);
}

base::NanoUsd charge_abandoned(RequestContext& context) {
  if (!context.hold) return {};
  if (!context.config().spending.charge_abandoned_attempts) {
    context.hold.release();
    return {};
  }
  // No answer byte was seen: the provider has read the input at most.
  domain::budget::TokenCounts seen;
  seen.input = std::min(estimate_tokens(context.body.size()), context.bound.input_tokens);
  const std::size_t candidate = context.held_candidate;
  const base::NanoUsd cost = domain::budget::settle_cost(deployment_of(context, candidate).price,
                                                         seen, context.config().spending);
  const auto settlement = context.hold.settle(std::min(cost, context.hold.amount()));
  book(context, settlement, candidate, true, store::LedgerKind::abandoned);
  return settlement.amount;
}

}  // namespace tollgate::stages
