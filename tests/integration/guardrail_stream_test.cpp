// Guardrails on streams of the odder hosts: text in parts, and text behind what said it was over.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kPath = "/v1/chat/completions";
// Built at run time so that no scanner takes this file for a leak.
const std::string kAwsKey = std::string("AKIA") + "IOSFODNN7EXAMPLE";
const std::string kMasked = "[REDACTED:api_key]";
const std::string kCredential{kProviderKey};

json delta_event(const json& delta, const json& finish = nullptr) {
  return {{"id", "c"},
          {"object", "chat.completion.chunk"},
          {"model", "m"},
          {"choices", {{{"index", 0}, {"delta", delta}, {"finish_reason", finish}}}}};
}
std::string text_delta(const std::string& text) {
  return sse_data(delta_event({{"content", text}}).dump());
}
std::string finish_delta() {
  return sse_data(delta_event(json::object(), "stop").dump());
}
std::string usage_event() {
  return sse_data(R"({"id":"c","object":"chat.completion.chunk","model":"m","choices":[],)"
                  R"("usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}})");
}

/// Everything an agent can join of a delta's member: strings, and the strings of lists of parts.
void join_text(const json& value, std::string& out) {
  if (value.is_string()) {
    out += value.get<std::string>();
  } else if (value.is_structured()) {
    for (const auto& [key, part] : value.items())
      if (key != "type") join_text(part, out);
  }
}

class GuardedStream : public ::testing::Test {
 protected:
  FakeUpstream upstream;
  Daemon daemon{std::string(kOneProvider) + "default_guardrails: [default]\n",
                {.variables = {{"UP", upstream.url()}}}};

  struct Heard {
    std::string text, reasoning, other_reasoning, arguments, raw, error;
    bool done = false;
  };
  Heard hear(std::vector<std::string> wire) {
    upstream.on("POST", kPath, {Answer::sse(std::move(wire))});
    RawClient client = daemon.connect();
    client.send(
        daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":500,"stream":true)")));
    EXPECT_EQ(client.read_head().status, 200);
    Heard heard;
    for (const SseEvent& event : client.all_events()) {
      heard.raw += event.raw;
      heard.done = heard.done || event.data == "[DONE]";
      const json value = json::parse(event.data, nullptr, false);
      if (!value.is_object()) continue;
      if (value.contains("error")) heard.error = value["error"].value("code", "");
      for (const json& choice : value.value("choices", json::array())) {
        const json delta = choice.value("delta", json::object());
        if (delta.contains("content")) join_text(delta["content"], heard.text);
        if (delta.contains("reasoning_content"))
          join_text(delta["reasoning_content"], heard.reasoning);
        if (delta.contains("reasoning")) join_text(delta["reasoning"], heard.other_reasoning);
        if (delta.contains("tool_calls"))
          join_text(delta["tool_calls"][0]["function"]["arguments"], heard.arguments);
      }
    }
    return heard;
  }
};

TEST_F(GuardedStream, TextInPartsIsMaskedAtEveryCut) {
  const std::string text = "the key " + kAwsKey + ", ok";
  const auto part = [](const std::string& piece) {
    return json::array({{{"type", "text"}, {"text", piece}}});
  };
  struct Form {
    const char* what;
    std::function<json(const std::string&)> delta;
    std::string Heard::*joined;
  };
  const Form forms[] = {
      {"parts",
       [&](const std::string& p) {
         return json{{"content", part(p)}};
       },
       &Heard::text},
      {"a part in two",
       [&](const std::string& p) {
         json both = part(p.substr(0, p.size() / 2));
         both.push_back(part(p.substr(p.size() / 2))[0]);
         return json{{"content", both}};
       },
       &Heard::text},
      {"thinking",
       [&](const std::string& p) {
         return json{{"content", {{{"type", "thinking"}, {"thinking", part(p)}}}}};
       },
       &Heard::text},
      {"reasoning",
       [&](const std::string& p) {
         return json{{"reasoning_content", part(p)}};
       },
       &Heard::reasoning},
  };
  for (const Form& form : forms) {
    for (std::size_t cut = 9; cut < text.size(); cut += 2) {
      SCOPED_TRACE(std::string(form.what) + " at " + std::to_string(cut));
      const Heard heard = hear({sse_data(delta_event(form.delta(text.substr(0, cut))).dump()),
                                sse_data(delta_event(form.delta(text.substr(cut))).dump()),
                                finish_delta(), usage_event(), sse_data("[DONE]")});
      ASSERT_EQ(heard.*form.joined, "the key " + kMasked + ", ok") << heard.raw;
      ASSERT_TRUE(heard.done);
    }
  }
  // From a string into parts and back.
  const Heard mixed = hear({text_delta("the key AKIAIOSF"),
                            sse_data(delta_event({{"content", part("ODNN7EX")}}).dump()),
                            text_delta("AMPLE, ok"), finish_delta(), sse_data("[DONE]")});
  EXPECT_EQ(mixed.text, "the key " + kMasked + ", ok") << mixed.raw;
  const Heard credential =
      hear({sse_data(delta_event({{"content", part("is " + kCredential.substr(0, 20))}}).dump()),
            sse_data(delta_event({{"content", part(kCredential.substr(20) + "!")}}).dump()),
            finish_delta(), sse_data("[DONE]")});
  EXPECT_EQ(credential.text, "is [REDACTED:provider_credential]!") << credential.raw;
}

TEST_F(GuardedStream, CountsOnTheWayDoNotEndAText) {
  for (const std::string& secret : {kAwsKey, kCredential}) {
    for (std::size_t cut = 1; cut < secret.size(); cut += 3) {
      SCOPED_TRACE(cut);
      const Heard heard = hear({text_delta("is " + secret.substr(0, cut)), usage_event(),
                                text_delta(secret.substr(cut) + " ok"), finish_delta(),
                                usage_event(), sse_data("[DONE]")});
      ASSERT_EQ(heard.raw.find(secret), std::string::npos);
      ASSERT_EQ(heard.text, secret == kAwsKey ? "is " + kMasked + " ok"
                                              : "is [REDACTED:provider_credential] ok")
          << heard.raw;
      ASSERT_TRUE(heard.done);
    }
  }
}

TEST_F(GuardedStream, ASecretThatGoesOnBehindAFinishReasonEndsTheStream) {
  for (const std::string& secret : {kAwsKey, kCredential}) {
    for (const std::string& end : {finish_delta(), finish_delta() + usage_event()}) {
      for (std::size_t cut = 4; cut < secret.size(); cut += 5) {
        SCOPED_TRACE(cut);
        const Heard heard =
            hear({text_delta("is " + secret.substr(0, cut)), end, text_delta(secret.substr(cut)),
                  text_delta(" ok"), finish_delta(), sse_data("[DONE]")});
        ASSERT_EQ(heard.text, "is " + secret.substr(0, cut)) << heard.raw;
        ASSERT_EQ(heard.error, secret == kAwsKey ? "guardrail_blocked" : "upstream_invalid")
            << heard.raw;
        ASSERT_FALSE(heard.done);
      }
    }
  }
  // Some hosts say so with every chunk: what is no secret goes on.
  const Heard harmless = hear({text_delta("Dear AKI"), finish_delta(), text_delta("A, 4000 "),
                               finish_delta(), text_delta("dollars to " + kAwsKey), finish_delta(),
                               text_delta("."), usage_event(), sse_data("[DONE]")});
  EXPECT_EQ(harmless.text, "Dear AKIA, 4000 dollars to " + kMasked + ".");
  EXPECT_TRUE(harmless.done);
}

/// Some hosts send it under an old name and a new one.
TEST_F(GuardedStream, TheSameTextUnderTwoNamesIsTwoTexts) {
  const std::string text = "We need the key " + kAwsKey + " to answer now.";
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    std::vector<std::string> wire;
    for (const std::string& piece : {text.substr(0, cut), text.substr(cut)})
      wire.push_back(
          sse_data(delta_event({{"reasoning_content", piece}, {"reasoning", piece}}).dump()));
    wire.push_back(finish_delta());
    wire.push_back(sse_data("[DONE]"));
    const Heard heard = hear(wire);
    ASSERT_EQ(heard.reasoning, "We need the key " + kMasked + " to answer now.") << heard.raw;
    ASSERT_EQ(heard.other_reasoning, heard.reasoning) << heard.raw;
  }
}

TEST_F(GuardedStream, AProvidersCredentialSpelledInArgumentsDoesNotPass) {
  const std::string hidden = kCredential.substr(0, 7) + "\\u00" +
                             (kCredential[7] == 'r' ? "72" : "2d") + kCredential.substr(8);
  ASSERT_EQ(json::parse('"' + hidden + '"', nullptr, false), kCredential);
  const std::string source = R"({"q":")" + hidden + R"("})";
  for (const std::size_t size : {1u, 7u, 1000u}) {
    std::vector<std::string> wire;
    for (std::size_t at = 0; at < source.size(); at += size)
      wire.push_back(sse_data(
          delta_event({{"tool_calls",
                        {{{"index", 0}, {"function", {{"arguments", source.substr(at, size)}}}}}}})
              .dump()));
    wire.push_back(sse_data(delta_event(json::object(), "tool_calls").dump()));
    wire.push_back(sse_data("[DONE]"));
    const Heard heard = hear(wire);
    EXPECT_EQ(heard.error, "upstream_invalid") << heard.raw;
    EXPECT_EQ(heard.arguments.find(hidden), std::string::npos) << heard.raw;
    EXPECT_FALSE(heard.done);
  }
  // In a whole answer it can be taken out.
  const json answer = {{"id", "c"},
                       {"model", "m"},
                       {"choices",
                        {{{"index", 0},
                          {"finish_reason", "tool_calls"},
                          {"message",
                           {{"role", "assistant"},
                            {"tool_calls",
                             {{{"id", "call_1"},
                               {"type", "function"},
                               {"function", {{"name", "send"}, {"arguments", source}}}}}}}}}}}};
  upstream.on("POST", kPath, {Answer::json(200, answer.dump())});
  const Response whole = daemon.post(kPath, chat_request("m", "hi"));
  const json read = json::parse(whole.body);
  EXPECT_EQ(json::parse(read["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
                            .get<std::string>())["q"],
            "[REDACTED:provider_credential]")
      << whole.body;
}

TEST_F(GuardedStream, EscapesInArgumentsHideNothingAndStay) {
  const std::string source = R"({"header":"caf\u00e9\/key\u003d\u0041)" + kAwsKey.substr(1, 9) +
                             R"(\u004e)" + kAwsKey.substr(11) + R"(\u0026x=1"})";
  const auto delta = [](const std::string& piece) {
    return sse_data(
        delta_event({{"tool_calls", {{{"index", 0}, {"function", {{"arguments", piece}}}}}}})
            .dump());
  };
  for (std::size_t cut = 1; cut < source.size(); ++cut) {
    SCOPED_TRACE(cut);
    const Heard heard =
        hear({delta(source.substr(0, cut)), delta(source.substr(cut)),
              sse_data(delta_event(json::object(), "tool_calls").dump()), sse_data("[DONE]")});
    ASSERT_EQ(heard.arguments, R"({"header":"caf\u00e9\/key\u003d)" + kMasked + R"(\u0026x=1"})");
  }
}

}  // namespace
}  // namespace tollgate::testing
