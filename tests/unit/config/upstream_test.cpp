#include <gtest/gtest.h>

#include "config/resolve.hpp"
#include "fake_env.hpp"

namespace tollgate::config {
namespace {

SnapshotPtr load(const std::string& yaml, FakeEnv env = {}) {
  env.files["prices.yaml"] = kPriceFile;
  for (const char* file : {"ca.crt", "c.crt", "c.key"}) env.files[file] = "pem";
  const auto result = load_text(yaml, "tollgate.yaml", env);
  EXPECT_EQ(text_of(result.problems), "");
  return result.snapshot;
}

TEST(Upstreams, ProvidersKnowTheirDefaultAddress) {
  const auto s = load("providers: {openai: {api_key: a}, anthropic: {api_key: b}}\n");
  ASSERT_TRUE(s);
  const Origin& openai = s->providers.at("openai").origin;
  EXPECT_EQ(s->providers.at("openai").kind, ProviderKind::openai) << "kind from the name";
  EXPECT_EQ(openai.scheme, "https");
  EXPECT_EQ(openai.host, "api.openai.com");
  EXPECT_EQ(openai.port, 443);
  EXPECT_EQ(openai.base_path, "/v1");
  EXPECT_EQ(s->providers.at("openai").catalogue, "openai");
  const Origin& anthropic = s->providers.at("anthropic").origin;
  EXPECT_EQ(anthropic.host, "api.anthropic.com");
  EXPECT_EQ(anthropic.base_path, "");
}

TEST(Upstreams, ProvidersAreCappedInTheFieldTheyKnow) {
  const auto s = load(R"(
providers:
  openai: {api_key: a}
  anthropic: {api_key: b}
  demo: {}
  other: {kind: openai_compatible, base_url: "https://a.example/v1"}
  azure: {kind: openai_compatible, base_url: "https://a.example/v1", output_cap_field: max_completion_tokens}
  old: {kind: openai, api_key: a, output_cap_field: max_tokens}
)");
  ASSERT_TRUE(s);
  const auto field = [&](const char* name) { return s->providers.at(name).output_cap_field; };
  EXPECT_EQ(field("openai"), OutputCapField::max_completion_tokens);
  EXPECT_EQ(field("anthropic"), OutputCapField::max_tokens);
  EXPECT_EQ(field("demo"), OutputCapField::max_tokens);
  EXPECT_EQ(field("other"), OutputCapField::max_tokens);
  EXPECT_EQ(field("azure"), OutputCapField::max_completion_tokens);
  EXPECT_EQ(field("old"), OutputCapField::max_tokens);
}

TEST(Upstreams, ReadsEverySetting) {
  const auto s = load(R"(
providers:
  mine:
    kind: openai_compatible
    base_url: https://LLM.example.com:8443/api/v1//
    api_key: key
    headers: {X-Team: "a $${literal}", Authorization: Bearer x}
    ca_file: ca.crt
    client_certificate_file: c.crt
    client_key_file: c.key
    verify_tls: false
    proxy: none
    max_connections: 7
    max_idle: 3
    idle_timeout: 10s
    catalogue: groq
    timeouts: {first_byte_stream: 5s, first_byte_json: 1m}
mcp_servers:
  search: {url: "https://mcp.example.com/mcp/", headers: {Authorization: Bearer y}, price_per_call: 0.01,
           tool_prices: {find: 0.5}, idempotent_tools: [get_*]}
a2a_agents:
  planner: {url: "https://a2a.example.com/", card_path: /card.json, price_per_call: 1}
)");
  ASSERT_TRUE(s);
  const Provider& mine = s->providers.at("mine");
  EXPECT_EQ(mine.origin.host, "llm.example.com");
  EXPECT_EQ(mine.origin.port, 8443);
  EXPECT_EQ(mine.origin.base_path, "/api/v1") << "no trailing slash";
  EXPECT_FALSE(mine.origin.tls.verify);
  EXPECT_EQ(mine.origin.max_connections, 7u);
  EXPECT_EQ(mine.origin.max_idle, 3u);
  EXPECT_EQ(mine.origin.idle_timeout.count(), 10'000);
  EXPECT_EQ(mine.catalogue, "groq");
  EXPECT_EQ(mine.first_byte_stream->count(), 5'000);
  EXPECT_EQ(mine.first_byte_json->count(), 60'000);
  ASSERT_EQ(mine.headers.size(), 2u);
  EXPECT_EQ(mine.headers[1].name, "X-Team");
  EXPECT_EQ(mine.headers[1].value.reveal(), "a ${literal}");
  EXPECT_EQ(mine.origin.pool_key,
            "https://llm.example.com:8443 ca ca.crt cert c.crt c.key unverified");
  const McpServer& search = s->mcp_servers.at("search");
  EXPECT_EQ(search.origin.base_path, "/mcp/") << "an endpoint is kept as written";
  EXPECT_EQ(search.price_per_call.value, 10'000'000);
  EXPECT_EQ(search.tool_prices.at("find").value, 500'000'000);
  EXPECT_EQ(search.idempotent_tools, std::vector<std::string>{"get_*"});
  const A2aAgent& planner = s->a2a_agents.at("planner");
  EXPECT_EQ(planner.origin.base_path, "");
  EXPECT_EQ(planner.card_path, "/card.json");
}

TEST(Upstreams, PlainHttpNeedsLoopbackOrAWord) {
  for (const char* host : {"localhost", "127.0.0.1", "127.8.9.1", "[::1]"})
    EXPECT_TRUE(load(std::string("providers: {a: {kind: openai, api_key: x, base_url: \"http://") +
                     host + ":1/v1\"}}\n"))
        << host;
  EXPECT_TRUE(
      load("providers: {a: {kind: openai, api_key: x, base_url: \"http://10.0.0.1/v1\", "
           "allow_plain_http: true}}\n"));
  EXPECT_FALSE(load_text("providers: {a: {kind: openai, base_url: \"http://localhost.evil.com\"}}",
                         "x", FakeEnv{})
                   .ok());
}

TEST(Upstreams, OriginsThatMayShareConnectionsHaveOnePoolKey) {
  const auto s = load(R"(
providers:
  a: {kind: openai, api_key: x, base_url: "https://h.example/v1"}
  b: {kind: openai, api_key: y, base_url: "https://h.example:443/v2"}
  c: {kind: openai, api_key: x, base_url: "https://h.example/v1", ca_file: ca.crt}
  d: {kind: openai, api_key: x, base_url: "https://h.example/v1", proxy: "http://u:p@p:1"}
  e: {kind: openai, api_key: x, base_url: "https://h.example/v1", proxy: "http://u:q@p:1"}
)");
  ASSERT_TRUE(s);
  const auto key = [&](const char* name) { return s->providers.at(name).origin.pool_key; };
  EXPECT_EQ(key("a"), key("b"));
  EXPECT_NE(key("a"), key("c"));
  EXPECT_NE(key("a"), key("d"));
  EXPECT_NE(key("d"), key("e")) << "another proxy credential is another pool";
  EXPECT_EQ(s->providers.at("d").origin.proxy, "http://p:1");
  EXPECT_EQ(s->providers.at("d").origin.proxy_authorization.reveal(), "Basic dTpw");
}

struct ProxyCase {
  const char* name;
  std::map<std::string, std::string> variables;
  const char* url;
  const char* setting;
  const char* proxy;
};

TEST(Upstreams, TheEnvironmentsProxyAsInCurl) {
  const ProxyCase cases[] = {
      {"https", {{"HTTPS_PROXY", "http://p:3128"}}, "https://h.example", "env", "http://p:3128"},
      {"lower case first",
       {{"HTTPS_PROXY", "http://upper:1"}, {"https_proxy", "http://lower:2"}},
       "https://h.example",
       "env",
       "http://lower:2"},
      {"no scheme", {{"https_proxy", "p:3128"}}, "https://h.example", "env", "http://p:3128"},
      {"all", {{"ALL_PROXY", "http://p:1"}}, "https://h.example", "env", "http://p:1"},
      {"http wants the lower case name",
       {{"HTTP_PROXY", "http://p:1"}},
       "http://h.example",
       "env",
       ""},
      {"http", {{"http_proxy", "http://p:1"}}, "http://h.example", "env", "http://p:1"},
      {"https_proxy is not for http",
       {{"https_proxy", "http://p:1"}},
       "http://h.example",
       "env",
       ""},
      {"empty", {{"https_proxy", ""}}, "https://h.example", "env", ""},
      {"none", {{"https_proxy", "http://p:1"}}, "https://h.example", "none", ""},
      {"own", {{"https_proxy", "http://p:1"}}, "https://h.example", "http://own:2", "http://own:2"},
      {"no_proxy",
       {{"https_proxy", "http://p:1"}, {"NO_PROXY", "x.example, h.example"}},
       "https://h.example",
       "env",
       ""},
      {"loopback is never proxied",
       {{"https_proxy", "http://p:1"}},
       "https://localhost:1",
       "env",
       ""},
  };
  for (const auto& c : cases) {
    FakeEnv env;
    env.variables = c.variables;
    const std::string way = std::string("allow_plain_http: true, proxy: \"") + c.setting + "\"";
    const auto s = load("providers: {a: {kind: openai, api_key: x, base_url: \"" +
                            std::string(c.url) + "\", " + way + "}}\n" +
                            "alerts: {webhooks: [{url: \"" + c.url + "\", " + way + "}]}\n",
                        env);
    ASSERT_TRUE(s) << c.name;
    EXPECT_EQ(s->providers.at("a").origin.proxy, c.proxy) << c.name;
    EXPECT_EQ(s->webhooks[0].origin.proxy, c.proxy) << c.name;
    EXPECT_EQ(s->webhooks[0].origin.pool_key, s->providers.at("a").origin.pool_key) << c.name;
  }
}

TEST(Upstreams, AnUnusableProxyVariableStopsTheLoad) {
  FakeEnv env;
  env.variables["HTTPS_PROXY"] = "socks5://user:canary@p:1";
  const auto result = load_text("providers: {openai: {api_key: x}}\n", "f", env);
  EXPECT_EQ(text_of(result.problems),
            "f:1:1: environment variable HTTPS_PROXY: the proxy URL has another scheme than "
            "http(s); expected a URL such as \"http://proxy.example:3128\", or proxy: none at the "
            "upstream or webhook\n");
}

TEST(Upstreams, NoProxy) {
  const std::tuple<const char*, const char*, int, bool> cases[] = {
      {"", "h.example", 443, false},
      {"*", "h.example", 443, true},
      {"h.example", "h.example", 443, true},
      {"H.Example", "h.example", 443, true},
      {"example", "h.example", 443, true},
      {".example", "h.example", 443, true},
      {"*.example", "h.example", 443, true},
      {".h.example", "h.example", 443, true},
      {"ample", "h.example", 443, false},
      {"h.example:443", "h.example", 443, true},
      {"h.example:80", "h.example", 443, false},
      {"a,b , h.example", "h.example", 443, true},
      {"10.0.0.0/8", "10.1.2.3", 443, true},
      {"10.0.0.0/8", "11.1.2.3", 443, false},
      {"10.0.0.0/8", "ten.example", 443, false},
      {"10.0.0.0/x", "10.1.2.3", 443, false},
      {"fd00::/8", "fd12::1", 443, true},
      {"0.0.0.0/0", "fd12::1", 443, false},
      {"10.1.2.3", "10.1.2.3", 443, true},
      {"2.3", "10.1.2.3", 443, false},
      {"fd12::1", "fd12::1", 443, true},
      {"[fd12::1]:443", "fd12::1", 443, true},
      {"[fd12::1]:80", "fd12::1", 443, false},
  };
  for (const auto& [list, host, port, match] : cases)
    EXPECT_EQ(no_proxy_matches(list, host, static_cast<std::uint16_t>(port)), match)
        << list << " against " << host;
}

TEST(Upstreams, WarnsOfMissingCredentialsAndUncheckedCertificates) {
  const auto result = load_text(
      "providers:\n"
      "  openai: {}\n"
      "  b: {kind: openai_compatible, base_url: \"https://h.example\", verify_tls: false}\n"
      "prices: {file: \"\"}\n",
      "f", FakeEnv{});
  ASSERT_TRUE(result.ok()) << text_of(result.problems);
  EXPECT_EQ(text_of(result.warnings),
            "f:2:3: providers.openai: has no api_key; its calls go out without a credential; "
            "expected api_key: ${env:NAME}\n"
            "f:3:63: providers.b.verify_tls: the upstream's certificate is not checked; expected "
            "ca_file with the upstream's own CA\n");
}

}  // namespace
}  // namespace tollgate::config
