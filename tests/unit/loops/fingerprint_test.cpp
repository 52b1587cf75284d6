#include <gtest/gtest.h>

#include <set>

#include "domain/loops/text_hash.hpp"
#include "support/property_seeds.hpp"
#include "unit/loops/traffic.hpp"

namespace tollgate::domain::loops::test {
namespace {

std::uint64_t hash(std::string_view raw, Fold fold, std::size_t limit = 1 << 20) {
  TextHash out(1);
  out.add(raw, fold, limit);
  return out.value();
}

struct Pair {
  const char *a, *b;
};

TEST(Folding, WhatIsTheSameWithAllFolded) {
  const Pair pairs[] = {
      {"attempt 7", "attempt 12"},
      {"took 1,234.56 ms", "took 9 ms"},
      {"x=-5", "x=5"},
      {"at 2026-11-26T20:01:02.123Z", "at 2027-01-02T03:04:05Z"},
      {"at 2026-11-26 20:01:02", "at 2026-11-27 01:00:59"},
      {"since 1795723262", "since 1795729999123"},
      {"id 550e8400-e29b-41d4-a716-446655440000", "id 123e4567-e89b-12d3-a456-426614174000"},
      {"commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
       "commit 2c26b46b68ffc68ff99b453c1d30413413422d70"},
      {"call_Xb3dE5fG7hI9jK1l", "call_Ab1Cd2Ef3Gh4Ij5K"},
      {"toolu_01A09q90qw90lq917835lq9", "toolu_01T1x1fJ34qAmk2tNTrN7Up6"},
      {"a  b", "a b"},
      {R"(a\n\n   b)", "a b"},
      {R"(a\tb)", R"(a\r\n b)"},
      {"file12.txt", "file7.txt"},
  };
  for (const auto& [a, b] : pairs) EXPECT_EQ(hash(a, Fold::all), hash(b, Fold::all)) << a;
}

TEST(Folding, WhatStaysDifferentWithAllFolded) {
  const Pair pairs[] = {
      {"Attempt 7", "attempt 7"},
      {"a b", "ab"},
      {"gpt-4o", "gpt-4"},
      {"error in foo.cpp", "error in bar.cpp"},
      {"", " x"},
      {"7", "seven"},
      // Text that a client writes as escapes must not be taken for numbers.
      {R"(\u5341\u5929)", R"(\u5343\u6708)"},
      {R"(C:\\new1)", R"(C:\\old1)"},
  };
  for (const auto& [a, b] : pairs) EXPECT_NE(hash(a, Fold::all), hash(b, Fold::all)) << a;
}

TEST(Folding, TimesOnlyKeepsNumbersAndIds) {
  EXPECT_EQ(hash("It is 2026-11-26 20:01. Go", Fold::times),
            hash("It is 2026-11-27 08:15. Go", Fold::times));
  for (const auto& [a, b] : {Pair{"17 apples", "18 apples"},
                             Pair{"order 550e8400-e29b-41d4-a716-446655440000",
                                  "order 123e4567-e89b-12d3-a456-426614174000"},
                             Pair{"part-001", "part-002"}})
    EXPECT_NE(hash(a, Fold::times), hash(b, Fold::times)) << a;
  EXPECT_NE(hash("at 20:01:02", Fold::none), hash("at 20:01:03", Fold::none));
}

TEST(Folding, ALongTextIsKnownByItsEndsWhateverItsNumbers) {
  const std::string middle = prose(1, 4'000);
  const auto text = [&](const std::string& number) {
    return "took " + number + " ms. " + middle + " done in " + number + " ms";
  };
  EXPECT_EQ(hash(text("9"), Fold::all, 2'048), hash(text("123456"), Fold::all, 2'048));
  EXPECT_NE(hash(text("9") + "!", Fold::all, 2'048), hash(text("9"), Fold::all, 2'048));
  EXPECT_NE(hash("x" + text("9"), Fold::all, 2'048), hash(text("9"), Fold::all, 2'048));
}

TEST(FoldingProperty, WhiteSpaceFoldsAtEveryPlace) {
  for (std::size_t i = 0; i < 50; ++i) {
    const std::string before(i, 'x'), behind(30, 'y');
    const std::uint64_t one = hash(before + " " + behind, Fold::none);
    for (const char* blanks : {"  ", "   ", R"(\n)", R"( \n)", R"(\n )", R"(\r\n\t)"})
      EXPECT_EQ(hash(before + blanks + behind, Fold::none), one) << i << "'" << blanks << "'";
    EXPECT_NE(hash(before + behind, Fold::none), one) << i;
  }
}

// What a number is, is told by the text around it, wherever the 16-byte steps fall.
TEST(FoldingProperty, NumbersFoldAtEveryPlaceAndWordsNever) {
  for (std::uint64_t seed = 0; seed < tollgate::test::property_seeds(200); ++seed) {
    std::mt19937_64 rng(seed);
    std::string a, b, c;
    const int words = 1 + static_cast<int>(rng() % 300);
    const int odd = static_cast<int>(rng() % static_cast<std::uint64_t>(words));
    for (int i = 0; i < words; ++i) {
      const std::string word(1 + rng() % 20, static_cast<char>('a' + rng() % 26));
      const bool number = rng() % 3 == 0 && i != odd;
      a += number ? std::to_string(rng() % 1'000'000) : word;
      b += number ? std::to_string(rng() % 1'000) : word;
      c += number ? "1" : (i == odd ? word + "x" : word);
      for (std::string* text : {&a, &b, &c}) *text += " ";
    }
    EXPECT_EQ(hash(a, Fold::all), hash(b, Fold::all)) << "seed " << seed << "\n" << a << "\n" << b;
    EXPECT_NE(hash(a, Fold::all), hash(c, Fold::all)) << "seed " << seed;
  }
}

TEST(FoldingProperty, AnyBytesAreRead) {
  for (std::uint64_t seed = 0; seed < tollgate::test::property_seeds(200); ++seed) {
    std::mt19937_64 rng(seed);
    std::string text(rng() % 2'000, '\0');
    static constexpr std::string_view kOdd = "0123456789\\nu -:.+_\"Tz\xC3\xA4\n\t";
    for (char& c : text) c = rng() % 2 == 0 ? kOdd[rng() % kOdd.size()] : static_cast<char>(rng());
    for (const Fold fold : {Fold::none, Fold::times, Fold::all})
      for (const std::size_t limit :
           {std::size_t{0}, std::size_t{1}, std::size_t{64}, std::size_t{1} << 20})
        EXPECT_EQ(hash(text, fold, limit), hash(text, fold, limit)) << "seed " << seed;
  }
}

Fingerprint print(const Conversation& c) {
  return print_of(c.surface(), c.body());
}

class EverySurface : public testing::TestWithParam<Surface> {
 protected:
  Conversation conversation(std::string_view task = "Mend the build.", std::uint64_t seed = 1,
                            std::string system = "Be good.") {
    Conversation c(GetParam(), std::move(system), seed);
    c.user(task);
    return c;
  }
};
INSTANTIATE_TEST_SUITE_P(Loops, EverySurface,
                         testing::Values(Surface::chat, Surface::messages, Surface::responses));

TEST_P(EverySurface, AStuckAgentLooksTheSameEveryRound) {
  Conversation c = conversation();
  EXPECT_EQ(print(c).conversation, 0u) << "a first question stands alone";
  c.tool("read", R"({"path":"a"})", "not found");
  const Fingerprint first = print(c);
  EXPECT_NE(first.conversation, 0u);
  std::uint32_t turns = first.turns;
  for (int round = 0; round < 30; ++round) {
    c.tool("read", R"({"path":"a"})", "not found");
    const Fingerprint next = print(c);
    EXPECT_EQ(next.near, first.near);
    EXPECT_EQ(next.reworded, first.reworded);
    EXPECT_EQ(next.conversation, first.conversation);
    EXPECT_NE(next.exact, first.exact);
    EXPECT_GT(next.turns, turns);
    turns = next.turns;
  }
}

TEST_P(EverySurface, WhatComesBackAndWhatIsCalledTellTurnsApart) {
  const auto after = [&](std::string_view tool, std::string_view arguments, std::string_view result,
                         std::string_view words = "") {
    return print(conversation().tool(tool, arguments, result, words));
  };
  const Fingerprint base = after("read", R"({"path":"a","line":3})", "not found (7 ms)");
  EXPECT_EQ(after("read", R"({"path":"a","line":3})", "not found (123 ms)").near, base.near);
  EXPECT_EQ(after("read", R"({"path":"a","line":3})", "not found (7 ms)", "Once more!").near,
            base.near)
      << "words beside a call";
  EXPECT_NE(after("read", R"({"path":"a","line":3})", "found (7 ms)").near, base.near);
  EXPECT_NE(after("write", R"({"path":"a","line":3})", "not found (7 ms)").near, base.near);
  EXPECT_NE(after("read", R"({"path":"b","line":3})", "not found (7 ms)").reworded, base.reworded);
  const Fingerprint other_number = after("read", R"({"path":"a","line":4})", "not found (7 ms)");
  EXPECT_NE(other_number.near, base.near);
  EXPECT_EQ(other_number.reworded, base.reworded);
}

TEST_P(EverySurface, SystemPromptAndOtherConversations) {
  const auto base = print(conversation().tool("read", "{}", "x"));
  EXPECT_EQ(print(conversation("Mend the build.", 9, "Be bad.").tool("read", "{}", "x")).near,
            base.near);
  const auto other = print(conversation("Write a poem.").tool("read", "{}", "x"));
  EXPECT_NE(other.conversation, base.conversation);
}

TEST_P(EverySurface, TasksThatDifferInANumberAreTwoConversations) {
  const auto of = [&](std::string_view task) {
    return print(conversation(task).tool("read", "{}", "x")).conversation;
  };
  EXPECT_NE(of("Fix issue #1001 of the repository."), of("Fix issue #1002 of the repository."));
  EXPECT_EQ(of("It is 2026-11-26 20:00. Report."), of("It is 2026-11-27 20:00. Report."));
}

TEST_P(EverySurface, WhatUsersWriteKeepsItsNumbers) {
  const auto ask = [&](std::string_view text) { return print(conversation(text)).near; };
  EXPECT_NE(ask("What is 17 times 3?"), ask("What is 18 times 3?"));
  EXPECT_EQ(ask("It is 2026-11-26 20:00. Report."), ask("It is 2026-11-27 20:00. Report."));
  EXPECT_NE(ask("Summarise: " + prose(1, 5'000) + prose(2, 900) + prose(3, 5'000)),
            ask("Summarise: " + prose(1, 5'000) + prose(4, 901) + prose(3, 5'000)))
      << "longer than what is read, other in the middle";
}

TEST(Fingerprint, ALongPartHidesNoOther) {
  const std::string document = json_text(prose(1, 8'000)), other = json_text(prose(2, 8'000));
  const auto of = [](const std::vector<std::string>& parts) {
    std::string list;
    for (const std::string& part : parts)
      list += (list.empty() ? "" : ",") + (R"({"type":"text","text":)" + part + "}");
    return print_of(Surface::chat,
                    R"({"model":"m","messages":[{"role":"user","content":[)" + list + "]}]}")
        .near;
  };
  const std::string how = json_text("How long is it?"), who = json_text("Who wrote it up?");
  EXPECT_NE(of({document, how}), of({document, who})) << "behind";
  EXPECT_NE(of({how, document}), of({who, document})) << "before";
  EXPECT_NE(of({document, how, other}), of({document, who, other})) << "between";
  EXPECT_NE(of({document, how}), of({other, how}));
  EXPECT_EQ(of({document, how, other}), of({document, how, other}));
  std::vector<std::string> many(40, json_text("x"));
  const std::uint64_t base = of(many);
  for (std::string& part : many) {
    part = json_text("y");
    EXPECT_NE(of(many), base) << "one of more parts than are kept";
    part = json_text("x");
  }

  const auto messages = [](const std::string& first, const std::string& second) {
    return print_of(Surface::chat, R"({"model":"m","messages":[{"role":"user","content":)" + first +
                                       R"(},{"role":"user","content":)" + second + "}]}")
        .near;
  };
  EXPECT_NE(messages(how, document), messages(who, document)) << "a message of its own";
  EXPECT_NE(messages(document, how), messages(document, who));
}

// Where reading ends must not hang on how long a number is that stands elsewhere.
TEST(Fingerprint, ANumberThatGrowsMovesNoShare) {
  const auto of = [](const std::string& number) {
    Conversation c(Surface::chat, "", 1);
    c.user("Go.").tools({{"a", "{}"}, {"b", "{}"}},
                        {prose(3, 9'000), "took " + number + " ms: " + prose(4, 20)});
    return print_of(Surface::chat, c.body()).near;
  };
  EXPECT_EQ(of("7"), of("12"));
  EXPECT_EQ(of("7"), of("123456"));
}

TEST_P(EverySurface, AChatIsNoLoop) {
  Conversation c = conversation();
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 50; ++i) {
    c.assistant(prose(i, 20)).user("ok");
    EXPECT_TRUE(seen.insert(print(c).near).second) << i;
  }
}

TEST_P(EverySurface, MoreParallelResultsThanAreReadStillGoOn) {
  Conversation c = conversation();
  std::vector<std::pair<std::string, std::string>> calls;
  std::vector<std::string> results;
  for (int i = 0; i < 40; ++i) {
    calls.emplace_back("get", "{\"n\":" + std::to_string(i) + "}");
    results.push_back("none");
  }
  c.tools(calls, results);
  const auto first = print(c);
  EXPECT_NE(first.conversation, 0u);
  c.tools(calls, results);
  EXPECT_EQ(print(c).near, first.near);
}

TEST_P(EverySurface, ExamplesInAPromptAreNoHistoryThatWasCut) {
  Conversation examples = conversation();
  for (int i = 0; i < 9; ++i) examples.assistant("positive").user("nice");
  EXPECT_FALSE(print(examples).may_be_cut);
  EXPECT_TRUE(print(examples.cut_to(4)).may_be_cut) << "nobody knows how it began";
  Conversation agent = conversation();
  for (int i = 0; i < 9; ++i) agent.tool("read", "{}", "x");
  EXPECT_TRUE(print(agent).may_be_cut) << "to its task and the last messages, perhaps";
}

TEST(Fingerprint, ModelAndParametersMakeNoDifference) {
  const auto of = [](const char* head) {
    return print_of(Surface::chat,
                    std::string("{") + head + R"("messages":[{"role":"user","content":"Hi"}]})");
  };
  const auto base = of(R"("model":"gpt-4o",)");
  EXPECT_EQ(of(R"("model":"gpt-5","temperature":1,"tools":[],)").near, base.near);
  EXPECT_NE(of(R"("model":"gpt-5",)").exact, base.exact);
  EXPECT_NE(of(R"("model":"gpt-4o","user":"anna",)").near, base.near) << "another end user";
}

TEST(Fingerprint, AnAnswerBegunByTheAgentIsNoTurn) {
  const auto of = [](const char* more) {
    return print_of(Surface::messages,
                    std::string(R"({"model":"m","max_tokens":9,"messages":[{"role":"user",)") +
                        R"("content":"Label: cat"})" + more + "]}");
  };
  EXPECT_EQ(of(R"(,{"role":"assistant","content":"{"})").near, of("").near);
  EXPECT_EQ(of(R"(,{"role":"assistant","content":"{"})").conversation, 0u);
}

TEST(Fingerprint, MovingCacheMarksAndSignaturesMakeNoDifference) {
  const auto of = [](const char* mark) {
    return print_of(
        Surface::messages,
        std::string(R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Go"},)") +
            R"({"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s)" +
            mark + R"("},{"type":"tool_use","id":"t)" + mark +
            R"(","name":"f","input":{"id":5}}]},{"role":"user","content":[{"type":"tool_result",)" +
            R"("tool_use_id":"t)" + mark + R"(","content":"x")" +
            (*mark == 'a' ? R"(,"cache_control":{"type":"ephemeral"})" : "") + "}]}]}");
  };
  EXPECT_EQ(of("a").near, of("b").near);
}

TEST(Fingerprint, ResultsAloneOfAHistoryKeptByTheProviderStandAlone) {
  const auto of = [](const std::string& kept, const std::string& output) {
    return print_of(Surface::responses,
                    R"({"model":"m",)" + kept +
                        R"(,"input":[{"type":"function_call_output","call_id":"c","output":")" +
                        output + R"("}]})");
  };
  const auto chained = of(R"("previous_response_id":"resp_1")", "x");
  EXPECT_EQ(chained.conversation, 0u);
  EXPECT_NE(chained.near, 0u);
  EXPECT_EQ(of(R"("previous_response_id":"resp_2")", "x").near, chained.near);
  EXPECT_NE(of(R"("previous_response_id":"resp_2")", "y").near, chained.near);
  EXPECT_NE(of(R"("previous_response_id":"resp_2","user":"anna")", "x").near, chained.near);

  const auto kept = of(R"("conversation":"conv_1")", "x");
  EXPECT_EQ(kept.conversation, 0u);
  EXPECT_EQ(of(R"("conversation":"conv_1")", "x").near, kept.near);
  EXPECT_NE(of(R"("conversation":"conv_2")", "x").near, kept.near);
}

TEST(Fingerprint, AHistoryKeptByTheProviderGoesOnWhereTheModelsCallsAreSent) {
  const auto of = [](const std::string& kept, const std::string& path) {
    return print_of(
        Surface::responses,
        R"({"model":"m",)" + kept +
            R"(,"input":[{"type":"function_call","call_id":"c","name":"read","arguments":")" +
            path + R"("},{"type":"function_call_output","call_id":"c","output":"ok"}]})");
  };
  const auto kept = of(R"("conversation":"conv_1")", "a");
  EXPECT_NE(kept.conversation, 0u);
  EXPECT_EQ(kept.turns, kUnknownTurns);
  EXPECT_NE(of(R"("conversation":"conv_1")", "b").near, kept.near);
  EXPECT_NE(of(R"("conversation":"conv_2")", "a").conversation, kept.conversation);
  EXPECT_EQ(of(R"("previous_response_id":"resp_1")", "a").conversation, 0u);
}

TEST(Fingerprint, LongBodiesAreToldApartByEveryByte) {
  const auto of = [](const std::string& body) { return print_of(Surface::chat, body).exact; };
  const std::string body =
      Conversation(Surface::chat, "", 1).user(std::string(100'000, 'a')).body();
  const std::uint64_t base = of(body);
  EXPECT_EQ(of(body), base);
  const std::size_t text = body.find("aaaa");
  for (std::size_t at = 0; at < 100'000; at += 97) {
    std::string other = body;
    other[text + at] = 'b';
    ASSERT_NE(of(other), base) << at;
  }
}

TEST(Fingerprint, ToolCallsAreComparedAsTheyAre) {
  const auto of = [](std::uint64_t id, const char* tool, const char* arguments) {
    return print_of(Surface::mcp, mcp_call(id, tool, arguments));
  };
  const auto base = of(1, "get", R"({"id":5})");
  EXPECT_EQ(base.kind, CallKind::tool);
  EXPECT_EQ(of(2, "get", R"({"id":5})").near, base.near);
  EXPECT_NE(of(1, "get", R"({"id":6})").near, base.near);
  EXPECT_NE(of(1, "put", R"({"id":5})").near, base.near);
  const auto list = print_of(Surface::mcp, R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})");
  EXPECT_EQ(list.kind, CallKind::housekeeping);
  EXPECT_EQ(list.near, 0u);
  EXPECT_NE(list.exact, 0u);
}

TEST(Fingerprint, MessagesToAgentsAreKnownByTheirParts) {
  std::mt19937_64 rng(1);
  const auto of = [&](const char* text, const char* context) {
    return print_of(Surface::a2a, a2a_message(rng, text, context));
  };
  const auto base = of("Ship order 5", "ctx");
  EXPECT_EQ(base.kind, CallKind::agent);
  EXPECT_EQ(of("Ship order 5", "ctx").near, base.near) << "ids aside";
  EXPECT_NE(of("Ship order 6", "ctx").near, base.near);
  EXPECT_EQ(of("Ship order 6", "ctx").reworded, base.reworded);
  EXPECT_NE(of("Ship order 5", "other").conversation, base.conversation);
  EXPECT_EQ(of("Ship order 5", "").conversation, 0u);
}

}  // namespace
}  // namespace tollgate::domain::loops::test
