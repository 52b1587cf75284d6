#include "tollgate/json/splice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tollgate::json {
namespace {

class Splice : public testing::Test {
 protected:
  void load(std::string text) {
    text_ = std::move(text);
    ASSERT_TRUE(document_.parse(text_).has_value());
    edits_.reset(text_);
  }
  [[nodiscard]] std::string result() const {
    const std::string whole = edits_.str();
    EXPECT_EQ(whole.size(), edits_.size());
    std::vector<std::string_view> pieces;
    edits_.append_pieces(pieces);
    std::string joined;
    for (const std::string_view piece : pieces) {
      EXPECT_FALSE(piece.empty());
      joined += piece;
    }
    EXPECT_EQ(joined, whole);
    return whole;
  }
  NodeRef at(std::string_view key) { return document_.root().find(key); }

  std::string text_;
  Document document_;
  Splicer edits_;
};

TEST_F(Splice, WithoutEditsIsTheOriginal) {
  load(R"({ "a" : 1.50 })");
  EXPECT_TRUE(edits_.empty());
  EXPECT_EQ(result(), text_);
}

TEST_F(Splice, ReplacesInAnyOrder) {
  load(R"({"a":1,"b":"two","c":[3]})");
  EXPECT_TRUE(edits_.replace(at("c"), "null"));
  EXPECT_TRUE(edits_.replace(at("a"), "100000"));
  EXPECT_TRUE(edits_.replace(at("b"), "\"\""));
  EXPECT_EQ(result(), R"({"a":100000,"b":"","c":null})");
}

TEST_F(Splice, TheSameRangeAgainReplacesTheEdit) {
  load(R"({"model":"a","n":1})");
  EXPECT_TRUE(edits_.replace(at("model"), "\"first\""));
  EXPECT_TRUE(edits_.replace(at("n"), "2"));
  EXPECT_TRUE(edits_.replace(at("model"), "\"2nd\""));
  EXPECT_EQ(result(), R"({"model":"2nd","n":2})");
}

TEST_F(Splice, RefusesOverlapAndNonsense) {
  load(R"({"a":{"b":1}})");
  EXPECT_TRUE(edits_.replace(at("a").find("b"), "2"));
  EXPECT_FALSE(edits_.replace(at("a"), "{}"));
  EXPECT_FALSE(edits_.replace(3, 3, "x"));
  EXPECT_FALSE(edits_.replace(5, 500, "x"));
  EXPECT_FALSE(edits_.replace(NodeRef(), "1"));
  EXPECT_FALSE(edits_.insert_member(at("a").find("b"), "k", "1"));
  EXPECT_EQ(result(), R"({"a":{"b":2}})");
  edits_.reset(text_);
  EXPECT_TRUE(edits_.replace(at("a"), "{}"));
  EXPECT_FALSE(edits_.replace(at("a").find("b"), "2"));
  EXPECT_FALSE(edits_.insert_member(at("a"), "k", "1"));
  EXPECT_EQ(result(), R"({"a":{}})");
}

TEST_F(Splice, InsertsMembersAtTheEnd) {
  load(R"({"a":{},"b":{"x":1 } })");
  EXPECT_TRUE(edits_.insert_member(document_.root(), "z", "9"));
  EXPECT_TRUE(edits_.insert_member(at("a"), "p", "1"));
  EXPECT_TRUE(edits_.insert_member(at("a"), "q\"", "2"));
  EXPECT_TRUE(edits_.insert_member(at("b"), "y", "[]"));
  EXPECT_TRUE(edits_.replace(at("b").find("x"), "true"));
  EXPECT_EQ(result(), R"({"a":{"p":1,"q\"":2},"b":{"x":true ,"y":[]} ,"z":9})");
}

TEST_F(Splice, InsertingTheSameKeyAgainReplacesTheInsertion) {
  load(R"({"a":{}})");
  EXPECT_TRUE(edits_.insert_member(at("a"), "cap", "100"));
  EXPECT_TRUE(edits_.insert_member(at("a"), "other", "1"));
  EXPECT_TRUE(edits_.insert_member(at("a"), "cap", "7"));
  EXPECT_TRUE(edits_.insert_member(at("a"), "other", "22"));
  EXPECT_EQ(result(), R"({"a":{"cap":7,"other":22}})");
}

TEST_F(Splice, AValueThatEndsAtTheBraceAndAnInsertionThere) {
  load(R"({"a":1})");
  EXPECT_TRUE(edits_.insert_member(document_.root(), "b", "2"));
  EXPECT_TRUE(edits_.replace(at("a"), "10"));
  EXPECT_EQ(result(), R"({"a":10,"b":2})");
  edits_.reset(text_);
  EXPECT_TRUE(edits_.replace(at("a"), "10"));
  EXPECT_TRUE(edits_.insert_member(document_.root(), "b", "2"));
  EXPECT_EQ(result(), R"({"a":10,"b":2})");
}

TEST_F(Splice, ACopyBuildsOnWhatWasThere) {
  load(R"({"model":"a","text":"secret"})");
  EXPECT_TRUE(edits_.replace(at("text"), "\"***\""));
  Splicer attempt = edits_;
  EXPECT_TRUE(attempt.replace(at("model"), "\"b\""));
  EXPECT_EQ(attempt.str(), R"({"model":"b","text":"***"})");
  EXPECT_EQ(result(), R"({"model":"a","text":"***"})");
}

}  // namespace
}  // namespace tollgate::json
