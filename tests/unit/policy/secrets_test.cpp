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
  EXPECT_EQ(redacted(secrets, "Bearer " + kKey), "Bearer " + kMarked);
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
    SecretTail tail;
    SecretTail::Scratch scratch;
    std::string out;
    for (std::size_t from = 0; from < text.size();) {
      const std::size_t size = 1 + below(rng, 12);
      out += tail.feed(secrets, std::string_view(text).substr(from, size), scratch).text;
      EXPECT_LT(tail.held(), kKey.size());
      from += size;
    }
    out += tail.finish();
    EXPECT_EQ(tail.held(), 0u);
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
