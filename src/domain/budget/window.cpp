#include "tollgate/domain/budget/window.hpp"

#include <date/date.h>
#include <date/tz.h>
#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <string>

namespace tollgate::domain::budget {
namespace {

using std::chrono::seconds;

/// The first instant at which the local clock of `zone` has reached 00:00 of `day`.
base::WallTime first_instant(const date::time_zone& zone, date::local_days day) {
  const date::local_seconds midnight{day};
  const date::local_info info = zone.get_info(midnight);
  // A skipped midnight begins where the gap ends; a repeated one with its first occurrence.
  if (info.result == date::local_info::nonexistent) return base::WallTime(info.first.end);
  return base::WallTime(date::sys_seconds(midnight.time_since_epoch() - info.first.offset));
}

date::local_days first_day(config::WindowKind kind, date::local_days day) {
  switch (kind) {
    case config::WindowKind::day:
      return day;
    case config::WindowKind::week:
      return day - (date::weekday(day) - date::Monday);
    case config::WindowKind::month: {
      const date::year_month_day ymd(day);
      return date::local_days(ymd.year() / ymd.month() / 1);
    }
    case config::WindowKind::minute:
    case config::WindowKind::hour:
    case config::WindowKind::total:
      break;
  }
  return day;
}

date::local_days next_first_day(config::WindowKind kind, date::local_days first) {
  switch (kind) {
    case config::WindowKind::day:
      return first + date::days(1);
    case config::WindowKind::week:
      return first + date::days(7);
    case config::WindowKind::month: {
      const date::year_month_day ymd(first);
      return date::local_days((ymd.year() / ymd.month() + date::months(1)) / 1);
    }
    case config::WindowKind::minute:
    case config::WindowKind::hour:
    case config::WindowKind::total:
      break;
  }
  return first;
}

/// The minute or hour on the local clock that `instant` lies in. One that the clock is changed
/// within is two windows, before and after; one that comes twice is two as well.
Window clock_window(seconds length, date::sys_seconds instant, const date::sys_info& zone) {
  const auto local = instant.time_since_epoch() + zone.offset;
  const auto into = ((local % length) + length) % length;
  const date::sys_seconds start = instant - into;
  return {base::WallTime(std::max(start, zone.begin)),
          base::WallTime(std::min(start + length, zone.end))};
}

}  // namespace

base::Result<Calendar> Calendar::find(config::WindowKind kind, std::string_view time_zone) {
  try {
    const date::time_zone* zone = date::locate_zone(std::string(time_zone));
    // The library reads a zone's file at its first use: do that here, not in the middle of a call.
    (void)zone->get_info(date::sys_seconds{});
    return Calendar(kind, zone);
  } catch (const std::exception& e) {
    return base::Error(base::ErrorCode::invalid_request,
                       fmt::format("unknown time zone \"{}\"; expected an IANA name such as "
                                   "\"Europe/Berlin\" or \"UTC\"",
                                   time_zone),
                       e.what());
  }
}

Window Calendar::window_at(base::WallTime t) const {
  if (kind_ == config::WindowKind::total) return {base::WallTime(), base::WallTime::max()};
  const auto instant = date::floor<seconds>(t);
  const date::sys_info now = zone_->get_info(instant);
  if (kind_ == config::WindowKind::minute)
    return clock_window(std::chrono::minutes(1), instant, now);
  if (kind_ == config::WindowKind::hour) return clock_window(std::chrono::hours(1), instant, now);
  const auto today =
      date::floor<date::days>(date::local_seconds(instant.time_since_epoch() + now.offset));
  date::local_days first = first_day(kind_, today);
  date::local_days next = next_first_day(kind_, first);
  Window window{first_instant(*zone_, first), first_instant(*zone_, next)};
  // Where the clock goes back over midnight (23:00 of a day comes again after 00:00 of the next),
  // the local date is the old one again for a while. The new window has begun and stays.
  while (t >= window.end) {
    next = next_first_day(kind_, next);
    window = {window.end, first_instant(*zone_, next)};
  }
  return window;
}

std::optional<base::WallTime> Calendar::reset_at(base::WallTime t) const {
  if (kind_ == config::WindowKind::total) return std::nullopt;
  return window_at(t).end;
}

}  // namespace tollgate::domain::budget
