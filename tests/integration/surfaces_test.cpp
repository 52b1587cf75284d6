// The other LLM surfaces: messages, count_tokens, embeddings, other /v1 paths, the probe and `me`.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using nlohmann::json;

constexpr const char* kBoth = R"(
providers:
  open: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: open-key-1, proxy: none}
  claude: {kind: anthropic, base_url: "@{UP}", api_key: claude-key-1, proxy: none}
models:
  gpt: {deployments: [{provider: open, model: real-gpt, price: {input: 2.5, output: 10}}]}
  claude: {deployments: [{provider: claude, model: real-claude, price: {input: 2.5, output: 10, cache_read: 0.25, cache_write: 3.125, cache_write_1h: 5}}]}
  embed: {deployments: [{provider: open, model: real-embed, price: {input: 0.1, output: 0}}]}
keys:
  - {id: k1, digest: "@{digest:agent}", allow: {paths: ["/v1/moderations", "/v1/files*"]}, budgets: [{name: cap, limit: 5, window: day}]}
  - {id: k2, digest: "@{digest:plain}"}
spending: {other_path_price: 0.003}
)";

class Surfaces : public ::testing::Test {
 protected:
  FakeUpstream upstream;
  Daemon daemon{kBoth, {.variables = {{"UP", upstream.url()}}}};
};

TEST_F(Surfaces, MessagesPassByteForByteWithTheClientsVersion) {
  const std::string answer = anthropic_message("hello");
  upstream.on("POST", "/v1/messages",
              {Answer::json(200, answer).header("request-id", "req_upstream")});
  const std::string body =
      R"({"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}], "max_tokens":64,"model":"claude","messages":[{"role":"user","content":"hi"}]})";
  const Headers headers{{"anthropic-version", "2023-06-01"},
                        {"anthropic-beta", "interleaved-thinking-2025-05-14"},
                        {"x-api-key", daemon.key()},
                        {"content-type", "application/json"}};
  const Response response =
      daemon.connect().exchange(http_request("POST", "/v1/messages?beta=true", headers, body));
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.body, answer);
  const SeenRequest seen = upstream.requests().at(0);
  EXPECT_EQ(seen.target, "/v1/messages?beta=true");
  std::string expected = body;
  expected.replace(expected.find("\"claude\""), 8, "\"real-claude\"");
  EXPECT_EQ(seen.body, expected);
  EXPECT_EQ(seen.header("x-api-key"), "claude-key-1");
  EXPECT_EQ(seen.header("authorization"), "");
  EXPECT_EQ(seen.header("anthropic-version"), "2023-06-01");
  EXPECT_EQ(seen.header("anthropic-beta"), "interleaved-thinking-2025-05-14");
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("surface"), "messages");
  EXPECT_EQ(row.at("cost_nusd"), kCompletionCost);
}

TEST_F(Surfaces, AMessageStreamIsRelayedAndMetered) {
  const auto events = anthropic_stream({"Hel", "lo"});
  upstream.on("POST", "/v1/messages", {Answer::sse(events)});
  RawClient client = daemon.connect();
  client.send(daemon.post_bytes(
      "/v1/messages",
      R"({"model":"claude","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"hi"}]})",
      "agent", {{"anthropic-version", "2026-10-21"}}));
  ASSERT_EQ(client.read_head().status, 200);
  std::string text;
  std::vector<std::string> names;
  for (const SseEvent& event : client.all_events()) {
    names.push_back(event.event);
    const json data = json::parse(event.data);
    if (data["type"] == "content_block_delta") text += data["delta"]["text"].get<std::string>();
  }
  EXPECT_EQ(text, "Hello");
  EXPECT_EQ(names.front(), "message_start");
  EXPECT_EQ(names.back(), "message_stop");
  EXPECT_TRUE(client.body_complete());
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("input_tokens"), "12");
  EXPECT_EQ(row.at("output_tokens"), "5");
  EXPECT_EQ(row.at("cost_nusd"), kCompletionCost);
}

TEST_F(Surfaces, CacheReadsAndBothKindsOfWritesArePricedApart) {
  upstream.on(
      "POST", "/v1/messages",
      {Answer::json(
          200,
          R"({"id":"msg_1","type":"message","role":"assistant","model":"real-claude","content":[],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"cache_read_input_tokens":1000,"cache_creation_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"output_tokens":4}})")});
  const std::string body =
      R"({"model":"claude","max_tokens":64,"messages":[{"role":"user","content":")" +
      std::string(6'000, 'x') + R"(","cache_control":{"type":"ephemeral"}}]})";
  ASSERT_EQ(daemon.post("/v1/messages", body).status, 200);
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("input_tokens"), "10");
  EXPECT_EQ(row.at("cache_read_tokens"), "1000");
  EXPECT_EQ(row.at("cache_write_tokens"), "100");
  EXPECT_EQ(row.at("cache_write_1h_tokens"), "200");
  // 10*2500 + 1000*250 + 100*3125 + 200*5000 + 4*10000 nano-USD
  EXPECT_EQ(row.at("cost_nusd"), std::to_string(25'000 + 250'000 + 312'500 + 1'000'000 + 40'000));
}

TEST_F(Surfaces, CountTokensIsFreeAndPassedOn) {
  upstream.on("POST", "/v1/messages/count_tokens", {Answer::json(200, R"({"input_tokens":42})")});
  const Response response =
      daemon.post("/v1/messages/count_tokens",
                  R"({"model":"claude","messages":[{"role":"user","content":"hi"}]})");
  EXPECT_EQ(response.body, R"({"input_tokens":42})");
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("surface"), "count_tokens");
  EXPECT_EQ(row.at("cost_nusd"), "0");
  EXPECT_EQ(row.at("held_nusd"), "0");
}

TEST_F(Surfaces, EmbeddingsArePaidByInputAlone) {
  const std::string answer =
      R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPw=="}],"model":"real-embed","usage":{"prompt_tokens":8,"total_tokens":8}})";
  upstream.on("POST", "/v1/embeddings", {Answer::json(200, answer)});
  const Response response = daemon.post(
      "/v1/embeddings", R"({"input":["a","b"],"model":"embed","encoding_format":"base64"})");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.body, answer);
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("surface"), "embeddings");
  EXPECT_EQ(row.at("input_tokens"), "8");
  EXPECT_EQ(row.at("cost_nusd"), "800");
}

TEST_F(Surfaces, OtherPathsAreForwardedWhenAllowedAndCostTheirFlatPrice) {
  upstream.on("POST", "/v1/moderations", {Answer::json(200, R"({"results":[]})")});
  upstream.on("GET", "/v1/files", {Answer::json(200, R"({"data":[]})")});
  const Response posted = daemon.post("/v1/moderations", R"({"input":"x","model":"gpt"})");
  EXPECT_EQ(posted.status, 200) << posted.body;
  EXPECT_EQ(upstream.requests().at(0).header("authorization"), "Bearer open-key-1");
  const Response listed =
      daemon.get("/v1/files?limit=2", "agent", {{"x-tollgate-provider", "open"}});
  EXPECT_EQ(listed.status, 200) << listed.body;
  EXPECT_EQ(upstream.requests().at(1).target, "/v1/files?limit=2");
  EXPECT_EQ(daemon.post("/v1/moderations", "{}", "plain").status, 403);
  EXPECT_EQ(daemon.get("/v1/images", "agent").status, 403);
  const auto rows = daemon.exactly(4);
  EXPECT_EQ(rows.at(0).at("surface"), "other");
  EXPECT_EQ(rows.at(0).at("cost_nusd"), "3000000");
  EXPECT_EQ(rows.at(1).at("cost_nusd"), "3000000");
  EXPECT_EQ(rows.at(2).at("cost_nusd"), "0");
}

TEST_F(Surfaces, BinaryAnswersOfOtherPathsPassUntouched) {
  std::string bytes;
  for (int i = 0; i < 70'000; ++i) bytes += static_cast<char>(i * 31 % 256);
  upstream.on("GET", "/v1/files/f1/content", {Answer::text(bytes, "application/octet-stream")});
  const Response response =
      daemon.get("/v1/files/f1/content", "agent", {{"x-tollgate-provider", "open"}});
  EXPECT_EQ(response.status, 200) << response.body.substr(0, 200);
  EXPECT_EQ(response.body, bytes);
}

TEST_F(Surfaces, MeShowsWhatIsLeft) {
  upstream.on("POST", "/v1/chat/completions", {Answer::json(200, completion("ok"))});
  ASSERT_EQ(daemon.post("/v1/chat/completions", chat_request("gpt", "hi")).status, 200);
  ASSERT_TRUE(daemon.wait_metric("tollgate_requests_total", {{"surface", "chat"}}, 1));
  const Response response = daemon.get("/tollgate/v1/me");
  ASSERT_EQ(response.status, 200) << response.body;
  const json me = json::parse(response.body);
  EXPECT_EQ(me["key"]["id"], "k1");
  EXPECT_EQ(me["budgets"][0]["scope"], "key");
  EXPECT_EQ(me["budgets"][0]["limit_nusd"], 5'000'000'000);
  EXPECT_EQ(me["budgets"][0]["spent_nusd"], 80'000);
  EXPECT_EQ(me["budgets"][0]["held_nusd"], 0);
  EXPECT_TRUE(me["budgets"][0]["resets_at"].is_string());
  EXPECT_EQ(daemon.get("/tollgate/v1/me", "").status, 401);
}

TEST_F(Surfaces, TheBaseUrlCanBeProbed) {
  EXPECT_EQ(daemon.connect().exchange(http_request("GET", "/", {})).status, 200);
  RawClient head = daemon.connect();
  head.send(http_request("HEAD", "/", {}));
  EXPECT_EQ(head.read_head().status, 200);
}

}  // namespace
}  // namespace tollgate::testing
