// Events: written soon, bounded while they cannot be, removed by age.
#include <thread>

#include "faulty_vfs.hpp"
#include "fixture.hpp"

namespace tollgate::store::testing {
namespace {

class EventsTest : public StoreTest {
 protected:
  EventsTest() { options_.vfs = FaultyVfs::kName; }
  static AuditEvent event(std::string kind, std::int64_t at_us = kNoonUs) {
    AuditEvent e;
    e.at = at(at_us);
    e.kind = std::move(kind);
    return e;
  }
  FaultyVfs vfs_;
};

TEST_F(EventsTest, AnEventComesBackAsItWas) {
  open();
  const AuditEvent full{at(kNoonUs + 3), "budget_alert", config::ScopeKind::end_user,
                        "u-1",           "team-day",     R"({"percent":80})"};
  store_->note_event(full);
  AuditEvent bare;
  bare.kind = "ledger_adjusted";
  clock_.advance(std::chrono::seconds(9));
  store_->note_event(bare);
  ASSERT_TRUE(store_->flush_now());
  const auto events = *reader()->events(at(0));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1], full);
  bare.at = clock_.wall();
  EXPECT_EQ(events[0], bare) << "newest first, with the time it was handed over";
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE scope_kind IS NULL AND scope_id IS NULL AND "
                   "budget IS NULL AND detail IS NULL"),
            1);
  EXPECT_EQ(reader()->events(at(0), "budget_alert")->size(), 1u);
  EXPECT_EQ(reader()->events(at(kNoonUs + 4))->size(), 1u);
  EXPECT_EQ(reader()->events(at(0), {}, 1)->at(0), bare);
  EXPECT_EQ(store_->stats().events_written, 2u);
}

TEST_F(EventsTest, AreWrittenWithTheNextRecordsOrWithinASecond) {
  open();
  store_->note_event(event("a"));
  store_->step();
  EXPECT_EQ(store_->stats().events_written, 1u);
  store_->note_event(event("b"));
  store_->step();
  EXPECT_EQ(store_->stats().events_written, 1u) << "not a transaction for each";
  clock_.advance(std::chrono::seconds(1));
  store_->step();
  EXPECT_EQ(store_->stats().events_written, 2u);
  store_->note_event(event("c"));
  put(call("req_1"));
  store_->step();
  EXPECT_EQ(store_->stats().events_written, 3u);
  store_->note_event(event("d"));
  close();
  EXPECT_EQ(number("SELECT count(*) FROM event"), 4) << "the end writes them";
}

TEST_F(EventsTest, AreBoundedAndCountedWhileTheDiskIsFull) {
  options_.queued_events = 3;
  open();
  vfs_.fail_writes(SQLITE_FULL);
  for (int i = 0; i < 2; ++i) store_->note_event(event("early"));
  EXPECT_FALSE(store_->flush_now());
  for (int i = 0; i < 5; ++i) store_->note_event(event("late"));
  EXPECT_EQ(store_->stats().events_dropped, 2u);
  vfs_.fail_writes(SQLITE_OK);
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(number("SELECT count(*) FROM event"), 5);
  EXPECT_EQ(store_->stats().events_written, 5u);
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE kind='early'"), 2) << "once each";
}

TEST_F(EventsTest, GoByAge) {
  options_.audit.retention_age = std::chrono::hours(24);
  open();
  constexpr std::int64_t kHourUs = 60 * kMinuteUs;
  for (int i = 0; i < 1'200; ++i) store_->note_event(event("old", kNoonUs - 25 * kHourUs));
  store_->note_event(event("young", kNoonUs - 23 * kHourUs));
  ASSERT_TRUE(store_->flush_now());
  while (store_->step()) {
  }
  EXPECT_EQ(number("SELECT count(*) FROM event"), 1);
  EXPECT_EQ(reader()->events(at(0))->at(0).kind, "young");
}

TEST_F(EventsTest, AnyThreadMayNoteThem) {
  options_.audit.flush_interval = std::chrono::milliseconds(1);
  open();
  store_->start();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) store_->note_event(event("e"));
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(number("SELECT count(*) FROM event"), 400);
}

}  // namespace
}  // namespace tollgate::store::testing
