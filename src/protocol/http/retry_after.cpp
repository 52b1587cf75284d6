#include "tollgate/protocol/http/retry_after.hpp"

#include <algorithm>

#include "tollgate/base/strings.hpp"
#include "tollgate/base/time_format.hpp"

namespace tollgate::protocol::http {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kMost = std::chrono::hours(24);

bool is_digits(std::string_view text) noexcept {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Digits with an optional fraction, in units of `scale` ms, rounded up; absent on anything else.
std::optional<milliseconds> parse_amount(std::string_view text, std::uint64_t scale) noexcept {
  const std::size_t dot = text.find('.');
  const std::string_view digits = text.substr(0, dot);
  if (!is_digits(digits)) return std::nullopt;
  std::uint64_t extra = 0;
  if (dot != std::string_view::npos) {
    const std::string_view fraction = text.substr(dot + 1);
    if (!is_digits(fraction)) return std::nullopt;
    std::uint64_t unit = scale;
    bool rest = false;
    for (const char c : fraction) {
      const auto digit = static_cast<std::uint64_t>(c - '0');
      if (unit >= 10) {
        unit /= 10;
        extra += digit * unit;
      } else {
        rest = rest || digit != 0;
      }
    }
    extra += rest ? 1 : 0;
  }
  const auto most = static_cast<std::uint64_t>(kMost.count());
  const auto whole = base::parse_u64(digits);
  if (!whole || *whole > most / scale) return kMost;
  return std::min(kMost, milliseconds(static_cast<std::int64_t>(*whole * scale + extra)));
}

}  // namespace

std::optional<milliseconds> retry_after(const HeaderSection& headers, base::WallTime now) {
  if (const HeaderField* field = headers.find(HeaderId::retry_after_ms))
    if (const auto amount = parse_amount(field->value, 1)) return amount;
  const HeaderField* field = headers.find(HeaderId::retry_after);
  if (field == nullptr) return std::nullopt;
  if (const auto amount = parse_amount(field->value, 1'000)) return amount;
  if (const auto date = base::parse_http_date(field->value)) {
    // Rounded up: a date is in whole seconds, and early is the one wrong direction.
    const auto wait = std::chrono::ceil<milliseconds>(*date - now);
    return std::clamp(wait, milliseconds(0), kMost);
  }
  return std::nullopt;
}

std::optional<bool> should_retry(const HeaderSection& headers) noexcept {
  const std::string_view value = headers.value(HeaderId::x_should_retry);
  if (base::iequals(value, "true")) return true;
  if (base::iequals(value, "false")) return false;
  return std::nullopt;
}

}  // namespace tollgate::protocol::http
