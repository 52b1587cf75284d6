#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "fake_env.hpp"

namespace tollgate::config {
namespace {

constexpr const char* kCanary = "sk-canary-7f3a";

/// Puts the canary into every secret there is.
constexpr const char* kYaml = R"(
admin: {token: "${env:CANARY}"}
providers:
  openai:
    api_key: ${file:canary.txt}
    headers: {Authorization: "Bearer ${env:CANARY}", X-Plain: sk-canary-7f3a}
    proxy: "http://user:${env:CANARY}@proxy.example:3128"
mcp_servers:
  search: {url: "https://m.example/mcp", headers: {Authorization: "Bearer ${env:CANARY}"}}
a2a_agents:
  planner: {url: "https://p.example/", headers: {X-Key: "${env:CANARY}"}}
alerts:
  webhooks:
    - {url: "https://hooks.example.com/T0/${env:CANARY}?k=${env:CANARY}", secret: "${env:CANARY}",
       proxy: "http://user:${env:CANARY}@hook-proxy.example:3128"}
)";

FakeEnv canary_env() {
  FakeEnv env;
  env.variables["CANARY"] = kCanary;
  env.files["canary.txt"] = std::string(kCanary) + "\r\n";
  env.files["prices.yaml"] = kPriceFile;
  return env;
}

TEST(Secrets, AreReadButNeverDumped) {
  const auto result = load_text(kYaml, "f.yaml", canary_env());
  ASSERT_TRUE(result.ok()) << text_of(result.problems);
  const Snapshot& s = *result.snapshot;
  EXPECT_EQ(s.admin.token.reveal(), kCanary);
  EXPECT_EQ(s.providers.at("openai").api_key.reveal(), kCanary) << "line ends of files are cut";
  EXPECT_EQ(s.providers.at("openai").headers[0].value.reveal(), std::string("Bearer ") + kCanary);
  EXPECT_EQ(s.webhooks[0].target, std::string("/T0/") + kCanary + "?k=" + kCanary);

  const std::string json = dump(s);
  EXPECT_EQ(json.find("canary"), std::string::npos) << json;
  EXPECT_EQ(json.find("c2stY2FuYXJ5"), std::string::npos) << "base64 of the canary's start";
  EXPECT_NE(json.find("\"token\": \"***\""), std::string::npos);
  EXPECT_NE(json.find("\"api_key\": \"***\""), std::string::npos);
  EXPECT_NE(json.find("https://hooks.example.com:443/***"), std::string::npos);
  EXPECT_NE(json.find("\"proxy_authorization\": \"***\""), std::string::npos);
  EXPECT_NE(json.find("\"proxy\": \"http://hook-proxy.example:3128\""), std::string::npos);
  EXPECT_EQ(text_of(result.warnings).find("canary"), std::string::npos);
}

// Whoever revokes a leaked key at night has the configuration, not the providers' credentials.
TEST(Secrets, CanBeLeftOut) {
  FakeEnv env;
  env.variables["DATA"] = "/var/lib/x";
  const std::string yaml = std::string(kYaml) + R"(
  # continues `alerts`
audit: {path: "${env:DATA}/audit.db"}
control_socket: "${env:DATA}/control.sock"
listeners:
  - {name: main, address: "127.0.0.1:0", tls: {certificate_file: absent.crt, private_key_file: absent.key}}
)";
  EXPECT_FALSE(load_text(yaml, "f.yaml", env).ok());
  LoadOptions options;
  options.secrets = Secrets::leave_out;
  const auto result = load_text(yaml, "f.yaml", env, options);
  ASSERT_TRUE(result.ok()) << text_of(result.problems);
  EXPECT_EQ(result.snapshot->audit.path, "/var/lib/x/audit.db");
  EXPECT_EQ(result.snapshot->control_socket, "/var/lib/x/control.sock");
  env.variables.clear();
  const auto lost = load_text(yaml, "f.yaml", env, options);
  EXPECT_EQ(lost.problems.size(), 2u) << "a place is never guessed: " << text_of(lost.problems);
}

// What stands for a value that was not looked up is not judged, whatever the key asks of its
// values.
TEST(Secrets, LeftOutAreNotJudged) {
  const char* const cases[] = {
      "mcp_session_secret: ${env:X}",
      "mcp_session_secret: ${file:absent}",
      "public_url: ${env:X}",
      "admin: {token: \"${env:X}\", port_file: \"${env:X}\"}",
      "prices: {file: \"${env:X}\"}",
      "providers: {openai: {api_key: k, proxy: \"${env:X}\"}}",
      "providers: {openai: {api_key: k, proxy: \"http://${env:X}\"}}",
      "providers: {openai: {api_key: k, base_url: \"${env:X}\"}}",
      "providers: {openai: {api_key: k, base_url: \"http://${env:X}/v1\"}}",
      "providers: {openai: {headers: {x-a: \"${env:X}\"}, ca_file: \"${env:X}\"}}",
      "providers: {openai: {api_key: k, client_certificate_file: \"${env:X}\", client_key_file: "
      "k}}",
      "mcp_servers: {m: {url: \"http://h/${env:X}\"}}",
      "a2a_agents: {a: {url: \"${env:X}\", card_path: \"${env:X}\"}}",
      "alerts: {webhooks: [{url: \"http://${env:X}/\"}]}",
      "listeners: [{tls: {certificate_file: \"${env:X}\", private_key_file: \"${env:X}\", "
      "client_auth: require, client_ca_file: \"${env:X}\"}}]",
  };
  FakeEnv env;
  env.files["prices.yaml"] = kPriceFile;
  LoadOptions options;
  options.secrets = Secrets::leave_out;
  for (const char* const yaml : cases) {
    EXPECT_FALSE(load_text(yaml, "f.yaml", env).ok()) << yaml;
    const auto result = load_text(yaml, "f.yaml", env, options);
    EXPECT_TRUE(result.ok()) << yaml << "\n" << text_of(result.problems);
  }
  // A reference that is written wrongly, and a wrong value that is there to be seen, still are.
  for (const char* const yaml : {"mcp_session_secret: ${env:X}${env:}", "mcp_session_secret: short",
                                 "providers: {openai: {api_key: \"${env:X}\", proxy: nonsense}}"})
    EXPECT_EQ(load_text(yaml, "f.yaml", env, options).problems.size(), 1u) << yaml;
}

TEST(Secrets, TheExampleLoadsWithoutAnyOfThem) {
  std::ifstream file(std::string(TOLLGATE_SOURCE_DIR) + "/config/tollgate.example.yaml");
  const std::string yaml{std::istreambuf_iterator<char>(file), {}};
  FakeEnv env;
  env.files["prices.yaml"] = kPriceFile;
  EXPECT_FALSE(load_text(yaml, "f.yaml", env).ok());
  LoadOptions options;
  options.secrets = Secrets::leave_out;
  const auto result = load_text(yaml, "f.yaml", env, options);
  EXPECT_TRUE(result.ok()) << text_of(result.problems);
}

TEST(Secrets, AnAbsentSecretIsDumpedAsEmpty) {
  const auto result = load_text("version: 1\n", "f.yaml", canary_env());
  EXPECT_NE(dump(*result.snapshot).find("\"token\": \"\""), std::string::npos);
}

TEST(Secrets, NeverStandInProblems) {
  // Every value wrong at once, each made of a secret.
  const auto result = load_text(R"(
admin: {token: ["${env:CANARY}"], address: 1}
control_socket: ${env:LONG}
providers:
  openai: {base_url: "${env:CANARY}", api_key: "${env:LINES}", ca_file: "${env:CANARY}"}
  b: {kind: openai, api_key: x, base_url: "https://${env:CANARY}@h.example", proxy: "${env:CANARY}"}
mcp_servers: {m: {url: "http://h.example/${env:CANARY}"}}
alerts: {webhooks: [{url: "${env:CANARY}"}, {url: "http://h.example/${env:CANARY}"}]}
prices: {file: "${env:CANARY}"}
)",
                                "f.yaml", [] {
                                  FakeEnv env = canary_env();
                                  env.variables["LINES"] = std::string(kCanary) + "\nX: y";
                                  env.variables["LONG"] = std::string(200, '/') + kCanary;
                                  return env;
                                }());
  EXPECT_FALSE(result.ok());
  EXPECT_GE(result.problems.size(), 11u) << text_of(result.problems);
  EXPECT_EQ(text_of(result.problems).find("canary"), std::string::npos) << text_of(result.problems);
}

TEST(Secrets, ReferencesAreExpandedOnce) {
  FakeEnv env = canary_env();
  env.variables["OUTER"] = "${env:CANARY}";
  const auto result = load_text("admin: {token: \"a${env:OUTER}b$${env:X}\"}\n", "f.yaml", env);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.snapshot->admin.token.reveal(), "a${env:CANARY}b${env:X}");
}

TEST(Secrets, DumpIsStable) {
  const auto once = load_text(kYaml, "f.yaml", canary_env());
  const auto twice = load_text(kYaml, "f.yaml", canary_env());
  EXPECT_EQ(dump(*once.snapshot), dump(*twice.snapshot));
}

}  // namespace
}  // namespace tollgate::config
