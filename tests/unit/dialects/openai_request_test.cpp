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

TEST(OpenAiScan, AFieldThatChatDoesNotHaveIsNoCap) {
  EXPECT_EQ(chat(R"("max_output_tokens":1)").fields.output_cap, std::nullopt);
  EXPECT_EQ(chat(R"("max_output_tokens":1,"max_tokens":9)").fields.output_cap, 9);
  EXPECT_EQ(chat(R"("max_output_tokens":99,"max_tokens":9)").fields.output_cap, 9);
  const Scanned responses(DialectKind::openai, RequestKind::other_json,
                          R"({"model":"m","input":"x","max_output_tokens":7})");
  EXPECT_EQ(responses.fields.output_cap, 7);
  const Scanned request = chat(R"("max_output_tokens":1)");
  json::Splicer edits(request.document);
  EXPECT_TRUE(request.dialect.set_output_cap(request.fields, edits, 50, CapField::max_tokens));
  EXPECT_EQ(edits.str(), R"({"model":"m","max_output_tokens":1,"max_tokens":50})");
}

TEST(OpenAiScan, RefusesGovernedNamesInOtherLetterCase) {
  for (const char* const key : {"Model",
                                "MODEL",
                                "Max_Tokens",
                                "MAX_COMPLETION_TOKENS",
                                "N",
                                "Best_of",
                                "Stream",
                                "stream_Options",
                                "Service_Tier",
                                "User",
                                "Safety_identifier",
                                "Metadata",
                                "Tools",
                                "Messages",
                                "max_to\u212Aens",
                                "me\u017F\u017Fages",
                                "max_to\xE2\x84\xAA"
                                "ens",
                                "u\xC5\xBF"
                                "er",
                                "\\u004dodel",
                                "\\u006Dode\\u004C"}) {
    const Scanned request = chat(R"("messages":[],"max_tokens":1,")" + std::string(key) + "\":1");
    EXPECT_EQ(request.result.has_value(), false) << key;
    EXPECT_NE(request.refused_param(), "") << key;
    EXPECT_NE(request.refused_param(), "ok") << key;
  }
  EXPECT_EQ(chat(R"("messages":[],"Model":"dear")").refused_param(), "Model");
  EXPECT_EQ(chat(R"("Model":"dear","messages":[])").refused_param(), "Model") << "wherever it is";
  const std::string text = chat(R"("messages":[],"MAX_TOKENS":9)").result.error().message();
  EXPECT_NE(text.find("`MAX_TOKENS`"), text.npos) << text;
  EXPECT_NE(text.find("`max_tokens`"), text.npos) << text;
  for (const RequestKind kind : {RequestKind::embeddings, RequestKind::other_json}) {
    EXPECT_EQ(Scanned(DialectKind::openai, kind, R"({"model":"m","input":"x","Model":"d"})")
                  .refused_param(),
              "Model");
  }
  // Names that fold to nothing governed, and names below the root, are the agent's own.
  for (const char* const members :
       {R"("X-Own":1)", R"("MODELS_OF_MINE":1)", R"("mod\u00e9l":1)", R"("mode\u0131":1)",
        R"("":1)", R"("tool_resources":{"Model":1,"N":2})", R"("maxTokens":1)",
        R"("A_name_that_is_longer_than_any_that_is_governed_by_us_or_by_anyone_else_around":1)"}) {
    EXPECT_EQ(chat(R"("messages":[],)" + std::string(members)).refused_param(), "ok") << members;
  }
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
       false},
      {R"("messages":[{"role":"user","content":[{"type":"image_url"}]}])", true},
      {R"("messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}]}])",
       false},
      {R"("messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"url":"https://x/y"}}]}])",
       true},
      {R"("messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"https://x/y"}}]}])",
       true},
      {R"("messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}])", true},
      {R"("messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,AA"}}]}])",
       false},
      {R"("messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,AA","file_id":"f"}}]}])",
       true},
      {R"("messages":[{"role":"user","content":[{"type":"file","file":{"file_url":"https://x/y.pdf"}}]}])",
       true},
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
      {R"("modalities":["text","audio"])", false},
      {R"("modalities":["text","image"])", true},
      {R"("audio":{"voice":"x"})", false},
      {R"("service_tier":"flex")", false},
      {R"("service_tier":"priority")", false},
  };
  for (const Case& c : cases) {
    const Scanned request = chat(with_messages(c.members));
    EXPECT_EQ(request.refused_param(), "ok") << c.members;
    EXPECT_EQ(request.fields.has_unbounded_input(), c.unbounded) << c.members;
  }
}

TEST(OpenAiScan, TellsWhatHasAPriceOfItsOwn) {
  const Scanned plain = chat(R"("modalities":["text"],"audio":null)");
  EXPECT_FALSE(plain.fields.has_audio_input);
  EXPECT_FALSE(plain.fields.has_audio_output);
  EXPECT_TRUE(chat(R"("modalities":["text","audio"])").fields.has_audio_output);
  EXPECT_TRUE(chat(R"("audio":{"voice":"x"})").fields.has_audio_output);
  const Scanned spoken = chat(with_messages(
      R"("messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}]}])"));
  EXPECT_TRUE(spoken.fields.has_audio_input);
  EXPECT_EQ(chat(R"("service_tier":"priority")").fields.service_tier, "priority");
}

// What stands where an image should is none by that alone.
TEST(OpenAiScan, OnlyImagesCountAsImages) {
  const auto with = [](const std::string& url) {
    return chat(
        R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":")" + url +
        R"("}}]}])");
  };
  const Scanned document = with("data:application/pdf;base64," + std::string(10'000, 'A'));
  EXPECT_EQ(document.fields.media.images, 0);
  EXPECT_EQ(document.fields.media.documents, 1);
  const Scanned other = with("data:video/mp4;base64," + std::string(10'000, 'A'));
  EXPECT_TRUE(other.fields.media.empty());
  EXPECT_GT(other.dialect.text_token_bound(other.text.size(), other.fields), 10'000);
  EXPECT_EQ(with("DATA:Image/PNG;base64,AAAA").fields.media.images, 1);
}

TEST(OpenAiScan, BoundsTextByBytesAndFindsMedia) {
  const Scanned plain = chat(R"("messages":[{"role":"user","content":"hi"}])");
  EXPECT_EQ(plain.dialect.text_token_bound(plain.text.size(), plain.fields),
            std::int64_t(plain.text.size()) + 512);
  EXPECT_TRUE(plain.fields.media.empty());
  const std::string data(100'000, 'A');
  const Scanned image = chat(
      R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,)" +
      data + R"("}}]}])");
  EXPECT_EQ(image.fields.media.images, 1);
  ASSERT_EQ(image.fields.media.encoded.size(), 1u);
  EXPECT_EQ(image.fields.media.encoded_bytes, 100'024);
  EXPECT_LT(image.dialect.text_token_bound(image.text.size(), image.fields), 700);
  const Scanned linked = chat(
      R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}])");
  EXPECT_EQ(linked.fields.media.images, 1);
  EXPECT_TRUE(linked.fields.media.encoded.empty());
  const Scanned spoken = chat(
      R"("messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":")" +
      data + R"(","format":"mp3"}}]}])");
  EXPECT_EQ(spoken.fields.media.audios, 1);
  EXPECT_EQ(spoken.fields.media.audio_bytes, 75'003);
  const Scanned filed = chat(
      R"("messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,)" +
      data + R"("}}]}])");
  EXPECT_EQ(filed.fields.media.documents, 1);
  EXPECT_LT(filed.dialect.text_token_bound(filed.text.size(), filed.fields), 700);
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

}  // namespace
}  // namespace tollgate::protocol
