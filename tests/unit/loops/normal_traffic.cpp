#include <fmt/format.h>

#include <algorithm>

#include "unit/loops/normal_traffic.hpp"

/// Polls, batches, chats, outages and busy hours.
namespace tollgate::domain::loops::test {
namespace {

constexpr const char* kSystem =
    "You are a careful engineer. Use the tools. Stop when you are done.";
constexpr std::int64_t kMinute = 60'000;

/// One call by itself.
void single(Scenario& s, std::int64_t start, std::int64_t duration, std::string system,
            std::string user, Event like = {}) {
  like.start = start;
  like.duration = duration;
  like.body = [system = std::move(system), user = std::move(user)] {
    return Conversation(Surface::chat, system, 1).user(user).body();
  };
  s.events.push_back(std::move(like));
}

void polling(Normal& made) {
  for (const Surface surface : {Surface::chat, Surface::messages}) {
    Scenario& s = made.add(fmt::format("polling a job with backoff, {}",
                                       surface == Surface::chat ? "OpenAI" : "Anthropic"));
    Conversation c(surface, kSystem, 1);
    c.user("Start the export and tell me when it is done.");
    Run run(s, {}, 2);
    std::int64_t wait = 1'000;
    for (int i = 0; i < 60; ++i) {
      run.call(c, 2'000, wait);
      c.tool("job_status", R"({"job":"exp-17"})",
             fmt::format(R"({{"state":"running","progress":{}}})", i));
      wait = std::min<std::int64_t>(wait * 2, 30'000);
    }
  }
  for (const std::int64_t wait : {5'000, 15'000}) {
    Scenario& s = made.add(fmt::format("polling every {} s, answer never changes", wait / 1'000));
    Conversation c(Surface::chat, kSystem, 3);
    c.user("Wait for the review and merge.");
    Run run(s, {.trace = "run-3"}, 4);
    for (int i = 0; i < 120; ++i) {
      run.call(c, 1'500, wait);
      c.tool("review_state", R"({"pr":482})", R"({"state":"pending"})");
    }
  }
  {
    Scenario& s = made.add("polling with a sleep tool between");
    Conversation c(Surface::messages, kSystem, 5);
    c.user("Watch the deployment.");
    Run run(s, {}, 6);
    for (int i = 0; i < 120; ++i) {
      run.call(c, 2'000, i % 2 == 0 ? 300 : 20'000);
      if (i % 2 == 0)
        c.tool("deploy_status", "{}", "rolling out");
      else
        c.tool("sleep", R"({"seconds":20})", "ok");
    }
  }
  for (const std::int64_t wait : {3'000, 5'000}) {
    Scenario& s = made.add(fmt::format("a script polls an MCP tool every {} s", wait / 1'000));
    Run run(s, {.surface = Surface::mcp}, 7);
    for (std::uint64_t i = 0; i < 400; ++i)
      run.call([i] { return mcp_call(i, "job_status", R"({"job":"exp-17"})"); }, 80, wait);
  }
  {
    Scenario& s = made.add("MCP pings, lists and task polls every half second");
    Run run(s, {.surface = Surface::mcp}, 8);
    for (int i = 0; i < 2'000; ++i)
      run.call(
          [i] {
            return fmt::format(
                R"({{"jsonrpc":"2.0","id":{},"method":"tasks/get","params":{{"taskId":"t1"}}}})",
                i);
          },
          20, 480);
  }
}

void batches(Normal& made) {
  for (const int words : {60, 6'000}) {
    Scenario& s = made.add(fmt::format("map-reduce over 200 files of {} words, 8 at once", words));
    for (std::uint64_t i = 0; i < 200; ++i)
      single(
          s, static_cast<std::int64_t>(i) * 350, 2'800, "You summarise files.",
          fmt::format("Summarise the file below in three sentences. {}\nFile part-{:03}.txt:\n{}",
                      prose(1, 150), i, prose(100 + i, words)));
  }
  {
    Scenario& s = made.add("one agent reads 200 files by tool");
    Conversation c(Surface::messages, kSystem, 10);
    c.user("Summarise every file of the folder.");
    Run run(s, {}, 11);
    for (std::uint64_t i = 0; i < 200; ++i) {
      run.call(c, 2'000, 100);
      c.tool("read_file", fmt::format(R"({{"path":"part-{:03}.txt"}})", i), prose(500 + i, 60));
    }
  }
  {
    Scenario& s = made.add("one agent asks 90 prices, answers are numbers");
    Conversation c(Surface::chat, kSystem, 12);
    c.user("Make a price list.");
    Run run(s, {}, 13);
    for (int i = 0; i < 90; ++i) {
      run.call(c, 1'800, 150);
      c.tool("get_price", fmt::format(R"({{"sku":{}}})", 4'000 + i * 7),
             fmt::format(R"({{"price":{}.{:02}}})", i * 3 % 97, i * 7 % 100));
    }
  }
  {
    Scenario& s = made.add("2,000 batches of embeddings, 8 at once");
    for (std::uint64_t i = 0; i < 2'000; ++i)
      s.events.push_back(
          {.start = static_cast<std::int64_t>(i) * 60,
           .duration = 450,
           .surface = Surface::embeddings,
           .body = [i] {
             std::string list;
             for (std::uint64_t k = 0; k < 16; ++k)
               list += (k > 0 ? "," : "") + json_text(prose(20'000 + i * 16 + k, 40));
             return fmt::format(R"({{"model":"text-embedding-3-small","input":[{}]}})", list);
           }});
  }
  {
    Scenario& s = made.add("1,000 tickets by id through MCP, five a second");
    for (std::uint64_t i = 0; i < 1'000; ++i)
      s.events.push_back(
          {.start = static_cast<std::int64_t>(i) * 200,
           .duration = 120,
           .surface = Surface::mcp,
           .body =
               [i] { return mcp_call(i, "get_ticket", fmt::format(R"({{"id":{}}})", 70'000 + i)); },
           .trace = "migration"});
  }
  for (const bool behind : {true, false}) {
    Scenario& s = made.add(fmt::format("320 questions to a document of 40 KB, as a part {} it",
                                       behind ? "behind" : "before"));
    const std::string document = R"({"type":"text","text":)" + json_text(prose(35, 7'000)) + "}";
    for (std::uint64_t i = 0; i < 320; ++i)
      s.events.push_back(
          {.start = static_cast<std::int64_t>(i) * 500, .duration = 400, .body = [=] {
             // Of one length, so that it is told apart by what it says alone.
             std::string text = prose(36'000 + i, 20);
             text.resize(60, '?');
             const std::string question = R"({"type":"text","text":)" + json_text(text) + "}";
             return fmt::format(
                 R"({{"model":"gpt-4o","messages":[{{"role":"user","content":[{},{}]}}]}})",
                 behind ? document : question, behind ? question : document);
           }});
  }
  {
    Scenario& s = made.add("40 samples of one prompt at once (majority vote), 6 prompts");
    for (int p = 0; p < 6; ++p)
      for (int i = 0; i < 40; ++i)
        single(s, p * 20'000 + i, 6'000, kSystem,
               "Think step by step: " + prose(40 + static_cast<std::uint64_t>(p), 60));
  }
  {
    Scenario& s = made.add("arithmetic test set: only the numbers differ, 10 a second");
    for (int i = 0; i < 1'500; ++i)
      single(s, i * 100, 700, "Answer with a number.",
             fmt::format("A train goes {} km in {} hours. How fast is it?", 40 + i, 1 + i % 9));
  }
}

void chats(Normal& made) {
  {
    Scenario& s = made.add("a chat of 150 turns, \"continue\" in every third");
    Conversation c(Surface::messages, "You are friendly.", 20);
    Run run(s, {.trace = "chat-1"}, 21);
    for (std::uint64_t i = 0; i < 150; ++i) {
      c.user(i % 3 == 2 ? "continue" : prose(6'000 + i, 12));
      run.call(c, 4'000, 3'000 + static_cast<std::int64_t>(i % 5) * 6'000);
      c.assistant(prose(7'000 + i, 80));
    }
  }
  {
    Scenario& s = made.add("a script writes a novel: \"continue\" 120 times at once");
    Conversation c(Surface::chat, "You are a novelist.", 22);
    c.user("Write a novel about a lighthouse.");
    Run run(s, {}, 23);
    for (std::uint64_t i = 0; i < 120; ++i) {
      run.call(c, 5'000, 20);
      c.assistant(prose(8'000 + i, 200)).user("Continue.");
    }
  }
  {
    Scenario& s = made.add("a chat product: 600 users behind one key");
    std::mt19937_64 rng(24);
    static constexpr const char* kOpenings[] = {"hi", "hello", "hey", "help", "thanks"};
    for (std::uint64_t user = 0; user < 600; ++user) {
      Conversation c(Surface::chat, "You are the support of ACME.", 25 + user);
      Run run(s, {.start = static_cast<std::int64_t>(rng() % (30 * kMinute))}, 26 + user);
      for (std::uint64_t i = 0; i < 2 + user % 5; ++i) {
        if (i == 0 && user % 2 == 0)
          c.user(kOpenings[rng() % 5]);
        else
          c.user(rng() % 4 == 0 ? "thanks" : prose(rng(), 10));
        run.call(c, 1'500, 4'000 + static_cast<std::int64_t>(rng() % 30'000));
        c.assistant(i == 0 && user % 2 == 0 ? "Hello! How can I help you?" : prose(rng(), 40));
      }
    }
  }
  {
    Scenario& s = made.add("a classifier: one system prompt, short inputs, 5 a second");
    std::mt19937_64 rng(27);
    for (int i = 0; i < 3'000; ++i)
      single(s, i * 200, 400, "Classify the sentiment: positive, negative or neutral.",
             prose(rng() % 400, 4));
  }
  {
    Scenario& s = made.add("few-shot with ten examples, six inputs again and again, 5 a second");
    std::mt19937_64 rng(28);
    static constexpr const char* kInputs[] = {"yes", "no", "ok", "great", "bad", "meh"};
    for (int i = 0; i < 1'000; ++i)
      s.events.push_back({.start = i * 200, .duration = 300, .body = [input = kInputs[rng() % 6]] {
                            Conversation c(Surface::chat, "Positive or negative?", 29);
                            for (std::uint64_t k = 0; k < 10; ++k)
                              c.user(prose(9'000 + k, 6)).assistant(k % 2 == 0 ? "good" : "bad");
                            return c.user(input).body();
                          }});
  }
  {
    Scenario& s = made.add("few-shot labels of numbers, 5 a second");
    for (int i = 0; i < 1'500; ++i)
      s.events.push_back({.start = i * 200, .duration = 300, .body = [i] {
                            return Conversation(Surface::chat, "Even or odd?", 1)
                                .user("Number: 12")
                                .assistant("even")
                                .user("Number: 7")
                                .assistant("odd")
                                .user(fmt::format("Number: {}", i * 17))
                                .body();
                          }});
  }
}

void failures(Normal& made) {
  {
    Scenario& s = made.add("an outage: 200 calls, the SDK tries each three times with backoff");
    for (std::uint64_t i = 0; i < 200; ++i) {
      Conversation c(Surface::chat, kSystem, 140 + i);
      c.user(prose(1'500 + i, 30));
      Run run(s, {.start = static_cast<std::int64_t>(i) * 200}, 150 + i);
      run.call(c, 60, 500, true);
      run.call(c, 60, 1'000, true);
      run.call(c, 60, 2'000, true);
    }
  }
  {
    Scenario& s = made.add("an outage: 40 tickets, sent once each, amid 6 KB of prompt and tools");
    std::string tools;
    for (int i = 0; i < 25; ++i)
      tools += fmt::format(
          R"({}{{"type":"function","function":{{"name":"tool_{}","description":{},"parameters":{{}}}}}})",
          i > 0 ? "," : "", i, json_text(prose(170 + static_cast<std::uint64_t>(i), 35)));
    for (int i = 0; i < 40; ++i)
      s.events.push_back(
          {.start = i * 100,
           .duration = 60,
           .body =
               [i, tools] {
                 return fmt::format(
                     R"({{"model":"gpt-4o","messages":[{{"role":"system","content":{}}},)"
                     R"({{"role":"user","content":"Ticket {}: what is to be done?"}}],)"
                     R"("tools":[{}]}})",
                     json_text(prose(163, 1'000)), 1'000 + i, tools);
               },
           .failed = true});
  }
  {
    Scenario& s = made.add("a job that retries with backoff for half an hour");
    Conversation c(Surface::messages, kSystem, 160);
    c.user(prose(160, 40));
    Run run(s, {}, 161);
    std::int64_t wait = 250;
    for (int i = 0; i < 40; ++i) {
      run.call(c, 60, wait, true);
      wait = std::min<std::int64_t>(wait * 2, 60'000);
    }
  }
  {
    Scenario& s = made.add("a framework's five tries around the SDK's three");
    Conversation c(Surface::chat, kSystem, 162);
    c.user(prose(162, 40));
    Run run(s, {}, 163);
    for (int i = 0; i < 5; ++i) {
      run.call(c, 60, 500, true);
      run.call(c, 60, 1'000, true);
      run.call(c, 60, 1'000, true);
    }
  }
  {
    Scenario& s = made.add("a job tried ten times, each time by an SDK that waits 0.4 and 0.8 s");
    Conversation c(Surface::messages, kSystem, 164);
    c.user(prose(164, 40));
    Run run(s, {}, 165);
    for (int i = 0; i < 10; ++i) {
      run.call(c, 60, 380, true);
      run.call(c, 60, 780, true);
      run.call(c, 60, 1'500, true);
    }
  }
}

void rates(Normal& made) {
  Scenario& s = made.add("a busy morning: five times the usual rate");
  std::mt19937_64 rng(170);
  std::uint64_t seed = 30'000;
  for (std::int64_t minute = 0; minute < 60; ++minute)
    for (int i = 0; i < (minute < 40 ? 60 : 300); ++i)
      single(s, minute * kMinute + static_cast<std::int64_t>(rng() % kMinute), 900, kSystem,
             prose(seed++, 20));
}

}  // namespace

std::vector<Scenario> normal_traffic() {
  Normal made;
  polling(made);
  batches(made);
  chats(made);
  normal_agents(made);
  failures(made);
  rates(made);
  return std::move(made.list);
}

}  // namespace tollgate::domain::loops::test
