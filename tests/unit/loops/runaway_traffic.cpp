#include <fmt/format.h>

#include "unit/loops/traffic.hpp"

/// Agents that got stuck, each kind in several shapes.
namespace tollgate::domain::loops::test {
namespace {

constexpr const char* kSystem =
    "You are a careful engineer. Use the tools. Stop when you are done.";

struct Made {
  std::vector<Scenario> list;
  Scenario& add(std::string name, std::string what) {
    list.push_back({std::move(name), std::move(what), {}});
    return list.back();
  }
};

/// The same tool call and the same result, the history growing with each round.
void repeats(Made& made) {
  const std::pair<Surface, const char*> surfaces[] = {{Surface::chat, "OpenAI chat"},
                                                      {Surface::messages, "Anthropic"},
                                                      {Surface::responses, "OpenAI responses"}};
  for (const auto& [surface, name] : surfaces) {
    for (const std::string trace : {"", "run-1"}) {
      Scenario& s = made.add(fmt::format("same tool call, growing history, {}{}", name,
                                         trace.empty() ? "" : ", traced"),
                             "repeats");
      Conversation c(surface, kSystem, 1);
      c.user("Find out why the nightly build fails and mend it.");
      Run run(s, {.trace = trace}, 2);
      for (int i = 0; i < 200; ++i) {
        run.call(c, 2'500, 300);
        c.tool("read_file", R"({"path":"src/build.cpp","from":1})",
               "Error: no such file or directory: src/build.cpp");
      }
    }
  }
  {
    Scenario& s = made.add("result with clock, ids and counters, words found anew", "repeats");
    Conversation c(Surface::messages, kSystem, 3);
    c.user("Deploy the service.");
    Run run(s, {}, 4);
    for (int i = 0; i < 200; ++i) {
      run.call(c, 4'000, 1'500);
      c.tool(
          "deploy", R"({"service":"api","stage":"prod"})",
          fmt::format("2026-11-26T20:{:02}:{:02}Z request {} failed after {} ms: stage is locked "
                      "(attempt {})",
                      i / 60, i % 60, random_id(run.rng(), "", 20), 80 + i % 37, i + 1),
          prose(1'000 + static_cast<std::uint64_t>(i), 25));
    }
  }
  {
    Scenario& s = made.add("two tool calls at once, same results", "repeats");
    Conversation c(Surface::chat, kSystem, 5);
    c.user("Compare the two reports.");
    Run run(s, {}, 6);
    for (int i = 0; i < 200; ++i) {
      run.call(c, 3'000, 400);
      c.tools({{"fetch", R"({"report":"north"})"}, {"fetch", R"({"report":"south"})"}},
              {"access denied", "access denied"});
    }
  }
  {
    Scenario& s = made.add("slow tool (web search, 3 s)", "repeats");
    Conversation c(Surface::chat, kSystem, 7);
    c.user("Who maintains libfoo?");
    Run run(s, {}, 8);
    for (int i = 0; i < 200; ++i) {
      run.call(c, 2'000, 3'000);
      c.tool("search", R"({"q":"libfoo maintainer"})", prose(8, 300));
    }
  }
  {
    Scenario& s = made.add("same result, the history is the provider's", "repeats");
    Run run(s, {.surface = Surface::responses}, 19);
    for (int i = 0; i < 600; ++i)
      run.call(
          [i] {
            return fmt::format(
                R"({{"model":"gpt-5","previous_response_id":"resp_{}","input":[{{"type":)"
                R"("function_call_output","call_id":"call_{}","output":"payment declined"}}]}})",
                i, i);
          },
          1'200, 100);
  }
  for (const bool with_task : {false, true}) {
    Scenario& s = made.add(
        fmt::format("history cut to {}20 messages", with_task ? "its task and " : ""), "repeats");
    Conversation c(Surface::chat, kSystem, 9);
    c.user("Book the cheapest flight.");
    Run run(s, {}, 10);
    for (int i = 0; i < 200; ++i) {
      run.call(c, 2'000, 200);
      c.tool("book", R"({"flight":"LH123"})", "payment declined").cut_to(20, with_task);
    }
  }
  {
    Scenario& s = made.add("edits 15 files, a check after each; then checks for ever", "repeats");
    Conversation c(Surface::chat, kSystem, 18);
    c.user("Migrate the service, file by file.");
    Run run(s, {}, 18);
    for (std::uint64_t i = 0; i < 200; ++i) {
      if (i < 15) {
        run.call(c, 3'000, 100);
        c.tool("edit", fmt::format(R"({{"text":{}}})", json_text(prose(4'000 + i, 20))), "ok");
      }
      run.call(c, 2'000, 200);
      c.tool("run_lint", "{}", "All checks passed!");
    }
  }
  {
    Scenario& s = made.add("framework says \"continue\", model says the same", "repeats");
    Conversation c(Surface::messages, kSystem, 11);
    c.user("Refactor the parser.");
    Run run(s, {}, 12);
    for (int i = 0; i < 200; ++i) {
      run.call(c, 2'000, 50);
      c.assistant("I have finished the task. Is there anything else?")
          .user("You are not done until you call finish(). Continue.");
    }
  }
  {
    Scenario& s = made.add("other numbers in the arguments each time", "repeats");
    Conversation c(Surface::chat, kSystem, 13);
    c.user("Find the order of Mr Smith.");
    Run run(s, {}, 14);
    for (int i = 0; i < 300; ++i) {
      run.call(c, 2'000, 200);
      c.tool("list_orders", fmt::format(R"({{"page":{},"size":50}})", i + 1),
             fmt::format(R"({{"page":{},"orders":[]}})", i + 1));
    }
  }
  {
    Scenario& s = made.add("a failing script starts the same agent anew", "repeats");
    Run run(s, {}, 15);
    for (int i = 0; i < 600; ++i)
      run.call(Conversation(Surface::chat, kSystem, 16).user("Summarise today's tickets."), 600,
               100);
  }
  {
    Scenario& s = made.add("a tool called ten times a second", "repeats");
    Run run(s, {.surface = Surface::mcp}, 17);
    for (std::uint64_t i = 0; i < 1'000; ++i)
      run.call([i] { return mcp_call(i, "get_status", R"({"job":"a1"})"); }, 50, 50);
  }
}

void cycles(Made& made) {
  const char* tools[] = {"read_file", "write_file", "run_tests", "git_status"};
  for (const Surface surface : {Surface::chat, Surface::messages}) {
    for (std::size_t length = 2; length <= 4; ++length) {
      Scenario& s = made.add(fmt::format("cycle of {} tools, {}", length,
                                         surface == Surface::chat ? "OpenAI" : "Anthropic"),
                             "cycles");
      Conversation c(surface, kSystem, 20 + length);
      c.user("Make the tests pass.");
      Run run(s, {}, 30 + length);
      for (std::size_t i = 0; i < 300; ++i) {
        run.call(c, 2'500, 500);
        c.tool(tools[i % length], R"({"path":"a.py"})",
               fmt::format("{} said no at 12:{:02}:01", tools[i % length], i % 60));
      }
    }
  }
  {
    Scenario& s = made.add("undo and redo of one edit, tests of 2 s between", "cycles");
    Conversation c(Surface::messages, kSystem, 40);
    c.user("Fix the rounding error.");
    Run run(s, {.trace = "session-7"}, 41);
    const char* edits[] = {R"({"old":"round x","new":"floor x"})",
                           R"({"old":"floor x","new":"round x"})"};
    for (int i = 0; i < 400; ++i) {
      run.call(c, 3'000, i % 2 == 0 ? 200 : 2'000);
      if (i % 2 == 0)
        c.tool("edit", edits[i / 2 % 2], "ok");
      else
        c.tool("run_tests", "{}", fmt::format("1 failed, 41 passed in {}.{}s", 1 + i % 2, i % 10));
    }
  }
  {
    Scenario& s = made.add("stuck on tests that take 20 s, for hours", "cycles");
    Conversation c(Surface::messages, kSystem, 42);
    c.user("Fix the flaky test.");
    Run run(s, {}, 43);
    for (int i = 0; i < 700; ++i) {
      run.call(c, 3'000, i % 2 == 0 ? 200 : 20'000);
      if (i % 2 == 0)
        c.tool("edit", R"({"old":"a","new":"a"})", "no change");
      else
        c.tool("run_tests", "{}", "1 failed, 41 passed in 20.1s");
    }
  }
}

void retries(Made& made) {
  const std::pair<const char*, std::int64_t> waits[] = {{"at once", 5}, {"after 200 ms", 200}};
  for (const auto& [name, wait] : waits) {
    Scenario& s = made.add(fmt::format("500s, sent again {}", name), "retries");
    Conversation c(Surface::chat, kSystem, 50);
    c.user("Translate this: " + prose(50, 200));
    Run run(s, {}, 51);
    for (int i = 0; i < 500; ++i) run.call(c, 30, wait, true);
  }
  {
    Scenario& s = made.add("timeouts of 800 ms, sent again at once", "retries");
    Conversation c(Surface::messages, kSystem, 52);
    c.user(prose(52, 100));
    Run run(s, {}, 53);
    for (int i = 0; i < 500; ++i) run.call(c, 800, 1, true);
  }
  {
    Scenario& s = made.add("a tool that fails, sent again at once", "retries");
    Run run(s, {.surface = Surface::mcp, .trace = "run-2"}, 54);
    for (int i = 0; i < 500; ++i)
      run.call([] { return mcp_call(7, "charge", R"({"amount":12})"); }, 20, 10, true);
  }
  {
    Scenario& s = made.add("eight workers retry one call each without backoff", "retries");
    for (std::uint64_t w = 0; w < 8; ++w) {
      Conversation c(Surface::chat, kSystem, 60 + w);
      c.user(fmt::format("Summarise section {}: {}", w, prose(60 + w, 80)));
      Run run(s, {.start = static_cast<std::int64_t>(w) * 3}, 70 + w);
      for (int i = 0; i < 200; ++i) run.call(c, 40, 100, true);
    }
  }
}

void rates(Made& made) {
  Scenario& s = made.add("from 6 calls a minute to 2,000", "call_rate");
  std::mt19937_64 rng(80);
  std::uint64_t seed = 0;
  const auto call = [&](std::int64_t start) {
    s.events.push_back(
        {.start = start, .duration = 800, .body = [seed = seed++] {
           return Conversation(Surface::chat, kSystem, 1).user(prose(5'000 + seed, 30)).body();
         }});
  };
  for (std::int64_t minute = 0; minute < 30; ++minute)
    for (int i = 0; i < 6; ++i) call(minute * 60'000 + static_cast<std::int64_t>(rng() % 60'000));
  for (int i = 0; i < 4'000; ++i) call(30 * 60'000 + i * 30);
}

void traces(Made& made) {
  {
    Scenario& s = made.add("agents that delegate without end", "traces");
    std::mt19937_64 rng(90);
    for (std::uint32_t i = 0; i < 60; ++i)
      s.events.push_back({.start = i * 2'000,
                          .duration = 60'000,
                          .surface = Surface::a2a,
                          .body =
                              [text = prose(90 + i, 30), id = rng()] {
                                std::mt19937_64 ids(id);
                                return a2a_message(ids, text);
                              },
                          .key = fmt::format("agent-{}", i % 3),
                          .trace = "trace-9",
                          .depth = i});
  }
  {
    Scenario& s = made.add("fan-out: each agent starts three more, no depth told", "traces");
    for (int i = 0; i < 6'000; ++i)
      s.events.push_back({.start = i < 3 ? i * 900 : 3'000 + i * 60,
                          .duration = 900,
                          .body =
                              [i] {
                                return Conversation(Surface::chat, kSystem, 1)
                                    .user(prose(10'000 + static_cast<std::uint64_t>(i), 30))
                                    .body();
                              },
                          .trace = "trace-10"});
  }
  for (const bool traced : {true, false}) {
    Scenario& s = made.add(fmt::format("ping-pong of two agents over A2A, {}",
                                       traced ? "one trace" : "one context, no trace"),
                           traced ? "cycles" : "repeats");
    std::mt19937_64 rng(95);
    for (int i = 0; i < 300; ++i)
      s.events.push_back({.start = i * 3'000,
                          .duration = 2'800,
                          .surface = Surface::a2a,
                          .body =
                              [i, id = rng()] {
                                std::mt19937_64 ids(id);
                                return a2a_message(
                                    ids,
                                    i % 2 == 0 ? "Please confirm the order before I ship it."
                                               : "I will confirm once it has been shipped.",
                                    i % 2 == 0 ? "ctx-a" : "ctx-b");
                              },
                          .key = i % 2 == 0 ? "sales" : "warehouse",
                          .trace = traced ? "trace-11" : ""});
  }
}

/// What the shipped settings are known not to find; docs/loops.md says why.
void blind_spots(Made& made) {
  {
    Scenario& s = made.add("every round in other words", "repeats");
    s.is_blind_spot = true;
    Conversation c(Surface::chat, kSystem, 100);
    c.user("Find the cause.");
    Run run(s, {}, 101);
    for (std::uint64_t i = 0; i < 200; ++i) {
      run.call(c, 2'500, 300);
      c.tool("search", fmt::format(R"({{"q":{}}})", json_text(prose(2'000 + i, 5))),
             prose(3'000 + i, 40));
    }
  }
  {
    Scenario& s = made.add("one slow round in 30 s, given up after 100", "cycles");
    s.is_blind_spot = true;
    Conversation c(Surface::messages, kSystem, 102);
    c.user("Get the build green.");
    Run run(s, {}, 103);
    for (int i = 0; i < 100; ++i) {
      run.call(c, 3'000, 27'000);
      c.tool("run_build", "{}", "build failed: undefined reference to foo");
    }
  }
}

}  // namespace

std::vector<Scenario> runaway_traffic() {
  Made made;
  repeats(made);
  cycles(made);
  retries(made);
  rates(made);
  traces(made);
  blind_spots(made);
  return std::move(made.list);
}

}  // namespace tollgate::domain::loops::test
