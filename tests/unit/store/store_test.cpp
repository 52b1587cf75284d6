#include <limits>

#include "fixture.hpp"

namespace tollgate::store::testing {
namespace {

/// Every field away from its default.
AuditRecord full_record() {
  AuditRecord r = call("req_full", 1'234'567);
  r.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  r.session_id = "sess \"quoted\"";
  r.parent_id = "req_parent";
  r.started = at(kNoonUs + 17);
  r.principal.tags = {"prod", "quote\" back\\slash \n tab\t \x01"};
  r.client_address = "2001:db8::7";
  r.rpc_method = "tools/call";
  r.rpc_target = "files";
  r.tool = "read_file";
  r.task_id = "task-9";
  r.attempts = {{"a/b/c", "status", 503, 10, 20'000, "upstream_failed", {7}},
                {"a/d/e", "ok", 200, 20'100, 90'000, "", {1'234'560}}};
  r.verdicts = {{"pii", "email", "mask", "request", 2}, {"pii", "iban", "flag", "response", 1}};
  r.tokens = {1, 2, 3, 4, 5, 6, 7, 8};
  r.server_tool_calls = 9;
  r.service_tier = "priority";
  r.end_user = "user-7";
  r.estimated = true;
  r.held = {9'999'999};
  r.price_source = "catalogue";
  r.overrun = true;
  r.total_us = 110'100;
  r.gateway_us = 12;
  r.upstream_us = 110'000;
  r.ttft_us = 0;
  r.error_code = "upstream_cut";
  r.outcome = Outcome::upstream_cut;
  r.stream = true;
  r.output_cap_lowered = true;
  r.request_bytes = 111;
  r.response_bytes = 222;
  r.config_digest = "abcd";
  r.request_body = body_of("{\"model\":\"fast\"}");
  r.response_body = body_of(std::string("data: \0x\n\n", 10));
  return r;
}

TEST_F(StoreTest, ARecordComesBackAsItWas) {
  open();
  const AuditRecord in = full_record();
  put(in);
  ASSERT_TRUE(store_->flush_now());
  const auto read = reader();
  auto shown = read->show("req_full");
  ASSERT_TRUE(shown.has_value() && shown->has_value());
  StoredCall& out = **shown;
  EXPECT_EQ(out.seq, 1);
  for (auto [body, place] : {std::pair(&out.record.request_body, &out.request_place),
                             std::pair(&out.record.response_body, &out.response_place)}) {
    auto bytes = read->read_body(*body, *place);
    ASSERT_TRUE(bytes.has_value()) << bytes.error().message();
    *body = body_of(*bytes);
  }
  EXPECT_EQ(out.record, in);
}

TEST_F(StoreTest, AbsentValuesAreNull) {
  open();
  AuditRecord r;
  r.request_id = "req_bare";
  put(r);
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(number("SELECT count(*) FROM audit WHERE key_id IS NULL AND tags IS NULL AND "
                   "attempts IS NULL AND verdicts IS NULL AND gateway_us IS NULL AND "
                   "ttft_us IS NULL AND request_body_bytes IS NULL AND "
                   "response_body_segment IS NULL AND error_code IS NULL AND end_user IS NULL "
                   "AND service_tier IS NULL AND audio_input_tokens IS NULL AND "
                   "audio_output_tokens IS NULL AND server_tool_calls IS NULL"),
            1);
  EXPECT_EQ((*reader()->show("req_bare"))->record, r);
  EXPECT_FALSE(reader()->show("req_none")->has_value());
}

TEST_F(StoreTest, ACappedBodyKeepsTheWholesLengthAndDigest) {
  open();
  AuditRecord r = call("req_capped");
  r.request_body = body_of("whole body");
  r.request_body.stored = "whole";
  const auto digest = r.request_body.sha256;
  put(std::move(r));
  ASSERT_TRUE(store_->flush_now());
  const auto read = reader();
  const StoredCall out = **read->show("req_capped");
  EXPECT_EQ(out.record.request_body.full_bytes, 10u);
  EXPECT_EQ(out.record.request_body.sha256, digest);
  EXPECT_EQ(out.request_place.stored_bytes, 5u);
  EXPECT_EQ(*read->read_body(out.record.request_body, out.request_place), "whole");
}

TEST(AuditRecord, ClearRestoresEveryDefault) {
  AuditRecord r = full_record();
  r.charges.resize(2);
  r.charges[0].tokens = 5;
  r.charges[0].slot = 3;
  r.scopes = {{config::ScopeKind::tag, "a"}};
  r.held_at = at(5);
  r.clear();
  EXPECT_EQ(r, AuditRecord());
}

TEST_F(StoreTest, SlotsBoundAdmissionAndComeBackOnCommit) {
  options_.audit.queue = 4;
  open();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(store_->admit(), Admission::reserved);
  EXPECT_EQ(store_->admit(), Admission::refused);
  EXPECT_EQ(store_->stats().refusals, 1u);
  EXPECT_EQ(store_->stats().slots_in_use, 4u);
  store_->release();
  EXPECT_EQ(store_->admit(), Admission::reserved);
  for (int i = 0; i < 4; ++i) store_->record(call("req_" + std::to_string(i)));
  EXPECT_FALSE(store_->try_reserve()) << "a slot frees at the commit, not before";
  ASSERT_TRUE(store_->step());
  EXPECT_EQ(store_->stats().slots_in_use, 0u);
  EXPECT_EQ(store_->stats().rows_written, 4u);
  EXPECT_TRUE(store_->try_reserve());
}

TEST_F(StoreTest, OnFullDropRunsUnrecordedAndKeepsTheMoney) {
  options_.audit.queue = 2;
  options_.audit.on_full = config::AuditOnFull::drop;
  open();
  EXPECT_EQ(store_->admit(), Admission::reserved);
  EXPECT_EQ(store_->admit(), Admission::reserved);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(store_->admit(), Admission::unrecorded);
    store_->record_unreserved(call("req_lost", 10));
  }
  EXPECT_EQ(store_->stats().records_dropped, 3u);
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM ledger WHERE kind='aggregate' AND calls=3 AND nusd=30"),
            1);
  EXPECT_EQ(reader()->spend_since(config::ScopeKind::team, "team-1", at(0))->usd.value, 30);
}

TEST_F(StoreTest, ABatchHoldsAtMostItsSizeInOneTransaction) {
  options_.audit.batch = 5;
  open();
  for (int i = 0; i < 12; ++i) put(call("req_" + std::to_string(i), 1));
  EXPECT_TRUE(store_->step());
  EXPECT_EQ(store_->stats().rows_written, 5u);
  EXPECT_EQ(store_->stats().batches, 1u);
  EXPECT_TRUE(store_->flush_now());
  EXPECT_EQ(store_->stats().batches, 3u);
  EXPECT_EQ(store_->stats().rows_written, 12u);
  EXPECT_EQ(store_->stats().ledger_rows, 12u);
  EXPECT_EQ(store_->stats().last_commit_us, kNoonUs);
}

TEST_F(StoreTest, ARepeatedRequestIdChangesNothing) {
  open();
  put(call("req_1", 5));
  ASSERT_TRUE(store_->flush_now());
  put(call("req_1", 7));
  put(call("req_2", 1));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(store_->stats().rows_rejected, 1u);
  EXPECT_EQ(store_->stats().slots_in_use, 0u);
  EXPECT_EQ(number("SELECT sum(nusd) FROM ledger"), 6);
  EXPECT_EQ(number("SELECT cost_nusd FROM audit WHERE request_id='req_1'"), 5);
  EXPECT_EQ(reader()->verify_chain()->problem, "");
}

/// Bytes that no encoding knows are kept as they are: the table takes any.
TEST_F(StoreTest, OddTextIsWrittenByteForByte) {
  open();
  const std::string odd("a\0b\xff\xfe\xc3(\xed\xa0\x80\n", 11);
  AuditRecord r = call("req_odd", std::numeric_limits<std::int64_t>::max());
  for (std::string* text : {&r.path, &r.model_asked, &r.session_id, &r.trace_id, &r.tool,
                            &r.error_code, &r.principal.key_id, &r.principal.team}) {
    *text = odd;
  }
  r.started = at(std::numeric_limits<std::int64_t>::max());
  r.tokens.input = std::numeric_limits<std::int64_t>::min();
  r.total_us = -1;
  put(r);
  put(call("req_plain", 1));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(store_->stats().rows_written, 2u);
  EXPECT_EQ(store_->stats().rows_rejected, 0u);
  EXPECT_EQ((*reader()->show("req_odd"))->record, r);
  EXPECT_EQ(reader()->verify_chain()->problem, "");
}

TEST_F(StoreTest, ARowThatTheTableRefusesKeepsItsMoneyAndStopsNothing) {
  std::vector<std::string> told;
  options_.on_rejected = [&](std::uint64_t records, const std::string& first) {
    told.push_back(std::to_string(records) + " " + first);
  };
  options_.audit.queue = 1'024;
  options_.audit.batch = 1'000;
  open();
  put(call("req_before", 1));
  ASSERT_TRUE(store_->flush_now());
  tamper("ALTER TABLE audit ADD COLUMN added INTEGER CHECK (path <> '/poison')");
  for (int i = 0; i < 300; ++i) {
    AuditRecord r = call("req_" + std::to_string(i), 2);
    if (i % 100 == 50) r.path = "/poison";
    r.request_body = body_of("body " + std::to_string(i));
    put(std::move(r));
  }
  put(call("req_before", 1'000));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(store_->state(), StoreState::ready);
  EXPECT_EQ(store_->stats().rows_written, 298u);
  EXPECT_EQ(store_->stats().rows_rejected, 4u);
  EXPECT_EQ(store_->stats().slots_in_use, 0u);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].rfind("4 req_before: ", 0), 0u) << told[0];
  EXPECT_EQ(number("SELECT count(*) FROM audit WHERE path='/poison'"), 0);
  EXPECT_EQ(number("SELECT sum(nusd) FROM ledger"), 601);
  EXPECT_EQ(reader()->spend_since(config::ScopeKind::key, "key-1", at(0))->usd.value, 601);
  EXPECT_EQ(reader()->verify_chain()->problem, "");
  const StoredCall out = **reader()->show("req_299");
  EXPECT_EQ(*reader()->read_body(out.record.request_body, out.request_place), "body 299");

  AuditRecord alone = call("req_alone", 5);
  alone.path = "/poison";
  put(std::move(alone));
  ASSERT_TRUE(store_->flush_now());
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[1].rfind("1 req_alone: CHECK constraint failed", 0), 0u) << told[1];
  EXPECT_EQ(number("SELECT nusd FROM ledger WHERE call_id='req_alone'"), 5);
}

/// A table that is ahead of the chain's head takes no row at all: that is not the records' fault.
TEST_F(StoreTest, AChainHeadThatDoesNotFitStopsTheStore) {
  open();
  put(call("req_1", 1));
  ASSERT_TRUE(store_->flush_now());
  tamper("UPDATE audit SET seq = 2");
  put(call("req_2", 1));
  EXPECT_FALSE(store_->flush_now());
  EXPECT_EQ(store_->state(), StoreState::write_failed);
  EXPECT_EQ(store_->stats().rows_rejected, 0u);
}

TEST_F(StoreTest, QueuedBodiesAreBounded) {
  options_.queue_body_bytes = 100;
  open();
  for (int i = 0; i < 3; ++i) {
    AuditRecord r = call("req_" + std::to_string(i));
    r.request_body = body_of(std::string(60, 'x'));
    put(std::move(r));
  }
  EXPECT_EQ(store_->stats().bodies_dropped, 2u);
  EXPECT_EQ(store_->stats().queue_body_bytes, 60u);
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(store_->stats().queue_body_bytes, 0u);
  EXPECT_EQ(number("SELECT count(*) FROM audit WHERE request_body_bytes=60 AND "
                   "request_body_sha256 IS NOT NULL"),
            3);
  EXPECT_EQ(number("SELECT count(*) FROM audit WHERE request_body_stored=60"), 1);
}

TEST_F(StoreTest, FailedAuthenticationIsCountedPerReasonAndSecond) {
  open();
  for (int i = 0; i < 5; ++i)
    store_->note_unauthenticated("unknown", "192.0.2." + std::to_string(i));
  store_->note_unauthenticated("expired", "192.0.2.9");
  clock_.advance(std::chrono::seconds(2));
  store_->note_unauthenticated("unknown", "192.0.2.99");
  EXPECT_EQ(store_->stats().slots_in_use, 0u);
  ASSERT_TRUE(store_->flush_now());
  const auto counts = *reader()->unauthenticated(at(0));
  ASSERT_EQ(counts.size(), 3u);
  EXPECT_EQ(counts[0].reason, "expired");
  EXPECT_EQ(counts[1].reason, "unknown");
  EXPECT_EQ(counts[1].count, 5);
  EXPECT_EQ(counts[1].first_address, "192.0.2.0");
  EXPECT_EQ(counts[2].second, kNoonUs / 1'000'000 + 2);
  // A later batch of the same second adds up.
  store_->note_unauthenticated("unknown", "192.0.2.100");
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ((*reader()->unauthenticated(at(0)))[2].count, 2);
}

TEST_F(StoreTest, CountsAloneMakeOneTransactionASecond) {
  open();
  store_->step();
  store_->note_unauthenticated("unknown", "a");
  store_->step();
  const auto batches = store_->stats().batches.load();
  store_->note_unauthenticated("unknown", "a");
  store_->step();
  EXPECT_EQ(store_->stats().batches, batches);
  clock_.advance(std::chrono::seconds(1));
  store_->step();
  EXPECT_EQ(store_->stats().batches, batches + 1);
  EXPECT_EQ(number("SELECT sum(count) FROM unauthenticated"), 2);
}

TEST_F(StoreTest, TheChainGoesOnAfterARestart) {
  open();
  put(call("req_1"));
  ASSERT_TRUE(store_->stop(std::chrono::milliseconds(0)).has_value());
  reopen();
  put(call("req_2"));
  close();  // the destructor flushes
  const auto report = *reader()->verify_chain();
  EXPECT_EQ(report.problem, "");
  EXPECT_EQ(report.rows, 2);
  EXPECT_EQ(report.last_seq, 2);
}

TEST_F(StoreTest, StopWritesAllAndEmptiesTheLog) {
  open();
  for (int i = 0; i < 40; ++i) put(call("req_" + std::to_string(i)));
  EXPECT_TRUE(store_->stop(std::chrono::milliseconds(0)).has_value());
  EXPECT_EQ(store_->state(), StoreState::stopped);
  EXPECT_FALSE(store_->try_reserve());
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 40);
  EXPECT_FALSE(store_->create_key({}).get().has_value());
  EXPECT_FALSE(store_->step());
}

TEST_F(StoreTest, ReloadTakesOver) {
  options_.audit.queue = 1;
  open();
  ASSERT_TRUE(store_->try_reserve());
  EXPECT_EQ(store_->admit(), Admission::refused);
  config::Audit audit = options_.audit;
  audit.on_full = config::AuditOnFull::drop;
  store_->reload(audit);
  EXPECT_EQ(store_->admit(), Admission::unrecorded);
}

}  // namespace
}  // namespace tollgate::store::testing
