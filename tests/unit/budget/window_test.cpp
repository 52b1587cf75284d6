#include "tollgate/domain/budget/window.hpp"

#include <gtest/gtest.h>

#include <random>

#include "support/fake_clock.hpp"
#include "tollgate/base/time_format.hpp"

namespace tollgate::domain::budget {
namespace {

using base::WallTime;
using config::WindowKind;
using test::FakeClock;

Calendar calendar(WindowKind kind, std::string_view zone) {
  auto found = Calendar::find(kind, zone);
  EXPECT_TRUE(found.has_value()) << zone;
  return *found;
}

struct Case {
  const char* what;
  WindowKind kind;
  const char* zone;
  const char* at;
  const char* start;
  const char* end;
};

// Expected values: transitions as `zdump -v` lists them, by hand from there. All of them in the
// past, so that no new tzdata can change them.
const Case kCases[] = {
    {"plain day", WindowKind::day, "UTC", "2026-11-25T12:00:00Z", "2026-11-25T00:00:00Z",
     "2026-11-26T00:00:00Z"},
    {"first microsecond", WindowKind::day, "UTC", "2026-11-25T00:00:00Z", "2026-11-25T00:00:00Z",
     "2026-11-26T00:00:00Z"},
    {"last microsecond", WindowKind::day, "UTC", "2026-11-25T23:59:59.999999Z",
     "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"},
    {"ahead of UTC", WindowKind::day, "Europe/Berlin", "2026-11-25T23:30:00Z",
     "2026-11-25T23:00:00Z", "2026-11-26T23:00:00Z"},
    {"half-hour zone", WindowKind::day, "Asia/Kolkata", "2026-11-25T18:30:00Z",
     "2026-11-25T18:30:00Z", "2026-11-26T18:30:00Z"},
    {"45-minute zone", WindowKind::day, "Asia/Kathmandu", "2026-11-25T18:14:59Z",
     "2026-11-24T18:15:00Z", "2026-11-25T18:15:00Z"},
    {"spring day has 23 h", WindowKind::day, "Europe/Berlin", "2026-03-29T12:00:00Z",
     "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
    {"autumn day has 25 h", WindowKind::day, "Europe/Berlin", "2026-10-25T12:00:00Z",
     "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
    {"New York, spring", WindowKind::day, "America/New_York", "2026-03-08T12:00:00Z",
     "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"},
    // Cairo skips 00:00-01:00 on the last Friday of April: that day starts at 01:00.
    {"no midnight", WindowKind::day, "Africa/Cairo", "2026-04-24T12:00:00Z", "2026-04-23T22:00:00Z",
     "2026-04-24T21:00:00Z"},
    {"the day before no midnight", WindowKind::day, "Africa/Cairo", "2026-04-23T21:59:59Z",
     "2026-04-22T22:00:00Z", "2026-04-23T22:00:00Z"},
    // Havana repeats 00:00-01:00 on the first Sunday of November: the day starts with the first
    // one.
    {"two midnights, before", WindowKind::day, "America/Havana", "2025-11-02T03:59:59Z",
     "2025-11-01T04:00:00Z", "2025-11-02T04:00:00Z"},
    {"two midnights, second", WindowKind::day, "America/Havana", "2025-11-02T05:00:00Z",
     "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z"},
    // Asuncion went back from 00:00 to 23:00 of the day before (2024-03-24): a day of 25 h, not
    // two.
    {"23:00 again", WindowKind::day, "America/Asuncion", "2024-03-24T03:30:00Z",
     "2024-03-23T03:00:00Z", "2024-03-24T04:00:00Z"},
    // St. John's went back at 00:01 to 23:01 of the day before (2010-11-07): the new day stays
    // open.
    {"date goes back, before", WindowKind::day, "America/St_Johns", "2010-11-07T02:30:30Z",
     "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"},
    {"date goes back, after", WindowKind::day, "America/St_Johns", "2010-11-07T02:31:00Z",
     "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"},
    // Samoa left out 2011-12-30.
    {"a missing day", WindowKind::day, "Pacific/Apia", "2011-12-30T09:00:00Z",
     "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},
    {"after a missing day", WindowKind::day, "Pacific/Apia", "2011-12-30T10:00:00Z",
     "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
    // Toronto went from 23:30 to 00:30 (1919-03-30): the day starts where the gap ends.
    {"a gap over midnight", WindowKind::day, "America/Toronto", "1919-03-31T12:00:00Z",
     "1919-03-31T04:30:00Z", "1919-04-01T04:00:00Z"},
    {"minute", WindowKind::minute, "UTC", "2026-11-25T12:00:59.999999Z", "2026-11-25T12:00:00Z",
     "2026-11-25T12:01:00Z"},
    {"hour of a 45-minute zone", WindowKind::hour, "Asia/Kathmandu", "2026-11-25T12:14:59Z",
     "2026-11-25T11:15:00Z", "2026-11-25T12:15:00Z"},
    {"hour before 1970", WindowKind::hour, "UTC", "1969-12-31T23:59:59Z", "1969-12-31T23:00:00Z",
     "1970-01-01T00:00:00Z"},
    // Berlin has 02:00-03:00 twice on 2026-10-25.
    {"hour that comes twice, first", WindowKind::hour, "Europe/Berlin", "2026-10-25T00:30:00Z",
     "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"},
    {"hour that comes twice, second", WindowKind::hour, "Europe/Berlin", "2026-10-25T01:30:00Z",
     "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"},
    // Lord Howe goes back half an hour at 02:00 (2026-04-05, 15:00 UTC the day before) to 01:30.
    {"hour cut by the clock, before", WindowKind::hour, "Australia/Lord_Howe",
     "2026-04-04T14:59:59Z", "2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z"},
    {"hour cut by the clock, after", WindowKind::hour, "Australia/Lord_Howe",
     "2026-04-04T15:10:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z"},
    {"week from Monday", WindowKind::week, "UTC", "2026-11-25T12:00:00Z", "2026-11-23T00:00:00Z",
     "2026-11-30T00:00:00Z"},
    {"Sunday is the last day", WindowKind::week, "UTC", "2026-11-29T23:59:59.999999Z",
     "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"},
    {"Monday is the first", WindowKind::week, "UTC", "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z",
     "2026-12-07T00:00:00Z"},
    {"week over a year's end", WindowKind::week, "UTC", "2027-01-01T00:00:00Z",
     "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z"},
    {"week with DST has 167 h", WindowKind::week, "Europe/Berlin", "2026-03-25T00:00:00Z",
     "2026-03-22T23:00:00Z", "2026-03-29T22:00:00Z"},
    {"month", WindowKind::month, "UTC", "2026-11-25T12:00:00Z", "2026-11-01T00:00:00Z",
     "2026-12-01T00:00:00Z"},
    {"leap February", WindowKind::month, "UTC", "2028-02-29T23:59:59Z", "2028-02-01T00:00:00Z",
     "2028-03-01T00:00:00Z"},
    {"December", WindowKind::month, "America/Los_Angeles", "2026-01-01T07:59:59Z",
     "2025-12-01T08:00:00Z", "2026-01-01T08:00:00Z"},
    {"month with DST", WindowKind::month, "Europe/Berlin", "2026-10-25T12:00:00Z",
     "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"},
};

TEST(Window, BoundsAreExact) {
  for (const Case& c : kCases) {
    const Window w = calendar(c.kind, c.zone).window_at(FakeClock::at(c.at));
    EXPECT_EQ(w.start, FakeClock::at(c.start)) << c.what << " " << base::format_rfc3339(w.start);
    EXPECT_EQ(w.end, FakeClock::at(c.end)) << c.what << " " << base::format_rfc3339(w.end);
  }
}

TEST(Window, TotalNeverResets) {
  const Calendar total = calendar(WindowKind::total, "Europe/Berlin");
  EXPECT_EQ(total.window_at(FakeClock::at("2026-11-25T12:00:00Z")).start, WallTime());
  EXPECT_EQ(total.window_at(FakeClock::at("2026-11-25T12:00:00Z")).end, WallTime::max());
  EXPECT_FALSE(total.reset_at(FakeClock::at("2026-11-25T12:00:00Z")).has_value());
  EXPECT_EQ(calendar(WindowKind::day, "UTC").reset_at(FakeClock::at("2026-11-25T12:00:00Z")),
            FakeClock::at("2026-11-26T00:00:00Z"));
}

TEST(Window, UnknownZoneIsAnError) {
  for (const char* zone : {"", "Mars/Olympus", "../etc/passwd", "Europe/berlin ", "EST5EDT4"}) {
    const auto found = Calendar::find(WindowKind::day, zone);
    EXPECT_TRUE(found.has_error()) << zone;
  }
  EXPECT_TRUE(Calendar::find(WindowKind::day, "Etc/UTC").has_value());
  EXPECT_TRUE(Calendar::find(WindowKind::day, "Europe/Kyiv").has_value());
}

TEST(Window, SameKindAndZoneCompareEqual) {
  EXPECT_EQ(calendar(WindowKind::day, "Europe/Berlin"), calendar(WindowKind::day, "Europe/Berlin"));
  EXPECT_NE(calendar(WindowKind::day, "Europe/Berlin"),
            calendar(WindowKind::week, "Europe/Berlin"));
  EXPECT_NE(calendar(WindowKind::day, "Europe/Berlin"), calendar(WindowKind::day, "UTC"));
}

// Windows cut time without a gap or an overlap, whatever the zone does.
TEST(Window, PartitionsTime) {
  std::mt19937_64 random(7);
  const WallTime from = FakeClock::at("2000-01-01T00:00:00Z");
  const WallTime to = FakeClock::at("2037-01-01T00:00:00Z");
  std::uniform_int_distribution<std::int64_t> micros(0, (to - from).count());
  for (const char* zone :
       {"UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "America/Havana",
        "America/Asuncion", "Africa/Cairo", "Asia/Beirut", "Pacific/Apia", "Australia/Lord_Howe",
        "Asia/Kathmandu", "America/Sao_Paulo", "Antarctica/Troll", "Africa/Casablanca"}) {
    for (const WindowKind kind : {WindowKind::minute, WindowKind::hour, WindowKind::day,
                                  WindowKind::week, WindowKind::month}) {
      const Calendar cal = calendar(kind, zone);
      for (int i = 0; i < 400; ++i) {
        const WallTime t = from + std::chrono::microseconds(micros(random));
        const Window w = cal.window_at(t);
        ASSERT_LE(w.start, t) << zone;
        ASSERT_LT(t, w.end) << zone;
        ASSERT_EQ(cal.window_at(w.start), w) << zone << " " << base::format_rfc3339(t);
        ASSERT_EQ(cal.window_at(w.end - std::chrono::microseconds(1)), w) << zone;
        ASSERT_EQ(cal.window_at(w.end).start, w.end) << zone << " " << base::format_rfc3339(t);
      }
    }
  }
}

}  // namespace
}  // namespace tollgate::domain::budget
