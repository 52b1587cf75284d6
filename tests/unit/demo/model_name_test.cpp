#include "domain/demo/model_name.hpp"

#include <gtest/gtest.h>

namespace tollgate::domain::demo {
namespace {

struct Row {
  const char* name;
  Behaviour behaviour;
  std::int64_t number;
};

TEST(ModelName, EveryBehaviour) {
  const Row rows[] = {
      {"echo", Behaviour::echo, 0},
      {"demo/echo", Behaviour::echo, 0},
      {"slow-50ms", Behaviour::slow, 50},
      {"demo/slow-0ms", Behaviour::slow, 0},
      {"drip-20ms", Behaviour::drip, 20},
      {"long-1000000", Behaviour::words, 1'000'000},
      {"fail-400", Behaviour::fail, 400},
      {"demo/fail-599", Behaviour::fail, 599},
      {"drop", Behaviour::drop, 0},
      {"drop-mid-stream", Behaviour::drop_mid_stream, 0},
      {"stall-mid-stream", Behaviour::stall_mid_stream, 0},
      {"silent", Behaviour::silent, 0},
      {"tool-call", Behaviour::tool_calls, 1},
      {"tool-calls-2", Behaviour::tool_calls, 2},
      {"secret", Behaviour::secret, 0},
      {"refuse", Behaviour::refuse, 0},
      {"no-usage", Behaviour::no_usage, 0},
      {"cost-0", Behaviour::cost, 0},
      {"cost-1000", Behaviour::cost, 1'000},
      {"bad-json", Behaviour::bad_json, 0},
  };
  for (const Row& row : rows) {
    const auto parsed = parse_model_name(row.name);
    ASSERT_TRUE(parsed) << row.name;
    EXPECT_EQ(parsed->behaviour, row.behaviour) << row.name;
    EXPECT_EQ(parsed->number, row.number) << row.name;
  }
}

TEST(ModelName, ATypingErrorIsNotAnEcho) {
  for (const char* name : {"",
                           "demo/",
                           "Echo",
                           "echo2",
                           "demo/demo/echo",
                           "slow-ms",
                           "slow-50",
                           "slow-50s",
                           "slow--5ms",
                           "slow-600001ms",
                           "fail-",
                           "fail-399",
                           "fail-600",
                           "fail-50x",
                           "long-0",
                           "long-1000001",
                           "cost-",
                           "cost--1",
                           "tool-calls-0",
                           "tool-calls-17",
                           "tool-calls",
                           "drop-",
                           "gpt-4o"})
    EXPECT_FALSE(parse_model_name(name)) << name;
}

}  // namespace
}  // namespace tollgate::domain::demo
