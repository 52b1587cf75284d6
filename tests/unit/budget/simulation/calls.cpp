// The steps of calls.
#include <algorithm>

#include "tollgate/config/names.hpp"
#include "unit/budget/simulation/simulation.hpp"

namespace tollgate::domain::budget::simulation {

void Simulation::Recorder::on_outcome(HoldResult outcome) noexcept {
  Simulation& sim = simulation_;
  sim.expect(!is_done, "a waiter was told twice");
  is_done = true;
  if (sim.is_dead_) return;
  std::vector<ScopeIndex> scopes = caller->who;
  scopes.insert(scopes.end(), what.begin(), what.end());
  const Judgement judged = sim.model_.judge(scopes, least, nullptr);
  if (outcome.has_error()) {
    ++sim.totals_.waits_refused;
    sim.expect(!outcome.error().can_wait, "waiting ended with a refusal that says: wait");
    sim.check_refusal(judged, outcome.error());
  } else {
    ++sim.totals_.waits_granted;
    sim.check_grant(judged, least, most, outcome->amounts());
    sim.remember(*caller, what, std::move(*outcome));
  }
  if (is_in_line) sim.model_.leave_line(caller->who);
}

void Simulation::step() {
  const std::int64_t what = pick(0, 99);
  if (what < 33) return start_call();
  if (what < 36) return wait();
  if (what < 39) return cancel_wait();
  if (what < 45) return advance_clock();
  if (what < 47) return reconfigure();
  if (what < 48) return adjust();
  if (what < 49) return crash();
  if (what < 53) return record(pick_of(ended_.size() + 1));
  if (what < 57) return commit(pick_of(recorded_.size() + 1));
  if (calls_.empty()) return;
  const std::size_t at = pick_of(calls_.size());
  Call& call = calls_[at];
  if (what < 62) return shrink(*call.main);
  if (what < 70) return rebase(*call.main);
  if (what < 75) return split(call);
  if (what < 77) {
    if (!call.parts.empty()) shrink(*call.parts[pick_of(call.parts.size())]);
    return;
  }
  end_call(at);
}

std::optional<Simulation::Caller> Simulation::random_caller() {
  const std::int64_t k = chance(50) ? busy_key_ : pick(0, 5);
  const std::string key = fmt::format("k{}", k);
  const std::string agent = fmt::format("a{}", k / 2);
  // A key may have moved to another team since.
  const std::string team = fmt::format("t{}", chance(10) ? pick(0, 1) : k / 3);
  Caller caller;
  caller.call = fmt::format("req_{}", ++next_call_);
  caller.who = {model_.scope(ScopeKind::key, key), model_.scope(ScopeKind::agent, agent),
                model_.scope(ScopeKind::team, team), model_.scope(ScopeKind::org, "o")};
  for (const char* tag : {"eu", "batch"})
    if (chance(30)) caller.who.push_back(model_.scope(ScopeKind::tag, tag));
  caller.ledger_who = resolve(caller.who);
  if (chance(60)) caller.session = fmt::format("s{}", pick(0, 11));
  if (chance(40)) caller.end_user = fmt::format("u{}", pick(0, 3));

  const KeyOwners owners{key, agent, team, "o"};
  bool has_place = true;
  const std::size_t known = model_.live().size();
  for (const Model::LiveName& live : model_.live_names(owners, caller.session, caller.end_user)) {
    has_place = model_.touch(live);
    // One that was forgotten begins anew, and is told of anew.
    std::erase_if(told_, [this](const auto& told) {
      const bool is_of_call =
          std::get<0>(told) == ScopeKind::session || std::get<0>(told) == ScopeKind::end_user;
      return is_of_call &&
             !model_.scopes[model_.scope(std::get<0>(told), std::get<1>(told))].is_live;
    });
    if (!has_place) break;
    caller.who.push_back(live.scope);
  }
  const std::size_t now_known = model_.live().size();
  if (now_known > known) totals_.live_seen += static_cast<std::int64_t>(now_known - known);
  if (now_known < known) totals_.live_forgotten += static_cast<std::int64_t>(known - now_known);
  const LiveSources sources = ledger_->live_sources(owners);
  const auto added = ledger_->add_live(sources, caller.ref(), caller.ledger_who);
  if (!expect(added.has_value() == has_place, "add_live: place {}, the model says {}",
              added.has_value(), has_place))
    return std::nullopt;
  expect(!has_place || caller.ledger_who.size() == caller.who.size(),
         "a path of {} scopes, the model says {}", caller.ledger_who.size(), caller.who.size());
  if (has_place) return caller;
  ++totals_.no_place;
  return std::nullopt;
}

std::vector<ScopeIndex> Simulation::random_what() {
  return {model_.scope(ScopeKind::model, fmt::format("m{}", pick(0, 2))),
          model_.scope(ScopeKind::provider, fmt::format("p{}", pick(0, 1)))};
}

Amounts Simulation::random_amounts() {
  const std::int64_t usd = chance(8) ? 0 : chance(20) ? pick(1, 3) : pick(1, 400'000'000);
  const std::int64_t tokens = chance(8) ? 0 : pick(1, 4'000);
  return {{usd}, tokens, 1};
}

ScopePath Simulation::resolve(const std::vector<ScopeIndex>& path) {
  std::vector<ScopeName> names;
  names.reserve(path.size());
  for (const ScopeIndex index : path)
    names.push_back({model_.scopes[index].kind, model_.scopes[index].id});
  return ledger_->resolve(names);
}

Held& Simulation::remember(const Caller& caller, std::vector<ScopeIndex> what, Hold hold) {
  Held& held = *held_.emplace_back(std::make_unique<Held>());
  held.call = caller.call;
  held.session = caller.session;
  held.end_user = caller.end_user;
  held.who = caller.who;
  held.what = std::move(what);
  held.amounts = hold.amounts();
  held.hold = std::move(hold);
  model_.open(held);
  calls_.push_back({&held, {}});
  return held;
}

void Simulation::check_grant(const Judgement& judged, const Amounts& least, const Amounts& most,
                             const Amounts& granted) {
  ++totals_.holds;
  expect(judged.fits(), "granted although \"{}\" has no room",
         judged.fits() ? "" : judged.blockers.front().name);
  const Amounts wanted = judged.granted(least, most);
  expect(granted == wanted, "granted {} {} {}, the model says {} {} {}", granted.usd.value,
         granted.tokens, granted.requests, wanted.usd.value, wanted.tokens, wanted.requests);
}

void Simulation::check_refusal(const Judgement& judged, const Refusal& refusal) {
  if (!expect(!judged.fits(), "refused by {} \"{}\", but everything fits",
              config::name_of(refusal.scope), refusal.budget))
    return;
  const auto outlasts = [](const Blocker& a, const Blocker& b) {
    if (a.severity != b.severity) return a.severity < b.severity;
    if (a.severity != Blocker::Severity::window_slides) return false;
    return b.wait ? a.wait && *a.wait < *b.wait : a.wait.has_value();
  };
  const Blocker& worst =
      *std::max_element(judged.blockers.begin(), judged.blockers.end(), outlasts);
  const auto told =
      std::find_if(judged.blockers.begin(), judged.blockers.end(), [&](const Blocker& b) {
        const ModelScope& scope = model_.scopes[b.scope];
        return scope.kind == refusal.scope && scope.id == refusal.scope_id &&
               b.name == refusal.budget && b.kind == refusal.kind;
      });
  if (!expect(told != judged.blockers.end(), "refused by {} \"{}\" \"{}\", which has room",
              config::name_of(refusal.scope), refusal.scope_id, refusal.budget))
    return;
  expect(!outlasts(*told, worst), "refused by \"{}\", but \"{}\" keeps the caller out longer",
         told->name, worst.name);
  expect(told->limit == refusal.limit.value && told->spent == refusal.spent.value &&
             told->held == refusal.held.value && told->asked == refusal.asked.value,
         "refusal tells limit {} spent {} held {} asked {}, the model says {} {} {} {}",
         refusal.limit.value, refusal.spent.value, refusal.held.value, refusal.asked.value,
         told->limit, told->spent, told->held, told->asked);
  expect(refusal.can_wait == (worst.severity == Blocker::Severity::others_end),
         "refusal says can_wait {}", refusal.can_wait);
  const std::optional<MonoMicros> wait =
      refusal.retry_after ? std::optional(refusal.retry_after->count()) : std::nullopt;
  expect(wait == told->wait, "Retry-After {} us, the model says {}", wait.value_or(-1),
         told->wait.value_or(-1));
  if (refusal.kind == Refusal::Kind::budget) ++totals_.budget_refusals;
  if (refusal.kind == Refusal::Kind::rate) ++totals_.rate_refusals;
  if (refusal.kind == Refusal::Kind::concurrency) ++totals_.concurrency_refusals;
}

void Simulation::check_rates(const std::vector<ScopeIndex>& path, const RateStatus& rates) {
  RateStatus wanted;
  for (const ScopeIndex index : path) {
    for (const ModelRate& rate : model_.scopes[index].rates) {
      if (rate.config.unit == RateUnit::concurrent) continue;
      RateStatus::One& one = rate.config.unit == RateUnit::tokens ? wanted.tokens : wanted.requests;
      const std::int64_t used = model_.used(model_.scopes[index], rate);
      const std::int64_t left = std::max<std::int64_t>(rate.config.limit - used, 0);
      if (!one.is_limited || left < one.remaining) one = {true, rate.config.limit, left, {}};
    }
  }
  for (const auto one : {&RateStatus::requests, &RateStatus::tokens})
    expect((rates.*one).is_limited == (wanted.*one).is_limited &&
               (rates.*one).remaining == (wanted.*one).remaining,
           "x-ratelimit says {} left, the model says {}", (rates.*one).remaining,
           (wanted.*one).remaining);
}

void Simulation::start_call() {
  const std::optional<Caller> caller = random_caller();
  if (!caller) return;
  const std::vector<ScopeIndex> what = random_what();
  const Amounts least = random_amounts();
  Amounts most = least;
  if (chance(30)) most = {least.usd + random_amounts().usd, least.tokens + pick(0, 9'000), 1};
  std::vector<ScopeIndex> scopes = caller->who;
  scopes.insert(scopes.end(), what.begin(), what.end());
  const Judgement judged = model_.judge(scopes, least, nullptr);
  RateStatus rates;
  HoldResult result =
      ledger_->hold_between(caller->ledger_who, resolve(what), least, most, caller->ref(), &rates);
  if (result.has_error()) {
    check_refusal(judged, result.error());
  } else {
    check_grant(judged, least, most, result->amounts());
    remember(*caller, what, std::move(*result));
  }
  check_rates(scopes, rates);
  if (result.has_error() && result.error().can_wait && chance(60)) wait(*caller, what, least, most);
}

void Simulation::wait() {
  const std::optional<Caller> caller = random_caller();
  if (!caller) return;
  const Amounts least = random_amounts();
  Amounts most = least;
  if (chance(30)) most.usd += random_amounts().usd;
  wait(*caller, random_what(), least, most);
}

void Simulation::wait(const Caller& caller, const std::vector<ScopeIndex>& what,
                      const Amounts& least, const Amounts& most) {
  const auto waiter = std::make_shared<Recorder>(*this, std::make_shared<const Caller>(caller),
                                                 what, resolve(what), least, most);
  ++totals_.waits;
  const bool is_queued = ledger_->wait(waiter);
  if (is_queued && !waiter->is_done) {
    waiter->is_in_line = true;
    model_.enter_line(caller.who);
    waiting_.push_back(waiter);
  }
  totals_.longest_line = std::max(totals_.longest_line, std::ssize(waiting_));
  forget_done_waiters();
}

void Simulation::cancel_wait() {
  if (waiting_.empty()) return;
  const std::size_t at = pick_of(waiting_.size());
  const std::shared_ptr<Recorder> waiter = waiting_[at];
  waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(at));
  ++totals_.waits_cancelled;
  model_.leave_line(waiter->caller->who);
  expect(ledger_->cancel(*waiter), "a waiter in line could not be cancelled");
  expect(!waiter->is_done, "a cancelled waiter was told");
  forget_done_waiters();
}

void Simulation::forget_done_waiters() {
  std::erase_if(waiting_, [](const auto& waiter) { return waiter->is_done; });
}

void Simulation::shrink(Held& held) {
  const Amounts total = random_amounts();
  // The waiters served by this step must see the call as it is then.
  held.amounts.usd = std::min(held.amounts.usd, total.usd);
  held.amounts.tokens = std::min(held.amounts.tokens, total.tokens);
  held.hold.shrink(total);
  ++totals_.shrinks;
  expect(held.hold.amounts() == held.amounts, "shrunk to {}, the model says {}",
         held.hold.amount().value, held.amounts.usd.value);
  forget_done_waiters();
}

void Simulation::rebase(Held& held) {
  const std::vector<ScopeIndex> what = chance(50) ? held.what : random_what();
  Amounts least = random_amounts();
  Amounts most = least;
  if (chance(50)) most = {least.usd + random_amounts().usd, least.tokens + pick(0, 9'000), 1};
  least.requests = held.amounts.requests;
  std::vector<ScopeIndex> scopes = held.who;
  scopes.insert(scopes.end(), what.begin(), what.end());
  const Judgement judged = model_.judge(scopes, least, &held);
  if (judged.fits()) model_.move(held, what, judged.granted(least, most));
  const ReholdResult result = held.hold.rebase(resolve(what), least, most);
  if (result.has_error()) {
    ++totals_.rebases_refused;
    check_refusal(judged, result.error());
  } else {
    ++totals_.rebases;
    if (expect(judged.fits(), "rebased although \"{}\" has no room",
               judged.fits() ? "" : judged.blockers.front().name))
      expect(held.hold.amounts() == held.amounts, "rebased to {} {}, the model says {} {}",
             held.hold.amount().value, held.hold.amounts().tokens, held.amounts.usd.value,
             held.amounts.tokens);
  }
  forget_done_waiters();
}

void Simulation::split(Call& call) {
  Held& main = *call.main;
  const Amounts charge = random_amounts();
  Held& part = *held_.emplace_back(std::make_unique<Held>());
  part.call = main.call;
  part.session = main.session;
  part.end_user = main.end_user;
  part.who = main.who;
  part.what = main.what;
  part.is_attempt = true;
  part.amounts = {std::min(main.amounts.usd, charge.usd),
                  std::min(main.amounts.tokens, charge.tokens), 0};
  model_.open(part);
  part.held_at = main.held_at;
  part.rated_at = main.rated_at;
  main.amounts = {{}, 0, main.amounts.requests};
  call.parts.push_back(&part);
  ++totals_.attempts;
  Hold taken = main.hold.split(charge);  // `call` may have moved: waiters are served
  expect(taken.amounts() == part.amounts && main.hold.amounts() == main.amounts,
         "split into {} and {}, the model says {} and {}", taken.amount().value,
         main.hold.amount().value, part.amounts.usd.value, main.amounts.usd.value);
  part.hold = std::move(taken);
  forget_done_waiters();
}

void Simulation::end_call(std::size_t at) {
  const Call call = calls_[at];
  calls_.erase(calls_.begin() + static_cast<std::ptrdiff_t>(at));
  ended_.push_back(call);  // before anything of it is charged: a reload reads what has ended
  for (Held* const part : call.parts) chance(80) ? settle(*part) : release(*part);
  chance(80) ? settle(*call.main) : release(*call.main);
}

void Simulation::release(Held& held) {
  model_.close(held, {});
  ++totals_.releases;
  if (chance(50)) {
    held.hold.release();
  } else {
    const Hold dies = std::move(held.hold);
  }
  forget_done_waiters();
}

int Simulation::hear(const std::vector<BudgetEvent>& events) {
  int told_closed = 0;
  for (const BudgetEvent& e : events) {
    const bool is_closing = e.kind == BudgetEvent::Kind::closed;
    told_closed += is_closing ? 1 : 0;
    expect(is_closing || e.spent.value * 100 >= e.limit.value * std::int64_t{e.percent},
           "an alert of {} % at {} of {}", e.percent, e.spent.value, e.limit.value);
    if (is_closing) continue;
    expect(told_
               .insert({e.scope, std::string(e.scope_id), std::string(e.budget), e.window_start,
                        e.percent})
               .second,
           "an alert told twice: {} \"{}\" \"{}\" {} %", config::name_of(e.scope), e.scope_id,
           e.budget, e.percent);
  }
  return told_closed;
}

void Simulation::settle(Held& held) {
  const Amounts before = held.amounts;
  const bool is_over = chance(6);
  Amounts actual{{pick(0, before.usd.value)}, pick(0, before.tokens), before.requests};
  if (is_over) {
    if (chance(70)) actual.usd.value = before.usd.value + pick(1, 300'000'000);
    if (chance(70)) actual.tokens = before.tokens + pick(1, 3'000);
  }
  // Most calls cost far less than they may.
  if (!is_over && chance(60))
    actual = {{actual.usd.value / 20}, actual.tokens / 20, actual.requests};
  if (chance(8)) actual = {};
  ++totals_.settlements;
  const bool is_estimated = chance(20);
  held.is_estimated = is_estimated;
  const int closed = model_.close(held, actual);
  if (held.is_overrun) ++totals_.overruns;
  const Settlement s = held.hold.settle(actual, is_estimated);
  held.slot = s.slot;
  expect(s.charged == actual && s.amount == actual.usd, "charged {}, not {}", s.amount.value,
         actual.usd.value);
  expect(s.held == before.usd && s.charged_at == held.held_at,
         "a settlement that tells of another hold");
  expect(s.overrun.value == std::max<std::int64_t>(actual.usd.value - before.usd.value, 0),
         "overrun {}", s.overrun.value);
  expect(s.is_overrun == held.is_overrun, "an overrun {}, the model says {}", s.is_overrun,
         held.is_overrun);
  expect((s.slot == kNoSlot) == actual.is_nothing(), "a slot without need, or none in need");
  const int told_closed = hear(s.events);
  for (const BudgetEvent& e : s.events) model_.tell_at_end(e.scope, std::string(e.scope_id));
  // A window that is over may still be closed, which nobody sees any more.
  expect(told_closed == closed || (is_stale_ && told_closed > closed),
         "{} budgets closed, the model says {}", told_closed, closed);
  forget_done_waiters();
}

}  // namespace tollgate::domain::budget::simulation
