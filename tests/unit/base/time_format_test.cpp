#include "tollgate/base/time_format.hpp"

#include <gtest/gtest.h>

#include <random>

namespace tollgate::base {
namespace {

WallTime unix_us(std::int64_t us) {
  return WallTime(std::chrono::microseconds(us));
}
WallTime unix_s(std::int64_t s) {
  return WallTime(std::chrono::seconds(s));
}

TEST(Rfc3339, FormatsInUtcWithMicroseconds) {
  EXPECT_EQ(format_rfc3339(unix_us(0)), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_rfc3339(unix_us(1'795'472'969'123'456)), "2026-11-23T22:29:29.123456Z");
  EXPECT_EQ(format_rfc3339(unix_us(-1)), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(format_rfc3339(unix_s(951'782'400)), "2000-02-29T00:00:00.000000Z");
}

TEST(Rfc3339, IsReadBackExactly) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2'000; ++i) {
    const WallTime t = unix_us(static_cast<std::int64_t>(random() % 4'102'444'800'000'000));
    EXPECT_EQ(parse_rfc3339(format_rfc3339(t)), t);
  }
}

TEST(Rfc3339, AcceptsOffsetsAndFractions) {
  const WallTime noon = unix_s(1'795'435'200);  // 2026-11-23T12:00:00Z
  EXPECT_EQ(parse_rfc3339("2026-11-23T12:00:00Z"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-23t12:00:00z"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-23 12:00:00Z"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-23T14:00:00+02:00"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-23T06:30:00-05:30"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-23T12:00:00-00:00"), noon);
  EXPECT_EQ(parse_rfc3339("2026-11-23T12:00:00.5Z"), noon + std::chrono::milliseconds(500));
  EXPECT_EQ(parse_rfc3339("2026-11-23T12:00:00.1234567891Z"),
            noon + std::chrono::microseconds(123'456));
}

TEST(Rfc3339, RefusesTheRest) {
  for (const char* bad : {"",
                          "2026-11-23",
                          "2026-11-23T12:00:00",
                          "2026-11-23T12:00Z",
                          "2026-13-01T00:00:00Z",
                          "2026-00-10T00:00:00Z",
                          "2026-02-29T00:00:00Z",
                          "2026-11-31T00:00:00Z",
                          "2026-11-23T24:00:00Z",
                          "2026-11-23T12:60:00Z",
                          "2026-11-23T12:00:61Z",
                          "2026-11-23T12:00:00.Z",
                          "2026-11-23T12:00:00+0200",
                          "2026-11-23T12:00:00+02:60",
                          "2026-11-23T12:00:00+24:00",
                          "2026-11-23T12:00:00Zx",
                          "2026/11/23T12:00:00Z",
                          "20261123T120000Z",
                          "-026-11-23T12:00:00Z",
                          "2026-11-23T12:00:00 Z",
                          "2026-11-23T12-00-00Z",
                          "2026-11-23T12:00:0"})
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
}

TEST(HttpDate, TheExampleOfRfc9110InAllThreeForms) {
  const WallTime example = unix_s(784'111'777);
  EXPECT_EQ(format_http_date(example), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), example);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), example);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994"), example);
  EXPECT_EQ(parse_http_date("Wed Nov 16 08:49:37 1994"), example + std::chrono::hours(240));
}

TEST(HttpDate, IsReadBackToTheSecond) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 2'000; ++i) {
    const WallTime t = unix_s(static_cast<std::int64_t>(random() % 4'102'444'800));
    EXPECT_EQ(parse_http_date(format_http_date(t)), t);
  }
  EXPECT_EQ(format_http_date(unix_us(784'111'777'999'999)), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(HttpDate, RefusesTheRest) {
  for (const char* bad :
       {"", "0", "soon", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT", "Sunday, 06 Nov 94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994", "Sun Foo  6 08:49:37 1994", "Sun, 06 Nov 1994 08-49-37 GMT"})
    EXPECT_FALSE(parse_http_date(bad)) << bad;
}

TEST(HttpDate, TwoDigitYearsPivotAtSeventy) {
  EXPECT_EQ(parse_http_date("Thursday, 01-Jan-70 00:00:00 GMT"), unix_s(0));
  EXPECT_EQ(parse_http_date("Tuesday, 31-Dec-69 00:00:00 GMT"), unix_s(3'155'673'600));
}

}  // namespace
}  // namespace tollgate::base
