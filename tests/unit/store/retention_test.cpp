#include <cerrno>
#include <filesystem>
#include <random>

#include "fixture.hpp"
#include "store/segments.hpp"

namespace tollgate::store::testing {
namespace {

class RetentionTest : public StoreTest {
 protected:
  RetentionTest() {
    options_.audit.retention_age = std::chrono::hours(24);
    options_.audit.queue = 8'192;
    options_.audit.batch = 1'000;
  }
  void settle() {
    for (int i = 0; i < 10'000 && store_->step(); ++i) store_->compress_now();
  }
  void fill(const std::string& prefix, int count, std::size_t body = 0) {
    for (int i = 0; i < count; ++i) {
      AuditRecord r = call(prefix + std::to_string(i), 1);
      r.started = clock_.wall();
      if (body > 0) {
        std::string text(body, 'x');
        for (char& c : text) c = static_cast<char>('a' + random_() % 26);  // not too compressible
        r.response_body = body_of(std::move(text));
      }
      put(std::move(r));
    }
    ASSERT_TRUE(store_->flush_now());
  }
  std::mt19937 random_{1};
};

TEST_F(RetentionTest, RowsGoByAgeInSmallStepsAndTheChainHolds) {
  open();
  fill("old_", 1'200);
  clock_.advance(std::chrono::hours(23));
  fill("new_", 10);
  settle();
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 1'210);
  clock_.advance(std::chrono::hours(1) + std::chrono::minutes(2));
  store_->step();
  EXPECT_EQ(store_->stats().rows_expired, 500u) << "one small step";
  settle();
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 10);
  EXPECT_EQ(store_->stats().rows_expired, 1'200u);
  const auto report = *reader()->verify_chain();
  EXPECT_EQ(report.problem, "");
  EXPECT_EQ(report.first_seq, 1'201);
  EXPECT_EQ(reader()->spend_since(config::ScopeKind::key, "key-1", at(0))->usd.value, 1'210);
  EXPECT_EQ(number("SELECT count(*) FROM ledger"), 10);
  reopen();
  fill("next_", 1);
  EXPECT_EQ(reader()->verify_chain()->problem, "");
}

TEST_F(RetentionTest, RowsFromTheFutureNeitherStayForEverNorTakeOthersWithThem) {
  for (const int ahead : {1, 1'300}) {
    SCOPED_TRACE(ahead);
    const std::string name = std::to_string(ahead) + "_";
    options_.audit.path = dir_.file(name + ".db");
    open();
    fill("first_" + name, 1);
    const base::WallTime now = clock_.wall();
    clock_.set_wall(now.time_since_epoch().count() + 3'650ll * 24 * 60 * kMinuteUs);
    fill("ahead_" + name, ahead);
    clock_.set_wall(now.time_since_epoch().count());
    fill("back_" + name, 600);
    clock_.advance(std::chrono::hours(23));
    fill("young_" + name, 10);
    settle();
    EXPECT_EQ(number("SELECT count(*) FROM audit"), 611 + ahead);
    clock_.advance(std::chrono::hours(2));
    settle();
    EXPECT_EQ(number("SELECT count(*) FROM audit"), 10);
    EXPECT_GE(number("SELECT count(*) FROM ledger"), 10);
    EXPECT_EQ(reader()->verify_chain()->problem, "");
    close();
  }
}

TEST_F(RetentionTest, ARowFromTheFutureAtTheOldEndKeepsTheLedgerOfThePresent) {
  open();
  fill("gone_", 1);
  clock_.advance(std::chrono::hours(25));
  const base::WallTime now = clock_.wall();
  clock_.set_wall(now.time_since_epoch().count() + 3'650ll * 24 * 60 * kMinuteUs);
  fill("ahead_", 1);
  clock_.set_wall(now.time_since_epoch().count());
  fill("now_", 20);
  settle();
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 21);
  EXPECT_EQ(number("SELECT count(*) FROM ledger WHERE call_id LIKE 'now%'"), 20);
  EXPECT_LE(number("SELECT at FROM mark WHERE name='ledger_rows_from'"),
            now.time_since_epoch().count());
}

TEST_F(RetentionTest, EverythingExpired) {
  open();
  fill("old_", 20, 1'000);
  store_->note_unauthenticated("unknown", "a");
  ASSERT_TRUE(store_->flush_now());
  clock_.advance(std::chrono::hours(48));
  settle();
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM ledger"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM segment"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM unauthenticated"), 0);
  EXPECT_FALSE(std::filesystem::exists(segment_path(dir_.path(), 1)));
  EXPECT_EQ(reader()->verify_chain()->problem, "");
  fill("new_", 3, 100);
  EXPECT_EQ(reader()->verify_chain()->problem, "");
  const StoredCall out = **reader()->show("new_2");
  EXPECT_EQ(reader()->read_body(out.record.response_body, out.response_place)->size(), 100u);
}

TEST_F(RetentionTest, OldRowsAndWholeSegmentsGoBySize) {
  options_.audit.retention_bytes = 4 << 20;
  options_.audit.segment_bytes = 256 << 10;
  open();
  for (int round = 0; round < 40; ++round) {
    fill("r" + std::to_string(round) + "_", 50, 8'000);
    clock_.advance(std::chrono::minutes(2));
    settle();
  }
  settle();
  clock_.advance(std::chrono::minutes(2));
  settle();
  std::uintmax_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
    if (entry.path().filename().string().find(".seg") != std::string::npos)
      files += entry.file_size();
  }
  EXPECT_LE(files + store_->stats().db_bytes, (4u << 20) + (1u << 20));
  EXPECT_GT(number("SELECT count(*) FROM audit"), 100);
  EXPECT_LT(number("SELECT count(*) FROM audit"), 2'000);
  EXPECT_EQ(number("SELECT count(*) FROM audit WHERE response_body_segment NOT IN "
                   "(SELECT id FROM segment)"),
            0)
      << "no row may point into a segment that is gone";
  EXPECT_GT(store_->stats().segments_compressed, 0u);
  EXPECT_EQ(reader()->spend_since(config::ScopeKind::key, "key-1", at(0))->usd.value, 2'000);
  EXPECT_EQ(reader()->verify_chain()->problem, "");
  for (const StoredCall& call : *reader()->tail(10'000)) {
    ASSERT_EQ(reader()->read_body(call.record.response_body, call.response_place)->size(), 8'000u);
  }
}

TEST_F(RetentionTest, ASegmentThatCannotBeRemovedIsTriedAgain) {
  options_.audit.segment_bytes = 1;
  open();
  fill("a_", 100, 1'000);
  fill("b_", 1, 1'000);
  files_.fail_remove = EPERM;
  clock_.advance(std::chrono::hours(48));
  settle();
  EXPECT_TRUE(store_->writable());
  EXPECT_GT(number("SELECT count(*) FROM segment"), 0);
  files_.fail_remove = 0;
  clock_.advance(std::chrono::hours(1));
  settle();
  EXPECT_EQ(number("SELECT count(*) FROM segment"), 0);
}

TEST_F(RetentionTest, FreedPagesGoBackToTheFileSystem) {
  open();
  for (int i = 0; i < 8; ++i) fill("r" + std::to_string(i) + "_", 1'000);
  settle();
  const auto before = number("PRAGMA page_count");
  clock_.advance(std::chrono::hours(48));
  settle();
  EXPECT_LT(number("PRAGMA page_count"), before / 2);
}

}  // namespace
}  // namespace tollgate::store::testing
