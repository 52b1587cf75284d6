// Guardrails on the real wire: requests, answers, and streams cut anywhere.
#include <gtest/gtest.h>

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
const std::string kSecret = "sk-ant-" + std::string("api03-") + std::string(86, 'Q') + "AA";
const std::string kAwsKey = std::string("AKIA") + "IOSFODNN7EXAMPLE";

const char* const kGuarded = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}
keys:
  - {id: k1, digest: "@{digest:agent}", guardrails: [words]}
  - {id: k2, digest: "@{digest:mail}", guardrails: [mail]}
  - {id: k3, digest: "@{digest:ssn}", guardrails: [ssn]}
guardrails:
  mail: {detectors: {email: mask}}
  ssn:
    detectors: {email: mask}
    rules:
      - {name: ssn, regex: '"ssn": ?"[0-9-]+"', action: mask, replacement: "[ssn]"}
      - {name: password, regex: '"password": ?"[^"]+"', action: mask, replacement: "[password]"}
      - {name: key, regex: 'API_KEY=\S+', action: mask, replacement: "[key]"}
  words:
    rules:
      - {name: falcon, keyword: "Project Falcon", action: mask, replacement: "[falcon]"}
      - {name: forbidden, keyword: "xyzzy", action: block}
      - {name: ticket, regex: "TCK-[0-9]{4}", action: flag}
default_guardrails: [default]
)";

class Guardrails : public ::testing::Test {
 protected:
  FakeUpstream upstream;
  Daemon daemon{kGuarded, {.variables = {{"UP", upstream.url()}}}};

  std::string stream_text(const std::string& key_name = "agent") {
    RawClient client = daemon.connect();
    client.send(daemon.post_bytes(
        kPath, chat_request("m", "hi", R"(,"max_tokens":500,"stream":true)"), key_name));
    const Response head = client.read_head();
    EXPECT_EQ(head.status, 200) << head.raw_head;
    std::vector<std::string> data;
    for (const SseEvent& event : client.all_events()) {
      data.push_back(event.data);
      all_raw += event.raw;
    }
    EXPECT_FALSE(data.empty());
    if (!data.empty()) {
      EXPECT_EQ(data.back(), "[DONE]");
    }
    return joined_content(data);
  }
  std::string all_raw;
};

TEST_F(Guardrails, ASecretSplitOverDeltasAtEveryByteIsMasked) {
  for (std::size_t cut = 1; cut < kSecret.size(); ++cut) {
    SCOPED_TRACE(cut);
    upstream.on("POST", kPath,
                {Answer::sse(chat_stream(
                    {"the key is ", kSecret.substr(0, cut), kSecret.substr(cut), " so keep it"}))});
    all_raw.clear();
    const std::string text = stream_text();
    ASSERT_EQ(text, "the key is [REDACTED:api_key] so keep it");
    ASSERT_EQ(all_raw.find(kSecret.substr(0, 24)), std::string::npos);
  }
}

TEST_F(Guardrails, ASecretSplitOverTransportChunksAtEveryByteIsMasked) {
  std::string wire;
  for (const std::string& event : chat_stream({"key " + kAwsKey + " end"})) wire += event;
  const std::size_t begin = wire.find(kAwsKey);
  for (std::size_t cut = begin; cut <= begin + kAwsKey.size(); ++cut) {
    SCOPED_TRACE(cut);
    upstream.on("POST", kPath, {Answer::sse({wire.substr(0, cut), wire.substr(cut)}, 2ms)});
    ASSERT_EQ(stream_text(), "key [REDACTED:api_key] end");
  }
}

TEST_F(Guardrails, OneByteAtATimeIsMaskedToo) {
  std::vector<std::string> bytes;
  for (const char byte : "a " + kSecret + " b " + kAwsKey + " c") bytes.emplace_back(1, byte);
  upstream.on("POST", kPath, {Answer::sse(chat_stream(bytes))});
  EXPECT_EQ(stream_text(), "a [REDACTED:api_key] b [REDACTED:api_key] c");
  const Row row = daemon.rows(1).at(0);
  const json verdicts = json::parse(row.at("verdicts"));
  ASSERT_FALSE(verdicts.empty());
  EXPECT_EQ(verdicts[0]["action"], "mask");
  EXPECT_EQ(verdicts[0]["direction"], "response");
  EXPECT_EQ(verdicts.dump().find("AKIA"), std::string::npos);
  EXPECT_GE(daemon.metrics().value("tollgate_guardrail_verdicts_total", {{"action", "mask"}}), 2);
}

TEST_F(Guardrails, BenignTextWaitsForNoMoreThanItsUnfinishedWord) {
  upstream.on("POST", kPath,
              {Answer::sse(chat_stream({"alpha ", "beta ", "gamma ", "delta "}), 200ms)});
  RawClient client = daemon.connect();
  client.send(
      daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":50,"stream":true)")));
  const SteadyTime start = std::chrono::steady_clock::now();
  ASSERT_EQ(client.read_head().status, 200);
  std::vector<std::string> data;
  while (joined_content(data).find("alpha") == std::string::npos) {
    const auto event = client.next_event(2s);
    ASSERT_TRUE(event.has_value());
    data.push_back(event->data);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 390ms) << "before the second word was sent";
}

TEST_F(Guardrails, AnAnswerIsMaskedAndItsUsageAndShapeSurvive) {
  upstream.on("POST", kPath, {Answer::json(200, completion("Project Falcon uses " + kAwsKey))});
  const Response response = daemon.post(kPath, chat_request("m", "hi"));
  const json body = json::parse(response.body);
  EXPECT_EQ(body["choices"][0]["message"]["content"], "[falcon] uses [REDACTED:api_key]");
  EXPECT_EQ(body["usage"]["completion_tokens"], 5);
  EXPECT_EQ(response.header("content-length"), std::to_string(response.body.size()));
  EXPECT_EQ(daemon.rows(1).at(0).at("cost_nusd"), kCompletionCost);
}

TEST_F(Guardrails, ARequestIsMaskedBeforeTheProviderReadsIt) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  const Response response =
      daemon.post(kPath, chat_request("m", "Project Falcon, key " + kAwsKey + ", TCK-1234"));
  ASSERT_EQ(response.status, 200) << response.body;
  const std::string sent = upstream.requests().at(0).body;
  EXPECT_EQ(sent.find(kAwsKey), std::string::npos);
  EXPECT_NE(sent.find("[falcon], key [REDACTED:api_key], TCK-1234"), std::string::npos) << sent;
  const json verdicts = json::parse(daemon.rows(1).at(0).at("verdicts"));
  EXPECT_NE(verdicts.dump().find("ticket"), std::string::npos) << "flagged, and on record";
}

TEST_F(Guardrails, ABlockedRequestNeverLeavesAndABlockedAnswerNeverArrives) {
  upstream.on("POST", kPath, {Answer::json(200, completion("say xyzzy now"))});
  const Response blocked = daemon.post(kPath, chat_request("m", "please xyzzy"));
  EXPECT_EQ(blocked.status, 400);
  EXPECT_EQ(json::parse(blocked.body)["error"]["code"], "guardrail_blocked");
  EXPECT_EQ(blocked.body.find("xyzzy"), std::string::npos);
  EXPECT_EQ(upstream.request_count(), 0u);
  const Response answer = daemon.post(kPath, chat_request("m", "hi"));
  EXPECT_EQ(answer.status, 400) << answer.body;
  EXPECT_EQ(answer.body.find("xyzzy"), std::string::npos);
  const auto rows = daemon.exactly(2);
  EXPECT_EQ(rows.at(0).at("error_code"), "guardrail_blocked");
  EXPECT_EQ(rows.at(0).at("cost_nusd"), "0");
  EXPECT_EQ(rows.at(1).at("error_code"), "guardrail_blocked");
  EXPECT_EQ(rows.at(1).at("cost_nusd"), kCompletionCost) << "the provider did the work";
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

TEST_F(Guardrails, ABlockedStreamEndsWithAnErrorEventNeverTheText) {
  upstream.on("POST", kPath,
              {Answer::sse(chat_stream({"fine so far ", "xy", "zzy ", "and more"}), 5ms)});
  RawClient client = daemon.connect();
  client.send(
      daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":50,"stream":true)")));
  ASSERT_EQ(client.read_head().status, 200);
  std::vector<std::string> data;
  for (const SseEvent& event : client.all_events()) data.push_back(event.data);
  ASSERT_FALSE(data.empty());
  EXPECT_NE(data.back(), "[DONE]");
  EXPECT_EQ(json::parse(data.back())["error"]["code"], "guardrail_blocked");
  EXPECT_EQ(joined_content(data).find("xy"), std::string::npos);
  EXPECT_EQ(daemon.exactly(1).at(0).at("error_code"), "guardrail_blocked");
}

TEST_F(Guardrails, TwoChoicesOfOneStreamAreGuardedApart) {
  const auto delta = [](int index, const std::string& text) {
    return sse_data(
        R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":)" +
        std::to_string(index) + R"(,"delta":{"content":")" + text +
        R"("},"finish_reason":null}]})");
  };
  // Interleaved halves: neither choice alone holds a whole key in one piece.
  upstream.on(
      "POST", kPath,
      {Answer::sse({delta(0, "a " + kAwsKey.substr(0, 8)), delta(1, "b " + kAwsKey.substr(0, 5)),
                    delta(0, kAwsKey.substr(8) + " c"), delta(1, kAwsKey.substr(5) + " d"),
                    sse_data("[DONE]")})});
  RawClient client = daemon.connect();
  client.send(
      daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"n":2,"max_tokens":50,"stream":true)")));
  ASSERT_EQ(client.read_head().status, 200);
  std::map<int, std::string> text;
  for (const SseEvent& event : client.all_events()) {
    const json value = json::parse(event.data, nullptr, false);
    if (!value.is_object()) continue;
    for (const json& choice : value["choices"]) {
      if (choice["delta"].contains("content")) {
        text[choice["index"].get<int>()] += choice["delta"]["content"].get<std::string>();
      }
    }
  }
  EXPECT_EQ(text[0], "a [REDACTED:api_key] c");
  EXPECT_EQ(text[1], "b [REDACTED:api_key] d");
}

TEST_F(Guardrails, AStoredMaskedBodyHoldsNoSecret) {
  upstream.on("POST", kPath, {Answer::json(200, completion("answer " + kAwsKey))});
  ASSERT_EQ(daemon.post(kPath, chat_request("m", "question " + kSecret)).status, 200);
  ASSERT_EQ(daemon.exactly(1).size(), 1u);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(daemon.dir())) {
    if (!entry.is_regular_file() || entry.path().filename() == "tollgate.yaml") continue;
    const std::string content = read_file(entry.path());
    EXPECT_EQ(content.find(kAwsKey), std::string::npos) << entry.path();
    EXPECT_EQ(content.find(kSecret.substr(0, 30)), std::string::npos) << entry.path();
    files += content.find("question [REDACTED") != std::string::npos ? 1u : 0u;
  }
  EXPECT_EQ(files, 1u) << "the masked body itself is kept";
}

TEST_F(Guardrails, FieldsBesideThePromptAreReadToo) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  const std::vector<std::string> masked = {
      R"(,"user":")" + kAwsKey + "\"",
      R"(,"stop":[")" + kAwsKey + "\"]",
      R"(,"metadata":{"note":")" + kAwsKey + "\"}",
      R"(,"metadata":{")" + kAwsKey + R"(":"note"})",
      R"(,"service_tier":"auto","safety_identifier":")" + kAwsKey + "\"",
      R"(,"prompt_cache_key":")" + kAwsKey + "\"",
      R"(,"unknown":{"id":")" + kAwsKey + "\"}",
      R"(,"unknown":{"type":")" + kAwsKey + R"(","signature":")" + kAwsKey + "\"}",
      R"(,"tool_choice":{"type":"function","function":{"name":")" + kAwsKey + "\"}}"};
  for (const std::string& more : masked) {
    SCOPED_TRACE(more);
    const Response response = daemon.post(kPath, chat_request("m", "hi", more));
    ASSERT_EQ(response.status, 200) << response.body;
    const std::string sent = upstream.requests().back().body;
    EXPECT_EQ(sent.find(kAwsKey), std::string::npos) << sent;
    EXPECT_NE(sent.find("[REDACTED:api_key]"), std::string::npos) << sent;
  }
  // Two property names that were masked would become one.
  const std::size_t before = upstream.request_count();
  const Response refused = daemon.post(
      kPath, chat_request("m", "hi",
                          R"(,"tools":[{"type":"function","function":{"name":"f","parameters":)"
                          R"({"type":"object","properties":{")" +
                              kAwsKey + R"(":{"type":"string"}}}}}])"));
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_EQ(json::parse(refused.body)["error"]["code"], "guardrail_blocked");
  EXPECT_EQ(upstream.request_count(), before);
}

TEST_F(Guardrails, IdsTagsAndUnknownMembersOfAnAnswerAreReadToo) {
  upstream.on(
      "POST", kPath,
      {Answer::json(200, R"({"id":")" + kAwsKey + R"(","model":"m","citations":[")" + kAwsKey +
                             R"("],"choices":[{"index":0,"finish_reason":")" + kAwsKey +
                             R"(","message":{"role":"assistant","content":"x",)"
                             R"("tool_calls":[{"id":")" +
                             kAwsKey + R"(","type":"function"}]}}]})"),
       Answer::sse({sse_data(R"({"id":")" + kAwsKey + R"(","citations":["https://x/)" + kAwsKey +
                             R"("],"choices":[{"index":0,"delta":{"role":")" + kAwsKey +
                             R"(","content":"hello "}}]})"),
                    sse_data("[DONE]")})});
  const Response response = daemon.post(kPath, chat_request("m", "hi"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body.find(kAwsKey), std::string::npos) << response.body;
  EXPECT_EQ(stream_text(), "hello ");
  EXPECT_EQ(all_raw.find(kAwsKey), std::string::npos) << all_raw;
  EXPECT_NE(all_raw.find("https://x/[REDACTED:api_key]"), std::string::npos) << all_raw;
}

TEST_F(Guardrails, KeysThatNoApiGivesAreReadAndCannotBeMasked) {
  const std::string member = "\"" + kAwsKey + "\":1";
  const std::string whole = R"({"id":"c","model":"m",)" + member +
                            R"(,"choices":[{"index":0,"finish_reason":"stop","message":)"
                            R"({"role":"assistant","content":"x"}}]})";
  const std::string event =
      R"({"id":"c","choices":[{"index":0,"delta":{"content":"b",)" + member + "}}]}";
  upstream.on("POST", kPath,
              {Answer::json(200, whole), Answer::sse({chat_chunk("a"), sse_data(event),
                                                      chat_chunk("after"), sse_data("[DONE]")})});
  const Response refused = daemon.post(kPath, chat_request("m", "hi"));
  EXPECT_EQ(json::parse(refused.body)["error"]["code"], "guardrail_blocked") << refused.body;
  const Response ended =
      daemon.post(kPath, chat_request("m", "hi", R"(,"max_tokens":50,"stream":true)"));
  EXPECT_NE(ended.body.find("guardrail_blocked"), std::string::npos) << ended.body;
  EXPECT_EQ(ended.body.find("after"), std::string::npos) << ended.body;
  for (const std::string& body : {refused.body, ended.body})
    EXPECT_EQ(body.find(kAwsKey), std::string::npos) << body;
  const std::size_t before = upstream.request_count();
  for (const std::string& more : {"," + member, R"(,"unknown":[{)" + member + "}]"}) {
    const Response request = daemon.post(kPath, chat_request("m", "hi", more));
    EXPECT_EQ(request.status, 400) << request.body;
    EXPECT_EQ(json::parse(request.body)["error"]["code"], "guardrail_blocked");
  }
  EXPECT_EQ(upstream.request_count(), before);
}

json tool_call(const std::string& arguments) {
  return {{"id", "call_1"},
          {"type", "function"},
          {"function", {{"name", "send"}, {"arguments", arguments}}}};
}
json completion_with(const json& call) {
  return {{"id", "c"},
          {"model", "m"},
          {"choices",
           {{{"index", 0},
             {"finish_reason", "tool_calls"},
             {"message", {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", {call}}}}}}}};
}

TEST_F(Guardrails, ARuleAcrossNameAndValueFindsItWhateverElseIsEscaped) {
  // `ssn` and its value are two texts of the JSON inside; an escape beside them changes nothing.
  for (const char* other : {R"("n":"x")", R"("n":"x\n")", R"("\u006e":"x")"}) {
    const std::string source = "{" + std::string(other) + R"(,"ssn": "123-45-6789","z":"\"y\""})";
    const json call = tool_call(source);
    const json answer = completion_with(call);
    upstream.on("POST", kPath, {Answer::json(200, answer.dump())});
    const json request = {{"model", "m"},
                          {"messages",
                           {{{"role", "assistant"}, {"tool_calls", {call}}},
                            {{"role", "tool"}, {"tool_call_id", "call_1"}, {"content", source}}}}};
    const Response response = daemon.post(kPath, request.dump(), "ssn");
    ASSERT_EQ(response.status, 200) << response.body;
    const json sent = json::parse(upstream.requests().back().body)["messages"];
    const std::string masked = "{" + std::string(other) + R"(,[ssn],"z":"\"y\""})";
    EXPECT_EQ(sent[0]["tool_calls"][0]["function"]["arguments"], masked);
    EXPECT_EQ(sent[1]["content"], masked);
    EXPECT_EQ(json::parse(
                  response.body)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"],
              masked);
  }
}

TEST_F(Guardrails, ARuleThatRunsPastAStringMasksAndRefusesNothing) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  const auto sent = [&](const std::string& content) {
    const json request = {
        {"model", "m"},
        {"messages", {{{"role", "tool"}, {"tool_call_id", "call_1"}, {"content", content}}}}};
    const Response response = daemon.post(kPath, request.dump(), "ssn");
    EXPECT_EQ(response.status, 200) << response.body;
    return json::parse(upstream.requests().back().body)["messages"][0]["content"]
        .get<std::string>();
  };
  EXPECT_EQ(sent(R"({"cmd":"cd x\nexport API_KEY=abc","t":1})"),
            R"({"cmd":"cd x\nexport [key]","t":1})");
  // All of what any of them covers.
  EXPECT_EQ(sent(R"({"password":"jane@example.com hunter2","n":"x\n"})"),
            R"({[password],"n":"x\n"})");
  const Row row = daemon.exactly(2).at(0);
  EXPECT_EQ(json::parse(row.at("verdicts"))[0]["count"], 1) << "once, though it is found twice";
}

TEST_F(Guardrails, ToolInputThatIsNoJsonIsReadAsItStands) {
  // `\n` is two characters of a path here: read as an escape it would eat the key's first letter.
  const std::string key = "npm_a1B2c3D4e5F6a1B2c3D4e5F6a1B2c3D4e5F6";
  for (const std::string& text : {"type C:\\" + key + " now", "  C:\\" + key + " now"}) {
    for (const bool is_custom : {false, true}) {
      for (const std::size_t cut : {std::size_t{1}, text.find('\\') + 1, text.size()}) {
        const auto delta = [&](const std::string& piece) {
          json call = {{"index", 0}};
          if (is_custom) {
            call["custom"] = {{"input", piece}};
          } else {
            call["function"] = {{"arguments", piece}};
          }
          const json event = {{"id", "c"},
                              {"choices", {{{"index", 0}, {"delta", {{"tool_calls", {call}}}}}}}};
          return sse_data(event.dump());
        };
        upstream.on("POST", kPath,
                    {Answer::sse({delta(text.substr(0, cut)), delta(text.substr(cut)),
                                  sse_data("[DONE]")})});
        const Response response =
            daemon.post(kPath, chat_request("m", "hi", R"(,"max_tokens":50,"stream":true)"));
        EXPECT_EQ(response.body.find("pm_a1B2"), std::string::npos) << response.body;
        EXPECT_NE(response.body.find("[REDACTED:api_key]"), std::string::npos) << response.body;
      }
    }
  }
}

TEST_F(Guardrails, JsonInsideJsonIsReadAndStaysJson) {
  const json inner = {{"to", "jane.doe@example.com"}, {"text", "one\ntwo@example.com \"x\""}};
  std::string source = inner.dump();
  source.replace(source.find('@', source.find("jane")), 1, "\\u0040");
  const json call = tool_call(source);
  const json answer = completion_with(call);
  upstream.on("POST", kPath, {Answer::json(200, answer.dump())});
  // The same in a request that brings the call back.
  const json request = {{"model", "m"},
                        {"messages", {{{"role", "assistant"}, {"tool_calls", {call}}}}}};
  const Response response = daemon.post(kPath, request.dump(), "mail");
  ASSERT_EQ(response.status, 200) << response.body;
  const auto arguments = [](const json& message) {
    return json::parse(message["tool_calls"][0]["function"]["arguments"].get<std::string>());
  };
  const json expected = {{"to", "[REDACTED:email]"}, {"text", "one\n[REDACTED:email] \"x\""}};
  EXPECT_EQ(arguments(json::parse(response.body)["choices"][0]["message"]), expected);
  EXPECT_EQ(arguments(json::parse(upstream.requests().at(0).body)["messages"][0]), expected);
  // In a stream, at every cut.
  const auto delta = [](const std::string& piece) {
    const json event = {
        {"id", "c"},
        {"choices",
         {{{"index", 0},
           {"delta", {{"tool_calls", {{{"index", 0}, {"function", {{"arguments", piece}}}}}}}}}}}};
    return sse_data(event.dump());
  };
  for (std::size_t cut = 1; cut < source.size(); cut += 3) {
    SCOPED_TRACE(cut);
    upstream.on("POST", kPath,
                {Answer::sse({delta(source.substr(0, cut)), delta(source.substr(cut)),
                              sse_data("[DONE]")})});
    RawClient client = daemon.connect();
    client.send(daemon.post_bytes(
        kPath, chat_request("m", "hi", R"(,"max_tokens":50,"stream":true)"), "mail"));
    ASSERT_EQ(client.read_head().status, 200);
    std::string joined;
    for (const SseEvent& event : client.all_events()) {
      const json value = json::parse(event.data, nullptr, false);
      if (!value.is_object()) continue;
      joined += value["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"];
    }
    ASSERT_EQ(json::parse(joined, nullptr, false), expected) << joined;
  }
}

TEST_F(Guardrails, ThinkingIsHeldButNeverChanged) {
  // Byte for byte: its signature covers it. A key in it ends the stream before any of the key.
  const char* const yaml = R"(
providers:
  up: {kind: anthropic, base_url: "@{UP}", api_key: provider-key-1, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}
keys: [{id: k1, digest: "@{digest:agent}"}]
default_guardrails: [default]
)";
  Daemon anthropic(yaml, {.variables = {{"UP", upstream.url()}}});
  const auto thinking = [](const std::string& text) {
    return sse_data(R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta",)"
                    R"("thinking":")" +
                        text + R"("}})",
                    "content_block_delta");
  };
  const auto stream_of = [&](const std::vector<std::string>& deltas) {
    std::vector<std::string> wire = {
        sse_data(R"({"type":"message_start","message":{"id":"x","type":"message","content":[],)"
                 R"("usage":{"input_tokens":3,"output_tokens":1}}})",
                 "message_start")};
    wire.insert(wire.end(), deltas.begin(), deltas.end());
    wire.push_back(sse_data(R"({"type":"content_block_stop","index":0})", "content_block_stop"));
    wire.push_back(sse_data(R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},)"
                            R"("usage":{"output_tokens":5}})",
                            "message_delta"));
    wire.push_back(sse_data(R"({"type":"message_stop"})", "message_stop"));
    return wire;
  };
  const auto joined = [&](const std::vector<std::string>& deltas) {
    upstream.on("POST", "/v1/messages", {Answer::sse(stream_of(deltas), 2ms)});
    RawClient client = anthropic.connect();
    client.send(anthropic.post_bytes("/v1/messages",
                                     chat_request("m", "hi", R"(,"max_tokens":50,"stream":true)"),
                                     "agent", {{"anthropic-version", "2023-06-01"}}));
    EXPECT_EQ(client.read_head().status, 200);
    std::string text;
    for (const SseEvent& event : client.all_events()) {
      const json value = json::parse(event.data, nullptr, false);
      if (value.contains("delta") && value["delta"].contains("thinking"))
        text += value["delta"]["thinking"].get<std::string>();
      if (event.event == "error") text += "<error>";
    }
    return text;
  };
  EXPECT_EQ(joined({thinking("the user, jan"), thinking("e, wants AK"), thinking("IA")}),
            "the user, jane, wants AKIA");
  EXPECT_EQ(joined({thinking("key " + kAwsKey.substr(0, 9)), thinking(kAwsKey.substr(9) + " ")}),
            "key <error>");
}

}  // namespace
}  // namespace tollgate::testing
