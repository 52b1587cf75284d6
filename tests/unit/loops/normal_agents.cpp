#include <fmt/format.h>

#include <tuple>

#include "unit/loops/normal_traffic.hpp"

/// Agents that go on for many rounds and get somewhere.
namespace tollgate::domain::loops::test {
namespace {

constexpr const char* kSystem =
    "You are a careful engineer. Use the tools. Stop when you are done.";
constexpr std::int64_t kMinute = 60'000;

/// A coding agent: looks around, edits, runs the tests, some of the time with the same result.
void coding_run(Run& run, Surface surface, std::uint64_t seed, int rounds) {
  Conversation c(surface, kSystem, seed);
  c.user(fmt::format("Task {}: {}", seed, prose(seed, 20)));
  for (int i = 0; i < rounds; ++i) {
    const std::uint64_t step = seed * 1'000 + static_cast<std::uint64_t>(i);
    run.call(c, 3'500, 150);
    c.tool("read_file", fmt::format(R"({{"path":"src/mod{}.py"}})", i % 7), prose(step, 150));
    run.call(c, 5'000, 100);
    c.tool("edit",
           fmt::format(R"({{"path":"src/mod{}.py","text":{}}})", i % 7,
                       json_text(prose(step + 1, 25))),
           "ok");
    run.call(c, 2'000, 6'000 + static_cast<std::int64_t>(step % 5) * 1'000);
    c.tool(
        "run_tests", "{}",
        fmt::format("{} failed, {} passed in {}.{}s", 3 - i / 25, 40 + i / 25, 5 + i % 3, i % 10));
  }
}

}  // namespace

void normal_agents(Normal& made) {
  for (const Surface surface : {Surface::chat, Surface::messages, Surface::responses}) {
    Scenario& s = made.add(fmt::format(
        "test-fix-test cycles of a coding agent, 60 rounds, {}",
        surface == Surface::chat ? "OpenAI chat"
                                 : (surface == Surface::messages ? "Anthropic" : "responses")));
    Run run(s, {.trace = surface == Surface::chat ? "" : "session-1"}, 30);
    coding_run(run, surface, 31, 60);
  }
  const std::tuple<const char*, const char*, std::int64_t> looks[] = {
      {"run_lint", "All checks passed!", 200},
      {"git_status", "nothing to commit, working tree clean", 50},
      {"run_tests", "41 passed in 1.0s", 1'000}};
  for (const auto& [tool, says, takes] : looks) {
    for (const bool traced : {false, true}) {
      Scenario& s = made.add(fmt::format("40 edits, each another, and a quick {} after each{}",
                                         tool, traced ? ", traced" : ""));
      Conversation c(Surface::chat, kSystem, 35);
      c.user("Migrate the service to the new logging API, file by file.");
      Run run(s, {.trace = traced ? "run-5" : ""}, 36);
      for (std::uint64_t i = 0; i < 40; ++i) {
        run.call(c, 3'500, 100);
        c.tool("edit",
               fmt::format(R"({{"path":{},"text":{}}})", json_text(prose(2'500 + i, 2)),
                           json_text(prose(2'600 + i, 40))),
               "ok");
        run.call(c, 2'000, takes);
        c.tool(tool, "{}", says);
      }
    }
  }
  {
    Scenario& s = made.add("tests of 1 s that fail the same way twelve times, each edit another");
    Conversation c(Surface::messages, kSystem, 32);
    c.user("Fix the parser.");
    Run run(s, {}, 33);
    for (std::uint64_t i = 0; i < 12; ++i) {
      run.call(c, 4'000, 100);
      c.tool("edit", fmt::format(R"({{"text":{}}})", json_text(prose(900 + i, 20))), "ok");
      run.call(c, 2'000, 1'000);
      c.tool("run_tests", "{}", "1 failed, 41 passed in 1.0s");
    }
  }
  for (const bool traced : {false, true}) {
    Scenario& s =
        made.add(fmt::format("ten agents at once on one key, {}traced", traced ? "" : "not "));
    for (std::uint64_t a = 0; a < 10; ++a) {
      Run run(s, {.trace = traced ? fmt::format("run-{}", a) : ""}, 40 + a);
      coding_run(run, Surface::chat, 50 + a, 30);
    }
  }
  for (const bool traced : {false, true}) {
    Scenario& s =
        made.add(fmt::format("50 workers that begin alike, {}traced", traced ? "" : "not "));
    for (std::uint64_t w = 0; w < 50; ++w) {
      Conversation c(Surface::chat, kSystem, 70 + w);
      c.user("Take the next ticket from the queue and answer it.");
      Run run(s,
              {.start = static_cast<std::int64_t>(w) * 300,
               .trace = traced ? fmt::format("worker-{}", w) : ""},
              80 + w);
      run.call(c, 2'000, 100);
      c.tool("read_guide", "{}", "Be polite. Be short.");
      run.call(c, 2'000, 100);
      c.tool("next_ticket", "{}", prose(1'100 + w, 60));
      run.call(c, 2'000, 100);
    }
  }
  for (const char* kept : {"previous_response_id", "conversation"}) {
    Scenario& s = made.add(fmt::format("6 agents, 40 files written each, results only ({})", kept));
    for (int agent = 0; agent < 6; ++agent) {
      Run run(s, {.start = agent * 700, .surface = Surface::responses},
              85 + static_cast<std::uint64_t>(agent));
      const bool chained = kept[0] == 'p';
      for (int i = 0; i < 40; ++i)
        run.call(
            [=] {
              return fmt::format(
                  R"({{"model":"gpt-5","{}":"resp_{}","input":[{{"type":"function_call_output",)"
                  R"("call_id":"call_{}","output":"File written."}}]}})",
                  kept, chained ? agent * 100 + i : agent, i);
            },
            3'000, 200);
    }
  }
  {
    Scenario& s = made.add("16 issues by number, one after the other, tests run thrice for each");
    Run run(s, {}, 90);
    for (std::uint64_t issue = 0; issue < 16; ++issue) {
      Conversation c(Surface::chat, kSystem, 91 + issue);
      c.user(fmt::format("Fix issue #{} of the repository.", 1'000 + issue));
      run.call(c, 4'000, 100);
      c.tool("edit", fmt::format(R"({{"text":{}}})", json_text(prose(1'200 + issue, 25))), "ok");
      for (int i = 0; i < 3; ++i) {
        run.call(c, 2'000, 1'000);
        c.tool("run_tests", "{}", fmt::format("41 passed in 1.{}s", i));
      }
      run.call(c, 2'000, 100);
    }
  }
  {
    Scenario& s = made.add("a nightly agent with the same prompt and tools, 90 nights");
    for (int night = 0; night < 90; ++night) {
      Conversation c(Surface::chat, kSystem, 120);
      c.user("Make the daily report.");
      Run run(s, {.start = night * 24 * 60 * kMinute}, 121 + static_cast<std::uint64_t>(night));
      for (int i = 0; i < 4; ++i) {
        run.call(c, 2'000, 100);
        c.tool(i % 2 == 0 ? "load" : "store", "{}", "ok");
      }
    }
  }
  {
    Scenario& s = made.add("five agents delegate four deep, 400 calls of one trace");
    for (int i = 0; i < 400; ++i) {
      std::mt19937_64 rng(130 + static_cast<std::uint64_t>(i));
      const bool is_message = i % 8 == 0;
      s.events.push_back(
          {.start = i * 1'500,
           .duration = 1'200,
           .surface = is_message ? Surface::a2a : Surface::chat,
           .body =
               [i, is_message] {
                 std::mt19937_64 ids(static_cast<std::uint64_t>(i));
                 const std::string text = prose(1'300 + static_cast<std::uint64_t>(i), 25);
                 return is_message ? a2a_message(ids, text, "ctx-1")
                                   : Conversation(Surface::chat, kSystem, 1).user(text).body();
               },
           .key = fmt::format("agent-{}", i % 5),
           .trace = "trace-1",
           .depth = static_cast<std::uint32_t>(i % 5)});
    }
  }
}

}  // namespace tollgate::domain::loops::test
