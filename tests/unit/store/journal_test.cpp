// The store's side of the ledger's crash journal: slots told at the commit that settles them, calls
// that a crash left open written once, and the word whose journal it is.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "faulty_vfs.hpp"
#include "fixture.hpp"

namespace tollgate::store::testing {
namespace {

using Slots = std::vector<std::uint32_t>;

class JournalTest : public StoreTest {
 protected:
  JournalTest() {
    options_.vfs = FaultyVfs::kName;
    options_.on_committed = [this](std::span<const std::uint32_t> slots) {
      EXPECT_FALSE(slots.empty());
      ++times_;
      told_.insert(told_.end(), slots.begin(), slots.end());
      if (look_) look_();
    };
  }
  /// A call with one charge per slot.
  static AuditRecord held(const std::string& id, const Slots& slots, std::int64_t nusd = 1) {
    AuditRecord r = call(id);
    for (const std::uint32_t slot : slots) {
      LedgerCharge& charge = r.charges.emplace_back();
      charge.amount = {nusd};
      charge.calls = 1;
      charge.slot = slot;
    }
    return r;
  }
  /// What was told since the last call, in order of number.
  Slots told() {
    std::sort(told_.begin(), told_.end());
    return std::exchange(told_, {});
  }

  FaultyVfs vfs_;
  Slots told_;
  int times_ = 0;
  std::function<void()> look_;
};

TEST_F(JournalTest, SlotsAreToldOnceTheirRowsAreOnDisk) {
  open();
  std::int64_t rows = 0;
  look_ = [&] { rows = number("SELECT count(*) FROM audit"); };
  put(held("req_1", {7, 0}));
  put(call("req_2", 5));  // holds no slot
  put(held("req_3", {4'000'000'000}));
  EXPECT_TRUE(told().empty()) << "not before";
  ASSERT_TRUE(store_->step());
  EXPECT_EQ(told(), (Slots{0, 7, 4'000'000'000}));
  EXPECT_EQ(times_, 1);
  EXPECT_EQ(rows, 3) << "readable by then";
  put(call("req_4", 5));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(times_, 1) << "nothing to tell";
  put(held("req_5", {1}));
  ASSERT_TRUE(store_->flush_now());
  put(held("req_6", {2}));
  ASSERT_TRUE(store_->stop(std::chrono::milliseconds(0)).has_value());
  EXPECT_EQ(told(), (Slots{1, 2}));
}

TEST_F(JournalTest, ASlotOfNothingIsToldWithoutARow) {
  open();
  AuditRecord r = held("req_1", {3, 5});
  for (LedgerCharge& charge : r.charges) {
    charge.amount = {};
    charge.calls = 0;
  }
  r.charges[1].tokens = 9;
  r.scopes = {{config::ScopeKind::tag, "t"}};
  put(r);
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(told(), (Slots{3, 5}));
  EXPECT_EQ(number("SELECT count(*) FROM ledger"), 1);
}

TEST_F(JournalTest, SlotsOfRepeatedAndRefusedCallsAreToldToo) {
  open();
  put(held("req_1", {1}));
  ASSERT_TRUE(store_->flush_now());
  tamper("ALTER TABLE audit ADD COLUMN added INTEGER CHECK (path <> '/poison')");
  told_.clear();
  put(held("req_1", {2, 3}));
  put(held("req_2", {4}));
  AuditRecord poison = held("req_3", {5});
  poison.path = "/poison";
  put(poison);
  put(held("", {6}));
  put(held("req_2", {7}));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(told(), (Slots{2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(store_->stats().rows_rejected, 4u);
  EXPECT_EQ(number("SELECT count(*) FROM ledger"), 3) << "of req_1, req_2 and the refused req_3";
}

TEST_F(JournalTest, AFailedBatchTellsItsSlotsWhenItIsOnDisk) {
  open();
  for (int after = 0; after < 12; ++after) {
    vfs_.fail_writes(SQLITE_FULL, after);
    const auto slot = static_cast<std::uint32_t>(after);
    put(held("req_" + std::to_string(after), {slot}));
    const bool written = store_->flush_now();
    EXPECT_EQ(told(), written ? Slots{slot} : Slots{});
    vfs_.fail_writes(SQLITE_OK);
    ASSERT_TRUE(store_->flush_now());
    EXPECT_EQ(told(), written ? Slots{} : Slots{slot}) << "once";
  }
}

TEST_F(JournalTest, SlotsOfUnrecordedCallsAreToldWithTheirSum) {
  options_.audit.on_full = config::AuditOnFull::drop;
  options_.audit.queue = 1;
  open();
  vfs_.fail_writes(SQLITE_FULL);
  for (std::uint32_t i = 0; i < 5; ++i)
    store_->record_unreserved(held("req_" + std::to_string(i), {i}));
  AuditRecord nothing = held("req_9", {9}, 0);
  nothing.charges[0].calls = 0;
  nothing.principal.key_id = "key-2";
  store_->record_unreserved(nothing);
  EXPECT_FALSE(store_->flush_now());
  EXPECT_TRUE(told().empty());
  vfs_.fail_writes(SQLITE_OK);
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(told(), (Slots{0, 1, 2, 3, 4, 9}));
  EXPECT_EQ(number("SELECT count(*) FROM ledger"), 1);
}

TEST_F(JournalTest, TheWriterThreadTells) {
  std::atomic<std::size_t> count{0};
  options_.on_committed = [&](std::span<const std::uint32_t> slots) { count += slots.size(); };
  options_.audit.flush_interval = std::chrono::milliseconds(1);
  options_.audit.queue = 1'024;
  open();
  store_->start();
  for (std::uint32_t i = 0; i < 500; ++i) put(held("req_" + std::to_string(i), {i}));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(count, 500u);
}

TEST_F(JournalTest, CallsLeftOpenAreWrittenOnce) {
  open();
  put(held("req_done", {1}, 10));
  ASSERT_TRUE(store_->flush_now());
  told_.clear();
  std::vector<AuditRecord> calls;
  for (const char* id : {"req_a", "req_done", "req_b", "req_a", ""}) {
    AuditRecord r = held(id, {2}, 100);
    r.outcome = Outcome::interrupted;
    r.charges[0].kind = LedgerKind::interrupted;
    r.charges[0].tokens = 7;
    r.scopes = {{config::ScopeKind::session, "s"}};
    r.request_body = body_of("not kept");
    calls.push_back(std::move(r));
  }
  EXPECT_EQ(*store_->recover(calls), (RecoveredCalls{2, 3}));
  EXPECT_EQ(*store_->recover(calls), (RecoveredCalls{0, 5})) << "again";
  reopen();
  EXPECT_EQ(*store_->recover(calls), (RecoveredCalls{0, 5}));
  EXPECT_EQ(*store_->recover({}), RecoveredCalls{});
  EXPECT_TRUE(told().empty()) << "the caller knows them";
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 3);
  EXPECT_EQ(number("SELECT count(*) FROM audit WHERE outcome='interrupted' AND "
                   "request_body_stored IS NULL"),
            2);
  EXPECT_EQ(number("SELECT count(*) FROM ledger WHERE kind='interrupted'"), 2);
  const auto sums = *reader()->spend_since(config::ScopeKind::key, "key-1", at(0));
  EXPECT_EQ(sums, (domain::budget::Sums{{210}, 14, 3}));
  EXPECT_EQ(*reader()->spend_since(config::ScopeKind::session, "s", at(0)),
            (domain::budget::Sums{{200}, 14, 2}));
  EXPECT_EQ((*reader()->show("req_b"))->record.outcome, Outcome::interrupted);
  EXPECT_EQ(reader()->verify_chain()->problem, "");
  put(held("req_next", {3}));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(reader()->verify_chain()->problem, "");
  EXPECT_EQ(store_->stats().rows_rejected, 0u) << "none was lost";
  store_->start();
  EXPECT_TRUE(store_->recover(calls).has_error()) << "before start() only";
}

TEST_F(JournalTest, RecoveryWritesAllOrNothing) {
  open();
  put(held("req_done", {1}, 10));
  ASSERT_TRUE(store_->flush_now());
  int failed = 0;
  for (int after = 0; after < 12; ++after) {
    SCOPED_TRACE(after);
    const std::string name = std::to_string(after);
    const std::vector<AuditRecord> calls = {held("req_a" + name, {2}), held("req_done", {3}),
                                            held("req_b" + name, {4})};
    vfs_.fail_writes(SQLITE_FULL, after);
    const auto first = store_->recover(calls);
    vfs_.fail_writes(SQLITE_OK);
    if (first.has_error()) {
      ++failed;
      EXPECT_EQ(first.error().code(), base::ErrorCode::audit_unavailable);
      ASSERT_EQ(number("SELECT count(*) FROM audit"), 1 + 2 * after);
      ASSERT_EQ(number("SELECT count(*) FROM ledger"), 1 + 2 * after);
      ASSERT_TRUE(store_->writable()) << "nothing is left to be tried behind the caller's back";
    }
    const auto again = store_->recover(calls);
    ASSERT_EQ(*again, (first.has_error() ? RecoveredCalls{2, 1} : RecoveredCalls{0, 3}));
    ASSERT_EQ(number("SELECT sum(nusd) FROM ledger"), 10 + 2 * (after + 1));
    ASSERT_EQ(number("SELECT sum(nusd) FROM spend_quarter WHERE scope_kind='key'"),
              10 + 2 * (after + 1));
  }
  EXPECT_GE(failed, 3);
  EXPECT_EQ(reader()->verify_chain()->problem, "");
}

/// Money without its row would be charged again by the next try.
TEST_F(JournalTest, RecoveryDoesNotLeaveOutARowThatTheTableRefuses) {
  open();
  tamper("ALTER TABLE audit ADD COLUMN added INTEGER CHECK (path <> '/poison')");
  std::vector<AuditRecord> calls = {held("req_1", {1}), held("req_2", {2})};
  calls[1].path = "/poison";
  EXPECT_TRUE(store_->recover(calls).has_error());
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM ledger"), 0);
}

TEST_F(JournalTest, TheJournalsIdentityIsKept) {
  open();
  EXPECT_EQ(*store_->journal_epoch(), std::nullopt);
  for (const std::uint64_t epoch : {std::uint64_t{1}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
    ASSERT_TRUE(store_->set_journal_epoch(epoch).has_value());
    EXPECT_EQ(*store_->journal_epoch(), epoch);
    EXPECT_EQ(*reader()->journal_epoch(), epoch);
    reopen();
    EXPECT_EQ(*store_->journal_epoch(), epoch);
  }
  vfs_.fail_writes(SQLITE_FULL);
  EXPECT_TRUE(store_->set_journal_epoch(5).has_error());
  vfs_.fail_writes(SQLITE_OK);
  EXPECT_EQ(*store_->journal_epoch(), std::uint64_t{1} << 63);
  store_->start();
  ASSERT_TRUE(store_->set_journal_epoch(6).has_value());
  EXPECT_EQ(*store_->journal_epoch(), 6u);
}

TEST_F(JournalTest, TheLogIsWhereItSays) {
  const std::string link = dir_.file("link.db");
  open();
  EXPECT_EQ(store_->wal_path(), std::filesystem::canonical(options_.audit.path).string() + "-wal");
  put(held("req_1", {1}));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_GT(std::filesystem::file_size(store_->wal_path()), 0u);
  const std::string path = store_->wal_path();
  close();
  std::filesystem::create_symlink(options_.audit.path, link);
  options_.audit.path = link;
  open();
  EXPECT_EQ(store_->wal_path(), path) << "beside the file, not beside the link";
}

}  // namespace
}  // namespace tollgate::store::testing
