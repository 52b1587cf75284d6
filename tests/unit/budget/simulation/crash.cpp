// A process dies, and another reads what it left behind.
#include <algorithm>

#include "unit/budget/simulation/simulation.hpp"

namespace tollgate::domain::budget::simulation {

Trace Simulation::trace_of(const Held& held, bool is_settled) {
  Trace trace;
  trace.call = held.call;
  trace.is_attempt = held.is_attempt;
  trace.is_settled = is_settled;
  trace.is_estimated = held.is_estimated;
  trace.amounts = held.amounts;
  trace.held_at_us = held.held_at.time_since_epoch().count();
  for (const ScopeIndex index : held.path())
    trace.scopes.emplace_back(model_.scopes[index].kind, model_.scopes[index].id);
  return trace;
}

std::vector<std::pair<Trace, Held*>> Simulation::traces() {
  std::vector<std::pair<Trace, Held*>> all;
  for (const Call& call : calls_) {
    all.emplace_back(trace_of(*call.main, false), call.main);
    for (Held* const part : call.parts) all.emplace_back(trace_of(*part, false), part);
  }
  const auto add_settled = [&](Held* held) {
    if (held->slot != kNoSlot) all.emplace_back(trace_of(*held, true), held);
  };
  for (const Call& call : ended_) {
    add_settled(call.main);
    for (Held* const part : call.parts) add_settled(part);
  }
  for (Held* const held : recorded_) add_settled(held);
  return all;
}

void Simulation::check_journal() {
  const auto found = journal_->read(journal_->image());
  if (!expect(found.has_value(), "the journal is damaged")) return;
  std::vector<Trace> wanted;
  for (auto& [trace, held] : traces()) wanted.push_back(std::move(trace));
  std::sort(wanted.begin(), wanted.end());
  for (std::size_t i = 0; i < std::max(wanted.size(), found->size()); ++i) {
    const std::string is = i < found->size() ? to_string((*found)[i]) : "nothing";
    const std::string should = i < wanted.size() ? to_string(wanted[i]) : "nothing";
    if (!expect(is == should, "the journal says {}, the model says {}", is, should)) return;
  }
}

void Simulation::last_step(std::vector<std::pair<Trace, Held*>>& traces) {
  const std::int64_t way = pick(0, 6);
  if (way == 0 && !recorded_.empty()) {
    Held* const held = recorded_.front();
    const SlotNumber slot = held->slot;
    ledger_->committed(std::span(&slot, 1));
    std::erase_if(traces, [&](const auto& t) { return t.second == held; });
    return;
  }
  if (way == 1 || calls_.empty()) {
    const std::vector<ScopeIndex> who{model_.scope(ScopeKind::key, "k0")};
    const std::vector<ScopeIndex> what = random_what();
    const std::string call = fmt::format("req_{}", ++next_call_);
    HoldResult hold = ledger_->hold(resolve(who), resolve(what), random_amounts(), {call, {}, {}});
    if (hold.has_error()) return;
    Held& held = *held_.emplace_back(std::make_unique<Held>());
    held.call = call;
    held.who = who;
    held.what = what;
    held.amounts = hold->amounts();
    held.held_at = model_.now();
    held.hold = std::move(*hold);
    traces.emplace_back(trace_of(held, false), &held);
    return;
  }
  Held& held = *calls_[pick_of(calls_.size())].main;
  const auto at =
      std::find_if(traces.begin(), traces.end(), [&](const auto& t) { return t.second == &held; });
  Trace& trace = at->first;
  if (way == 2) {
    held.hold.release();
    traces.erase(at);
  } else if (way == 3) {
    held.hold.shrink({{held.amounts.usd.value / 2}, held.amounts.tokens / 2, 1});
    trace.amounts = held.hold.amounts();
  } else if (way == 4) {
    const std::vector<ScopeIndex> what = random_what();
    if (held.hold.rebase(resolve(what), Amounts{}, random_amounts()).has_error()) return;
    Held other;
    other.call = held.call;
    other.who = held.who;
    other.what = what;
    other.amounts = held.hold.amounts();
    other.held_at = model_.now();
    trace = trace_of(other, false);
  } else {
    const Amounts charged{{held.amounts.usd.value / 3}, held.amounts.tokens / 3, 1};
    static_cast<void>(held.hold.settle(charged));
    trace.is_settled = true;
    trace.amounts = charged;
  }
}

void Simulation::crash() {
  ++totals_.crashes;
  std::vector<std::byte> image;
  std::vector<std::pair<Trace, Held*>> wanted;
  if (chance(60)) {
    // In the middle of an update: what was there before it counts, until its last byte.
    while (!waiting_.empty()) cancel_wait();
    wanted = traces();
    std::vector<std::byte> before = journal_->image();
    std::vector<std::pair<Trace, Held*>> after = wanted;
    last_step(after);
    const auto bytes = chance(20) ? kWholeUpdate : pick_of(kWholeUpdate);
    if (auto torn = cut(before, journal_->image(), bytes)) {
      image = std::move(*torn);
      if (bytes == kWholeUpdate) wanted = std::move(after);
      ++totals_.cuts;
    } else {
      expect(before == journal_->image(), "one step writes several slots");
      image = std::move(before);
    }
  } else {
    wanted = traces();
    image = journal_->image();
  }

  const auto found = journal_->read(image);
  if (!expect(found.has_value(), "a crash left a damaged journal")) return;
  std::sort(wanted.begin(), wanted.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < std::max(wanted.size(), found->size()); ++i) {
    const std::string is = i < found->size() ? to_string((*found)[i]) : "nothing";
    const std::string should = i < wanted.size() ? to_string(wanted[i].first) : "nothing";
    if (!expect(is == should, "a crash left {}, not {}", is, should)) return;
  }

  // What is found goes on record: settlements as they were charged, holds in full. A call that has
  // its row has it once.
  std::set<std::string> recovered;
  for (const auto& [trace, held] : wanted) {
    if (rows_.contains(trace.call)) {
      ++totals_.repeated;
      expect(trace.is_settled, "{} is on record and open", trace.call);
      continue;
    }
    ++(trace.is_settled ? totals_.recovered : totals_.interrupted);
    recovered.insert(trace.call);
    const WallTime at{std::chrono::microseconds(trace.held_at_us)};
    const bool is_charged = !held->is_open;  // the model has it already
    for (const Name& name : trace.scopes) {
      record_.add(name, {trace.amounts, at, false});
      const ScopeIndex scope = model_.scope(name.first, name.second);
      // One that held nothing has its row too, by which its session is known again.
      if (!is_charged) model_.charge(scope, {at, trace.amounts, false, false});
      // That more was charged than held is not in the journal.
      if (is_charged && held->is_overrun) {
        for (Entry& entry : model_.scopes[scope].entries)
          if (entry.at == at && entry.amounts == trace.amounts) entry.is_overrun = false;
      }
    }
  }
  rows_.merge(recovered);

  // The old process' holds end in its own ledger and journal, where nobody looks any more.
  is_dead_ = true;
  for (const auto& waiter : waiting_) static_cast<void>(ledger_->cancel(*waiter));
  waiting_.clear();
  calls_.clear();
  ended_.clear();
  recorded_.clear();
  model_.forget_holds();
  held_.clear();
  is_dead_ = false;
  ledger_.reset();

  told_.clear();
  start_ledger();
  model_.restart(clock_.wall(), mono());
  expect(ledger_->configure(snapshot_, record_).has_value(), "no configuration after a crash");
  expect(ledger_->load(record_).has_value(), "no record after a crash");
}

}  // namespace tollgate::domain::budget::simulation
