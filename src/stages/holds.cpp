#include "stages/holds.hpp"

#include <algorithm>

#include "tollgate/domain/budget/refusal.hpp"
#include "tollgate/domain/tokens/estimate.hpp"
#include "tollgate/domain/tokens/media.hpp"

namespace tollgate::stages {

using domain::budget::Amounts;
using domain::budget::CallRef;
using domain::budget::HoldPlan;
using domain::budget::HoldRange;
using domain::budget::ScopePath;
using pipeline::AbandonedAttempt;
using pipeline::RequestContext;

namespace {

const config::Deployment& deployment_of(const RequestContext& context, std::size_t candidate) {
  if (context.priced) return *context.priced;
  return *context.plan.candidates[candidate].target->deployment;
}

/// Whether the call uses tokens that anybody pays for.
bool uses_tokens(const RequestContext& context) {
  return context.payload.is_model_call() && !context.free_of_charge;
}

const ScopePath& scopes_of(const RequestContext& context, std::size_t candidate) {
  return context.alias->of(context.plan.candidates[candidate]).scopes;
}

/// Bytes of the body that is forwarded: a mask can lengthen it.
std::size_t forwarded_bytes(const RequestContext& context) {
  return std::max(context.body.size(), context.edits.empty() ? 0 : context.edits.size());
}

/// Adds what the media of the call count on a deployment to its text.
void add_media(RequestContext& context, const config::Deployment& deployment) {
  const protocol::llm::MediaParts& parts = context.payload.fields.media;
  domain::budget::CallBound& bound = context.bound;
  bound.input_tokens = bound.text_tokens;
  if (parts.empty()) return;
  const auto media = domain::tokens::bound_media(parts, deployment);
  bound.input_tokens = media.input_tokens(bound.text_tokens);
  bound.has_unbounded_input = context.payload.fields.has_unbounded_input() || !media.is_known;
  bound.web_searches = media.is_known ? parts.web_searches : 0;
}

/// The strict bound on a deployment. Estimates are of the tokenizer of another.
void bind(RequestContext& context, const config::Deployment& deployment) {
  if (context.bound_is_estimate) {
    context.bound_is_estimate = false;
    context.bound.text_tokens =
        context.payload.dialect->text_token_bound(forwarded_bytes(context), context.payload.fields);
  }
  add_media(context, deployment);
}

/// Near a cap: the text of the call at an estimate from above. False when that brings nothing.
[[gnu::cold, gnu::noinline]] bool estimate_text(RequestContext& context,
                                                const config::Deployment& deployment) {
  const auto& parts = context.payload.fields.media;
  if (!context.config().spending.estimate_near_cap || context.bound_is_estimate) return false;
  std::string masked;
  std::string_view body = context.body;
  if (!context.edits.empty()) {
    if (!parts.encoded.empty()) return false;  // they stand elsewhere now
    masked = context.edits.str();
    body = masked;
  }
  std::int64_t tokens = context.payload.dialect->tokens_around(context.payload.fields);
  std::size_t at = 0;
  for (const json::NodeRef encoded : parts.encoded) {
    tokens += domain::tokens::estimate(body.substr(at, encoded.begin_offset() - at),
                                       deployment.tokenizer);
    at = encoded.end_offset();
  }
  tokens += domain::tokens::estimate(body.substr(at), deployment.tokenizer);
  if (tokens >= context.bound.text_tokens) return false;
  context.bound.text_tokens = tokens;
  context.bound_is_estimate = true;
  add_media(context, deployment);
  return true;
}

/// Makes plan and hold fit each other: what is held is at least plan.least.
void accept(RequestContext& context, std::size_t candidate, HoldPlan plan) {
  const config::Deployment& deployment = deployment_of(context, candidate);
  const config::Spending& spending = context.config().spending;
  const Amounts held = context.hold.amounts();
  bool is_less = false;
  const auto take = [&](const std::optional<HoldPlan>& lowered) {
    if (lowered && lowered->output_cap < plan.output_cap) {
      plan = *lowered;
      is_less = true;
    }
  };
  if (held.usd < plan.amount)
    take(domain::budget::fit_output_cap(plan, held.usd, deployment, context.bound, spending));
  if (uses_tokens(context))
    take(domain::budget::fit_tokens(plan, held.tokens, deployment, context.bound, spending));
  // More than wanted is held where an estimate has come below the bound that it was held for.
  if (is_less || context.bound_is_estimate)
    context.hold.shrink(demand_of(context, plan, Floor::least).most);
  context.hold_plan = plan;
  context.held_candidate = candidate;
  context.largest_hold = std::max(context.largest_hold, context.hold.amount());
}

}  // namespace

base::Result<HoldPlan> plan_for(const RequestContext& context, std::size_t candidate) {
  if (context.free_of_charge) return HoldPlan{};
  return domain::budget::plan_hold(deployment_of(context, candidate), context.bound,
                                   context.config().spending);
}

bool is_event_stream(const RequestContext& context) noexcept {
  return context.route.surface == pipeline::Surface::mcp &&
         context.head->method == protocol::http::Method::get;
}

HoldRange demand_of(const RequestContext& context, const HoldPlan& plan, Floor floor) {
  const std::int64_t requests = is_event_stream(context) ? 0 : 1;
  HoldRange range({plan.least, 0, requests}, {plan.useful, 0, requests},
                  {plan.amount, 0, requests});
  if (uses_tokens(context)) {
    range.least.tokens = domain::budget::token_bound(context.bound, plan.least_output_cap);
    range.useful.tokens = domain::budget::token_bound(context.bound, plan.useful_output_cap);
    range.most.tokens = domain::budget::token_bound(context.bound, plan.output_cap);
  }
  if (floor == Floor::useful) range.least = range.useful;
  return range;
}

CallRef call_ref(const RequestContext& context) {
  return {context.request_id, context.session_scope, context.end_user_scope};
}

namespace {

/// Makes or changes the hold, in one step: between asking for room and taking it another call could
/// have taken it. What refused it, else nothing.
std::optional<domain::budget::Refusal> take(RequestContext& context, std::size_t candidate,
                                            const HoldRange& range) {
  const ScopePath& what = scopes_of(context, candidate);
  if (context.hold) {
    const auto moved = context.hold.rebase(what, range);
    if (moved.has_error()) return moved.error();
    context.rates = context.services->ledger.rate_status(context.who, what);
    return std::nullopt;
  }
  auto held = context.services->ledger.hold_between(context.who, what, range, call_ref(context),
                                                    &context.rates);
  if (held.has_error()) return held.error();
  context.hold = std::move(*held);
  return std::nullopt;
}

/// Whether a smaller bound could help, now or when other calls have ended: not where a limit is
/// used up, and callers go on calling.
bool may_fit_tighter(const domain::budget::Refusal& refusal) {
  return refusal.kind != domain::budget::Refusal::Kind::full &&
         refusal.unit != config::BudgetUnit::requests && refusal.spent < refusal.limit;
}

}  // namespace

base::Result<void> hold_for(RequestContext& context, std::size_t candidate, Floor floor,
                            bool* can_wait) {
  const config::Deployment& deployment = deployment_of(context, candidate);
  const bool counts_tokens = uses_tokens(context);
  if (counts_tokens) bind(context, deployment);
  auto planned = plan_for(context, candidate);
  if (planned.has_error()) return planned.error();
  HoldRange range = demand_of(context, *planned, floor);
  auto refused = take(context, candidate, range);
  const Amounts held = context.hold.amounts();
  const bool is_whole = !refused && held.usd >= range.most.usd && held.tokens >= range.most.tokens;
  if (!is_whole && counts_tokens && (!refused || may_fit_tighter(*refused)) &&
      estimate_text(context, deployment)) {
    // Never dearer than the plan that was priced a moment ago, so it has a price.
    planned = plan_for(context, candidate);
    if (planned.has_error()) return planned.error();
    if (refused) {
      range = demand_of(context, *planned, floor);
      refused = take(context, candidate, range);
    }
  }
  if (refused) {
    if (can_wait != nullptr) *can_wait = refused->can_wait;
    return domain::budget::to_error(*refused, context.config().spending.show_amounts);
  }
  accept(context, candidate, *planned);
  return {};
}

base::Result<void> hold_place(RequestContext& context) {
  constexpr Amounts kOneRequest{{}, 0, 1};
  auto held = context.services->ledger.hold_between(context.who, {}, kOneRequest, kOneRequest,
                                                    call_ref(context), &context.rates);
  if (held.has_error())
    return domain::budget::to_error(held.error(), context.config().spending.show_amounts);
  context.hold = std::move(*held);
  return {};
}

void accept_hold(RequestContext& context, std::size_t candidate, const HoldPlan& plan,
                 domain::budget::Hold granted) {
  context.hold = std::move(granted);
  context.rates = context.services->ledger.rate_status(context.who, scopes_of(context, candidate));
  accept(context, candidate, plan);
}

namespace {

/// The scopes that the ledger's rows have no columns for.
void note_scopes(const RequestContext& context, store::AuditRecord& record) {
  static_assert(domain::budget::kNoSlot == store::kNoSlot);
  const auto add = [&record](config::ScopeKind kind, std::string_view prefix, std::string_view id) {
    store::AuditScope& scope = record.scopes.emplace_back();
    scope.kind = kind;
    scope.id.assign(prefix).append(id);
  };
  for (const std::string& tag : context.key->scoped_tags) add(config::ScopeKind::tag, {}, tag);
  for (const auto& source : context.key->live.list()) {
    const bool is_session = source.kind == config::ScopeKind::session;
    const std::string& id = is_session ? context.session_scope : context.end_user_scope;
    if (!id.empty()) add(source.kind, source.prefix, id);
  }
}

}  // namespace

void book(RequestContext& context, const domain::budget::Settlement& settlement,
          std::size_t candidate, std::size_t index, bool estimated, store::LedgerKind kind) {
  const auto& target = *context.plan.candidates[candidate].target;
  context.cost += settlement.amount;
  context.estimated = context.estimated || estimated;
  if (context.record) {
    store::AuditRecord& record = *context.record;
    const bool overrun = settlement.is_overrun;
    record.overrun = record.overrun || overrun;
    record.held_at = settlement.charged_at;
    if (!settlement.charged.is_nothing() || settlement.slot != domain::budget::kNoSlot) {
      if (record.charges.empty()) note_scopes(context, record);
      store::LedgerCharge& charge = record.charges.emplace_back();
      charge.provider = target.provider->name;
      charge.model = context.alias->routable.alias().name;
      charge.amount = settlement.amount;
      charge.tokens = settlement.charged.tokens;
      charge.calls = settlement.charged.requests;
      charge.slot = settlement.slot;
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
  if (settlement.is_overrun) services.metrics.budget_overruns().inc();
  for (const auto& event : settlement.events) services.alerts.on_budget_event(event);
}

void keep_abandoned(RequestContext& context, std::size_t index, Received received) {
  if (!context.hold) return;
  const std::size_t candidate = context.held_candidate;
  // Whatever comes of it, the next attempt needs money of its own.
  context.held_candidate = RequestContext::kNotHeld;
  Amounts charge = context.hold.amounts();
  const auto rule = context.config().spending.abandoned_attempts;
  if (rule == config::AbandonedAttempts::free) {
    charge = {};
  } else if (rule == config::AbandonedAttempts::estimate && !received.is_cut_off) {
    domain::budget::TokenCounts seen;
    seen.modifier = context.bound.modifier;
    seen.input = std::min(estimate_tokens(context.body.size()), context.bound.input_tokens);
    if (context.bound.has_output)
      seen.output = estimate_tokens(received.answer_bytes) + received.silent_tokens;
    // An estimate of ours never breaks a cap that the provider was bound to.
    charge = {
        std::min(charge.usd, domain::budget::settle_cost(deployment_of(context, candidate).price,
                                                         seen, context.config().spending)),
        std::min(charge.tokens, seen.input + seen.output), 0};
  }
  charge.requests = 0;
  if (charge.is_nothing()) {
    context.hold.shrink({});
    return;
  }
  domain::budget::Hold part = context.hold.split(charge);
  // Without a place for two of them the whole goes with the attempt, and the next begins anew.
  if (!part) part = std::move(context.hold);
  context.abandoned.emplace_back(std::move(part), candidate, index);
}

std::int64_t silent_output(const config::Spending& spending,
                           std::chrono::nanoseconds span) noexcept {
  // Longer than a network and a prompt take.
  constexpr std::chrono::nanoseconds kSilence = std::chrono::seconds(3);
  const auto worked = std::chrono::duration_cast<std::chrono::milliseconds>(span - kSilence);
  return worked.count() <= 0 ? 0 : worked.count() * spending.silent_output_rate / 1'000;
}

void settle_abandoned(RequestContext& context) {
  for (AbandonedAttempt& attempt : context.abandoned) {
    const auto settlement = attempt.hold.settle(attempt.hold.amounts(), true);
    book(context, settlement, attempt.candidate, attempt.index, true, store::LedgerKind::abandoned);
  }
  context.abandoned.clear();
}

}  // namespace tollgate::stages
