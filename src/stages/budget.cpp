#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "stages/holds.hpp"
#include "tollgate/domain/keys/key_format.hpp"
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
  LineWaiter(const RequestContext& context, const domain::budget::ScopePath& what,
             const domain::budget::HoldRange& range)
      : LineWaiter(context, what, range,
                   std::make_unique<Ids>(context.request_id, context.session_scope,
                                         context.end_user_scope)) {}

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
  /// The call may be gone, and its texts another's, before the waiter is.
  struct Ids {
    Ids(std::string r, std::string s, std::string e)
        : request(std::move(r)), session(std::move(s)), end_user(std::move(e)) {}
    std::string request, session, end_user;
  };
  LineWaiter(const RequestContext& context, const domain::budget::ScopePath& what,
             const domain::budget::HoldRange& range, std::unique_ptr<Ids> ids)
      : Waiter(context.who, what, range, {ids->request, ids->session, ids->end_user}),
        ids_(std::move(ids)),
        loop_(context.services->upstream) {}

  std::unique_ptr<Ids> ids_;
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
    if (!pipeline::is_limited(context.route.surface)) return Verdict::proceed();
    if (is_event_stream(context) && !enter_stream(context))
      return Verdict::refuse(too_many_streams(context));
    if (auto named = name_scopes(context); named.has_error())
      return Verdict::refuse(std::move(named).error());
    if (context.plan.candidates.empty()) {
      auto placed = hold_place(context);
      return placed.has_error() ? Verdict::refuse(std::move(placed).error()) : Verdict::proceed();
    }
    if (!context.free_of_charge) context.bound = context.payload.bound(context.body.size());
    bool can_wait = false;
    auto held = hold_for(context, 0, Floor::useful, &can_wait);
    if (!held.has_error()) return Verdict::proceed();
    return hold_otherwise(context, std::move(held).error(), can_wait);
  }

  void on_complete(RequestContext& context) noexcept override {
    settle_abandoned(context);
    if (context.hold && context.attempts > 0) {
      // Without an answer nothing was sent, or an error status came back, which costs nothing but
      // the request.
      if (context.served_by != nullptr && !context.free_of_charge) {
        settle(context);
      } else {
        settle_request(context);
      }
    }
    context.hold.release();
  }

 private:
  /// One more stream of this key at this server; it counts until the call has ended.
  [[gnu::cold]] static bool enter_stream(RequestContext& context) {
    context.event_stream = context.services->event_streams.enter(
        context.key->id, context.route.name, context.config().limits.event_streams_per_key);
    return static_cast<bool>(context.event_stream);
  }

  [[gnu::cold]] static Error too_many_streams(const RequestContext& context) {
    return Error(ErrorCode::rate_limited,
                 fmt::format("this key has as many open event streams of the MCP server `{}` as "
                             "limits.event_streams_per_key allows: {}",
                             context.route.name, context.config().limits.event_streams_per_key))
        .with_limit(base::Limit::event_streams_per_key)
        .with_retry_after(1);
  }

  /// The scopes that the call itself brings: its session and its end user.
  static base::Result<void> name_scopes(RequestContext& context) {
    context.who = context.key->scopes;
    const auto& live = context.key->live;
    if (live.empty()) return {};
    const pipeline::Payload& payload = context.payload;
    if (live.wants_session()) {
      const std::string& id = payload.session_id.empty() ? payload.trace_id : payload.session_id;
      set_scope_id(id, context.session_scope);
    }
    if (live.wants_end_user()) {
      const std::string& header = context.config().end_user_header;
      std::string_view id = payload.fields.end_user;
      if (id.empty() && !header.empty()) id = context.head->headers.value(header);
      set_scope_id(id, context.end_user_scope);
    }
    return context.services->ledger.add_live(live, call_ref(context), context.who);
  }

  static void set_scope_id(std::string_view id, std::string& out) {
    out.clear();
    if (id.empty()) return;
    if (domain::keys::contains_key(id)) {
      domain::budget::set_live_digest(id, out);  // no credential stands in the ledger
    } else {
      domain::budget::set_live_id(id, out);
    }
  }

  /// The plan's first candidate was refused with `told`, at an output cap that is worth a call. In
  /// this order: wait in line for such a one, where that may help; take a lower one; wait for that;
  /// the next candidate. Candidates before the one that can be paid for are the router's to skip.
  static base::Task<Verdict> hold_otherwise(RequestContext& context, Error told, bool can_wait) {
    const base::Clock& clock = context.services->clock;
    const auto longest = context.config().spending.hold_wait;
    const base::Deadline until =
        base::Deadline::after(clock.mono(), longest).earlier(context.deadline);
    bool exceeded = is_exceeded(told);
    for (std::size_t i = 0;;) {
      for (const Floor floor : kFloors) {
        if (!exceeded) break;
        if (can_wait && longest.count() > 0 && !until.passed(clock.mono())) {
          const bool granted = co_await wait_for(context, i, floor, until);
          if (granted || context.cancel.cancelled()) co_return Verdict::proceed();
          if (context.deadline.passed(clock.mono()))
            co_return Verdict::refuse(domain::routing::out_of_time());
        }
        // What stood in the way when the wait began is no answer at its end.
        auto held = hold_for(context, i, Floor::least, &can_wait);
        if (!held.has_error()) co_return Verdict::proceed();
        told = std::move(held).error();
        exceeded = is_exceeded(told) && can_wait;
      }
      if (++i == context.plan.candidates.size()) break;
      auto held = hold_for(context, i, Floor::useful, &can_wait);
      if (!held.has_error()) co_return Verdict::proceed();
      exceeded = is_exceeded(held.error());
    }
    co_return Verdict::refuse(std::move(told));
  }

  /// Whether a limit refused, where less may fit.
  static bool is_exceeded(const Error& told) {
    return told.code() == ErrorCode::budget_exceeded || told.code() == ErrorCode::rate_limited;
  }

  static constexpr Floor kFloors[] = {Floor::useful, Floor::least};

  /// When the next window opens on a waiting call's path. Those that are open now serve it at once.
  static base::Deadline next_look(domain::budget::Ledger& ledger,
                                  const domain::budget::Waiter& waiter, const base::Clock& clock) {
    const auto opens = ledger.open_windows(waiter);
    if (!opens) return base::Deadline::never();
    // Not at once again, should the clock have stepped back behind the ledger's time.
    constexpr std::chrono::nanoseconds kSoonest = std::chrono::milliseconds(1);
    return base::Deadline::after(
        clock.mono(), std::max<std::chrono::nanoseconds>(*opens - clock.wall(), kSoonest));
  }

  /// Waits for other calls' holds to come back; true when the call then holds its money.
  static base::Task<bool> wait_for(RequestContext& context, std::size_t candidate, Floor floor,
                                   base::Deadline until) {
    auto planned = plan_for(context, candidate);
    if (planned.has_error()) co_return false;
    const auto& what = context.alias->of(context.plan.candidates[candidate]).scopes;
    auto waiter = std::make_shared<LineWaiter>(context, what, demand_of(context, *planned, floor));
    auto& ledger = context.services->ledger;
    if (!ledger.wait(waiter)) co_return false;
    {
      auto waiting = context.services->metrics.hold_waiting();
      waiting.inc();
      const WakeOnCancel pass_on(context.cancel, waiter->wake);
      context.hold_awaited = true;
      const base::Clock& clock = context.services->clock;
      // Of windows that open nobody tells: the call itself looks when the next one on its path
      // does.
      while (!waiter->outcome && !waiter->wake.cancelled() && !until.passed(clock.mono())) {
        const base::Deadline look = next_look(ledger, *waiter, clock).earlier(until);
        co_await context.services->upstream.sleep_until(look, waiter->wake);
      }
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

  /// A call that cost nothing: it counts where requests are counted.
  static void settle_request(RequestContext& context) noexcept {
    const auto settlement = context.hold.settle({{}, 0, context.hold.amounts().requests});
    const std::size_t candidate = context.served_by != nullptr ? context.served_candidate : 0;
    book(context, settlement, candidate, 0, false, store::LedgerKind::call);
  }

  /// Whether an estimate is no basis for what the answer cost.
  static bool costs_its_hold(const RequestContext& context) noexcept {
    return context.answer_unmeasured || !context.usage.tells_cost() ||
           (!context.usage_is_final &&
            context.config().spending.abandoned_attempts == config::AbandonedAttempts::hold);
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
      cost = costs_its_hold(context) ? held : std::min(cost, held);
      const TokenCounts reported = context.payload.to_counts(context.usage);
      cost = std::max(cost, domain::budget::settle_cost(deployment.price, reported, spending));
    }
    std::int64_t tokens = domain::budget::total(counts);
    const std::int64_t held_tokens = context.hold.amounts().tokens;
    if (use.is_estimated) {
      tokens = costs_its_hold(context) ? held_tokens : std::min(tokens, held_tokens);
      tokens = std::max(tokens, domain::budget::total(context.payload.to_counts(context.usage)));
    }
    use.is_estimated =
        use.is_estimated || domain::budget::has_unknown_price(deployment.price, counts);
    const auto settlement =
        context.hold.settle({cost, tokens, context.hold.amounts().requests}, use.is_estimated,
                            context.bound_is_estimate ? domain::budget::HeldAt::estimate
                                                      : domain::budget::HeldAt::strict_bound);
    // The attempt that answered is the last one.
    const std::size_t index = context.record ? context.record->attempts.size() - 1 : 0;
    book(context, settlement, context.served_candidate, index, use.is_estimated,
         store::LedgerKind::call);
    auto& metrics = context.services->metrics;
    const auto& series = context.alias->series;
    using telemetry::TokenKind;
    const std::int64_t input = counts.input + counts.audio_input;
    const std::int64_t output = counts.output + counts.audio_output;
    const std::int64_t cache_read = counts.cache_read + counts.audio_cache_read;
    if (input > 0) metrics.tokens(series, TokenKind::input).inc(input);
    if (output > 0) metrics.tokens(series, TokenKind::output).inc(output);
    if (cache_read > 0) metrics.tokens(series, TokenKind::cache_read).inc(cache_read);
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
