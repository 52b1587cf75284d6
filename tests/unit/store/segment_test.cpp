#include <cerrno>
#include <filesystem>

#include "fixture.hpp"
#include "store/segments.hpp"

namespace tollgate::store::testing {
namespace {

class SegmentTest : public StoreTest {
 protected:
  SegmentTest() { options_.audit.segment_bytes = 64 * 1024; }
  AuditRecord with_bodies(int i, std::size_t size) {
    AuditRecord r = call("req_" + std::to_string(i));
    r.request_body = body_of(std::string(size, static_cast<char>('a' + i % 26)));
    r.response_body = body_of("answer " + std::to_string(i));
    return r;
  }
  void check_bodies(int count, std::size_t size) {
    const auto read = reader();
    for (int i = 0; i < count; ++i) {
      const StoredCall out = **read->show("req_" + std::to_string(i));
      ASSERT_EQ(*read->read_body(out.record.request_body, out.request_place),
                std::string(size, static_cast<char>('a' + i % 26)));
      ASSERT_EQ(*read->read_body(out.record.response_body, out.response_place),
                "answer " + std::to_string(i));
    }
  }
  bool exists(const std::string& path) { return std::filesystem::exists(path); }
};

TEST_F(SegmentTest, SegmentsCloseAndAreReadCompressedAndNot) {
  open();
  for (int i = 0; i < 60; ++i) {
    put(with_bodies(i, 10'000));
    ASSERT_TRUE(store_->flush_now());
  }
  EXPECT_GE(number("SELECT count(*) FROM segment"), 8);
  check_bodies(60, 10'000);
  ASSERT_TRUE(store_->compress_now());
  EXPECT_FALSE(exists(segment_path(dir_.path(), 1)));
  EXPECT_TRUE(exists(compressed_path(dir_.path(), 1)));
  check_bodies(60, 10'000);
  while (store_->compress_now()) {
  }
  store_->step();
  EXPECT_EQ(
      number("SELECT count(*) FROM segment WHERE state='compressed' AND file_bytes<raw_bytes"),
      number("SELECT count(*) FROM segment") - 1);
  check_bodies(60, 10'000);
}

TEST_F(SegmentTest, ABodyAcrossFramesOfACompressedSegment) {
  options_.audit.segment_bytes = 4 << 20;
  open();
  for (int i = 0; i < 12; ++i) put(with_bodies(i, 200'001));
  AuditRecord huge = call("req_12");
  std::string text(3 * kFrameBytes + 17, 'z');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * i >> 7);
  huge.request_body = body_of(text);
  put(huge);
  ASSERT_TRUE(store_->flush_now());
  std::atomic<bool> stop{false};
  std::uint64_t bytes = 0;
  ASSERT_EQ(compress_segment(files_, dir_.path(), 1, stop, bytes), 0);
  EXPECT_EQ(bytes, std::filesystem::file_size(compressed_path(dir_.path(), 1)));
  check_bodies(12, 200'001);
  const StoredCall out = **reader()->show("req_12");
  EXPECT_EQ(*reader()->read_body(out.record.request_body, out.request_place), text);
}

TEST_F(SegmentTest, CompressionIsRepeatableAfterEveryInterruption) {
  const std::string directory = dir_.path();
  const std::string text(1'000'000, 'q');
  std::atomic<bool> stop{false};
  std::uint64_t bytes = 0;
  std::string out;
  tollgate::testing::write_file(segment_path(directory, 7), text);
  // Stopped: nothing but the original is left.
  stop = true;
  EXPECT_EQ(compress_segment(files_, directory, 7, stop, bytes), ECANCELED);
  EXPECT_FALSE(exists(compressed_path(directory, 7) + ".tmp"));
  stop = false;
  for (const int error : {ENOSPC, EIO}) {
    files_.fail_write = error;
    EXPECT_EQ(compress_segment(files_, directory, 7, stop, bytes), error);
    files_.fail_write = 0;
    EXPECT_EQ(read_segment(files_, directory, 7, 999'990, 10, out), 0);
  }
  // Died between the rename and the removal: both are there.
  files_.fail_remove = EPERM;
  EXPECT_EQ(compress_segment(files_, directory, 7, stop, bytes), EPERM);
  EXPECT_TRUE(exists(segment_path(directory, 7)) && exists(compressed_path(directory, 7)));
  files_.fail_remove = 0;
  EXPECT_EQ(compress_segment(files_, directory, 7, stop, bytes), 0);
  EXPECT_FALSE(exists(segment_path(directory, 7)));
  // Died before the database learned of it: done again, nothing to do.
  EXPECT_EQ(compress_segment(files_, directory, 7, stop, bytes), 0);
  EXPECT_EQ(read_segment(files_, directory, 7, 0, text.size(), out), 0);
  EXPECT_EQ(out, text);
}

struct BadRange {
  std::uint64_t offset;
  std::size_t length;
};
TEST_F(SegmentTest, ARangeOutsideTheSegmentIsDamageNotACrash) {
  const std::string directory = dir_.path();
  std::string out;
  std::atomic<bool> stop{false};
  std::uint64_t bytes = 0;
  for (const bool compressed : {false, true}) {
    tollgate::testing::write_file(segment_path(directory, 1), std::string(1'000, 'x'));
    if (compressed) {
      ASSERT_EQ(compress_segment(files_, directory, 1, stop, bytes), 0);
    }
    for (const BadRange& bad : {BadRange{1'001, 0}, BadRange{1'000, 1}, BadRange{0, 1'001},
                                BadRange{~0ull, 2}, BadRange{5, ~std::size_t{0}}}) {
      const bool inside_frame = compressed && bad.length == 0;  // frames round the end up
      EXPECT_EQ(read_segment(files_, directory, 1, bad.offset, bad.length, out),
                inside_frame ? 0 : EBADMSG)
          << compressed << ' ' << bad.offset;
    }
  }
  EXPECT_EQ(read_segment(files_, directory, 9, 0, 1, out), ENOENT);
}

TEST_F(SegmentTest, DamageIsReportedByTheReader) {
  open();
  put(with_bodies(0, 100));
  ASSERT_TRUE(store_->flush_now());
  const StoredCall out = **reader()->show("req_0");
  const std::string path = segment_path(dir_.path(), 1);
  std::string content = tollgate::testing::read_file(path);
  content[3] ^= 1;
  tollgate::testing::write_file(path, content);
  auto read = reader()->read_body(out.record.request_body, out.request_place);
  ASSERT_TRUE(read.has_error());
  EXPECT_EQ(read.error().code(), base::ErrorCode::audit_unavailable);
  std::filesystem::remove(path);
  EXPECT_EQ(reader()->read_body(out.record.request_body, out.request_place).error().code(),
            base::ErrorCode::not_found);
}

TEST_F(SegmentTest, ARestartContinuesTheOpenSegmentAndCutsWhatNeverCommitted) {
  open();
  put(with_bodies(0, 1'000));
  close();
  const std::string path = segment_path(dir_.path(), 1);
  const auto committed = std::filesystem::file_size(path);
  tollgate::testing::write_file(path, tollgate::testing::read_file(path) + "torn batch");
  open();
  EXPECT_EQ(std::filesystem::file_size(path), committed);
  put(with_bodies(1, 1'000));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ(number("SELECT count(*) FROM segment"), 1);
  check_bodies(2, 1'000);
}

TEST_F(SegmentTest, ASegmentThatLostBytesWithThePowerIsNotContinued) {
  open();
  put(with_bodies(0, 1'000));
  close();
  std::filesystem::resize_file(segment_path(dir_.path(), 1), 10);
  open();
  put(with_bodies(1, 1'000));
  ASSERT_TRUE(store_->flush_now());
  const StoredCall lost = **reader()->show("req_0");
  EXPECT_TRUE(reader()->read_body(lost.record.request_body, lost.request_place).has_error());
  const StoredCall kept = **reader()->show("req_1");
  EXPECT_EQ(kept.request_place.segment, 2);
  EXPECT_TRUE(reader()->read_body(kept.record.request_body, kept.request_place).has_value());
}

TEST_F(SegmentTest, SegmentsOfALostDatabaseAreNotWrittenOver) {
  tollgate::testing::write_file(segment_path(dir_.path(), 41), "evidence");
  tollgate::testing::write_file(compressed_path(dir_.path(), 43), "evidence");
  open();
  put(with_bodies(0, 10));
  ASSERT_TRUE(store_->flush_now());
  EXPECT_EQ((*reader()->show("req_0"))->request_place.segment, 44);
  EXPECT_EQ(tollgate::testing::read_file(segment_path(dir_.path(), 41)), "evidence");
}

TEST_F(SegmentTest, SegmentsLeftClosedAreCompressedAfterARestart) {
  open();
  for (int i = 0; i < 20; ++i) {
    put(with_bodies(i, 10'000));
    ASSERT_TRUE(store_->flush_now());
  }
  reopen();
  EXPECT_TRUE(store_->compress_now());
  store_->step();
  EXPECT_EQ(number("SELECT count(*) FROM segment WHERE state='compressed'"), 1);
  check_bodies(20, 10'000);
}

}  // namespace
}  // namespace tollgate::store::testing
