#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tollgate/store/audit_record.hpp"

namespace tollgate::store {

/// Requests without a valid key, per second and reason.
struct UnauthenticatedSum {
  std::int64_t count = 0;
  std::string first_address;
};
using UnauthenticatedSums = std::map<std::pair<std::int64_t, std::string>, UnauthenticatedSum>;

/// Money of calls that ran unrecorded, per set of scopes and quarter of an hour.
struct UnrecordedKey {
  std::string key, agent, team, org, model, provider;
  std::int64_t quarter_us = 0;
  auto operator<=>(const UnrecordedKey&) const = default;
};
struct UnrecordedSum {
  std::string call_id;  ///< of the ledger row these calls share
  std::int64_t nusd = 0;
  std::int64_t calls = 0;
  bool estimated = false;
  bool overrun = false;
};
using UnrecordedSums = std::map<UnrecordedKey, UnrecordedSum>;

/// The instant whose budget window a charge belongs to.
[[nodiscard]] inline base::WallTime charge_time(const AuditRecord& record,
                                                const LedgerCharge& charge) noexcept {
  constexpr base::WallTime kUnset{};
  if (charge.charged_at != kUnset) return charge.charged_at;
  return record.held_at != kUnset ? record.held_at : record.started;
}

/// Asks for a record that is needed soon. A worker on another core wrote it, and a batch is larger
/// than the second-level cache: without, each of its twenty lines is waited for, in every pass.
inline void prefetch(const AuditRecord& record) noexcept {
  constexpr std::size_t kLine = 64;
  const char* const begin = reinterpret_cast<const char*>(&record);
  for (std::size_t at = 0; at < sizeof record; at += kLine) __builtin_prefetch(begin + at);
}

/// What goes to disk in one transaction. Kept whole until it has been committed.
struct Batch {
  std::vector<std::unique_ptr<AuditRecord>> records;
  std::uint64_t body_bytes = 0;
  UnauthenticatedSums unauthenticated;
  UnrecordedSums unrecorded;
  [[nodiscard]] bool empty() const noexcept {
    return records.empty() && unauthenticated.empty() && unrecorded.empty();
  }
  void clear() noexcept {
    records.clear();
    body_bytes = 0;
    unauthenticated.clear();
    unrecorded.clear();
  }
};

}  // namespace tollgate::store
