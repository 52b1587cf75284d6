#include <gtest/gtest.h>

#include <algorithm>

#include "fake_env.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::config {
namespace {

using namespace std::chrono_literals;

SnapshotPtr load(const std::string& yaml, FakeEnv env = {}) {
  env.files["/etc/tollgate/prices.yaml"] = kPriceFile;
  const auto result = load_text(yaml, "/etc/tollgate/tollgate.yaml", env);
  EXPECT_EQ(text_of(result.problems), "");
  return result.snapshot;
}

TEST(Load, AnAlmostEmptyFileHasTheDocumentedDefaults) {
  const auto s = load("version: 1\n");
  ASSERT_TRUE(s);
  ASSERT_EQ(s->listeners.size(), 1u);
  EXPECT_EQ(s->listeners[0].name, "main");
  EXPECT_EQ(s->listeners[0].host, "127.0.0.1");
  EXPECT_EQ(s->listeners[0].port, 8080);
  EXPECT_FALSE(s->listeners[0].tls);
  EXPECT_EQ(s->admin.port, 9090);
  EXPECT_TRUE(s->admin.token.empty());
  EXPECT_EQ(s->control_socket, "/etc/tollgate/data/tollgate.sock");
  EXPECT_EQ(s->audit.path, "/etc/tollgate/data/tollgate.db");
  EXPECT_EQ(s->default_guardrails, std::vector<std::string>{"default"});
  EXPECT_EQ(s->generation, 1u);
  EXPECT_EQ(s->source_digest, base::to_hex(base::sha256("version: 1\n")));
}

TEST(Load, ReadsEdgeSettings) {
  FakeEnv env;
  for (const char* file : {"/etc/tollgate/server.crt", "/keys/server.key", "/etc/tollgate/ca.crt"})
    env.files[file] = "pem";
  env.variables["TOKEN"] = "t0ken";
  const auto s = load(R"(
listeners:
  - {name: tls, address: "[::1]:8443", port_file: run/port, proxy_protocol: true,
     trusted_proxies: 10.0.0.0/8,
     tls: {certificate_file: server.crt, private_key_file: /keys/server.key,
           client_ca_file: ca.crt, client_auth: require, allow_tls12: false}}
  - address: 127.0.0.1:0
admin: {address: 127.0.0.1:0, token: "${env:TOKEN}"}
control_socket: ../run/tollgate.sock
workers: 3
accept_balance: kernel
limits: {body_bytes: 1MiB, connections: 5}
timeouts: {header: 1500ms, drain: 0}
)",
                      env);
  ASSERT_TRUE(s);
  const Listener& first = s->listeners[0];
  EXPECT_EQ(first.host, "::1");
  EXPECT_EQ(first.port, 8443);
  EXPECT_EQ(first.port_file, "/etc/tollgate/run/port");
  EXPECT_EQ(first.trusted_proxies, std::vector<std::string>{"10.0.0.0/8"});
  ASSERT_TRUE(first.tls);
  EXPECT_EQ(first.tls->certificate_file, "/etc/tollgate/server.crt");
  EXPECT_EQ(first.tls->private_key_file, "/keys/server.key");
  EXPECT_EQ(first.tls->client_auth, ClientAuth::require);
  EXPECT_FALSE(first.tls->allow_tls12);
  EXPECT_EQ(s->listeners[1].name, "listener2");
  EXPECT_EQ(s->listeners[1].port, 0);
  EXPECT_EQ(s->admin.token.reveal(), "t0ken");
  EXPECT_EQ(s->control_socket, "/etc/run/tollgate.sock");
  EXPECT_EQ(s->workers, 3u);
  EXPECT_EQ(s->accept_balance, AcceptBalance::kernel);
  EXPECT_EQ(s->limits.body_bytes, 1u << 20);
  EXPECT_EQ(s->limits.connections, 5u);
  EXPECT_EQ(s->limits.header_bytes, Limits{}.header_bytes) << "absent keys keep their defaults";
  EXPECT_EQ(s->timeouts.header, 1500ms);
  EXPECT_EQ(s->timeouts.drain, 0ms);
}

TEST(Load, EventStreamsOfAKeyHaveALimit) {
  EXPECT_EQ(load("version: 1\n")->limits.event_streams_per_key, 16u);
  EXPECT_EQ(load("limits: {event_streams_per_key: 1}\n")->limits.event_streams_per_key, 1u);
  const auto most = load("limits: {event_streams_per_key: 1000000}\n");
  EXPECT_EQ(most->limits.event_streams_per_key, 1'000'000u);
  EXPECT_NE(dump(*most).find("\"event_streams_per_key\": 1000000"), std::string::npos);
  for (const char* bad : {"0", "1000001", "-1", "many"}) {
    const auto result = load_text(std::string("limits: {event_streams_per_key: ") + bad + "}\n",
                                  "/etc/tollgate/tollgate.yaml", FakeEnv{});
    EXPECT_NE(text_of(result.problems).find("limits.event_streams_per_key"), std::string::npos)
        << bad;
  }
}

TEST(Load, ReadsSpendingAuditAlertsAndLog) {
  const auto s = load(R"(
routing: {max_attempts: 2, cooldown: 1s}
spending:
  default_output_cap: 100
  unpriced: hold
  unpriced_hold: 0.000000001
  unbounded_input: hold
  unbounded_input_hold: "1.5"
  other_path_price: 0
  hold_wait: 250ms
  show_amounts: false
audit: {path: /var/lib/tollgate/audit.db, bodies: full, body_bytes: 0, retention_age: 7d,
        retention_bytes: 1GB, on_full: drop, sync_full: true}
alerts:
  webhooks:
    - {url: "https://hooks.example.com:8443/a?b=c", secret: s3cret, attempts: 2, format: slack,
       events: [budget_closed], timeout: 2s, retry_max: 1m}
    - {url: "http://localhost:9999/x"}
  queue: 10
mcp_allowed_origins: ["https://app.example.com"]
log: {level: debug, json: false}
)");
  ASSERT_TRUE(s);
  EXPECT_EQ(s->routing.max_attempts, 2u);
  EXPECT_EQ(s->spending.unpriced, UnpricedAction::hold);
  EXPECT_EQ(s->spending.unpriced_hold.value, 1);
  EXPECT_EQ(s->spending.unbounded_input_hold.value, 1'500'000'000);
  ASSERT_TRUE(s->spending.other_path_price);
  EXPECT_EQ(s->spending.other_path_price->value, 0);
  EXPECT_EQ(s->spending.hold_wait, 250ms);
  EXPECT_EQ(s->audit.retention_age, std::chrono::hours(7 * 24));
  EXPECT_EQ(s->audit.retention_bytes, 1'000'000'000u);
  EXPECT_EQ(s->audit.bodies, BodyCapture::full);
  EXPECT_EQ(s->audit.body_bytes, 0u);
  EXPECT_EQ(s->audit.on_full, AuditOnFull::drop);
  ASSERT_EQ(s->webhooks.size(), 2u);
  EXPECT_EQ(s->webhooks[0].origin.scheme, "https");
  EXPECT_EQ(s->webhooks[0].origin.host, "hooks.example.com");
  EXPECT_EQ(s->webhooks[0].origin.port, 8443);
  EXPECT_EQ(s->webhooks[0].target, "/a?b=c");
  EXPECT_EQ(s->webhooks[0].secret.reveal(), "s3cret");
  EXPECT_EQ(s->webhooks[0].format, WebhookFormat::slack);
  EXPECT_EQ(s->webhooks[0].events, (std::vector<AlertKind>{AlertKind::budget_closed}));
  EXPECT_EQ(s->webhooks[0].timeout, 2s);
  EXPECT_EQ(s->webhooks[0].retry_max, 60s);
  EXPECT_EQ(s->webhooks[1].origin.pool_key, "http://localhost:9999");
  EXPECT_EQ(s->webhooks[1].target, "/x");
  EXPECT_EQ(s->webhooks[1].format, WebhookFormat::json);
  EXPECT_EQ(s->webhooks[1].events, values_of<AlertKind>()) << "all, by default";
  EXPECT_EQ(s->webhooks[1].timeout, 10s);
  EXPECT_EQ(s->webhooks[1].retry_max, 300s);
  EXPECT_EQ(s->alert_queue, 10u);
  EXPECT_EQ(s->log.level, LogLevel::debug);
  EXPECT_FALSE(s->log.json);
}

TEST(Load, ModelsInAllTheirForms) {
  const auto s = load(R"(
providers:
  openai: {api_key: x}
  anthropic: {api_key: x}
  groq: {kind: openai_compatible, base_url: "https://api.groq.com/openai/v1"}
models:
  gpt-4o: openai/gpt-4o
  listed: [openai/gpt-4o, {provider: groq, model: llama, priority: 1}]
  fast:
    guardrails: default
    deployments:
      - {provider: groq, model: llama, priority: 5, weight: 3}
      - {provider: openai, model: gpt-4o, priority: 1, weight: 0,
         price: {input: 1, output: 2, per_call: 0.01}, context_window: 1000, max_output: 10}
      - {provider: anthropic, model: claude-haiku-4-5, priority: 5}
  claude-haiku-4-5:
    deployments: [{provider: anthropic}]
  slashes: groq/meta/llama/x
spending: {unpriced: hold, unpriced_hold: 1}
)");
  ASSERT_TRUE(s);
  const auto& gpt = s->models.at("gpt-4o").deployments[0];
  EXPECT_EQ(gpt.id, "gpt-4o/openai/gpt-4o");
  EXPECT_EQ(gpt.provider, "openai");
  ASSERT_TRUE(gpt.price);
  EXPECT_EQ(gpt.price->input.value, 2'500'000);
  EXPECT_EQ(gpt.price->output.value, 10'000'000);
  EXPECT_EQ(gpt.price->cache_read->value, 1'250'000);
  EXPECT_FALSE(gpt.price->cache_write);
  EXPECT_EQ(gpt.context_window, 128'000);
  EXPECT_EQ(gpt.max_output, 16'384);
  EXPECT_EQ(s->models.at("listed").deployments.size(), 2u);

  const auto& fast = s->models.at("fast");
  EXPECT_EQ(fast.guardrails, std::vector<std::string>{"default"});
  ASSERT_EQ(fast.deployments.size(), 3u);
  EXPECT_EQ(fast.deployments[0].provider, "openai") << "sorted by priority";
  EXPECT_EQ(fast.deployments[0].weight, 0u);
  EXPECT_EQ(fast.deployments[0].price->input.value, 1'000'000) << "override wins";
  EXPECT_EQ(fast.deployments[0].price->per_call.value, 10'000'000);
  EXPECT_FALSE(fast.deployments[0].price->cache_read) << "an override is a whole price";
  EXPECT_EQ(fast.deployments[0].max_output, 10);
  EXPECT_EQ(fast.deployments[1].provider, "groq") << "order kept inside a priority";
  EXPECT_EQ(fast.deployments[1].price->input.value, 50'000) << "section named as the provider";
  EXPECT_EQ(fast.deployments[2].price->cache_write_1h->value, 2'000'000);
  EXPECT_EQ(s->models.at("claude-haiku-4-5").deployments[0].model, "claude-haiku-4-5");
  EXPECT_EQ(s->models.at("slashes").deployments[0].model, "meta/llama/x");
  EXPECT_FALSE(s->models.at("slashes").deployments[0].price);
}

TEST(Load, AliasesReuseWholeValues) {
  const auto s = load(R"(
providers: {demo: {kind: demo}}
models:
  a: &both
    deployments: [demo/echo, demo/slow-50ms]
  b: *both
)");
  ASSERT_TRUE(s);
  EXPECT_EQ(s->models.at("b").deployments[1].id, "b/demo/slow-50ms");
}

TEST(Load, GuardrailsResolve) {
  const auto s = load(R"(
guardrails:
  strict:
    direction: response
    detectors: {email: block}
    rules:
      - {keyword: Project Falcon, name: falcon, action: mask, case_insensitive: true}
      - {regex: 'F-\d+ ${env:X}', name: number, action: block, replacement: "[n]"}
      - {detector: iban, action: mask}
default_guardrails: [default, strict]
)");
  ASSERT_TRUE(s);
  const auto& rules = s->guardrails.at("strict").rules;
  EXPECT_EQ(s->guardrails.at("strict").direction, GuardDirection::response);
  ASSERT_EQ(rules.size(), 4u);
  EXPECT_EQ(rules[0].kind, RuleKind::detector);
  EXPECT_EQ(rules[0].pattern, "email");
  EXPECT_EQ(rules[0].action, GuardAction::block);
  EXPECT_EQ(rules[0].path, "guardrails.strict.detectors.email");
  EXPECT_EQ(rules[1].kind, RuleKind::keyword);
  EXPECT_EQ(rules[1].pattern, "Project Falcon");
  EXPECT_TRUE(rules[1].case_insensitive);
  EXPECT_EQ(rules[1].replacement, "[REDACTED:falcon]");
  EXPECT_EQ(rules[2].kind, RuleKind::regex);
  EXPECT_EQ(rules[2].pattern, "F-\\d+ ${env:X}") << "patterns are taken as written";
  EXPECT_EQ(rules[2].replacement, "[n]");
  EXPECT_EQ(rules[2].path, "guardrails.strict.rules[1]");
  EXPECT_EQ(rules[3].name, "iban");
}

TEST(Load, TheBuiltInGuardrailMasksSecretsAndFlagsPersonalData) {
  const auto s = load("version: 1\n");
  const auto& rail = s->guardrails.at("default");
  EXPECT_EQ(rail.direction, GuardDirection::both);
  std::map<std::string, GuardAction> actions;
  for (const auto& rule : rail.rules) {
    EXPECT_EQ(rule.kind, RuleKind::detector);
    actions[rule.pattern] = rule.action;
  }
  EXPECT_EQ(actions, (std::map<std::string, GuardAction>{{"api_key", GuardAction::mask},
                                                         {"private_key", GuardAction::mask},
                                                         {"payment_card", GuardAction::flag},
                                                         {"iban", GuardAction::flag},
                                                         {"email", GuardAction::flag}}));
  const auto own = load("guardrails: {default: {detectors: {email: block}}}\n");
  EXPECT_EQ(own->guardrails.at("default").rules.size(), 1u) << "an entry replaces it";
  EXPECT_TRUE(load("default_guardrails: []\n")->default_guardrails.empty());
}

TEST(Load, FurtherChecksAreReportedAtTheirPlaceTogetherWithTheRest) {
  LoadOptions options;
  options.generation = 7;
  options.further_checks = [](const Snapshot& snapshot, const std::vector<SourceFile>&) {
    std::vector<Problem> found;
    for (const auto& rule : snapshot.guardrails.at("g").rules)
      found.push_back({"", 0, 0, rule.path + ".regex", "does not compile", "a regex", ""});
    return found;
  };
  const std::string yaml = "guardrails:\n  g:\n    rules:\n      - {name: r, regex: '('}\n";
  const auto bad =
      load_text(yaml + "workers: x\n", "/etc/tollgate/tollgate.yaml", FakeEnv{}, options);
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(text_of(bad.problems),
            "/etc/tollgate/tollgate.yaml:4:26: guardrails.g.rules[0].regex: does not compile; "
            "expected a regex\n"
            "/etc/tollgate/tollgate.yaml:5:10: workers: \"x\" is not a whole number; expected a "
            "whole number from 0 to 1024\n");
  options.further_checks = nullptr;
  EXPECT_EQ(load_text(yaml, "x.yaml", FakeEnv{}, options).snapshot->generation, 7u);
}

TEST(Load, TellsFurtherChecksEveryFileItReads) {
  FakeEnv env;
  env.files = {{"/c/token", "t"}, {"/c/ca.pem", ""}, {"/c/prices.yaml", kPriceFile}};
  std::vector<std::string> seen;
  LoadOptions options;
  options.further_checks = [&seen](const Snapshot&, const std::vector<SourceFile>& sources) {
    for (const auto& source : sources) seen.push_back(source.path + "=" + source.file);
    return std::vector<Problem>();
  };
  const auto result = load_text(R"(version: 1
admin: {token: "${file:token}"}
prices: {file: prices.yaml}
mcp_servers: {m: {url: "https://h/", ca_file: /c/ca.pem}}
)",
                                "/c/t.yaml", env, options);
  EXPECT_TRUE(result.ok()) << text_of(result.problems);
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<std::string>{"=/c/t.yaml", "admin.token=/c/token",
                                            "mcp_servers.m.ca_file=/c/ca.pem",
                                            "prices.file=/c/prices.yaml"}));
}

}  // namespace
}  // namespace tollgate::config
