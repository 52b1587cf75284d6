#include <gmock/gmock.h>

#include "dialect_fixture.hpp"

namespace tollgate::protocol {
namespace {

using llm::CacheWrites;
using llm::CapField;
using llm::DialectKind;
using llm::RequestKind;
using test::messages;
using test::Scanned;

std::string with_messages(std::string members) {
  if (members.find("\"messages\"") != members.npos) return members;
  return members + (members.empty() ? "" : ",") + R"("messages":[])";
}

TEST(AnthropicScan, RefusesGovernedFieldsOfTheWrongType) {
  struct Case {
    const char* members;
    const char* param;
  };
  const Case cases[] = {
      {"", "ok"},
      {R"("max_tokens":"5")", "max_tokens"},
      {R"("max_tokens":-5)", "max_tokens"},
      {R"("max_tokens":0)", "ok"},
      {R"("stream":"yes")", "stream"},
      {R"("metadata":"x")", "metadata"},
      {R"("metadata":{"user_id":5})", "metadata.user_id"},
      {R"("metadata":{"user_id":null})", "ok"},
      {R"("tools":"x")", "tools"},
      {R"("tools":[1])", "tools"},
      {R"("tools":[{"name":[]}])", "tools"},
      {R"("service_tier":{})", "service_tier"},
      {R"("speed":1)", "speed"},
      {R"("inference_geo":["us"])", "inference_geo"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(messages(with_messages(c.members)).refused_param(), c.param) << c.members;
  EXPECT_EQ(messages("").refused_param(), "messages");
  EXPECT_EQ(messages(R"("messages":"hi")").refused_param(), "messages");
  EXPECT_EQ(messages(R"("messages":null)").refused_param(), "messages");
  EXPECT_EQ(Scanned(DialectKind::anthropic, RequestKind::messages, "{}").refused_param(), "model");
  EXPECT_EQ(
      Scanned(DialectKind::anthropic, RequestKind::count_tokens, R"({"model":1})").refused_param(),
      "model");
  EXPECT_EQ(Scanned(DialectKind::anthropic, RequestKind::other_json, "{}").refused_param(), "ok");
}

TEST(AnthropicScan, RefusesGovernedNamesInOtherLetterCase) {
  for (const char* const key : {"Model", "MAX_TOKENS",
                                "max_to\xE2\x84\xAA"
                                "ens",
                                "Stream", "System", "Tools", "Metadata",
                                "\xC5\xBF"
                                "peed",
                                "Inference_Geo", "Service_tier", "Thinking", "Messages",
                                "MCP_servers", "Context_Management"}) {
    EXPECT_EQ(messages(R"("messages":[],")" + std::string(key) + "\":1").refused_param(), key);
  }
  EXPECT_EQ(messages(R"("messages":[],"X":1,"Top_P":1,"maxTokens":9)").refused_param(), "ok");
}

TEST(AnthropicScan, TellsWhatTheBodyDoesNotBound) {
  struct Case {
    const char* members;
    bool unbounded;
  };
  const auto block = [](const std::string& json) {
    return R"("messages":[{"role":"user","content":[)" + json + "]}]";
  };
  const std::string document_with = R"({"type":"document","source":)";
  const std::pair<std::string, bool> cases[] = {
      {R"("messages":[{"role":"user","content":"x"}])", false},
      {block(R"({"type":"text","text":"x"})"), false},
      {block(R"({"type":"image","source":{"type":"base64","data":"AA"}})"), false},
      {block(R"({"type":"image","source":{"type":"url","url":"https://x"}})"), false},
      {block(R"({"type":"image","source":{"type":"file","file_id":"f"}})"), true},
      {block(
           R"({"type":"tool_result","content":[{"type":"image","source":{"type":"url","url":"u"}}]})"),
       false},
      {block(
           R"({"type":"tool_result","content":[{"type":"image","source":{"type":"file","file_id":"f"}}]})"),
       true},
      {block(R"({"type":"tool_result","content":"text"})"), false},
      {block(document_with + R"({"type":"text","data":"x"}})"), false},
      {block(document_with + R"({"type":"base64","data":"JVBERi0="}})"), false},
      {block(document_with + R"({"type":"base64"}})"), true},
      {block(document_with + R"({"type":"url","url":"u"}})"), true},
      {block(document_with + R"({"type":"file","file_id":"f"}})"), true},
      {block(document_with + R"({"type":"content","content":[{"type":"text","text":"a"}]}})"),
       false},
      {block(document_with +
             R"({"type":"content","content":[{"type":"image","source":{"type":"file"}}]}})"),
       true},
      {block(R"({"type":"container_upload","file_id":"f"})"), true},
      {block(R"({"type":"hologram"})"), true},
      {block(R"({"type":"thinking","thinking":"t","signature":"s"})"), false},
      {R"("system":[{"type":"text","text":"x"}])", false},
      {R"("tools":[{"name":"a","input_schema":{}}])", false},
      {R"("tools":[{"type":"custom","name":"a"}])", false},
      {R"("tools":[{"type":"bash_20250124","name":"bash"},{"type":"text_editor_20250728","name":"e"}])",
       false},
      {R"("tools":[{"type":"web_search_20250305","name":"web_search"}])", true},
      {R"("tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}])", false},
      {R"("tools":[{"type":"web_search_20250305","name":"web_search","max_uses":null}])", true},
      {R"("tools":[{"type":"web_search_20250305","name":"web_search","max_uses":-1}])", true},
      {R"("tools":[{"type":"code_execution_20250825","name":"c","max_uses":3}])", true},
      {R"("tools":[{"type":"code_execution_20250825","name":"c"}])", true},
      {R"("tools":[{"type":"mcp_toolset","mcp_server_name":"s"}])", true},
      {R"("container":"c_1")", true},
      {R"("container":null)", false},
      {R"("mcp_servers":[{"url":"https://x"}])", true},
      {R"("mcp_servers":[])", false},
      {R"("service_tier":"auto")", false},
      {R"("service_tier":"priority")", false},
      {R"("speed":"fast")", false},
      {R"("inference_geo":"us")", false},
      {R"("inference_geo":"global")", false},
      {R"("context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]})", false},
      {R"("context_management":{"edits":[{"type":"compact_20260112"}]})", true},
      {R"("compaction":{"type":"auto"})", true},
      {R"("compaction":null)", false},
  };
  for (const auto& [members, unbounded] : cases) {
    const Scanned request = messages(with_messages(members));
    EXPECT_EQ(request.refused_param(), "ok") << members;
    EXPECT_EQ(request.fields.has_unbounded_input(), unbounded) << members;
  }
}

TEST(AnthropicScan, TellsHowTheCallAsksToBeServed) {
  const Scanned request = messages(
      with_messages(R"("service_tier":"standard_only","speed":"fast","inference_geo":"us")"));
  EXPECT_EQ(request.fields.service_tier, "standard_only");
  EXPECT_EQ(request.fields.speed, "fast");
  EXPECT_EQ(request.fields.inference_geo, "us");
  EXPECT_EQ(messages(with_messages(R"("speed":null)")).fields.speed, "");
}

TEST(AnthropicScan, FindsTheDearestCacheWrite) {
  const std::pair<const char*, CacheWrites> cases[] = {
      {R"("messages":[{"role":"user","content":"cache_control"}])", CacheWrites::none},
      {R"("cache_control":{"type":"ephemeral"})", CacheWrites::five_minutes},
      {R"("cache_control":null)", CacheWrites::none},
      {R"("system":[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"5m"}}])",
       CacheWrites::five_minutes},
      {R"("tools":[{"name":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}])",
       CacheWrites::any},
      {R"("messages":[{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"y","cache_control":{"type":"ephemeral"}}]}])",
       CacheWrites::any},
      {R"("messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"2d"}}]}]}])",
       CacheWrites::any},
  };
  for (const auto& [members, writes] : cases)
    EXPECT_EQ(messages(members).fields.cache_writes, writes) << members;
}

TEST(AnthropicScan, BoundsInput) {
  const Scanned plain = messages(R"("system":"x")");
  EXPECT_EQ(plain.dialect.text_token_bound(plain.text.size(), plain.fields),
            std::int64_t(plain.text.size()) + 1024);
  const Scanned tools = messages(
      R"("tools":[{"name":"a"},{"type":"bash_20250124","name":"b"},{"type":"custom","name":"c"}])");
  EXPECT_EQ(tools.dialect.text_token_bound(tools.text.size(), tools.fields),
            std::int64_t(tools.text.size()) + 2048);
}

// "`max_tokens` must be greater than `thinking.budget_tokens`": below that no cap can be lowered.
TEST(AnthropicScan, AThinkingBudgetIsTheLeastCap) {
  const auto least = [](const char* members) {
    return messages(with_messages(members)).fields.least_output_cap;
  };
  EXPECT_EQ(least(R"("thinking":{"type":"enabled","budget_tokens":31999})"), 32'000);
  for (const char* none :
       {R"("thinking":{"type":"disabled"})", R"("thinking":null)",
        R"("thinking":{"type":"adaptive"})", R"("thinking":{"budget_tokens":"x"})"})
    EXPECT_EQ(least(none), 0) << none;
}

TEST(AnthropicScan, FindsMediaAndUsesOfServerTools) {
  const Scanned request =
      messages(R"("messages":[{"role":"user","content":[)"
               R"({"type":"image","source":{"type":"base64","data":"AAAA"}},)"
               R"({"type":"image","source":{"type":"url","url":"https://x"}},)"
               R"({"type":"document","source":{"type":"base64","data":"BBBBBB"}}]}],)"
               R"("tools":[{"type":"web_search_20250305","name":"s","max_uses":3},)"
               R"({"type":"web_fetch_20250910","name":"f","max_uses":2}])");
  EXPECT_EQ(request.fields.media.images, 2);
  EXPECT_EQ(request.fields.media.documents, 1);
  ASSERT_EQ(request.fields.media.encoded.size(), 2u);
  EXPECT_EQ(request.fields.media.encoded[1].text(), "BBBBBB");
  EXPECT_EQ(request.fields.media.encoded_bytes, 6 + 8);
  EXPECT_EQ(request.fields.media.server_tool_uses, 5);
  EXPECT_EQ(request.fields.media.web_searches, 3);
}

TEST(AnthropicEdit, LowersOrAddsTheCap) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("max_tokens":100)", R"({"model":"m","max_tokens":50})"},
      {R"("max_tokens":20)", R"({"model":"m","max_tokens":20})"},
      {"", R"({"model":"m","max_tokens":50})"},
      {R"("max_tokens":null)", R"({"model":"m","max_tokens":50})"},
  };
  for (const auto& [before, after] : cases) {
    const Scanned request = messages(before);
    json::Splicer edits(request.document);
    EXPECT_TRUE(
        request.dialect.set_output_cap(request.fields, edits, 50, CapField::max_completion_tokens));
    EXPECT_EQ(edits.str(), after);
    EXPECT_FALSE(request.dialect.include_usage(request.fields, edits));
  }
  const Scanned count(DialectKind::anthropic, RequestKind::count_tokens, R"({"model":"m"})");
  json::Splicer edits(count.document);
  EXPECT_FALSE(count.dialect.set_output_cap(count.fields, edits, 50, CapField::max_tokens));
  EXPECT_TRUE(edits.empty());
}

}  // namespace
}  // namespace tollgate::protocol
