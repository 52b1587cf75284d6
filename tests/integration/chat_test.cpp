// /v1/chat/completions: what the agent sends and gets, byte for byte, with its row and its metrics.
#include <gtest/gtest.h>
#include <zlib.h>

#include <nlohmann/json.hpp>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kPath = "/v1/chat/completions";

class Chat : public ::testing::Test {
 protected:
  FakeUpstream upstream;
  Daemon daemon{kOneProvider, {.variables = {{"UP", upstream.url()}}}};

  std::vector<std::string> stream_data(const std::string& body, bool* complete = nullptr) {
    RawClient client = daemon.connect();
    client.send(daemon.post_bytes(kPath, body));
    const Response head = client.read_head();
    EXPECT_EQ(head.status, 200) << head.raw_head;
    EXPECT_EQ(head.header("content-type"), "text/event-stream");
    std::vector<std::string> out;
    for (const SseEvent& event : client.all_events()) out.push_back(event.data);
    if (complete != nullptr) *complete = client.body_complete();
    return out;
  }
};

TEST_F(Chat, JsonBytesPassWithOnlyTheModelChanged) {
  // Key order, spacing, unknown fields, number spelling, escapes: all of it is the agent's
  // business.
  const std::string request =
      "{ \"zeta\" : 1.50e+2,\t\"model\" : \"m\" , \"messages\":[ {\"role\":\"user\","
      "\"content\":\"caf\\u00e9 \xE2\x82\xAC\"} ],\n \"max_tokens\":100, \"vendor_x\":{\"a\":[1,2,"
      "{}]},\"n\":1 }";
  const std::string answer =
      "{ \"usage\":{\"total_tokens\":17,\"completion_tokens\":5,\"prompt_tokens\":12 , \"x\":1e0},"
      " \"id\":\"chatcmpl-9\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"real-m\","
      "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"h\\u0069\"},"
      "\"finish_reason\":\"stop\"}], \"unknown\":null }\n";
  upstream.on("POST", kPath, {Answer::json(200, answer).header("openai-processing-ms", "7")});

  const Response response = daemon.post(kPath, request);
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.body, answer);
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.header("openai-processing-ms"), "7");
  EXPECT_FALSE(response.header("x-request-id").empty());

  std::string expected = request;
  expected.replace(expected.find("\"m\""), 3, "\"real-m\"");
  const SeenRequest seen = upstream.requests().at(0);
  EXPECT_EQ(seen.body, expected);
  EXPECT_EQ(seen.header("authorization"), "Bearer " + std::string(kProviderKey));
  EXPECT_EQ(seen.header("content-length"), std::to_string(expected.size()));
  EXPECT_EQ(seen.header("accept-encoding"), "identity");

  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("request_id"), response.header("x-request-id"));
  EXPECT_EQ(row.at("key_id"), "k1");
  EXPECT_EQ(row.at("agent"), "coder");
  EXPECT_EQ(row.at("team"), "research");
  EXPECT_EQ(row.at("org"), "acme");
  EXPECT_EQ(row.at("tags"), R"(["ci"])");
  EXPECT_EQ(row.at("surface"), "chat");
  EXPECT_EQ(row.at("model_asked"), "m");
  EXPECT_EQ(row.at("model_served"), "real-m");
  EXPECT_EQ(row.at("provider"), "up");
  EXPECT_EQ(row.at("status"), "200");
  EXPECT_EQ(row.at("outcome"), "ok");
  EXPECT_EQ(row.at("input_tokens"), "12");
  EXPECT_EQ(row.at("output_tokens"), "5");
  EXPECT_EQ(row.at("cost_nusd"), kCompletionCost);
  EXPECT_EQ(row.at("estimated"), "0");
  EXPECT_EQ(row.at("attempt_count"), "1");
  EXPECT_EQ(row.at("request_bytes"), std::to_string(request.size()));
  EXPECT_EQ(row.at("response_bytes"), std::to_string(answer.size()));
  EXPECT_GT(std::stol(row.at("held_nusd")), std::stol(row.at("cost_nusd")));
  EXPECT_GT(std::stol(row.at("total_us")), 0);
  EXPECT_FALSE(row.at("gateway_us").empty());
  EXPECT_FALSE(row.at("upstream_us").empty());

  const MetricsText metrics = daemon.metrics();
  EXPECT_EQ(metrics.value("tollgate_requests_total", {{"surface", "chat"}, {"outcome", "ok"}}), 1);
  EXPECT_EQ(metrics.value("tollgate_gateway_seconds_count"), 1);
  EXPECT_NEAR(metrics.value("tollgate_cost_usd_total"), 80'000e-9, 1e-12);
  EXPECT_EQ(metrics.value("tollgate_tokens_total", {{"kind", "input"}}), 12);
  EXPECT_EQ(metrics.value("tollgate_tokens_total", {{"kind", "output"}}), 5);
  EXPECT_EQ(metrics.value("tollgate_holds_nusd"), 0);
  EXPECT_EQ(metrics.value("tollgate_in_flight"), 0);
}

// curl -d names its body a form; some providers then do not read it.
TEST_F(Chat, ABodyIsForwardedAsJsonWhateverTheAgentCalledIt) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  const auto sent_as = [&](const Headers& more) {
    Headers headers{{"authorization", "Bearer " + daemon.key()}};
    headers.insert(headers.end(), more.begin(), more.end());
    EXPECT_EQ(daemon.connect()
                  .exchange(http_request("POST", kPath, headers, chat_request("m", "hi")))
                  .status,
              200);
    return upstream.requests().back().header("content-type");
  };
  EXPECT_EQ(sent_as({}), "application/json");
  EXPECT_EQ(sent_as({{"content-type", "application/x-www-form-urlencoded"}}), "application/json");
  EXPECT_EQ(sent_as({{"content-type", "application/json; charset=utf-8"}}),
            "application/json; charset=utf-8");
}

TEST_F(Chat, StreamGetsUsageAskedForUpstreamAndHiddenFromTheAgent) {
  upstream.on("POST", kPath, {Answer::sse(chat_stream({"Hello", " ", "world"}))});
  bool complete = false;
  const auto data =
      stream_data(chat_request("m", "hi", R"(,"max_tokens":100,"stream":true)"), &complete);
  EXPECT_TRUE(complete);
  ASSERT_FALSE(data.empty());
  EXPECT_EQ(data.back(), "[DONE]");
  EXPECT_EQ(joined_content(data), "Hello world");
  for (const std::string& value : data)
    EXPECT_EQ(value.find("\"usage\""), std::string::npos) << value;

  const json seen = json::parse(upstream.requests().at(0).body);
  EXPECT_EQ(seen["stream_options"]["include_usage"], true);
  EXPECT_EQ(seen["model"], "real-m");

  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("stream"), "1");
  EXPECT_EQ(row.at("input_tokens"), "12");
  EXPECT_EQ(row.at("output_tokens"), "5");
  EXPECT_EQ(row.at("cost_nusd"), kCompletionCost);
  EXPECT_EQ(row.at("estimated"), "0");
  EXPECT_FALSE(row.at("ttft_us").empty());
  EXPECT_EQ(daemon.metrics().value("tollgate_ttft_seconds_count"), 1);
}

TEST_F(Chat, StreamKeepsTheUsageChunkOfAnAgentThatAsked) {
  // Whole words: the default guardrails hold nothing back, and no byte is written anew.
  const auto events = chat_stream({"one ", "two. "});
  upstream.on("POST", kPath, {Answer::sse(events)});
  const std::string body = chat_request(
      "m", "hi", R"(,"max_tokens":100,"stream":true,"stream_options":{"include_usage":true})");
  RawClient client = daemon.connect();
  client.send(daemon.post_bytes(kPath, body));
  ASSERT_EQ(client.read_head().status, 200);
  std::string got;
  for (const SseEvent& event : client.all_events()) got += event.raw;
  std::string sent;
  for (const std::string& event : events) sent += event;
  EXPECT_EQ(got, sent) << "every byte of the stream as the provider wrote it";
  std::string expected = body;
  expected.replace(expected.find("\"m\""), 3, "\"real-m\"");
  EXPECT_EQ(upstream.requests().at(0).body, expected);
}

TEST_F(Chat, StreamOfToolCallsPassesUntouched) {
  const std::string call =
      R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"real-m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}]})";
  const std::string arguments =
      R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"real-m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\": 1}"}}]},"finish_reason":null}]})";
  upstream.on("POST", kPath,
              {Answer::sse({sse_data(call), sse_data(arguments), sse_data("[DONE]")})});
  const auto data = stream_data(chat_request("m", "hi", R"(,"max_tokens":100,"stream":true)"));
  ASSERT_EQ(data.size(), 3u);
  EXPECT_EQ(data[0], call);
  const json got = json::parse(data[1]);
  EXPECT_EQ(got["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"], "{\"x\": 1}");
}

TEST_F(Chat, EventsReachTheAgentAsTheyComeNotAtTheEnd) {
  upstream.on("POST", kPath, {Answer::sse(chat_stream({"one ", "two ", "three "}), 150ms)});
  RawClient client = daemon.connect();
  client.send(
      daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":9,"stream":true)")));
  const SteadyTime start = std::chrono::steady_clock::now();
  ASSERT_EQ(client.read_head().status, 200);
  const auto events = client.all_events();
  ASSERT_GE(events.size(), 4u);
  EXPECT_LT(events.front().at - start, 140ms);
  EXPECT_GT(events.back().at - events.front().at, 400ms);
}

TEST_F(Chat, HeadersOfTheAgentsHopAndCredentialsStayHere) {
  upstream.on("POST", kPath,
              {Answer::json(200, completion("ok"))
                   .header("connection", "keep-alive")
                   .header("set-cookie", "a=b")
                   .header("x-ratelimit-remaining-requests", "9")});
  const Response response =
      daemon.post(kPath, chat_request("m", "hi"), "agent",
                  {{"Cookie", "session=1"},
                   {"X-Forwarded-For", "10.1.2.3"},
                   {"Forwarded", "for=10.1.2.3"},
                   {"X-Real-IP", "10.1.2.3"},
                   {"Proxy-Authorization", "Basic eDp5"},
                   {"TE", "trailers"},
                   {"Connection", "x-hop"},
                   {"X-Hop", "1"},
                   {"x-tollgate-anything", "1"},
                   {"x-stainless-lang", "js"},
                   {"OpenAI-Beta", "assistants=v2"},
                   {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}});
  ASSERT_EQ(response.status, 200) << response.body;
  const SeenRequest seen = upstream.requests().at(0);
  for (const char* name : {"cookie", "x-forwarded-for", "forwarded", "x-real-ip",
                           "proxy-authorization", "te", "x-hop", "x-tollgate-anything"}) {
    EXPECT_EQ(seen.header(name), "") << name;
  }
  EXPECT_EQ(seen.raw_head.find(daemon.key()), std::string::npos);
  EXPECT_EQ(seen.header("x-stainless-lang"), "js");
  EXPECT_EQ(seen.header("openai-beta"), "assistants=v2");
  EXPECT_EQ(response.header("x-ratelimit-remaining-requests"), "9");
  EXPECT_EQ(daemon.rows(1).at(0).at("trace_id"), "0af7651916cd43dd8448eb211c80319c");
}

TEST_F(Chat, ChunkedGzipAndExpectRequestsArriveWholeAndPlain) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  const std::string body = chat_request("m", "hi");
  std::string expected = body;
  expected.replace(expected.find("\"m\""), 3, "\"real-m\"");
  const std::string head = "POST " + std::string(kPath) +
                           " HTTP/1.1\r\nhost: x\r\ncontent-type: "
                           "application/json\r\nauthorization: Bearer " +
                           daemon.key() + "\r\n";
  {
    RawClient client = daemon.connect();
    client.send(head + "transfer-encoding: chunked\r\n\r\n5;ext=1\r\n" + body.substr(0, 5) +
                "\r\n");
    client.send("1\r\n" + body.substr(5, 1) + "\r\n");
    std::array<char, 20> size{};
    std::snprintf(size.data(), size.size(), "%zx", body.size() - 6);
    client.send(std::string(size.data()) + "\r\n" + body.substr(6) + "\r\n0\r\ntrailer: x\r\n\r\n");
    EXPECT_EQ(client.read_response().status, 200);
  }
  {
    std::string zipped(body.size() + 100, '\0');
    z_stream stream{};
    ASSERT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string input = body;
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(zipped.data());
    stream.avail_out = static_cast<uInt>(zipped.size());
    ASSERT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    zipped.resize(stream.total_out);
    deflateEnd(&stream);
    const Response response = daemon.post(kPath, zipped, "agent", {{"content-encoding", "gzip"}});
    EXPECT_EQ(response.status, 200) << response.body;
  }
  {
    RawClient client = daemon.connect();
    client.send(head + "expect: 100-continue\r\ncontent-length: " + std::to_string(body.size()) +
                "\r\n\r\n");
    std::string interim;
    ASSERT_EQ(client.transport().read_some(interim, 2s), ReadEnd::data);
    EXPECT_EQ(interim.rfind("HTTP/1.1 100 ", 0), 0u) << interim;
    client.send(body);
    EXPECT_EQ(client.read_response().status, 200);
  }
  const auto seen = upstream.requests();
  ASSERT_EQ(seen.size(), 3u);
  for (const SeenRequest& request : seen) {
    EXPECT_EQ(request.body, expected);
    EXPECT_EQ(request.header("content-encoding"), "");
    EXPECT_EQ(request.header("transfer-encoding"), "");
    EXPECT_EQ(request.header("expect"), "");
  }
}

TEST_F(Chat, OneConnectionServesManyCallsAndUpstreamConnectionsAreReused) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  RawClient client = daemon.connect();
  for (int i = 0; i < 20; ++i) {
    const Response response = client.exchange(daemon.post_bytes(kPath, chat_request("m", "hi")));
    ASSERT_EQ(response.status, 200) << i << " " << response.failure;
  }
  EXPECT_EQ(upstream.request_count(), 20u);
  EXPECT_EQ(upstream.connection_count(), 1u);
  EXPECT_EQ(daemon.exactly(20).size(), 20u);
  EXPECT_EQ(daemon.metrics().value("tollgate_upstream_reuses_total"), 19);
}

TEST_F(Chat, AnAbsentCapIsSetAndATooHighOneIsLoweredToWhatTheBudgetHolds) {
  const std::string yaml = std::string(kOneProvider) + R"(
    budgets: [{name: small, limit: 0.02, window: day}]
)";
  Daemon small(yaml, {.variables = {{"UP", upstream.url()}}});
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  // 4096 tokens (spending.default_output_cap) at $10/M would be $0.041: over the budget of $0.02.
  const Response response = small.post(kPath, chat_request("m", "hi", ""));
  ASSERT_EQ(response.status, 200) << response.body;
  const json seen = json::parse(upstream.requests().at(0).body);
  const int cap = seen.value("max_tokens", seen.value("max_completion_tokens", 0));
  EXPECT_GT(cap, 0);
  EXPECT_LE(cap, 2000) << "0.02 / 10e-6";
  EXPECT_EQ(response.header("x-tollgate-output-cap"), std::to_string(cap));
  const Row row = small.rows(1).at(0);
  EXPECT_EQ(row.at("output_cap_lowered"), "1");
  EXPECT_LE(std::stol(row.at("held_nusd")), 20'000'000);
}

TEST_F(Chat, AProvidersOwnErrorIsPassedOnAndCostsNothing) {
  const std::string error =
      R"({"error":{"message":"context too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}})";
  upstream.on("POST", kPath, {Answer::json(400, error)});
  const Response response = daemon.post(kPath, chat_request("m", "hi"));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body, error);
  EXPECT_EQ(upstream.request_count(), 1u);
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("status"), "400");
  EXPECT_EQ(row.at("cost_nusd"), "0");
  const MetricsText metrics = daemon.metrics();
  EXPECT_EQ(metrics.value("tollgate_requests_total", {{"outcome", "relayed_error"}}), 1);
  EXPECT_EQ(metrics.value("tollgate_holds_nusd"), 0);
}

}  // namespace
}  // namespace tollgate::testing
