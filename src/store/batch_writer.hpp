#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "store/batch.hpp"
#include "store/batch_rows.hpp"
#include "store/segments.hpp"
#include "store/spans.hpp"
#include "store/sqlite.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/store/audit_store.hpp"

namespace tollgate::store {

/// How a transaction went. `state` is ready when it was committed.
struct CommitResult {
  StoreState state = StoreState::ready;
  std::string detail;
  std::uint64_t audit_rows = 0;
  std::uint64_t ledger_rows = 0;
  std::uint64_t rejected = 0;  ///< records that got no row
  std::string rejected_why;    ///< one line about them; empty when there are none
};

/// Puts one batch on disk: bodies into the open segment, then rows, ledger, sums and the chain's
/// head in one transaction. All state moves on only when the transaction has committed, so a failed
/// batch is simply given again. A record that the table does not take is left out of it, since
/// trying again would not help; every other fault concerns the batch. Writer thread only.
class BatchWriter {
 public:
  BatchWriter(Database& db, FileSystem& files, std::string directory);
  /// Prepares the statements and reads where the chain and the segments stand.
  [[nodiscard]] base::Result<void> prepare();

  struct Limits {
    std::uint64_t segment_bytes;
    bool sync_bodies;
  };
  [[nodiscard]] CommitResult commit(const Batch& batch, const Limits& limits);
  /// The same for calls without bodies that may be on record already, which is no fault of theirs:
  /// all that are not get their rows, or nothing is written.
  [[nodiscard]] CommitResult recover(const Batch& batch);
  /// The journal's slots of the batch committed last, also of records without a row.
  [[nodiscard]] std::span<const std::uint32_t> slots() const noexcept {
    return ledger_rows_.slots();
  }

  /// Segments closed by commits since the last call (and at start: all not yet compressed).
  [[nodiscard]] std::vector<std::int64_t> take_closed();
  [[nodiscard]] std::int64_t open_segment() const noexcept { return cursor_.id; }
  /// Closes the open segment, so that retention may remove it.
  [[nodiscard]] int close_segment();

 private:
  void place_bodies(const Batch& batch, SegmentCursor& cursor);
  /// One transaction; an error has rolled it back.
  [[nodiscard]] int write(const Batch& batch, const SegmentCursor& cursor);
  [[nodiscard]] int write_quarters();
  [[nodiscard]] int write_sums();
  [[nodiscard]] int write_unauthenticated(const Batch& batch);
  [[nodiscard]] int write_events(const Batch& batch);
  [[nodiscard]] int write_marks(const SegmentCursor& cursor, const ChainHead& chain);
  /// Looks for the records that a transaction failed for: each finds no row to be written for it
  /// any more, and is told in `result`. Both say whether they found any.
  [[nodiscard]] bool reject_repeated(const Batch& batch, CommitResult& result);
  [[nodiscard]] bool reject_refused(const Batch& batch, CommitResult& result);
  /// Inserts the rows of the records as they are marked, and undoes it.
  /// @return SQLite's extended result code.
  [[nodiscard]] int try_rows(const Batch& batch);
  [[nodiscard]] CommitResult failed(int rc) const;
  /// After a commit: what it wrote, and the chain's new head.
  void move_on(CommitResult& result);

  Database& db_;
  FileSystem& files_;
  std::string directory_;
  SegmentFile segment_;
  SegmentCursor cursor_;
  std::int64_t last_segment_ = 0;  ///< highest id ever used here
  ChainHead chain_;
  std::vector<std::int64_t> closed_;

  std::string detail_;  ///< why the last transaction failed
  std::vector<RecordPlace> places_;
  std::vector<std::string_view> pieces_;
  AuditRows audit_rows_;
  LedgerRows ledger_rows_;
  SpendRows spend_rows_{ledger_rows_.sums()};
  SpanWriter spans_;
  Statement begin_, commit_, insert_audit_, insert_ledger_, add_spend_, add_unauthenticated_,
      add_event_, add_quarter_;
  Statement set_head_, set_newest_, set_segment_, close_segment_;
};

}  // namespace tollgate::store
