#include <algorithm>

#include "support/property_seeds.hpp"
#include "unit/policy/policy_fixture.hpp"
#include "unit/policy/stream_fixture.hpp"

namespace tollgate::domain::policy::testing {
namespace {

/// Regexes that only flag hold nothing back, so on a stream they tell how far a match had come.
std::vector<Match> reported(std::vector<Match> matches, const RuleSet& rules) {
  for (Match& m : matches)
    if (rules.rule(m).name == "flagged") m.end = 0;
  return matches;
}

/// Every two-way split, byte by byte, and random splits give what the whole text gives.
void expect_split_independent(Compiled& compiled, const std::string& text, Rng& rng) {
  const std::string masked = compiled.mask(text);
  const std::vector<Match> matches = compiled.matches();
  const auto check = [&](const std::vector<std::size_t>& cuts) {
    const Streamed s = stream(*compiled, compiled.scanner(), text, cuts);
    ASSERT_EQ(s.text, masked) << text << ::testing::PrintToString(cuts);
    ASSERT_EQ(reported(s.matches, *compiled), reported(matches, *compiled))
        << text << ::testing::PrintToString(cuts);
  };
  const std::size_t step = text.size() > 1'000 ? 37 : 1;
  for (std::size_t cut = 0; cut <= text.size(); cut += step) {
    check({cut});
    if (::testing::Test::HasFatalFailure()) return;
  }
  std::vector<std::size_t> every;
  for (std::size_t i = 1; i < text.size(); ++i) every.push_back(i);
  check(every);
  for (int i = 0; i < 20 && !::testing::Test::HasFatalFailure(); ++i) {
    check(random_cuts(rng, text.size(), 12));
  }
}

std::vector<std::string> corpus() {
  using sample::mixed;
  return {
      "Please write to jane.doe+x@mail.example.co.uk, or a@b.io; not to @me or x@localhost.",
      "me%40example.com jon\u200B@example.com jon@\u200Bexample.com one@two.example@three.example",
      std::string(70, 'w') + "%40example.com jon\u200B%40example.com a%%4%40example.com 4%4 4%",
      std::string(150, 'w') + "@example.com " + std::string(100, 'v'),
      "card 4111 1111 1111 1111 123 and 3782-822463-10005, 5512\u20135453\u20131914\u20136647.",
      "4111 1111 1111 1112 4111111111111111 41111111111111111111 0.4111111111111111 5 4111 1111",
      "2019 4000 5100 6011 4111\u00A01111\u00A01111\u00A01111 2026-11-23 10:15:00",
      "IBAN DE89 3704 0044 0532 0130 00, GB29NWBK60161331926819 or DE89370400440532013001 NO93",
      "AKIA"
      "RAUT2TTPH5HY3RBC AKIA"
      "RAUT2TTPH5HY3RBCD ghp_" +
          mixed(36) + "@github.com",
      "sk-ant-api03-" + mixed(93) + "AA sk-learn sk-proj-" + mixed(126) + " sk-" + mixed(48),
      "https://hooks.slack.com/services/T01234567/B01234567/" + mixed(24) + " hooks.slack.com",
      "SG." + mixed(22) + "." + mixed(43) + " glpat-" + mixed(27) + ".01.0w1a2b3c4. tg-" +
          mixed(49),
      "tg-" + mixed(60) + mixed(120) + " xoxb-348290708523-6852793357118-" + mixed(24),
      "key:\n" + pem_block("RSA PRIVATE KEY", 4) + "\nmail a@b.org",
      "key: " + pem_block("OPENSSH PRIVATE KEY", 3, "\\n") + "\\n" + pem_block("EC PRIVATE KEY", 2),
      "-----BEGIN CERTIFICATE-----\nMIIB\n-----BEGIN PRIVATE KEY-----\nno -----BEGIN PRIVATE KEY",
      pem_block("PRIVATE KEY", 3).substr(0, 180) + " then prose a@b.org -----END",
      "Gr\u00FC\u00DFe an \u673A\u5BC6 \U0001F4E7me@example.com\U0001F4E7 "
      "\u041F\u0440\u0438\u0432\u0435\u0442.",
      "a\\nDE89370400440532013000\\n4111111111111111\\nsk-" + mixed(48) + "\\n",
      "The quick brown fox. It jumps! Over 13 lazy dogs, e.g. those of well-known kennels (100 %).",
  };
}

TEST(Stream, DetectorsAtEverySplit) {
  Compiled compiled(all_detectors());
  Rng rng(1);
  for (const std::string& text : corpus()) {
    expect_split_independent(compiled, text, rng);
    if (HasFatalFailure()) return;
  }
}

TEST(Stream, EachDetectorAloneAtEverySplit) {
  // Without the e-mail rule nothing holds whole words: each detector must hold for itself.
  for (const auto& rule : all_detectors()) {
    Compiled compiled({rule});
    Rng rng(2);
    for (const std::string& text : corpus()) {
      expect_split_independent(compiled, text, rng);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Stream, UserRulesAtEverySplit) {
  const std::vector<config::GuardRule> rules = {regex("id", "\\bPRJ-\\d{4,8}\\b"),
                                                regex("tail", "end$"),
                                                regex("eol", "[dx]$"),
                                                regex("start", "^Please"),
                                                regex("assign", "pass\\w*=\\S+"),
                                                regex("uml", "gr\u00FC.e"),
                                                keyword("bird", "Falcon"),
                                                keyword("project", "Project Blue Falcon", true),
                                                keyword("cjk", "\u673A\u5BC6"),
                                                keyword("sharp", "C#"),
                                                regex("flagged", "fox|dog", GuardAction::flag)};
  std::vector<std::string> texts = corpus();
  texts.push_back("Please see PRJ-1234, PRJ-12345678, PRJ-123456789 and PRJ-12. Please end");
  texts.push_back("password=abc pass=4111111111111111 passport = x pass=a@b.org,c end end");
  texts.push_back(
      "gr\u00FCne gr\u00FC\u00DFe Falcon Falcons PROJECT blue Falcon C# \u8FD9\u673A\u5BC6");
  texts.push_back("the end\nof the end\n");  // `$` matches before a newline that ends the text only
  // `^` must not match where the window begins.
  texts.emplace_back();
  for (int i = 0; i < 80; ++i) texts.back() += "Please ";
  Rng rng(3);
  for (const auto& rule : rules) {
    Compiled alone({rule});
    for (const std::string& text : texts) {
      expect_split_independent(alone, text, rng);
      if (HasFatalFailure()) return;
    }
  }
  std::vector<config::GuardRule> all = all_detectors();
  all.insert(all.end(), rules.begin(), rules.end());
  Compiled together(all);
  for (const std::string& text : texts) {
    expect_split_independent(together, text, rng);
    if (HasFatalFailure()) return;
  }
}

/// Random texts of secrets, their halves and prose.
std::string random_text(Rng& rng) {
  static const std::vector<std::string> kCorpus = corpus();
  std::string text;
  for (std::size_t i = 1 + below(rng, 4); i > 0; --i) {
    const std::string& source = kCorpus[below(rng, kCorpus.size())];
    std::size_t begin = below(rng, source.size());
    while (begin > 0 && continues(source[begin])) --begin;
    std::size_t end = begin + 1 + below(rng, std::min<std::size_t>(200, source.size() - begin));
    while (end < source.size() && continues(source[end])) ++end;
    text += source.substr(begin, end - begin);
    if (below(rng, 2) == 0) text += random_chars(rng, " .-@\n4D", 1);
  }
  return text;
}

TEST(Stream, RandomTextsAndSplits) {
  std::vector<config::GuardRule> all = all_detectors();
  all.push_back(regex("id", "[a-z]\\d{2,5}\\b"));
  all.push_back(keyword("fox", "quick brown fox"));
  all.push_back(regex("flagged", "an+", GuardAction::flag));
  Compiled plain(all_detectors());
  Compiled mixed(all);
  const std::uint64_t seeds = test::property_seeds(20);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    for (int i = 0; i < 100; ++i) {
      const std::string text = random_text(rng);
      for (Compiled* compiled : {&plain, &mixed}) {
        const std::string masked = compiled->mask(text);
        const std::vector<Match> matches = compiled->matches();
        for (int k = 0; k < 4; ++k) {
          const auto cuts = random_cuts(rng, text.size(), k == 0 ? 100 : 8);
          const Streamed s = stream(**compiled, compiled->scanner(), text, cuts);
          ASSERT_EQ(s.text, masked) << text << ::testing::PrintToString(cuts);
          ASSERT_EQ(reported(s.matches, **compiled), reported(matches, **compiled))
              << text << ::testing::PrintToString(cuts);
        }
      }
    }
  }
}

TEST(Stream, BrokenUtf8PassesThrough) {
  Compiled compiled(all_detectors());
  Rng rng(11);
  for (int i = 0; i < 500; ++i) {
    std::string text = random_text(rng);
    for (int k = 0; k < 5; ++k) text[below(rng, text.size())] = static_cast<char>(rng());
    const std::string masked = compiled.mask(text);
    const auto cuts = random_cuts(rng, text.size(), 20);
    ASSERT_EQ(stream(*compiled, compiled.scanner(), text, cuts, false).text, masked);
  }
}

TEST(Stream, BlocksAtEverySplitWithoutReleasingTheMatch) {
  Compiled masking(all_detectors());
  std::vector<config::GuardRule> rules = all_detectors(GuardAction::block);
  rules.push_back(keyword("word", "quick", false, GuardAction::block));
  Compiled blocking(rules);
  for (const std::string& text : corpus()) {
    const GuardAction whole = blocking.action(text);
    const std::size_t first =
        whole == GuardAction::block ? blocking.matches().front().begin : text.size();
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      const Streamed s = stream(*blocking, blocking.scanner(), text, {cut});
      ASSERT_EQ(s.action, whole) << text << " cut at " << cut;
      ASSERT_LE(s.text.size(), first) << text << " cut at " << cut;
      ASSERT_EQ(s.text, text.substr(0, s.text.size()));
    }
  }
}

}  // namespace
}  // namespace tollgate::domain::policy::testing
