#include "unit/budget/simulation/race.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "support/fake_clock.hpp"
#include "tollgate/domain/budget/ledger.hpp"
#include "unit/budget/simulation/world.hpp"

namespace tollgate::domain::budget::simulation {
namespace {

using base::NanoUsd;
using config::ScopeKind;

constexpr NanoUsd kDollar{1'000'000'000};
constexpr NanoUsd kCall{50'000'000};
constexpr int kCalls = 200;
constexpr int kMostSteps = 100'000;  // some thousand are needed

class Race {
 public:
  explicit Race(std::uint64_t seed) : random_(seed), cancels_(pick(0, 2) * 20), waits_(pick(0, 1)) {
    config::ScopedBudget budget;
    budget.scope = ScopeKind::key;
    budget.scope_id = "k1";
    budget.budget.limit = kDollar;
    config::Snapshot snapshot;
    snapshot.budgets = {budget};
    if (!ledger_.configure(snapshot, record_)) fault_ = "the budget was refused";
    who_ = ledger_.resolve({{ScopeKind::key, "k1"}, {ScopeKind::org, "o1"}});
    for (int i = 0; i < kCalls; ++i) calls_.push_back(std::make_shared<Call>(*this));
    for (const auto& call : calls_) active_.push_back(call.get());
  }

  std::string run() {
    for (int steps = 0; !active_.empty() && fault_.empty(); ++steps) {
      if (steps == kMostSteps) return "some call neither goes through nor is refused";
      step(*active_[static_cast<std::size_t>(pick(0, static_cast<int>(active_.size()) - 1))]);
      check();
    }
    if (fault_.empty() && (settled_ != 20 || refused_ + cancelled_ != kCalls - 20))
      fault_ =
          fmt::format("{} went through, {} refused, {} cancelled", settled_, refused_, cancelled_);
    if (fault_.empty() && (ledger_.open_holds() != 0 || ledger_.waiting() != 0))
      fault_ = "holds or waiters at the end";
    return fault_;
  }

 private:
  class Call final : public Waiter {
   public:
    explicit Call(Race& race) : Waiter(race.who_, {}, kCall, kCall), race_(race) {}
    void on_outcome(HoldResult outcome) noexcept override { race_.told(*this, outcome); }
    Hold hold;
    bool is_waiting = false;

   private:
    Race& race_;
  };

  int pick(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }
  void done(const Call& call) { std::erase(active_, &call); }

  void told(Call& call, HoldResult& outcome) noexcept {
    call.is_waiting = false;
    if (outcome.has_value()) {
      if (outcome->amount() != kCall) fault_ = "another amount than asked";
      call.hold = std::move(*outcome);
      ++held_;
      return;
    }
    if (settled_ + held_ < 20) fault_ = "refused while there was room";
    // Others may be cancelled yet: whoever is told to come again does.
    if (outcome.error().can_wait) return;
    ++refused_;
    done(call);
  }

  void step(Call& call) {
    if (call.is_waiting) return;
    if (!call.hold) {
      if (waits_ && pick(0, 1) == 0) {
        call.is_waiting = true;
        const auto it = std::find_if(calls_.begin(), calls_.end(),
                                     [&](const auto& c) { return c.get() == &call; });
        if (!ledger_.wait(*it)) fault_ = "no place in line";
        return;
      }
      HoldResult outcome = ledger_.hold(who_, {}, kCall);
      return told(call, outcome);
    }
    done(call);
    --held_;
    if (pick(1, 100) <= cancels_) {
      ++cancelled_;
      call.hold.release();
    } else {
      ++settled_;
      if (call.hold.settle(kCall).amount != kCall) fault_ = "another charge";
    }
  }

  void check() {
    const BudgetRow row = ledger_.snapshot_all().at(0);
    if (row.spent.value + row.held.value > kDollar.value) fault_ = "more than a dollar";
    if (row.spent.value != settled_ * kCall.value || row.held.value != held_ * kCall.value)
      fault_ = fmt::format("spent {} held {} after {} settled and {} held", row.spent.value,
                           row.held.value, settled_, held_);
  }

  std::mt19937_64 random_;
  int cancels_;  ///< percent
  bool waits_;
  test::FakeClock clock_{"2026-11-25T12:00:00Z"};
  Record record_;
  Ledger ledger_{clock_};
  ScopePath who_;
  std::vector<std::shared_ptr<Call>> calls_;
  std::vector<Call*> active_;
  int held_ = 0, settled_ = 0, refused_ = 0, cancelled_ = 0;
  std::string fault_;
};

}  // namespace

std::string race(std::uint64_t seed) {
  return Race(seed).run();
}

}  // namespace tollgate::domain::budget::simulation
