#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/config/snapshot.hpp"

namespace tollgate::domain::routing {

/// Whether one deployment is to be spared for a while, and for how long.
///
/// Two clocks: one the provider set (429 or Retry-After), which a late success of another call must
/// not undo, and one our own count of failures set, which a success clears. While the first runs
/// the deployment is not called; the second only puts it behind the others, since what failed may
/// have been the doing of one caller. Threads: all members from any worker; atomics only, no lock.
class Cooldown {
 public:
  [[nodiscard]] bool active(base::MonoTime now) const noexcept { return until() > now; }
  /// MonoTime::min() when it never cooled.
  [[nodiscard]] base::MonoTime until() const noexcept;
  /// The end of what the provider asked for with a 429 or a Retry-After; MonoTime::min(): nothing.
  [[nodiscard]] base::MonoTime asked_until() const noexcept;
  [[nodiscard]] bool asked(base::MonoTime now) const noexcept { return asked_until() > now; }
  [[nodiscard]] std::uint32_t failures_in_a_row() const noexcept {
    return failures_.load(std::memory_order_relaxed);
  }

  /// An answer that shows the deployment alive.
  void on_success() noexcept;
  /// A connect, TLS, 5xx or timeout failure. At `cooldown_failures` in a row it cools for
  /// `cooldown`; after that has passed, one more failure cools again at once.
  void on_failure(const config::Routing& rules, base::MonoTime now) noexcept;
  /// A 429, or a failure that names a Retry-After: cools at once, for that time or `cooldown`, at
  /// most `cooldown_max`. Never shortens what was asked before.
  void on_asked_to_wait(const config::Routing& rules,
                        std::optional<std::chrono::milliseconds> retry_after,
                        base::MonoTime now) noexcept;

 private:
  // Nanoseconds of MonoTime; the lowest value means never.
  std::atomic<std::int64_t> asked_until_{base::MonoTime::min().time_since_epoch().count()};
  std::atomic<std::int64_t> failed_until_{base::MonoTime::min().time_since_epoch().count()};
  std::atomic<std::uint32_t> failures_{0};
};

/// Resolved once per snapshot, so that the path of a call neither locks nor hashes a string.
using CooldownHandle = std::shared_ptr<Cooldown>;

/// The cooldowns of all deployments, by deployment id.
///
/// Lifetime: one per process; survives reloads, so that a reload does not send traffic back to a
/// deployment that asked for peace. Threads: any; the mutex guards resolving and reporting only.
class CooldownTable {
 public:
  [[nodiscard]] CooldownHandle resolve(std::string_view deployment_id);
  /// Forgets deployments that no snapshot holds and that are not cooling. Call after a reload.
  void prune(base::MonoTime now);

  struct Active {
    std::string deployment_id;
    std::chrono::milliseconds remaining;
    bool asked;  ///< by the provider (429, Retry-After), not by our count of failures
  };
  /// For /metrics and the admin port.
  [[nodiscard]] std::vector<Active> active(base::MonoTime now) const;
  [[nodiscard]] std::size_t active_count(base::MonoTime now) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, CooldownHandle, std::less<>> entries_;
};

}  // namespace tollgate::domain::routing
