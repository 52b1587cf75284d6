#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/domain/budget/ledger.hpp"
#include "tollgate/domain/budget/window.hpp"

namespace tollgate::domain::budget {

/// Microseconds since 1970 of budget time, or nano-USD: plain integers inside the ledger, so that
/// the path of a call compares numbers and nothing else.
using Micros = std::int64_t;
using Nanos = std::int64_t;

__extension__ typedef __int128 Wide;

/// Sums of money stay at the ends of the range instead of wrapping.
[[nodiscard]] inline Nanos add_saturated(Nanos a, Nanos b) noexcept {
  Nanos sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? std::numeric_limits<Nanos>::max() : std::numeric_limits<Nanos>::min();
}

[[nodiscard]] inline Nanos narrow(Wide amount) noexcept {
  const auto same = static_cast<Nanos>(amount);
  if (same == amount) return same;
  return amount > 0 ? std::numeric_limits<Nanos>::max() : std::numeric_limits<Nanos>::min();
}

[[nodiscard]] inline Micros to_micros(base::WallTime t) noexcept {
  return t.time_since_epoch().count();
}
[[nodiscard]] inline base::WallTime to_wall(Micros t) noexcept {
  return base::WallTime(std::chrono::microseconds(t));
}

/// The running state of one budget of one scope: limit, spend and holds of the open window.
///
/// Guarded by the ledger's mutex. A hold counts here while its time lies in the open window: a new
/// window starts with nothing held, and holds made before it settle without touching it.
struct Account {
  // What each hold and settlement reads comes first, in one cache line.
  Micros window_start = 0;
  Micros window_end = 0;
  Nanos limit = 0;
  Nanos spent = 0;
  /// Wider than a limit: a budget that a reload adds counts holds made when nothing bounded them.
  Wide held = 0;
  /// Amount of spend at which the next alert is due; never reached when there is none left.
  Nanos next_alert = std::numeric_limits<Nanos>::max();
  bool is_closed = false;

  std::uint32_t alerts_told = 0;        ///< how many of `percents` were crossed in this window
  std::vector<std::uint32_t> percents;  ///< ascending, no doubles
  std::string_view name;                ///< interned by the ledger
  std::string_view time_zone;           ///< interned by the ledger
  Calendar calendar;

  explicit Account(Calendar c) : calendar(c) {}

  [[nodiscard]] bool covers(Micros held_at) const noexcept { return held_at >= window_start; }
  /// limit - spent - held; below 0 after an overrun or a lowered limit.
  [[nodiscard]] Nanos room() const noexcept { return narrow(Wide{limit} - spent - held); }
  [[nodiscard]] std::optional<base::WallTime> reset_at() const noexcept {
    if (calendar.kind() == config::WindowKind::total) return std::nullopt;
    return to_wall(window_end);
  }

  /// Opens the window `now` lies in, with nothing spent and nothing held.
  void open_window(Micros now);
  /// Sets the spend from the record: thresholds it has passed count as told.
  void restore_spent(Nanos amount);
  /// Takes over an edited limit and thresholds; spend, holds and told alerts stay. A threshold that
  /// the edit moved above the spend can be told again. A raised limit reopens a closed budget.
  void edit(Nanos new_limit, const std::vector<std::uint32_t>& new_percents);
  /// Adds the events a rise in spend caused.
  void tell_alerts(config::ScopeKind kind, std::string_view scope_id,
                   std::vector<BudgetEvent>& events);
  [[nodiscard]] BudgetEvent event(BudgetEvent::Kind what, config::ScopeKind kind,
                                  std::string_view scope_id) const;

 private:
  [[nodiscard]] Nanos threshold(std::size_t index) const noexcept;
  void set_next_alert() noexcept;
};

}  // namespace tollgate::domain::budget
