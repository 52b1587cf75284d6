#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/budget/units.hpp"
#include "tollgate/domain/budget/projection.hpp"
#include "tollgate/domain/budget/report.hpp"
#include "tollgate/domain/budget/window.hpp"

namespace tollgate::domain::budget {

/// The running state of one budget of one scope: limit, spend and holds of the open window.
///
/// Guarded by the ledger's mutex. A hold counts here while its time lies in the open window: a new
/// window starts with nothing held, and holds made before it settle without touching it.
struct Account {
  // What each hold and settlement reads comes first, in one cache line.
  Micros window_start = 0;
  Micros window_end = 0;
  Units limit = 0;
  Units spent = 0;  ///< below 0 where an operator has given back more than was spent
  /// Wider than a limit: a budget that a reload adds counts holds made when nothing bounded them.
  Wide held = 0;
  /// Amount of spend at which the next alert is due; never reached when there is none left.
  Units next_alert = std::numeric_limits<Units>::max();
  bool is_closed = false;
  bool needs_count = false;  ///< `held` does not know the holds that are open already
  config::BudgetUnit unit = config::BudgetUnit::usd;

  std::uint32_t alerts_told = 0;        ///< how many of `percents` were crossed in this window
  std::vector<std::uint32_t> percents;  ///< ascending, no doubles
  std::optional<SpendMark> last_told;   ///< an alert of this window, from which a pace is taken
  std::string_view name;                ///< interned by the ledger
  std::string_view time_zone;           ///< interned by the ledger
  Calendar calendar;

  explicit Account(Calendar c) : calendar(c) {}

  /// Counts something else, or at other times: what was counted says nothing of it.
  [[nodiscard]] bool is_other(config::BudgetUnit new_unit, const Calendar& c) const noexcept {
    return unit != new_unit || calendar != c;
  }
  [[nodiscard]] bool covers(Micros held_at) const noexcept { return held_at >= window_start; }
  /// limit - spent - held; below 0 after an overrun or a lowered limit.
  [[nodiscard]] Units room() const noexcept { return narrow(Wide{limit} - spent - held); }
  /// Nothing that counts here passes any more, nor does what takes nothing of it.
  [[nodiscard]] bool is_used_up() const noexcept { return is_closed || spent >= limit; }
  [[nodiscard]] std::optional<base::WallTime> reset_at() const noexcept {
    if (calendar.kind() == config::WindowKind::total) return std::nullopt;
    return to_wall(window_end);
  }

  /// Opens the window `now` lies in, with nothing spent and nothing held.
  void open_window(Micros now);
  /// Sets the spend from the record: thresholds it has passed count as told.
  void restore_spent(Units amount);
  /// Takes over an edited limit and thresholds; spend, holds and told alerts stay. A threshold that
  /// the edit moved above the spend can be told again. A raised limit reopens a closed budget.
  void edit(Units new_limit, const std::vector<std::uint32_t>& new_percents);
  /// Adds the events a rise in spend caused.
  void tell_alerts(config::ScopeKind kind, std::string_view scope_id, Micros now,
                   std::vector<BudgetEvent>& events);
  [[nodiscard]] BudgetEvent event(BudgetEvent::Kind what, config::ScopeKind kind,
                                  std::string_view scope_id, Micros now) const;

 private:
  /// At the faster of two paces: since the window opened, and since the last alert, which sees a
  /// runaway in a window that began quietly. A `total` budget has no beginning that is known.
  [[nodiscard]] std::optional<base::WallTime> projected_exhaustion_at(Micros now) const noexcept;
  [[nodiscard]] Units threshold(std::size_t index) const noexcept;
  void set_next_alert() noexcept;
};

}  // namespace tollgate::domain::budget
