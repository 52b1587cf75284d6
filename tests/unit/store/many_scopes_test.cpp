// Many scopes in one question, and which sessions a start is told of.
#include <algorithm>
#include <random>
#include <set>

#include "fixture.hpp"
#include "store/fair_ids.hpp"
#include "store/schema.hpp"
#include "support/property_seeds.hpp"
#include "tollgate/store/spend_on_record.hpp"
#include "unit/budget/keep_fairly.hpp"

namespace tollgate::store::testing {
namespace {

using config::ScopeKind;
using domain::budget::Sums;

class ManyScopes : public StoreTest {
 protected:
  LedgerCharge random_charge(std::int64_t us) {
    LedgerCharge c;
    c.amount = {static_cast<std::int64_t>(random_() % 1'000)};
    c.tokens = static_cast<std::int64_t>(random_() % 1'000);
    c.calls = static_cast<std::int64_t>(random_() % 2);
    c.charged_at = at(us);
    c.overrun = random_() % 8 == 0;
    if (random_() % 6 == 0) {
      c.kind = LedgerKind::adjusted;
      c.amount.value = -c.amount.value;
      c.tokens = -c.tokens;
    }
    return c;
  }
  /// That one question about all ids says what one about each says.
  void expect_same(ScopeKind kind, const std::vector<std::string>& ids, std::int64_t us) {
    SCOPED_TRACE(std::to_string(static_cast<int>(kind)) + " since " + std::to_string(us));
    SpendOnRecord history(*store_, options_.audit.path);
    const std::vector<std::string_view> views(ids.begin(), ids.end());
    const auto sums = history.settled_of_each_since(kind, views, at(us));
    const auto overruns = history.overruns_of_each_since(kind, views, at(us));
    ASSERT_TRUE(sums.has_value() && overruns.has_value());
    ASSERT_EQ(sums->size(), ids.size());
    ASSERT_EQ(overruns->size(), ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ((*sums)[i], *history.settled_since(kind, ids[i], at(us))) << ids[i];
      EXPECT_EQ((*overruns)[i], *history.has_overrun_since(kind, ids[i], at(us))) << ids[i];
      has_spend_ += (*sums)[i] == Sums{} ? 0 : 1;
      has_overrun_ += (*overruns)[i] ? 1 : 0;
    }
  }

  std::mt19937_64 random_;
  int has_spend_ = 0;
  int has_overrun_ = 0;
};

/// Random charges over 100 days with retention and roll-up in between: rows, quarters and days.
TEST_F(ManyScopes, AreReadAsEachAlone) {
  // Agents choose sessions and end users: what would pass for another, or hide from its own sum.
  const std::vector<std::string> ids = {"a/1",
                                        "a/\"",
                                        "x\",\"session:a/1",
                                        "x,\"session:a/1\"",
                                        "a\\",
                                        "a\\\"z",
                                        "[\"session:a/1",
                                        "b\n\x01",
                                        std::string("a\0b", 3),
                                        "\xff\xc3",
                                        "",
                                        "x,",
                                        "never"};
  for (std::uint64_t seed = 1; seed <= test::property_seeds(3); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random_.seed(seed);
    options_.audit.path = dir_.file("m" + std::to_string(seed) + ".db");
    options_.audit.retention_age = std::chrono::hours(24 * 20);
    clock_.set_wall(kNoonUs - 100 * kDayUs);
    open();
    for (int i = 0; i < 300; ++i) {
      // Close together in the end, so that rows of the last quarters are many.
      const auto most = static_cast<std::uint64_t>(i < 200 ? kDayUs : kMinuteUs);
      clock_.advance(std::chrono::microseconds(static_cast<std::int64_t>(random_() % most)));
      AuditRecord r = call("req_" + std::to_string(i));
      r.started = clock_.wall();
      r.principal.key_id = "key-" + std::to_string(random_() % 3);
      for (const ScopeKind kind : {ScopeKind::tag, ScopeKind::session, ScopeKind::end_user})
        if (random_() % 3 != 0) r.scopes.push_back({kind, ids[random_() % (ids.size() - 1)]});
      for (std::uint64_t n = random_() % 3; n > 0; --n) {
        r.charges.push_back(random_charge(base::to_micros(r.started) -
                                          static_cast<std::int64_t>(random_() % 20) * kMinuteUs));
      }
      put(std::move(r));
      while (store_->step()) {
      }
    }
    const std::int64_t now = base::to_micros(clock_.wall());
    EXPECT_GT(number("SELECT count(*) FROM ledger_daily"), 10);
    for (int i = 0; i < 12; ++i) {
      const auto back = static_cast<std::int64_t>(random_() % (70ull * kDayUs));
      const auto lately = static_cast<std::int64_t>(random_() % (60ull * kMinuteUs));
      for (const std::int64_t since : {now - back, floor_to(now - back, kQuarterUs), now - lately,
                                       floor_to(now - 65 * kDayUs, kDayUs)}) {
        for (const ScopeKind kind : {ScopeKind::tag, ScopeKind::session, ScopeKind::end_user})
          expect_same(kind, ids, since);
        expect_same(ScopeKind::key, {"key-2", "nobody", "key-0", "key-1", ""}, since);
      }
    }
    for (const std::int64_t since : {std::int64_t{-5}, std::int64_t{0}, now + 1})
      expect_same(ScopeKind::session, ids, since);
    expect_same(ScopeKind::session, {}, now);
    close();
  }
  EXPECT_GT(has_spend_, 100);
  EXPECT_GT(has_overrun_, 100);
}

TEST_F(ManyScopes, ARowThatNamesAScopeTwiceCountsAsForItAlone) {
  open();
  AuditRecord r = call("req_1");
  r.scopes = {{ScopeKind::session, "s"}, {ScopeKind::session, "s"}};
  random_.seed(1);
  r.charges.push_back(random_charge(kNoonUs + 7));
  put(std::move(r));
  ASSERT_TRUE(store_->flush_now());
  for (const std::int64_t since : {kNoonUs, kNoonUs + 5})
    expect_same(ScopeKind::session, {"s"}, since);
}

TEST_F(ManyScopes, SessionsAreToldOfFairlyByOwner) {
  open();
  SpendOnRecord history(*store_, options_.audit.path);
  int calls = 0;
  const auto add = [&](const std::string& id, std::int64_t us) {
    AuditRecord r = call("req_" + std::to_string(++calls), 1);
    r.held_at = at(us);
    r.scopes = {{ScopeKind::session, id}};
    put(std::move(r));
    ASSERT_TRUE(store_->flush_now());
  };
  add("key:old/run", kNoonUs - 70 * kDayUs);
  add("key:quiet/a", kNoonUs - 9 * kQuarterUs);
  add("key:quiet/b/c", kNoonUs - 8 * kQuarterUs);
  for (int i = 0; i < 6; ++i) add("key:flood/" + std::to_string(i), kNoonUs + i * kQuarterUs);
  add("key:flood/0", kNoonUs + 7 * kQuarterUs);
  const auto told = [&](std::int64_t since, std::size_t most) {
    return *history.live_scopes_since(ScopeKind::session, at(since), most);
  };
  using Ids = std::vector<std::string>;
  EXPECT_EQ(told(0, 3), (Ids{"key:flood/0", "key:quiet/b/c", "key:old/run"}));
  EXPECT_EQ(told(0, 4), (Ids{"key:flood/0", "key:flood/5", "key:quiet/b/c", "key:old/run"}));
  EXPECT_EQ(told(0, 6), (Ids{"key:flood/0", "key:flood/5", "key:flood/4", "key:quiet/b/c",
                             "key:quiet/a", "key:old/run"}));
  EXPECT_EQ(told(0, 100).size(), 9u);
  EXPECT_EQ(told(0, 1), Ids{"key:flood/0"});
  EXPECT_EQ(told(0, 0), Ids{});
  EXPECT_EQ(told(kNoonUs - kDayUs, 2), (Ids{"key:flood/0", "key:quiet/b/c"}));
}

/// Whatever comes, and in whatever order owners come: what is kept is what a plain choice keeps.
TEST(FairIdsTest, KeepsWhatAPlainChoiceKeeps) {
  for (std::uint64_t seed = 1; seed <= test::property_seeds(200); ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const std::size_t most = random() % 40;
    const std::size_t owners = 1 + random() % 6;
    FairIds fair(most);
    std::vector<std::string> all;
    std::set<std::string> known;
    for (std::uint64_t n = random() % 1'000; n > 0; --n) {
      // The first owners have many, and come early.
      std::size_t owner = random() % owners;
      if (random() % 4 != 0) owner = owner * (n < 300 ? 1 : 0);
      std::string id = random() % 50 == 0 ? "" : "key:" + std::to_string(owner) + "/";
      id += std::to_string(random() % 200);
      fair.add(id);
      if (known.insert(id).second) all.push_back(id);
    }
    domain::budget::keep_fairly(all, most, [](const std::string& id) { return id; });
    EXPECT_EQ(fair.take(), all);
  }
}

}  // namespace
}  // namespace tollgate::store::testing
