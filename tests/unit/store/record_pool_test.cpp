// Records go round: cleared, with their memory, and never more of them than the bound.
#include "store/record_pool.hpp"

#include <gtest/gtest.h>

namespace tollgate::store {
namespace {

using Records = std::vector<std::unique_ptr<AuditRecord>>;

Records filled(std::size_t count, std::size_t body_bytes) {
  Records records;
  for (std::size_t i = 0; i < count; ++i) {
    auto record = std::make_unique<AuditRecord>();
    record->request_id = std::string(30, 'r');
    record->request_body.stored = std::string(body_bytes, 'b');
    record->request_body.captured = true;
    record->status = 200;
    record->attempts.emplace_back().deployment = std::string(40, 'd');
    record->charges.emplace_back().model = std::string(40, 'm');
    records.push_back(std::move(record));
  }
  return records;
}

TEST(RecordPool, GivesBackClearedRecordsThatKeptTheirMemory) {
  RecordPool pool;
  Records records = filled(3, 1'000);
  pool.give_back(records);
  EXPECT_TRUE(records.empty());
  Records taken;
  pool.take(taken);
  ASSERT_EQ(taken.size(), 3u);
  for (const auto& record : taken) {
    EXPECT_EQ(*record, AuditRecord());
    EXPECT_GE(record->request_id.capacity(), 30u);
    EXPECT_GE(record->request_body.stored.capacity(), 1'000u);
    const AuditAttempt& attempt = record->attempts.emplace_back();
    EXPECT_EQ(attempt, AuditAttempt());
    EXPECT_GE(attempt.deployment.capacity(), 40u);
    const LedgerCharge& charge = record->charges.emplace_back();
    EXPECT_EQ(charge, LedgerCharge());
    EXPECT_GE(charge.model.capacity(), 40u);
  }
  pool.take(taken);
  EXPECT_EQ(taken.size(), 3u) << "nothing more";
}

TEST(RecordPool, LargeBodiesAndSurplusRecordsAreFreed) {
  RecordPool pool;
  Records large = filled(1, 100'000);
  pool.give_back(large);
  Records taken;
  pool.take(taken);
  EXPECT_LT(taken.at(0)->request_body.stored.capacity(), 100u);

  Records many = filled(3'000, 10);
  pool.give_back(many);
  EXPECT_TRUE(many.empty());
  std::size_t back = 0;
  for (Records some;; some.clear()) {
    pool.take(some);
    if (some.empty()) break;
    back += some.size();
  }
  EXPECT_EQ(back, 2'048u);
}

}  // namespace
}  // namespace tollgate::store
