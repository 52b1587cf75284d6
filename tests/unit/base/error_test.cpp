#include "tollgate/base/error.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tollgate/base/result.hpp"

namespace tollgate::base {
namespace {

TEST(ErrorTable, RowsAreComplete) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < error_code_count(); ++i) {
    const ErrorInfo& row = info(static_cast<ErrorCode>(i));
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " twice";
    EXPECT_GE(row.http_status, 400) << row.name;
    EXPECT_LE(row.http_status, 599) << row.name;
    EXPECT_FALSE(row.openai_type.empty()) << row.name;
    EXPECT_FALSE(row.anthropic_type.empty()) << row.name;
    ASSERT_FALSE(row.meaning.empty()) << row.name;
    EXPECT_EQ(row.meaning.back(), '.') << row.name;
  }
  EXPECT_EQ(info(ErrorCode::budget_exceeded).name, "budget_exceeded");
  EXPECT_EQ(info(ErrorCode::budget_exceeded).http_status, 402);
  EXPECT_EQ(info(ErrorCode::client_closed).name, "client_closed");
}

TEST(Error, CarriesWhatTheCallerAndTheLogNeed) {
  const Error error = Error(ErrorCode::rate_limited, "Too many calls.", "key k1")
                          .with_side(Side::gateway)
                          .with_retry(Retry::other_deployment)
                          .with_param("model")
                          .with_retry_after(3);
  EXPECT_EQ(error.code(), ErrorCode::rate_limited);
  EXPECT_EQ(error.http_status(), 429);
  EXPECT_EQ(error.message(), "Too many calls.");
  EXPECT_EQ(error.detail(), "key k1");
  EXPECT_EQ(error.side(), Side::gateway);
  EXPECT_EQ(error.retry(), Retry::other_deployment);
  EXPECT_EQ(error.param(), "model");
  EXPECT_EQ(error.retry_after_s(), 3);
  EXPECT_FALSE(Error(ErrorCode::bad_http, "x").retry_after_s());
}

Result<int> half(int n) {
  if (n % 2 != 0) return Error(ErrorCode::invalid_request, "odd");
  return n / 2;
}
Result<int> quarter(int n) {
  TG_TRY(const int h, half(n));
  TG_CHECK(half(h));
  return h / 2;
}

TEST(Result, MacrosPassErrorsOn) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(7).error().message(), "odd");
  EXPECT_EQ(quarter(6).error().code(), ErrorCode::invalid_request);
}

TEST(Result, ValueOfAnErrorIsABugThatSaysItsName) {
  try {
    (void)half(1).value();
    FAIL() << "must throw";
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "invalid_request: odd");
  }
}

}  // namespace
}  // namespace tollgate::base
