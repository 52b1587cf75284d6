#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "store/sqlite.hpp"
#include "tollgate/base/clock.hpp"
#include "tollgate/store/file_system.hpp"

namespace tollgate::store {

/// Removes the oldest calls by age and total size, a small batch at a time between the writer's
/// transactions. Writer thread only.
///
/// Rows go in the order of the chain, whose anchor moves with them: that of the calls' ends, so a
/// row from the future (the clock was set back since) is older than those behind it and goes when
/// the first of them that is not from the future has expired. Money never goes: sums per quarter of
/// an hour are kept from the moment of the charge, and after 62 days (longer than any window but
/// `total`) become sums per day. Ledger rows outlive their audit rows by kLedgerSlack. A segment
/// goes when no row points into it.
class Retention {
 public:
  struct Limits {
    std::chrono::hours age;
    std::uint64_t total_bytes;  ///< pages in use + segment files
  };
  struct Step {
    int rc = SQLITE_OK;
    std::uint64_t rows = 0;
    bool more = false;           ///< call again soon
    bool wants_segment = false;  ///< over size, and the open segment holds nothing but expired rows
  };

  Retention(Database& db, FileSystem& files, std::string directory)
      : db_(db), files_(files), directory_(std::move(directory)) {}

  /// One small piece of work. `busy_segment` is being compressed and must stay; 0 = none.
  [[nodiscard]] Step step(base::WallTime now, const Limits& limits, std::int64_t busy_segment,
                          std::int64_t open_segment);

  static constexpr std::int64_t kRowsPerStep = 500;
  static constexpr std::int64_t kLedgerSlackUs = 30ll * 60 * 1'000'000;  // over the longest call
  static constexpr std::int64_t kQuarterDays = 62;

 private:
  [[nodiscard]] bool is_over_size(std::uint64_t limit);
  [[nodiscard]] int delete_calls(std::int64_t now_us, std::int64_t cutoff_us, bool over_size,
                                 Step& step);
  /// Whether the first full span behind row `seq` that has no row from the future has expired.
  [[nodiscard]] bool is_expired_behind(std::int64_t seq, std::int64_t now_us,
                                       std::int64_t cutoff_us);
  [[nodiscard]] int delete_ledger(std::int64_t cutoff_us, Step& step);
  [[nodiscard]] int delete_unauthenticated(std::int64_t cutoff_us, Step& step);
  [[nodiscard]] int delete_events(std::int64_t cutoff_us, Step& step);
  [[nodiscard]] int roll_up_quarters(std::int64_t now_us, Step& step);
  [[nodiscard]] int delete_segments(std::int64_t busy_segment, std::int64_t open_segment,
                                    Step& step);
  [[nodiscard]] int run(std::string_view sql, std::int64_t a, std::int64_t b = 0);

  Database& db_;
  FileSystem& files_;
  std::string directory_;
};

}  // namespace tollgate::store
