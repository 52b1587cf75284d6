#include "tollgate/protocol/http/retry_after.hpp"

#include <gtest/gtest.h>

#include "tollgate/base/time_format.hpp"

namespace tollgate::protocol::http {
namespace {

std::optional<std::int64_t> wait_ms(std::string_view seconds_or_date, std::string_view ms) {
  HeaderSection headers;
  if (seconds_or_date != "-") headers.add({"Retry-After", seconds_or_date, HeaderId::retry_after});
  if (ms != "-") headers.add({"retry-after-ms", ms, HeaderId::retry_after_ms});
  const auto now = base::parse_rfc3339("2026-11-23T12:00:00.250Z");
  const auto wait = retry_after(headers, *now);
  return wait ? std::optional(wait->count()) : std::nullopt;
}

TEST(RetryAfter, reads_all_three_forms) {
  struct Case {
    std::string_view retry_after, ms;
    std::optional<std::int64_t> expected;
  };
  const Case cases[] = {
      {"-", "-", std::nullopt},
      {"3", "-", 3'000},
      {"0", "-", 0},
      {"1.5", "-", 1'500},
      {"0.0001", "-", 1},
      {"3", "250", 250},
      {"3", "250.5", 251},
      {"3", "x", 3'000},
      {"-", "250", 250},
      {"x", "-", std::nullopt},
      {"", "-", std::nullopt},
      {"-1", "-", std::nullopt},
      {"+1", "-", std::nullopt},
      {"1e3", "-", std::nullopt},
      {"1.", "-", std::nullopt},
      {"1.-5", "-", std::nullopt},
      {"3, 4", "-", std::nullopt},
      {"99999999", "-", 86'400'000},
      {"18446744073709551615", "-", 86'400'000},
      {"18446744073709551616", "-", 86'400'000},
      {"99999999999999999999999999999999.5", "-", 86'400'000},
      {"3", "99999999999999999999999999999999", 86'400'000},
      {"9999999999999999999999999999999x", "-", std::nullopt},
      {"1.0000000000000000000000000001", "-", 1'001},
      {"Mon, 23 Nov 2026 12:00:10 GMT", "-", 9'750},
      {"Mon, 23 Nov 2026 11:00:00 GMT", "-", 0},
      {"Mon, 23 Nov 2036 12:00:00 GMT", "-", 86'400'000},
      {"Mon, 23 Nov 2026 12:00:10", "-", std::nullopt},
  };
  for (const Case& c : cases)
    EXPECT_EQ(wait_ms(c.retry_after, c.ms), c.expected) << c.retry_after << " / " << c.ms;
}

TEST(ShouldRetry, reads_true_and_false) {
  const std::pair<std::string_view, std::optional<bool>> cases[] = {
      {"true", true}, {"False", false}, {"1", std::nullopt}, {"", std::nullopt}};
  for (const auto& [value, expected] : cases) {
    HeaderSection headers;
    headers.add({"x-should-retry", value, HeaderId::x_should_retry});
    EXPECT_EQ(should_retry(headers), expected) << value;
  }
  EXPECT_EQ(should_retry(HeaderSection{}), std::nullopt);
}

}  // namespace
}  // namespace tollgate::protocol::http
