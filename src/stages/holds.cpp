#include "stages/holds.hpp"

#include <algorithm>

#include "tollgate/domain/budget/refusal.hpp"

namespace tollgate::stages {

using domain::budget::HoldPlan;
using domain::budget::ScopePath;
using pipeline::AbandonedAttempt;
using pipeline::RequestContext;

namespace {

const config::Deployment& deployment_of(const RequestContext& context, std::size_t candidate) {
  if (context.priced) return *context.priced;
  return *context.plan.candidates[candidate].target->deployment;
}

const ScopePath& scopes_of(const RequestContext& context, std::size_t candidate) {
  return context.alias->of(context.plan.candidates[candidate]).scopes;
}

/// Makes plan and hold fit each other: what is held is at least plan.least.
void accept(RequestContext& context, std::size_t candidate, HoldPlan plan) {
  if (context.hold.amount() < plan.amount) {
    const auto lowered = domain::budget::fit_output_cap(plan, context.hold.amount(),
                                                        deployment_of(context, candidate),
                                                        context.bound, context.config().spending);
    if (lowered) {
      plan = *lowered;
      context.hold.shrink(plan.amount);
    }
  }
  context.hold_plan = plan;
  context.held_candidate = candidate;
  context.largest_hold = std::max(context.largest_hold, context.hold.amount());
}

}  // namespace

base::Result<HoldPlan> plan_for(const RequestContext& context, std::size_t candidate) {
  return domain::budget::plan_hold(deployment_of(context, candidate), context.bound,
                                   context.config().spending);
}

base::Result<void> hold_for(RequestContext& context, std::size_t candidate) {
  const bool show_amounts = context.config().spending.show_amounts;
  const ScopePath& what = scopes_of(context, candidate);
  auto planned = plan_for(context, candidate);
  if (planned.has_error()) return planned.error();
  const HoldPlan& plan = *planned;
  // One step each: between asking for room and taking it another call could have taken it.
  if (context.hold) {
    const auto moved = context.hold.rebase(what, plan.least, plan.amount);
    if (moved.has_error()) return domain::budget::to_error(moved.error(), show_amounts);
  } else {
    auto held =
        context.services->ledger.hold_between(context.key->scopes, what, plan.least, plan.amount);
    if (held.has_error()) return domain::budget::to_error(held.error(), show_amounts);
    context.hold = std::move(*held);
  }
  accept(context, candidate, plan);
  return {};
}

void accept_hold(RequestContext& context, std::size_t candidate, const HoldPlan& plan,
                 domain::budget::Hold granted) {
  context.hold = std::move(granted);
  accept(context, candidate, plan);
}

void book(RequestContext& context, const domain::budget::Settlement& settlement,
          std::size_t candidate, std::size_t index, bool estimated, store::LedgerKind kind) {
  const auto& target = *context.plan.candidates[candidate].target;
  context.cost += settlement.amount;
  context.estimated = context.estimated || estimated;
  if (context.record) {
    store::AuditRecord& record = *context.record;
    const bool overrun = settlement.overrun.value > 0;
    record.overrun = record.overrun || overrun;
    record.held_at = settlement.charged_at;
    if (settlement.amount.value > 0) {
      store::LedgerCharge& charge = record.charges.emplace_back();
      charge.provider = target.provider->name;
      charge.model = context.alias->routable.alias().name;
      charge.amount = settlement.amount;
      charge.estimated = estimated;
      charge.overrun = overrun;
      charge.kind = kind;
      charge.charged_at = settlement.charged_at;
    }
    if (index < record.attempts.size()) record.attempts[index].billed += settlement.amount;
  }
  pipeline::Services& services = *context.services;
  services.metrics.cost(context.alias->of(context.plan.candidates[candidate]).series,
                        settlement.amount);
  if (settlement.overrun.value > 0) services.metrics.budget_overruns().inc();
  for (const auto& event : settlement.events) services.alerts.on_budget_event(event);
}

void keep_abandoned(RequestContext& context, std::size_t index, Received received) {
  if (!context.hold) return;
  if (!context.config().spending.charge_abandoned_attempts) {
    context.hold.release();
    return;
  }
  const std::size_t candidate = context.held_candidate;
  if (!received.is_cut_off) {
    domain::budget::TokenCounts seen;
    seen.input = std::min(estimate_tokens(context.body.size()), context.bound.input_tokens);
    if (context.bound.has_output) seen.output = estimate_tokens(received.answer_bytes);
    // An estimate of ours never breaks a cap that the provider was bound to.
    context.hold.shrink(domain::budget::settle_cost(deployment_of(context, candidate).price, seen,
                                                    context.config().spending));
  }
  context.abandoned.emplace_back(std::move(context.hold), candidate, index);
}

void settle_abandoned(RequestContext& context) {
  for (AbandonedAttempt& attempt : context.abandoned) {
    const auto settlement = attempt.hold.settle(attempt.hold.amount());
    book(context, settlement, attempt.candidate, attempt.index, true, store::LedgerKind::abandoned);
  }
  context.abandoned.clear();
}

}  // namespace tollgate::stages
