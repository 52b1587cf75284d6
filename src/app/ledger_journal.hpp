#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tollgate/config/snapshot.hpp"
#include "tollgate/store/audit_store.hpp"
#include "tollgate/store/journal_file.hpp"

namespace tollgate::app {

/// The ledger's crash journal through the life of a process: what the last one left is put on
/// record, a new one is begun, and at a clean stop nothing of it is left.
///
/// Place:    made when the store is open and before the ledger, which it outlives.
/// Threads:  the owner.
class LedgerJournal {
 public:
  /// What the last process left, as it was put on record.
  struct Recovered {
    std::uint64_t interrupted = 0;  ///< calls that were running, settled in full
    std::uint64_t settled = 0;      ///< calls that had ended, and whose rows were on their way
    std::uint64_t on_record = 0;    ///< calls whose rows had made it
    std::vector<store::FoundHold> holds;  ///< theirs
    std::uint32_t damaged = 0;  ///< slots that could not be believed; only with `is_forced`
    std::string damage;         ///< of the first
    std::vector<std::string> set_aside;  ///< files, with `is_forced`
  };

  /// Puts on record what is left and makes a new journal.
  ///
  /// @param is_forced  go on without what is damaged, lost or foreign, whose files are set aside
  /// Throws std::runtime_error that names what is wrong and the command that goes on without it.
  LedgerJournal(store::AuditStore& store, const config::Snapshot& snapshot,
                const std::string& config_path, bool is_forced = false);
  ~LedgerJournal();
  LedgerJournal(const LedgerJournal&) = delete;
  LedgerJournal& operator=(const LedgerJournal&) = delete;

  [[nodiscard]] domain::budget::Journal& journal() noexcept { return file_->journal(); }
  [[nodiscard]] const Recovered& recovered() const noexcept { return recovered_; }
  /// Whether what the ledger writes reaches the disk, and there is room for more. Any thread.
  [[nodiscard]] bool is_safe() const noexcept { return !file_->has_fault(); }
  void start() { file_->start(); }
  /// Ends it. `is_all_on_record`: nothing is held and every settlement's row is on disk; then the
  /// database is told that no journal belongs to it any more. While the store is still open.
  void close(bool is_all_on_record);
  /// Removes the files of a journal that was closed with all on record. After the store's stop.
  void remove();

 private:
  void recover(store::AuditStore& store, const store::FoundJournal& found);

  store::AuditStore& store_;
  std::unique_ptr<store::JournalFile> file_;
  Recovered recovered_;
  bool is_empty_ = false;
};

/// Names a scope in a record that stands for it alone: its column, or one of `scopes`.
void add_scope(store::AuditRecord& record, config::ScopeKind kind, const std::string& id);

/// The calls that the holds of a journal belong to, as records.
[[nodiscard]] std::vector<store::AuditRecord> to_records(const std::vector<store::FoundHold>& holds,
                                                         const std::string& config_digest);

}  // namespace tollgate::app
