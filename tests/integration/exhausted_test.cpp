// A key whose money is gone is refused on every path and with every method: walks the route table,
// so that a new row cannot be forgotten.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"
#include "tollgate/pipeline/route.hpp"
#include "tollgate/protocol/http/request_head.hpp"

namespace tollgate::testing {
namespace {

using nlohmann::json;
using pipeline::RouteRow;
using pipeline::Surface;
using protocol::http::Method;

constexpr const char* kConfig = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
  claude: {kind: anthropic, base_url: "@{UP}", api_key: provider-key-2, proxy: none}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 0, output: 50}}]}
  c: {deployments: [{provider: claude, model: c, price: {input: 0, output: 50}}]}
mcp_servers: {tools: {url: "@{UP}/mcp", proxy: none}}
a2a_agents: {planner: {url: "@{UP}/a2a", proxy: none}}
spending: {other_path_price: 0.01}
keys:
  - id: k1
    digest: "@{digest:agent}"
    allow: {paths: ["*"], mcp: {"*": ["*"]}, a2a: {"*": ["*"]}}
    budgets: [{name: cap, limit: 0.05, window: total}]
  - {id: gone, digest: "@{digest:gone}", budgets: [{limit: 0.00, window: total}],
     allow: {paths: ["*"], mcp: {"*": ["*"]}, a2a: {"*": ["*"]}}}
)";

/// How the caller is told.
enum class Told : std::uint8_t {
  status,  ///< 402 in its dialect
  rpc,     ///< an error that answers the JSON-RPC request, in a 200
  never,   ///< it is served: see may_serve()
};

struct Ask {
  std::string method, target;
  std::string body = {};
  Told told = Told::status;
};

std::string rpc(const char* method, const char* params) {
  return json{{"jsonrpc", "2.0"}, {"id", 7}, {"method", method}, {"params", json::parse(params)}}
      .dump();
}

/// What stays open to a caller that has nothing left: to read what stopped it, and the probe that
/// needs no key.
bool may_serve(Surface surface) {
  return surface == Surface::me || surface == Surface::probe;
}

/// "/a2a/{}/.well-known/agent.json"
std::string name_of(const RouteRow& row) {
  return std::string(row.path) + (row.then == RouteRow::Then::nothing ? "" : "{}") +
         std::string(row.rest);
}

/// Whole requests, so that nothing but the budget is a reason to refuse them. By row of the route
/// table: at least one for each method that it takes.
const std::map<std::string, std::vector<Ask>>& asks() {
  static const std::string message =
      R"({"model":"c","max_tokens":10,"messages":[{"role":"user","content":"hi"}]})";
  static const std::string count = R"({"model":"c","messages":[{"role":"user","content":"hi"}]})";
  static const std::string send =
      rpc("message/send",
          R"({"message":{"role":"user","messageId":"1","parts":[{"kind":"text","text":"hi"}]}})");
  static const std::map<std::string, std::vector<Ask>> all{
      {"/v1/chat/completions",
       {{"POST", "/v1/chat/completions", chat_request("m", "hi")},
        {"POST", "/v1/chat/completions", chat_request("m", "hi", R"(,"stream":true)")},
        {"POST", "/v1/chat/completions", chat_request("m", "hi", R"(,"max_tokens":1)")},
        {"POST", "/v1/chat/completions/", chat_request("m", "hi")}}},
      {"/v1/embeddings", {{"POST", "/v1/embeddings", R"({"model":"m","input":"hi"})"}}},
      {"/v1/messages", {{"POST", "/v1/messages", message}}},
      {"/anthropic/v1/messages", {{"POST", "/anthropic/v1/messages", message}}},
      {"/v1/messages/count_tokens", {{"POST", "/v1/messages/count_tokens", count}}},
      {"/anthropic/v1/messages/count_tokens",
       {{"POST", "/anthropic/v1/messages/count_tokens", count}}},
      {"/v1/models", {{"GET", "/v1/models"}, {"HEAD", "/v1/models"}}},
      {"/anthropic/v1/models", {{"GET", "/anthropic/v1/models"}, {"HEAD", "/anthropic/v1/models"}}},
      {"/v1/models/{}", {{"GET", "/v1/models/m"}, {"HEAD", "/v1/models/m"}}},
      {"/v1/{}",
       {{"GET", "/v1/files"},
        {"HEAD", "/v1/files"},
        {"POST", "/v1/moderations", R"({"model":"m","input":"hi"})"},
        {"PUT", "/v1/files/1", R"({"purpose":"batch"})"},
        {"PATCH", "/v1/files/1", R"({"purpose":"batch"})"},
        {"DELETE", "/v1/files/1"}}},
      {"/mcp/{}",
       {{"POST", "/mcp/tools", rpc("tools/call", R"({"name":"t","arguments":{}})"), Told::rpc},
        {"POST", "/mcp/tools", rpc("tools/list", "{}"), Told::rpc},
        {"GET", "/mcp/tools"},
        {"DELETE", "/mcp/tools"}}},
      {"/a2a/{}", {{"POST", "/a2a/planner", send, Told::rpc}}},
      {"/a2a/{}/", {{"POST", "/a2a/planner/", send, Told::rpc}}},
      {"/a2a/{}/.well-known/agent-card.json",
       {{"GET", "/a2a/planner/.well-known/agent-card.json"},
        {"HEAD", "/a2a/planner/.well-known/agent-card.json"}}},
      {"/a2a/{}/.well-known/agent.json",
       {{"GET", "/a2a/planner/.well-known/agent.json"},
        {"HEAD", "/a2a/planner/.well-known/agent.json"}}},
      {"/tollgate/v1/me",
       {{"GET", "/tollgate/v1/me", "", Told::never}, {"HEAD", "/tollgate/v1/me", "", Told::never}}},
      {"/", {{"GET", "/", "", Told::never}, {"HEAD", "/", "", Told::never}}},
  };
  return all;
}

/// Which row serves this request, as the daemon finds it.
const RouteRow* row_of(const Ask& what) {
  const std::string bytes = http_request(what.method, what.target, {});
  protocol::http::RequestParser parser;
  EXPECT_TRUE(parser.feed(bytes).has_value()) << bytes;
  protocol::http::Target target;
  EXPECT_FALSE(target.parse(parser.head().path_and_query).has_error()) << what.target;
  return pipeline::match_route(parser.head(), target).row;
}

constexpr Method kMethods[] = {Method::get,   Method::head, Method::post,   Method::put,
                               Method::patch, Method::del,  Method::options};

TEST(Exhausted, EveryRowOfTheRouteTableHasItsRequests) {
  EXPECT_EQ(asks().size(), pipeline::route_table().size()) << "requests of rows that are gone";
  for (const RouteRow& row : pipeline::route_table()) {
    const auto found = asks().find(name_of(row));
    ASSERT_NE(found, asks().end()) << "how is a used-up key refused on " << name_of(row) << "?";
    for (const Method method : kMethods) {
      const bool is_asked = std::any_of(
          found->second.begin(), found->second.end(),
          [&](const Ask& what) { return what.method == protocol::http::to_string(method); });
      EXPECT_EQ(is_asked, pipeline::admits(row.methods, method))
          << protocol::http::to_string(method) << " " << name_of(row);
    }
    for (const Ask& what : found->second) {
      EXPECT_EQ(row_of(what), &row)
          << what.method << " " << what.target << " is not served by " << name_of(row);
      EXPECT_EQ(what.told == Told::never, may_serve(row.surface)) << name_of(row);
    }
  }
}

Response ask(Daemon& daemon, const Ask& what, const std::string& key) {
  Headers headers{{"authorization", "Bearer " + daemon.key(key)}};
  if (!what.body.empty()) headers.emplace_back("content-type", "application/json");
  if (what.target.starts_with("/v1/files")) headers.emplace_back("x-tollgate-provider", "up");
  if (what.target.starts_with("/mcp/"))
    headers.emplace_back("accept", "application/json, text/event-stream");
  RawClient client = daemon.connect();
  client.send(http_request(what.method, what.target, headers, what.body));
  Response response = client.read_head();
  if (what.method != "HEAD") client.read_body(response);
  return response;
}

void expect_refused(const Response& response, const Ask& what, const std::string& name) {
  EXPECT_EQ(response.status, what.told == Told::rpc ? 200 : 402) << name << "\n" << response.body;
  EXPECT_EQ(response.header("x-should-retry"), "false") << name;
  if (what.method == "HEAD") return;
  EXPECT_NE(response.body.find("budget_exceeded"), std::string::npos) << name << response.body;
}

/// Used up by calls, and one that never had anything.
constexpr const char* kUsedUp[] = {"agent", "gone"};

TEST(Exhausted, RefusedOnEveryPathWithEveryMethod) {
  FakeUpstream upstream;
  upstream.on("POST", "/v1/chat/completions", {Answer::json(200, completion("ok", 0, 1000))});
  Daemon daemon(kConfig, {.variables = {{"UP", upstream.url()}}});
  // One call of exactly what the key has.
  ASSERT_EQ(
      daemon.post("/v1/chat/completions", chat_request("m", "hi", R"(,"max_tokens":1000)")).status,
      200);
  std::size_t refused = 0;
  for (const std::string key : kUsedUp) {
    for (const RouteRow& row : pipeline::route_table()) {
      const auto found = asks().find(name_of(row));
      ASSERT_NE(found, asks().end()) << name_of(row);
      for (const Ask& what : found->second) {
        const Response response = ask(daemon, what, key);
        const std::string name = key + ": " + what.method + " " + what.target + " " + what.body;
        if (what.told == Told::never) {
          EXPECT_EQ(response.status, 200) << name;
        } else {
          expect_refused(response, what, name);
          ++refused;
        }
      }
    }
  }
  EXPECT_EQ(upstream.request_count(), 1u) << "nothing of it reached an upstream";
  std::map<std::string, std::size_t> told;
  // What is answered to a used-up key too has rows as well: the refusals are counted by name.
  const std::vector<Row> rows = daemon.rows_where("error_code='budget_exceeded'", refused);
  EXPECT_EQ(rows.size(), refused);
  for (const Row& row : rows) EXPECT_EQ(row.at("cost_nusd"), "0");
  EXPECT_EQ(daemon.metrics().value("tollgate_holds_nusd"), 0);
}

}  // namespace
}  // namespace tollgate::testing
