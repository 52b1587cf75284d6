// Streams that end badly, on either side.
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

std::string stream_request() {
  return chat_request("m", "tell me a story", R"(,"max_tokens":100,"stream":true)");
}

constexpr const char* kAnthropic = R"(
providers:
  claude: {kind: anthropic, base_url: "@{UP}", api_key: provider-credential-0123456789abcdef, proxy: none}
models:
  m: {deployments: [{provider: claude, model: real-claude, price: {input: 2.5, output: 10}}]}
keys: [{id: k1, digest: "@{digest:agent}"}]
)";

struct CutCase {
  const char* name;
  Answer::End end;
  Answer::Framing framing;
};
class MidStreamDeath : public ::testing::TestWithParam<CutCase> {};

TEST_P(MidStreamDeath, BecomesAnErrorEventNeverDoneAndIsSettled) {
  FakeUpstream upstream;
  const auto events = chat_stream({"Once ", "upon ", "a ", "time "});
  std::size_t half = 0;
  for (int i = 0; i < 4; ++i) half += events[static_cast<std::size_t>(i)].size();
  upstream.on(
      "POST", kPath,
      {Answer::sse(events, 5ms).framing(GetParam().framing).cut_at(half + 20, GetParam().end)});
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  RawClient client = daemon.connect();
  client.send(daemon.post_bytes(kPath, stream_request()));
  ASSERT_EQ(client.read_head().status, 200);
  const auto got = client.all_events(3s);
  ASSERT_FALSE(got.empty());
  std::vector<std::string> data;
  for (const SseEvent& event : got) {
    EXPECT_NE(event.data, "[DONE]");
    data.push_back(event.data);
  }
  EXPECT_EQ(joined_content(data), "Once upon a ") << "what came before the cut was not lost";
  const json last = json::parse(data.back());
  ASSERT_TRUE(last.contains("error")) << data.back();
  EXPECT_EQ(last["error"]["code"], "upstream_cut");
  EXPECT_TRUE(client.wait_closed(1s)) << "the connection ends with the stream";

  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("outcome"), "upstream_cut");
  EXPECT_EQ(row.at("status"), "200");
  EXPECT_EQ(row.at("error_code"), "upstream_cut");
  EXPECT_EQ(row.at("estimated"), "1");
  EXPECT_GT(std::stol(row.at("output_tokens")), 0);
  EXPECT_GT(std::stol(row.at("cost_nusd")), 0);
  EXPECT_EQ(row.at("attempt_count"), "1") << "no silent retry after the first byte";
  const MetricsText metrics = daemon.metrics();
  EXPECT_EQ(metrics.value("tollgate_holds_nusd"), 0);
  EXPECT_EQ(metrics.value("tollgate_in_flight"), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Ends, MidStreamDeath,
    ::testing::Values(CutCase{"reset", Answer::End::reset, Answer::Framing::chunked},
                      CutCase{"fin", Answer::End::close, Answer::Framing::chunked},
                      CutCase{"fin_close_delimited", Answer::End::close,
                              Answer::Framing::until_close}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(Streams, AnAnthropicStreamThatDiesEndsWithItsOwnErrorEvent) {
  FakeUpstream upstream;
  const auto events = anthropic_stream({"Once ", "upon "});
  std::size_t half = 0;
  for (int i = 0; i < 4; ++i) half += events[static_cast<std::size_t>(i)].size();
  upstream.on("POST", "/v1/messages", {Answer::sse(events, 5ms).cut_at(half, Answer::End::reset)});
  Daemon daemon(kAnthropic, {.variables = {{"UP", upstream.url()}}});
  RawClient client = daemon.connect();
  client.send(daemon.post_bytes("/v1/messages", stream_request(), "agent",
                                {{"anthropic-version", "2023-06-01"}}));
  ASSERT_EQ(client.read_head().status, 200);
  const auto got = client.all_events(3s);
  ASSERT_FALSE(got.empty());
  EXPECT_EQ(got.back().event, "error");
  const json error = json::parse(got.back().data);
  EXPECT_EQ(error["type"], "error");
  EXPECT_EQ(error["error"]["type"], "api_error");
  for (const SseEvent& event : got) EXPECT_NE(event.event, "message_stop");
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("input_tokens"), "12") << "message_start told it";
  EXPECT_EQ(row.at("estimated"), "1");
}

TEST(Streams, ASilentUpstreamMidStreamIsEndedByTheIdleTimeout) {
  FakeUpstream upstream;
  const auto events = chat_stream({"Once "});
  upstream.on(
      "POST", kPath,
      {Answer::sse(events).cut_at(events[0].size() + events[1].size(), Answer::End::silent)});
  Daemon daemon(std::string(kOneProvider) + "timeouts: {stream_idle: 400ms}\n",
                {.variables = {{"UP", upstream.url()}}});
  RawClient client = daemon.connect();
  client.send(daemon.post_bytes(kPath, stream_request()));
  ASSERT_EQ(client.read_head().status, 200);
  const SteadyTime start = std::chrono::steady_clock::now();
  const auto got = client.all_events(5s);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
  ASSERT_FALSE(got.empty());
  EXPECT_NE(got.back().data.find("\"upstream_timeout\""), std::string::npos) << got.back().data;
  EXPECT_NE(got.back().data.find("fell silent"), std::string::npos) << got.back().data;
  EXPECT_TRUE(upstream.wait_for_peer_left(0, 2s).has_value());
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("error_code"), "upstream_timeout");
  const json attempts = json::parse(row.at("attempts"));
  ASSERT_EQ(attempts.size(), 1u);
  EXPECT_EQ(attempts[0]["error_code"], "upstream_timeout") << "one end, one name";
}

TEST(Streams, AnErrorEventAfterThe200IsTheAgentsToSee) {
  FakeUpstream upstream;
  const std::string error =
      R"({"error":{"message":"overloaded","type":"server_error","code":"x"}})";
  upstream.on("POST", kPath, {Answer::sse({chat_chunk("a"), sse_data(error)})});
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  const Response response = daemon.post(kPath, stream_request());
  EXPECT_EQ(response.status, 200);
  EXPECT_NE(response.body.find(error), std::string::npos);
  EXPECT_EQ(daemon.exactly(1).size(), 1u);
}

struct BadStream {
  const char* name;
  std::string tail;
};
class MalformedStream : public ::testing::TestWithParam<BadStream> {};

TEST_P(MalformedStream, IsCutAndTheDaemonGoesOn) {
  FakeUpstream upstream;
  upstream.on("POST", kPath,
              {Answer::raw("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                           "transfer-encoding: chunked\r\n\r\n" +
                           GetParam().tail)
                   .end(Answer::End::close),
               Answer::json(200, completion("fine"))});
  Daemon daemon(std::string(kOneProvider) +
                    "limits: {sse_event_bytes: 64KiB}\nrouting: {retries_per_deployment: 0}\n",
                {.variables = {{"UP", upstream.url()}}});
  const Response response = daemon.post(kPath, stream_request());
  if (response.status == 200) {
    EXPECT_EQ(response.body.find("[DONE]"), std::string::npos) << response.body;
  } else {
    EXPECT_GE(response.status, 500);
  }
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
  EXPECT_EQ(daemon.exactly(2).size(), 2u);
  EXPECT_EQ(upstream.connection_count(), 2u) << "a doubtful connection is not used again";
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

INSTANTIATE_TEST_SUITE_P(Kinds, MalformedStream,
                         ::testing::Values(BadStream{"bad_chunk_size", "zz\r\ndata: x\n\n\r\n"},
                                           BadStream{"negative_chunk", "-5\r\ndata: x\n\n\r\n"},
                                           BadStream{"no_crlf_after_chunk", "5\r\nhelloX"},
                                           BadStream{"huge_chunk_size", "fffffffffffffffff\r\n"},
                                           BadStream{"endless_line",
                                                     "20000\r\ndata: " +
                                                         std::string(0x20000 - 6, 'a') + "\r\n"}),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(Streams, AVanishedClientCancelsTheUpstreamWithin100MsAndIsOnRecord) {
  FakeUpstream upstream;
  std::vector<std::string> texts(2'000, "word ");
  upstream.on("POST", kPath, {Answer::sse(chat_stream(texts), 10ms)});
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  for (const bool with_reset : {false, true}) {
    const std::size_t number = upstream.request_count();
    SteadyTime left;
    {
      RawClient client = daemon.connect();
      client.send(daemon.post_bytes(kPath, stream_request()));
      ASSERT_EQ(client.read_head().status, 200);
      for (int i = 0; i < 10; ++i) ASSERT_TRUE(client.next_event().has_value());
      if (with_reset) client.transport().arm_reset();
      left = std::chrono::steady_clock::now();
      client.transport().close();
    }
    const auto noticed = upstream.wait_for_peer_left(number, 2s);
    ASSERT_TRUE(noticed.has_value()) << "the upstream was never cancelled";
    EXPECT_LT(*noticed - left, 100ms + 20ms /* the fake looks every 20 ms */);
  }
  const auto rows = daemon.exactly(2);
  ASSERT_EQ(rows.size(), 2u);
  for (const Row& row : rows) {
    EXPECT_EQ(row.at("outcome"), "client_closed");
    EXPECT_EQ(row.at("estimated"), "1");
    EXPECT_GT(std::stol(row.at("cost_nusd")), 0) << "what was seen is paid for";
    EXPECT_GE(std::stol(row.at("output_tokens")), 5);
  }
  const MetricsText metrics = daemon.metrics();
  EXPECT_EQ(metrics.value("tollgate_requests_total", {{"outcome", "client_closed"}}), 2);
  EXPECT_EQ(metrics.value("tollgate_holds_nusd"), 0);
  EXPECT_EQ(metrics.value("tollgate_in_flight"), 0);
}

TEST(Streams, AClientThatVanishesBeforeTheFirstByteCancelsToo) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::silence()});
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  SteadyTime left;
  {
    RawClient client = daemon.connect();
    client.send(daemon.post_bytes(kPath, chat_request("m", "hi")));
    ASSERT_TRUE(upstream.wait_for_requests(1));
    left = std::chrono::steady_clock::now();
  }
  const auto noticed = upstream.wait_for_peer_left(0, 2s);
  ASSERT_TRUE(noticed.has_value());
  EXPECT_LT(*noticed - left, 120ms);
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("outcome"), "client_closed");
  EXPECT_EQ(row.at("status"), "499");
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

TEST(Streams, ASlowReaderDoesNotMakeTheGatewayBufferAndIsCutAfterItsTimeout) {
  FakeUpstream upstream;
  // About 40 MB: far more than the sockets hold.
  upstream.on(
      "POST", kPath,
      {Answer::sse(chat_stream(std::vector<std::string>(2'000, std::string(20'000, 'x'))))});
  Daemon daemon(std::string(kOneProvider) + "timeouts: {client_write: 1s}\n",
                {.variables = {{"UP", upstream.url()}}});
  RawClient client = daemon.connect();
  client.send(daemon.post_bytes(kPath, stream_request()));
  ASSERT_EQ(client.read_head().status, 200);
  // Reads nothing more; the daemon must end both sides.
  EXPECT_TRUE(upstream.wait_for_peer_left(0, 8s).has_value());
  const Row row = daemon.rows(1, 5s).at(0);
  EXPECT_EQ(row.at("outcome"), "client_closed");
  EXPECT_LT(std::stol(row.at("response_bytes")), 30'000'000);
}

TEST(Streams, OddLineEndsAndSplitsOfTheWireReachTheAgentUnharmed) {
  FakeUpstream upstream;
  std::string wire;
  for (const std::string& event : chat_stream({"caf\xC3\xA9 ", "\xF0\x9F\x98\x80", " end"}))
    wire += event;
  wire.insert(0, ": keep-alive comment\n\n");
  upstream.on("POST", kPath, {Answer::sse({wire}).drip(1, 0ms)});
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  RawClient client = daemon.connect();
  client.send(daemon.post_bytes(kPath, stream_request()));
  ASSERT_EQ(client.read_head().status, 200);
  std::vector<std::string> data;
  for (const SseEvent& event : client.all_events()) data.push_back(event.data);
  EXPECT_EQ(joined_content(data), "caf\xC3\xA9 \xF0\x9F\x98\x80 end");
  EXPECT_EQ(data.back(), "[DONE]");
}

}  // namespace
}  // namespace tollgate::testing
