#include "store/spans.hpp"

#include <random>

#include "faulty_vfs.hpp"
#include "fixture.hpp"

namespace tollgate::store::testing {
namespace {

class SpansTest : public StoreTest {
 protected:
  SpansTest() {
    options_.audit.queue = 8'192;
    options_.audit.batch = 100;
  }
  /// Calls that end in another order than they started, of keys of very different weight.
  void fill(int from, int count) {
    std::mt19937 random(static_cast<unsigned>(from) + 1);
    for (int i = from; i < from + count; ++i) {
      AuditRecord r = call("req_" + std::to_string(i));
      r.started = at(kNoonUs + i * 1'000 - static_cast<std::int64_t>(random() % 400'000));
      r.principal.key_id = i % 700 == 3 ? "rare" : "key-" + std::to_string(random() % 3);
      put(std::move(r));
    }
    ASSERT_TRUE(store_->flush_now());
  }
  /// Full spans have their rows' bounds, the newest holds for any row; keys are those of the rows.
  void expect_exact() {
    EXPECT_EQ(number("SELECT count(*) FROM (SELECT seq - seq % 256, seq - seq % 256 + 255, "
                     "min(started_us), max(started_us) FROM audit GROUP BY 1 "
                     "HAVING max(seq) / 256 < (SELECT at / 256 FROM mark WHERE name='chain_head') "
                     "EXCEPT SELECT * FROM audit_span)"),
              0);
    EXPECT_EQ(number("SELECT count(*) FROM audit_span, mark WHERE name='chain_head' AND "
                     "first_seq = at - at % 256 AND last_seq = first_seq + 255 AND oldest_us = 0 "
                     "AND newest_us = 9223372036854775807"),
              1);
    EXPECT_EQ(number("SELECT count(*) FROM (SELECT DISTINCT seq - seq % 256, key_id FROM audit "
                     "EXCEPT SELECT * FROM audit_span_key)"),
              0);
    EXPECT_EQ(number("SELECT count(*) FROM (SELECT * FROM audit_span_key EXCEPT "
                     "SELECT seq - seq % 256, key_id FROM audit)"),
              0);
    EXPECT_EQ(number("SELECT count(*) FROM audit_span"),
              number("SELECT count(DISTINCT seq / 256) FROM audit"));
  }
  std::vector<std::int64_t> found(const CallFilter& filter) {
    std::vector<std::int64_t> out;
    for (const StoredCall& call : *reader()->query(filter)) out.push_back(call.seq);
    return out;
  }
  /// The same by reading every row.
  std::vector<std::int64_t> expected(const CallFilter& filter) {
    std::vector<std::int64_t> out;
    CallFilter all;
    all.limit = 10'000;
    for (const StoredCall& call : *reader()->query(all)) {
      const AuditRecord& r = call.record;
      if (!filter.key.empty() && r.principal.key_id != filter.key) continue;
      if (filter.since && r.started < *filter.since) continue;
      if (filter.until && r.started >= *filter.until) continue;
      if (filter.before_seq && call.seq >= *filter.before_seq) continue;
      if (out.size() < filter.limit) out.push_back(call.seq);
    }
    return out;
  }
};

TEST_F(SpansTest, TheyAccountForEveryRowOverBatchesAndRestarts) {
  open();
  EXPECT_EQ(number("SELECT count(*) FROM audit_span"), 1);
  fill(0, 1);
  expect_exact();
  fill(1, 1'300);
  expect_exact();
  reopen();
  fill(1'301, 100);
  expect_exact();
  fill(1'401, 7 * 256 - 1 - 1'401);  // the last row of a span
  expect_exact();
  fill(7 * 256 - 1, 1);
  expect_exact();
}

TEST_F(SpansTest, QueriesByKeyAndTimeFindWhatAScanFinds) {
  open();
  fill(0, 3'000);
  for (const char* key : {"", "key-1", "rare", "unknown"}) {
    for (const int since : {-1, 0, 700, 2'900, 9'000}) {
      for (const int until : {-1, 0, 100, 2'000, 9'000}) {
        for (const std::int64_t before : {0, 1'500}) {
          CallFilter filter;
          filter.key = key;
          if (since >= 0) filter.since = at(kNoonUs + since * 1'000);
          if (until >= 0) filter.until = at(kNoonUs + until * 1'000);
          if (before > 0) filter.before_seq = before;
          filter.limit = 50;
          EXPECT_EQ(found(filter), expected(filter))
              << key << ' ' << since << ' ' << until << ' ' << before;
        }
      }
    }
  }
}

TEST_F(SpansTest, ABatchThatFailsAddsNothingAndTheNextAttemptAll) {
  FaultyVfs vfs;
  options_.vfs = FaultyVfs::kName;
  open();
  fill(0, 10);
  AuditRecord r = call("req_other");
  r.principal.key_id = "only once";
  put(std::move(r));
  vfs.fail_writes(SQLITE_IOERR_WRITE);
  EXPECT_FALSE(store_->flush_now());
  expect_exact();
  vfs.fail_writes(SQLITE_OK);
  EXPECT_TRUE(store_->flush_now());
  EXPECT_EQ(number("SELECT count(*) FROM audit_span_key WHERE key_id='only once'"), 1);
  expect_exact();
}

TEST_F(SpansTest, ABatchThatFailsOverTheEndOfASpanLeavesItsBoundsRight) {
  FaultyVfs vfs;
  options_.vfs = FaultyVfs::kName;
  open();
  const auto put_rows = [&](int from, int until) {
    for (int i = from; i <= until; ++i) {
      AuditRecord r = call("req_" + std::to_string(i));
      r.started = at(kNoonUs + i * 1'000);
      put(std::move(r));
    }
  };
  for (int i = 1; i <= 250; i += 50) {
    put_rows(i, i + 49);
    ASSERT_TRUE(store_->flush_now());
  }
  put_rows(251, 300);  // 256 begins the next span
  vfs.fail_writes(SQLITE_IOERR_WRITE);
  EXPECT_FALSE(store_->flush_now());
  vfs.fail_writes(SQLITE_OK);
  ASSERT_TRUE(store_->flush_now());
  expect_exact();
  CallFilter filter;
  filter.since = at(kNoonUs + 5'000);
  filter.until = at(kNoonUs + 15'000);
  EXPECT_EQ(found(filter), expected(filter));
  EXPECT_EQ(found(filter).size(), 10u);
}

/// Whatever the clock, the disk and the process do, a query by time and key finds what reading
/// every row finds.
TEST_F(SpansTest, QueriesFindWhatAScanFindsUnderAnyClockFaultAndRestart) {
  constexpr std::int64_t kDay = 24 * 60 * kMinuteUs;
  FaultyVfs vfs;
  options_.vfs = FaultyVfs::kName;
  options_.audit.retention_age = std::chrono::hours(24);
  std::uint64_t expired = 0;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto below = [&](std::int64_t n) {
      return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
    };
    options_.audit.path = dir_.file("seed" + std::to_string(seed) + ".db");
    open();
    std::int64_t offset = 0;  // of the callers' clock
    int id = 0;
    for (int round = 0; round < 30; ++round) {
      switch (below(8)) {
        case 0:
          offset = below(4 * kDay) - 3 * kDay;  // set back, mostly
          break;
        case 1:
          offset = 100 * 365 * kDay;
          break;
        case 2:
          offset = -kNoonUs;  // a machine that starts in 1970
          break;
        default:
          offset = 0;
      }
      const std::int64_t count = 1 + below(300);
      for (std::int64_t i = 0; i < count; ++i) {
        AuditRecord r = call("req_" + std::to_string(++id));
        const std::int64_t now = clock_.wall().time_since_epoch().count();
        r.started = at(std::max<std::int64_t>(0, now + offset - below(kMinuteUs)));
        if (below(50) == 0) r.started = at(below(2 * kNoonUs));
        r.principal.key_id = "key-" + std::to_string(below(3));
        put(std::move(r));
      }
      if (below(3) == 0) {
        vfs.fail_writes(SQLITE_IOERR_WRITE, static_cast<int>(below(12)));
        (void)store_->flush_now();
        if (below(3) == 0) close();  // what is not committed is lost, as in a crash
        vfs.fail_writes(SQLITE_OK);
        if (store_ == nullptr) open();
      }
      ASSERT_TRUE(store_->flush_now());
      if (below(6) == 0) reopen();
      clock_.advance(std::chrono::hours(below(5)));
      for (int i = 0; i < 100 && store_->step(); ++i) {
      }
    }
    EXPECT_EQ(reader()->verify_chain()->problem, "");
    expired += static_cast<std::uint64_t>(number("SELECT at FROM mark WHERE name='chain_anchor'"));
    EXPECT_GT(number("SELECT count(*) FROM audit"), 256);
    for (int i = 0; i < 60; ++i) {
      CallFilter filter;
      filter.limit = 5'000;
      const std::int64_t now = clock_.wall().time_since_epoch().count();
      const std::int64_t middle = below(4) == 0 ? below(2 * now) : now - below(4 * kDay);
      if (below(4) != 0) filter.since = at(middle);
      if (below(4) != 0) filter.until = at(middle + below(kDay));
      if (below(2) == 0) filter.key = "key-" + std::to_string(below(4));
      ASSERT_EQ(found(filter), expected(filter)) << i;
    }
    close();
  }
  EXPECT_GT(expired, 256u);
}

TEST_F(SpansTest, TheyGoWithTheirRows) {
  options_.audit.retention_age = std::chrono::hours(1);
  open();
  fill(0, 1'000);
  clock_.advance(std::chrono::hours(2));
  for (int i = 0; i < 100 && store_->step(); ++i) {
  }
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM audit_span"), 1) << "the one that can still get rows";
  fill(1'000, 100);
  CallFilter filter;
  filter.key = "key-1";
  EXPECT_EQ(found(filter), expected(filter));
}

TEST_F(SpansTest, RejectedCallsLeaveNoTrace) {
  open();
  fill(0, 3);
  AuditRecord repeated = call("req_1", 5);
  repeated.principal.key_id = "stranger";
  AuditRecord nameless = call("", 5);
  nameless.principal.key_id = "stranger";
  put(std::move(repeated));
  put(call("req_new", 7));
  put(call("req_new", 7));
  put(std::move(nameless));
  put(call("req_last", 7));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(store_->stats().rows_rejected, 3u);
  EXPECT_EQ(store_->stats().rows_written, 5u);
  EXPECT_EQ(store_->stats().slots_in_use, 0u);
  EXPECT_EQ(number("SELECT sum(nusd) FROM ledger"), 14);
  EXPECT_EQ(number("SELECT nusd FROM spend_quarter WHERE scope_kind='team'"), 14);
  EXPECT_EQ(number("SELECT count(*) FROM audit_span_key WHERE key_id='stranger'"), 0);
  EXPECT_EQ(reader()->verify_chain()->problem, "");
  expect_exact();
}

}  // namespace
}  // namespace tollgate::store::testing
