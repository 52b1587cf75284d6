#include "tollgate/telemetry/registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

namespace tollgate::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(Families, AreWellFormed) {
  std::set<std::string_view> names;
  for (const FamilyInfo& family : families()) {
    SCOPED_TRACE(std::string(family.name));
    EXPECT_TRUE(names.insert(family.name).second) << "twice";
    EXPECT_TRUE(family.name.starts_with("tollgate_"));
    EXPECT_TRUE(std::regex_match(std::string(family.name), std::regex("[a-z][a-z0-9_]*")));
    EXPECT_EQ(family.name.ends_with("_total"), family.type == MetricType::counter);
    EXPECT_EQ(family.help.back(), '.');
    if (family.labels[0].empty()) {
      EXPECT_TRUE(family.labels[1].empty());
    }
    if (family.type == MetricType::histogram_fast || family.type == MetricType::histogram_slow) {
      EXPECT_TRUE(family.name.ends_with("_seconds"));
      EXPECT_EQ(family.unit, Unit::nano);
    }
  }
}

TEST(Buckets, RiseAndReachFromMicrosecondsToMinutes) {
  for (const MetricType type : {MetricType::histogram_fast, MetricType::histogram_slow}) {
    const auto bounds = bucket_bounds(type);
    EXPECT_TRUE(std::is_sorted(bounds.begin(), bounds.end()));
    EXPECT_EQ(std::adjacent_find(bounds.begin(), bounds.end()), bounds.end());
  }
  EXPECT_EQ(bucket_bounds(MetricType::histogram_fast).front(), 1'000);
  EXPECT_EQ(bucket_bounds(MetricType::histogram_slow).back(), 1'200'000'000'000);
}

TEST(Registry, SumsTheLanes) {
  Registry registry(2);
  const CounterId id = registry.counter(Family::refusals, "budget_exceeded");
  registry.lane(0).add(id);
  registry.lane(1).add(id, 2);
  registry.shared().add(id, 4);
  EXPECT_EQ(registry.value(Family::refusals, "budget_exceeded"), 7);
  EXPECT_THAT(registry.render(),
              HasSubstr("\ntollgate_refusals_total{code=\"budget_exceeded\"} 7\n"));
}

TEST(Registry, TheSameLabelsAreTheSameSeries) {
  Registry registry(1);
  const CounterId a = registry.counter(Family::tokens, "chat", "input");
  EXPECT_EQ(registry.counter(Family::tokens, "chat", "input").cell, a.cell);
  EXPECT_NE(registry.counter(Family::tokens, "chat", "output").cell, a.cell);
  EXPECT_NE(registry.counter(Family::tokens, "other", "input").cell, a.cell);
  EXPECT_NE(registry.counter(Family::cost, "chat", "input").cell, a.cell);
}

TEST(Registry, AReloadResetsNothing) {
  Registry registry(1);
  registry.lane(0).add(registry.counter(Family::attempts, "chat/openai/gpt", "ok"), 5);
  registry.lane(0).add(registry.counter(Family::attempts, "chat/openai/gpt", "ok"), 1);
  EXPECT_EQ(registry.value(Family::attempts, "chat/openai/gpt", "ok"), 6);
}

TEST(Registry, GaugesGoUpAndDownAcrossLanes) {
  Registry registry(2);
  const GaugeId id = registry.gauge(Family::in_flight);
  registry.lane(0).add(id, 3);
  registry.lane(1).add(id, 2);
  registry.lane(0).add(id, -3);
  EXPECT_EQ(registry.value(Family::in_flight), 2);
  registry.lane(1).set(id, 9);
  EXPECT_EQ(registry.value(Family::in_flight), 9);
}

TEST(Registry, MoneyIsShownInExactDollars) {
  Registry registry(1);
  const CounterId id = registry.counter(Family::cost, "chat", "openai");
  registry.lane(0).add(id, 1'234'567'890'123'456'789);
  EXPECT_THAT(
      registry.render(),
      HasSubstr(
          "tollgate_cost_usd_total{alias=\"chat\",provider=\"openai\"} 1234567890.123456789\n"));
  const CounterId small = registry.counter(Family::cost, "mini", "openai");
  registry.lane(0).add(small, 1);
  const CounterId round = registry.counter(Family::cost, "round", "openai");
  registry.lane(0).add(round, 3'000'000'000);
  const std::string text = registry.render();
  EXPECT_THAT(text, HasSubstr("{alias=\"mini\",provider=\"openai\"} 0.000000001\n"));
  EXPECT_THAT(text, HasSubstr("{alias=\"round\",provider=\"openai\"} 3\n"));
}

TEST(Registry, HoldsAreInNanoDollars) {
  Registry registry(1);
  registry.lane(0).add(registry.gauge(Family::holds), 50'000'000);
  EXPECT_THAT(registry.render(), HasSubstr("\ntollgate_holds_nusd 50000000\n"));
}

TEST(Registry, CallbacksAreAskedAtEachScrape) {
  Registry registry(1);
  std::int64_t depth = 3;
  registry.callback(Family::audit_queue_depth, {}, {}, [&depth] { return depth; });
  EXPECT_THAT(registry.render(), HasSubstr("\ntollgate_audit_queue_depth 3\n"));
  depth = 4;
  EXPECT_THAT(registry.render(), HasSubstr("\ntollgate_audit_queue_depth 4\n"));
  EXPECT_EQ(registry.value(Family::audit_queue_depth), 4);
  registry.drop_callback(Family::audit_queue_depth, {}, {});
  EXPECT_THAT(registry.render(), Not(HasSubstr("\ntollgate_audit_queue_depth ")));
  registry.callback(Family::worker_lag, "0", {}, [] { return std::int64_t{1'500'000}; });
  EXPECT_THAT(registry.render(),
              HasSubstr("\ntollgate_worker_loop_lag_seconds{worker=\"0\"} 0.0015\n"));
}

TEST(Registry, LabelValuesAreEscaped) {
  Registry registry(1);
  registry.lane(0).add(registry.counter(Family::tokens, "a\"b\\c\nd", "input"));
  EXPECT_THAT(registry.render(),
              HasSubstr("tollgate_tokens_total{alias=\"a\\\"b\\\\c\\nd\",kind=\"input\"} 1\n"));
}

TEST(Registry, SeriesOfTwoLabelsAppearWithTheirFirstCount) {
  Registry registry(1);
  const CounterId pair = registry.counter(Family::requests, "chat", "ok");
  (void)registry.counter(Family::refusals, "draining");
  EXPECT_THAT(registry.render(), Not(HasSubstr("tollgate_requests_total{")));
  EXPECT_THAT(registry.render(), HasSubstr("tollgate_refusals_total{code=\"draining\"} 0\n"));
  registry.lane(0).add(pair);
  EXPECT_THAT(registry.render(),
              HasSubstr("tollgate_requests_total{surface=\"chat\",outcome=\"ok\"} 1\n"));
}

TEST(Registry, HistogramsAppearWithTheirFirstObservation) {
  Registry registry(1);
  const HistogramId id = registry.histogram(Family::ttft, "chat");
  EXPECT_THAT(registry.render(), Not(HasSubstr("tollgate_ttft_seconds_count")));
  registry.lane(0).observe(id, 1);
  EXPECT_THAT(registry.render(), HasSubstr("tollgate_ttft_seconds_count{surface=\"chat\"} 1\n"));
}

TEST(Registry, EveryFamilyHasHelpAndTypeOnceAndInOrder) {
  const Registry registry(1);
  std::size_t at = 0;
  const auto lines = lines_of(registry.render());
  for (const FamilyInfo& family : families()) {
    while (at < lines.size() && !lines[at].starts_with("# HELP")) ++at;
    ASSERT_LT(at + 1, lines.size());
    EXPECT_EQ(lines[at], "# HELP " + std::string(family.name) + " " + std::string(family.help));
    EXPECT_THAT(lines[at + 1], HasSubstr("# TYPE " + std::string(family.name) + " "));
    ++at;
  }
}

TEST(Histogram, BucketsAreCumulativeAndInclusive) {
  Registry registry(2);
  const HistogramId id = registry.histogram(Family::gateway_time, "chat");
  registry.lane(0).observe(id, 1'000);  // on the bound of 1 us: belongs to it
  registry.lane(0).observe(id, 1'001);
  registry.lane(1).observe(id, 15'000);
  registry.lane(1).observe(id, 5'000'000'000);
  registry.lane(1).observe(id, -5);  // a clock that stepped back
  const std::string text = registry.render();
  const std::string name = "tollgate_gateway_seconds";
  EXPECT_THAT(text, HasSubstr("# TYPE " + name + " histogram\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{surface=\"chat\",le=\"0.000001\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{surface=\"chat\",le=\"0.000002\"} 3\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{surface=\"chat\",le=\"0.00002\"} 4\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{surface=\"chat\",le=\"1\"} 4\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{surface=\"chat\",le=\"+Inf\"} 5\n"));
  EXPECT_THAT(text, HasSubstr(name + "_sum{surface=\"chat\"} 5.000017001\n"));
  EXPECT_THAT(text, HasSubstr(name + "_count{surface=\"chat\"} 5\n"));
  EXPECT_EQ(registry.count(Family::gateway_time, "chat"), 5);
}

TEST(Histogram, EveryLineOfTheExpositionIsWellFormed) {
  Registry registry(1);
  registry.lane(0).observe(registry.histogram(Family::ttft, "chat"), 1);
  registry.lane(0).add(registry.counter(Family::tokens, "a b", "input"));
  const std::regex sample(
      R"re([a-z_]+(\{[a-z_]+="([^"\\\n]|\\["\\n])*"(,[a-z_]+="([^"\\\n]|\\["\\n])*")*\})? -?[0-9]+(\.[0-9]+)?)re");
  for (const std::string& line : lines_of(registry.render())) {
    if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) continue;
    EXPECT_TRUE(std::regex_match(line, sample)) << line;
  }
  EXPECT_TRUE(registry.render().ends_with("\n"));
}

TEST(Registry, GenAiNamesAreTheSameNumbers) {
  Registry registry(1);
  registry.lane(0).observe(registry.histogram(Family::ttft, "chat"), 3'000'000'000);
  EXPECT_THAT(registry.render(),
              HasSubstr("gen_ai_server_time_to_first_token_seconds_sum{surface=\"chat\"} 3\n"));
}

TEST(Registry, AFullRegistryGoesOnCountingElsewhere) {
  Registry registry(1);
  const HistogramId first = registry.histogram(Family::ttft, "first");
  HistogramId last;
  int made = 1;
  while ((last = registry.histogram(Family::ttft, "s" + std::to_string(made))).cell != 0) ++made;
  EXPECT_GT(made, 10'000);
  registry.lane(0).observe(last, 5);
  registry.lane(0).observe(first, 5);
  EXPECT_EQ(registry.count(Family::ttft, "first"), 1);
  EXPECT_EQ(registry.count(Family::ttft, "s" + std::to_string(made)), 0);
  for (int i = 0; registry.counter(Family::tokens, std::to_string(i), "input").cell != 0; ++i) {
  }
  const CounterId refused = registry.counter(Family::tokens, "late", "input");
  registry.lane(0).add(refused, 9);
  EXPECT_EQ(registry.value(Family::tokens, "late", "input"), 0);
  EXPECT_GE(registry.value(Family::series_overflow), 1);
  EXPECT_THAT(registry.render(), HasSubstr("\ntollgate_metric_series_refused "));
}

}  // namespace
}  // namespace tollgate::telemetry
