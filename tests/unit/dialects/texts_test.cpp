// Whatever the model or the agent will read is found, also where somebody hides it.
#include <gmock/gmock.h>

#include "dialect_fixture.hpp"

namespace tollgate::protocol {
namespace {

using test::chat;
using test::messages;
using test::Scanned;

bool finds(const Scanned& request, std::string_view needle) {
  for (const std::string& line : request.texts()) {
    if (line.find(needle) != line.npos) return true;
  }
  return false;
}

TEST(Texts, OpenAiPlacesThatAreRead) {
  const char* cases[] = {
      R"("messages":[{"role":"user","content":"NEEDLE"}])",
      R"("messages":[{"role":"user","content":"data:NEEDLE"}])",
      R"("messages":[{"role":"user","name":"NEEDLE","content":""}])",
      R"("messages":[{"role":"user","content":["NEEDLE"]}])",
      R"("messages":"NEEDLE")",
      R"("messages":["NEEDLE"])",
      R"("messages":[{"role":"user","content":[{"type":"text","text":"NEEDLE"}]}])",
      R"("messages":[{"role":"user","content":[{"type":"text","text":"data:NEEDLE"}]}])",
      R"("messages":[{"role":"user","content":[{"type":"unheard_of","inner":{"deep":["NEEDLE"]}}]}])",
      R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/?q=NEEDLE"}}]}])",
      R"("messages":[{"role":"user","content":[{"type":"text","type2":"x","id":"an id with NEEDLE words"}]}])",
      R"("messages":[{"role":"user says NEEDLE","content":""}])",
      R"("messages":[{"role":"tool","tool_call_id":"c","content":"NEEDLE"}])",
      R"("messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":\"NEEDLE\"}"}}]}])",
      R"("messages":[{"role":"assistant","function_call":{"name":"f","arguments":"NEEDLE"}}])",
      R"("messages":[{"role":"assistant","reasoning_content":"NEEDLE"}])",
      R"("messages":[{"role":"assistant","refusal":"NEEDLE"}])",
      R"("messages":[{"role":"assistant","x_unknown":"NEEDLE"}])",
      R"("messages":[{"role":"user","c\u006fntent":"NEEDLE"}])",
      R"("messages":[{"role":"user","\u0069d":"NEEDLE"}])",
      R"("tools":[{"type":"function","function":{"name":"f","description":"NEEDLE"}}])",
      R"("tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"signature":{"description":"NEEDLE"}}}}}])",
      R"("tools":[{"type":"function","function":{"parameters":{"enum":["NEEDLE"]}}}])",
      R"("tools":[{"type":"function","function":{"parameters":{"required":["has NEEDLE inside"]}}}])",
      R"("functions":[{"name":"f","description":"NEEDLE"}])",
      R"("response_format":{"type":"json_schema","json_schema":{"description":"NEEDLE"}})",
      R"("prediction":{"type":"content","content":"NEEDLE"})",
      R"("instructions":"NEEDLE")",
      R"("input":"NEEDLE")",
      R"("input":["NEEDLE"])",
      R"("input":[{"type":"function_call_output","call_id":"c","output":"NEEDLE"}])",
      R"("prompt":"NEEDLE")",
      R"("prompt":["a","NEEDLE"])",
      R"("some_new_field":{"text":"NEEDLE"})",
  };
  for (const char* members : cases) EXPECT_TRUE(finds(chat(members), "NEEDLE")) << members;
}

/// NEEDLE in something that is long enough to be an encoding.
std::string encoded(std::string members) {
  for (std::size_t at = 0; (at = members.find("NEEDLE", at)) != members.npos; at += 100)
    members.replace(at, 6, "NEEDLE" + std::string(94, 'A'));
  return members;
}

TEST(Texts, OpenAiPlacesThatAreNot) {
  const char* cases[] = {
      R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,NEEDLE"}}]}])",
      R"("messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"NEEDLE","format":"wav"}}]}])",
      R"("messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"NEEDLE"}}]}])",
  };
  for (const char* members : cases) {
    EXPECT_FALSE(finds(chat(encoded(members)), "NEEDLE")) << members;
    EXPECT_TRUE(finds(chat(members), "NEEDLE")) << "too short to be an encoding: " << members;
  }
  EXPECT_FALSE(finds(chat(""), "m"));
}

TEST(Texts, OpenAiParametersAndTagsAreRead) {
  const char* cases[] = {
      R"("messages":[{"role":"NEEDLE","content":""}])",
      R"("messages":[{"role":"tool","tool_call_id":"NEEDLE","content":""}])",
      R"("messages":[{"role":"user","content":[{"type":"NEEDLE"}]}])",
      R"("messages":[{"role":"user","content":[{"type":"text","signature":"NEEDLE in words"}]}])",
      R"("user":"NEEDLE")",
      R"("metadata":{"a":"NEEDLE"})",
      R"("metadata":{"NEEDLE":"a"})",
      R"("stop":["NEEDLE"])",
      R"("service_tier":"NEEDLE")",
      R"("tool_choice":{"function":{"name":"NEEDLE"}})",
      R"("prompt_cache_key":"NEEDLE")",
      R"("stream_options":{"x":"NEEDLE"})",
      R"("tools":[{"type":"function","function":{"parameters":{"properties":{"NEEDLE":{}}}}}])",
      R"("tools":[{"type":"function","function":{"parameters":{"required":["NEEDLE"]}}}])",
  };
  for (const char* members : cases) EXPECT_TRUE(finds(chat(members), "NEEDLE")) << members;
}

TEST(Texts, AnthropicPlacesThatAreRead) {
  const char* cases[] = {
      R"("system":"NEEDLE")",
      R"("system":[{"type":"text","text":"NEEDLE"}])",
      R"("messages":[{"role":"user","content":"NEEDLE"}])",
      R"("messages":"NEEDLE")",
      R"("messages":[{"role":"user","content":["NEEDLE"]}])",
      R"("messages":[{"role":"user","content":[{"type":"text","text":"NEEDLE"}]}])",
      R"("messages":[{"role":"user","content":[{"type":"tool_result","content":"NEEDLE"}]}])",
      R"("messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"NEEDLE"}]}]}])",
      R"("messages":[{"role":"user","content":[{"type":"tool_result","content":{"type":"x","text":"NEEDLE"}}]}])",
      R"("messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"a":"NEEDLE"}}]}])",
      R"("messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"NEEDLE":1}}]}])",
      R"("messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"type":"NEEDLE","id":"x"}}]}])",
      R"("messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"signature":"NEEDLE"}}]}])",
      R"("messages":[{"role":"assistant","content":[{"type":"server_tool_use","input":{"query":"NEEDLE"}}]}])",
      R"("messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"NEEDLE","signature":"s"}]}])",
      R"("messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","data":"NEEDLE"}}]}])",
      R"("messages":[{"role":"user","content":[{"type":"document","title":"NEEDLE","source":{"type":"text","data":""}}]}])",
      R"("messages":[{"role":"user","content":[{"type":"web_search_tool_result","content":[{"type":"web_search_result","title":"NEEDLE"}]}]}])",
      R"("messages":[{"role":"user","content":[{"type":"future","payload":{"x":"NEEDLE"}}]}])",
      R"("tools":[{"name":"a","description":"NEEDLE"}])",
      R"("tools":[{"name":"a","input_schema":{"properties":{"id":{"description":"NEEDLE"}}}}])",
      R"("output_config":{"format":{"type":"json_schema","schema":{"description":"NEEDLE"}}})",
      R"("brand_new":"NEEDLE")",
  };
  for (const char* members : cases) EXPECT_TRUE(finds(messages(members), "NEEDLE")) << members;
  const Scanned card = messages(
      R"("messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"card":4111111111111111}}]}])");
  EXPECT_TRUE(finds(card, "4111111111111111"));
}

TEST(Texts, AnthropicPlacesThatAreNot) {
  const char* cases[] = {
      R"("messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"NEEDLE"}}]}])",
      R"("messages":[{"role":"assistant","content":[{"type":"redacted_thinking","data":"NEEDLE"}]}])",
      R"("messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"NEEDLE"}]}])",
      R"("messages":[{"role":"user","content":[{"type":"web_search_tool_result","content":[{"encrypted_content":"NEEDLE"}]}]}])",
  };
  for (const char* members : cases) {
    EXPECT_FALSE(finds(messages(encoded(members)), "NEEDLE")) << members;
    EXPECT_TRUE(finds(messages(members), "NEEDLE")) << "too short to be an encoding: " << members;
  }
}

TEST(Texts, AnthropicParametersAndTagsAreRead) {
  const char* cases[] = {
      R"("messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"NEEDLE","content":"x"}]}])",
      R"("messages":[{"role":"assistant","content":[{"type":"tool_use","id":"NEEDLE","input":{}}]}])",
      R"("metadata":{"user_id":"NEEDLE"})",
      R"("metadata":{"NEEDLE":"a"})",
      R"("stop_sequences":["NEEDLE"])",
      R"("container":"NEEDLE")",
      R"("mcp_servers":[{"url":"https://NEEDLE"}])",
      R"("tools":[{"name":"a","input_schema":{"properties":{"NEEDLE":{}}}}])",
  };
  for (const char* members : cases) EXPECT_TRUE(finds(messages(members), "NEEDLE")) << members;
}

TEST(Texts, WhatMayNotChangeIsReadOnly) {
  const Scanned thinking = messages(
      R"("messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"deep","signature":"s"}]}])");
  EXPECT_THAT(thinking.texts(),
              testing::ElementsAre("tag: assistant", "tag read-only: thinking",
                                   "reasoning read-only: deep", "reasoning read-only: s"));
  const Scanned schema = messages(R"("tools":[{"name":"f"}])");
  EXPECT_THAT(schema.texts(),
              testing::ElementsAre("tool_definition key read-only: name", "tool_definition: f"));
}

std::vector<std::string> odd_keys_of_answer(llm::DialectKind kind, std::string_view body) {
  json::Document document;
  EXPECT_FALSE(document.parse(body).has_error()) << body;
  std::vector<llm::TextSpan> spans;
  llm::dialect(kind).response_texts(document, spans);
  std::vector<std::string> out;
  for (const llm::TextSpan& span : spans) {
    if (!span.ref.is_key) continue;
    EXPECT_TRUE(span.read_only) << "two that are masked would be one";
    out.emplace_back(span.ref.node.key());
  }
  return out;
}

std::vector<std::string> odd_keys_of_event(llm::DialectKind kind, std::string_view data) {
  json::Document document;
  sse::Event event;
  event.data = data;
  event.has_data = true;
  llm::Usage usage;
  llm::StreamEvent said;
  llm::dialect(kind).read_event(event, document, usage, said);
  std::vector<std::string> out;
  for (const llm::TextPiece& piece : said.pieces)
    if (piece.is_key) out.emplace_back(piece.node.key());
  return out;
}

/// Of every object of an answer, whatever surrounds it; names as the APIs give them are none.
TEST(Texts, KeysThatAreNoPlainNamesAreRead) {
  const std::string odd = "NEEDLE-1";
  const auto with = [&odd](std::string text) {
    for (std::size_t at; (at = text.find('@')) != std::string::npos;)
      text.replace(at, 1, "\"" + odd + "\":1,");
    return text;
  };
  using K = llm::DialectKind;
  const std::string openai =
      R"({@"id":"c","choices":[{@"index":0,"message":{@"role":"assistant",)"
      R"("content":[{@"type":"text"}],"audio":{@"data":"x"},"tool_calls":[{@)"
      R"("id":"t","function":{@"name":"f"}}]}}],"usage":{@"total_tokens":1,)"
      R"("prompt_tokens_details":{@"cached_tokens":0}}})";
  EXPECT_EQ(odd_keys_of_answer(K::openai, with(openai)), std::vector<std::string>(9, odd));
  const std::string claude =
      R"({@"id":"c","content":[{@"type":"text","text":"a","citations":[{@"url":"u"}]},{@)"
      R"("type":"tool_use","name":"f"},{@"type":"thinking","thinking":"a"}],)"
      R"("usage":{@"cache_creation":{@"ephemeral_5m_input_tokens":1}}})";
  EXPECT_EQ(odd_keys_of_answer(K::anthropic, with(claude)), std::vector<std::string>(7, odd));
  const std::string chunk =
      R"({@"id":"c","choices":[{@"index":0,"delta":{@"content":"a","tool_calls":[{@"index":0,)"
      R"("function":{@"arguments":"a"}}]},"logprobs":{@"content":[]}}],"usage":{@"total_tokens":1}})";
  EXPECT_EQ(odd_keys_of_event(K::openai, with(chunk)), std::vector<std::string>(7, odd));
  const std::string delta =
      R"({@"type":"content_block_delta","index":0,"delta":{@"type":"text_delta","text":"a"}})";
  EXPECT_EQ(odd_keys_of_event(K::anthropic, with(delta)), std::vector<std::string>(2, odd));
  const std::string plain =
      R"({"ephemeral_5m_input_tokens":1,"a_name_of_thirty_two_letters_xyz":1,)"
      R"("b64_json":"","":1,"id":1,"last":1})";
  EXPECT_THAT(odd_keys_of_answer(K::openai, plain), testing::IsEmpty());
  EXPECT_THAT(odd_keys_of_event(K::openai, plain), testing::IsEmpty());
  const std::string not_plain = R"({"a_name_of_thirty_three_letters_xyz":1,"AKIABC":1,"a@b.cd":1,)"
                                R"("a12345":1,"\u0061bc":1,"x-yz y":1,"a_long_one_ending_in.":1})";
  EXPECT_EQ(odd_keys_of_answer(K::openai, not_plain).size(), 7u);
  EXPECT_EQ(odd_keys_of_event(K::openai, not_plain).size(), 7u);
  for (const char* members :
       {R"("NEEDLE-1":1)", R"("messages":[{"role":"user","NEEDLE-1":1}])",
        R"("messages":[{"role":"user","content":[{"type":"text","NEEDLE-1":1}]}])",
        R"("unknown":{"deep":[{"NEEDLE-1":1}]})"}) {
    EXPECT_TRUE(finds(chat(members), "key read-only: NEEDLE-1")) << members;
    EXPECT_TRUE(finds(messages(members), "key read-only: NEEDLE-1")) << members;
  }
}

// A tag is not counted as generated: only a vendor's own fields are, not what a model wrote.
TEST(Texts, WhatAModelWroteIsNoTagWhateverItIsCalled) {
  const Scanned use = messages(
      R"("messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","input":{"id":"x","type":"y"}}]}])");
  EXPECT_THAT(use.texts(), testing::ElementsAre("tag: assistant", "tag: tool_use", "tag: t",
                                                "tool_arguments key: id", "tool_arguments: x",
                                                "tool_arguments key: type", "tool_arguments: y"));
}

}  // namespace
}  // namespace tollgate::protocol
