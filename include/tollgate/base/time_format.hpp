#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tollgate/base/clock.hpp"

namespace tollgate::base {

/// "2026-11-23T22:29:29.123456Z".
[[nodiscard]] std::string format_rfc3339(WallTime t);
/// Accepts RFC 3339 with `Z` or an offset, fraction optional.
[[nodiscard]] std::optional<WallTime> parse_rfc3339(std::string_view text);
/// RFC 9110 HTTP-date: IMF-fixdate, and the two obsolete forms on input.
[[nodiscard]] std::string format_http_date(WallTime t);
[[nodiscard]] std::optional<WallTime> parse_http_date(std::string_view text);

}  // namespace tollgate::base
