#pragma once

#include <optional>
#include <string_view>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/config/snapshot.hpp"

namespace date {
class time_zone;
}

namespace tollgate::domain::budget {

/// The half-open span [start, end) of one budget window, UTC.
///
/// `total` is one window from 1970 on; its end is WallTime::max(), which never comes.
struct Window {
  base::WallTime start;
  base::WallTime end;
  bool operator==(const Window&) const = default;
};

/// Cuts time into the calendar windows of one kind in one IANA time zone.
///
/// Place:    domain/budget; the ledger asks once per window and keeps the two bounds as integers.
/// Rules:    a day starts with the first instant whose local date is that day: 00:00, the end of
/// the
///           gap where the clock jumps over midnight, the earlier of two midnights. Weeks start on
///           Monday, months on the 1st. So a day lasts 23, 24 or 25 hours. Hours and minutes are
///           those of the local clock; one that a change of the clock cuts is two windows. Windows
///           never overlap and leave no gap.
/// Zones:    the system's tzdata through Howard Hinnant's date library (3.0). It knows the
///           transitions listed in the files, which Debian ships up to 2037.
/// Threads:  any; a value, cheap to copy.
class Calendar {
 public:
  /// Errors: invalid_request when the zone is unknown. Reads the zone's file (start-up, reload).
  [[nodiscard]] static base::Result<Calendar> find(config::WindowKind kind,
                                                   std::string_view time_zone);

  /// The window `t` lies in. No IO; about a microsecond.
  [[nodiscard]] Window window_at(base::WallTime t) const;
  [[nodiscard]] base::WallTime window_start(base::WallTime t) const { return window_at(t).start; }
  /// When the window of `t` ends; absent for `total`.
  [[nodiscard]] std::optional<base::WallTime> reset_at(base::WallTime t) const;

  [[nodiscard]] config::WindowKind kind() const noexcept { return kind_; }
  /// Same kind and same zone: the same windows.
  bool operator==(const Calendar&) const = default;

 private:
  Calendar(config::WindowKind kind, const date::time_zone* zone) : kind_(kind), zone_(zone) {}
  config::WindowKind kind_;
  const date::time_zone* zone_;  ///< owned by the date library for the life of the process
};

}  // namespace tollgate::domain::budget
