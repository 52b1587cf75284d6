#include <cerrno>
#include <filesystem>

#include "faulty_vfs.hpp"
#include "fixture.hpp"

namespace tollgate::store::testing {
namespace {

class FaultTest : public StoreTest {
 protected:
  FaultTest() { options_.vfs = FaultyVfs::kName; }
  AuditRecord with_body(const std::string& id, const std::string& text) {
    AuditRecord r = call(id, 1);
    r.request_body = body_of(text);
    return r;
  }
  FaultyVfs vfs_;
};

TEST_F(FaultTest, ARevocationWaitsForADiskThatTakesIt) {
  std::vector<std::string> late;
  options_.on_late_revocation = [&](const Revocation& r) { late.push_back(r.key_id); };
  open();
  vfs_.fail_writes(SQLITE_FULL);
  const Revocation leaked{base::sha256("k1"), "k1", at(kNoonUs), "leaked"};
  EXPECT_EQ(store_->revoke_key(leaked).get().error().code(), base::ErrorCode::audit_unavailable);
  EXPECT_TRUE(store_->revoke_key(leaked).get().has_error());
  EXPECT_TRUE(store_->revoke_key({base::sha256("k2"), "k2", at(kNoonUs), ""}).get().has_error());
  ASSERT_EQ(store_->unwritten_revocations().size(), 2u) << "one per key";
  EXPECT_EQ(store_->unwritten_revocations()[0].key_id, "k1");
  clock_.advance(std::chrono::seconds(1));
  store_->step();
  EXPECT_EQ(store_->unwritten_revocations().size(), 2u);

  vfs_.fail_writes(SQLITE_OK);
  store_->step();
  EXPECT_EQ(store_->unwritten_revocations().size(), 2u) << "not before the retry interval";
  EXPECT_TRUE(late.empty());
  clock_.advance(std::chrono::seconds(1));
  store_->step();
  EXPECT_TRUE(store_->unwritten_revocations().empty());
  EXPECT_EQ(late, (std::vector<std::string>{"k1", "k2"}));
  EXPECT_EQ(reader()->revocations()->size(), 2u);
}

TEST_F(FaultTest, ARevocationDoesNotStandBehindRecordsThatCannotBeWritten) {
  open();
  put(with_body("req_1", "one"));
  files_.fail_write = ENOSPC;
  store_->step();
  ASSERT_EQ(store_->state(), StoreState::write_failed);
  EXPECT_TRUE(store_->revoke_key({base::sha256("k1"), "k1", at(kNoonUs), ""}).get().has_value());
  EXPECT_EQ(reader()->revocations()->size(), 1u);
}

TEST_F(FaultTest, TheEndWritesRevocationsOrTellsThem) {
  open();
  store_->start();
  vfs_.fail_writes(SQLITE_FULL);
  EXPECT_TRUE(store_->revoke_key({base::sha256("k1"), "k1", at(kNoonUs), ""}).get().has_error());
  vfs_.fail_writes(SQLITE_OK);
  EXPECT_TRUE(store_->stop(std::chrono::milliseconds(0)).has_value());
  EXPECT_TRUE(store_->unwritten_revocations().empty());

  reopen();
  store_->start();
  vfs_.fail_writes(SQLITE_FULL);
  EXPECT_TRUE(store_->revoke_key({base::sha256("k2"), "k2", at(kNoonUs), ""}).get().has_error());
  EXPECT_TRUE(store_->stop(std::chrono::milliseconds(0)).has_value()) << "no record is lost";
  EXPECT_TRUE(store_->revoke_key({base::sha256("k3"), "k3", at(kNoonUs), ""}).get().has_error());
  const auto lost = store_->unwritten_revocations();
  ASSERT_EQ(lost.size(), 2u);
  EXPECT_EQ(lost[0].key_id + lost[1].key_id, "k2k3");
  vfs_.fail_writes(SQLITE_OK);
  EXPECT_EQ(reader()->revocations()->size(), 1u);
}

TEST_F(FaultTest, NothingIsRevokedInAFileThatIsGone) {
  open();
  std::filesystem::rename(options_.audit.path, options_.audit.path + ".away");
  clock_.advance(std::chrono::seconds(2));
  store_->step();
  ASSERT_EQ(store_->state(), StoreState::file_replaced);
  EXPECT_TRUE(store_->revoke_key({base::sha256("k1"), "k1", at(kNoonUs), ""}).get().has_error());
  EXPECT_EQ(store_->unwritten_revocations().size(), 1u);
}

struct SqliteFault {
  int code;
  int after;  ///< writes that still succeed: the fault hits at another place of the transaction
};
class SqliteFaults : public FaultTest, public ::testing::WithParamInterface<SqliteFault> {};

TEST_P(SqliteFaults, KeepTheBatchStopAdmissionAndHealAlone) {
  open();
  put(call("req_before", 1));
  ASSERT_TRUE(store_->flush_now());
  vfs_.fail_writes(GetParam().code, GetParam().after);
  put(with_body("req_1", "one"));
  put(with_body("req_2", "two"));
  store_->step();
  EXPECT_EQ(store_->state(), StoreState::write_failed);
  EXPECT_FALSE(store_->writable());
  EXPECT_NE(store_->state_detail(), "");
  EXPECT_EQ(store_->admit(), Admission::refused);
  EXPECT_EQ(store_->stats().writer_errors, 1u);
  EXPECT_EQ(store_->stats().slots_in_use, 2u);

  store_->step();  // not before the retry interval
  EXPECT_EQ(store_->stats().writer_errors, 1u);
  clock_.advance(std::chrono::seconds(1));
  store_->step();
  EXPECT_EQ(store_->stats().writer_errors, 2u);

  vfs_.fail_writes(SQLITE_OK);
  clock_.advance(std::chrono::seconds(1));
  store_->step();
  EXPECT_TRUE(store_->writable());
  EXPECT_EQ(store_->state_detail(), "");
  EXPECT_EQ(store_->admit(), Admission::reserved);
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 3);
  EXPECT_EQ(reader()->spend_since(config::ScopeKind::key, "key-1", at(0))->usd.value, 3);
  EXPECT_EQ(reader()->verify_chain()->problem, "");
  const StoredCall out = **reader()->show("req_2");
  EXPECT_EQ(*reader()->read_body(out.record.request_body, out.request_place), "two");
  EXPECT_EQ(states_, (std::vector{StoreState::ready, StoreState::write_failed, StoreState::ready}));
}
INSTANTIATE_TEST_SUITE_P(All, SqliteFaults,
                         ::testing::Values(SqliteFault{SQLITE_FULL, 0}, SqliteFault{SQLITE_FULL, 1},
                                           SqliteFault{SQLITE_FULL, 3},
                                           SqliteFault{SQLITE_IOERR_WRITE, 0},
                                           SqliteFault{SQLITE_IOERR_WRITE, 5},
                                           SqliteFault{SQLITE_READONLY, 0}));

TEST_F(FaultTest, ASegmentThatCannotBeWrittenKeepsTheBatch) {
  for (const int error : {ENOSPC, EIO, EDQUOT}) {
    SCOPED_TRACE(error);
    open();
    files_.fail_write = error;
    files_.partial = 2;
    put(with_body("req_" + std::to_string(error), "body"));
    store_->step();
    EXPECT_EQ(store_->state(), StoreState::write_failed);
    EXPECT_EQ(store_->stats().rows_written, 0u);
    files_.fail_write = 0;
    clock_.advance(std::chrono::seconds(1));
    store_->step();
    EXPECT_TRUE(store_->writable());
    const StoredCall out = **reader()->show("req_" + std::to_string(error));
    EXPECT_EQ(*reader()->read_body(out.record.request_body, out.request_place), "body");
    close();
  }
}

TEST_F(FaultTest, SyncFullFlushesBodiesBeforeTheCommit) {
  options_.audit.sync_full = true;
  open();
  put(with_body("req_1", "body"));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(files_.syncs, 1);
  files_.fail_sync = EIO;
  put(with_body("req_2", "body"));
  EXPECT_FALSE(store_->flush_now());
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 1);
}

TEST_F(FaultTest, UnderDropAnUnwritableStoreLosesNoMoney) {
  options_.audit.on_full = config::AuditOnFull::drop;
  open();
  vfs_.fail_writes(SQLITE_FULL);
  put(call("req_1", 5));
  store_->step();
  EXPECT_EQ(store_->admit(), Admission::unrecorded);
  for (int i = 0; i < 100; ++i) store_->record_unreserved(call("req_x", 2));
  EXPECT_EQ(store_->stats().records_dropped, 100u);
  vfs_.fail_writes(SQLITE_OK);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_TRUE(store_->flush_now());
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 1);
  EXPECT_EQ(reader()->spend_since(config::ScopeKind::org, "org-1", at(0))->usd.value, 205);
}

TEST_F(FaultTest, TooLittleSpaceStopsAdmissionButWritesWhatWasAdmitted) {
  options_.audit.min_free_bytes = 1'000;
  open();
  put(call("req_1"));
  files_.free = 999;
  clock_.advance(std::chrono::seconds(1));
  store_->step();
  EXPECT_EQ(store_->state(), StoreState::low_space);
  EXPECT_EQ(store_->admit(), Admission::refused);
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 1);
  files_.free = 1'000;
  clock_.advance(std::chrono::seconds(1));
  store_->step();
  EXPECT_TRUE(store_->writable());
}

TEST_F(FaultTest, ALockHeldByAnotherProcessDelaysAndLosesNothing) {
  open();
  sqlite3* other = nullptr;
  sqlite3_open(options_.audit.path.c_str(), &other);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  put(call("req_1", 3));
  store_->step();
  EXPECT_EQ(store_->state(), StoreState::locked);
  EXPECT_FALSE(store_->writable());
  sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  clock_.advance(std::chrono::seconds(1));
  store_->step();
  EXPECT_TRUE(store_->writable());
  EXPECT_EQ(number("SELECT sum(nusd) FROM ledger"), 3);
}

TEST_F(FaultTest, ADeletedFileIsNoticedAndKeepsTheRecords) {
  open();
  put(call("req_0"));
  ASSERT_TRUE(store_->flush_now());
  const std::string path = options_.audit.path;
  std::filesystem::rename(path, path + ".aside");
  clock_.advance(std::chrono::seconds(1));
  put(call("req_1"));
  store_->step();
  EXPECT_EQ(store_->state(), StoreState::file_replaced);
  EXPECT_EQ(store_->stats().rows_written, 1u);
  std::filesystem::rename(path + ".aside", path);
  clock_.advance(std::chrono::seconds(1));
  store_->step();
  EXPECT_TRUE(store_->writable());
  EXPECT_EQ(store_->stats().rows_written, 2u);
}

TEST_F(FaultTest, StopSaysHowManyRecordsItCouldNotWrite) {
  open();
  vfs_.fail_writes(SQLITE_FULL);
  for (int i = 0; i < 20; ++i) put(call("req_" + std::to_string(i)));
  const auto stopped = store_->stop(std::chrono::milliseconds(0));
  ASSERT_TRUE(stopped.has_error());
  EXPECT_NE(stopped.error().message().find("20 records"), std::string::npos)
      << stopped.error().message();
}

TEST_F(FaultTest, AKeyRequestFailsAtOnceWhileWritesFail) {
  open();
  vfs_.fail_writes(SQLITE_FULL);
  StoredKey key;
  key.key.id = "k";
  EXPECT_EQ(store_->create_key(key).get().error().code(), base::ErrorCode::audit_unavailable);
  vfs_.fail_writes(SQLITE_OK);
  EXPECT_TRUE(store_->create_key(key).get().has_value());
}

/// Whatever write of a transaction fails, trying again writes each call once and in chain.
TEST_F(FaultTest, AFaultAtAnyWriteOfABatchIsHarmless) {
  open();
  for (int after = 0; after < 12; ++after) {
    vfs_.fail_writes(SQLITE_FULL, after);
    AuditRecord r = with_body("req_" + std::to_string(after), std::string(100, 'b'));
    put(std::move(r));
    store_->flush_now();
    vfs_.fail_writes(SQLITE_OK);
    ASSERT_TRUE(store_->flush_now());
    ASSERT_EQ(number("SELECT count(*) FROM audit"), after + 1);
    ASSERT_EQ(number("SELECT sum(nusd) FROM ledger"), after + 1);
    ASSERT_EQ(number("SELECT sum(nusd) FROM spend_quarter WHERE scope_kind='key'"), after + 1);
    ASSERT_EQ(reader()->verify_chain()->problem, "");
  }
}

}  // namespace
}  // namespace tollgate::store::testing
