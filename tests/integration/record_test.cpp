// What a call leaves behind when it does not go well: whose money, which outcome, which bytes.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kPath = "/v1/chat/completions";

/// Input is free, output $50 per million tokens: a token is 50,000 nano-USD.
constexpr const char* kOutputOnly = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 0, output: 50}}]}
keys: [{id: k1, digest: "@{digest:agent}"}]
)";

constexpr const char* kSilentThenGood = R"(
providers:
  one: {kind: openai_compatible, base_url: "@{ONE}/v1", api_key: key-of-one, proxy: none}
  two: {kind: openai_compatible, base_url: "@{TWO}/v1", api_key: key-of-two, proxy: none}
models:
  m:
    deployments:
      - {provider: one, model: m-one, priority: 0, price: {input: 2.5, output: 10}}
      - {provider: two, model: m-two, priority: 1, price: {input: 2.5, output: 10}}
agents: {coder: {}}
timeouts: {first_byte_json: 2s}
routing: {retries_per_deployment: 0}
keys: [{id: k1, digest: "@{digest:agent}", agent: coder}]
)";

std::string whole_record(const Daemon& daemon) {
  std::string all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(daemon.dir())) {
    if (entry.is_regular_file() && entry.path().filename() != "tollgate.yaml")
      all += read_file(entry.path().string());
  }
  return all;
}

/// The row's money is the ledger's, and each attempt bears its part of it.
void expect_balanced(const Daemon& daemon, const Row& row) {
  std::int64_t billed = 0;
  for (const json& attempt : json::parse(row.at("attempts")))
    billed += attempt.value("nusd", std::int64_t{0});
  EXPECT_EQ(std::to_string(billed), row.at("cost_nusd")) << row.at("attempts");
  EXPECT_EQ(daemon
                .query("SELECT ifnull(sum(nusd), 0) AS s FROM ledger WHERE call_id='" +
                       row.at("request_id") + "'")
                .at(0)
                .at("s"),
            row.at("cost_nusd"));
}

TEST(RecordedBody, OfARequestItsGuardrailsRefusedHasLengthAndDigestOnly) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  Daemon daemon(R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 0, output: 50}}]}
spending: {other_path_price: 0.001}
guardrails:
  keys: {detectors: {private_key: block}}
  mail: {detectors: {email: mask}}
keys: [{id: k1, digest: "@{digest:agent}", guardrails: [mail, keys], allow: {paths: ["/v1/files"]}}]
)",
                {.variables = {{"UP", upstream.url()}}});
  // Built at run time so that no scanner takes this file for a leak.
  std::string material;
  for (int i = 0; i < 128; ++i) material += static_cast<char>('A' + i * 7 % 26);
  const std::string pem = std::string("-----BEGIN ") + "PRIVATE KEY-----\n" +
                          material.substr(0, 64) + "\n" + material.substr(64) + "\n-----END " +
                          "PRIVATE KEY-----\n";
  const std::string body = chat_request("m", "mail a@example.com the key " + pem);
  EXPECT_EQ(daemon.post(kPath, body).status, 400);
  // The same in a body that cannot be masked in part.
  const Headers multipart{{"authorization", "Bearer " + daemon.key()},
                          {"x-tollgate-provider", "up"},
                          {"content-type", "multipart/form-data; boundary=b"}};
  const std::string form =
      "--b\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\n" + pem + "\r\n--b--\r\n";
  EXPECT_EQ(daemon.connect().exchange(http_request("POST", "/v1/files", multipart, form)).status,
            400);
  EXPECT_EQ(upstream.request_count(), 0u);
  const auto rows = daemon.exactly(2);
  for (const Row& row : rows) {
    EXPECT_EQ(row.at("error_code"), "guardrail_blocked");
    EXPECT_EQ(row.at("outcome"), "refused");
    EXPECT_EQ(row.at("request_body_stored"), "");
    EXPECT_FALSE(row.at("request_body_sha256").empty());
  }
  EXPECT_EQ(rows[0].at("request_body_bytes"), std::to_string(body.size()));
  EXPECT_EQ(rows[1].at("request_body_bytes"), std::to_string(form.size()));
  // What passed its guardrails is kept, as they left it.
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "mail a@example.com")).status, 200);
  EXPECT_NE(daemon.exactly(3)[2].at("request_body_stored"), "");
  daemon.send(SIGTERM);
  ASSERT_EQ(daemon.wait_exit(10s), 0);
  const std::string record = whole_record(daemon);
  EXPECT_EQ(record.find(material.substr(0, 64)), std::string::npos);
  EXPECT_EQ(record.find("a@example.com"), std::string::npos);
}

TEST(SettledOnWhatWasSeen, AJsonAnswerThatIsCutIsNotFree) {
  FakeUpstream upstream;
  // 200 KB of 400 KB: some 50,000 tokens were made, the cap of 1,000 bounds what they cost.
  upstream.on("POST", kPath,
              {Answer::json(200, completion(std::string(400'000, 'x')))
                   .cut_at(200'000, Answer::End::close)});
  Daemon daemon(std::string(kOutputOnly) + "routing: {retries_per_deployment: 0}\n",
                {.variables = {{"UP", upstream.url()}}});
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi", R"(,"max_tokens":1000)")).status, 502);
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi", R"(,"max_tokens":100000)")).status, 502);
  const auto rows = daemon.exactly(2);
  EXPECT_EQ(rows[0].at("cost_nusd"), std::to_string(1'000 * 50'000));
  EXPECT_EQ(rows[1].at("cost_nusd"), std::to_string(50'000LL * 50'000));
  for (const Row& row : rows) {
    EXPECT_EQ(row.at("estimated"), "1");
    EXPECT_EQ(row.at("overrun"), "0");
    EXPECT_EQ(row.at("outcome"), "failed");
    expect_balanced(daemon, row);
  }
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

TEST(SettledOnWhatWasSeen, AnAnswerOverTheSizeLimitCostsWhatWasHeld) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion(std::string(400'000, 'x')))});
  Daemon daemon(std::string(kOutputOnly) + "limits: {response_body_bytes: 64KB}\n",
                {.variables = {{"UP", upstream.url()}}});
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi", R"(,"max_tokens":1000)")).status, 502);
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("cost_nusd"), std::to_string(1'000 * 50'000));
  EXPECT_EQ(row.at("estimated"), "1");
  expect_balanced(daemon, row);
}

TEST(SettledOnWhatWasSeen, AClientThatLeavesAmidAJsonAnswerPaysForWhatCame) {
  FakeUpstream upstream;
  upstream.on("POST", kPath,
              {Answer::json(200, completion(std::string(400'000, 'x')))
                   .cut_at(200'000, Answer::End::silent)});
  Daemon daemon(kOutputOnly, {.variables = {{"UP", upstream.url()}}});
  {
    RawClient client = daemon.connect();
    client.send(daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":100000)")));
    ASSERT_TRUE(upstream.wait_for_requests(1));
    std::this_thread::sleep_for(300ms);  // for the 200 KB to arrive
  }
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("outcome"), "client_closed");
  EXPECT_EQ(row.at("cost_nusd"), std::to_string(50'000LL * 50'000));
  EXPECT_EQ(row.at("estimated"), "1");
  expect_balanced(daemon, row);
}

TEST(SettledOnWhatWasSeen, WhatWasNeverSentIsFree) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::silence()});
  std::string yaml = kOutputOnly;
  yaml.replace(yaml.find("proxy: none"), 11, "proxy: none, max_connections: 1");
  Daemon daemon(yaml, {.variables = {{"UP", upstream.url()}}});
  // One connection per worker, and two workers: both are busy.
  RawClient first = daemon.connect();
  first.send(daemon.post_bytes(kPath, chat_request("m", "hi")));
  RawClient second = daemon.connect();
  second.send(daemon.post_bytes(kPath, chat_request("m", "hi")));
  ASSERT_TRUE(upstream.wait_for_requests(2));
  {
    RawClient third = daemon.connect();
    third.send(daemon.post_bytes(kPath, chat_request("m", "hi")));
    ASSERT_TRUE(daemon.wait_metric("tollgate_upstream_connections", {{"state", "waiting"}}, 1));
  }
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("outcome"), "client_closed");
  EXPECT_EQ(row.at("cost_nusd"), "0");
  EXPECT_EQ(row.at("status"), "499");
  EXPECT_EQ(upstream.request_count(), 2u);
}

TEST(RecordedMoney, EachAttemptBearsItsOwnCost) {
  FakeUpstream one;
  FakeUpstream two;
  one.on("POST", kPath, {Answer::silence()});
  two.on("POST", kPath, {Answer::json(200, completion("two"))});
  Daemon daemon(kSilentThenGood, {.variables = {{"ONE", one.url()}, {"TWO", two.url()}}});
  ASSERT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
  const Row row = daemon.exactly(1).at(0);
  const json attempts = json::parse(row.at("attempts"));
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_GT(attempts[0]["nusd"].get<std::int64_t>(), 0);
  EXPECT_EQ(attempts[1]["nusd"].dump(), kCompletionCost);
  expect_balanced(daemon, row);
}

TEST(RecordedMoney, ABudgetAddedByAReloadCountsWhatACallInFlightHasSpent) {
  FakeUpstream one;
  FakeUpstream two;
  one.on("POST", kPath, {Answer::silence()});
  two.on("POST", kPath, {Answer::json(200, completion("two")).after(1500ms)});
  const std::map<std::string, std::string> urls{{"ONE", one.url()}, {"TWO", two.url()}};
  Daemon daemon(kSilentThenGood, {.variables = urls});
  Response response;
  // The first deployment is given up after 2 s; the second answers 1.5 s later.
  std::thread call([&] { response = daemon.post(kPath, chat_request("m", "hi")); });
  ASSERT_TRUE(one.wait_for_requests(1));
  ASSERT_TRUE(two.wait_for_requests(1));
  std::string with_budget = kSilentThenGood;
  with_budget.insert(with_budget.rfind('}'), ", budgets: [{name: late, limit: 1, window: day}]");
  daemon.reload(with_budget);
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, 2));
  call.join();
  const Row row = daemon.exactly(1).at(0);
  ASSERT_EQ(json::parse(row.at("attempts")).size(), 2u);
  const json me = json::parse(daemon.get("/tollgate/v1/me").body);
  EXPECT_EQ(me["budgets"][0]["budget"], "late") << me.dump();
  EXPECT_EQ(me["budgets"][0]["spent_nusd"].dump(), row.at("cost_nusd"));
  EXPECT_EQ(me["budgets"][0]["held_nusd"], 0);
}

TEST(ForcedStop, IsNoSuccessOnRecord) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, [](const SeenRequest& seen) {
    if (seen.body.find("\"stream\":true") == std::string::npos) return Answer::silence();
    return Answer::sse(chat_stream(std::vector<std::string>(2'000, "w ")), 20ms);
  });
  Daemon daemon(std::string(kOutputOnly) + "timeouts: {drain: 300ms}\n",
                {.variables = {{"UP", upstream.url()}}});
  RawClient stream = daemon.connect();
  stream.send(
      daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":50000,"stream":true)")));
  ASSERT_EQ(stream.read_head().status, 200);
  ASSERT_TRUE(stream.next_event().has_value());
  RawClient plain = daemon.connect();
  plain.send(daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":50)")));
  ASSERT_TRUE(upstream.wait_for_requests(2));
  daemon.send(SIGTERM);
  ASSERT_TRUE(daemon.wait_exit(10s).has_value());
  const auto rows = daemon.rows(2);
  ASSERT_EQ(rows.size(), 2u);
  for (const Row& row : rows) {
    EXPECT_EQ(row.at("outcome"), "failed") << row.at("stream");
    EXPECT_EQ(row.at("error_code"), "draining");
    EXPECT_EQ(row.at("status"), row.at("stream") == "1" ? "200" : "503");
    expect_balanced(daemon, row);
  }
}

TEST(RecordedAttempt, OfABodyThatBreaksAfterItsHeadNamesStatusAndDeployment) {
  FakeUpstream upstream;
  Daemon daemon(
      std::string(kOneProvider) + "routing: {retries_per_deployment: 0, cooldown_failures: 1000}\n",
      {.variables = {{"UP", upstream.url()}}});
  for (const bool chunked : {false, true}) {
    Answer broken = Answer::json(200, completion("a long answer")).cut_at(40, Answer::End::close);
    if (chunked) broken.framing(Answer::Framing::chunked);
    upstream.on("POST", kPath, {broken});
    EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 502);
    const Row row = daemon.exactly(chunked ? 2 : 1).back();
    const json attempt = json::parse(row.at("attempts")).at(0);
    EXPECT_EQ(attempt["outcome"], "cut");
    EXPECT_EQ(attempt["status"], 200) << "its head came";
    EXPECT_EQ(row.at("provider"), "up");
    EXPECT_EQ(row.at("deployment"), attempt["deployment"].get<std::string>());
    EXPECT_EQ(row.at("price_source"), "override") << "it is charged by that price";
    EXPECT_GT(std::stol(row.at("cost_nusd")), 0);
    expect_balanced(daemon, row);
  }
}

TEST(RecordedAttempt, OfAnAnswerThatIsNoJsonAgreesWithItsCall) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::text(R"({"id": not JSON})", "application/json")});
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}}});
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 502);
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(row.at("outcome"), "failed");
  EXPECT_EQ(row.at("error_code"), "upstream_invalid");
  const json attempt = json::parse(row.at("attempts")).at(0);
  EXPECT_EQ(attempt["outcome"], "invalid");
  EXPECT_EQ(attempt["error_code"], "upstream_invalid");
  EXPECT_EQ(attempt["status"], 200);
  EXPECT_EQ(daemon.metrics().value("tollgate_attempts_total", {{"outcome", "invalid"}}), 1);
  EXPECT_EQ(daemon.metrics().value("tollgate_attempts_total", {{"outcome", "ok"}}), 0);
}

}  // namespace
}  // namespace tollgate::testing
