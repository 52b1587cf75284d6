// Who may call, and what a stranger learns: nothing.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using nlohmann::json;

constexpr const char* kPath = "/v1/chat/completions";

constexpr const char* kKeys = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
  other: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-2, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}
  big-model: {deployments: [{provider: other, model: big, price: {input: 2.5, output: 10}}]}
keys:
  - {id: k1, digest: "@{digest:agent}"}
  - {id: expired, digest: "@{digest:expired}", expires: "2020-01-01T00:00:00Z"}
  - {id: disabled, digest: "@{digest:disabled}", disabled: true}
  - {id: no-chat, digest: "@{digest:no-chat}", allow: {surfaces: [models]}}
  - {id: only-m, digest: "@{digest:only-m}", allow: {models: [m]}}
  - {id: no-up, digest: "@{digest:no-up}", allow: {providers: [other]}}
)";

class Auth : public ::testing::Test {
 protected:
  Auth() { upstream.on("POST", kPath, {Answer::json(200, completion("ok"))}); }
  FakeUpstream upstream;
  Daemon daemon{kKeys, {.variables = {{"UP", upstream.url()}}}};

  Response with(const Headers& headers, const std::string& path = kPath) {
    Headers all{{"content-type", "application/json"}};
    all.insert(all.end(), headers.begin(), headers.end());
    return daemon.connect().exchange(http_request("POST", path, all, chat_request("m", "hi")));
  }
};

TEST_F(Auth, AKeyIsTakenFromEveryPlaceAnSdkPutsIt) {
  const std::string key = daemon.key();
  const std::vector<std::pair<std::string, std::string>> places{{"authorization", "Bearer " + key},
                                                                {"Authorization", "bearer " + key},
                                                                {"x-api-key", key},
                                                                {"api-key", key},
                                                                {"x-goog-api-key", key}};
  for (const auto& place : places) {
    const Response response = with({place});
    EXPECT_EQ(response.status, 200) << place.first << " " << response.body;
  }
  EXPECT_EQ(with({}, std::string(kPath) + "?key=" + key + "&alt=x").status, 200);
  EXPECT_EQ(with({{"x-api-key", key}, {"authorization", "Bearer " + key}}).status, 200);
  for (const SeenRequest& seen : upstream.requests()) {
    EXPECT_EQ(seen.raw_head.find(key), std::string::npos);
    EXPECT_EQ(seen.body.find(key), std::string::npos);
    EXPECT_EQ(seen.header("x-api-key"), "");
    EXPECT_EQ(seen.header("authorization"), "Bearer provider-key-1");
  }
  EXPECT_NE(upstream.requests().at(5).target.find("alt=x"), std::string::npos);
}

TEST_F(Auth, UnknownRevokedExpiredAndMalformedHearTheSame) {
  std::string body;
  const std::vector<std::string> keys{daemon.key("never-configured"), daemon.key("expired"),
                                      daemon.key("disabled"), "tg-malformed", "sk-something-else"};
  for (const std::string& key : keys) {
    const Response response = with({{"authorization", "Bearer " + key}});
    EXPECT_EQ(response.status, 401);
    json answer = json::parse(response.body);
    EXPECT_EQ(answer["error"]["code"], "invalid_api_key");
    EXPECT_EQ(answer["error"]["type"], "authentication_error");
    EXPECT_EQ(response.body.find(key), std::string::npos) << "a credential is never echoed";
    EXPECT_FALSE(response.header("www-authenticate").empty());
    std::string text = answer["error"]["message"];
    if (const std::size_t id = text.find(response.header("x-request-id"));
        id != std::string::npos) {
      text.erase(id, response.header("x-request-id").size());
    }
    if (body.empty()) body = text;
    EXPECT_EQ(text, body);
  }
  EXPECT_EQ(with({}).status, 401);
  EXPECT_EQ(upstream.request_count(), 0u);
  EXPECT_TRUE(daemon.exactly(0).empty()) << "strangers take no audit slot";
  // They are counted instead, per reason and second.
  EXPECT_TRUE(daemon.wait_metric("tollgate_auth_failures_total", {}, 6));
  std::size_t counted = 0;
  for (int i = 0; i < 100 && counted < 6; ++i) {
    counted = 0;
    for (const Row& row : daemon.query("SELECT count FROM unauthenticated")) {
      counted += std::stoul(row.at("count"));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(counted, 6u);
}

TEST_F(Auth, TwoDifferentCredentialsAreRefused) {
  EXPECT_EQ(with({{"authorization", "Bearer " + daemon.key()}, {"x-api-key", daemon.key("only-m")}})
                .status,
            401);
  EXPECT_EQ(with({{"authorization", "Basic dXNlcjpwYXNz"}, {"x-api-key", daemon.key()}}).status,
            401);
}

TEST_F(Auth, SurfacesModelsAndProvidersOutsideTheListAreRefused) {
  Response response = daemon.post(kPath, chat_request("m", "hi"), "no-chat");
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(json::parse(response.body)["error"]["code"], "permission_denied");

  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi"), "only-m").status, 200);
  response = daemon.post(kPath, chat_request("big-model", "hi"), "only-m");
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(json::parse(response.body)["error"]["code"], "model_not_allowed");

  response = daemon.post(kPath, chat_request("m", "hi"), "no-up");
  EXPECT_EQ(response.status, 403) << response.body;
  EXPECT_EQ(upstream.request_count(), 1u);
  const auto rows = daemon.exactly(4);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].at("key_id"), "no-chat");
  EXPECT_EQ(rows[0].at("outcome"), "refused");
  EXPECT_EQ(rows[0].at("error_code"), "permission_denied");
  EXPECT_EQ(rows[2].at("error_code"), "model_not_allowed");
}

TEST_F(Auth, ModelsListsOnlyWhatTheKeyMayUseInTheCallersDialect) {
  const auto ids = [&](const std::string& key_name, const Headers& more = {}) {
    const Response response = daemon.get("/v1/models", key_name, more);
    EXPECT_EQ(response.status, 200) << response.body;
    std::vector<std::string> out;
    const json body = json::parse(response.body);
    for (const json& model : body["data"]) out.push_back(model["id"]);
    std::sort(out.begin(), out.end());
    return out;
  };
  EXPECT_EQ(ids("agent"), (std::vector<std::string>{"big-model", "m"}));
  EXPECT_EQ(ids("only-m"), (std::vector<std::string>{"m"}));
  EXPECT_EQ(ids("no-up"), (std::vector<std::string>{"big-model"}));
  EXPECT_TRUE(ids("agent", {{"anthropic-version", "2023-06-01"}}).empty());
  EXPECT_EQ(daemon.get("/v1/models", "").status, 401);
  EXPECT_EQ(daemon.get("/v1/models/m", "only-m").status, 200);
  EXPECT_EQ(daemon.get("/v1/models/big-model", "only-m").status, 404);
}

TEST_F(Auth, TheCredentialIsJudgedBeforeTheBodyIsRead) {
  RawClient client = daemon.connect();
  client.send("POST " + std::string(kPath) +
              " HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: "
              "10000000\r\nauthorization: Bearer tg-wrong\r\n\r\n");
  const Response response = client.read_response(std::chrono::seconds(3));
  EXPECT_EQ(response.status, 401);
  EXPECT_TRUE(client.wait_closed(std::chrono::seconds(5))) << "an unread body is not kept alive";
}

TEST_F(Auth, EveryRefusalOfAKnownCallerIsOnRecord) {
  const std::string key = "authorization: Bearer " + daemon.key() + "\r\n";
  struct Case {
    std::string line, fields;
    int status;
    std::string surface, method;
  };
  const std::vector<Case> cases{
      {"GET /v1/chat/completions", "", 405, "chat", "GET"},
      {"OPTIONS /v1/chat/completions", "", 405, "chat", "OPTIONS"},
      {"DELETE /v1/messages", "", 405, "messages", "DELETE"},
      {"PUT /mcp/s", "", 405, "mcp", "PUT"},
      {"POST /v2/x", "content-length: 2\r\n", 404, "none", "POST"},
      {"FOO /v1/chat/completions", "", 405, "chat", "FOO"},
      {"CONNECT x:1", "", 405, "none", "CONNECT"},
      {"POST /v1/chat/completions", "content-length: 2\r\nexpect: foo\r\n", 417, "chat", "POST"},
      {"GET /v1/../v1/models", "", 400, "none", "GET"},
  };
  for (const Case& tested : cases) {
    SCOPED_TRACE(tested.line);
    RawClient client = daemon.connect();
    const Response response =
        client.exchange(tested.line + " HTTP/1.1\r\nhost: x\r\n" + key + tested.fields + "\r\n");
    EXPECT_EQ(response.status, tested.status) << response.body;
    const std::string id = response.header("x-request-id");
    ASSERT_FALSE(id.empty());
    const auto rows = daemon.rows(static_cast<std::size_t>(&tested - cases.data()) + 1);
    ASSERT_FALSE(rows.empty());
    EXPECT_EQ(rows.back().at("request_id"), id);
    EXPECT_EQ(rows.back().at("key_id"), "k1");
    EXPECT_EQ(rows.back().at("status"), std::to_string(tested.status));
    EXPECT_EQ(rows.back().at("outcome"), "refused");
    EXPECT_EQ(rows.back().at("surface"), tested.surface);
    EXPECT_EQ(rows.back().at("method"), tested.method);
  }
  EXPECT_TRUE(daemon.metric_becomes("tollgate_in_flight", 0));
}

TEST_F(Auth, AStrangerLearnsNothingOfPathsAndMethods) {
  for (const char* line : {"POST /v1/chat/completions", "GET /v1/chat/completions", "POST /v2/x",
                           "GET /no/such/path", "OPTIONS /v1/files", "DELETE /mcp/none"}) {
    const Response response =
        daemon.connect().exchange(std::string(line) + " HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_EQ(response.status, 401) << line;
    EXPECT_FALSE(response.header("x-request-id").empty());
  }
  // What is wrong with the HTTP itself is told to everybody, key or not.
  EXPECT_EQ(daemon.connect().exchange("FOO /v1/x HTTP/1.1\r\nhost: x\r\n\r\n").status, 405);
  EXPECT_TRUE(daemon.exactly(0).empty());
}

TEST_F(Auth, AKeyInTheWrongPlaceIsNeitherRecordedNorEchoed) {
  const std::string key = daemon.key();
  const std::string other = daemon.key("somebody-elses");
  std::string answers;
  const auto note = [&answers](const Response& response) {
    answers += response.raw_head + response.body;
  };
  note(with({{"authorization", "Bearer " + key}, {"x-session-id", key}}));
  note(daemon.post(kPath, chat_request(key, "hi")));
  note(daemon.post(kPath, chat_request("prefix-" + other + "-suffix", "hi"), "only-m"));
  note(daemon.get("/v1/files/" + key));
  note(daemon.get("/v1/models/" + other));
  note(daemon.post("/" + key, "{}"));
  note(daemon.post("/mcp/" + key, "{}"));
  note(daemon.connect().exchange(other + " / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + key +
                                 "\r\n\r\n"));
  const auto rows = daemon.exactly(8);
  ASSERT_EQ(rows.size(), 8u);
  const auto recorded = [&rows](const char* column, std::string_view text) {
    return std::any_of(rows.begin(), rows.end(),
                       [&](const Row& row) { return row.at(column) == text; });
  };
  EXPECT_TRUE(recorded("model_asked", "tg-***"));
  EXPECT_TRUE(recorded("model_asked", "prefix-tg-***-suffix"));
  EXPECT_TRUE(recorded("path", "/v1/files/tg-***"));
  EXPECT_TRUE(recorded("session_id", "tg-***"));
  EXPECT_TRUE(recorded("method", "tg-***"));
  daemon.send(SIGTERM);
  ASSERT_EQ(daemon.wait_exit(std::chrono::seconds(10)), 0);
  for (const std::string& secret : {key, other}) {
    EXPECT_EQ(answers.find(secret), std::string::npos) << answers;
    for (const Row& row : rows)
      for (const auto& [column, text] : row)
        EXPECT_EQ(text.find(secret), std::string::npos) << column;
    EXPECT_EQ(daemon.log().find(secret), std::string::npos);
  }
}

TEST(AuthThrottle, GuessingIsSlowedDownPerAddress) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  Daemon daemon(std::string(kKeys) + "limits: {failed_auth_per_minute: 10}\n",
                {.variables = {{"UP", upstream.url()}}});
  int refused = 0;
  int throttled = 0;
  for (int i = 0; i < 30; ++i) {
    const int status = daemon.post(kPath, chat_request("m", "hi"), "guess").status;
    refused += status == 401 ? 1 : 0;
    throttled += status == 429 ? 1 : 0;
  }
  EXPECT_EQ(refused, 10);
  EXPECT_EQ(throttled, 20);
}

TEST(AuthThrottle, AFailingNeighbourLocksNobodyOut) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  Daemon daemon(std::string(kKeys) + "limits: {failed_auth_per_minute: 4}\n",
                {.variables = {{"UP", upstream.url()}}});
  const auto ask = [&](const std::string& key_name) {
    return daemon.post(kPath, chat_request("m", "hi"), key_name);
  };
  // Whatever is wrong with a key, it counts as failing, and is told so alike.
  for (const char* key : {"expired", "disabled", "never-configured", "expired"})
    EXPECT_EQ(ask(key).status, 401) << key;
  std::string body;
  for (const char* key : {"expired", "disabled", "never-configured"}) {
    const Response response = ask(key);
    EXPECT_EQ(response.status, 429) << key;
    EXPECT_EQ(response.header("retry-after"), "60");
    json answer = json::parse(response.body);
    const std::string text = answer["error"]["message"];
    if (body.empty()) body = text;
    EXPECT_EQ(text, body) << key;
  }
  EXPECT_EQ(daemon.get("/v1/models", "never-configured").status, 429);
  EXPECT_EQ(daemon.connect().exchange(http_request("GET", "/v1/models", {})).status, 429)
      << "no key at all is no way round";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("agent").status, 200) << "a valid key passes always";
  EXPECT_EQ(ask("expired").status, 429) << "and lifts nothing for the others";
  EXPECT_EQ(daemon.exactly(3).size(), 3u);
  EXPECT_EQ(daemon.metrics().value("tollgate_auth_failures_total", {{"reason", "throttled"}}), 6);
}

}  // namespace
}  // namespace tollgate::testing
