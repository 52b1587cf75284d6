#include "tollgate/domain/keys/key_format.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace tollgate::domain::keys {
namespace {

using Bytes = std::array<std::uint8_t, kKeyRandomBytes>;

// The texts were worked out apart from the code: base62 of the number, CRC-32 of what stands
// before.
TEST(KeyFormat, KnownKeys) {
  Bytes zero{};
  EXPECT_EQ(encode_key(zero), "tg-000000000000000000000000000000000000000000049ZIxU");
  Bytes ones;
  ones.fill(0xff);
  EXPECT_EQ(encode_key(ones), "tg-yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp11LGlOS");
  Bytes counting;
  for (std::size_t i = 0; i < counting.size(); ++i) counting[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(encode_key(counting), "tg-003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3ny9HM");
}

TEST(KeyFormat, GeneratedKeysAreWellFormedAndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const base::Secret key = generate_key();
    const std::string_view text = key.reveal();
    EXPECT_EQ(text.size(), kKeyChars);
    EXPECT_TRUE(is_well_formed_key(text)) << text;
    EXPECT_EQ(last4(text), text.substr(text.size() - 4));
    EXPECT_TRUE(seen.insert(std::string(text)).second);
  }
}

TEST(KeyFormat, DigestIsOfTheWholeText) {
  const std::string key = encode_key(Bytes{});
  EXPECT_EQ(key_digest(key), base::sha256(key));
}

TEST(KeyFormat, RefusesWhatCannotBeAKey) {
  const std::string good = encode_key(Bytes{1, 2, 3});
  ASSERT_TRUE(is_well_formed_key(good));
  const auto changed = [&](std::size_t at, char c) {
    std::string bad = good;
    bad[at] = c;
    return bad;
  };
  const std::string cases[] = {
      "",
      "tg-",
      "sk-0123456789",
      good.substr(0, good.size() - 1),
      good + "0",
      " " + good,
      good + " ",
      "TG-" + good.substr(3),
      "tg_" + good.substr(3),
      "sk-" + good.substr(3),
      changed(10, '-'),
      changed(10, '_'),
      changed(10, '\0'),
      changed(10, '\xff'),
      changed(10, '\''),
      std::string(1 << 20, 'a'),
      std::string(kKeyChars, 'a'),
  };
  for (const std::string& text : cases) {
    EXPECT_FALSE(is_well_formed_key(text)) << text.substr(0, 80);
  }
}

// One wrong character anywhere is told by the checksum: no look-up for typing errors.
TEST(KeyFormat, ChecksumTellsEverySingleError) {
  const std::string good = encode_key(Bytes{9, 8, 7, 6, 5});
  for (std::size_t at = kKeyPrefix.size(); at < good.size(); ++at) {
    for (const char c : std::string_view("0Aaz9Z")) {
      std::string bad = good;
      if (bad[at] == c) continue;
      bad[at] = c;
      EXPECT_FALSE(is_well_formed_key(bad)) << at;
    }
  }
}

TEST(KeyFormat, KeysAreTakenOutOfAnyTextAndNothingElseIs) {
  const std::string key = encode_key(Bytes{9, 8, 7, 6, 5});
  const auto redacted = [](std::string text) {
    redact_keys(text);
    return text;
  };
  EXPECT_EQ(redacted(key), "tg-***");
  EXPECT_EQ(redacted("/v1/files/" + key + "/x"), "/v1/files/tg-***/x");
  EXPECT_EQ(redacted(key + key), "tg-***tg-***");
  EXPECT_EQ(redacted("tg-tg-" + key), "tg-tg-tg-***");
  std::string typo = key;
  typo.back() = typo.back() == 'a' ? 'b' : 'a';
  for (const std::string& text : {std::string(), std::string("tg-"), std::string("atg-b"), typo,
                                  key.substr(0, key.size() - 1)}) {
    EXPECT_EQ(redacted(text), text);
    EXPECT_FALSE(contains_key(text));
  }
  EXPECT_TRUE(contains_key("a " + key));
}

TEST(KeyFormat, AKeyIsFoundWhereverItStands) {
  const std::string key = encode_key(Bytes{1, 2, 3});
  for (const std::string_view before :
       {"", "g", "t", "tg", "tg-", "ttg", "tgtg-g-", "a: g\r\nb: tg-x "}) {
    for (const std::string_view after : {"", "g", "tg-", " and more"}) {
      const std::string text = std::string(before) + key + std::string(after);
      EXPECT_TRUE(contains_key(text)) << text;
      std::string redacted = text;
      redact_keys(redacted);
      EXPECT_EQ(redacted, std::string(before) + std::string(kRedactedKey) + std::string(after));
    }
    EXPECT_FALSE(contains_key(std::string(before) + key.substr(0, key.size() - 1)));
    EXPECT_FALSE(contains_key(before));
  }
}

TEST(KeyFormat, Last4OfShortTexts) {
  EXPECT_EQ(last4(""), "");
  EXPECT_EQ(last4("abc"), "abc");
  EXPECT_EQ(last4("abcdef"), "cdef");
}

}  // namespace
}  // namespace tollgate::domain::keys
