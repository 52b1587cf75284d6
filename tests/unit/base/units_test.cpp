#include "tollgate/base/units.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace tollgate::base {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

struct ParseRow {
  const char* text;
  std::optional<std::int64_t> nano;
};

TEST(ParseUsd, Table) {
  const ParseRow rows[] = {
      {"0", 0},
      {"5", 5'000'000'000},
      {"5.", 5'000'000'000},
      {".5", 500'000'000},
      {"0.25", 250'000'000},
      {"0.000000001", 1},
      {"0.0000000010", 1},
      {"0.0000000001", std::nullopt},  // below a nano-dollar
      {"00.10", 100'000'000},
      {"9223372036.854775807", kMax},
      {"9223372036.854775808", std::nullopt},
      {"9223372037", std::nullopt},
      {"99999999999999999999", std::nullopt},
      {"", std::nullopt},
      {".", std::nullopt},
      {"1.2.3", std::nullopt},
      {"-1", std::nullopt},
      {"+1", std::nullopt},
      {"1e-6", std::nullopt},
      {"$1", std::nullopt},
      {" 1", std::nullopt},
      {"1 ", std::nullopt},
      {"1,5", std::nullopt},
      {"0x10", std::nullopt},
      {"nan", std::nullopt},
  };
  for (const ParseRow& row : rows) {
    const auto got = parse_usd(row.text);
    EXPECT_EQ(got.has_value(), row.nano.has_value()) << row.text;
    if (got && row.nano) {
      EXPECT_EQ(got->value, *row.nano) << row.text;
    }
  }
}

TEST(ParseUsdPerMtok, Table) {
  const ParseRow rows[] = {
      {"1", 1'000'000},
      {"2.5", 2'500'000},
      {"0.15", 150'000},
      {"0.000001", 1},
      {"0.0000001", std::nullopt},
      {"0.1000000", 100'000},
      {"9223372036854.775807", kMax},
      {"9223372036854.775808", std::nullopt},
      {"x", std::nullopt},
  };
  for (const ParseRow& row : rows) {
    const auto got = parse_usd_per_mtok(row.text);
    EXPECT_EQ(got.has_value(), row.nano.has_value()) << row.text;
    if (got && row.nano) {
      EXPECT_EQ(got->value, *row.nano) << row.text;
    }
  }
}

TEST(FormatUsd, Table) {
  EXPECT_EQ(to_string(NanoUsd{0}), "$0.00");
  EXPECT_EQ(to_string(NanoUsd{5'000'000'000}), "$5.00");
  EXPECT_EQ(to_string(NanoUsd{250'000'000}), "$0.25");
  EXPECT_EQ(to_string(NanoUsd{123'000}), "$0.000123");
  EXPECT_EQ(to_string(NanoUsd{1}), "$0.000000001");
  EXPECT_EQ(to_string(NanoUsd{-1'500'000'000}), "-$1.50");
  EXPECT_EQ(to_string(NanoUsd::max()), "$9223372036.854775807");
  EXPECT_EQ(to_string(NanoUsd{std::numeric_limits<std::int64_t>::min()}), "-$9223372036.854775808");
}

TEST(FormatUsd, IsReadBackExactly) {
  std::mt19937_64 random(20261123);
  for (int i = 0; i < 2'000; ++i) {
    const NanoUsd amount{static_cast<std::int64_t>(random() >> (1 + random() % 62))};
    const auto back = parse_usd(to_string(amount).substr(1));
    ASSERT_TRUE(back) << to_string(amount);
    EXPECT_EQ(*back, amount);
  }
}

TEST(CostSum, RoundsUpOnceForTheWholeRequest) {
  CostSum sum;
  sum.add(1, PicoUsdPerToken{400});
  sum.add(1, PicoUsdPerToken{400});
  EXPECT_EQ(sum.total(), NanoUsd{1}) << "800 pico-dollars, not twice a rounded-up part";
  sum.add(1, PicoUsdPerToken{200});
  EXPECT_EQ(sum.total(), NanoUsd{1}) << "exactly one";
  sum.add(1, PicoUsdPerToken{1});
  EXPECT_EQ(sum.total(), NanoUsd{2});
}

TEST(CostSum, PricesAMillionTokensExactly) {
  CostSum sum;
  sum.add(1'000'000, *parse_usd_per_mtok("2.5"));
  EXPECT_EQ(sum.total(), *parse_usd("2.5"));
}

TEST(CostSum, AddsAmounts) {
  CostSum sum;
  sum.add(NanoUsd{7});
  sum.add(3, PicoUsdPerToken{1'000});
  EXPECT_EQ(sum.total(), NanoUsd{10});
}

TEST(CostSum, NobodyPaysUsBack) {
  CostSum sum;
  sum.add(-5, PicoUsdPerToken{1'000'000});
  sum.add(5, PicoUsdPerToken{-1'000'000});
  sum.add(NanoUsd{-5});
  EXPECT_EQ(sum.total(), NanoUsd{0});
}

TEST(CostSum, SaturatesInsteadOfWrapping) {
  CostSum sum;
  sum.add(kMax, PicoUsdPerToken{kMax});
  EXPECT_EQ(sum.total(), NanoUsd::max());
}

}  // namespace
}  // namespace tollgate::base
