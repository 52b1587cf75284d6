#include <gtest/gtest.h>

#include "fake_env.hpp"

namespace tollgate::config {
namespace {

using namespace std::chrono_literals;

LoadResult load(const std::string& yaml) {
  FakeEnv env;
  env.files["prices.yaml"] = kPriceFile;
  return load_text(yaml, "f", env);
}

std::string key(const std::string& more) {
  return "keys:\n  - {id: a, digest: \"sha256:" + std::string(64, 'a') + "\", " + more + "}\n";
}

TEST(LoopBreaker, ShipsEnforcingButForTheRate) {
  const auto result = load("{}\n");
  ASSERT_TRUE(result.ok()) << text_of(result.problems);
  const LoopBreaker& rules = result.snapshot->loop_breaker;
  for (const LoopDetector& one : {LoopDetector(rules.repeats), LoopDetector(rules.cycles),
                                  LoopDetector(rules.retries), LoopDetector(rules.traces)}) {
    EXPECT_EQ(one.mode, LoopMode::enforce);
    EXPECT_EQ(one.action, LoopAction::stop);
  }
  EXPECT_EQ(rules.call_rate.mode, LoopMode::observe);
}

TEST(LoopBreaker, AKeyChangesWhatItNamesWhereverTheSectionStands) {
  // The key comes first: its section is still laid over the top-level one.
  const auto result = load(key("loop_breaker: {repeats: {limit: 7, mode: observe}, pause: 1s}") +
                           "loop_breaker:\n  repeats: {limit: 9, window: 2m}\n  stop_for: 1h\n");
  ASSERT_TRUE(result.ok()) << text_of(result.problems);
  EXPECT_EQ(result.snapshot->loop_breaker.repeats.limit, 9u);
  ASSERT_TRUE(result.snapshot->keys[0].loop_breaker);
  const LoopBreaker& own = *result.snapshot->keys[0].loop_breaker;
  EXPECT_EQ(own.repeats.limit, 7u);
  EXPECT_EQ(own.repeats.mode, LoopMode::observe);
  EXPECT_EQ(own.repeats.action, LoopAction::stop);
  EXPECT_EQ(own.repeats.window, 2min) << "inherited";
  EXPECT_EQ(own.stop_for, 1h) << "inherited";
  EXPECT_EQ(own.pause, 1s);
}

TEST(LoopBreaker, OneWordStandsForAllDetectors) {
  const auto result = load("loop_breaker: observe\n" + key("loop_breaker: off"));
  ASSERT_TRUE(result.ok()) << text_of(result.problems);
  EXPECT_EQ(result.snapshot->loop_breaker.cycles.mode, LoopMode::observe);
  EXPECT_EQ(result.snapshot->keys[0].loop_breaker->traces.mode, LoopMode::off);
  EXPECT_EQ(result.snapshot->keys[0].loop_breaker->call_rate.mode, LoopMode::off);
}

TEST(LoopBreaker, AKeyWithoutASectionHasTheFiles) {
  const auto result = load(key("disabled: false"));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.snapshot->keys[0].loop_breaker, nullptr);
}

TEST(LoopBreaker, ProblemsNameTheirPlace) {
  EXPECT_NE(text_of(load("loop_breaker: {repeat: {}}\n").problems).find("repeats"),
            std::string::npos);
  EXPECT_FALSE(load("loop_breaker: on\n").ok());
  EXPECT_FALSE(load("loop_breaker: {repeats: {limit: 0}}\n").ok());
  EXPECT_FALSE(load("loop_breaker: {stop_for: 30d}\n").ok());
  const auto result = load(key("loop_breaker: {cycles: {rounds: one}}"));
  EXPECT_NE(text_of(result.problems).find("keys[0].loop_breaker.cycles.rounds"), std::string::npos)
      << text_of(result.problems);
}

}  // namespace
}  // namespace tollgate::config
