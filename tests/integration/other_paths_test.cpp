// Paths below /v1 that the gateway does not know: guarded, redacted and kept to the key's models
// all the same.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"
#include "support/http_text.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const std::string kMail = "jane.doe@example.com";

constexpr const char* kOther = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-credential-0123456789abcdef, proxy: none}
models:
  m: {deployments: [{provider: up, model: real-m, price: {input: 2.5, output: 10}}]}
  secret-model: {deployments: [{provider: up, model: secret, price: {input: 2.5, output: 10}}]}
keys:
  - {id: k1, digest: "@{digest:agent}", allow: {surfaces: [chat, other], paths: ["/v1/*"]}}
  - {id: k2, digest: "@{digest:one}", allow: {surfaces: [chat, other], models: [m], paths: ["/v1/*"]}}
spending: {other_path_price: 0.001}
guardrails: {mail: {detectors: {email: mask}}}
default_guardrails: [default, mail]
)";

class OtherPaths : public ::testing::Test {
 protected:
  FakeUpstream upstream;
  Daemon daemon{kOther, {.variables = {{"UP", upstream.url()}}, .audit = "bodies: masked"}};

  std::string left_behind() const {
    std::string all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(daemon.dir()))
      if (entry.is_regular_file() && entry.path().filename() != "tollgate.yaml")
        all += read_file(entry.path());
    return all;
  }
  Response post_as(const std::string& type, const std::string& path, const std::string& body,
                   const std::string& key = "agent") {
    RawClient client = daemon.connect();
    return client.exchange(http_request(
        "POST", path, {{"authorization", "Bearer " + daemon.key(key)}, {"content-type", type}},
        body));
  }
};

/// The events of a body that was read whole.
std::vector<SseEvent> parse_events(const std::string& body) {
  std::vector<SseEvent> out;
  for (std::size_t from = 0, end; (end = body.find("\n\n", from)) != std::string::npos;
       from = end + 2) {
    SseEvent event;
    event.raw = body.substr(from, end - from);
    const std::size_t data = event.raw.find("data: ");
    if (data != std::string::npos) event.data = event.raw.substr(data + 6);
    out.push_back(event);
  }
  return out;
}

// ---- paths ----

TEST_F(OtherPaths, AVirtualKeyInThePathGoesNowhere) {
  const std::string key = daemon.key("agent");
  const std::string escaped = "%74" + key.substr(1);
  for (const std::string& path :
       {"/v1/files/" + key, "/v1/files/" + escaped, "/v1/x;k=" + key + "/y"})
    EXPECT_EQ(post_as("application/json", path, "{}").status, 404) << path;
  EXPECT_EQ(upstream.request_count(), 0u);
  EXPECT_EQ(left_behind().find(key), std::string::npos);
}

TEST_F(OtherPaths, APricedPathInDisguiseIsNoOtherPath) {
  for (const char* path : {"/v1/chat/completions;x", "/v1/chat/completions%3bx=1",
                           "/v1/chat/completions%20", "/v1/Chat/completions/;a"})
    EXPECT_EQ(post_as("application/json", path, chat_request("m", "hi")).status, 404) << path;
  EXPECT_EQ(upstream.request_count(), 0u);
}

// ---- answers ----

std::vector<std::string> responses_stream(const std::vector<std::string>& deltas,
                                          const std::string& whole) {
  std::vector<std::string> out;
  out.push_back(sse_data(R"({"type":"response.created","response":{"id":"r","output":[]}})",
                         "response.created"));
  for (const std::string& delta : deltas) {
    const json event = {{"type", "response.output_text.delta"},
                        {"item_id", "msg_1"},
                        {"output_index", 0},
                        {"content_index", 0},
                        {"delta", delta}};
    out.push_back(sse_data(event.dump(), "response.output_text.delta"));
  }
  const json done = {{"type", "response.output_text.done"},
                     {"item_id", "msg_1"},
                     {"output_index", 0},
                     {"content_index", 0},
                     {"text", whole}};
  out.push_back(sse_data(done.dump(), "response.output_text.done"));
  const json completed = {{"type", "response.completed"},
                          {"response", {{"id", "r"}, {"output", {{{"text", whole}}}}}}};
  out.push_back(sse_data(completed.dump(), "response.completed"));
  return out;
}

TEST_F(OtherPaths, AResponsesStreamIsGuardedAcrossEventsAndStoredMasked) {
  upstream.on("POST", "/v1/responses",
              {Answer::sse(responses_stream({"write to jane.d", "oe@exam", "ple.com", " today"},
                                            "write to " + kMail + " today"),
                           2ms)});
  const Response response =
      daemon.post("/v1/responses", R"({"model":"m","input":"hi","stream":true})");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.body.find(kMail), std::string::npos) << response.body;
  std::string text;
  for (const SseEvent& event : parse_events(response.body)) {
    const json value = json::parse(event.data);
    if (value["type"] == "response.output_text.delta") text += value["delta"];
  }
  EXPECT_EQ(text, "write to [REDACTED:email] today");
  EXPECT_NE(response.body.find("response.completed"), std::string::npos);
  ASSERT_EQ(daemon.exactly(1).size(), 1u);
  EXPECT_EQ(left_behind().find("jane.d"), std::string::npos);
}

TEST_F(OtherPaths, ToolArgumentsOfAResponsesStreamAreGuardedToo) {
  std::vector<std::string> wire;
  for (const char* delta : {"{\"to\":\"jane.d", "oe@example.", "com\"}"}) {
    const json event = {{"type", "response.function_call_arguments.delta"},
                        {"item_id", "fc_1"},
                        {"output_index", 1},
                        {"delta", delta}};
    wire.push_back(sse_data(event.dump()));
  }
  upstream.on("POST", "/v1/responses", {Answer::sse(wire, 2ms)});
  const Response response =
      daemon.post("/v1/responses", R"({"model":"m","input":"hi","stream":true})");
  std::string text;
  for (const SseEvent& event : parse_events(response.body))
    text += json::parse(event.data)["delta"].get<std::string>();
  EXPECT_EQ(text, R"({"to":"[REDACTED:email]"})");
}

TEST_F(OtherPaths, WhatAResponsesStreamRepeatsIsReadAsItsPiecesAre) {
  const std::string source = R"({"key":"AKIA\u0049OSFODNN7EXAMPLE"})";
  const auto event = [&](const std::string& type, json more) {
    more["type"] = type;
    more["item_id"] = "i0";
    more["output_index"] = 0;
    return sse_data(more.dump(), type);
  };
  upstream.on("POST", "/v1/responses",
              {Answer::sse({event("response.function_call_arguments.delta", {{"delta", source}}),
                            event("response.function_call_arguments.done", {{"arguments", source}}),
                            event("response.output_item.done",
                                  {{"item", {{"type", "function_call"}, {"arguments", source}}}}),
                            event("response.completed", {{"response", {{"id", "r"}}}})})});
  RawClient client = daemon.connect();
  client.send(daemon.post_bytes("/v1/responses", R"({"model":"m","input":"hi","stream":true})"));
  ASSERT_EQ(client.read_head().status, 200);
  std::size_t seen = 0;
  const std::string expected = R"({"key":"[REDACTED:api_key]"})";
  for (const SseEvent& got : client.all_events()) {
    const json data = json::parse(got.data);
    for (const json& place : {data.value("delta", json()), data.value("arguments", json()),
                              data.value("item", json::object()).value("arguments", json())}) {
      if (!place.is_string() || place.get<std::string>().empty()) continue;
      ++seen;
      EXPECT_EQ(place, expected) << got.data;
    }
  }
  EXPECT_GE(seen, 3u);
}

TEST_F(OtherPaths, AnAnswerIsReadWhateverItIsCalled) {
  const std::string object = R"({"text":"jane.doe\u0040example.com"})";
  struct Case {
    std::string type, body, masked;
  };
  const std::vector<Case> cases = {
      {"application/x-ndjson", object + "\n" + object + "\n", R"({"text":"[REDACTED:email]"})"},
      {"application/jsonl", object + "\n\n" + object, R"({"text":"[REDACTED:email]"})"},
      {"application/xml", "<to>" + kMail + "</to>", "<to>[REDACTED:email]</to>"},
      {"", object, R"({"text":"[REDACTED:email]"})"},
      {"", "to " + kMail, "to [REDACTED:email]"},
      {"Text/Plain", "to " + kMail, "to [REDACTED:email]"},
      {"Application/JSON", object, R"({"text":"[REDACTED:email]"})"},
      {"image/svg+xml", "<t>" + kMail + "</t>", "<t>[REDACTED:email]</t>"}};
  for (const Case& tested : cases) {
    SCOPED_TRACE(tested.type + ": " + tested.body);
    std::string head = "HTTP/1.1 200 OK\r\n";
    if (!tested.type.empty()) head += "Content-Type: " + tested.type + "\r\n";
    head += "Content-Length: " + std::to_string(tested.body.size()) + "\r\n\r\n";
    upstream.on("POST", "/v1/things", {Answer::raw(head + tested.body)});
    const Response response = daemon.post("/v1/things", R"({"model":"m","input":"hi"})");
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_NE(response.body.find(tested.masked), std::string::npos) << response.body;
    EXPECT_EQ(response.body.find("example.com"), std::string::npos) << response.body;
  }
}

TEST_F(OtherPaths, ACredentialInLinesOfJsonIsFoundHoweverItIsSpelled) {
  // With response rules and without any.
  const std::string bare = std::string(kOther).substr(0, std::string(kOther).find("guardrails:")) +
                           "default_guardrails: []\n";
  Daemon without{bare, {.variables = {{"UP", upstream.url()}}, .audit = "bodies: full"}};
  const std::string escaped = "provider\\u002dcredential-0123456789abcdef";
  const std::string tail = "credential-0123456789abcdef";
  for (Daemon* const one : {&daemon, &without}) {
    for (const int status : {200, 400}) {
      for (const char* const type :
           {"application/x-ndjson", "application/jsonl", "text/plain", "text/html"}) {
        for (const char* const path : {"/v1/things", "/v1/chat/completions"}) {
          SCOPED_TRACE(std::string(type) + ' ' + path + ' ' + std::to_string(status));
          const std::string good = "{\"b\":1}\n";
          const auto answer = [&](const std::string& body) {
            upstream.on("POST", path,
                        {Answer::raw("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: " +
                                     type + "\r\nContent-Length: " + std::to_string(body.size()) +
                                     "\r\n\r\n" + body)});
            return one->post(path, chat_request("m", "hi"));
          };
          const Response lines =
              answer("{\"a\":\"" + escaped + "\"}\n" + good + "{\"" + escaped + "\":1}\n");
          EXPECT_EQ(lines.body.find(tail), std::string::npos) << lines.body;
          // A model's answer is one JSON text, and refused where guardrails cannot read it.
          const bool is_refused = one == &daemon && std::string(path) != "/v1/things";
          if (!is_refused) {
            EXPECT_EQ(lines.status, status);
            EXPECT_EQ(lines.body, "{\"a\":\"[REDACTED:provider_credential]\"}\n" + good +
                                      "{\"[REDACTED:provider_credential]\":1}\n");
            EXPECT_EQ(answer(good + "not \\json\n").body, good + "not \\json\n");
          }
          // What is no JSON and yet spells it: a lenient reader's.
          const Response broken = answer(good + "{a:\"" + escaped + "\"}\n");
          EXPECT_EQ(broken.status, 502) << broken.body;
          EXPECT_EQ(broken.body.find(tail), std::string::npos) << broken.body;
        }
      }
    }
  }
}

TEST_F(OtherPaths, ABinaryAnswerPassesAndOnlyItsDigestIsKept) {
  const std::string sound = "RIFF" + kMail + std::string(300, '\x01');
  upstream.on("POST", "/v1/audio/speech", {Answer::text(sound, "audio/wav")});
  const Response response = daemon.post("/v1/audio/speech", R"({"model":"m","input":"hi"})");
  EXPECT_EQ(response.body, sound);
  ASSERT_EQ(daemon.exactly(1).size(), 1u);
  EXPECT_EQ(left_behind().find(kMail), std::string::npos);
}

TEST_F(OtherPaths, ABinaryAnswerHasNoCredentialEither) {
  // All bytes there are, so that nothing but the credential may change; once whole, once in pieces
  // that cut it, and once at the very end, where nothing may stay held.
  std::string bytes;
  for (int i = 0; i < 1'024; ++i) bytes += static_cast<char>(i * 7);
  const std::string credential = "provider-credential-0123456789abcdef";
  const std::string sound = "RIFF" + bytes + credential + bytes + "Bearer " + credential;
  const std::string clean = "RIFF" + bytes + "[REDACTED:provider_credential]" + bytes + "Bearer " +
                            "[REDACTED:provider_credential]";
  for (const std::size_t piece : {0u, 13u, 700u}) {
    SCOPED_TRACE(piece);
    Answer answer = Answer::text(sound, "audio/wav");
    if (piece != 0) answer.drip(piece, std::chrono::milliseconds(0));
    upstream.on("POST", "/v1/audio/speech", {answer});
    const Response response = daemon.post("/v1/audio/speech", R"({"model":"m","input":"hi"})");
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.body == clean) << response.body.substr(response.body.size() - 80);
  }
  const auto rows = daemon.exactly(3);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_NE(rows[0].at("verdicts").find("provider_credential"), std::string::npos);
}

// ---- requests ----

TEST_F(OtherPaths, ABodyIsJsonWhateverItIsCalled) {
  upstream.on("POST", "/v1/responses", {Answer::json(200, R"({"ok":true})")});
  for (const char* type : {"text/plain", "application/octet-stream", "TEXT/plain; charset=x"}) {
    SCOPED_TRACE(type);
    const Response refused =
        post_as(type, "/v1/responses", " \n{\"model\":\"secret-model\",\"input\":\"x\"}", "one");
    EXPECT_EQ(refused.status, 403) << refused.body;
    EXPECT_EQ(json::parse(refused.body)["error"]["code"], "model_not_allowed");
    const Response masked = post_as(type, "/v1/responses",
                                    R"({"model":"m","input":"jane.doe\u0040example.com"})", "one");
    EXPECT_EQ(masked.status, 200) << masked.body;
    EXPECT_NE(upstream.requests().back().body.find("[REDACTED:email]"), std::string::npos);
    EXPECT_EQ(post_as(type, "/v1/responses", R"({"model":"m",)", "one").status, 400);
  }
}

std::string form(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string out;
  for (const auto& [name, value] : fields)
    out += "--xyz\r\nContent-Disposition: form-data; " + name + "\r\n\r\n" + value + "\r\n";
  return out + "--xyz--\r\n";
}

TEST_F(OtherPaths, TheModelOfAFormIsReadAndServedByItsAlias) {
  upstream.on("POST", "/v1/audio/transcriptions", {Answer::json(200, R"({"text":"hello"})")});
  const std::string type = "multipart/form-data; boundary=xyz";
  const std::string path = "/v1/audio/transcriptions";
  const auto model = [](const std::string& value) {
    return form({{"name=\"file\"; filename=\"a.wav\"", "RIFF"}, {"name=\"model\"", value}});
  };
  EXPECT_EQ(post_as(type, path, model("m"), "one").status, 200);
  EXPECT_EQ(upstream.requests().back().body, model("real-m"));
  EXPECT_EQ(post_as(type, path, model("secret-model"), "one").status, 403);
  EXPECT_EQ(post_as(type, path, form({{"name=\"file\"", "RIFF"}}), "one").status, 403);
  const std::vector<std::string> doubtful = {
      form({{"name=\"model\"", "m"}, {"name=\"model\"", "secret-model"}}),
      form({{"name=\"model\"", "m"}, {"name=\"Model\"", "secret-model"}}),
      form({{"name=\"model\"", "m"}, {"name*=utf-8''model", "secret-model"}}),
      form({{"name=\"model\"; name=\"x\"", "m"}}),
      form({{"name=\"m\\odel\"", "secret-model"}, {"name=\"model\"", "m"}}),
      "preamble\r\n" + model("m"),
      model("m").substr(0, 60),
  };
  for (const std::string& body : doubtful)
    EXPECT_EQ(post_as(type, path, body, "one").status, 403) << body;
  EXPECT_EQ(post_as("multipart/mixed; boundary=xyz", path, model("m"), "one").status, 403);
  EXPECT_EQ(post_as("application/octet-stream", path, "RIFF", "one").status, 403);
  EXPECT_EQ(upstream.request_count(), 1u);
  EXPECT_EQ(post_as(type, path, form({{"name=\"file\"", "RIFF"}})).status, 200)
      << "a key with every model may send what it likes";
}

TEST_F(OtherPaths, ASlashAtTheEndOrAnotherCaseIsNoOtherPath) {
  upstream.on("POST", "/v1/chat/completions", {Answer::json(200, completion("ok"))});
  const Response slash = daemon.post("/v1/chat/completions/", chat_request("m", "hi"), "one");
  EXPECT_EQ(slash.status, 200) << slash.body;
  EXPECT_EQ(upstream.requests().at(0).target, "/v1/chat/completions");
  EXPECT_EQ(daemon.exactly(1).at(0).at("cost_nusd"), kCompletionCost) << "priced as what it is";
  EXPECT_EQ(daemon.post("/v1/Chat/Completions", chat_request("m", "hi"), "one").status, 404);
}

TEST_F(OtherPaths, AVirtualKeyGoesNowhereElse) {
  upstream.on("POST", "/v1/responses", {Answer::json(200, R"({"ok":true})")});
  const std::string key = daemon.key();
  std::string escaped = key;
  escaped.replace(0, 1, "%74");
  const Response response =
      daemon.post("/v1/responses?api_key=" + key + "&keep=1&token=" + escaped + ";x=" + key,
                  R"({"model":"m","input":"hi"})", "agent",
                  {{"X-Auth-Token", key},
                   {"X-Litellm-Api-Key", key},
                   {"X-Never-Heard-Of", "token " + key},
                   {"Cf-Access-Jwt-Assertion", "jwt"},
                   {"OpenAI-Organization", "org"},
                   {"X-Kept", "yes"}});
  ASSERT_EQ(response.status, 200) << response.body;
  const SeenRequest seen = upstream.requests().at(0);
  EXPECT_EQ(seen.raw_head.find(key), std::string::npos) << seen.raw_head;
  EXPECT_EQ(seen.raw_head.find(key.substr(1)), std::string::npos) << seen.raw_head;
  EXPECT_EQ(seen.target, "/v1/responses?keep=1");
  EXPECT_EQ(seen.header("cf-access-jwt-assertion"), "");
  EXPECT_EQ(seen.header("openai-organization"), "");
  EXPECT_EQ(seen.header("x-kept"), "yes");
}

}  // namespace
}  // namespace tollgate::testing
