// Tokens and calls beside money, for scopes with a column and without: what the ledger reads back.
#include <map>
#include <random>
#include <tuple>

#include "fixture.hpp"
#include "store/schema.hpp"
#include "support/property_seeds.hpp"
#include "tollgate/store/spend_on_record.hpp"

namespace tollgate::store::testing {
namespace {

using config::ScopeKind;
using domain::budget::Sums;

class AmountsTest : public StoreTest {
 protected:
  Sums since(ScopeKind kind, const std::string& id, std::int64_t us) {
    return *reader()->spend_since(kind, id, at(us));
  }
  static LedgerCharge charge(std::int64_t nusd, std::int64_t tokens, std::int64_t calls,
                             std::int64_t at_us = kNoonUs) {
    LedgerCharge c;
    c.amount = {nusd};
    c.tokens = tokens;
    c.calls = calls;
    c.charged_at = at(at_us);
    return c;
  }
  static AuditRecord charged(const std::string& id, std::vector<LedgerCharge> charges) {
    AuditRecord r = call(id);
    for (LedgerCharge& c : charges) r.charges.push_back(std::move(c));
    return r;
  }
};

TEST_F(AmountsTest, EachUnitAloneMakesARow) {
  open();
  put(charged("req_money", {charge(7, 0, 0)}));
  put(charged("req_tokens", {charge(0, 50, 0)}));
  put(charged("req_free", {charge(0, 0, 1)}));
  put(charged("req_nothing", {charge(0, 0, 0)}));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(number("SELECT count(*) FROM ledger"), 3);
  EXPECT_EQ(number("SELECT count(*) FROM ledger WHERE scopes IS NULL"), 3);
  EXPECT_EQ(since(ScopeKind::key, "key-1", 0), (Sums{{7}, 50, 1}));
  EXPECT_EQ(since(ScopeKind::provider, "openai", 0), (Sums{{7}, 50, 1}));
}

TEST_F(AmountsTest, ACallCountsOnceWhateverItsAttempts) {
  open();
  auto abandoned = charge(10, 100, 0);
  abandoned.kind = LedgerKind::abandoned;
  put(charged("req_1", {abandoned, charge(20, 200, 1)}));
  put(call("req_2", 5));  // without charges of its own
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(since(ScopeKind::team, "team-1", 0), (Sums{{35}, 300, 2}));
  const auto sums = *reader()->spend_by_scope(ScopeKind::team, at(0));
  ASSERT_EQ(sums.size(), 1u);
  EXPECT_EQ(sums[0].tokens, 300);
  EXPECT_EQ(sums[0].calls, 2);
}

TEST_F(AmountsTest, AnAdjustmentMayTakeAway) {
  open();
  put(charged("req_1", {charge(100, 1'000, 1)}));
  ASSERT_TRUE(store_->flush_now());
  auto back = charge(-30, -400, -1);
  back.kind = LedgerKind::adjusted;
  put(charged("req_2", {back}));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(since(ScopeKind::key, "key-1", 0), (Sums{{70}, 600, 0}));
  EXPECT_EQ(since(ScopeKind::key, "key-1", kNoonUs - 1), (Sums{{70}, 600, 0})) << "row by row";
  EXPECT_EQ(number("SELECT count(*) FROM ledger WHERE kind='adjusted' AND nusd=-30"), 1);
}

TEST_F(AmountsTest, WhatIsOnRecordIsKnownByItsScope) {
  open();
  auto given = charge(50, 0, 0), taken = charge(-50, 0, 0);
  given.kind = taken.kind = LedgerKind::adjusted;
  AuditRecord first = charged("req_1", {given});
  first.scopes.push_back({ScopeKind::session, "agent:a/run-1"});
  put(std::move(first));
  put(charged("req_2", {taken}));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(since(ScopeKind::key, "key-1", 0), Sums{}) << "a sum of nothing is on record too";
  const auto is_on_record = [this](ScopeKind kind, const std::string& id) {
    return *reader()->is_on_record(kind, id);
  };
  EXPECT_TRUE(is_on_record(ScopeKind::key, "key-1"));
  EXPECT_TRUE(is_on_record(ScopeKind::session, "agent:a/run-1"));
  EXPECT_FALSE(is_on_record(ScopeKind::key, "key-2"));
  EXPECT_FALSE(is_on_record(ScopeKind::key, "key"));
  EXPECT_FALSE(is_on_record(ScopeKind::agent, "key-1"));
  EXPECT_FALSE(is_on_record(ScopeKind::end_user, "agent:a/run-1"));
}

TEST_F(AmountsTest, SumsStopAtBothEnds) {
  open();
  using Limits = std::numeric_limits<std::int64_t>;
  for (const std::int64_t sign : {1, -1}) {
    const ScopeKind kind = ScopeKind::key;
    const std::string id = sign > 0 ? "up" : "down";
    for (int i = 0; i < 6; ++i) {  // across batches, and within
      AuditRecord r = charged("req_" + id + std::to_string(i),
                              {charge(sign * (Limits::max() / 2 - 1), sign * Limits::max(), 1)});
      r.principal.key_id = id;
      put(r);
      if (i < 4) store_->flush_now();
    }
    ASSERT_TRUE(store_->flush_now());
    const std::int64_t end = sign > 0 ? Limits::max() : Limits::min();
    EXPECT_EQ(since(kind, id, 0), (Sums{{end}, end, 6}));
  }
}

TEST_F(AmountsTest, ScopesWithoutAColumnAreSummedAndFoundInRows) {
  open();
  AuditRecord r = charged("req_1", {charge(10, 100, 1, kNoonUs + 5), charge(1, 2, 0, kNoonUs + 9)});
  r.scopes = {{ScopeKind::tag, "prod"}, {ScopeKind::tag, "eu"}, {ScopeKind::session, "s1"}};
  put(r);
  AuditRecord other = charged("req_2", {charge(1'000, 1'000, 1, kNoonUs + 5)});
  other.scopes = {{ScopeKind::end_user, "prod"}, {ScopeKind::session, "s1"}};
  other.charges[0].overrun = true;
  put(other);
  put(charged("req_3", {charge(5, 5, 1)}));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(number("SELECT count(*) FROM ledger WHERE "
                   "scopes='[\"tag:prod\",\"tag:eu\",\"session:s1\"]'"),
            2);
  for (const std::int64_t from : {std::int64_t{0}, kNoonUs, kNoonUs + 5}) {
    SCOPED_TRACE(from);
    EXPECT_EQ(since(ScopeKind::tag, "prod", from), (Sums{{11}, 102, 1}));
    EXPECT_EQ(since(ScopeKind::tag, "eu", from), (Sums{{11}, 102, 1}));
    EXPECT_EQ(since(ScopeKind::end_user, "prod", from), (Sums{{1'000}, 1'000, 1}));
    EXPECT_EQ(since(ScopeKind::session, "s1", from), (Sums{{1'011}, 1'102, 2}));
    EXPECT_EQ(since(ScopeKind::session, "s", from), Sums{});
    EXPECT_EQ(reader()->spend_by_scope(ScopeKind::tag, at(from))->size(), 2u);
    EXPECT_EQ(reader()->spend_by_scope(ScopeKind::session, at(from))->at(0).scope_id, "s1");
  }
  EXPECT_EQ(since(ScopeKind::tag, "prod", kNoonUs + 6), (Sums{{1}, 2, 0}));
  EXPECT_TRUE(*reader()->has_overrun_since(ScopeKind::session, "s1", at(0)));
  EXPECT_FALSE(*reader()->has_overrun_since(ScopeKind::tag, "prod", at(0)));
}

/// Agents choose sessions and end users: no id may pass for another, or hide from its own sum.
TEST_F(AmountsTest, NoIdIsTakenForAnother) {
  open();
  const std::vector<std::string> ids = {"a",
                                        "a\"",
                                        "x\",\"session:a",
                                        "x,\"session:a\"",
                                        "a\\",
                                        "a\\\"z",
                                        "[\"session:a",
                                        "b\n\x01",
                                        std::string("a\0b", 3),
                                        "\xff\xc3",
                                        "%",
                                        "_",
                                        "tag:a"};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    AuditRecord r = charged("req_" + std::to_string(i),
                            {charge(std::int64_t{1} << i, std::int64_t{2} << i, 1, kNoonUs + 7)});
    r.scopes = {{ScopeKind::tag, "first"}, {ScopeKind::session, ids[i]}};
    put(r);
  }
  ASSERT_TRUE(store_->flush_now());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Sums one{{std::int64_t{1} << i}, std::int64_t{2} << i, 1};
    EXPECT_EQ(since(ScopeKind::session, ids[i], kNoonUs), one) << ids[i];
    EXPECT_EQ(since(ScopeKind::session, ids[i], kNoonUs + 7), one) << ids[i] << ", by rows";
    EXPECT_EQ(since(ScopeKind::session, ids[i], kNoonUs + 8), Sums{}) << ids[i];
  }
}

/// Rows stand in the order of settlement, whatever the times they count for.
TEST_F(AmountsTest, TheRowsOfAQuarterAreFoundWhereverTheyStand) {
  open();
  int number = 0;
  const auto add = [&](std::int64_t us) {
    put(charged("req_" + std::to_string(++number), {charge(1, 10, 1, us)}));
  };
  add(kNoonUs + kQuarterUs + 5);  // the clock was ahead
  ASSERT_TRUE(store_->flush_now());
  for (int i = 0; i < 10; ++i) add(kNoonUs - kDayUs + i);
  ASSERT_TRUE(store_->flush_now());
  add(kNoonUs + 5);
  add(kNoonUs + kQuarterUs + 6);
  ASSERT_TRUE(store_->flush_now());
  add(kNoonUs + 6);
  add(kNoonUs + kQuarterUs + 7);  // and a long call of the quarter before, in one batch
  add(kNoonUs + 7);
  reopen();
  const auto calls = [&](std::int64_t us) { return since(ScopeKind::key, "key-1", us).requests; };
  EXPECT_EQ(calls(kNoonUs + 1), 6);
  EXPECT_EQ(calls(kNoonUs + 6), 5);
  EXPECT_EQ(calls(kNoonUs + kQuarterUs + 1), 3);
  EXPECT_EQ(calls(kNoonUs + kQuarterUs + 6), 2);
  EXPECT_EQ(calls(kNoonUs - kDayUs + 4), 12);
  EXPECT_EQ(calls(kNoonUs - 1), 6) << "a quarter without rows";
  EXPECT_EQ(this->number("SELECT first_id FROM ledger_quarter WHERE quarter_us=" +
                         std::to_string(kNoonUs)),
            12);
}

TEST_F(AmountsTest, UnrecordedCallsKeepAllTheyCountFor) {
  open();
  for (int i = 0; i < 3; ++i) {
    AuditRecord r = charged("req_" + std::to_string(i), {charge(1, 10, 0), charge(2, 20, 1)});
    if (i > 0) r.scopes = {{ScopeKind::end_user, "u\"1"}};
    store_->record_unreserved(r);
  }
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM ledger WHERE kind='aggregate'"), 2);
  EXPECT_EQ(since(ScopeKind::key, "key-1", 0), (Sums{{9}, 90, 3}));
  EXPECT_EQ(since(ScopeKind::end_user, "u\"1", 0), (Sums{{6}, 60, 2}));
  EXPECT_EQ(number("SELECT count(*) FROM ledger WHERE scopes='[\"end_user:u\\\"1\"]'"), 1);
}

TEST_F(AmountsTest, ScopesThatWereLiveComeBackNewestFirst) {
  open();
  SpendOnRecord history(*store_, options_.audit.path);
  const auto live = [&](ScopeKind kind, std::int64_t us, std::size_t most) {
    return *history.live_scopes_since(kind, at(us), most);
  };
  EXPECT_TRUE(live(ScopeKind::session, 0, 10).empty());
  const auto add = [&](const std::string& id, ScopeKind kind, std::int64_t us) {
    static int number = 0;
    AuditRecord r = charged("req_" + std::to_string(++number), {charge(1, 0, 1, us)});
    r.scopes = {{kind, id}};
    put(r);
  };
  add("old", ScopeKind::session, kNoonUs - 70 * kDayUs);
  add("back", ScopeKind::session, kNoonUs - 2 * kQuarterUs);
  add("mid", ScopeKind::session, kNoonUs - kQuarterUs);
  add("back", ScopeKind::session, kNoonUs + 1);
  add("new", ScopeKind::end_user, kNoonUs + kQuarterUs);
  using Ids = std::vector<std::string>;
  EXPECT_EQ(live(ScopeKind::session, 0, 10), (Ids{"back", "mid", "old"}));
  EXPECT_EQ(live(ScopeKind::session, 0, 2), (Ids{"back", "mid"}));
  EXPECT_EQ(live(ScopeKind::session, kNoonUs - kQuarterUs, 10), (Ids{"back", "mid"}));
  EXPECT_EQ(live(ScopeKind::session, kNoonUs + 5, 10), Ids{"back"}) << "the whole quarter";
  EXPECT_TRUE(live(ScopeKind::session, kNoonUs + kQuarterUs, 10).empty());
  EXPECT_EQ(live(ScopeKind::end_user, 0, 10), Ids{"new"});
  EXPECT_EQ(live(ScopeKind::key, 0, 10), Ids{"key-1"});
  while (store_->step()) {
  }
  ASSERT_EQ(number("SELECT count(*) FROM ledger_daily WHERE scope_id='old'"), 1);
  EXPECT_EQ(live(ScopeKind::session, 0, 10), (Ids{"back", "mid", "old"})) << "days, too";
}

/// Random charges over 100 days with retention and roll-up in between: every unit of every scope
/// stays exact over rows, quarters and days.
TEST_F(AmountsTest, EveryUnitOfEveryScopeStaysExact) {
  for (std::uint64_t seed = 1; seed <= test::property_seeds(3); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    options_.audit.path = dir_.file("a" + std::to_string(seed) + ".db");
    options_.audit.retention_age = std::chrono::hours(24 * 20);
    clock_.set_wall(kNoonUs - 100 * kDayUs);
    open();
    using Scope = std::pair<ScopeKind, std::string>;
    std::map<Scope, std::multimap<std::int64_t, Sums>> spent;  // by charge time
    for (int i = 0; i < 300; ++i) {
      clock_.advance(std::chrono::microseconds(static_cast<std::int64_t>(random() % (kDayUs / 2))));
      AuditRecord r = call("req_" + std::to_string(i));
      r.started = clock_.wall();
      r.principal.key_id = "key-" + std::to_string(random() % 2);
      for (const ScopeKind kind : {ScopeKind::tag, ScopeKind::session, ScopeKind::end_user})
        if (random() % 2 == 0) r.scopes.push_back({kind, "id-" + std::to_string(random() % 3)});
      for (std::uint64_t n = random() % 3; n > 0; --n) {
        const std::int64_t us = r.started.time_since_epoch().count() -
                                static_cast<std::int64_t>(random() % 20) * kMinuteUs;
        r.charges.push_back(charge(static_cast<std::int64_t>(random() % 1'000),
                                   static_cast<std::int64_t>(random() % 1'000), n == 1 ? 1 : 0,
                                   us));
        const LedgerCharge& c = r.charges[r.charges.size() - 1];
        const Sums sums{c.amount, c.tokens, c.calls};
        spent[{ScopeKind::key, r.principal.key_id}].emplace(us, sums);
        for (const AuditScope& s : r.scopes) spent[{s.kind, s.id}].emplace(us, sums);
      }
      put(std::move(r));
      while (store_->step()) {
      }
    }
    const std::int64_t now = clock_.wall().time_since_epoch().count();
    const auto expected = [&](const Scope& scope, std::int64_t from) {
      Sums sum;
      const auto& all = spent[scope];
      for (auto it = all.lower_bound(from); it != all.end(); ++it) {
        sum.usd += it->second.usd;
        sum.tokens += it->second.tokens;
        sum.requests += it->second.requests;
      }
      return sum;
    };
    EXPECT_GT(number("SELECT count(*) FROM ledger_daily"), 10);
    for (const auto& [scope, charges] : spent) {
      SCOPED_TRACE(scope.second);
      for (int i = 0; i < 10; ++i) {
        const auto back = static_cast<std::int64_t>(random() % (61ull * kDayUs));
        const std::int64_t aligned = floor_to(now - back, kQuarterUs);
        ASSERT_EQ(since(scope.first, scope.second, aligned), expected(scope, aligned));
        const std::int64_t any = now - static_cast<std::int64_t>(random() % (10ull * kDayUs));
        ASSERT_EQ(since(scope.first, scope.second, any), expected(scope, any));
        const std::int64_t day = floor_to(now - (62 + i) * kDayUs, kDayUs);
        ASSERT_EQ(since(scope.first, scope.second, day), expected(scope, day));
      }
      const std::int64_t charge_time = std::prev(charges.end())->first;
      ASSERT_EQ(since(scope.first, scope.second, charge_time), expected(scope, charge_time));
      ASSERT_EQ(since(scope.first, scope.second, charge_time + 1), Sums{});
      ASSERT_EQ(since(scope.first, scope.second, 0), expected(scope, 0));
    }
    close();
  }
}

}  // namespace
}  // namespace tollgate::store::testing
