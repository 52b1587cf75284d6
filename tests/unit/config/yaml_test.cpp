#include "config/yaml_node.hpp"

#include <gtest/gtest.h>

#include "fake_env.hpp"

namespace tollgate::config {
namespace {

TEST(Yaml, KeepsThePlaceOfKeysAndValues) {
  const auto parsed = parse_yaml("a: 1\nb:\n  - x\n  - {c: 'q', d: [y]}\n", "f");
  ASSERT_TRUE(parsed.root);
  EXPECT_TRUE(parsed.problems.empty());
  const auto& root = *parsed.root;
  ASSERT_EQ(root.entries.size(), 2u);
  EXPECT_EQ(root.entries[1].key, "b");
  EXPECT_EQ(root.entries[1].key_at.line, 2u);
  EXPECT_EQ(root.entries[1].key_at.column, 1u);
  const auto& list = *root.entries[1].value;
  EXPECT_EQ(list.items[0]->at.line, 3u);
  EXPECT_EQ(list.items[0]->at.column, 5u);
  const auto& map = *list.items[1];
  EXPECT_EQ(map.entries[0].key_at.column, 6u);
  EXPECT_TRUE(map.entries[0].value->quoted);
  EXPECT_FALSE(map.entries[1].value->items[0]->quoted);
  EXPECT_EQ(root.weight, 8u);
}

TEST(Yaml, ReadsNullsAndBlocks) {
  const auto parsed = parse_yaml("a:\nb: ~\nc: null\nd: 'null'\ne: |\n  two\n  lines\n", "f");
  ASSERT_TRUE(parsed.root);
  const auto& e = parsed.root->entries;
  EXPECT_TRUE(e[0].value->is_null());
  EXPECT_TRUE(e[1].value->is_null());
  EXPECT_TRUE(e[2].value->is_null());
  EXPECT_TRUE(e[3].value->is_scalar());
  EXPECT_EQ(e[4].value->text, "two\nlines\n");
}

TEST(Yaml, AliasesShareTheirAnchor) {
  const auto parsed = parse_yaml("a: &x {k: v}\nb: *x\nc: [*x, *x]\n", "f");
  ASSERT_TRUE(parsed.root);
  EXPECT_EQ(parsed.root->entries[0].value, parsed.root->entries[1].value);
  EXPECT_TRUE(parsed.problems.empty());
}

struct Bad {
  const char* text;
  const char* problem;
};

TEST(Yaml, RefusesWhatItCannotKeepExactly) {
  const Bad cases[] = {
      {"a: 1\na: 2\n", "f:2:1: a: duplicate key, first set at line 1; expected each key once\n"},
      {"x:\n  'a': 1\n  \"a\": 2\n",
       "f:3:3: x.a: duplicate key, first set at line 2; expected each key once\n"},
      {"a: &x {k: v}\nb:\n  <<: *x\n",
       "f:3:3: b: merge keys (<<) are not supported; expected the keys written out, or an alias "
       "for a whole value\n"},
      {"? [a]\n: b\n", "f:1:3: a list or map is used as a key; expected a plain name\n"},
      {"a: !x b\n", "f:1:4: a: tag !x is not supported; expected a plain value without a tag\n"},
      {"a: 1\n---\nb: 2\n",
       "f:3:1: the file holds a second YAML document; expected one document\n"},
      {"", "f:1:1: the file is empty; expected a YAML map\n"},
      {"~: 1\n", "f:1:1: the key is empty or an alias; expected a plain name\n"},
      {"a: &x\n  b: *x\n",
       "f:2:6: a.b: the alias stands inside its own anchor; expected an anchor that is complete "
       "before it is used\n"},
      {"a:\n\tb: 1\n", "f:2:3: the line is indented with a tab; expected spaces\n"},
  };
  for (const auto& c : cases)
    EXPECT_EQ(text_of(parse_yaml(c.text, "f").problems), c.problem) << c.text;
}

TEST(Yaml, AQuotedMergeKeyIsAnOrdinaryKey) {
  const auto parsed = parse_yaml("'<<': 1\n", "f");
  ASSERT_TRUE(parsed.root);
  EXPECT_EQ(parsed.root->entries[0].key, "<<");
}

TEST(Yaml, BoundsAliases) {
  // Nine levels of nine: 387 million values when expanded, a few hundred bytes of text.
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) bomb += (j ? ",*a" : "*a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  const auto parsed = parse_yaml(bomb, "f");
  EXPECT_FALSE(parsed.root);
  ASSERT_EQ(parsed.problems.size(), 1u);
  EXPECT_NE(parsed.problems[0].what.find("more than 50000"), std::string::npos);
}

TEST(Yaml, BoundsDepth) {
  for (const char* open : {"[", "{a: "}) {
    std::string text;
    for (int i = 0; i < 70; ++i) text += open;
    const auto parsed = parse_yaml(text, "f");
    EXPECT_FALSE(parsed.root);
    EXPECT_EQ(parsed.problems.size(), 1u);
  }
  std::string very_deep(200'000, '[');
  EXPECT_FALSE(parse_yaml(very_deep, "f").root);
}

TEST(Yaml, RefusesNulBytes) {
  const std::string text("a: 1\n\0b: 2\n", 11);
  EXPECT_EQ(text_of(parse_yaml(text, "f").problems),
            "f:2:1: the file holds a NUL byte; expected UTF-8 text\n");
}

TEST(Yaml, Paths) {
  EXPECT_EQ(join_path("", "a"), "a");
  EXPECT_EQ(join_path("a", "b-c_1"), "a.b-c_1");
  EXPECT_EQ(join_path("models", "gpt-4.1"), "models[\"gpt-4.1\"]");
  EXPECT_EQ(join_path("keys", std::size_t{2}), "keys[2]");
}

}  // namespace
}  // namespace tollgate::config
