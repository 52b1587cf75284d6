#include "tollgate/json/outline.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "json_generator.hpp"
#include "support/property_seeds.hpp"

namespace tollgate::json {
namespace {

constexpr ParseLimits kUpstream{.allow_lone_surrogates = true};

/// Every string value below the root, in document order.
std::vector<NodeRef> strings(const Document& document) {
  std::vector<NodeRef> out;
  for (std::uint32_t i = 0; i < document.node_count(); ++i)
    if (document.ref(i).is_string()) out.push_back(document.ref(i));
  return out;
}

void expect_same(const Document& got, const Document& wanted) {
  ASSERT_EQ(got.node_count(), wanted.node_count()) << wanted.text();
  EXPECT_EQ(got.text(), wanted.text());
  for (std::uint32_t i = 0; i < got.node_count(); ++i) {
    const Node &a = got.node(i), &b = wanted.node(i);
    EXPECT_EQ(a.begin, b.begin) << i << " of " << wanted.text();
    EXPECT_EQ(a.end, b.end) << i;
    EXPECT_EQ(a.key_begin, b.key_begin) << i;
    EXPECT_EQ(a.key_end, b.key_end) << i;
    EXPECT_EQ(a.next, b.next) << i;
    EXPECT_EQ(a.count, b.count) << i;
    EXPECT_EQ(a.kind, b.kind) << i;
    EXPECT_EQ(a.has_escape, b.has_escape) << i;
    EXPECT_EQ(a.key_has_escape, b.key_has_escape) << i;
  }
}

/// Keeps `kept` with its strings number `slots` and tries `text` on it.
struct Tried {
  Tried(std::string_view kept, std::vector<std::size_t> slots, std::string_view text) {
    EXPECT_TRUE(document.parse(kept, kUpstream).has_value()) << kept;
    const std::vector<NodeRef> all = strings(document);
    std::vector<NodeRef> nodes;
    for (const std::size_t slot : slots) nodes.push_back(all.at(slot));
    EXPECT_TRUE(outline.keep(document, nodes));
    fits = outline.fit(document, text, true);
    if (!fits) {
      EXPECT_EQ(document.text(), kept) << "untouched";
      return;
    }
    Document wanted;
    EXPECT_TRUE(wanted.parse(text, kUpstream).has_value()) << text;
    expect_same(document, wanted);
  }
  Document document;
  Outline outline;
  bool fits = false;
};

TEST(Outline, FitsATextThatDiffersInItsSlots) {
  const std::string_view kept = R"({"id":"a","n":[1,{"t":"one","u":"x"}],"last":"z"})";
  EXPECT_TRUE(Tried(kept, {1}, kept).fits);
  EXPECT_TRUE(Tried(kept, {1}, R"({"id":"a","n":[1,{"t":"three","u":"x"}],"last":"z"})").fits);
  EXPECT_TRUE(Tried(kept, {1, 3}, R"({"id":"a","n":[1,{"t":"1","u":"x"}],"last":"omega"})").fits);
  EXPECT_TRUE(
      Tried(kept, {0}, R"({"id":"\"\\\u00e9","n":[1,{"t":"one","u":"x"}],"last":"z"})").fits);
  EXPECT_TRUE(Tried(kept, {2},
                    "{\"id\":\"a\",\"n\":[1,{\"t\":\"one\",\"u\":\"\xC3\xA9 and sixteen bytes "
                    "more\"}],\"last\":\"z\"}")
                  .fits);
  EXPECT_TRUE(Tried(R"("root")", {0}, R"("other")").fits);
}

TEST(Outline, RefusesWhatDiffersElsewhere) {
  const std::string_view kept = R"({"a":"x","b":1,"c":"y"})";
  for (const std::string_view text : {
           R"({"a":"x","b":2,"c":"y"})",          // a number
           R"({"a":"x","b":1,"c":"z"})",          // a string that is no slot
           R"({"a":"x" ,"b":1,"c":"y"})",         // white space
           R"({"a":"x","b":1,"c":"y"} )",         // behind the value
           R"({"a":"x","b":1,"c":"y")",           // cut
           R"({"a":"x","b":1,"c":"y","a":"q"})",  // a member more, and twice
           R"({"a":"x","a":"x","b":1,"c":"y"})",  //
           R"({"a":["x"],"b":1,"c":"y"})",        // another kind
           R"({"a":null,"b":1,"c":"y"})",         //
           R"({"\u0061":"x","b":1,"c":"y"})",     // another spelling of a key
           R"({"a":"","b":1,"c":"y"})",           // empty
           R"({"a":"x)",
           R"({"a":)",
           R"({"a":")",
           "",
           "{",
           " ",
       })
    EXPECT_FALSE(Tried(kept, {0}, text).fits) << text;
}

TEST(Outline, RefusesStringsThatAreNotValid) {
  const std::string_view kept = R"({"a":"x","b":1})";
  const auto with = [](std::string_view value) {
    return "{\"a\":\"" + std::string(value) + "\",\"b\":1}";
  };
  for (const std::string_view bad :
       {"\x01", "a\nb", "\\x", "\\", "\\u12", "\\u12G4", "\x80", "\xC3", "\xC0\x80", "\xED\xA0\x80",
        "\xF5\x80\x80\x80", "\xE2\x82", "\\\xC3\xA9"}) {
    EXPECT_FALSE(Tried(kept, {0}, with(bad)).fits) << bad;
    EXPECT_FALSE(Tried(kept, {0}, with("sixteen bytes or more of it" + std::string(bad))).fits);
  }
  Document document;
  Outline outline;
  ASSERT_TRUE(document.parse(kept).has_value());
  const std::vector<NodeRef> slot = {document.root().find("a")};
  ASSERT_TRUE(outline.keep(document, slot));
  const std::string half = with("\\ud83d");
  EXPECT_FALSE(outline.fit(document, half, false)) << "a lone surrogate, where none is allowed";
  EXPECT_TRUE(outline.fit(document, half, true));
}

TEST(Outline, IsBounded) {
  Document document;
  Outline outline;
  std::string text = R"({"a":"x","b":")" + std::string(Outline::kMaxText, 'y') + "\"}";
  ASSERT_TRUE(document.parse(text).has_value());
  EXPECT_FALSE(outline.keep(document, strings(document))) << "a long text";
  text = "[\"x\"";
  for (std::size_t i = 0; i < Outline::kMaxNodes; ++i) text += ",1";
  text += "]";
  ASSERT_TRUE(document.parse(text).has_value());
  EXPECT_FALSE(outline.keep(document, strings(document))) << "many values";
  text = R"(["1","2","3","4","5","6","7"])";
  ASSERT_TRUE(document.parse(text).has_value());
  EXPECT_FALSE(outline.keep(document, strings(document))) << "many slots";
  EXPECT_FALSE(outline.keep(document, {})) << "none";
  EXPECT_TRUE(outline.empty());
  text = R"(["1"])";
  ASSERT_TRUE(document.parse(text).has_value());
  ASSERT_TRUE(outline.keep(document, strings(document)));
  const std::string longer = "[\"" + std::string(Outline::kMaxText, 'y') + "\"]";
  EXPECT_FALSE(outline.fit(document, longer, true));
  outline.clear();
  EXPECT_FALSE(outline.fit(document, text, true));
}

TEST(Outline, TellsWhatVaried) {
  Document document;
  Outline outline;
  ASSERT_TRUE(document.parse(R"(["a","b","c"])").has_value());
  EXPECT_FALSE(outline.varies(document.root().at(0))) << "nothing was kept";
  const std::vector<NodeRef> slot = {document.root().at(0)};
  ASSERT_TRUE(outline.keep(document, slot));
  outline.clear();
  ASSERT_TRUE(document.parse(R"(["a","B","c","d"])").has_value());
  EXPECT_TRUE(outline.varies(document.root().at(0))) << "it was a slot";
  EXPECT_TRUE(outline.varies(document.root().at(1)));
  EXPECT_FALSE(outline.varies(document.root().at(2)));
  EXPECT_FALSE(outline.varies(document.root().at(3))) << "it was not there";
}

TEST(Outline, FreesTheTextsOfTheParseBefore) {
  Document document;
  Outline outline;
  ASSERT_TRUE(document.parse(R"(["\u00e9"])").has_value());
  ASSERT_TRUE(outline.keep(document, strings(document)));
  EXPECT_EQ(document.root().at(0).text(), "\xC3\xA9");
  ASSERT_TRUE(outline.fit(document, R"(["\u00e8!"])", false));
  EXPECT_EQ(document.root().at(0).text(), "\xC3\xA8!");
  ASSERT_TRUE(outline.fit(document, R"(["plain"])", false));
  EXPECT_EQ(document.root().at(0).text(), "plain");
}

/// Whatever fits is what the parser says; and what differs in its slots only, and is valid, fits.
TEST(OutlineProperty, AgreesWithTheParser) {
  std::uint64_t tried = 0, fitted = 0;
  for (std::uint64_t seed = 1; seed <= test::property_seeds(3'000); ++seed) {
    test::JsonGenerator random(seed);
    const std::string kept = random.text();
    Document document;
    ASSERT_TRUE(document.parse(kept, kUpstream).has_value()) << kept;
    std::vector<NodeRef> slots;
    for (const NodeRef string : strings(document))
      if (slots.size() < Outline::kMaxSlots && random.below(2) == 0) slots.push_back(string);
    Outline outline;
    if (!outline.keep(document, slots)) continue;
    ++tried;
    // The text with other strings in the slots, some of them broken, and now and then damaged.
    std::string text;
    std::uint32_t done = 0;
    bool may_fit = true;
    for (const NodeRef slot : slots) {
      text += kept.substr(done, slot.begin_offset() + 1 - done);
      const std::size_t pieces = random.below(4);
      if (pieces == 0) may_fit = false;
      for (std::size_t i = 0; i < pieces; ++i) {
        static constexpr std::string_view kPieces[] = {"a",
                                                       " some words",
                                                       "\\n",
                                                       "\\\"",
                                                       "\\u00e9",
                                                       "\\ud800",
                                                       "\xC3\xA9",
                                                       "\xF0\x9F\x98\x80",
                                                       "0123456789abcdef0123456789",
                                                       "\\\\",
                                                       "\\",
                                                       "\"",
                                                       "\x02",
                                                       "\xC3"};
        const std::size_t most = random.below(20) == 0 ? std::size(kPieces) : 10;
        text += kPieces[random.below(most)];
      }
      text += '"';
      done = slot.end_offset();
    }
    text += kept.substr(done);
    if (random.below(4) == 0) {
      text[random.below(text.size())] = static_cast<char>(random.below(256));
      may_fit = false;
    }
    Document wanted;
    const bool is_valid = wanted.parse(text, kUpstream).has_value();
    const bool fits = outline.fit(document, text, true);
    ASSERT_TRUE(is_valid || !fits) << "seed " << seed << "\n" << kept << "\n" << text;
    ASSERT_TRUE(fits || !is_valid || !may_fit || text.size() > Outline::kMaxText)
        << "seed " << seed << "\n"
        << kept << "\n"
        << text;
    if (!fits) continue;
    ++fitted;
    expect_same(document, wanted);
    ASSERT_FALSE(HasFailure()) << "seed " << seed << "\n" << kept << "\n" << text;
  }
  EXPECT_GE(fitted, tried / 10) << "the changed texts are not all broken ones";
}

}  // namespace
}  // namespace tollgate::json
