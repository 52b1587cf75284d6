#include <gtest/gtest.h>

#include "fake_env.hpp"

namespace tollgate::config {
namespace {

std::string digest(char digit) {
  return "\"sha256:" + std::string(64, digit) + "\"";
}

LoadResult load(const std::string& yaml) {
  FakeEnv env;
  env.files["prices.yaml"] = kPriceFile;
  return load_text(yaml, "f", env);
}

TEST(Access, KeysInheritTheirOwners) {
  const auto result = load(
      "orgs: {acme: {budgets: [{limit: 1}]}}\n"
      "teams: {research: {org: acme}}\n"
      "agents: {coder: {team: research, guardrails: [default]}, free: {}}\n"
      "keys:\n"
      "  - {id: a, agent: coder, digest: " +
      digest('a') +
      "}\n"
      "  - {id: b, team: research, digest: " +
      digest('b') +
      "}\n"
      "  - {id: c, agent: free, org: acme, digest: " +
      digest('c') +
      "}\n"
      "  - {id: d, agent: coder, team: research, org: acme, digest: " +
      digest('d') + "}\n");
  ASSERT_TRUE(result.ok()) << text_of(result.problems);
  EXPECT_EQ(text_of(result.warnings), "") << "the org's budget covers all";
  const auto& keys = result.snapshot->keys;
  EXPECT_EQ(keys[0].team, "research");
  EXPECT_EQ(keys[0].org, "acme");
  EXPECT_EQ(keys[1].agent, "");
  EXPECT_EQ(keys[1].org, "acme");
  EXPECT_EQ(keys[2].team, "");
  EXPECT_EQ(keys[2].org, "acme");
  EXPECT_EQ(keys[3].team, "research");
  EXPECT_EQ(result.snapshot->agents.at("coder").parent, "research");
  EXPECT_EQ(result.snapshot->teams.at("research").parent, "acme");
}

// What `keys new` and `keys list` say of a key of the store.
TEST(Access, AKeyMadeAtRunTimeHasTheOwnersAndTheWarningsThatArePossibleForIt) {
  const auto result =
      load("orgs: {acme: {}}\nteams: {core: {org: acme}}\nagents: {coder: {team: core}}\n");
  ASSERT_TRUE(result.ok()) << text_of(result.problems);
  Key key;
  key.id = "fresh";
  key.agent = "coder";
  key.allow.surfaces = {"*"};
  const Key whole = with_owners(key, *result.snapshot);
  EXPECT_EQ(whole.team, "core");
  EXPECT_EQ(whole.org, "acme");
  key.team = "other";
  EXPECT_EQ(with_owners(key, *result.snapshot).team, "other") << "what it names itself stays";
  key.team.clear();
  const auto warnings = review_key(key, *result.snapshot, base::WallTime{}).warnings;
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].expected,
            "an agent, team or org with budgets as its owner; budgets of its own need the key's "
            "digest in the YAML");
}

TEST(Access, ReadsAWholeKey) {
  const auto result = load(
      "mcp_servers: {search: {url: \"https://m.example/mcp\"}, files: {url: "
      "\"https://n.example/mcp\"}}\n"
      "a2a_agents: {planner: {url: \"https://p.example/\"}}\n"
      "keys:\n"
      "  - id: k1\n"
      "    digest: sha256:" +
      std::string(62, '0') +
      "AB\n"
      "    last4: Zz9_\n"
      "    tags: [prod, team/x]\n"
      "    expires: 2030-01-01T00:00:00+01:00\n"
      "    disabled: true\n"
      "    allow:\n"
      "      surfaces: [chat, m*]\n"
      "      paths: [/v1/files*]\n"
      "      mcp: {search: [find, get_*], \"*\": read}\n"
      "      a2a: {\"*\": [\"message/*\"]}\n"
      "    budgets: [{limit: 5, window: week, time_zone: Europe/Berlin, alerts: [90, 50]},\n"
      "              {name: all, limit: 100.25, window: total, alerts: []}]\n");
  ASSERT_TRUE(result.ok()) << text_of(result.problems);
  const Key& key = result.snapshot->keys[0];
  EXPECT_EQ(base::to_hex(key.digest), std::string(62, '0') + "ab");
  EXPECT_EQ(key.last4, "Zz9_");
  EXPECT_EQ(key.tags, (std::vector<std::string>{"prod", "team/x"}));
  ASSERT_TRUE(key.expires);
  EXPECT_EQ(key.expires->time_since_epoch().count(), 1'893'452'400'000'000);
  EXPECT_TRUE(key.disabled);
  EXPECT_EQ(key.allow.surfaces, (std::vector<std::string>{"chat", "m*"}));
  EXPECT_EQ(key.allow.models, std::vector<std::string>{"*"});
  EXPECT_EQ(key.allow.paths, std::vector<std::string>{"/v1/files*"});
  ASSERT_EQ(key.allow.mcp.size(), 2u) << "\"*\" stands for the servers not named";
  EXPECT_EQ(key.allow.mcp.at("search"), (std::vector<std::string>{"find", "get_*"}));
  EXPECT_EQ(key.allow.mcp.at("files"), std::vector<std::string>{"read"});
  EXPECT_EQ(key.allow.a2a.at("planner"), std::vector<std::string>{"message/*"});
  const auto& budgets = result.snapshot->budgets;
  ASSERT_EQ(budgets.size(), 2u);
  EXPECT_EQ(budgets[0].scope, ScopeKind::key);
  EXPECT_EQ(budgets[0].scope_id, "k1");
  EXPECT_EQ(budgets[0].budget.name, "default");
  EXPECT_EQ(budgets[0].budget.window, WindowKind::week);
  EXPECT_EQ(budgets[0].budget.time_zone, "Europe/Berlin");
  EXPECT_EQ(budgets[0].budget.alert_percents, (std::vector<std::uint32_t>{50, 90}));
  EXPECT_EQ(budgets[1].budget.limit.value, 100'250'000'000);
  EXPECT_TRUE(budgets[1].budget.alert_percents.empty());
}

TEST(Access, WithoutAnAllowSectionMcpAndA2aAndOtherPathsAreClosed) {
  const auto result = load(
      "mcp_servers: {search: {url: \"https://m.example/mcp\"}}\n"
      "keys: [{id: a, digest: " +
      digest('a') + "}]\n");
  ASSERT_TRUE(result.ok());
  const Allow& allow = result.snapshot->keys[0].allow;
  EXPECT_EQ(allow.surfaces, std::vector<std::string>{"*"});
  EXPECT_EQ(allow.models, std::vector<std::string>{"*"});
  EXPECT_EQ(allow.providers, std::vector<std::string>{"*"});
  EXPECT_TRUE(allow.paths.empty());
  EXPECT_TRUE(allow.mcp.empty());
  EXPECT_TRUE(allow.a2a.empty());
}

TEST(Access, BudgetsOfEveryScope) {
  const auto result = load(
      "orgs: {o: {budgets: [{limit: 1}]}}\n"
      "teams: {t: {budgets: [{limit: 2}]}}\n"
      "agents: {a: {budgets: [{limit: 3}]}}\n"
      "providers: {demo: {kind: demo, budgets: [{limit: 4}]}}\n"
      "models: {m: {deployments: demo/echo, budgets: [{limit: 5}]}}\n");
  // `deployments` takes a list; one text is for lists of names only.
  EXPECT_FALSE(result.ok());
  const auto good = load(
      "orgs: {o: {budgets: [{limit: 1}]}}\n"
      "teams: {t: {budgets: [{limit: 2}]}}\n"
      "agents: {a: {budgets: [{limit: 3}]}}\n"
      "providers: {demo: {kind: demo, budgets: [{limit: 4}]}}\n"
      "models: {m: {deployments: [demo/echo], budgets: [{limit: 5}]}}\n"
      "keys: [{id: k, digest: " +
      digest('a') + ", budgets: [{limit: 6}]}]\n");
  ASSERT_TRUE(good.ok()) << text_of(good.problems);
  std::map<ScopeKind, std::pair<std::string, std::int64_t>> seen;
  for (const auto& entry : good.snapshot->budgets)
    seen[entry.scope] = {entry.scope_id, entry.budget.limit.value / 1'000'000'000};
  EXPECT_EQ(seen, (std::map<ScopeKind, std::pair<std::string, std::int64_t>>{
                      {ScopeKind::org, {"o", 1}},
                      {ScopeKind::team, {"t", 2}},
                      {ScopeKind::agent, {"a", 3}},
                      {ScopeKind::provider, {"demo", 4}},
                      {ScopeKind::model, {"m", 5}},
                      {ScopeKind::key, {"k", 6}}}));
}

TEST(Access, WarnsOfKeysWithoutAnyBudget) {
  const std::string keys =
      "keys:\n"
      "  - {id: a, digest: " +
      digest('a') +
      "}\n"
      "  - {id: b, agent: coder, digest: " +
      digest('b') + "}\n";
  const std::string base = "agents: {coder: {budgets: [{limit: 1}]}}\n";
  const std::string warning =
      "f:3:5: keys[0]: key \"a\" has no budget on any scope that bounds its spending; expected "
      "a budget with a limit in US dollars here or at its agent, team or org\n";
  EXPECT_EQ(text_of(load(base + keys).warnings), warning);
  const std::string capped = "providers: {demo: {kind: demo, budgets: [{limit: 1}]}}\n";
  EXPECT_EQ(text_of(load(base + keys + capped).warnings), "") << "every provider is capped";
  const std::string uncapped =
      "providers: {demo: {kind: demo, budgets: [{limit: 1}]}, d2: {kind: demo}}\n";
  EXPECT_EQ(text_of(load(base + keys + uncapped).warnings), warning);
}

TEST(Access, WarnsOfAllowEntriesThatMatchNothing) {
  const auto result = load(
      "providers: {demo: {kind: demo, budgets: [{limit: 1}]}}\n"
      "models: {demo/echo: demo/echo}\n"
      "keys:\n"
      "  - id: a\n"
      "    digest: " +
      digest('a') +
      "\n"
      "    allow: {models: [demo/*, demo/ecko], providers: dmo}\n");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(text_of(result.warnings),
            "f:6:30: keys[0].allow.models[1]: \"demo/ecko\" matches no model; did you mean "
            "\"demo/echo\"?\n"
            "f:6:42: keys[0].allow.providers: \"dmo\" matches no provider; did you mean "
            "\"demo\"?\n");
}

TEST(Access, WhatDoesNotExistIsNamedInEnglish) {
  const std::string text = text_of(load("agents: {a: {team: core}}\n"
                                        "keys: [{id: k, digest: " +
                                        digest('a') + ", org: acme, allow: {mcp: {s: \"*\"}}}]\n")
                                       .problems);
  for (const char* part :
       {"expected an org; none", "expected a team; none", "expected an MCP server; none"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

}  // namespace
}  // namespace tollgate::config
