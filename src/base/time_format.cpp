#include "tollgate/base/time_format.hpp"

#include <fmt/format.h>

#include <array>

#include "tollgate/base/strings.hpp"

namespace tollgate::base {
namespace {

using std::chrono::day;
using std::chrono::days;
using std::chrono::month;
using std::chrono::sys_days;
using std::chrono::year;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

struct Fields {
  int year, month, day, hour, minute, second;
};

std::optional<WallTime> assemble(const Fields& f) {
  const year_month_day date{year{f.year}, month{static_cast<unsigned>(f.month)},
                            day{static_cast<unsigned>(f.day)}};
  if (!date.ok() || f.hour > 23 || f.minute > 59 || f.second > 60) return std::nullopt;
  return WallTime(sys_days(date)) + std::chrono::hours(f.hour) + std::chrono::minutes(f.minute) +
         std::chrono::seconds(f.second);
}

/// Reads exactly `count` digits at `at`.
std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return std::nullopt;
  const auto value = parse_u64(text.substr(at, count));
  if (!value) return std::nullopt;
  return static_cast<int>(*value);
}

std::optional<int> month_of(std::string_view name) {
  for (std::size_t i = 0; i < kMonths.size(); ++i)
    if (kMonths[i] == name) return static_cast<int>(i) + 1;
  return std::nullopt;
}

bool read_clock(std::string_view text, std::size_t at, Fields& f) {
  const auto h = digits(text, at, 2), m = digits(text, at + 3, 2), s = digits(text, at + 6, 2);
  if (!h || !m || !s || text[at + 2] != ':' || text[at + 5] != ':') return false;
  f.hour = *h;
  f.minute = *m;
  f.second = *s;
  return true;
}

}  // namespace

std::string format_rfc3339(WallTime t) {
  const auto date_point = std::chrono::floor<days>(t);
  const year_month_day date{date_point};
  const auto micros = (t - date_point).count();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     micros / 3'600'000'000, micros / 60'000'000 % 60, micros / 1'000'000 % 60,
                     micros % 1'000'000);
}

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  Fields f{};
  const auto y = digits(text, 0, 4), mo = digits(text, 5, 2), d = digits(text, 8, 2);
  if (!y || !mo || !d || text.size() < 20 || text[4] != '-' || text[7] != '-' ||
      (text[10] != 'T' && text[10] != 't' && text[10] != ' ') || !read_clock(text, 11, f))
    return std::nullopt;
  f.year = *y;
  f.month = *mo;
  f.day = *d;
  auto at = assemble(f);
  if (!at) return std::nullopt;
  std::size_t pos = 19;
  if (text[pos] == '.') {
    std::int64_t micros = 0;
    int count = 0;
    for (++pos; pos < text.size() && text[pos] >= '0' && text[pos] <= '9'; ++pos, ++count)
      if (count < 6) micros = micros * 10 + (text[pos] - '0');
    if (count == 0) return std::nullopt;
    for (; count < 6; ++count) micros *= 10;
    *at += std::chrono::microseconds(micros);
  }
  const std::string_view zone = text.substr(std::min(pos, text.size()));
  if (zone == "Z" || zone == "z") return at;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const auto zh = digits(zone, 1, 2), zm = digits(zone, 4, 2);
  if (!zh || !zm || *zh > 23 || *zm > 59) return std::nullopt;
  const auto offset = std::chrono::hours(*zh) + std::chrono::minutes(*zm);
  return zone[0] == '+' ? *at - offset : *at + offset;
}

std::string format_http_date(WallTime t) {
  const auto date_point = std::chrono::floor<days>(t);
  const year_month_day date{date_point};
  const auto weekday = std::chrono::weekday{date_point}.c_encoding();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(t - date_point).count();
  return fmt::format(
      "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[weekday], static_cast<unsigned>(date.day()),
      kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
      seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::optional<WallTime> parse_http_date(std::string_view text) {
  Fields f{};
  // IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
  if (text.size() == 29 && text.substr(3, 2) == ", " && text.substr(25) == " GMT") {
    const auto d = digits(text, 5, 2), y = digits(text, 12, 4);
    const auto m = month_of(text.substr(8, 3));
    if (!d || !y || !m || !read_clock(text, 17, f)) return std::nullopt;
    f.day = *d;
    f.month = *m;
    f.year = *y;
    return assemble(f);
  }
  // RFC 850: Sunday, 06-Nov-94 08:49:37 GMT
  if (const std::size_t comma = text.find(", "); comma != std::string_view::npos && comma > 3) {
    const std::string_view rest = text.substr(comma + 2);
    if (rest.size() != 22 || rest.substr(18) != " GMT" || rest[2] != '-' || rest[6] != '-')
      return std::nullopt;
    const auto d = digits(rest, 0, 2), y = digits(rest, 7, 2);
    const auto m = month_of(rest.substr(3, 3));
    if (!d || !y || !m || !read_clock(rest, 10, f)) return std::nullopt;
    f.day = *d;
    f.month = *m;
    f.year = *y + (*y < 70 ? 2000 : 1900);
    return assemble(f);
  }
  // asctime: Sun Nov  6 08:49:37 1994
  if (text.size() == 24 && text[3] == ' ') {
    const auto m = month_of(text.substr(4, 3));
    const auto d = text[8] == ' ' ? digits(text, 9, 1) : digits(text, 8, 2);
    const auto y = digits(text, 20, 4);
    if (!m || !d || !y || !read_clock(text, 11, f)) return std::nullopt;
    f.day = *d;
    f.month = *m;
    f.year = *y;
    return assemble(f);
  }
  return std::nullopt;
}

}  // namespace tollgate::base
