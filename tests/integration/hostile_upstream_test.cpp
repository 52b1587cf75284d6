// Upstreams that flood, confuse or mislead the guardrails, or tell what they were sent.
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"
#include "support/sanitized.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kMessages = "/v1/messages";
const std::string kMail = "jane.doe@example.com";
const std::string kCredential = "provider-credential-0123456789abcdef";

constexpr const char* kTwo = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-credential-0123456789abcdef, proxy: none}
  claude: {kind: anthropic, base_url: "@{UP}", api_key: provider-credential-0123456789abcdef, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}
  c: {deployments: [{provider: claude, model: c, price: {input: 2.5, output: 10}}]}
mcp_servers:
  tools: {url: "@{UP}/mcp", headers: {Authorization: "Bearer canary-mcp-token-77"}, proxy: none}
keys: [{id: k1, digest: "@{digest:agent}", allow: {mcp: {tools: ["*"]}}}]
guardrails: {mail: {detectors: {email: mask}}}
default_guardrails: [default, mail]
limits: {sse_event_bytes: 1MiB}
routing: {retries_per_deployment: 0}
spending: {on_ignored_cap: pass}
)";

class HostileUpstream : public ::testing::Test {
 protected:
  FakeUpstream upstream;
  Daemon daemon{kTwo, {.variables = {{"UP", upstream.url()}}, .audit = "bodies: full"}};

  std::vector<SseEvent> events(const std::string& path = kChat, const std::string& model = "m",
                               const std::string& more = R"(,"max_tokens":50,"stream":true)") {
    RawClient client = daemon.connect();
    Headers headers;
    if (path == kMessages) headers.emplace_back("anthropic-version", "2023-06-01");
    client.send(daemon.post_bytes(path, chat_request(model, "hi", more), "agent", headers));
    head = client.read_head();
    if (head.status != 200) return {};
    auto got = client.all_events(10s);
    for (const SseEvent& event : got) raw += event.raw;
    return got;
  }
  long peak_kib() const {
    std::istringstream status(read_file("/proc/" + std::to_string(daemon.pid()) + "/status"));
    for (std::string line; std::getline(status, line);)
      if (line.rfind("VmHWM:", 0) == 0) return std::stol(line.substr(6));
    return 0;
  }
  /// Everything the daemon left on disk, its configuration aside.
  std::string left_behind() const {
    std::string all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(daemon.dir()))
      if (entry.is_regular_file() && entry.path().filename() != "tollgate.yaml")
        all += read_file(entry.path());
    return all;
  }
  Response head;
  std::string raw;
};

// ---- floods ----

TEST_F(HostileUpstream, OneEventWithThousandsOfStringsCostsNeitherMemoryNorMinutes) {
  // Strings in an unknown member of a delta, each ending in a word that a mail address can begin.
  std::string few = "[", many = "[";
  for (int i = 0; i < 2'000; ++i) few += (i ? ",\"" : "\"") + std::string(440, 'x') + "\"";
  for (int i = 0; i < 60'000; ++i) many += i ? ",\"ab\"" : "\"ab\"";
  const auto chunk = [](const std::string& list) {
    return sse_data(R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"m",)"
                    R"("choices":[{"index":0,"delta":{"content":"a","extra":)" +
                    list + R"(]},"finish_reason":null}]})");
  };
  upstream.on("POST", kChat,
              {Answer::sse({chunk(few), chunk(many), chat_chunk("b"), sse_data("[DONE]")})});
  const auto start = std::chrono::steady_clock::now();
  const auto got = events();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  ASSERT_FALSE(got.empty());
  EXPECT_EQ(got.back().data, "[DONE]");
  if (!kSanitized) {
    EXPECT_LT(peak_kib(), 150 * 1024);
  }
}

TEST_F(HostileUpstream, AStreamWithTooManyOpenTextsIsEndedAndSaysWhy) {
  std::vector<std::string> wire;
  for (int base = 0; base < 100'000; base += 1'000) {
    std::string choices;
    for (int i = base; i < base + 1'000; ++i)
      choices += (i > base ? "," : "") + std::string(R"({"index":)") + std::to_string(i) +
                 R"(,"delta":{"content":"word"}})";
    wire.push_back(sse_data(R"({"id":"c","choices":[)" + choices + "]}"));
  }
  wire.push_back(sse_data("[DONE]"));
  upstream.on("POST", kChat, {Answer::sse(wire)});
  const auto start = std::chrono::steady_clock::now();
  const auto got = events();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  ASSERT_FALSE(got.empty());
  EXPECT_EQ(json::parse(got.back().data)["error"]["code"], "stream_limit");
  EXPECT_EQ(daemon.exactly(1).at(0).at("error_code"), "stream_limit");
  if (!kSanitized) {
    EXPECT_LT(peak_kib(), 150 * 1024);
  }
}

// ---- events that only a laxer parser reads ----

struct Unreadable {
  const char* name;
  std::string data;
};
class UnreadableEvent : public HostileUpstream, public ::testing::WithParamInterface<Unreadable> {};

TEST_P(UnreadableEvent, EndsTheStreamAndIsNotSent) {
  for (const bool anthropic : {false, true}) {
    SCOPED_TRACE(anthropic ? "anthropic" : "openai");
    const std::string path = anthropic ? kMessages : kChat;
    auto wire = anthropic ? anthropic_stream({"fine "}) : chat_stream({"fine "});
    wire.insert(wire.begin() + (anthropic ? 3 : 2), sse_data(GetParam().data));
    upstream.on("POST", path, {Answer::sse(wire, 5ms)});
    raw.clear();
    const auto got = events(path, anthropic ? "c" : "m");
    ASSERT_FALSE(got.empty());
    EXPECT_EQ(raw.find(kMail), std::string::npos) << raw;
    const json last = json::parse(got.back().data);
    ASSERT_TRUE(last.contains("error")) << got.back().data;
    EXPECT_EQ(last["error"]["code"], "upstream_invalid");
    EXPECT_EQ(raw.find("[DONE]"), std::string::npos);
    EXPECT_EQ(raw.find("message_stop"), std::string::npos);
  }
  const auto rows = daemon.exactly(2);
  for (const Row& row : rows) {
    EXPECT_EQ(row.at("outcome"), "upstream_cut");
    EXPECT_EQ(row.at("estimated"), "1");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, UnreadableEvent,
    ::testing::Values(
        Unreadable{"duplicate_key", R"({"choices":[],"choices":[{"index":0,"delta":{"content":")" +
                                        kMail + R"("}}]})"},
        Unreadable{"too_deep", R"({"x":)" + std::string(600, '[') + '"' + kMail + '"' +
                                   std::string(600, ']') + "}"},
        Unreadable{"plain_text", "write to " + kMail},
        Unreadable{"cut_json", R"({"choices":[{"index":0,"delta":{"content":")" + kMail}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST_F(HostileUpstream, CommentsAndFieldsBesideTheDataAreReadToo) {
  for (const std::string& line :
       {": " + kMail, "id: " + kMail, "event: " + kMail, "x-note: " + kMail}) {
    SCOPED_TRACE(line);
    auto wire = chat_stream({"fine "});
    wire.insert(wire.begin() + 2, line + "\ndata: {\"choices\":[]}\n\n");
    upstream.on("POST", kChat, {Answer::sse(wire, 2ms)});
    raw.clear();
    EXPECT_FALSE(events().empty());
    EXPECT_EQ(raw.find(kMail), std::string::npos) << raw;
  }
}

// ---- ends ----

TEST_F(HostileUpstream, AnErrorEventAfterTheFirstByteIsACut) {
  const std::string error =
      R"({"error":{"message":"write to jane.doe@example.com","type":"server_error"}})";
  upstream.on("POST", kChat,
              {Answer::sse({chat_chunk("a long enough piece "), sse_data(error), chat_chunk("more"),
                            sse_data("[DONE]")},
                           5ms)});
  const auto got = events();
  ASSERT_FALSE(got.empty());
  EXPECT_NE(got.back().data.find("[REDACTED:email]"), std::string::npos) << got.back().data;
  EXPECT_EQ(raw.find("[DONE]"), std::string::npos) << "nothing comes after it";
  EXPECT_EQ(raw.find("more"), std::string::npos);
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("outcome"), "upstream_cut");
  EXPECT_EQ(row.at("error_code"), "upstream_cut");
  EXPECT_EQ(row.at("estimated"), "1");
  EXPECT_GT(std::stol(row.at("output_tokens")), 1);
}

TEST_F(HostileUpstream, AnAnthropicErrorEventAfterTheFirstByteIsACut) {
  auto wire = anthropic_stream({"Once upon a time "});
  wire.resize(3);
  wire.push_back(sse_data(
      R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})", "error"));
  upstream.on("POST", kMessages, {Answer::sse(wire, 5ms)});
  const auto got = events(kMessages, "c");
  ASSERT_FALSE(got.empty());
  EXPECT_NE(got.back().data.find("Overloaded"), std::string::npos);
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("outcome"), "upstream_cut");
  EXPECT_EQ(row.at("estimated"), "1");
}

TEST_F(HostileUpstream, AnAnthropicStreamMayEndWithoutItsLastLineBreaks) {
  const auto whole = anthropic_stream({"Once upon a time "});
  for (std::size_t missing = 1; missing <= 2; ++missing) {
    auto events_sent = whole;
    events_sent.back().resize(events_sent.back().size() - missing);
    upstream.on("POST", kMessages, {Answer::sse(events_sent)});
    const auto got = events(kMessages, "c");
    ASSERT_FALSE(got.empty());
    EXPECT_EQ(got.back().event, "message_stop") << got.back().raw;
    EXPECT_EQ(daemon.exactly(missing).back().at("outcome"), "ok");
  }
}

TEST_F(HostileUpstream, AnErrorInAnotherFormIsNoBeginningOfAnAnthropicStream) {
  upstream.on("POST", kMessages,
              {Answer::sse({sse_data(R"({"error":{"message":"theirs","code":"odd"}})")})});
  const Response response = daemon.post(
      kMessages,
      R"({"model":"c","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"x"}]})");
  EXPECT_EQ(response.status, 502) << "nothing of a stream was sent: " << response.body;
  EXPECT_EQ(json::parse(response.body)["type"], "error");
  EXPECT_EQ(response.body.find("theirs"), std::string::npos);
}

TEST_F(HostileUpstream, ATruncatedAnthropicStreamGetsNoCleanEnd) {
  // A polite end of the body before the block's end, before the stop reason, before message_stop.
  const auto whole = anthropic_stream({"Once upon a time "});
  for (std::size_t missing = 1; missing <= 3; ++missing) {
    upstream.on("POST", kMessages,
                {Answer::sse({whole.begin(), whole.end() - static_cast<std::ptrdiff_t>(missing)})});
    const auto got = events(kMessages, "c");
    ASSERT_FALSE(got.empty());
    EXPECT_EQ(got.back().event, "error") << got.back().raw;
    EXPECT_EQ(daemon.exactly(missing).back().at("outcome"), "upstream_cut");
  }
}

TEST_F(HostileUpstream, HowAConnectionEndsBehindTheEndIsNoMatter) {
  std::string wire =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string bytes = chat_chunk("whole ") + sse_data("[DONE]");
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  wire += size + bytes + "\r\n";
  upstream.on("POST", kChat,
              {Answer::raw(wire).end(Answer::End::close), Answer::raw(wire + "zz\r\n")});
  for (int i = 0; i < 2; ++i) {
    const auto got = events();
    ASSERT_FALSE(got.empty());
    EXPECT_EQ(got.back().data, "[DONE]") << "and no error behind it";
  }
  for (const Row& row : daemon.exactly(2)) EXPECT_EQ(row.at("outcome"), "ok");
}

TEST_F(HostileUpstream, AStreamEndsWithItsMarkWhateverTheConnectionDoes) {
  const std::string late = sse_data(R"({"error":{"message":"late"}})");
  const std::vector<std::string> whole = {chat_chunk("whole "), sse_data("[DONE]")};
  const std::vector<std::string> claude = anthropic_stream({"whole"});
  std::vector<std::string> more = whole;
  for (int i = 0; i < 1'000; ++i) more.push_back(late);
  std::size_t sent = 0;
  for (const std::string& event : claude) sent += event.size();
  upstream.on("POST", kChat, {Answer::sse(more, 10ms)});
  upstream.on("POST", kMessages, {Answer::sse({claude}).cut_at(sent, Answer::End::silent)});
  for (const bool anthropic : {false, true}) {
    const auto start = std::chrono::steady_clock::now();
    const auto got = anthropic ? events(kMessages, "c") : events();
    EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
    ASSERT_FALSE(got.empty());
    if (anthropic) {
      EXPECT_EQ(got.back().event, "message_stop");
    } else {
      EXPECT_EQ(got.back().data, "[DONE]");
    }
  }
  for (const Row& row : daemon.exactly(2)) EXPECT_EQ(row.at("outcome"), "ok");
}

TEST_F(HostileUpstream, ACountOnTheWayIsNotTheEnd) {
  const std::string usage =
      sse_data(R"({"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}})");
  upstream.on("POST", kChat,
              {Answer::sse({chat_chunk("one "), usage, chat_chunk("two "), chat_chunk("three ")})});
  const auto got = events();
  ASSERT_FALSE(got.empty());
  EXPECT_NE(got.back().data.find("upstream_cut"), std::string::npos) << got.back().data;
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("outcome"), "upstream_cut");
  EXPECT_EQ(row.at("estimated"), "1") << "not the count that came too early";
}

TEST_F(HostileUpstream, ABatchOfEmbeddingsMayBeMillionsOfNumbers) {
  std::string numbers = "0";
  for (int i = 0; i < 4'200'000; ++i) numbers += ",1";
  const std::string batch =
      R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[)" + numbers +
      R"(]}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}})";
  upstream.on("POST", "/v1/embeddings", {Answer::json(200, batch)});
  const Response response = daemon.post("/v1/embeddings", R"({"model":"m","input":"hi"})");
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.body == batch);
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("attempt_count"), "1");
  EXPECT_EQ(row.at("input_tokens"), "7");
  EXPECT_EQ(row.at("estimated"), "0");
}

TEST_F(HostileUpstream, UseThatComesWithTheLastReasonIsExactWithoutAMark) {
  const std::string last =
      sse_data(R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"m",)"
               R"("choices":[{"index":0,"delta":{},"finish_reason":"stop"}],)"
               R"("usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}})");
  const std::vector<std::string> stream = {chat_chunk("one "), last};
  upstream.on("POST", kChat,
              {Answer::sse(stream),
               Answer::sse(stream).framing(Answer::Framing::until_close).end(Answer::End::close)});
  for (int i = 0; i < 2; ++i) {
    const auto got = events();
    ASSERT_FALSE(got.empty());
    EXPECT_EQ(got.back().data.find("upstream_cut"), std::string::npos) << got.back().data;
  }
  for (const Row& row : daemon.exactly(2)) {
    EXPECT_EQ(row.at("outcome"), "ok");
    EXPECT_EQ(row.at("estimated"), "0");
    EXPECT_EQ(row.at("output_tokens"), "3");
  }
}

TEST_F(HostileUpstream, OneOfTwoChoicesIsNotTheEndOfBoth) {
  const auto finish = [](int index) {
    return sse_data(R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"m",)"
                    R"("choices":[{"index":)" +
                    std::to_string(index) + R"(,"delta":{},"finish_reason":"stop"}]})");
  };
  const std::string two = R"(,"n":2,"max_tokens":50,"stream":true)";
  upstream.on("POST", kChat,
              {Answer::sse({chat_chunk("a "), finish(0), finish(0)}),
               Answer::sse({chat_chunk("a "), finish(0), finish(1)})});
  const auto one = events(kChat, "m", two);
  ASSERT_FALSE(one.empty());
  EXPECT_NE(one.back().data.find("upstream_cut"), std::string::npos) << one.back().data;
  const auto both = events(kChat, "m", two);
  ASSERT_FALSE(both.empty());
  EXPECT_EQ(both.back().data.find("error"), std::string::npos) << "hosts without [DONE] exist";
  const auto rows = daemon.exactly(2);
  EXPECT_EQ(rows.at(0).at("outcome"), "upstream_cut");
  EXPECT_EQ(rows.at(1).at("outcome"), "ok");
}

// ---- credentials ----

TEST_F(HostileUpstream, ItsCredentialNeverComesBack) {
  std::string escaped = kCredential;
  escaped.replace(escaped.find('-'), 1, "\\u002d");
  const std::string half_a = kCredential.substr(0, 17), half_b = kCredential.substr(17);
  const auto delta = [](const std::string& text) {
    return sse_data(R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"m",)"
                    R"("choices":[{"index":0,"delta":{"content":")" +
                    text + R"("},"finish_reason":null}]})");
  };
  const std::string error = R"({"error":{"message":"bad key )" + kCredential + R"("}})";
  std::vector<Answer> answers = {
      Answer::json(200, completion("you sent " + kCredential)).header("x-debug", kCredential),
      Answer::json(200, R"({"id":"x","model":")" + kCredential +
                            R"(","choices":[{"index":0,"message":{"role":"assistant","content":")" +
                            escaped + R"("}}]})"),
      Answer::json(400, error).header("x-echo", "Bearer " + kCredential),
      Answer::json(404, R"({"error":{"message":")" + escaped + R"("}})"),
      Answer::sse({delta("you sent " + kCredential), sse_data("[DONE]")}),
      Answer::sse({delta("you sent " + half_a), delta(half_b + " so"), sse_data("[DONE]")}),
      Answer::sse({delta(escaped), sse_data("[DONE]")}),
      Answer::sse({delta("a"), sse_data(error)}),
      Answer::sse({": " + kCredential + "\n\n", delta("a"), sse_data("[DONE]")}),
  };
  const std::size_t calls = answers.size();
  std::size_t next = 0;
  upstream.on("POST", kChat, [&](const SeenRequest&) { return answers.at(next++); });
  std::string seen;
  for (std::size_t i = 0; i < calls; ++i) {
    const bool stream = i >= 4;
    const Response response = daemon.post(
        kChat, chat_request("m", "hi", stream ? R"(,"max_tokens":50,"stream":true)" : ""));
    SCOPED_TRACE(i);
    seen = response.raw_head + response.body;
    EXPECT_EQ(seen.find(kCredential), std::string::npos) << seen;
    EXPECT_EQ(seen.find(escaped), std::string::npos) << seen;
    EXPECT_EQ(seen.find(half_b), std::string::npos) << seen;
  }
  upstream.on("POST", "/mcp",
              {Answer::json(200, R"({"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text",)"
                                 R"("text":"token canary-mcp-token-77"}]}})"),
               Answer::sse({sse_data(R"({"jsonrpc":"2.0","id":7,"result":{"content":[{"type":)"
                                     R"("text","text":"canary\u002dmcp-token-77"}]}})")})});
  for (int i = 0; i < 2; ++i) {
    const Response response = daemon.post(
        "/mcp/tools", R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t"}})",
        "agent", {{"accept", "application/json, text/event-stream"}});
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_NE(response.body.find("[REDACTED:provider_credential]"), std::string::npos)
        << response.body;
    EXPECT_EQ(response.body.find("mcp-token-77"), std::string::npos);
  }
  const auto rows = daemon.exactly(calls + 2);
  EXPECT_NE(rows.at(0).at("verdicts").find("provider_credential"), std::string::npos);
  const std::string left = left_behind();
  EXPECT_EQ(left.find(kCredential), std::string::npos);
  EXPECT_EQ(left.find("canary-mcp-token-77"), std::string::npos);
}

/// Two configured credentials, of which one begins the other: never the rest of the longer.
TEST(HostileCredentials, OneThatHoldsAnotherIsTakenOutWhole) {
  FakeUpstream upstream;
  const std::string key = "acme-prod-9f8e7d6c5b4a3210", rest = "-9f8e7d6c5b4a3210";
  Daemon daemon(R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: acme-prod-9f8e7d6c5b4a3210,
       headers: {x-client-token: acme-prod}, proxy: none}
models: {m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}}
keys: [{id: k1, digest: "@{digest:agent}"}]
routing: {retries_per_deployment: 0}
)",
                {.variables = {{"UP", upstream.url()}}, .audit = "bodies: full"});
  std::string escaped = key;
  escaped.replace(escaped.find("9f"), 1, "\\u0039");
  const auto delta = [](const std::string& text) {
    return sse_data(R"({"id":"c","choices":[{"index":0,"delta":{"content":")" + text + R"("}}]})");
  };
  std::vector<Answer> answers;
  for (const std::string& spelled : {key, escaped}) {
    answers.push_back(Answer::json(
        200,
        R"({"id":"x","choices":[{"index":0,"message":{"content":"Bearer )" + spelled + R"("}}]})"));
    answers.push_back(Answer::json(400, R"({"error":{"message":"bad )" + spelled + R"("}})"));
    answers.push_back(Answer::text("Bearer " + key, "text/plain"));
    answers.push_back(Answer::sse({delta("Bearer " + spelled), sse_data("[DONE]")}));
    answers.push_back(
        Answer::sse({delta("acme-prod"), delta(spelled.substr(9)), sse_data("[DONE]")}));
    answers.push_back(Answer::sse({delta("a"), ": " + key + "\n\n", sse_data("[DONE]")}));
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    SCOPED_TRACE(i);
    upstream.on("POST", kChat, {answers[i]});
    const bool stream = i % 6 >= 3;
    const Response response = daemon.post(
        kChat, chat_request("m", "hi", stream ? R"(,"max_tokens":50,"stream":true)" : ""));
    EXPECT_EQ(response.body.find("6c5b4a3210"), std::string::npos) << response.body;
    EXPECT_EQ(response.body.find("acme-prod"), std::string::npos) << response.body;
    if (i % 6 == 2) {
      EXPECT_EQ(response.status, 502) << "a model's answer is no plain text";
    } else {
      EXPECT_NE(response.body.find("[REDACTED:provider_credential]"), std::string::npos)
          << response.body;
    }
  }
}

TEST_F(HostileUpstream, NothingAndALoginPageAreNoAnswersOfAModel) {
  for (const Answer& answer :
       {Answer::text("<html>please log in</html>", "text/html"),
        Answer::text("", "application/json"), Answer::raw("HTTP/1.1 204 None\r\n\r\n"),
        Answer::json(407, "{}").header("proxy-authenticate", "Basic")}) {
    daemon.send(SIGTERM);  // the deployment's cooldown goes with it
    ASSERT_EQ(daemon.wait_exit(10s), 0);
    daemon.start();
    upstream.on("POST", kChat, {answer});
    const Response response = daemon.post(kChat, chat_request("m", "hi"));
    EXPECT_EQ(response.status, 502) << response.body;
    EXPECT_EQ(response.body.find("log in"), std::string::npos) << response.body;
  }
}

TEST_F(HostileUpstream, AProvidersOwn407IsNoFailedConnect) {
  upstream.on("POST", kChat, {Answer::json(407, "{}").header("proxy-authenticate", "Basic")});
  const Response response = daemon.post(kChat, chat_request("m", "hi"));
  EXPECT_EQ(response.status, 502);
  EXPECT_EQ(response.header("proxy-authenticate"), "");
  EXPECT_EQ(json::parse(response.body)["error"]["code"], "upstream_failed");
  EXPECT_NE(response.body.find("status 407"), std::string::npos) << response.body;
  EXPECT_EQ(response.body.find("connect failed"), std::string::npos) << response.body;
}

TEST(EgressProxy, A407OfItsOwnIsAFailedConnect) {
  FakeUpstream proxy;
  proxy.fallback([](const SeenRequest&) { return Answer::json(407, "{}"); });
  Daemon daemon(R"(
providers:
  up: {kind: openai_compatible, base_url: "http://nowhere.example/v1", allow_plain_http: true, api_key: provider-key-1, proxy: "@{UP}"}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}
keys: [{id: k1, digest: "@{digest:agent}"}]
)",
                {.variables = {{"UP", proxy.url()}}});
  const Response response = daemon.post(kChat, chat_request("m", "hi"));
  EXPECT_EQ(response.status, 502);
  EXPECT_NE(response.body.find("connect failed"), std::string::npos) << response.body;
}

TEST_F(HostileUpstream, ARedirectionIsNotTheAgentsToFollow) {
  for (const int status : {301, 302, 304, 307, 308}) {
    upstream.on("POST", kChat,
                {Answer::json(status, "{}").header("location", "http://elsewhere.example/v1")});
    const Response response = daemon.post(kChat, chat_request("m", "hi"));
    EXPECT_EQ(response.status, 502) << status << response.body;
    EXPECT_EQ(json::parse(response.body)["error"]["code"], "upstream_invalid");
    EXPECT_EQ(response.header("location"), "");
    EXPECT_EQ(response.raw_head.find("elsewhere"), std::string::npos);
  }
}

}  // namespace
}  // namespace tollgate::testing
