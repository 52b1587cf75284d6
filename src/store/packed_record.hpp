#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "store/canonical_form.hpp"
#include "tollgate/store/audit_record.hpp"

namespace tollgate::store {

/// One call on its way to the writer: everything of its record that goes to disk, in one piece of
/// memory and in the order in which it is read.
///
/// The writer's core has none of what a worker wrote in its caches. Of an AuditRecord it would wait
/// for some forty lines, most of them of strings elsewhere on the heap, and the worker once more
/// for the same when it gets the record back; this is read from front to back, which the processor
/// sees coming. Never moves: its views point into it.
struct PackedRecord {
  /// What the ledger gets of a call: a row, when there is anything to count, and the word that a
  /// slot of the crash journal is done with.
  struct Charge {
    std::int64_t nusd = 0;
    std::int64_t tokens = 0;
    std::int64_t calls = 0;
    std::int64_t charged_us = 0;
    std::string_view model, provider;
    std::int64_t number = 0;  ///< among the call's charges
    std::uint32_t slot = kNoSlot;
    LedgerKind kind = LedgerKind::call;
    bool estimated = false;
    bool overrun = false;
    [[nodiscard]] bool has_row() const noexcept { return nusd != 0 || tokens != 0 || calls != 0; }
  };
  struct Scope {
    std::string_view id;
    config::ScopeKind kind = config::ScopeKind::tag;
  };

  // By the line of the cache: what a batch is gathered and its bodies are placed by, what rows are
  // made of, what few calls have.
  std::string_view request_body, response_body;  ///< as stored; the second follows the first
  std::size_t capacity = 0;                      ///< bytes of the whole piece
  std::int64_t started_us = 0;
  std::string_view request_id, key_id, agent, team, org;
  std::span<const Charge> charges;
  /// The columns of the row in canonical form, without those that only the writer knows: from
  /// `row_version` to `request_body_sha256`, `response_body_bytes` and `..._sha256`, and the rest.
  std::string_view call_columns, response_columns, last_columns;
  std::span<const Scope> scopes;  ///< those without a member
  std::string_view scopes_json;   ///< column `scopes` of each charge's row; empty = NULL

  [[nodiscard]] std::string_view bodies() const noexcept {
    return {request_body.data(), request_body.size() + response_body.size()};
  }

  struct Free {
    void operator()(PackedRecord* record) const noexcept { ::operator delete(record); }
  };
};
using PackedPtr = std::unique_ptr<PackedRecord, PackedRecord::Free>;

/// Asks for a record that is needed soon: all of it but the bodies, as a rule.
inline void prefetch(const PackedRecord& record) noexcept {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kBytes = 16 * kLine;
  const char* const begin = reinterpret_cast<const char*>(&record);
  for (std::size_t at = 0; at < kBytes; at += kLine) __builtin_prefetch(begin + at);
}

class RecordPool;

/// Packs one thread's records. Keeps memory of its own for the next ones.
class RecordPacker {
 public:
  /// @param with_bodies  false: lengths and digests only.
  [[nodiscard]] PackedPtr pack(const AuditRecord& record, bool with_bodies, RecordPool& pool);

 private:
  /// Memory for a record of `size` bytes, most often that of one written before.
  [[nodiscard]] PackedPtr block(std::size_t size, RecordPool& pool);

  CanonicalForm columns_;
  std::string list_;    ///< a column that is JSON
  std::string scopes_;  ///< another, which the ledger has
  std::vector<PackedPtr> spare_;
};

/// The instant whose budget window a charge belongs to.
[[nodiscard]] inline base::WallTime charge_time(const AuditRecord& record,
                                                const LedgerCharge& charge) noexcept {
  constexpr base::WallTime kUnset{};
  if (charge.charged_at != kUnset) return charge.charged_at;
  return record.held_at != kUnset ? record.held_at : record.started;
}

/// Calls `take(const LedgerCharge&, number)` for each charge of a call with something to count or a
/// slot.
template <class Take>
void each_charge(const AuditRecord& record, Take&& take) {
  for (std::size_t i = 0; i < record.charges.size(); ++i) {
    const LedgerCharge& charge = record.charges[i];
    if (charge.amount.value != 0 || charge.tokens != 0 || charge.calls != 0 ||
        charge.slot != kNoSlot)
      take(charge, i);
  }
  if (!record.charges.empty() || record.cost.value <= 0) return;
  LedgerCharge whole;
  whole.amount = record.cost;
  whole.calls = 1;
  whole.estimated = record.estimated;
  whole.overrun = record.overrun;
  take(whole, std::size_t{0});
}
[[nodiscard]] inline std::string_view model_of(const AuditRecord& record,
                                               const LedgerCharge& charge) noexcept {
  return charge.model.empty() ? record.model_asked : charge.model;
}
[[nodiscard]] inline std::string_view provider_of(const AuditRecord& record,
                                                  const LedgerCharge& charge) noexcept {
  return charge.provider.empty() ? record.provider : charge.provider;
}

}  // namespace tollgate::store
