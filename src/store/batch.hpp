#pragma once

#include <sched.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "store/packed_record.hpp"
#include "tollgate/store/audit_event.hpp"

namespace tollgate::store {

/// Requests without a valid key, per second and reason.
struct UnauthenticatedSum {
  std::int64_t count = 0;
  std::string first_address;
};
using UnauthenticatedSums = std::map<std::pair<std::int64_t, std::string>, UnauthenticatedSum>;

/// What calls that ran unrecorded come to, per set of scopes and quarter of an hour.
struct UnrecordedKey {
  std::string key, agent, team, org, model, provider;
  std::vector<std::pair<config::ScopeKind, std::string>> scopes;  ///< AuditRecord::scopes
  std::int64_t quarter_us = 0;
  auto operator<=>(const UnrecordedKey&) const = default;
};
struct UnrecordedSum {
  std::string call_id;                      ///< of the ledger row these calls share
  std::string scopes_json;                  ///< of its column `scopes`
  std::vector<PackedRecord::Scope> scopes;  ///< views into the key
  std::int64_t nusd = 0;
  std::int64_t tokens = 0;
  std::int64_t calls = 0;
  /// Slots of the crash journal, which has only so many: however long the disk is full.
  std::vector<std::uint32_t> slots;
  bool estimated = false;
  bool overrun = false;
};
using UnrecordedSums = std::map<UnrecordedKey, UnrecordedSum>;

/// What goes to disk in one transaction. Kept whole until it has been committed.
struct Batch {
  std::vector<PackedPtr> records;
  std::uint64_t body_bytes = 0;
  UnauthenticatedSums unauthenticated;
  UnrecordedSums unrecorded;
  std::vector<AuditEvent> events;
  bool gives_way = false;  ///< see give_way()
  [[nodiscard]] bool empty() const noexcept {
    return records.empty() && unauthenticated.empty() && unrecorded.empty() && events.empty();
  }
  /// Lets those run who wait for this processor. Writing a batch is a burst of a millisecond, and
  /// whoever is woken on the same processor (a worker, the agent, an upstream) waits for its end,
  /// whatever the priorities: Linux lets a running thread have its slice.
  void give_way() const noexcept {
    if (gives_way) ::sched_yield();
  }
  /// The same for the row of record number `at`: for every 16th, some 0.1 ms.
  void give_way(std::size_t at) const noexcept {
    if (at % 16 == 0) give_way();
  }
  void clear() noexcept {
    records.clear();
    body_bytes = 0;
    unauthenticated.clear();
    unrecorded.clear();
    events.clear();
    gives_way = false;
  }
};

}  // namespace tollgate::store
