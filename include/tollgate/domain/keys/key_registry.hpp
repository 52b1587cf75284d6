#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/digest.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/budget/ledger.hpp"
#include "tollgate/domain/keys/permissions.hpp"
#include "tollgate/domain/keys/revocations.hpp"

namespace tollgate::domain::keys {

/// Whom a virtual key stands for and what it may do, worked out once when the registry is built.
struct KeyRecord {
  std::string id;
  base::Sha256Digest digest{};
  std::string last4;
  /// Owners, inherited: an agent's team and a team's org fill what the key leaves empty; what the
  /// key names itself wins. May be empty.
  std::string agent, team, org;
  std::vector<std::string> tags;
  std::vector<std::string> scoped_tags;  ///< those of them that have limits of their own
  std::vector<std::string>
      guardrails;  ///< of the key, its agent, team and org, in that order, once each
  std::optional<base::WallTime> expires;
  bool is_disabled = false;
  bool is_stored = false;  ///< from the store, not from the YAML
  Permissions permissions;
  budget::ScopePath scopes;  ///< key, agent, team, org, tags that have limits
  budget::LiveSources live;  ///< of whose sessions and end users its calls are
  /// Whose traces its calls are in, for the loop breaker: of its org, else its team, else its
  /// agent, told apart by kind. Empty: the key's own.
  std::string trace_owner;
  std::shared_ptr<const config::LoopBreaker> loop_breaker;  ///< null: the snapshot's
  const Revocations::Flag* revoked = nullptr;

  [[nodiscard]] bool is_revoked() const noexcept {
    return revoked->load(std::memory_order_acquire);
  }
  /// Usable until `expires`, exclusive.
  [[nodiscard]] bool is_expired(base::WallTime now) const noexcept {
    return expires.has_value() && now >= *expires;
  }
};

/// Finds the record of a presented key by its digest.
///
/// Place:     domain/keys; the auth stage asks once per request. Built at start, at a reload and
/// when
///            the store gains a key, then swapped in whole; a request pins the one it started with.
/// Lifetime:  records live as long as the registry; `Revocations` and the ledger outlive it.
/// Threads:   immutable but for the shared revocation flags: any, no lock.
class KeyRegistry {
 public:
  /// @param stored  keys from the store. A digest or an id that the YAML also has: the YAML wins.
  [[nodiscard]] static std::shared_ptr<const KeyRegistry> build(const config::Snapshot& snapshot,
                                                                std::span<const config::Key> stored,
                                                                Revocations& revocations,
                                                                budget::Ledger& ledger);

  /// The record of a key that is good at `now`.
  ///
  /// Errors: invalid_api_key, with one text for malformed, unknown, revoked, disabled and expired
  /// keys and one way through the code for all but the malformed (which their text alone gives
  /// away), so that neither answer nor time tells which it was.
  [[nodiscard]] base::Result<const KeyRecord*> authenticate(std::string_view presented,
                                                            base::WallTime now) const;

  /// Whatever its state; null when unknown.
  [[nodiscard]] const KeyRecord* find(const base::Sha256Digest& digest) const noexcept;
  /// For the CLI and the admin API; linear.
  [[nodiscard]] const KeyRecord* find_by_id(std::string_view id) const noexcept;
  [[nodiscard]] std::span<const KeyRecord> records() const noexcept { return records_; }

 private:
  KeyRegistry() = default;
  void add(const config::Key& key, bool is_stored, const config::Snapshot& snapshot,
           Revocations& revocations, budget::Ledger& ledger);
  void index();

  std::vector<KeyRecord> records_;
  /// Open addressing over the digest's first 8 bytes, record number + 1, 0 = empty; at most half
  /// full.
  std::vector<std::uint32_t> buckets_;
};

}  // namespace tollgate::domain::keys
