#include "tollgate/domain/policy/secrets.hpp"

#include <gtest/gtest.h>

#include "domain/policy/find_pair.hpp"
#include "unit/policy/policy_fixture.hpp"

namespace tollgate::domain::policy::testing {
namespace {

const std::string kKey = "provider-key-0123456789";
const std::string kToken = "tokentokentoken";
const std::string kMarked{Secrets::kInstead};

Secrets both() {
  return Secrets({"Bearer " + kKey, kKey, kToken, "short"});
}

std::string redacted(const Secrets& secrets, std::string text) {
  secrets.redact(text);
  return text;
}

TEST(Secrets, AreTakenOutWhereverTheyStand) {
  const Secrets secrets = both();
  for (std::size_t before : {0u, 1u, 15u, 16u, 17u, 40u}) {
    for (std::size_t after : {0u, 1u, 15u, 16u, 31u, 100u}) {
      const std::string front(before, 'p'), back(after, 'q');
      EXPECT_EQ(redacted(secrets, front + kKey + back), front + kMarked + back);
      EXPECT_TRUE(secrets.in(front + kToken + back));
    }
  }
  EXPECT_EQ(redacted(secrets, kKey + kToken + kKey), kMarked + kMarked + kMarked);
  EXPECT_EQ(redacted(secrets, "Bearer " + kKey), kMarked) << "the longer of two that begin apart";
}

/// What one text reads with every value taken out: the places any of them covers, joined where they
/// share bytes, one after the other.
std::string redacted_naively(const std::vector<std::string>& values, const std::string& text,
                             std::size_t& found) {
  std::vector<std::size_t> end_of(text.size(), 0);  // the longest that begins there
  for (const std::string& value : values)
    for (std::size_t at = text.find(value); at != std::string::npos; at = text.find(value, at + 1))
      end_of[at] = std::max(end_of[at], at + value.size());
  std::string out;
  std::size_t covered = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (end_of[at] != 0 && at >= covered) {
      out += kMarked;
      ++found;
    }
    covered = std::max(covered, end_of[at]);
    if (at >= covered) out += text[at];
  }
  return out;
}

/// The text in pieces that end where `cuts` has a bit.
SecretTail::Piece fed(const Secrets& secrets, std::string_view text, std::uint64_t cuts,
                      std::size_t longest, std::string& out) {
  SecretTail tail;
  SecretTail::Scratch scratch;
  SecretTail::Piece all;
  for (std::size_t from = 0; from < text.size();) {
    std::size_t to = from + 1;
    while (to < text.size() && (cuts >> (to % 64) & 1) == 0) ++to;
    const auto piece = tail.feed(secrets, text.substr(from, to - from), scratch);
    out += piece.text;
    all.found += piece.found;
    EXPECT_LT(tail.held(), longest);
    from = to;
  }
  const auto rest = tail.spill(secrets, scratch);
  out += rest.text;
  all.found += rest.found;
  EXPECT_EQ(tail.held(), 0u);
  return all;
}

TEST(Secrets, AValueThatHoldsAnotherIsTakenOutWhole) {
  const std::string token = "acme-prod", key = "acme-prod-9f8e7d6c5b4a3210";
  const Secrets secrets({key, token, key});
  EXPECT_EQ(redacted(secrets, "Bearer " + key), "Bearer " + kMarked);
  EXPECT_EQ(redacted(secrets, token + "-" + key + "!" + token),
            kMarked + "-" + kMarked + "!" + kMarked);
  const Secrets overlapping({"abcdefghij", "ghijklmnop"});
  EXPECT_EQ(redacted(overlapping, "<abcdefghijklmnop>"), "<" + kMarked + ">");
  EXPECT_EQ(redacted(overlapping, "abcdefghijghijklmnop"), kMarked + kMarked);
  // Nothing of it goes out when the shorter one is whole and the longer not yet.
  SecretTail tail;
  SecretTail::Scratch scratch;
  EXPECT_EQ(tail.feed(secrets, "is acme-prod", scratch).text, "is ");
  EXPECT_EQ(tail.feed(secrets, key.substr(token.size()), scratch).text, kMarked);
  EXPECT_EQ(tail.feed(secrets, " or acme-prod", scratch).text, " or ");
  const auto rest = tail.spill(secrets, scratch);
  EXPECT_EQ(rest.text, kMarked);
  EXPECT_EQ(rest.found, 1u);
}

TEST(Secrets, OneWhoseBeginningWasGivenIsNotCompleted) {
  const std::string value = "acme-prod-9f8e7d6c5b4a3210";
  const Secrets secrets({value});
  for (std::size_t cut = 1; cut < value.size(); ++cut) {
    SCOPED_TRACE(cut);
    for (const std::size_t step : {1u, 3u, 40u}) {
      SecretTail tail;
      SecretTail::Scratch scratch;
      EXPECT_EQ(tail.feed(secrets, "is " + value.substr(0, cut), scratch).text, "is ");
      EXPECT_EQ(tail.spill(secrets, scratch).text, value.substr(0, cut));
      EXPECT_EQ(tail.spill(secrets, scratch).text, "");
      bool broken = false;
      for (std::size_t i = cut; i < value.size() && !broken; i += step)
        broken = tail.feed(secrets, value.substr(i, step), scratch).broken;
      EXPECT_TRUE(broken);
    }
    SecretTail tail;
    SecretTail::Scratch scratch;
    static_cast<void>(tail.feed(secrets, value.substr(0, cut), scratch));
    static_cast<void>(tail.spill(secrets, scratch));
    EXPECT_EQ(tail.feed(secrets, "! " + value + " .", scratch).text, "! " + kMarked + " .");
  }
}

TEST(SecretsProperty, OverlappingValuesInAnySplitGiveWhatANaiveReaderGives) {
  Rng rng(11);
  for (int round = 0; round < 3'000; ++round) {
    // Of two letters, so that they hold each other, overlap each other and overlap themselves.
    std::vector<std::string> values;
    std::size_t longest = 0;
    for (std::size_t i = 1 + below(rng, 4); i > 0; --i) {
      std::string value = random_chars(rng, "ab", 8 + below(rng, 6));
      if (!values.empty() && below(rng, 3) == 0)
        value = values.front() + random_chars(rng, "ab", 1 + below(rng, 6));
      longest = std::max(longest, value.size());
      values.push_back(std::move(value));
    }
    std::string text;
    for (std::size_t i = 1 + below(rng, 5); i > 0; --i) {
      const std::string& value = values[below(rng, values.size())];
      const std::size_t from = below(rng, 2) * below(rng, value.size());
      text += value.substr(from, below(rng, 2) == 0 ? value.npos : below(rng, value.size()));
      if (below(rng, 3) == 0) text += random_chars(rng, "abc", below(rng, 4));
    }
    const Secrets secrets(values);
    std::size_t found = 0;
    const std::string expected = redacted_naively(values, text, found);
    std::string whole = text;
    ASSERT_EQ(secrets.redact(whole), found) << text;
    ASSERT_EQ(whole, expected) << text;
    ASSERT_EQ(secrets.in(text), found != 0) << text;
    const auto check = [&](std::uint64_t cuts) {
      std::string out;
      ASSERT_EQ(fed(secrets, text, cuts, longest, out).found, found) << text << ' ' << cuts;
      ASSERT_EQ(out, expected) << text << ' ' << cuts;
    };
    check(~std::uint64_t{0});
    for (std::size_t cut = 1; cut < std::min<std::size_t>(text.size(), 64); ++cut)
      check(std::uint64_t{1} << cut);
    for (int i = 0; i < 20; ++i) check(rng() & rng());
  }
}

TEST(Secrets, LeavesEverythingElse) {
  const Secrets secrets = both();
  for (const std::string& text :
       {std::string("short"), kKey.substr(1), kKey.substr(0, kKey.size() - 1), std::string()}) {
    EXPECT_FALSE(secrets.in(text)) << text;
    EXPECT_EQ(redacted(secrets, text), text);
  }
  EXPECT_TRUE(Secrets().empty());
  EXPECT_TRUE(Secrets({"seven77"}).empty()) << "too short to be told from words";
  EXPECT_EQ(Secrets().hold("provider"), 8u);
}

TEST(Secrets, AnySplitOfAStreamGivesWhatTheWholeTextGives) {
  const Secrets secrets = both();
  Rng rng(5);
  const std::vector<std::string> parts = {
      kKey,        kToken, kKey.substr(0, 9), kToken.substr(0, 10), " ", "token",
      "provider-", "x",    "0123456789"};
  for (int round = 0; round < 2'000; ++round) {
    std::string text;
    for (std::size_t i = below(rng, 8); i > 0; --i) text += parts[below(rng, parts.size())];
    std::string out;
    const std::uint64_t cuts = rng() & rng() & rng();
    static_cast<void>(fed(secrets, text, cuts, kKey.size() + 7, out));
    ASSERT_EQ(out, redacted(secrets, text)) << text;
  }
}

TEST(Secrets, ManyOccurrencesAreOnePass) {
  // One of the two is nowhere: it must not be looked for again after each of the others.
  const Secrets secrets = both();
  std::string text;
  for (int i = 0; i < 40'000; ++i) text += kKey;
  EXPECT_EQ(secrets.redact(text), 40'000u);
}

TEST(Secrets, EveryCpuFindsTheSamePairs) {
  Rng rng(3);
  for (int round = 0; round < 20'000; ++round) {
    const std::size_t count = below(rng, 110), apart = below(rng, 8);
    const std::string text = random_chars(rng, round % 2 == 0 ? "ab" : "abcdefgh", count + apart);
    // Of exactly its size, so that a sanitizer sees a look beyond.
    const std::vector<char> copy(text.begin(), text.end());
    std::size_t expected = 0;
    while (expected < count && !(text[expected] == 'a' && text[expected + apart] == 'b'))
      ++expected;
    for (FindPair* const one : pair_finders())
      ASSERT_EQ(one(copy.data(), copy.data() + apart, count, 'a', 'b'), expected) << text;
  }
}

}  // namespace
}  // namespace tollgate::domain::policy::testing
