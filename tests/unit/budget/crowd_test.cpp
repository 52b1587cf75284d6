// Agents that ask for far more than they use, all at once, under one cap: in virtual time, with the
// steps that the budget stage makes (docs/budgets.md, "Near a cap").
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <random>

#include "support/property_seeds.hpp"
#include "tollgate/domain/budget/pricing.hpp"
#include "unit/budget/ledger_fixture.hpp"

namespace tollgate::domain::budget {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// What one schedule of calls is made of.
struct Scene {
  NanoUsd limit = usd(25);
  std::int64_t dollars_per_mtok = 15;  ///< of output; a call's input is free
  NanoUsd need = cents(10);            ///< what each call comes to, if its cap allows
  std::int64_t asked_cap = 64'000;
  std::int64_t useful_tokens = 0;  ///< spending.useful_output_tokens; 0: by default
  int agents = 20;
  milliseconds shortest{1'000}, longest{30'000};  ///< a call takes
  milliseconds hold_wait{10'000};
  unsigned seed = 1;
};

class Crowd {
 public:
  explicit Crowd(const Scene& scene) : scene_(scene), random_(scene.seed) {
    config::Snapshot snapshot;
    snapshot.budgets = {budget_of(ScopeKind::key, "k1", scene.limit, WindowKind::total)};
    EXPECT_TRUE(ledger_.configure(snapshot, history_).has_value());
    deployment_.model = "m";
    deployment_.price.emplace();
    deployment_.price->output = {scene.dollars_per_mtok * 1'000'000};
    bound_.output_cap = scene.asked_cap;
    spending_.hold_wait = scene.hold_wait;
    if (scene.useful_tokens > 0) spending_.useful_output_tokens = scene.useful_tokens;
    need_tokens_ = scene.need.value * 1'000 / deployment_.price->output.value;
  }

  /// Every agent makes one call after the other until one is refused.
  void run() {
    for (int i = 0; i < scene_.agents; ++i) begin_call();
    while (!events_.empty()) {
      const auto next = events_.begin();
      clock_.advance(next->first - now_);
      now_ = next->first;
      const auto work = std::move(next->second);
      events_.erase(next);
      work();
    }
  }

  int served = 0, refused = 0, truncated = 0;
  /// Refused although what is spent and what all others and this one truly need is below the limit.
  int refused_too_early = 0;
  std::int64_t lowest_cap = std::numeric_limits<std::int64_t>::max();
  [[nodiscard]] NanoUsd spent() { return {ledger_.snapshot_all().at(0).spent.value}; }
  [[nodiscard]] NanoUsd held() { return ledger_.held(); }

 private:
  struct Call {
    HoldPlan plan;
    Hold hold;
  };
  class InLine final : public Waiter {
   public:
    InLine(const ScopePath& who, const HoldRange& range, std::function<void(HoldResult)> told)
        : Waiter(who, {}, range), told_(std::move(told)) {}
    void on_outcome(HoldResult result) noexcept override {
      if (auto told = std::exchange(told_, nullptr)) told(std::move(result));
    }

   private:
    std::function<void(HoldResult)> told_;
  };

  void at(microseconds when, std::function<void()> work) { events_.emplace(when, std::move(work)); }

  void begin_call() {
    const auto call = std::make_shared<Call>();
    call->plan = *plan_hold(deployment_, bound_, spending_);
    ++under_way_;
    auto held = ledger_.hold_between(who_, {}, useful(*call));
    if (held.has_value()) return start(call, std::move(*held));
    wait(call, useful(*call), now_ + spending_.hold_wait, true);
  }
  static HoldRange useful(const Call& call) {
    return {call.plan.useful, call.plan.useful, call.plan.amount};
  }
  static HoldRange least(const Call& call) {
    return {call.plan.least, call.plan.useful, call.plan.amount};
  }
  void wait(const std::shared_ptr<Call>& call, const HoldRange& range, microseconds until,
            bool may_lower) {
    const auto give_up = [this, call, until, may_lower] {
      auto held = ledger_.hold_between(who_, {}, least(*call));
      if (held.has_value()) return start(call, std::move(*held));
      if (may_lower && now_ < until) return wait(call, least(*call), until, false);
      refuse();
    };
    const auto waiter =
        std::make_shared<InLine>(who_, range, [this, call, give_up](HoldResult result) {
          // As the stage does it: the outcome is posted, and its owner goes on from there.
          const auto shared = std::make_shared<HoldResult>(std::move(result));
          at(now_, [this, call, give_up, shared] {
            if (shared->has_value()) return start(call, std::move(**shared));
            give_up();
          });
        });
    ASSERT_TRUE(ledger_.wait(waiter));
    at(until, [this, waiter, give_up] {
      if (ledger_.cancel(*waiter)) give_up();
    });
  }
  void start(const std::shared_ptr<Call>& call, Hold hold) {
    call->hold = std::move(hold);
    const auto fitted =
        fit_output_cap(call->plan, call->hold.amount(), deployment_, bound_, spending_);
    ASSERT_TRUE(fitted);
    call->plan = *fitted;
    call->hold.shrink(fitted->amount);
    lowest_cap = std::min(lowest_cap, fitted->output_cap);
    const milliseconds takes(std::uniform_int_distribution<std::int64_t>(
        scene_.shortest.count(), scene_.longest.count())(random_));
    at(now_ + takes, [this, call] { finish(*call); });
  }
  void finish(Call& call) {
    TokenCounts used;
    used.output = std::min(need_tokens_, call.plan.output_cap);
    truncated += used.output < need_tokens_;
    ++served;
    --under_way_;
    (void)call.hold.settle(settle_cost(deployment_.price, used, spending_));
    begin_call();
  }
  void refuse() {
    ++refused;
    const NanoUsd left{scene_.limit.value - spent().value};
    refused_too_early += left.value >= scene_.need.value * under_way_;
    --under_way_;
  }

  const Scene scene_;
  std::minstd_rand random_;
  FakeClock clock_{"2026-11-25T12:00:00Z"};
  FakeHistory history_;
  Ledger ledger_{clock_, {}};
  ScopePath who_ = ledger_.resolve({{ScopeKind::key, "k1"}});
  config::Deployment deployment_;
  config::Spending spending_;
  CallBound bound_;
  std::int64_t need_tokens_ = 0;
  std::multimap<microseconds, std::function<void()>> events_;
  microseconds now_{0};
  int under_way_ = 0;  ///< calls that run or wait
};

void expect_all_is_spent(const Scene& scene) {
  Crowd crowd(scene);
  crowd.run();
  SCOPED_TRACE("price " + std::to_string(scene.dollars_per_mtok) + ", seed " +
               std::to_string(scene.seed));
  EXPECT_EQ(crowd.refused_too_early, 0);
  EXPECT_EQ(crowd.refused, scene.agents);
  EXPECT_EQ(crowd.held(), NanoUsd{});
  EXPECT_LE(crowd.spent(), scene.limit);
  EXPECT_GE(crowd.spent(), scene.limit - scene.need);
  // What the last of the money buys is cut short; until then answers are whole.
  EXPECT_GE(crowd.served - crowd.truncated, 220);
}

TEST(Crowd, IsNotRefusedBeforeTrueSpendAndTrueNeedReachTheCap) {
  for (const std::int64_t price : {5, 15, 30, 50}) {
    for (unsigned seed = 1; seed <= test::property_seeds(20); ++seed) {
      Scene scene;
      scene.dollars_per_mtok = price;
      scene.seed = seed;
      expect_all_is_spent(scene);
    }
  }
}

// What is taken as worth a call has to be no more than what calls truly need, or is what they need.
TEST(Crowd, OfDearModelsNeedsASmallerUsefulCap) {
  for (const std::int64_t price : {75, 100, 150}) {
    for (unsigned seed = 1; seed <= test::property_seeds(20); ++seed) {
      Scene scene;
      scene.dollars_per_mtok = price;
      scene.seed = seed;
      scene.useful_tokens = 512;
      expect_all_is_spent(scene);
    }
  }
}

TEST(Crowd, OfAHundredThatStandInLineIsServedToo) {
  for (unsigned seed = 1; seed <= test::property_seeds(10); ++seed) {
    Scene scene;
    scene.agents = 100;
    scene.shortest = milliseconds(200);
    scene.longest = milliseconds(3'000);
    scene.seed = seed;
    Crowd crowd(scene);
    crowd.run();
    EXPECT_EQ(crowd.refused_too_early, 0) << seed;
    EXPECT_GE(crowd.spent(), scene.limit - scene.need) << seed;
  }
}

}  // namespace
}  // namespace tollgate::domain::budget
