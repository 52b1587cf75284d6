#include "tollgate/telemetry/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "tollgate/base/task.hpp"

namespace tollgate::telemetry::log {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr base::WallTime kTime{std::chrono::microseconds(1'795'472'969'123'456)};

class StillClock final : public base::Clock {
 public:
  [[nodiscard]] base::MonoTime mono() const noexcept override { return {}; }
  [[nodiscard]] base::WallTime wall() const noexcept override { return kTime; }
};

class LogStory : public ::testing::Test {
 protected:
  void configure_for(Level level, bool json) {
    Options options;
    options.level = level;
    options.json = json;
    options.clock = &clock_;
    options.sink = [this](std::string_view line) { lines.emplace_back(line); };
    configure(std::move(options));
  }
  void TearDown() override { configure(Options()); }

  std::vector<std::string> lines;

 private:
  StillClock clock_;
};

TEST_F(LogStory, JsonLines) {
  configure_for(Level::info, true);
  info("reload_done", {{"generation", 7u},
                       {"file", "a.yaml"},
                       {"delta", -3},
                       {"ok", true},
                       {"spent", base::NanoUsd{250'000'000}}});
  EXPECT_THAT(lines,
              ElementsAre(R"({"time":"2026-11-23T22:29:29.123456Z","level":"info",)"
                          R"("event":"reload_done","generation":7,"file":"a.yaml","delta":-3,)"
                          R"("ok":true,"spent":"$0.25"})"));
}

TEST_F(LogStory, TextLines) {
  configure_for(Level::info, false);
  warn("budget_alert", {{"scope", "team"}, {"percent", 80}, {"note", "two words"}, {"empty", ""}});
  EXPECT_THAT(lines, ElementsAre("2026-11-23T22:29:29.123456Z warn  budget_alert scope=team "
                                 "percent=80 note=\"two words\" empty=\"\""));
}

TEST_F(LogStory, LevelsFilter) {
  configure_for(Level::warn, true);
  debug("a");
  info("b");
  EXPECT_THAT(lines, IsEmpty());
  warn("c");
  error("d");
  EXPECT_EQ(lines.size(), 2u);
  set_level(Level::debug);
  EXPECT_TRUE(enabled(Level::debug));
  debug("e");
  EXPECT_THAT(lines.back(), HasSubstr(R"("level":"debug","event":"e")"));
  set_level(Level::off);
  error("f");
  EXPECT_EQ(lines.size(), 3u);
}

TEST_F(LogStory, ASecretIsStars) {
  configure_for(Level::info, true);
  const base::Secret secret("sk-canary-0123456789");
  info("loaded", {{"api_key", secret}});
  EXPECT_THAT(lines.back(), HasSubstr(R"("api_key":"***")"));
  EXPECT_THAT(lines.back(), Not(HasSubstr("canary")));
}

TEST_F(LogStory, NothingFromOutsideForgesALineOrTurnsTheTerminal) {
  configure_for(Level::info, true);
  const std::string evil =
      "a\"b\\c\nd\x1b[31m\xe2\x80\xae\xe2\x80\xa8\xff\xc2" + std::string(1, '\0');
  info("seen", {{"value", evil}});
  EXPECT_THAT(lines.back(),
              HasSubstr(R"("value":"a\"b\\x5cc\\x0ad\\x1b[31m\\u202e\\u2028\\xff\\xc2\\x00"})"));
  configure_for(Level::info, false);
  info("seen", {{"value", "a\" x=\"1\nlevel=error"}});
  EXPECT_THAT(lines.back(), HasSubstr(R"(value="a\" x=\"1\x0alevel=error")"));
}

TEST_F(LogStory, BracesAreNoFormat) {
  configure_for(Level::info, true);
  info("seen", {{"value", "{} {0} %s %n"}});
  EXPECT_THAT(lines.back(), HasSubstr(R"("value":"{} {0} %s %n")"));
}

TEST_F(LogStory, LongValuesAreCut) {
  configure_for(Level::info, true);
  info("seen", {{"value", std::string(5'000, 'x')}});
  EXPECT_LT(lines.back().size(), 1'200u);
  EXPECT_THAT(lines.back(), HasSubstr("xxx...\""));
}

TEST(LogFormat, IsPure) {
  EXPECT_EQ(format_line(true, kTime, Level::error, "x", {}),
            R"({"time":"2026-11-23T22:29:29.123456Z","level":"error","event":"x"})");
}

struct Utf8Row {
  const char* bytes;
  const char* shown;
};

TEST(LogFormat, BrokenUtf8IsShownByByte) {
  const Utf8Row rows[] = {
      {"\xc3\xa4", "\xc3\xa4"},
      {"\xe2\x82\xac", "\xe2\x82\xac"},
      {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
      {"\xc0\xaf", "\\\\xc0\\\\xaf"},                        // overlong
      {"\xe0\x80\xaf", "\\\\xe0\\\\x80\\\\xaf"},             // overlong
      {"\xed\xa0\x80", "\\\\xed\\\\xa0\\\\x80"},             // surrogate
      {"\xf0\x80\x80\x80", "\\\\xf0\\\\x80\\\\x80\\\\x80"},  // overlong
      {"\xf4\x90\x80\x80", "\\\\xf4\\\\x90\\\\x80\\\\x80"},  // above U+10FFFF
      {"\xf5\x80\x80\x80", "\\\\xf5\\\\x80\\\\x80\\\\x80"},
      {"\xe2\x82", "\\\\xe2\\\\x82"},
      {"\x80", "\\\\x80"},
  };
  for (const Utf8Row& row : rows)
    EXPECT_THAT(format_line(true, kTime, Level::info, "e", {{"v", row.bytes}}),
                HasSubstr(std::string("\"v\":\"") + row.shown + "\"}"));
}

base::Task<void> breaks() {
  throw std::runtime_error("boom");
  co_return;  // NOLINT: makes it a coroutine
}
base::Task<void> breaks_oddly() {
  throw 7;    // NOLINT: what a library might do
  co_return;  // NOLINT
}

TEST_F(LogStory, ATaskThatFailsIsLoggedAndCounted) {
  configure_for(Level::info, true);
  install_task_failure_hook();
  const std::uint64_t before = task_failures();
  base::spawn("session", breaks());
  base::spawn("session", breaks_oddly());
  EXPECT_EQ(task_failures(), before + 2);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], HasSubstr(R"("level":"error","event":"task_failed","task":"session",)"
                                  R"("message":"boom"})"));
  EXPECT_THAT(lines[1], HasSubstr(R"("message":"unknown exception"})"));
  base::set_task_failure_hook(nullptr);
}

}  // namespace
}  // namespace tollgate::telemetry::log
