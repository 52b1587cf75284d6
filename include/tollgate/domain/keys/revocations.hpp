#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>

#include "tollgate/base/digest.hpp"

namespace tollgate::domain::keys {

/// The keys that were revoked, for good: a revocation outlives the YAML entry and every reload.
///
/// Each digest has one flag that all key records of it share, in every registry, old, current or
/// being built: a revocation holds at once, for requests that pinned an old registry too.
/// Lifetime: one per process, outlives every KeyRegistry; filled from the store at start. A flag
/// stays for each key ever seen (some 100 bytes). Threads: any; reading a flag takes no lock.
class Revocations {
 public:
  using Flag = std::atomic<bool>;

  /// Idempotent. The caller writes it to the store.
  void revoke(const base::Sha256Digest& digest);
  [[nodiscard]] bool is_revoked(const base::Sha256Digest& digest) const;
  /// The flag of a key, made on first use.
  [[nodiscard]] const Flag& flag(const base::Sha256Digest& digest);
  /// How many are revoked: for metrics.
  [[nodiscard]] std::size_t count() const;

 private:
  mutable std::mutex mutex_;
  std::map<base::Sha256Digest, std::unique_ptr<Flag>> flags_;
};

}  // namespace tollgate::domain::keys
