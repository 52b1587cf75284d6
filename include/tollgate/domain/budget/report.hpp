#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/units.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/budget/amounts.hpp"

/// What the ledger tells: of a settlement, of the state of its budgets. Views live as long
/// as the ledger; those of sessions and end users only until they are forgotten, a minute after the
/// call at the soonest.
namespace tollgate::domain::budget {

/// Something an operator wants to hear about, told once: by the settlement that caused it, or the
/// correction or the reload.
struct BudgetEvent {
  enum class Kind : std::uint8_t {
    threshold,  ///< spend reached `percent` of the limit for the first time in this window
    closed,     ///< an overrun broke the limit; the budget refuses until its reset
  };
  Kind kind = Kind::threshold;
  config::ScopeKind scope = config::ScopeKind::key;
  std::string_view scope_id;
  std::string_view budget;
  std::uint32_t percent = 0;  ///< of a threshold
  config::BudgetUnit unit = config::BudgetUnit::usd;
  config::WindowKind window = config::WindowKind::day;
  base::Quantity limit;
  base::Quantity spent;
  base::WallTime at;  ///< budget time
  base::WallTime window_start;
  std::optional<base::WallTime> reset_at;  ///< absent for `total`
  /// When the limit is reached if spending goes on as it did (projection.hpp). Absent when that is
  /// not before the reset, cannot be told, or nothing is left.
  std::optional<base::WallTime> projected_exhaustion_at;
};

/// A slot of the journal; kNoSlot where there is none.
using SlotNumber = std::uint32_t;
inline constexpr SlotNumber kNoSlot = 0xffff'ffff;

/// What a settlement came to; the store's ledger row is made from it.
struct Settlement {
  base::NanoUsd amount;   ///< charged on every scope of the path
  Amounts charged;        ///< the same with tokens and requests
  base::NanoUsd held;     ///< what had been held
  base::NanoUsd overrun;  ///< max(0, amount - held): the provider billed more than it was capped to
  /// More was charged than held, in any unit: what the row has to say, since after a restart a
  /// budget of that unit is closed by it.
  bool is_overrun = false;
  /// Budget time of the hold: decides the window the amount belongs to. Store it with the row.
  base::WallTime charged_at;
  /// Occupied until Ledger::committed says that the row is on disk; kNoSlot without a journal, or
  /// when there is nothing to record.
  SlotNumber slot = kNoSlot;
  std::vector<BudgetEvent> events;  ///< nearly always empty (then nothing is allocated)
};

/// The tightest rate limits on a path, for the caller's x-ratelimit headers.
struct RateStatus {
  struct One {
    bool is_limited = false;
    std::int64_t limit = 0;
    std::int64_t remaining = 0;          ///< never below 0
    std::chrono::microseconds reset{0};  ///< until all of it is free again
  };
  One requests, tokens;
};

/// One budget as the CLI, the admin API and `/tollgate/v1/me` show it.
struct BudgetRow {
  config::ScopeKind scope = config::ScopeKind::key;
  std::string scope_id;  ///< its own: a session may be forgotten while a report is written
  std::string_view budget;
  config::BudgetUnit unit = config::BudgetUnit::usd;
  config::WindowKind window = config::WindowKind::day;
  std::string_view time_zone;
  base::Quantity limit;
  base::Quantity spent;  ///< below 0 where an operator has given back more than was spent
  base::Quantity held;
  base::WallTime window_start;
  std::optional<base::WallTime> reset_at;  ///< absent for `total`
  bool is_closed = false;                  ///< by an overrun
};

/// One rate limit, likewise.
struct RateRow {
  config::ScopeKind scope = config::ScopeKind::key;
  std::string scope_id;
  std::string_view name;
  config::RateUnit unit = config::RateUnit::requests;
  std::int64_t limit = 0;
  std::int64_t used = 0;  ///< in the sliding window; of `concurrent`: calls in flight
  std::chrono::milliseconds per{0};
};

}  // namespace tollgate::domain::budget
