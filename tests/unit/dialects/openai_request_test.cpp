#include <gmock/gmock.h>

#include "dialect_fixture.hpp"

namespace tollgate::protocol {
namespace {

using llm::CapField;
using llm::DialectKind;
using llm::RequestKind;
using test::chat;
using test::Scanned;

std::string with_messages(std::string members) {
  if (members.find("\"messages\"") != members.npos) return members;
  return members + (members.empty() ? "" : ",") + R"("messages":[])";
}

TEST(OpenAiScan, RefusesWhatHasNothingToWorkOn) {
  EXPECT_EQ(chat("").refused_param(), "messages");
  EXPECT_EQ(chat(R"("messages":null)").refused_param(), "messages");
  EXPECT_EQ(chat(R"("messages":"hi")").refused_param(), "messages");
  EXPECT_EQ(chat(R"("input":"hi")").refused_param(), "messages");
  const auto embeddings = [](const char* body) {
    return Scanned(DialectKind::openai, RequestKind::embeddings, body).refused_param();
  };
  EXPECT_EQ(embeddings(R"({"model":"m"})"), "input");
  EXPECT_EQ(embeddings(R"({"model":"m","input":null})"), "input");
  EXPECT_EQ(embeddings(R"({"model":"m","input":"x"})"), "ok");
}

TEST(OpenAiScan, RefusesGovernedFieldsOfTheWrongType) {
  struct Case {
    const char* members;
    const char* param;
  };
  const Case cases[] = {
      {"", "ok"},
      {R"("messages":[])", "ok"},
      {R"("stream":"true")", "stream"},
      {R"("stream":1)", "stream"},
      {R"("stream":null)", "ok"},
      {R"("max_tokens":"10")", "max_tokens"},
      {R"("max_tokens":1.5)", "max_tokens"},
      {R"("max_tokens":1e3)", "max_tokens"},
      {R"("max_tokens":-1)", "max_tokens"},
      {R"("max_tokens":99999999999999999999)", "max_tokens"},
      {R"("max_completion_tokens":[])", "max_completion_tokens"},
      {R"("max_tokens":null,"max_completion_tokens":null)", "ok"},
      {R"("n":0)", "n"},
      {R"("n":1025)", "n"},
      {R"("n":"2")", "n"},
      {R"("best_of":{})", "best_of"},
      {R"("stream_options":[])", "stream_options"},
      {R"("stream_options":null)", "ok"},
      {R"("stream_options":{"include_usage":"yes"})", "stream_options.include_usage"},
      {R"("tools":{})", "tools"},
      {R"("tools":["x"])", "tools"},
      {R"("tools":[{"type":"function","function":{"name":7}}])", "tools"},
      {R"("tools":null)", "ok"},
      {R"("functions":[{"name":"f"}])", "ok"},
      {R"("user":5)", "user"},
      {R"("safety_identifier":[])", "safety_identifier"},
      {R"("service_tier":1)", "service_tier"},
      {R"("models":["a","b"])", "models"},
      {R"("fallbacks":["a"])", "fallbacks"},
      {R"("models":null)", "ok"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(chat(with_messages(c.members)).refused_param(), c.param) << c.members;
}

TEST(OpenAiScan, WantsAModel) {
  const char* bodies[] = {"{}", R"({"model":null})", R"({"model":""})", R"({"model":["a"]})",
                          R"({"model":3})"};
  for (const char* body : bodies) {
    EXPECT_EQ(Scanned(DialectKind::openai, RequestKind::chat_completions, body).refused_param(),
              "model");
    EXPECT_EQ(Scanned(DialectKind::openai, RequestKind::embeddings, body).refused_param(), "model");
  }
  EXPECT_EQ(Scanned(DialectKind::openai, RequestKind::other_json, "{}").refused_param(), "ok");
  EXPECT_EQ(Scanned(DialectKind::openai, RequestKind::other_json, "[1]").refused_param(), "ok");
  EXPECT_EQ(Scanned(DialectKind::openai, RequestKind::chat_completions, "[1]").refused_param(), "");
}

TEST(OpenAiScan, ReadsFieldsHoweverTheirKeysAreSpelled) {
  const Scanned request(DialectKind::openai, RequestKind::chat_completions,
                        R"({"\u006dodel":"openai\/gpt-4o","str\u0065am":true,"max_tokens":7})");
  EXPECT_EQ(request.fields.model, "openai/gpt-4o");
  EXPECT_TRUE(request.fields.stream);
  EXPECT_EQ(request.fields.output_cap, 7);
}

TEST(OpenAiScan, TheLargestCapBinds) {
  EXPECT_EQ(chat(R"("max_tokens":10,"max_completion_tokens":20)").fields.output_cap, 20);
  EXPECT_EQ(chat(R"("max_tokens":30,"max_completion_tokens":20)").fields.output_cap, 30);
  EXPECT_EQ(chat(R"("max_tokens":null)").fields.output_cap, std::nullopt);
  EXPECT_EQ(chat(R"("n":2,"best_of":5)").fields.choices, 5);
}

TEST(OpenAiScan, TellsWhatTheBodyDoesNotBound) {
  struct Case {
    const char* members;
    bool unbounded;
  };
  const Case cases[] = {
      {R"("messages":[{"role":"user","content":"hi"}])", false},
      {R"("messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}])", false},
      {R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}])",
       false},
      {R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}])",
       true},
      {R"("messages":[{"role":"user","content":[{"type":"image_url"}]}])", true},
      {R"("messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}]}])",
       true},
      {R"("messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}])", true},
      {R"("messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"x"}}]}])",
       true},
      {R"("messages":[{"role":"assistant","audio":{"id":"a"}}])", true},
      {R"("tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"c"}}])",
       false},
      {R"("tools":[{"type":"web_search"}])", true},
      {R"("functions":[{"name":"f"}])", false},
      {R"("web_search_options":{})", true},
      {R"("web_search_options":null)", false},
      {R"("plugins":[{"id":"web"}])", true},
      {R"("plugins":[])", false},
      {R"("enable_search":false)", false},
      {R"("enable_search":true)", true},
      {R"("previous_response_id":"r")", true},
      {R"("previous_response_id":null)", false},
      {R"("conversation":{"id":"c"})", true},
      {R"("prompt":{"id":"p"})", true},
      {R"("modalities":["text"])", false},
      {R"("modalities":["text","audio"])", true},
      {R"("audio":{"voice":"x"})", true},
      {R"("service_tier":"flex")", false},
      {R"("service_tier":"priority")", true},
  };
  for (const Case& c : cases) {
    const Scanned request = chat(with_messages(c.members));
    EXPECT_EQ(request.refused_param(), "ok") << c.members;
    EXPECT_EQ(request.fields.has_unbounded_input(), c.unbounded) << c.members;
  }
}

TEST(OpenAiScan, BoundsInputByBytesAndImages) {
  const Scanned plain = chat(R"("messages":[{"role":"user","content":"hi"}])");
  EXPECT_EQ(plain.dialect.input_token_bound(plain.text.size(), plain.fields),
            std::int64_t(plain.text.size()) + 512);
  const std::string data(100'000, 'A');
  const Scanned image = chat(
      R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,)" +
      data + R"("}}]}])");
  EXPECT_EQ(image.fields.inline_images, 1);
  EXPECT_LT(image.dialect.input_token_bound(image.text.size(), image.fields), 51'000);
  EXPECT_GT(chat(R"("prediction":{"type":"content","content":"abc"})").fields.extra_output_bound,
            3);
}

TEST(OpenAiScan, SeesTokenIdsInEmbeddings) {
  const auto opaque = [](const char* input) {
    return Scanned(DialectKind::openai, RequestKind::embeddings,
                   std::string(R"({"model":"e","input":)") + input + "}")
        .fields.has_opaque_text;
  };
  EXPECT_FALSE(opaque(R"("text")"));
  EXPECT_FALSE(opaque(R"(["a","b"])"));
  EXPECT_TRUE(opaque("[1,2]"));
  EXPECT_TRUE(opaque(R"([[1],[2]])"));
  EXPECT_TRUE(opaque(R"(["a",[2]])"));
}

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
