#include "dialect_fixture.hpp"

namespace tollgate::protocol {
namespace {

using llm::CapField;
using llm::DialectKind;
using llm::RequestKind;
using test::chat;
using test::Scanned;

struct EditCase {
  const char* before;
  const char* after;
};

TEST(OpenAiEdit, SetsTheModelAndNothingElse) {
  const Scanned request(DialectKind::openai, RequestKind::chat_completions,
                        "{ \"b\" : 1.50,\n\"model\" : \"fast\" , \"x\":[1e5,\"\\u0041\"] }");
  json::Splicer edits(request.document);
  EXPECT_TRUE(request.dialect.set_model(request.fields, edits, "gpt-\"4\""));
  EXPECT_EQ(edits.str(),
            "{ \"b\" : 1.50,\n\"model\" : \"gpt-\\\"4\\\"\" , \"x\":[1e5,\"\\u0041\"] }");
}

TEST(OpenAiEdit, LowersOrAddsTheCap) {
  const EditCase cases[] = {
      {R"("max_tokens":100)", R"({"model":"m","max_tokens":50})"},
      {R"("max_tokens":50)", R"({"model":"m","max_tokens":50})"},
      {R"("max_tokens":10)", R"({"model":"m","max_tokens":10})"},
      {R"("max_completion_tokens":100)", R"({"model":"m","max_completion_tokens":50})"},
      {R"("max_tokens":100,"max_completion_tokens":200)",
       R"({"model":"m","max_tokens":50,"max_completion_tokens":50})"},
      {R"("max_tokens":10,"max_completion_tokens":200)",
       R"({"model":"m","max_tokens":10,"max_completion_tokens":50})"},
      {R"("max_tokens":null,"max_completion_tokens":200)",
       R"({"model":"m","max_tokens":null,"max_completion_tokens":50})"},
      {"", R"({"model":"m","max_completion_tokens":50})"},
      {R"("max_completion_tokens":null)", R"({"model":"m","max_completion_tokens":50})"},
      {R"("max_tokens":null)", R"({"model":"m","max_tokens":null,"max_completion_tokens":50})"},
  };
  for (const EditCase& c : cases) {
    const Scanned request = chat(c.before);
    json::Splicer edits(request.document);
    EXPECT_TRUE(
        request.dialect.set_output_cap(request.fields, edits, 50, CapField::max_completion_tokens));
    EXPECT_EQ(edits.str(), c.after) << c.before;
  }
  const Scanned absent = chat("");
  json::Splicer edits(absent.document);
  EXPECT_TRUE(absent.dialect.set_output_cap(absent.fields, edits, 50, CapField::max_tokens));
  EXPECT_TRUE(absent.dialect.set_output_cap(absent.fields, edits, 40, CapField::max_tokens));
  EXPECT_EQ(edits.str(), R"({"model":"m","max_tokens":40})");
}

TEST(OpenAiEdit, NamesTheCapAsTheHostKnowsIt) {
  const EditCase cases[] = {
      {R"("max_completion_tokens":5)", R"({"model":"m","max_tokens":5})"},
      {R"( "max_completion_tokens" : 5 , "x":1.50)",
       R"({"model":"m", "max_tokens" : 5 , "x":1.50})"},
      {R"("max_completion_token\u0073":5)", R"({"model":"m","max_tokens":5})"},
      {R"("max_tokens":null,"max_completion_tokens":5)", R"({"model":"m","max_tokens":5})"},
      {R"("max_tokens":null,"x":1,"max_completion_tokens":5)",
       R"({"model":"m","x":1,"max_tokens":5})"},
      {R"("max_completion_tokens":5,"max_tokens":null)", R"({"model":"m","max_tokens":5})"},
      {R"("max_completion_tokens":5,"max_tokens":5)", nullptr},
      {R"("max_tokens":5)", nullptr},
      {R"("max_completion_tokens":null)", nullptr},
      {R"("max_output_tokens":5)", nullptr},
      {"", nullptr},
  };
  for (const EditCase& c : cases) {
    const Scanned request = chat(c.before);
    json::Splicer edits(request.document);
    EXPECT_FALSE(
        request.dialect.name_output_cap(request.fields, edits, CapField::max_completion_tokens));
    EXPECT_TRUE(edits.empty());
    EXPECT_EQ(request.dialect.name_output_cap(request.fields, edits, CapField::max_tokens),
              c.after != nullptr)
        << c.before;
    EXPECT_EQ(edits.str(), c.after != nullptr ? c.after : request.text);
  }
  const Scanned other(DialectKind::openai, RequestKind::other_json,
                      R"({"model":"m","max_completion_tokens":5})");
  json::Splicer edits(other.document);
  EXPECT_FALSE(other.dialect.name_output_cap(other.fields, edits, CapField::max_tokens));
}

TEST(OpenAiEdit, ANamedCapGoesWithEveryOtherEdit) {
  for (const char* const members :
       {R"("max_completion_tokens":100,"max_tokens":null,"stream":true)",
        R"("max_tokens":null,"max_completion_tokens":100,"stream":true)",
        R"("max_tokens":null,"stream":true,"max_completion_tokens":100)",
        R"("max_completion_tokens":100,"stream":true,"max_tokens":null)"}) {
    const Scanned request = chat(members);
    json::Splicer edits(request.document);
    EXPECT_TRUE(request.dialect.set_model(request.fields, edits, "served"));
    EXPECT_TRUE(request.dialect.name_output_cap(request.fields, edits, CapField::max_tokens));
    EXPECT_TRUE(request.dialect.set_output_cap(request.fields, edits, 50, CapField::max_tokens));
    EXPECT_TRUE(request.dialect.include_usage(request.fields, edits));
    json::Document edited;
    const std::string text = edits.str();
    ASSERT_TRUE(edited.parse(text).has_value()) << text;
    EXPECT_EQ(edited.root().size(), 4u) << text;
    EXPECT_EQ(edited.root().find("model").text(), "served");
    EXPECT_EQ(edited.root().find("max_tokens").as_int64(), 50) << text;
    EXPECT_EQ(edited.root().find("stream_options").raw(), R"({"include_usage":true})") << text;
  }
}

TEST(OpenAiEdit, DoesNotCapWhatHasNoOutput) {
  const Scanned request(DialectKind::openai, RequestKind::embeddings,
                        R"({"model":"m","input":"x"})");
  json::Splicer edits(request.document);
  EXPECT_FALSE(request.dialect.set_output_cap(request.fields, edits, 5, CapField::max_tokens));
  const Scanned other(DialectKind::openai, RequestKind::other_json, R"({"input":"x"})");
  EXPECT_FALSE(other.dialect.set_output_cap(other.fields, edits, 5, CapField::max_tokens));
  EXPECT_TRUE(edits.empty());
}

TEST(OpenAiEdit, AsksForUsageOnlyWhenTheAgentDidNot) {
  const EditCase cases[] = {
      {R"("stream":true)",
       R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})"},
      {R"("stream":true,"stream_options":{})",
       R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})"},
      {R"("stream":true,"stream_options":null)",
       R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})"},
      {R"("stream":true,"stream_options":{"include_usage":false})",
       R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})"},
      {R"("stream":true,"stream_options":{"include_usage":null,"a":1})",
       R"({"model":"m","stream":true,"stream_options":{"include_usage":true,"a":1}})"},
      {R"("stream":true,"stream_options":{"a":1})",
       R"({"model":"m","stream":true,"stream_options":{"a":1,"include_usage":true}})"},
      {R"("stream":true,"stream_options":{"include_usage":true})", nullptr},
      {R"("stream":false)", nullptr},
      {"", nullptr},
  };
  for (const EditCase& c : cases) {
    const Scanned request = chat(c.before);
    json::Splicer edits(request.document);
    EXPECT_EQ(request.dialect.include_usage(request.fields, edits), c.after != nullptr) << c.before;
    EXPECT_EQ(edits.str(), c.after != nullptr ? c.after : request.text) << c.before;
  }
}

}  // namespace
}  // namespace tollgate::protocol
