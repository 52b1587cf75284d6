#include <algorithm>

#include "unit/policy/policy_fixture.hpp"
#include "unit/policy/stream_fixture.hpp"

namespace tollgate::domain::policy::testing {
namespace {

TEST(Stream, BlocksAsSoonAsCertain) {
  Compiled compiled(all_detectors(GuardAction::block));
  StreamGuard guard(*compiled, Direction::response, compiled.scanner());
  EXPECT_EQ(guard.feed(1, "key sk-ant-api03-" + sample::mixed(30)).action, GuardAction::allow);
  EXPECT_EQ(guard.feed(1, sample::mixed(30)).action, GuardAction::block);  // its end is still open
  EXPECT_EQ(guard.feed(1, " more").release, "");
  EXPECT_EQ(guard.feed(1, " more").action, GuardAction::block);
  EXPECT_EQ(guard.finish(1).release, "");
  EXPECT_EQ(guard.feed(1, "fresh start ").release, "fresh start ");

  const std::string pem = pem_block("PRIVATE KEY", 20);
  EXPECT_EQ(guard.feed(2, pem.substr(0, 40)).action, GuardAction::allow);
  EXPECT_EQ(guard.feed(2, pem.substr(40, 60)).action, GuardAction::block);
}

TEST(Stream, BenignTextWaitsForItsUnfinishedWord) {
  Compiled compiled(all_detectors());
  StreamGuard guard(*compiled, Direction::response, compiled.scanner());
  struct Step {
    std::string piece, release;
  };
  const std::vector<Step> steps = {{"Hello", ""},
                                   {" world", "Hello "},
                                   {", how are you? ", "world, how are you? "},
                                   {"well", ""},
                                   {"-known", ""},
                                   {" in ", "well-known in "},
                                   {"2019 ", "2019 "},
                                   {"it cost 4000", "it cost "},
                                   {" dollars. ", "4000 dollars. "},
                                   {"caf\xC3", ""},
                                   {"\xA9 ", "caf\u00E9 "},
                                   {"Go to DE", "Go to "},
                                   {" now\n", "DE now\n"},
                                   {"https:", ""},
                                   {"//example.org/x ", "https://example.org/x "},
                                   {"sk-", ""},
                                   {"learn ", "sk-learn "},
                                   {"-----", ""},
                                   {" done ", "----- done "}};
  for (const Step& step : steps) {
    EXPECT_EQ(guard.feed(1, step.piece).release, step.release) << step.piece;
  }
}

TEST(Stream, HoldsAreBounded) {
  Compiled compiled(all_detectors());
  struct Row {
    std::string unit;
    std::size_t most;
    bool chain = false;  ///< one overlapping match after the other: cut, not equal
  };
  const std::vector<Row> rows = {{"a", 64},
                                 {"7", 64},
                                 {"4111 ", 64},
                                 {"a@", 330},
                                 {"a.", 64},
                                 {"x@y.z", 2'400, true},
                                 {"DE89 ", 64},
                                 {"tg-", 80},
                                 {"sk-proj-a1b2", 2'400, true},
                                 {"-", 64},
                                 {"-----BEGIN PRIVATE KEY-----\n", 1'000},
                                 {"%40", 330},
                                 {"\u00E9", 64},
                                 {"QUJDREVGR0hJSktM0123", 330}};
  for (const Row& row : rows) {
    std::string text;
    while (text.size() < 5'000) text += row.unit;
    std::vector<std::size_t> cuts;
    for (std::size_t i = 7; i < text.size(); i += 7) cuts.push_back(i);
    const Streamed s = stream(*compiled, compiled.scanner(), text, cuts);
    EXPECT_LE(s.most_held, row.most) << row.unit;
    if (row.chain) {
      EXPECT_LE(s.text.size(), 1'000u) << row.unit;  // replaced all the same
    } else {
      EXPECT_EQ(s.text, compiled.mask(text)) << row.unit;
    }
  }
  // A PEM block is held whole, up to its bound; past it the text goes on.
  const std::string pem = "-----BEGIN PRIVATE KEY-----\n" + std::string(40'000, 'A') + " end";
  std::vector<std::size_t> cuts;
  for (std::size_t i = 50; i < pem.size(); i += 50) cuts.push_back(i);
  const Streamed s = stream(*compiled, compiled.scanner(), pem, cuts);
  EXPECT_LE(s.most_held, 16u * 1024 + 100);
  EXPECT_EQ(s.text, compiled.mask(pem));
}

TEST(Stream, RegexWithoutEndIsCutAtItsWindow) {
  Compiled compiled({regex("open", "key=.*")});
  StreamGuard guard(*compiled, Direction::response, compiled.scanner());
  std::string out;
  std::size_t most = 0;
  out += guard.feed(1, "before key=").release;
  for (int i = 0; i < 2'000; ++i) {
    out += guard.feed(1, "abc ").release;
    most = std::max(most, guard.held(1));
  }
  out += guard.finish(1).release;
  EXPECT_LE(most, 300u);
  EXPECT_TRUE(out.starts_with("before [REDACTED:open]"));
  Compiled both({regex("open", "key=.*"), detector("email")});
  StreamGuard words(*both, Direction::response, both.scanner());
  most = 0;
  (void)words.feed(1, "key=");
  for (int i = 0; i < 2'000; ++i) {
    (void)words.feed(1, " abc");
    most = std::max(most, words.held(1));
  }
  EXPECT_LE(most, 300u);
}

TEST(Stream, ChannelsDoNotMix) {
  Compiled compiled(all_detectors());
  StreamGuard guard(*compiled, Direction::response, compiled.scanner());
  std::string one, two;
  one += guard.feed(1, "jane@exa").release;
  two += guard.feed(2, "4111 1111 ").release;
  one += guard.feed(1, "mple.com").release;
  two += guard.feed(2, "1111 1111").release;
  EXPECT_EQ(guard.open_channels(), (std::vector<std::uint64_t>{1, 2}));
  const StreamVerdict v = guard.finish(2);
  two += v.release;
  ASSERT_EQ(v.matches.size(), 1u);
  EXPECT_EQ(v.matches[0], (Match{0, 19, 1}));
  one += guard.finish(1).release;
  EXPECT_EQ(one, "[REDACTED:email]");
  EXPECT_EQ(two, "[REDACTED:payment_card]");
  EXPECT_EQ(guard.finish(77).release, "");
}

TEST(Stream, FlagRulesObserveWithoutHolding) {
  Compiled compiled(all_detectors(GuardAction::flag));
  StreamGuard guard(*compiled, Direction::response, compiled.scanner());
  EXPECT_EQ(guard.feed(1, "jane@exa").release, "jane@exa");
  EXPECT_EQ(guard.feed(1, "mple.com").release, "mple.com");
  const StreamVerdict v = guard.feed(1, " x");
  EXPECT_EQ(v.release, " x");
  EXPECT_EQ(v.action, GuardAction::flag);
  ASSERT_EQ(v.matches.size(), 1u);
  EXPECT_EQ(v.matches[0], (Match{0, 16, 0}));
}

TEST(Stream, NoRulesPassThrough) {
  Compiled compiled({});
  StreamGuard guard(*compiled, Direction::response, compiled.scanner());
  EXPECT_TRUE(guard.passthrough());
  const std::string piece = "a@b.org";
  EXPECT_EQ(guard.feed(1, piece).release.data(), piece.data());
  EXPECT_EQ(guard.finish(1).release, "");
}

TEST(Stream, ARegexThatOnlyFlagsHoldsNothingBack) {
  Compiled compiled({regex("ticket", "TCK-[0-9]{4}", GuardAction::flag),
                     keyword("falcon", "Project Falcon"), detector("email")});
  StreamGuard guard(*compiled, Direction::response, compiled.scanner());
  EXPECT_EQ(guard.feed(1, "alpha ").release, "alpha ");
  EXPECT_EQ(guard.feed(1, "see (TCK-").release, "see (");
  const StreamVerdict v = guard.feed(1, "12");
  EXPECT_EQ(v.action, GuardAction::allow);
  EXPECT_EQ(guard.feed(1, "34 ").matches.size(), 1u);
  EXPECT_EQ(guard.feed(1, "and (").matches.size(), 0u) << "once is enough";
  // Cut where nothing is held: the match began in text that is gone.
  EXPECT_EQ(guard.feed(2, "(TCK-").release, "(");
  Compiled alone({regex("ticket", "T K [0-9]+", GuardAction::flag), keyword("falcon", "Falcon")});
  StreamGuard other(*alone, Direction::response, alone.scanner());
  EXPECT_EQ(other.feed(1, "a T K ").release, "a T K ");
  EXPECT_EQ(other.feed(1, "7").matches.size(), 1u);
  EXPECT_EQ(other.feed(1, "7").matches.size(), 0u) << "the same match, grown";
  EXPECT_EQ(other.feed(1, " T K 8").matches.size(), 1u);
}

TEST(Stream, ChannelsAreCappedAndForgottenWhenTheyFinish) {
  Compiled compiled(all_detectors());
  StreamGuard guard(*compiled, Direction::response, compiled.scanner());
  for (std::uint64_t key = 0; key < StreamGuard::kMaxChannels; ++key) {
    ASSERT_FALSE(guard.feed(key, "word").too_many_channels);
  }
  EXPECT_TRUE(guard.feed(1'000'000, "word").too_many_channels);
  EXPECT_EQ(guard.feed(1'000'000, "word").release, "");
  EXPECT_FALSE(guard.feed(3, "more").too_many_channels);
  EXPECT_EQ(guard.finish(3).release, "wordmore");
  EXPECT_EQ(guard.channel_count(), StreamGuard::kMaxChannels - 1);
  EXPECT_FALSE(guard.feed(1'000'000, "word").too_many_channels);
  for (std::uint64_t key = 10'000; key < 200'000; ++key) {
    (void)guard.finish(1'000'000);
    ASSERT_FALSE(guard.feed(1'000'000, "a ").too_many_channels);
  }
  EXPECT_EQ(guard.channel_count(), StreamGuard::kMaxChannels);
}

TEST(Stream, WhatWasGivenTooEarlyIsNotCompleted) {
  Compiled compiled(all_detectors());
  const std::string key = "AKIAIOSFODNN7EXAMPLE", text = "a key: " + key;
  for (std::size_t cut = 1; cut < key.size(); ++cut) {
    SCOPED_TRACE(cut);
    StreamGuard guard(*compiled, Direction::response, compiled.scanner());
    std::string out(guard.feed(1, text.substr(0, 7 + cut)).release);
    out += guard.spill(1).release;
    EXPECT_EQ(out, text.substr(0, 7 + cut)) << "it may well be the end";
    EXPECT_EQ(guard.held(1), 0u);
    EXPECT_EQ(guard.spill(1).release, "");
    // In two pieces, then in one with more behind it.
    for (const std::string tail : {"", " more"}) {
      out += guard.feed(1, key.substr(cut, 2)).release;
      StreamVerdict verdict = guard.feed(1, key.substr(std::min(key.size(), cut + 2)) + tail);
      if (verdict.action != GuardAction::block) verdict = guard.spill(1);
      EXPECT_EQ(verdict.action, GuardAction::block);
      EXPECT_EQ(verdict.release, "");
    }
    EXPECT_LE(out.size(), 7 + cut + 1);
  }
}

TEST(Stream, TextMayGoOnBehindItsEnd) {
  Compiled compiled(all_detectors());
  Rng rng(5);
  const std::string key = "AKIAIOSFODNN7EXAMPLE";
  const std::string text = "Dear Anna, 4000 dollars to " + key + " and jane@example.com (AKIA...) ";
  const std::string masked = compiled.mask(text);
  for (int round = 0; round < 500; ++round) {
    // Spilled anywhere but inside what is masked, nothing is lost, told twice or left unmasked.
    StreamGuard guard(*compiled, Direction::response, compiled.scanner());
    std::string out;
    std::size_t from = 0, found = 0;
    const auto take = [&](const StreamVerdict& verdict) {
      EXPECT_NE(verdict.action, GuardAction::block);
      out += verdict.release;
      found += verdict.matches.size();
    };
    for (const std::size_t cut : random_cuts(rng, text.size(), 4)) {
      const std::size_t key_at = text.find(key), mail_at = text.find("jane");
      take(guard.feed(1, text.substr(from, cut - from)));
      from = cut;
      const bool inside =
          (cut > key_at && cut < key_at + key.size()) || (cut > mail_at && cut < mail_at + 16);
      if (!inside) take(guard.spill(1));
    }
    take(guard.feed(1, text.substr(from)));
    take(guard.finish(1));
    EXPECT_EQ(out, masked);
    EXPECT_EQ(found, 2u);
  }
}

}  // namespace
}  // namespace tollgate::domain::policy::testing
