#include <algorithm>
#include <atomic>

#include "stages/holds.hpp"
#include "tollgate/domain/routing/attempt_loop.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/stages/stages.hpp"

namespace tollgate::stages {
namespace {

using base::Error;
using base::ErrorCode;
using domain::budget::HoldResult;
using domain::budget::TokenCounts;
using pipeline::RequestContext;
using pipeline::Verdict;

/// Waits in the ledger's line; wakes the call's coroutine on its own worker.
class LineWaiter final : public domain::budget::Waiter,
                         public std::enable_shared_from_this<LineWaiter> {
 public:
  LineWaiter(domain::budget::ScopePath who, domain::budget::ScopePath what, base::NanoUsd least,
             base::NanoUsd most, pipeline::UpstreamClient& loop)
      : Waiter(who, what, least, most), loop_(loop) {}

  void on_outcome(HoldResult result) noexcept override {
    // Any thread. The result travels to the worker; if the call is gone by then, the hold in it
    // releases itself.
    auto shared = std::make_shared<HoldResult>(std::move(result));
    loop_.post([self = shared_from_this(), shared] {
      if (self->abandoned) return;
      self->outcome.emplace(std::move(*shared));
      self->wake.cancel();
    });
  }

  pipeline::CancelSignal wake;
  std::optional<HoldResult> outcome;
  bool abandoned = false;

 private:
  pipeline::UpstreamClient& loop_;
};

/// Passes a cancelled call on to the wait.
class WakeOnCancel final : public pipeline::CancelSlot {
 public:
  WakeOnCancel(pipeline::CancelSignal& call, pipeline::CancelSignal& wake)
      : call_(call), wake_(wake) {
    call_.attach(this);
  }
  ~WakeOnCancel() override { call_.detach(); }
  WakeOnCancel(const WakeOnCancel&) = delete;
  WakeOnCancel& operator=(const WakeOnCancel&) = delete;
  void on_cancel() noexcept override { wake_.cancel(); }

 private:
  pipeline::CancelSignal& call_;
  pipeline::CancelSignal& wake_;
};

class BudgetStage final : public pipeline::Stage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "budget"; }
  [[nodiscard]] bool sees_events() const noexcept override { return false; }

  pipeline::Decision on_request(RequestContext& context) override {
    if (context.free_of_charge || context.plan.candidates.empty()) return Verdict::proceed();
    context.bound = context.payload.bound(context.body.size());
    auto held = hold_for(context, 0);
    if (!held.has_error()) return Verdict::proceed();
    return hold_otherwise(context, std::move(held).error());
  }

  void on_complete(RequestContext& context) noexcept override {
    settle_abandoned(context);
    // Without an answer nothing was sent, or an error status came back, which costs nothing.
    if (context.hold && context.served_by != nullptr) settle(context);
    context.hold.release();
  }

 private:
  /// The plan's first candidate was refused with `told`: waits in line where that may help, then
  /// tries the next. Candidates before the one that can be paid for are the router's to skip.
  static base::Task<Verdict> hold_otherwise(RequestContext& context, Error told) {
    const bool may_wait = context.config().spending.hold_wait.count() > 0;
    bool exceeded = told.code() == ErrorCode::budget_exceeded;
    for (std::size_t i = 0;;) {
      if (exceeded && may_wait) {
        const bool granted = co_await wait_for(context, i);
        if (granted || context.cancel.cancelled()) co_return Verdict::proceed();
        if (context.deadline.passed(context.services->clock.mono()))
          co_return Verdict::refuse(domain::routing::out_of_time());
        // What stood in the way when the wait began is no answer at its end.
        auto held = hold_for(context, i);
        if (!held.has_error()) co_return Verdict::proceed();
        told = std::move(held).error();
      }
      if (++i == context.plan.candidates.size()) break;
      auto held = hold_for(context, i);
      if (!held.has_error()) co_return Verdict::proceed();
      exceeded = held.error().code() == ErrorCode::budget_exceeded;
    }
    co_return Verdict::refuse(std::move(told));
  }

  /// Waits for other calls' holds to come back; true when the call then holds its money.
  static base::Task<bool> wait_for(RequestContext& context, std::size_t candidate) {
    auto planned = plan_for(context, candidate);
    if (planned.has_error()) co_return false;
    const auto& what = context.alias->of(context.plan.candidates[candidate]).scopes;
    auto waiter = std::make_shared<LineWaiter>(context.key->scopes, what, planned->least,
                                               planned->amount, context.services->upstream);
    auto& ledger = context.services->ledger;
    const base::Deadline until =
        base::Deadline::after(context.services->clock.mono(), context.config().spending.hold_wait)
            .earlier(context.deadline);
    if (!ledger.wait(waiter)) co_return false;
    {
      auto waiting = context.services->metrics.hold_waiting();
      waiting.inc();
      const WakeOnCancel pass_on(context.cancel, waiter->wake);
      context.hold_awaited = true;
      co_await context.services->upstream.sleep_until(until, waiter->wake);
      waiting.dec();
    }
    if (!waiter->outcome) {
      ledger.cancel(*waiter);
      // An outcome that is already on its way here is dropped, and its hold with it.
      waiter->abandoned = true;
      co_return false;
    }
    if (waiter->outcome->has_error()) co_return false;
    accept_hold(context, candidate, *planned, std::move(**waiter->outcome));
    co_return true;
  }

  static void settle(RequestContext& context) noexcept {
    const config::Deployment& deployment =
        context.priced ? *context.priced : *context.served_by->deployment;
    pipeline::Payload::Use use;
    if (context.payload.is_model_call())
      use = context.payload.use(context.usage, context.usage_is_final, context.body.size());
    const TokenCounts& counts = use.counts;
    context.payload.final_counts = counts;
    const config::Spending& spending = context.config().spending;
    base::NanoUsd cost = domain::budget::settle_cost(deployment.price, counts, spending);
    if (use.is_estimated) {
      // The hold is the most that can be billed within the cap the provider was sent; our guess is
      // no proof of more, and must not close a budget. What the provider itself has reported is.
      const base::NanoUsd held = context.hold.amount();
      cost = context.answer_unmeasured || context.usage.is_absurd ? held : std::min(cost, held);
      const TokenCounts reported = context.payload.to_counts(context.usage);
      cost = std::max(cost, domain::budget::settle_cost(deployment.price, reported, spending));
    }
    const auto settlement = context.hold.settle(cost);
    // The attempt that answered is the last one.
    const std::size_t index = context.record ? context.record->attempts.size() - 1 : 0;
    book(context, settlement, context.served_candidate, index, use.is_estimated,
         store::LedgerKind::call);
    auto& metrics = context.services->metrics;
    const auto& series = context.alias->series;
    using telemetry::TokenKind;
    if (counts.input > 0) metrics.tokens(series, TokenKind::input).inc(counts.input);
    if (counts.output > 0) metrics.tokens(series, TokenKind::output).inc(counts.output);
    if (counts.cache_read > 0) metrics.tokens(series, TokenKind::cache_read).inc(counts.cache_read);
    if (counts.cache_write_5m + counts.cache_write_1h > 0)
      metrics.tokens(series, TokenKind::cache_write)
          .inc(counts.cache_write_5m + counts.cache_write_1h);
    if (context.usage.reasoning > 0)
      metrics.tokens(series, TokenKind::reasoning).inc(context.usage.reasoning);
  }
};

}  // namespace

std::unique_ptr<pipeline::Stage> make_budget_stage() {
  return std::make_unique<BudgetStage>();
}

}  // namespace tollgate::stages
