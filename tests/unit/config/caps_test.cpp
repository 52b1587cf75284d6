#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "fake_env.hpp"
#include "tollgate/config/names.hpp"

/// Budgets in their units, rate limits, tags, and what sessions and end users get.
namespace tollgate::config {
namespace {

using namespace std::chrono_literals;

const std::string kDigest = "\"sha256:" + std::string(64, 'a') + "\"";

LoadResult load(const std::string& yaml) {
  FakeEnv env;
  env.files["prices.yaml"] = kPriceFile;
  return load_text(yaml, "f", env);
}

SnapshotPtr good(const std::string& yaml) {
  const auto result = load(yaml);
  EXPECT_TRUE(result.ok()) << text_of(result.problems);
  return result.ok() ? result.snapshot : std::make_shared<const Snapshot>();
}

std::string problems(const std::string& yaml) {
  return text_of(load(yaml).problems);
}

bool warned(const std::string& yaml) {
  const auto result = load(yaml);
  EXPECT_TRUE(result.ok()) << text_of(result.problems);
  return text_of(result.warnings).find("has no budget on any scope") != std::string::npos;
}

TEST(Caps, ABudgetCountsDollarsTokensOrRequestsInAnyWindow) {
  const auto s = good(
      "agents: {a: {budgets: [{name: a, limit: 0.5, window: minute},\n"
      "                       {name: b, tokens: 1_000_000, window: hour},\n"
      "                       {name: c, requests: 0, window: day},\n"
      "                       {name: d, requests: 7, window: week},\n"
      "                       {name: e, tokens: 8, window: month},\n"
      "                       {name: f, limit: 0, window: total}]}}\n");
  const std::tuple<BudgetUnit, std::int64_t, WindowKind> expected[] = {
      {BudgetUnit::usd, 500'000'000, WindowKind::minute},
      {BudgetUnit::tokens, 1'000'000, WindowKind::hour},
      {BudgetUnit::requests, 0, WindowKind::day},
      {BudgetUnit::requests, 7, WindowKind::week},
      {BudgetUnit::tokens, 8, WindowKind::month},
      {BudgetUnit::usd, 0, WindowKind::total}};
  ASSERT_EQ(s->budgets.size(), std::size(expected));
  for (std::size_t i = 0; i < std::size(expected); ++i) {
    const Budget& budget = s->budgets[i].budget;
    EXPECT_EQ(std::tuple(budget.unit, budget.limit.value, budget.window), expected[i]) << i;
  }
}

TEST(Caps, RateLimitsOfEveryScopeAndTheirDefaults) {
  const auto s = good(
      "orgs: {o: {rate_limits: [{requests: 1}]}}\n"
      "teams: {t: {rate_limits: [{tokens: 2, per: 1s}]}}\n"
      "agents: {a: {rate_limits: [{concurrent: 3}]}}\n"
      "providers: {demo: {kind: demo, rate_limits: [{requests: 4, per: 24h}]}}\n"
      "models: {m: {deployments: [demo/echo], rate_limits: [{requests: 5}]}}\n"
      "tags: {prod: {rate_limits: [{name: x, requests: 6}, {requests: 8}]}}\n"
      "keys: [{id: k, tags: [prod], digest: " +
      kDigest + ", rate_limits: [{requests: 7}, {tokens: 7}]}]\n");
  std::vector<std::string> seen;
  for (const auto& entry : s->rate_limits)
    seen.push_back(std::string(name_of(entry.scope)) + " " + entry.scope_id + " " +
                   entry.rate.name + " " + std::string(name_of(entry.rate.unit)) + " " +
                   std::to_string(entry.rate.limit) + " " + std::to_string(entry.rate.per.count()));
  EXPECT_EQ(seen,
            (std::vector<std::string>{
                "org o requests requests 1 60000", "team t tokens tokens 2 1000",
                "agent a concurrent concurrent 3 60000",
                "provider demo requests requests 4 86400000", "model m requests requests 5 60000",
                "tag prod x requests 6 60000", "tag prod requests requests 8 60000",
                "key k requests requests 7 60000", "key k tokens tokens 7 60000"}));
}

TEST(Caps, OnlyTagsWithAnEntryAreScopes) {
  const auto s = good(
      "tags: {zeta: {budgets: [{limit: 1}]}, alpha: }\n"
      "keys: [{id: k, tags: [zeta, label, alpha], digest: " +
      kDigest + "}]\n");
  EXPECT_EQ(s->tags, (std::vector<std::string>{"alpha", "zeta"}));
  EXPECT_EQ(s->keys[0].tags, (std::vector<std::string>{"zeta", "label", "alpha"}));
  ASSERT_EQ(s->budgets.size(), 1u);
  EXPECT_EQ(s->budgets[0].scope, ScopeKind::tag);
  EXPECT_EQ(s->budgets[0].scope_id, "zeta");
}

TEST(Caps, WarnsOfATagThatNoKeyBears) {
  const std::string tags = "tags: {production: }\n";
  const std::string key = "keys: [{id: k, budgets: [{limit: 1}], digest: " + kDigest + ", tags: ";
  EXPECT_EQ(text_of(load(tags + key + "[producton]}]\n").warnings),
            "f:1:8: tags.production: no key bears the tag \"production\"; expected the tags of a "
            "key to name "
            "it; did you mean \"producton\"?\n");
  EXPECT_EQ(text_of(load(tags + key + "[production]}]\n").warnings), "");
  EXPECT_EQ(text_of(load(tags).warnings), "") << "all keys are those of the store";
}

TEST(Caps, AKeyOfTheStoreBearsAtMostSixTagsWithAnEntry) {
  const auto s = good(
      "tags: {t1: {budgets: [{limit: 1}]}, t2: , t3: , t4: , t5: , t6: , t7: , "
      "t8: , t9: }\n");
  Key key;
  key.id = "fresh";
  key.allow.surfaces = {"*"};
  key.tags = {"t1", "t2", "t3", "t4", "t5", "t6", "label"};
  auto review = review_key(key, *s, base::WallTime{});
  EXPECT_EQ(text_of(review.problems), "");
  EXPECT_EQ(text_of(review.warnings), "") << "the tag's budget caps it";
  key.tags.push_back("t9");
  review = review_key(key, *s, base::WallTime{});
  ASSERT_EQ(review.problems.size(), 1u);
  EXPECT_EQ(review.problems[0].path, "tags");
  EXPECT_EQ(review.problems[0].what, "bears 7 tags that have an entry in tags");
}

TEST(Caps, SessionsAndEndUsersOfEveryOwner) {
  const auto s = good(
      "each_session: {budgets: [{limit: 1, window: total}], required: true}\n"
      "each_end_user: {rate_limits: [{requests: 9}]}\n"
      "orgs: {o: {each_session: }}\n"
      "teams: {t: {each_end_user: {budgets: [{tokens: 5}]}}}\n"
      "agents: {a: {each_session: {required: true}}}\n"
      "keys: [{id: k, digest: " +
      kDigest + ", each_session: {budgets: [{requests: 3}]}}]\n");
  ASSERT_EQ(s->each.size(), 6u);
  std::vector<std::string> seen;
  for (const EachOf& each : s->each)
    seen.push_back(std::string(name_of(each.kind)) + " " +
                   (each.owner ? std::string(name_of(*each.owner)) : "all") + " " + each.owner_id +
                   " " + std::to_string(each.budgets.size()) + " " +
                   std::to_string(each.rate_limits.size()) + (each.required ? " required" : ""));
  EXPECT_EQ(seen, (std::vector<std::string>{"session all  1 0 required", "end_user all  0 1",
                                            "session org o 0 0", "end_user team t 1 0",
                                            "session agent a 0 0 required", "session key k 1 0"}));
  EXPECT_EQ(s->each[3].budgets[0].unit, BudgetUnit::tokens);
  EXPECT_TRUE(s->budgets.empty());
  EXPECT_TRUE(s->rate_limits.empty());
}

TEST(Caps, TheHeaderOfEndUsersIsNoCredentialAndBelongsToTheCall) {
  EXPECT_EQ(good("version: 1\n")->end_user_header, "");
  EXPECT_EQ(good("end_user_header: \"\"\n")->end_user_header, "");
  EXPECT_EQ(good("end_user_header: X-End-User\n")->end_user_header, "x-end-user");
  const std::string form = "; expected a header name such as \"x-end-user-id\"\n";
  for (const char* name : {"Authorization", "x-api-key", "API-Key", "x-goog-api-key", "cookie",
                           "proxy-authorization", "mcp-session-id"})
    EXPECT_EQ(
        problems(std::string("end_user_header: ") + name + "\n"),
        std::string("f:1:18: end_user_header: \"") + name + "\" is a header of credentials" + form);
  for (const char* name : {"Connection", "te", "keep-alive", "transfer-encoding", "upgrade", "host",
                           "trailer", "content-length"})
    EXPECT_EQ(problems(std::string("end_user_header: ") + name + "\n"),
              std::string("f:1:18: end_user_header: \"") + name +
                  "\" is a header of one connection" + form);
  EXPECT_EQ(problems("end_user_header: x user\n"),
            "f:1:18: end_user_header: \"x user\" is not a header name" + form);
  EXPECT_NE(problems("end_user_header: " + std::string(129, 'x') + "\n"), "");
}

TEST(Caps, SettingsOfTheLedger) {
  const Spending made = good("version: 1\n")->spending;
  EXPECT_EQ(made.journal_sync, 1s);
  EXPECT_EQ(made.live_scopes, 100'000u);
  EXPECT_EQ(made.live_scope_idle, 24h);
  const Spending least =
      good("spending: {journal_sync: 10ms, live_scopes: 1, live_scope_idle: 1h}\n")->spending;
  EXPECT_EQ(least.journal_sync, 10ms);
  EXPECT_EQ(least.live_scopes, 1u);
  EXPECT_EQ(least.live_scope_idle, 1h);
  const Spending most =
      good("spending: {journal_sync: 1m, live_scopes: 10000000, live_scope_idle: 3650d}\n")
          ->spending;
  EXPECT_EQ(most.journal_sync, 1min);
  EXPECT_EQ(most.live_scopes, 10'000'000u);
  EXPECT_EQ(most.live_scope_idle, 24h * 3'650);
  for (const char* bad : {"journal_sync: 9ms", "journal_sync: 61s", "live_scopes: 10000001",
                          "live_scope_idle: 3651d", "live_scope_idle: 59m"})
    EXPECT_NE(problems(std::string("spending: {") + bad + "}\n").find("is out of range"),
              std::string::npos)
        << bad;
}

TEST(Caps, OnlyDollarsThatEveryCallMeetsBoundTheSpendingOfAKey) {
  const std::string key = "keys: [{id: k, agent: a, tags: [t], digest: " + kDigest + "}]\n";
  const auto agent = [&](const std::string& caps) { return "agents: {a: {" + caps + "}}\n" + key; };
  EXPECT_TRUE(warned(agent("budgets: [{tokens: 1}, {name: b, requests: 1}]")));
  EXPECT_TRUE(warned(agent("rate_limits: [{requests: 1}]")));
  EXPECT_FALSE(warned(agent("budgets: [{tokens: 1}, {name: b, limit: 1}]")));
  EXPECT_TRUE(warned(agent("each_session: {budgets: [{limit: 1}]}")));
  EXPECT_TRUE(warned(agent("each_session: {budgets: [{tokens: 1}], required: true}")));
  EXPECT_FALSE(warned(agent("each_session: {budgets: [{limit: 1}], required: true}")));
  EXPECT_FALSE(warned(agent("each_end_user: {budgets: [{limit: 1}], required: true}")));
  const std::string none = agent("");
  EXPECT_TRUE(warned("each_session: {budgets: [{limit: 1}]}\n" + none));
  EXPECT_FALSE(warned("each_session: {budgets: [{limit: 1}], required: true}\n" + none));
  EXPECT_FALSE(warned("tags: {t: {budgets: [{limit: 1}]}}\n" + none));
  EXPECT_TRUE(warned("tags: {t: {budgets: [{requests: 1}]}}\n" + none));
  EXPECT_TRUE(warned("tags: {u: {budgets: [{limit: 1}]}}\n" + none)) << "not a tag of the key";
  EXPECT_TRUE(warned("providers: {demo: {kind: demo, budgets: [{tokens: 1}]}}\n" + none));
}

TEST(Caps, StandInTheDump) {
  const auto s = good(
      "each_session: {budgets: [{tokens: 5, window: hour}], rate_limits: [{concurrent: 2}]}\n"
      "teams: {t: {each_end_user: {required: true}, rate_limits: [{tokens: 9, per: 2m}]}}\n"
      "tags: {t: {budgets: [{limit: 1.5}]}}\n"
      "end_user_header: x-user\n"
      "spending: {journal_sync: 2s, live_scopes: 3, live_scope_idle: 4h}\n"
      "keys: [{id: k, tags: [t], digest: " +
      kDigest + "}]\n");
  const auto json = nlohmann::json::parse(dump(*s));
  using nlohmann::json_literals::operator""_json;
  EXPECT_EQ(json["tags"], R"(["t"])"_json);
  EXPECT_EQ(json["end_user_header"], "x-user");
  EXPECT_EQ(json["spending"]["journal_sync"], "2s");
  EXPECT_EQ(json["spending"]["live_scopes"], 3);
  EXPECT_EQ(json["spending"]["live_scope_idle"], "4h");
  EXPECT_EQ(json["budgets"], R"([{"scope": "tag", "scope_id": "t", "name": "default", "unit": "usd",
      "limit": "1.50", "window": "day", "time_zone": "UTC", "alerts": [80]}])"_json);
  EXPECT_EQ(json["rate_limits"], R"([{"scope": "team", "scope_id": "t", "name": "tokens",
      "unit": "tokens", "limit": 9, "per": "2m"}])"_json);
  EXPECT_EQ(json["each"], R"([
      {"kind": "session", "owner": null, "owner_id": "", "required": false,
       "budgets": [{"name": "default", "unit": "tokens", "limit": 5, "window": "hour",
                    "time_zone": "UTC", "alerts": [80]}],
       "rate_limits": [{"name": "concurrent", "unit": "concurrent", "limit": 2}]},
      {"kind": "end_user", "owner": "team", "owner_id": "t", "required": true, "budgets": [],
       "rate_limits": []}])"_json);
}

}  // namespace
}  // namespace tollgate::config
