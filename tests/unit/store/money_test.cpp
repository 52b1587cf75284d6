#include <limits>
#include <map>
#include <random>

#include "fixture.hpp"
#include "store/schema.hpp"
#include "support/property_seeds.hpp"
#include "tollgate/store/spend_on_record.hpp"

namespace tollgate::store::testing {
namespace {

using config::ScopeKind;

class MoneyTest : public StoreTest {
 protected:
  std::int64_t since(ScopeKind kind, const std::string& id, std::int64_t us) {
    return reader()->spend_since(kind, id, at(us))->usd.value;
  }
};

struct ScopeCase {
  ScopeKind kind;
  const char* id;
};
class EveryScope : public MoneyTest, public ::testing::WithParamInterface<ScopeCase> {};

TEST_P(EveryScope, IsChargedAndSummed) {
  open();
  put(call("req_1", 100));
  put(call("req_2", 11));
  AuditRecord other = call("req_3", 1'000);
  other.principal = {"key-2", "agent-2", "team-2", "org-2", {}};
  other.model_asked = "slow";
  other.provider = "anthropic";
  put(other);
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(since(GetParam().kind, GetParam().id, 0), 111);
  EXPECT_EQ(since(GetParam().kind, GetParam().id, kNoonUs), 111);
  EXPECT_EQ(since(GetParam().kind, GetParam().id, kNoonUs + kQuarterUs), 0);
  EXPECT_EQ(since(GetParam().kind, "nobody", 0), 0);
  const auto sums = *reader()->spend_by_scope(GetParam().kind, at(0));
  ASSERT_EQ(sums.size(), 2u);
  EXPECT_EQ(sums[0].spent.value, 1'000);
  EXPECT_EQ(sums[1].scope_id, GetParam().id);
  EXPECT_EQ(sums[1].calls, 2);
}
INSTANTIATE_TEST_SUITE_P(All, EveryScope,
                         ::testing::Values(ScopeCase{ScopeKind::key, "key-1"},
                                           ScopeCase{ScopeKind::agent, "agent-1"},
                                           ScopeCase{ScopeKind::team, "team-1"},
                                           ScopeCase{ScopeKind::org, "org-1"},
                                           ScopeCase{ScopeKind::model, "fast"},
                                           ScopeCase{ScopeKind::provider, "openai"}));

TEST_F(MoneyTest, AnOverrunIsFoundByScopeAndTime) {
  open();
  put(call("req_1", 100));
  AuditRecord over = call("req_2", 200);
  over.principal.key_id = "key-2";
  over.overrun = true;
  put(over);
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(number("SELECT count(*) FROM ledger WHERE overrun=1"), 1);
  SpendOnRecord history(*store_, options_.audit.path);
  const auto charged = number("SELECT charged_us FROM ledger WHERE overrun=1");
  const auto has = [&](ScopeKind kind, const char* id, std::int64_t us) {
    return *history.has_overrun_since(kind, id, at(us));
  };
  EXPECT_TRUE(has(ScopeKind::key, "key-2", 0));
  EXPECT_TRUE(has(ScopeKind::key, "key-2", charged));
  EXPECT_FALSE(has(ScopeKind::key, "key-2", charged + 1));
  EXPECT_FALSE(has(ScopeKind::key, "key-1", 0));
  EXPECT_TRUE(has(ScopeKind::agent, "agent-1", 0));
  EXPECT_FALSE(has(ScopeKind::org, "nobody", 0));
}

TEST_F(MoneyTest, TheSpendIsReadOnceTheWorkersAreAtRest) {
  open();
  int asked = 0;
  bool at_rest = true;
  SpendOnRecord history(*store_, options_.audit.path, [&] {
    // What settled before the question arrives while the workers come to rest.
    if (++asked == 1) put(call("req_1", 100));
    return at_rest;
  });
  EXPECT_EQ(history.settled_since(ScopeKind::key, "key-1", at(0))->usd.value, 100);
  at_rest = false;
  EXPECT_TRUE(history.settled_since(ScopeKind::key, "key-1", at(0)).has_error());
}

TEST_F(MoneyTest, ACallThatNothingWasSettledForHasNoLedgerRow) {
  open();
  put(call("req_1", 0));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(number("SELECT count(*) FROM ledger"), 0);
}

TEST_F(MoneyTest, ChargesOfACallNameTheirOwnProviderModelAndTime) {
  open();
  AuditRecord r = call("req_1", 30);
  r.held_at = at(kNoonUs - kQuarterUs);
  r.charges.resize(2);
  r.charges[0].provider = "first";
  r.charges[0].amount = {10};
  r.charges[0].estimated = true;
  r.charges[0].kind = LedgerKind::abandoned;
  r.charges[0].charged_at = at(kNoonUs - 2 * kQuarterUs);
  r.charges[1].model = "other";
  r.charges[1].amount = {20};
  r.charges[1].overrun = true;
  put(r);
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(since(ScopeKind::provider, "first", 0), 10);
  EXPECT_EQ(since(ScopeKind::provider, "openai", 0), 20);
  EXPECT_EQ(since(ScopeKind::model, "other", 0), 20);
  EXPECT_EQ(since(ScopeKind::model, "fast", 0), 10);
  EXPECT_EQ(since(ScopeKind::key, "key-1", kNoonUs - kQuarterUs), 20) << "by its hold's time";
  EXPECT_EQ(since(ScopeKind::key, "key-1", kNoonUs - 2 * kQuarterUs), 30);
  EXPECT_EQ(number("SELECT count(*) FROM ledger WHERE call_id='req_1' AND "
                   "(charge=0 AND kind='abandoned' AND estimated=1 AND overrun=0 OR "
                   " charge=1 AND kind='call' AND estimated=0 AND overrun=1)"),
            2);
}

TEST_F(MoneyTest, AnInstantInsideAQuarterIsExactWhileItsRowsAreThere) {
  open();
  for (int minute = 0; minute < 30; ++minute) {
    AuditRecord r = call("req_" + std::to_string(minute), 1);
    r.started = at(kNoonUs + minute * kMinuteUs);
    put(std::move(r));
    ASSERT_TRUE(store_->flush_now());
  }
  EXPECT_EQ(since(ScopeKind::key, "key-1", kNoonUs + 7 * kMinuteUs), 23);
  EXPECT_EQ(since(ScopeKind::key, "key-1", kNoonUs + 7 * kMinuteUs + 1), 22);
  EXPECT_EQ(since(ScopeKind::key, "key-1", kNoonUs + 20 * kMinuteUs), 10);
  EXPECT_EQ((*reader()->spend_by_scope(ScopeKind::key, at(kNoonUs + 7 * kMinuteUs)))[0].spent.value,
            23);
  // Rows gone: the whole quarter counts, never less.
  tamper("DELETE FROM ledger; UPDATE mark SET at=" + std::to_string(kNoonUs + 2 * kQuarterUs) +
         " WHERE name='ledger_rows_from'");
  EXPECT_EQ(since(ScopeKind::key, "key-1", kNoonUs + 7 * kMinuteUs), 30);
  EXPECT_EQ(since(ScopeKind::key, "key-1", kNoonUs + kQuarterUs), 15);
}

TEST_F(MoneyTest, SumsSaturate) {
  open();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  put(call("req_1", kMax - 5));
  ASSERT_TRUE(store_->flush_now());
  put(call("req_2", 100));
  ASSERT_TRUE(store_->flush_now());
  put(call("req_3", kMax));
  put(call("req_4", kMax));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(since(ScopeKind::key, "key-1", 0), kMax);
}

TEST_F(MoneyTest, TheLedgerSeesWhatWasHandedOverBefore) {
  open();
  SpendOnRecord history(*store_, options_.audit.path);
  EXPECT_FALSE(history.newest_charge()->has_value());
  AuditRecord r = call("req_1", 42);
  r.held_at = at(kNoonUs + 123);
  put(r);
  EXPECT_EQ(history.settled_since(ScopeKind::key, "key-1", at(0))->usd.value, 42);
  EXPECT_EQ(*history.newest_charge(), at(kNoonUs + 123));
  put(call("req_2", 8));
  EXPECT_EQ(history.settled_since(ScopeKind::key, "key-1", base::WallTime::min())->usd.value, 50);
  EXPECT_EQ(*history.newest_charge(), at(kNoonUs + 123)) << "an earlier hold settled later";
}

/// Random calls over 100 days, retention and roll-up in between: every aligned sum stays exact.
TEST_F(MoneyTest, SumsOutliveRetentionAndRollUp) {
  for (std::uint64_t seed = 1; seed <= test::property_seeds(3); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    options_.audit.path = dir_.file("s" + std::to_string(seed) + ".db");
    options_.audit.retention_age = std::chrono::hours(24 * 20);
    clock_.set_wall(kNoonUs - 100 * kDayUs);
    open();
    std::map<std::int64_t, std::int64_t> spent;  // by charge time, of key-1
    for (int i = 0; i < 400; ++i) {
      clock_.advance(std::chrono::microseconds(static_cast<std::int64_t>(random() % (kDayUs / 2))));
      AuditRecord r = call("req_" + std::to_string(i), static_cast<std::int64_t>(random() % 1'000));
      r.started = clock_.wall();
      if (random() % 4 == 0) r.principal.key_id = "key-2";
      if (r.principal.key_id == "key-1" && r.cost.value > 0) {
        spent[r.started.time_since_epoch().count()] += r.cost.value;
      }
      put(std::move(r));
      while (store_->step()) {
      }
    }
    const std::int64_t now = clock_.wall().time_since_epoch().count();
    const auto expected = [&](std::int64_t from) {
      std::int64_t sum = 0;
      for (auto it = spent.lower_bound(from); it != spent.end(); ++it) sum += it->second;
      return sum;
    };
    EXPECT_LT(number("SELECT count(*) FROM ledger"), 200);
    EXPECT_GT(number("SELECT count(*) FROM ledger_daily"), 10);
    for (int i = 0; i < 50; ++i) {
      const auto back = static_cast<std::int64_t>(random() % (61ull * kDayUs));
      const std::int64_t aligned = floor_to(now - back, kQuarterUs);
      ASSERT_EQ(since(ScopeKind::key, "key-1", aligned), expected(aligned)) << aligned;
      const std::int64_t any = now - static_cast<std::int64_t>(random() % (10ull * kDayUs));
      ASSERT_EQ(since(ScopeKind::key, "key-1", any), expected(any)) << any;
    }
    for (int days = 62; days < 100; ++days) {
      const std::int64_t day = floor_to(now - days * kDayUs, kDayUs);
      ASSERT_EQ(since(ScopeKind::key, "key-1", day), expected(day)) << days;
    }
    EXPECT_EQ(since(ScopeKind::key, "key-1", 0), expected(0));
    EXPECT_EQ(reader()->verify_chain()->problem, "");
    close();
  }
}

}  // namespace
}  // namespace tollgate::store::testing
