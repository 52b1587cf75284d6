#include "unit/policy/policy_fixture.hpp"

namespace tollgate::domain::policy::testing {
namespace {

using config::GuardDirection;

TEST(Engine, NamesTheRuleThatDoesNotCompile) {
  Guardrails g;
  g["house"].name = "house";
  g["house"].rules = {detector("email"),
                      regex("bad-syntax", "(foo"),
                      regex("lookahead", "a(?=b)"),
                      regex("backreference", "(a)\\1"),
                      regex("empty", "a*"),
                      regex("none", ""),
                      regex("big", "[a-z]{1,64}@[a-z.]{1,255}"),
                      detector("passport"),
                      regex("fine", "PRJ-\\d{4}")};
  const auto problems = validate(g);
  ASSERT_EQ(problems.size(), 7u);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(problems[i].rule_index, i + 1);
  EXPECT_EQ(problems[6].rule, "passport");
  EXPECT_NE(problems[6].message.find("payment_card"), std::string::npos);
  EXPECT_NE(problems[5].message.find("{m,n}"), std::string::npos);

  const auto engine = PolicyEngine::compile(g);
  ASSERT_TRUE(engine.has_error());
  EXPECT_NE(engine.error().message().find("guardrail 'house', rule 'bad-syntax'"),
            std::string::npos);
}

TEST(Engine, CombinesAndCachesGuardrails) {
  Guardrails g;
  g["a"].name = "a";
  g["a"].rules = {detector("email", GuardAction::flag)};
  g["b"].name = "b";
  g["b"].rules = {detector("email", GuardAction::mask), keyword("project", "Falcon")};
  const auto engine = PolicyEngine::compile(g).value();
  const std::vector<std::string> a{"a"}, b{"b"}, none;
  const std::vector<const std::vector<std::string>*> lists{&a, nullptr, &none, &b, &a};
  const RuleSet* both = engine->rules_for(lists).value();
  EXPECT_EQ(both, engine->rules_for(lists).value());
  EXPECT_EQ(both, engine->rules_for({"a", "b", "a"}).value());
  EXPECT_NE(both, engine->rules_for(a).value());
  ASSERT_EQ(both->rules().size(), 3u);

  Scanner scanner;
  const Verdict verdict = inspect(scanner, *both, Direction::request, "x@y.org Falcon");
  EXPECT_EQ(verdict.action, GuardAction::mask);
  ASSERT_EQ(verdict.matches.size(), 2u);
  EXPECT_EQ(both->rule(verdict.matches[0]).guardrail, "b");  // the strongest action counts
  EXPECT_EQ(both->rule(verdict.matches[1]).name, "project");

  EXPECT_TRUE(engine->rules_for({"missing"}).has_error());
  const RuleSet* empty = engine->rules_for(none).value();
  EXPECT_TRUE(empty->empty(Direction::request));
  EXPECT_EQ(inspect(scanner, *empty, Direction::request, "x@y.org").action, GuardAction::allow);
}

TEST(Engine, KeepsDirectionsApart) {
  Guardrails g;
  g["in"].name = "in";
  g["in"].direction = GuardDirection::request;
  g["in"].rules = {detector("email", GuardAction::block)};
  g["out"].name = "out";
  g["out"].direction = GuardDirection::response;
  g["out"].rules = {keyword("word", "secret")};
  const auto engine = PolicyEngine::compile(g).value();
  const RuleSet& rules = *engine->rules_for({"in", "out"}).value();
  Scanner scanner;
  const std::string text = "a@b.org secret";
  EXPECT_EQ(inspect(scanner, rules, Direction::request, text).action, GuardAction::block);
  const Verdict out = inspect(scanner, rules, Direction::response, text);
  EXPECT_EQ(out.action, GuardAction::mask);
  EXPECT_EQ(rules.mask(text, out.matches), "a@b.org [REDACTED:word]");
  const RuleSet& only_in = *engine->rules_for({"in"}).value();
  EXPECT_TRUE(only_in.empty(Direction::response));
  EXPECT_TRUE(only_in.rewrites(Direction::request));
}

TEST(Scan, RegexRules) {
  struct Row {
    std::string pattern, text, masked;
  };
  const std::vector<Row> rows = {
      {"PRJ-\\d{4,8}", "see PRJ-1234567, PRJ-12", "see #, PRJ-12"},
      {"\\bfoo\\b", "foo food foo", "# food #"},
      {"(?i)secret", "SeCrEt", "#"},
      {"^start", "start start", "# start"},
      {"end$", "end end", "end #"},
      {"a+", "baaad", "b#d"},
      {"key=.*", "x key=1 2\nnext", "x #\nnext"},
      {"gr\u00FC[\u00DFs]e", "gr\u00FC\u00DFe gr\u00FCse", "# #"},
      {"x.y", "x\u00E4y x\U0001F600y", "# #"},
      {"\\d{4}", "12345", "#"},  // overlapping ends are joined
  };
  for (const Row& row : rows) {
    Compiled compiled({regex("r", row.pattern)});
    std::string expected = row.masked;
    for (std::size_t at = 0; (at = expected.find('#', at)) != std::string::npos;) {
      expected.replace(at, 1, "[REDACTED:r]");
    }
    EXPECT_EQ(compiled.mask(row.text), expected) << row.pattern;
  }
}

TEST(Scan, KeywordRulesMatchWholeWords) {
  Compiled exact({keyword("k", "Falcon")});
  EXPECT_EQ(exact.mask("Falcon, Falcons, falcon, aFalcon, Falcon_x \u00FCFalcon\u00FC"),
            "[REDACTED:k], Falcons, falcon, aFalcon, Falcon_x \u00FC[REDACTED:k]\u00FC");
  Compiled folded({keyword("k", "Project Falcon", true)});
  EXPECT_EQ(folded.mask("PROJECT FALCON"), "[REDACTED:k]");
  Compiled special({keyword("k", "C++ (draft)")});
  EXPECT_EQ(special.mask("a C++ (draft)x"), "a [REDACTED:k]x");
  Compiled script({keyword("k", "\u673A\u5BC6")});
  EXPECT_EQ(script.mask("\u8FD9\u662F\u673A\u5BC6\u6587\u4EF6"),
            "\u8FD9\u662F[REDACTED:k]\u6587\u4EF6");
  Compiled unicode({keyword("k", "stra\u00DFE", true)});
  EXPECT_EQ(unicode.mask("STRA\u00DFe"), "[REDACTED:k]");
}

TEST(Scan, InvalidUtf8IsScannedNotTrusted) {
  Compiled compiled({regex("r", "a.b")});
  EXPECT_EQ(compiled.mask("\xFF"
                          "axb\x80"
                          "a\xC3"
                          "b"),
            "\xFF[REDACTED:r]\x80[REDACTED:r]");
}

TEST(Scan, ResolvesOverlaps) {
  auto flag = regex("flag", "abcdef", GuardAction::flag);
  auto mask = regex("mask", "cd", GuardAction::mask);
  auto wide = regex("wide", "defgh", GuardAction::mask);
  auto block = regex("block", "gh", GuardAction::block);
  auto allow = regex("allow", "abc", GuardAction::allow);
  {
    Compiled compiled({flag, mask});
    EXPECT_EQ(compiled.action("abcdefgh"), GuardAction::mask);
    EXPECT_EQ(compiled.matches(), (std::vector<Match>{{2, 4, 1}}));
  }
  {
    Compiled compiled({mask, wide, block});  // joined: mask does not touch wide, block does
    EXPECT_EQ(compiled.action("abcdefgh"), GuardAction::block);
    EXPECT_EQ(compiled.matches(), (std::vector<Match>{{2, 8, 2}}));
  }
  {
    Compiled compiled({flag, allow});
    EXPECT_EQ(compiled.action("abcdef abc"), GuardAction::flag);
    EXPECT_EQ(compiled.mask("abcdef abc"), "abcdef abc");
    EXPECT_EQ(compiled.matches(), (std::vector<Match>{{0, 6, 0}}));
  }
  {
    Compiled compiled({regex("short", "bc"), regex("long", "bcdef"), regex("late", "efgh")});
    EXPECT_EQ(compiled.mask("abcdefghi"), "a[REDACTED:long]i");
  }
}

TEST(Scan, UsesTheConfiguredReplacement) {
  auto rule = detector("email");
  rule.replacement = "<mail>";
  Compiled compiled({rule});
  EXPECT_EQ(compiled.mask("a@b.org"), "<mail>");
}

}  // namespace
}  // namespace tollgate::domain::policy::testing
