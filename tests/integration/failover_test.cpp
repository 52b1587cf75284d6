// A primary that dies costs the agent time, never an answer; the row tells both attempts.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"
#include "support/test_ca.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kPath = "/v1/chat/completions";

constexpr const char* kTwo = R"(
providers:
  one: {kind: openai_compatible, base_url: "@{ONE}/v1", api_key: key-of-one, proxy: none}
  two: {kind: openai_compatible, base_url: "@{TWO}/v1", api_key: key-of-two, proxy: none}
models:
  m:
    deployments:
      - {provider: one, model: m-one, priority: 0, price: {input: 2.5, output: 10}}
      - {provider: two, model: m-two, priority: 1, price: {input: 2.5, output: 10}}
agents: {coder: {}}
keys: [{id: k1, digest: "@{digest:agent}", agent: coder, budgets: [{limit: 10, window: day}]}]
timeouts: {first_byte_stream: 300ms, first_byte_json: 300ms, connect: 500ms, stream_idle: 1s}
routing: {retries_per_deployment: 0, cooldown: 50ms, cooldown_failures: 1000}
)";

enum class Death {
  refused,
  reset,
  closed,
  s503,
  s500,
  s529,
  s408,
  s429,
  silent,
  garbage,
  half_head
};

struct Case {
  const char* name;
  Death death;
  const char* outcome;  ///< of the first attempt
  const char* status;
};

class Failover : public ::testing::TestWithParam<std::tuple<Case, bool>> {};

std::vector<Answer> answers_of(Death death) {
  switch (death) {
    case Death::refused:
      return {};
    case Death::reset:
      return {Answer::reset_before_first_byte()};
    case Death::closed:
      return {Answer::close_before_first_byte()};
    case Death::s503:
      return {Answer::json(503, R"({"error":{"message":"down"}})")};
    case Death::s500:
      return {Answer::json(500, R"({"error":{"message":"bug"}})")};
    case Death::s529:
      return {Answer::json(529, R"({"error":{"message":"busy"}})")};
    case Death::s408:
      return {Answer::json(408, R"({"error":{"message":"late"}})")};
    case Death::s429:
      return {Answer::json(429, R"({"error":{"message":"slow down"}})").header("retry-after", "7")};
    case Death::silent:
      return {Answer::silence()};
    case Death::garbage:
      return {Answer::raw("HELLO THERE\r\n\r\n").end(Answer::End::close)};
    case Death::half_head:
      return {Answer::raw("HTTP/1.1 200 OK\r\ncontent-le").end(Answer::End::close)};
  }
  return {};
}

TEST_P(Failover, TheNextDeploymentAnswersAndTheRowTellsBoth) {
  const auto& [one_case, stream] = GetParam();
  FakeUpstream one;
  FakeUpstream two;
  std::string one_url = one.url();
  if (one_case.death == Death::refused) {
    one_url = "http://127.0.0.1:" + std::to_string(unused_port());
  } else {
    one.on("POST", kPath, answers_of(one_case.death));
  }
  if (stream) {
    two.on("POST", kPath, {Answer::sse(chat_stream({"from ", "two"}))});
  } else {
    two.on("POST", kPath, {Answer::json(200, completion("from two"))});
  }
  Daemon daemon(kTwo, {.variables = {{"ONE", one_url}, {"TWO", two.url()}}});

  const std::string more = stream ? R"(,"max_tokens":100,"stream":true)" : R"(,"max_tokens":100)";
  const SteadyTime start = std::chrono::steady_clock::now();
  const Response response = daemon.post(kPath, chat_request("m", "hi", more));
  const auto took = std::chrono::steady_clock::now() - start;
  ASSERT_EQ(response.status, 200) << response.body << response.failure;
  EXPECT_TRUE(response.complete);
  EXPECT_LT(took, 2s);
  EXPECT_NE(response.body.find("two"), std::string::npos);
  EXPECT_EQ(response.header("x-tollgate-attempts"), "2");
  EXPECT_EQ(response.body.find("key-of-"), std::string::npos);
  ASSERT_EQ(two.request_count(), 1u);
  EXPECT_EQ(two.requests()[0].header("authorization"), "Bearer key-of-two");
  EXPECT_EQ(json::parse(two.requests()[0].body)["model"], "m-two");

  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("outcome"), "ok");
  EXPECT_EQ(row.at("attempt_count"), "2");
  EXPECT_EQ(row.at("provider"), "two");
  const json attempts = json::parse(row.at("attempts"));
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts[0]["deployment"], "m/one/m-one");
  EXPECT_EQ(attempts[0]["outcome"], one_case.outcome) << attempts.dump();
  EXPECT_EQ(attempts[0]["status"], std::stoi(one_case.status));
  EXPECT_EQ(attempts[1]["deployment"], "m/two/m-two");
  EXPECT_EQ(attempts[1]["outcome"], "ok");

  const MetricsText metrics = daemon.metrics();
  EXPECT_EQ(metrics.value("tollgate_attempts_total"), 2);
  EXPECT_EQ(metrics.value("tollgate_attempts_total", {{"deployment", "m/one/m-one"}}), 1);
  EXPECT_EQ(metrics.value("tollgate_requests_total", {{"outcome", "ok"}}), 1);
  EXPECT_EQ(metrics.value("tollgate_holds_nusd"), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Deaths, Failover,
    ::testing::Combine(::testing::Values(Case{"refused", Death::refused, "connect", "0"},
                                         Case{"reset", Death::reset, "reset", "0"},
                                         Case{"closed", Death::closed, "reset", "0"},
                                         Case{"s503", Death::s503, "status", "503"},
                                         Case{"s500", Death::s500, "status", "500"},
                                         Case{"s529", Death::s529, "status", "529"},
                                         Case{"s408", Death::s408, "status", "408"},
                                         Case{"s429", Death::s429, "status", "429"},
                                         Case{"silent", Death::silent, "first_byte_timeout", "0"},
                                         Case{"garbage", Death::garbage, "invalid", "0"},
                                         Case{"half_head", Death::half_head, "cut", "0"}),
                       ::testing::Bool()),
    [](const auto& test) {
      return std::string(std::get<0>(test.param).name) +
             (std::get<1>(test.param) ? "_sse" : "_json");
    });

/// A kept-alive connection that the upstream closed meanwhile: not the agent's problem, and no
/// attempt of a dearer deployment.
TEST(FailoverDetails, AStaleKeptAliveConnectionIsReplacedSilently) {
  FakeUpstream one;
  FakeUpstream two;
  one.on("POST", kPath, {Answer::json(200, completion("one"))});
  Daemon daemon(kTwo, {.variables = {{"ONE", one.url()}, {"TWO", two.url()}}});
  RawClient client = daemon.connect();
  const std::string bytes = daemon.post_bytes(kPath, chat_request("m", "hi"));
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(client.exchange(bytes).status, 200) << i;
    one.drop_connections();
  }
  EXPECT_EQ(two.request_count(), 0u);
  EXPECT_EQ(one.request_count(), 5u);
}

TEST(FailoverDetails, APrimaryWhoseTlsFailsCostsNothingButTime) {
  const TempDir dir;
  TestCa stranger(dir.path());
  for (const bool speaks_tls : {true, false}) {
    SCOPED_TRACE(speaks_tls ? "a certificate nobody vouches for" : "a peer that speaks no TLS");
    FakeUpstream one(speaks_tls ? server_context(stranger.issue("server")) : SslCtxPtr());
    FakeUpstream two;
    one.on("POST", kPath, {Answer::json(200, completion("one"))});
    two.on("POST", kPath, {Answer::json(200, completion("two"))});
    const std::string url = "https://localhost:" + std::to_string(one.port());
    Daemon daemon(kTwo, {.variables = {{"ONE", url}, {"TWO", two.url()}}});
    const Response response = daemon.post(kPath, chat_request("m", "hi"));
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_NE(response.body.find("two"), std::string::npos);
    EXPECT_EQ(one.request_count(), 0u) << "nothing is said to a peer that is not known";
    const Row row = daemon.exactly(1).at(0);
    const json attempts = json::parse(row.at("attempts"));
    ASSERT_EQ(attempts.size(), 2u) << attempts.dump();
    EXPECT_EQ(attempts[0]["outcome"], "tls");
    EXPECT_EQ(attempts[0].value("nusd", 0), 0);
    EXPECT_EQ(attempts[1]["outcome"], "ok");
    EXPECT_EQ(row.at("cost_nusd"), kCompletionCost);
  }
}

TEST(FailoverDetails, RetryAfterCoolsADeploymentDownInAllItsForms) {
  struct Wish {
    int status;
    std::string name, value;
  };
  for (const auto& [status, name, value] : std::vector<Wish>{{429, "retry-after", "30"},
                                                             {429, "retry-after-ms", "30000"},
                                                             {429, "retry-after", "date"},
                                                             {503, "retry-after", "30"},
                                                             {529, "retry-after", "30"}}) {
    SCOPED_TRACE(std::to_string(status) + " " + name + ": " + value);
    FakeUpstream one;
    FakeUpstream two;
    std::string sent = value;
    if (value == "date") {
      const std::time_t later = std::time(nullptr) + 30;
      std::array<char, 64> text{};
      std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&later));
      sent = text.data();
    }
    one.on("POST", kPath, {Answer::json(status, "{}").header(name, sent)});
    two.on("POST", kPath, {Answer::json(200, completion("two"))});
    Daemon daemon(kTwo, {.variables = {{"ONE", one.url()}, {"TWO", two.url()}}});
    for (int i = 0; i < 4; ++i) ASSERT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
    EXPECT_EQ(one.request_count(), 1u) << "left alone until its time has come";
    EXPECT_EQ(two.request_count(), 4u);
    EXPECT_EQ(daemon.metrics().value("tollgate_cooldowns_active"), 1);
  }
}

TEST(FailoverDetails, AllDownNamesWhatWasTriedWithoutSecrets) {
  FakeUpstream one;
  FakeUpstream two;
  one.on("POST", kPath, {Answer::json(503, R"({"error":{"message":"key-of-one is dead"}})")});
  two.on("POST", kPath, {Answer::reset_before_first_byte()});
  Daemon daemon(kTwo, {.variables = {{"ONE", one.url()}, {"TWO", two.url()}}});
  const Response response = daemon.post(kPath, chat_request("m", "hi"));
  EXPECT_TRUE(response.status == 502 || response.status == 503) << response.status;
  const json error = json::parse(response.body)["error"];
  EXPECT_EQ(error["code"], "upstream_failed");
  const std::string message = error["message"];
  EXPECT_NE(message.find("one: 503"), std::string::npos) << message;
  EXPECT_NE(message.find("two: reset"), std::string::npos) << message;
  EXPECT_EQ(response.body.find("key-of"), std::string::npos);
  EXPECT_EQ(response.body.find("127.0.0.1"), std::string::npos) << "no addresses for agents";
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("outcome"), "failed");
  EXPECT_EQ(row.at("attempt_count"), "2");
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

TEST(FailoverDetails, AllCoolingDownAnswers429WithTheShortestRetryAfter) {
  FakeUpstream one;
  FakeUpstream two;
  one.on("POST", kPath, {Answer::json(429, "{}").header("retry-after", "40")});
  two.on("POST", kPath, {Answer::json(429, "{}").header("retry-after", "20")});
  Daemon daemon(kTwo, {.variables = {{"ONE", one.url()}, {"TWO", two.url()}}});
  (void)daemon.post(kPath, chat_request("m", "hi"));
  const Response response = daemon.post(kPath, chat_request("m", "hi"));
  EXPECT_EQ(response.status, 429) << response.body;
  EXPECT_EQ(json::parse(response.body)["error"]["code"], "upstream_rate_limited");
  const int seconds = std::stoi(response.header("retry-after"));
  EXPECT_GE(seconds, 17);
  EXPECT_LE(seconds, 20);
  EXPECT_EQ(one.request_count() + two.request_count(), 2u) << "nobody was called again";
}

TEST(FailoverDetails, OneKeysFailuresDoNotTakeALoneDeploymentFromTheOthers) {
  FakeUpstream one;
  const Answer broken = Answer::json(500, "{}");
  one.on("POST", kPath, {broken, broken, broken, broken, Answer::json(200, completion("fine"))});
  Daemon daemon(R"(
providers:
  one: {kind: openai_compatible, base_url: "@{ONE}/v1", api_key: key-of-one, proxy: none}
models: {m: {deployments: [{provider: one, model: m-one, price: {input: 2.5, output: 10}}]}}
agents: {coder: {}}
keys:
  - {id: k1, digest: "@{digest:agent}", agent: coder}
  - {id: k2, digest: "@{digest:other}", agent: coder}
routing: {backoff_base: 1ms}
)",
                {.variables = {{"ONE", one.url()}}});
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 502);
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 502);
  EXPECT_EQ(one.request_count(), 3u) << "the third failure started a cooldown: no retry";
  const Response still = daemon.post(kPath, chat_request("m", "hi"));
  EXPECT_EQ(still.status, 502) << "asked all the same";
  EXPECT_NE(still.body.find("one: 500"), std::string::npos) << still.body;
  EXPECT_EQ(one.request_count(), 4u) << "once per call while it cools";
  EXPECT_EQ(daemon.metrics().value("tollgate_cooldowns_active"), 1);
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi"), "other").status, 200);
  EXPECT_EQ(daemon.metrics().value("tollgate_cooldowns_active"), 0);
}

TEST(FailoverDetails, AnAbandonedAttemptThatMayHaveWorkedIsNotFree) {
  FakeUpstream one;
  FakeUpstream two;
  one.on("POST", kPath, {Answer::silence()});
  two.on("POST", kPath, {Answer::json(200, completion("two"))});
  Daemon daemon(kTwo, {.variables = {{"ONE", one.url()}, {"TWO", two.url()}}});
  ASSERT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
  ASSERT_EQ(daemon.exactly(1).size(), 1u);
  const auto ledger =
      daemon.query("SELECT kind, nusd, estimated, provider FROM ledger ORDER BY kind");
  ASSERT_EQ(ledger.size(), 2u);
  EXPECT_EQ(ledger[0].at("kind"), "abandoned");
  EXPECT_EQ(ledger[0].at("provider"), "one");
  EXPECT_EQ(ledger[0].at("estimated"), "1");
  EXPECT_GT(std::stol(ledger[0].at("nusd")), 0);
  EXPECT_EQ(ledger[1].at("kind"), "call");
  EXPECT_EQ(ledger[1].at("nusd"), kCompletionCost);
}

TEST(FailoverDetails, AModelsAnswerThatIsNoneIsAskedForElsewhere) {
  struct NoAnswer {
    Answer answer;
    const char* outcome;
    int status;
    bool is_billed;
  };
  const std::string whole = completion("one");
  const std::string half = whole.substr(0, whole.size() / 2);
  const auto with_error = [](const std::string& error) {
    return Answer::json(200, R"({"id":"x",)" + error + "}");
  };
  for (const NoAnswer& c : std::vector<NoAnswer>{
           {Answer::json(200, half), "invalid", 200, true},
           {Answer::json(200, half).framing(Answer::Framing::until_close).end(Answer::End::close),
            "invalid", 200, true},
           {Answer::json(200, whole).cut_at(40, Answer::End::close), "cut", 200, true},
           {Answer::json(200, whole)
                .framing(Answer::Framing::chunked)
                .cut_at(40, Answer::End::close),
            "cut", 200, true},
           {with_error(R"("error":{"message":"key-of-one","code":429})"), "status", 429, false},
           {with_error(R"("error":{"message":"busy","code":"502"},"choices":[])"), "status", 502,
            false},
           {with_error(R"("error":{"message":"busy","type":"overloaded_error"})"), "status", 529,
            false},
           {with_error(R"("error":{"message":"why"})"), "invalid", 200, true},
           {with_error(R"("error":"why")"), "invalid", 200, true}}) {
    FakeUpstream one;
    FakeUpstream two;
    one.on("POST", kPath, {c.answer});
    two.on("POST", kPath, {Answer::json(200, completion("two"))});
    Daemon daemon(kTwo, {.variables = {{"ONE", one.url()}, {"TWO", two.url()}}});
    const Response response = daemon.post(kPath, chat_request("m", "hi"));
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_NE(response.body.find("two"), std::string::npos) << response.body;
    EXPECT_EQ(response.header("x-tollgate-deployment"), "m/two/m-two");
    const Row row = daemon.exactly(1).at(0);
    EXPECT_EQ(row.at("outcome"), "ok");
    EXPECT_EQ(row.at("provider"), "two");
    const json attempts = json::parse(row.at("attempts"));
    ASSERT_EQ(attempts.size(), 2u) << attempts.dump();
    EXPECT_EQ(attempts[0]["outcome"], c.outcome) << attempts.dump();
    EXPECT_EQ(attempts[0]["status"], c.status);
    EXPECT_EQ(attempts[0].value("nusd", 0) > 0, c.is_billed) << attempts.dump();
    EXPECT_EQ(daemon.metrics().value("tollgate_holds_nusd"), 0);
  }
}

TEST(FailoverDetails, AnErrorInA200IsTheAgentsWhenItIsTheAgentsFault) {
  for (const bool refuses_credential : {false, true}) {
    FakeUpstream one;
    FakeUpstream two;
    const std::string code = refuses_credential ? "401" : "400";
    one.on("POST", kPath,
           {Answer::json(200, R"({"error":{"message":"yours, key-of-one","code":)" + code + "}}")});
    Daemon daemon(kTwo, {.variables = {{"ONE", one.url()}, {"TWO", two.url()}}});
    const Response response = daemon.post(kPath, chat_request("m", "hi"));
    EXPECT_EQ(response.status, refuses_credential ? 502 : 400);
    EXPECT_EQ(response.body.find("yours") == std::string::npos, refuses_credential);
    EXPECT_EQ(response.body.find("key-of-one"), std::string::npos);
    EXPECT_EQ(two.request_count(), 0u);
    const Row row = daemon.exactly(1).at(0);
    EXPECT_EQ(row.at("status"), refuses_credential ? "502" : "400");
    EXPECT_EQ(row.at("cost_nusd"), "0");
    EXPECT_EQ(json::parse(row.at("attempts"))[0]["status"], std::stoi(code));
  }
}

TEST(FailoverDetails, AnErrorThatAStreamBeginsWithIsTakenByTheStatusItNames) {
  for (const bool is_agents : {false, true}) {
    FakeUpstream one;
    FakeUpstream two;
    const std::string words = R"({"error":{"message":"words, key-of-one","code":)" +
                              std::string(is_agents ? "400" : "429") + "}}";
    one.on("POST", kPath, {Answer::sse({sse_data(words), sse_data("[DONE]")})});
    two.on("POST", kPath, {Answer::sse(chat_stream({"from ", "two"}))});
    Daemon daemon(kTwo, {.variables = {{"ONE", one.url()}, {"TWO", two.url()}}});
    const Response response = daemon.post(kPath, chat_request("m", "hi", R"(,"stream":true)"));
    const Row row = daemon.exactly(1).at(0);
    const json attempts = json::parse(row.at("attempts"));
    EXPECT_EQ(attempts[0]["outcome"], "status");
    EXPECT_EQ(attempts[0]["status"], is_agents ? 400 : 429);
    EXPECT_EQ(attempts[0].value("nusd", 0), 0) << "nothing was generated";
    if (!is_agents) {
      EXPECT_EQ(response.status, 200) << response.body;
      EXPECT_NE(response.body.find("two"), std::string::npos);
      EXPECT_EQ(row.at("outcome"), "ok");
      continue;
    }
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.header("content-type"), "application/json");
    EXPECT_EQ(json::parse(response.body)["error"]["message"],
              "words, [REDACTED:provider_credential]");
    EXPECT_EQ(two.request_count(), 0u) << "it would say the same";
    EXPECT_EQ(row.at("cost_nusd"), "0");
    EXPECT_EQ(row.at("stream"), "0");
  }
}

TEST(FailoverDetails, CommentsOfAProviderThatThenFailsCostNoAnswer) {
  const std::string comment = ": OPENROUTER PROCESSING\n\n";
  struct Queue {
    Answer answer;
    const char* outcome;
  };
  for (const Queue& queue : std::vector<Queue>{
           {Answer::sse({comment, comment}), "cut"},
           {Answer::sse({comment, sse_data(R"({"error":{"message":"busy","code":502}})")}),
            "status"},
           {Answer::sse({comment, sse_data(R"({"error":{"message":"busy"}})")}), "invalid"},
           {Answer::sse({sse_data("[DONE]")}), "cut"},
           {Answer::sse({comment, comment}).cut_at(comment.size(), Answer::End::silent),
            "idle_timeout"},
           {Answer::sse({comment}).cut_at(0, Answer::End::silent), "first_byte_timeout"},
           // Alive for longer than the time to the first byte, but that was all.
           {Answer::sse(std::vector<std::string>(30, comment), 20ms), "cut"}}) {
    FakeUpstream one;
    FakeUpstream two;
    one.on("POST", kPath, {queue.answer});
    two.on("POST", kPath, {Answer::sse(chat_stream({"from ", "two"}))});
    Daemon daemon(kTwo, {.variables = {{"ONE", one.url()}, {"TWO", two.url()}}});
    const Response response =
        daemon.post(kPath, chat_request("m", "hi", R"(,"max_tokens":100,"stream":true)"));
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_NE(response.body.find("[DONE]"), std::string::npos) << response.body;
    EXPECT_EQ(response.body.find("OPENROUTER"), std::string::npos) << response.body;
    const Row row = daemon.exactly(1).at(0);
    EXPECT_EQ(row.at("provider"), "two");
    EXPECT_EQ(json::parse(row.at("attempts"))[0]["outcome"], queue.outcome);
  }
}

TEST(FailoverDetails, HalfAnErrorIsReplacedByOneOfOurOwn) {
  for (const bool is_large : {false, true}) {
    FakeUpstream one;
    FakeUpstream two;
    const std::string words(is_large ? 100'000 : 1'000, 'x');
    Answer broken = Answer::json(422, R"({"error":{"message":")" + words + "\"}}");
    if (!is_large) broken.cut_at(50, Answer::End::close);
    one.on("POST", kPath, {broken});
    Daemon daemon(std::string(kTwo) + "limits: {response_body_bytes: 64KiB}\n",
                  {.variables = {{"ONE", one.url()}, {"TWO", two.url()}}});
    const Response response = daemon.post(kPath, chat_request("m", "hi"));
    EXPECT_EQ(response.status, 400) << response.body;
    const json body = json::parse(response.body);
    EXPECT_EQ(body["error"]["type"], "invalid_request_error");
    const std::string message = body["error"]["message"];
    EXPECT_NE(message.find("422"), std::string::npos) << message;
    EXPECT_EQ(message.find("xxx"), std::string::npos);
    EXPECT_EQ(two.request_count(), 0u);
    const Row row = daemon.exactly(1).at(0);
    EXPECT_EQ(row.at("outcome"), "upstream_cut");
    EXPECT_EQ(row.at("status"), "400");
    EXPECT_EQ(row.at("cost_nusd"), "0");
    const json attempt = json::parse(row.at("attempts"))[0];
    EXPECT_EQ(attempt["status"], 422);
    EXPECT_EQ(attempt["error_code"], is_large ? "too_large" : "cut");
    EXPECT_EQ(
        daemon.metrics().value("tollgate_limit_hits_total", {{"limit", "response_body_bytes"}}),
        is_large ? 1 : 0);
  }
}

TEST(FailoverDetails, AnErrorTheCallerCausedIsNotTriedElsewhere) {
  for (const int status : {400, 404, 413, 422}) {
    FakeUpstream one;
    FakeUpstream two;
    one.on("POST", kPath, {Answer::json(status, R"({"error":{"message":"yours"}})")});
    Daemon daemon(kTwo, {.variables = {{"ONE", one.url()}, {"TWO", two.url()}}});
    EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, status);
    EXPECT_EQ(two.request_count(), 0u) << status;
  }
}

/// Asking the same deployment again is bounded by the retry budget. Going on to the next one is not
/// (max_attempts bounds that): a dead primary must not fail calls that a healthy
/// secondary would answer.
TEST(FailoverDetails, RetriesStayWithinTheRetryBudget) {
  FakeUpstream one;
  FakeUpstream two;
  one.on("POST", kPath, {Answer::json(503, "{}")});
  two.on("POST", kPath, {Answer::json(503, "{}")});
  std::string yaml = kTwo;
  const std::string no_retries = "retries_per_deployment: 0";
  yaml.replace(yaml.find(no_retries), no_retries.size(),
               "retries_per_deployment: 3, max_attempts: 8, backoff_base: 1ms, backoff_max: 2ms, "
               "retry_budget_percent: 20, retry_budget_min: 5");
  Daemon daemon(yaml, {.variables = {{"ONE", one.url()}, {"TWO", two.url()}}});
  constexpr std::size_t kCalls = 60;
  for (std::size_t i = 0; i < kCalls; ++i) (void)daemon.post(kPath, chat_request("m", "hi"));
  const std::size_t attempts = one.request_count() + two.request_count();
  EXPECT_GT(attempts, 2 * kCalls) << "some were asked again";
  // 20 % of the calls of the last ten seconds; the window may have moved on once meanwhile.
  EXPECT_LE(attempts, 2 * kCalls + kCalls * 20 / 100 + 5);
  EXPECT_GT(daemon.metrics().value("tollgate_retries_refused_total"), 0);
  EXPECT_GT(one.request_count(), kCalls - 1) << "each call reached both deployments";
  EXPECT_GT(two.request_count(), kCalls - 1);
}

}  // namespace
}  // namespace tollgate::testing
