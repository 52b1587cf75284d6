#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "store/audit_row.hpp"
#include "store/batch.hpp"
#include "store/row_source.hpp"
#include "store/spans.hpp"
#include "store/spend_sums.hpp"

/// The rows of one batch, formed one by one while SQLite reads them.
namespace tollgate::store {

/// What the writer knows of a record besides the record.
struct RecordPlace {
  enum class Fate : std::uint8_t {
    row,       ///< a row, and its charges
    repeated,  ///< on record already with its charges, or without an id: neither
    refused,   ///< the table does not take it: its charges alone
  };
  BodyPlace request, response;
  Fate fate = Fate::row;
};

/// The newest row of the hash chain.
struct ChainHead {
  std::int64_t seq = 0;
  base::Sha256Digest hash{};
};

/// Rows of `audit`. Goes on with the chain, and notes each row's time and key for the spans.
class AuditRows final : public RowSource {
 public:
  /// All three must live until the statement that reads the rows has ended.
  void start(const Batch& batch, const std::vector<RecordPlace>& places, const ChainHead& head) {
    batch_ = &batch;
    places_ = &places;
    begin_ = head;
    AuditRows::rewind();
  }
  void rewind() noexcept override;
  [[nodiscard]] const RowValue* next() noexcept override;
  /// The chain's head after the rows read so far.
  [[nodiscard]] const ChainHead& head() const noexcept { return head_; }
  [[nodiscard]] const SpanNotes& spans() const noexcept { return spans_; }

 private:
  const Batch* batch_ = nullptr;
  const std::vector<RecordPlace>* places_ = nullptr;
  std::size_t at_ = 0;
  ChainHead begin_, head_;
  AuditRowWriter row_;
  SpanNotes spans_;
};

/// Rows of `ledger`: the charges of all records, then the sums of calls that ran unrecorded. Adds
/// each to the sums per scope, and notes the journal's slots of all, also of those without a row.
class LedgerRows final : public RowSource {
 public:
  static constexpr std::size_t kColumns = 17;

  void start(const Batch& batch, const std::vector<RecordPlace>& places) {
    batch_ = &batch;
    places_ = &places;
    LedgerRows::rewind();
  }
  void rewind() noexcept override;
  [[nodiscard]] const RowValue* next() noexcept override;
  /// The sums of the charges read so far.
  [[nodiscard]] const SpendSums& sums() const noexcept { return sums_; }
  /// The latest instant of a charge read so far; 0 = none.
  [[nodiscard]] std::int64_t newest_us() const noexcept { return newest_us_; }
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::span<const std::uint32_t> slots() const noexcept { return slots_; }
  /// The quarters of an hour that the charges read so far belong to, each at least once.
  [[nodiscard]] std::span<const std::int64_t> quarters() const noexcept { return quarters_; }

 private:
  struct Row {
    std::string_view call_id;
    std::int64_t charge, charged_us;
    SpendSums::Amounts amounts;
    LedgerKind kind;
    bool estimated, overrun;
    ChargeScopes scopes;
    std::string_view scopes_json;
  };
  /// The start of a charge's quarter, nearly always that of the charge before.
  [[nodiscard]] std::int64_t quarter_of(std::int64_t charged_us);
  void note(std::uint32_t slot) {
    if (slot != kNoSlot) slots_.push_back(slot);
  }
  const RowValue* give(const Row& row);

  const Batch* batch_ = nullptr;
  const std::vector<RecordPlace>* places_ = nullptr;
  std::size_t at_ = 0;      ///< record
  std::size_t charge_ = 0;  ///< of it
  UnrecordedSums::const_iterator unrecorded_;
  std::array<RowValue, kColumns> values_;
  SpendSums sums_;
  std::int64_t newest_us_ = 0;
  std::uint64_t count_ = 0;
  std::vector<std::uint32_t> slots_;
  std::vector<std::int64_t> quarters_;
};

/// Rows to add to `spend_quarter`.
class SpendRows final : public RowSource {
 public:
  static constexpr std::size_t kColumns = 6;
  /// The sums may be filled until the rows are read.
  explicit SpendRows(const SpendSums& sums) : sums_(sums) {}
  void rewind() noexcept override { at_ = 0; }
  [[nodiscard]] const RowValue* next() noexcept override;

 private:
  const SpendSums& sums_;
  std::size_t at_ = 0;
  std::array<RowValue, kColumns> values_;
};

}  // namespace tollgate::store
