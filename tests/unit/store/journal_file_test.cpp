// The journal's two files: what another process finds in them, how they grow, and what is not
// believed.
#include "tollgate/store/journal_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/temp_dir.hpp"

namespace tollgate::store::testing {
namespace {

using domain::budget::Journal;
using domain::budget::JournalEntry;

constexpr std::uint64_t kEpoch = 7;

class JournalFiles : public ::testing::Test {
 protected:
  JournalFiles() {
    std::ofstream(wal_).flush();
    file_ = made();
    EXPECT_TRUE(file_->adopt().has_value());
  }
  std::unique_ptr<JournalFile> made() {
    JournalFile::Options options;
    options.database = database_;
    options.wal = wal_;
    options.sync_interval = std::chrono::hours(1);
    options.on_state = [this](const std::string& why) { states_.push_back(why); };
    auto file = JournalFile::create(std::move(options), kEpoch);
    EXPECT_TRUE(file.has_value());
    return std::move(*file);
  }
  /// A hold of a key's session.
  void hold(std::uint32_t slot, std::string_view request) {
    JournalEntry entry;
    entry.state = JournalEntry::State::held;
    entry.amounts = {{50}, 20, 1};
    entry.size = 2;
    entry.scopes = {1, 2};
    entry.request_id = request;
    entry.session = "s1";
    file_->journal().write(slot, entry);
  }
  FoundJournal read() {
    auto found = JournalFile::read(database_, kEpoch);
    EXPECT_TRUE(found.has_value());
    return std::move(*found);
  }
  void overwrite(std::size_t offset, std::string_view bytes) {
    std::fstream file(slots(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  [[nodiscard]] std::string slots() const { return database_ + "-journal.slots"; }

  tollgate::testing::TempDir dir_;
  std::string database_ = dir_.file("audit.db");
  std::string wal_ = database_ + "-wal";
  std::vector<std::string> states_;
  std::unique_ptr<JournalFile> file_;
};

// Nothing is closed, nothing synced: as a killed process leaves it.
TEST_F(JournalFiles, AnotherProcessFindsWhatWasHeld) {
  file_->on_name(1, {config::ScopeKind::key, "k one"});
  file_->on_name(2, {config::ScopeKind::session, "key:k one/"});
  hold(3, "req_1");
  hold(4, "req_2");
  file_->journal().set_amounts(4, JournalEntry::State::settled, {{9}, 2, 1}, true);
  hold(5, "req_3");
  file_->journal().free(5);
  const FoundJournal found = read();
  EXPECT_TRUE(found.exists);
  EXPECT_EQ(found.epoch, kEpoch);
  EXPECT_EQ(found.damaged, 0u) << found.why;
  ASSERT_EQ(found.holds.size(), 2u);
  EXPECT_EQ(found.holds[0].request_id, "req_1");
  EXPECT_FALSE(found.holds[0].is_settled);
  EXPECT_EQ(found.holds[0].amounts, (domain::budget::Amounts{{50}, 20, 1}));
  const std::vector<std::pair<config::ScopeKind, std::string>> scopes = {
      {config::ScopeKind::key, "k one"}, {config::ScopeKind::session, "key:k one/s1"}};
  EXPECT_EQ(found.holds[0].scopes, scopes);
  EXPECT_TRUE(found.holds[1].is_settled);
  EXPECT_TRUE(found.holds[1].is_estimated);
  EXPECT_EQ(found.holds[1].amounts.usd.value, 9);
}

TEST_F(JournalFiles, GrowsWhenHalfIsInUse) {
  const std::uint32_t before = file_->journal().capacity();
  file_->step(false);
  EXPECT_EQ(file_->journal().capacity(), before);
  file_->journal().free(before / 2);
  file_->step(false);
  EXPECT_EQ(file_->journal().capacity(), 2 * before);
  file_->on_name(1, {config::ScopeKind::key, "k1"});
  file_->on_name(2, {config::ScopeKind::session, "key:k1/"});
  hold(2 * before - 1, "req_last");
  ASSERT_EQ(read().holds.size(), 1u);
  EXPECT_EQ(read().damaged, 0u);
}

// Its thread sleeps until it is due; a burst wakes it.
TEST_F(JournalFiles, ABurstOfCallsMakesItGrow) {
  const std::uint32_t before = file_->journal().capacity();
  file_->start();
  file_->journal().free(before / 2);
  // Without being woken it would look again in an hour, and this test run into its time limit.
  while (file_->journal().capacity() == before) std::this_thread::yield();
  EXPECT_EQ(file_->journal().capacity(), 2 * before);
  file_->stop();
}

TEST_F(JournalFiles, ASyncWritesAndIsTold) {
  file_->journal().free(0);
  file_->step(true);
  EXPECT_FALSE(file_->has_fault());
  EXPECT_TRUE(states_.empty());
  // What cannot be synced before the slots keeps them from the disk.
  std::filesystem::remove(wal_);
  std::filesystem::create_symlink("/dev/full", wal_);
  file_->journal().free(0);
  file_->step(true);
  EXPECT_TRUE(file_->has_fault());
  ASSERT_EQ(states_.size(), 1u);
  EXPECT_NE(states_[0].find("cannot sync"), std::string::npos) << states_[0];
  std::filesystem::remove(wal_);
  file_->step(true);
  EXPECT_TRUE(file_->has_fault()) << "a log that is not where it should be is no log";
  std::ofstream(wal_).flush();
  file_->step(true);
  EXPECT_FALSE(file_->has_fault()) << "tried again though nothing was written since";
  EXPECT_EQ(states_.back(), "");
}

// Recovered rows and the new epoch are in the log: the old journal must not go before them.
TEST_F(JournalFiles, TheOldJournalGoesWhenTheLogIsOnDisk) {
  const auto next = made();
  std::filesystem::remove(wal_);
  EXPECT_TRUE(next->adopt().has_error());
  std::ofstream(wal_).flush();
  EXPECT_TRUE(next->adopt().has_value());
}

TEST_F(JournalFiles, WhatIsDamagedIsNotBelieved) {
  hold(0, "req_1");
  EXPECT_EQ(read().damaged, 1u) << "scopes without a name";
  file_->on_name(1, {config::ScopeKind::key, "k1"});
  file_->on_name(2, {config::ScopeKind::session, "key:k1/"});
  EXPECT_EQ(read().damaged, 0u);
  overwrite(4'096 + 20 * Journal::kSlotBytes, std::string(Journal::kSlotBytes, '\0'));
  EXPECT_EQ(read().damaged, 1u);
  EXPECT_NE(read().why.find("slot 20"), std::string::npos) << read().why;
  std::filesystem::resize_file(slots(), 4'096 + Journal::kChunkBytes - 1);
  EXPECT_NE(read().why.find("cut off"), std::string::npos);
  overwrite(8, "x");
  EXPECT_EQ(read().damaged, 1u);
  EXPECT_TRUE(read().holds.empty());
  EXPECT_EQ(JournalFile::set_aside(database_, "old").size(), 2u);
  EXPECT_FALSE(read().exists);
}

TEST_F(JournalFiles, ProvisionalFilesCountWhenTheDatabaseNamesThem) {
  file_->on_name(1, {config::ScopeKind::key, "k1"});
  file_->on_name(2, {config::ScopeKind::session, "key:k1/"});
  hold(0, "req_1");
  const auto next = made();  // of the same epoch, not adopted
  EXPECT_TRUE(read().holds.empty());
  next->remove();
  EXPECT_EQ(read().holds.size(), 1u);
  file_->stop();
  file_->remove();
  EXPECT_FALSE(read().exists);
}

}  // namespace
}  // namespace tollgate::store::testing
