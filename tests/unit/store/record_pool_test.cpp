// Records travel in one piece of memory that goes round, and never more of it than the bound.
#include "store/record_pool.hpp"

#include <gtest/gtest.h>

#include <set>

#include "fixture.hpp"

namespace tollgate::store::testing {
namespace {

using Records = std::vector<PackedPtr>;

Records packed(RecordPool& pool, std::size_t count, std::size_t body_bytes) {
  RecordPacker packer;
  AuditRecord record = call("req_1", 5);
  record.request_body = body_of(std::string(body_bytes, 'b'));
  Records records;
  for (std::size_t i = 0; i < count; ++i) records.push_back(packer.pack(record, true, pool));
  return records;
}

TEST(RecordPool, WrittenRecordsAreFilledAgain) {
  RecordPool pool;
  Records records = packed(pool, 3, 1'000);
  std::set<const PackedRecord*> memory;
  for (const auto& record : records) memory.insert(record.get());
  pool.give_back(records);
  EXPECT_TRUE(records.empty());
  const Records again = packed(pool, 3, 10);
  for (const auto& record : again) EXPECT_TRUE(memory.contains(record.get()));
}

TEST(RecordPool, MemoryThatIsTooSmallGivesWayToLarger) {
  RecordPool pool;
  Records small = packed(pool, 2, 10);
  pool.give_back(small);
  Records large = packed(pool, 2, 50'000);
  EXPECT_GT(large.at(0)->capacity, 50'000u);
  pool.give_back(large);
  Records taken;
  pool.take(taken);
  ASSERT_EQ(taken.size(), 2u);
  for (const auto& record : taken) EXPECT_GT(record->capacity, 50'000u);
}

TEST(RecordPool, SurplusIsFreed) {
  const auto kept = [](std::size_t count, std::size_t body_bytes) {
    RecordPool pool;
    Records many = packed(pool, count, body_bytes);
    pool.give_back(many);
    EXPECT_TRUE(many.empty());
    Records back;
    for (std::size_t before = 1; before != back.size();) {
      before = back.size();
      pool.take(back);
    }
    return back.size();
  };
  EXPECT_EQ(kept(5'000, 10), 4'096u);
  EXPECT_LE(kept(500, 32u << 10), 256u) << "8 MiB";
  EXPECT_GE(kept(500, 32u << 10), 240u);
  EXPECT_EQ(kept(3, 100'000), 0u) << "one of these is not worth keeping";
}

TEST(PackedRecord, HasTheMoneyOfEveryChargeAndOfACallWithoutAny) {
  RecordPool pool;
  RecordPacker packer;
  AuditRecord record = call("req_1", 5);
  record.held_at = at(7);
  PackedPtr whole = packer.pack(record, true, pool);
  ASSERT_EQ(whole->charges.size(), 1u);
  EXPECT_EQ(whole->charges[0].nusd, 5);
  EXPECT_EQ(whole->charges[0].charged_us, 7);
  EXPECT_EQ(whole->charges[0].model, "fast");
  EXPECT_EQ(whole->charges[0].provider, "openai");

  record.charges.resize(3);
  record.charges[0].amount = {2};
  record.charges[0].kind = LedgerKind::abandoned;
  record.charges[2].amount = {3};
  record.charges[2].model = "other";
  record.charges[2].charged_at = at(9);
  Records give{};
  give.push_back(std::move(whole));
  pool.give_back(give);
  const PackedPtr parts = packer.pack(record, true, pool);
  ASSERT_EQ(parts->charges.size(), 2u) << "what cost nothing has no row";
  EXPECT_EQ(parts->charges[0].number, 0);
  EXPECT_EQ(parts->charges[0].kind, LedgerKind::abandoned);
  EXPECT_EQ(parts->charges[1].number, 2);
  EXPECT_EQ(parts->charges[1].charged_us, 9);
  EXPECT_EQ(parts->charges[1].model, "other");

  record.charges.clear();
  record.cost = {};
  EXPECT_TRUE(packer.pack(record, true, pool)->charges.empty());
}

TEST(PackedRecord, BodiesAreOnePieceOrLeftOut) {
  RecordPool pool;
  RecordPacker packer;
  AuditRecord record = call("req_1");
  record.request_body = body_of("question");
  record.response_body = body_of("answer");
  const PackedPtr with = packer.pack(record, true, pool);
  EXPECT_EQ(with->bodies(), "questionanswer");
  EXPECT_EQ(with->response_body, "answer");
  const PackedPtr without = packer.pack(record, false, pool);
  EXPECT_EQ(without->bodies(), "");
  EXPECT_EQ(without->call_columns, with->call_columns) << "lengths and digests stay";
  EXPECT_EQ(without->response_columns, with->response_columns);
  record.request_body.captured = false;
  EXPECT_EQ(packer.pack(record, true, pool)->bodies(), "answer");
}

}  // namespace
}  // namespace tollgate::store::testing
