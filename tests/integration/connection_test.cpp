// One connection, many requests: what is read ahead, who is watched, what is kept, what is sent
// twice.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "integration/rpc_fixture.hpp"
#include "support/sanitized.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kPath = "/v1/chat/completions";

std::string long_chat(std::size_t bytes) {
  return chat_request("m", std::string(bytes, 'x'));
}

class Connection : public ::testing::Test {
 protected:
  static std::string head(const std::string& key, const std::string& framing) {
    return "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + key +
           "\r\ncontent-type: application/json\r\n" + framing + "\r\n\r\n";
  }
  FakeUpstream upstream;
};

/// The second request begins while the first is worked on: its head, and more or less of its body,
/// are read by the read that watches the agent.
TEST_F(Connection, ABodyThatIsPartlyPipelinedArrivesWhole) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok")).after(150ms)});
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  std::size_t calls = 0;
  for (const bool chunked : {false, true}) {
    for (const std::size_t size : {200u, 20'000u, 200'000u}) {
      for (const std::size_t early : {0u, 1u, 150u, 15'000u}) {
        const std::string body = long_chat(size);
        if (early >= body.size()) continue;
        SCOPED_TRACE(std::to_string(size) + (chunked ? " chunked, " : ", ") +
                     std::to_string(early) + " early");
        std::string framing = "content-length: " + std::to_string(body.size());
        std::string wire = body;
        if (chunked) {
          framing = "transfer-encoding: chunked";
          std::array<char, 16> digits{};
          std::snprintf(digits.data(), digits.size(), "%zx\r\n", body.size());
          wire = digits.data() + body + "\r\n0\r\n\r\n";
        }
        RawClient client = daemon.connect();
        client.send(daemon.post_bytes(kPath, chat_request("m", "first")));
        ASSERT_TRUE(upstream.wait_for_requests(++calls));
        client.send(head(daemon.key(), framing) + wire.substr(0, early));
        ASSERT_EQ(client.read_response(5s).status, 200);
        std::this_thread::sleep_for(10ms);
        client.send(std::string_view(wire).substr(early, 40));
        std::this_thread::sleep_for(5ms);
        if (wire.size() > early + 40) client.send(std::string_view(wire).substr(early + 40));
        const Response second = client.read_response(5s);
        ASSERT_EQ(second.status, 200) << second.body << second.failure;
        ASSERT_EQ(upstream.request_count(), ++calls);
        EXPECT_EQ(json::parse(upstream.requests().back().body)["messages"],
                  json::parse(body)["messages"]);
      }
    }
  }
}

TEST_F(Connection, AKeylessProbeWithABodyBehindAnotherHarmsNobody) {
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  for (int i = 0; i < 20; ++i) {
    RawClient client = daemon.connect();
    client.send(
        "GET / HTTP/1.1\r\nhost: x\r\n\r\n"
        "GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    EXPECT_GT(client.read_response(3s).status, 0);
    client.send("5\r\nhello\r\n");
    std::this_thread::sleep_for(2ms);
    client.send("0\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_GT(client.read_response(3s).status, 0);
    EXPECT_GT(client.read_response(3s).status, 0) << "the one behind the chunks";
  }
  const Response large =
      daemon.connect().exchange("GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n", 3s);
  EXPECT_EQ(large.status, 413) << "nobody has use for it";
}

TEST_F(Connection, AnAgentThatLeavesIsNoticedWhateverTheSizeOfItsRequest) {
  upstream.on("POST", kPath, {Answer::silence()});
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  std::size_t number = 0;
  for (const std::size_t size : {100u, 15'500u, 16'000u, 17'000u, 40'000u, 200'000u}) {
    for (const bool stream : {false, true}) {
      SCOPED_TRACE(size);
      const std::string more = stream ? R"(,"max_tokens":9,"stream":true)" : R"(,"max_tokens":9)";
      SteadyTime left;
      {
        RawClient client = daemon.connect();
        client.send(daemon.post_bytes(kPath, chat_request("m", std::string(size, 'x'), more)));
        ASSERT_TRUE(upstream.wait_for_requests(number + 1));
        left = std::chrono::steady_clock::now();
      }
      const auto noticed = upstream.wait_for_peer_left(number++, 2s);
      ASSERT_TRUE(noticed.has_value()) << "the upstream was never cancelled";
      EXPECT_LT(*noticed - left, 150ms);
    }
  }
  const auto rows = daemon.exactly(number);
  ASSERT_EQ(rows.size(), number);
  for (const Row& row : rows) EXPECT_EQ(row.at("outcome"), "client_closed");
}

long resident_kib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::stol(line.substr(6));
  return -1;
}

TEST_F(Connection, AnnouncedBytesTakeNoMemoryAndBytesThatCameAreBounded) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  Daemon daemon(
      std::string(kOneProvider) + "limits: {body_bytes: 16MiB, body_memory_bytes: 32MiB}\n",
      {.variables = {{"UP", upstream.url()}}});
  ASSERT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
  const long before = resident_kib(daemon.pid());
  {
    std::vector<RawClient> agents;
    for (int i = 0; i < 100; ++i) {
      agents.push_back(daemon.connect());
      agents.back().send(head(daemon.key(), "content-length: 16000000") + "{");
    }
    ASSERT_TRUE(daemon.wait_metric("tollgate_connections", {}, 100));
    std::this_thread::sleep_for(100ms);
    if (!kSanitized) {
      EXPECT_LT(resident_kib(daemon.pid()) - before, 16 * 1024);
    }
  }
  {
    // Six times 8 MB do not fit in 32 MiB.
    std::vector<RawClient> agents;
    int refused = 0;
    for (int i = 0; i < 6; ++i) {
      agents.push_back(daemon.connect());
      agents.back().send(head(daemon.key(), "content-length: 16000000"));
      agents.back().send(std::string(8'000'000, 'x'));
    }
    for (RawClient& agent : agents) {
      const Response response = agent.read_response(300ms);
      if (response.status == 0) continue;
      EXPECT_EQ(response.status, 503);
      EXPECT_EQ(json::parse(response.body)["error"]["code"], "overloaded");
      EXPECT_FALSE(response.header("retry-after").empty());
      ++refused;
    }
    EXPECT_GE(refused, 1);
    EXPECT_LT(refused, 6);
    EXPECT_GE(daemon.metrics().value("tollgate_limit_hits_total", {{"limit", "body_memory_bytes"}}),
              refused);
  }
  bool back = false;
  for (int i = 0; i < 50 && !back; ++i) {
    back = daemon.post(kPath, long_chat(10'000'000)).status == 200;
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_TRUE(back) << "what a body took is given back";
}

/// Three bytes of text a value, 28 of index: it lives as long as the text, and counts like it.
TEST_F(Connection, TheIndexOfABodyCountsAsItsBytesDo) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok")).after(1500ms)});
  Daemon daemon(std::string(kOneProvider) +
                    "limits: {body_bytes: 16MiB, body_memory_bytes: 128MiB, json_nodes: 1000000}\n",
                {.variables = {{"UP", upstream.url()}}});
  std::string nested = R"({"model":"m","messages":[{"role":"user","content":"hi"}],"x":[)";
  for (int i = 0; i < 900'000; ++i) nested += "[],";
  nested += "1]}";
  ASSERT_EQ(daemon.post(kPath, nested).status, 200) << "31 MB fit";
  const long before = resident_kib(daemon.pid());
  std::atomic<long> most = before;
  // All the time, since the most may last for milliseconds.
  std::jthread watch([&](const std::stop_token& stop) {
    for (; !stop.stop_requested(); std::this_thread::sleep_for(500us))
      most = std::max(most.load(), resident_kib(daemon.pid()));
  });
  {
    // Twenty times 31 MB do not.
    std::vector<RawClient> agents;
    for (int i = 0; i < 20; ++i) {
      agents.push_back(daemon.connect());
      agents.back().send(daemon.post_bytes(kPath, nested));
    }
    ASSERT_TRUE(upstream.wait_for_requests(2));
    int served = 0, refused = 0;
    for (RawClient& agent : agents) {
      const Response response = agent.read_response(20s);
      served += response.status == 200 ? 1 : 0;
      refused += response.status == 503 ? 1 : 0;
      if (response.status == 503) {
        EXPECT_EQ(json::parse(response.body)["error"]["code"], "overloaded");
      }
    }
    EXPECT_GE(served, 1);
    EXPECT_GE(refused, 1);
    EXPECT_EQ(served + refused, 20);
    EXPECT_GE(daemon.metrics().value("tollgate_limit_hits_total", {{"limit", "body_memory_bytes"}}),
              refused);
  }
  watch.request_stop();
  watch.join();
  if (!kSanitized) {
    EXPECT_LT(most - before, (128 + 2 * 42 + 20) * 1024) << "the limit, and a parse per worker";
  }
  EXPECT_EQ(daemon.post(kPath, nested).status, 200) << "what an index took is given back";
}

/// What one call needed is used for the next, whose connection ever: it must not stay with it.
TEST_F(Connection, LargePromptsAndNamesLeaveNoMemoryBehind) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  Daemon daemon(std::string(kOneProvider) +
                    "guardrails: {mail: {detectors: {email: mask}}}\ndefault_guardrails: [mail]\n",
                {.variables = {{"UP", upstream.url()}}});
  ASSERT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
  const long before = resident_kib(daemon.pid());
  const std::string large(4u << 20, 'x');
  {
    // All begin before the first one ends, so that each has memory of its own.
    const std::string masked =
        daemon.post_bytes(kPath, chat_request("m", large + " jane@example.com"));
    const std::string named = daemon.post_bytes(kPath, chat_request(large, "hi"));
    std::vector<RawClient> agents;
    for (int i = 0; i < 20; ++i) {
      const std::string& request = i % 2 == 0 ? masked : named;
      agents.push_back(daemon.connect());
      agents.back().send(request.substr(0, request.find("\r\n\r\n") + 4));
    }
    for (int i = 0; i < 20; ++i) {
      const std::string& request = i % 2 == 0 ? masked : named;
      agents[static_cast<std::size_t>(i)].send(request.substr(request.find("\r\n\r\n") + 4));
      const int status = agents[static_cast<std::size_t>(i)].read_response(20s).status;
      EXPECT_EQ(status, i % 2 == 0 ? 200 : 404);
    }
  }
  EXPECT_NE(upstream.requests().back().body.find("[REDACTED:email]"), std::string::npos);
  const auto rows = daemon.exactly(21);
  for (const Row& row : rows) EXPECT_LE(row.at("model_asked").size(), 2'048u);
  if (!kSanitized) {
    EXPECT_LT(resident_kib(daemon.pid()) - before, 40 * 1024);
  }
}

/// A 204 has no body, whatever its content type says: one byte of framing would be read as the
/// start of the next answer.
TEST_F(Connection, AnAnswerThatCannotHaveABodyHasNone) {
  upstream.on("GET", "/mcp-endpoint",
              {Answer::raw("HTTP/1.1 204 No Content\r\ncontent-type: text/event-stream\r\n\r\n")});
  Daemon daemon(kPeers, {.variables = {{"UP", upstream.url()}}});
  RawClient client = daemon.connect();
  client.send(
      http_request("GET", "/mcp/tools",
                   {{"authorization", "Bearer " + daemon.key()}, {"accept", "text/event-stream"}}));
  const Response first = client.read_response(3s);
  ASSERT_EQ(first.status, 204) << first.body;
  EXPECT_EQ(first.header("transfer-encoding"), "");
  const Response second = client.exchange(http_request("GET", "/", {}), 3s);
  EXPECT_EQ(second.raw_head.rfind("HTTP/1.1 ", 0), 0u) << second.raw_head << second.failure;
}

TEST_F(Connection, AHeadRequestForAStreamGetsItsHeadAlone) {
  upstream.on("HEAD", "/v1/files",
              {Answer::raw("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                           "transfer-encoding: chunked\r\n\r\n")});
  Daemon daemon(R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}
keys: [{id: k1, digest: "@{digest:agent}", allow: {surfaces: [other], paths: ["/v1/*"]}}]
spending: {other_path_price: 0.001}
)",
                {.variables = {{"UP", upstream.url()}}});
  RawClient client = daemon.connect();
  const std::string key = "authorization: Bearer " + daemon.key() + "\r\n\r\n";
  client.send("HEAD /v1/files HTTP/1.1\r\nhost: x\r\n" + key + "HEAD /v1/files HTTP/1.1\r\n" +
              "host: x\r\n" + key);
  // Nothing but two heads: the client knows no framing for what it must not get.
  std::string wire;
  for (int i = 0; i < 40; ++i) (void)client.transport().read_some(wire, 25ms);
  EXPECT_EQ(wire.rfind("HTTP/1.1 200 ", 0), 0u) << wire;
  const std::size_t end = wire.find("\r\n\r\n");
  ASSERT_NE(end, std::string::npos) << wire;
  const std::string second = wire.substr(end + 4);
  EXPECT_EQ(second.rfind("HTTP/1.1 200 ", 0), 0u) << wire;
  EXPECT_EQ(second.find("\r\n\r\n"), second.size() - 4) << wire;
}

TEST_F(Connection, AHeadRequestIsToldTheUpstreamsLength) {
  upstream.on("HEAD", "/v1/files",
              {Answer::raw("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n"),
               Answer::raw("HTTP/1.1 200 OK\r\n\r\n"),
               Answer::raw("HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\n")});
  Daemon daemon(R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}
keys: [{id: k1, digest: "@{digest:agent}", allow: {surfaces: [other], paths: ["/v1/*"]}}]
spending: {other_path_price: 0.001}
)",
                {.variables = {{"UP", upstream.url()}}});
  RawClient client = daemon.connect();
  for (const std::string length : {"1234", "", "5"}) {
    client.send(http_request("HEAD", "/v1/files", {{"authorization", "Bearer " + daemon.key()}}));
    const Response head = client.read_head();
    EXPECT_EQ(head.status, length == "5" ? 404 : 200);
    EXPECT_EQ(head.header("content-length"), length) << head.raw_head;
  }
}

/// timeouts.total bounds what an agent reads, however steadily it drips.
TEST_F(Connection, ASlowReaderIsCutWhenItsCallsTimeIsUp) {
  upstream.on(
      "POST", kPath,
      {Answer::sse(chat_stream(std::vector<std::string>(2'000, std::string(20'000, 'x'))))});
  Daemon daemon(std::string(kOneProvider) + "timeouts: {client_write: 30s, total: 2s}\n",
                {.variables = {{"UP", upstream.url()}}});
  RawClient client = daemon.connect();
  client.send(
      daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":9000,"stream":true)")));
  ASSERT_TRUE(upstream.wait_for_requests(1));
  const auto start = std::chrono::steady_clock::now();
  // What the sockets hold reaches the agent later; that the gateway gave up, the upstream sees.
  std::optional<SteadyTime> left;
  std::string sink;
  while (!left && std::chrono::steady_clock::now() - start < 8s) {
    (void)client.transport().read_some(sink, 20ms);
    sink.clear();
    left = upstream.wait_for_peer_left(0, 20ms);
  }
  ASSERT_TRUE(left.has_value());
  EXPECT_GT(*left - start, 1s) << "it made progress all the time";
  EXPECT_LT(*left - start, 4s);
}

/// Both ends of `connections_per_ip`: a proxy stands for many agents, its PROXY header names each.
TEST_F(Connection, AddressesAreCountedBehindProxiesNotTheProxies) {
  const std::string limits = std::string(kOneProvider) + "limits: {connections_per_ip: 2}\n";
  const auto listener = [](const std::string& more) {
    return "listeners: [{name: main, address: \"127.0.0.1:0\", port_file: main.port, "
           "trusted_proxies: [\"127.0.0.0/8\"]" +
           more + "}]\n";
  };
  const std::string ask = http_request("GET", "/", {});
  {
    Daemon daemon(limits, {.variables = {{"UP", upstream.url()}}, .listeners = listener("")});
    std::vector<RawClient> agents;
    for (int i = 0; i < 6; ++i) {
      agents.push_back(daemon.connect());
      EXPECT_NE(agents.back().exchange(ask, 3s).status, 503) << i;
    }
  }
  Daemon daemon(limits, {.variables = {{"UP", upstream.url()}},
                         .listeners = listener(", proxy_protocol: true")});
  std::vector<RawClient> agents;
  const auto from = [&](const std::string& address) {
    agents.push_back(daemon.connect());
    return agents.back()
        .exchange("PROXY TCP4 " + address + " 192.0.2.250 5000 80\r\n" + ask, 3s)
        .status;
  };
  for (const char* address : {"192.0.2.1", "192.0.2.2", "192.0.2.3"}) {
    EXPECT_NE(from(address), 503);
    EXPECT_NE(from(address), 503);
    EXPECT_EQ(from(address), 503) << address;
  }
  EXPECT_EQ(daemon.metrics().value("tollgate_limit_hits_total", {{"limit", "connections_per_ip"}}),
            3);
  agents.clear();
  bool back = false;
  for (int i = 0; i < 50 && !back; ++i) {
    back = from("192.0.2.1") != 503;
    agents.clear();
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_TRUE(back);
}

// ---- what is sent twice ----

class SentTwice : public RpcTest {
 protected:
  SentTwice() : RpcTest({}, "workers: 1\n") {}
};

/// The upstream takes the second call on the kept-alive connection, perhaps acts on it, and closes.
TEST_F(SentTwice, AToolCallThatMayHaveRunIsNotMadeAgain) {
  const Answer fine = Answer::json(200, rpc_result(R"({"content":[]})"));
  upstream.on("POST", "/mcp-endpoint", {fine, Answer::close_before_first_byte(), fine});
  ASSERT_EQ(mcp(tool_call("add")).status, 200);
  const Response second = mcp(tool_call("add"));
  EXPECT_EQ(upstream.request_count(), 2u) << "the tool ran twice";
  EXPECT_TRUE(json::parse(second.body).contains("error")) << second.body;
  const Row row = daemon.exactly(2).at(1);
  EXPECT_EQ(row.at("outcome"), "failed");
  const json attempts = json::parse(row.at("attempts"));
  ASSERT_EQ(attempts.size(), 1u);
  EXPECT_EQ(attempts[0]["outcome"], "reset");
}

TEST_F(SentTwice, AReadMayBeMadeAgainAndAConnectionClosedBeforehandIsNoFailure) {
  const Answer fine = Answer::json(200, rpc_result(R"({"content":[]})"));
  upstream.on("POST", "/mcp-endpoint", {fine, Answer::close_before_first_byte(), fine});
  ASSERT_EQ(mcp(tool_call("read_file")).status, 200);
  EXPECT_EQ(mcp(tool_call("read_file")).status, 200);
  EXPECT_EQ(upstream.request_count(), 3u);
  // Closed while idle: not even a call that must not run twice takes harm.
  for (int i = 0; i < 20; ++i) {
    upstream.drop_connections();
    const Response response = mcp(tool_call("add"));
    ASSERT_FALSE(json::parse(response.body).contains("error")) << i << response.body;
  }
  EXPECT_EQ(upstream.request_count(), 23u);
}

/// A model that worked for a while before its connection broke may have billed: both attempts show.
TEST_F(Connection, AModelCallThatBreaksLateIsAnAttemptOfItsOwn) {
  const Answer fine = Answer::json(200, completion("ok"));
  upstream.on("POST", kPath, {fine, Answer::close_before_first_byte().after(400ms), fine});
  Daemon daemon(std::string(kOneProvider) + "workers: 1\nrouting: {retries_per_deployment: 1}\n",
                {.variables = {{"UP", upstream.url()}}});
  ASSERT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
  const Response second = daemon.post(kPath, chat_request("m", "hi"));
  ASSERT_EQ(second.status, 200) << second.body;
  const Row row = daemon.exactly(2).at(1);
  const json attempts = json::parse(row.at("attempts"));
  ASSERT_EQ(attempts.size(), 2u) << attempts.dump();
  EXPECT_EQ(attempts[0]["outcome"], "reset");
  EXPECT_EQ(attempts[1]["outcome"], "ok");
}

/// Our own limit says nothing about the deployment: it is not cooled down for it.
TEST_F(Connection, APoolAtItsLimitIsNotAFailureOfTheUpstream) {
  upstream.on("POST", kPath, {Answer::json(200, completion("ok")).after(900ms)});
  std::string yaml = kOneProvider;
  const std::string at = "kind: openai_compatible";
  ASSERT_NE(yaml.find(at), std::string::npos);
  yaml.replace(yaml.find(at), at.size(), at + ", max_connections: 1");
  Daemon daemon(yaml +
                    "workers: 1\ntimeouts: {pool_wait: 200ms}\n"
                    "routing: {retries_per_deployment: 0, cooldown_failures: 1}\n",
                {.variables = {{"UP", upstream.url()}}});
  RawClient first = daemon.connect();
  first.send(daemon.post_bytes(kPath, chat_request("m", "hi")));
  ASSERT_TRUE(upstream.wait_for_requests(1));
  const Response second = daemon.post(kPath, chat_request("m", "hi"));
  EXPECT_EQ(second.status, 503) << second.body;
  const json error = json::parse(second.body)["error"];
  EXPECT_EQ(error["code"], "overloaded");
  EXPECT_NE(error["message"].get<std::string>().find("no free connection"), std::string::npos)
      << error;
  EXPECT_EQ(first.read_response(5s).status, 200);
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200) << "it is not cooling down";
  const MetricsText metrics = daemon.metrics();
  EXPECT_EQ(metrics.value("tollgate_cooldowns_active"), 0);
  EXPECT_EQ(metrics.value("tollgate_limit_hits_total", {{"limit", "max_connections"}}), 1);
}

}  // namespace
}  // namespace tollgate::testing
