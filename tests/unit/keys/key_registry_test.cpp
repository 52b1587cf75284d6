#include "tollgate/domain/keys/key_registry.hpp"

#include <gtest/gtest.h>

#include "support/fake_clock.hpp"
#include "tollgate/domain/keys/key_format.hpp"

namespace tollgate::domain::keys {
namespace {

using config::ScopeKind;
using test::FakeClock;

std::string key_text(std::uint8_t seed) {
  std::array<std::uint8_t, kKeyRandomBytes> bytes{};
  bytes.fill(seed);
  return encode_key(bytes);
}

config::Key key_of(std::string id, std::uint8_t seed) {
  config::Key key;
  key.id = std::move(id);
  key.digest = key_digest(key_text(seed));
  key.last4 = std::string(last4(key_text(seed)));
  return key;
}

class Registry : public ::testing::Test {
 protected:
  std::shared_ptr<const KeyRegistry> build(std::vector<config::Key> stored = {}) {
    return KeyRegistry::build(snapshot, stored, revocations, ledger);
  }

  FakeClock clock{"2026-11-25T12:00:00Z"};
  budget::Ledger ledger{clock};
  Revocations revocations;
  config::Snapshot snapshot;
};

TEST_F(Registry, FindsByDigestAndAuthenticates) {
  for (int i = 0; i < 100; ++i) {
    snapshot.keys.push_back(key_of("k" + std::to_string(i), static_cast<std::uint8_t>(i)));
  }
  snapshot.keys[7].tags = {"a", "b"};
  const auto registry = build();
  EXPECT_EQ(registry->records().size(), 100u);
  for (int i = 0; i < 100; ++i) {
    const std::string text = key_text(static_cast<std::uint8_t>(i));
    const auto found = registry->authenticate(text, clock.wall());
    ASSERT_TRUE(found.has_value()) << i;
    EXPECT_EQ((*found)->id, "k" + std::to_string(i));
    EXPECT_EQ((*found)->last4, last4(text));
    EXPECT_EQ(registry->find(key_digest(text)), *found);
    EXPECT_EQ(registry->find_by_id((*found)->id), *found);
  }
  EXPECT_EQ(registry->find_by_id("k7")->tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(registry->find(key_digest(key_text(200))), nullptr);
  EXPECT_EQ(registry->find_by_id("nobody"), nullptr);
}

TEST_F(Registry, EmptyFindsNothing) {
  EXPECT_TRUE(build()->authenticate(key_text(1), clock.wall()).has_error());
}

// One text for every reason: an answer must not tell a revoked key from one that never was.
TEST_F(Registry, OneAnswerForEveryReason) {
  snapshot.keys = {key_of("good", 1), key_of("revoked", 2), key_of("disabled", 3),
                   key_of("expired", 4)};
  snapshot.keys[2].disabled = true;
  snapshot.keys[3].expires = clock.wall();
  revocations.revoke(key_digest(key_text(2)));
  const auto registry = build();
  ASSERT_TRUE(registry->authenticate(key_text(1), clock.wall()).has_value());
  const std::string bad[] = {key_text(2), key_text(3), key_text(4),      key_text(5),
                             "",          "nonsense",  key_text(1) + "0"};
  const auto first = registry->authenticate(bad[0], clock.wall());
  for (const std::string& text : bad) {
    const auto refused = registry->authenticate(text, clock.wall());
    ASSERT_TRUE(refused.has_error()) << text;
    EXPECT_EQ(refused.error().code(), base::ErrorCode::invalid_api_key);
    EXPECT_EQ(refused.error().message(), first.error().message()) << text;
    EXPECT_EQ(refused.error().detail(), first.error().detail()) << text;
    EXPECT_EQ(refused.error().param(), first.error().param()) << text;
    EXPECT_EQ(refused.error().retry_after_s(), first.error().retry_after_s()) << text;
  }
}

TEST_F(Registry, ExpiryIsExclusive) {
  snapshot.keys = {key_of("k", 1)};
  snapshot.keys[0].expires = FakeClock::at("2026-12-01T00:00:00Z");
  const auto registry = build();
  EXPECT_TRUE(registry->authenticate(key_text(1), FakeClock::at("2026-11-30T23:59:59.999999Z"))
                  .has_value());
  EXPECT_TRUE(
      registry->authenticate(key_text(1), FakeClock::at("2026-12-01T00:00:00Z")).has_error());
}

TEST_F(Registry, RevocationHoldsAtOnceAndOutlivesReload) {
  snapshot.keys = {key_of("k", 1), key_of("other", 2)};
  const auto old_registry = build();
  const auto current = build();
  const KeyRecord* pinned = *current->authenticate(key_text(1), clock.wall());
  EXPECT_FALSE(pinned->is_revoked());
  revocations.revoke(pinned->digest);
  revocations.revoke(pinned->digest);
  EXPECT_TRUE(pinned->is_revoked());
  EXPECT_TRUE(current->authenticate(key_text(1), clock.wall()).has_error());
  EXPECT_TRUE(old_registry->authenticate(key_text(1), clock.wall()).has_error());
  EXPECT_TRUE(build()->authenticate(key_text(1), clock.wall()).has_error());  // still in the YAML
  EXPECT_TRUE(current->authenticate(key_text(2), clock.wall()).has_value());
  EXPECT_EQ(revocations.count(), 1u);
  EXPECT_TRUE(revocations.is_revoked(key_digest(key_text(1))));
  EXPECT_FALSE(revocations.is_revoked(key_digest(key_text(2))));
  EXPECT_FALSE(revocations.is_revoked(key_digest(key_text(9))));
  // A new key under the old name is another key.
  snapshot.keys = {key_of("k", 9)};
  EXPECT_TRUE(build()->authenticate(key_text(9), clock.wall()).has_value());
}

TEST_F(Registry, StoredKeysJoinTheYaml) {
  snapshot.keys = {key_of("yaml", 1)};
  config::Key same_digest = key_of("copy", 1), same_id = key_of("yaml", 2);
  const auto registry = build({key_of("stored", 3), same_digest, same_id, key_of("stored", 4)});
  EXPECT_EQ(registry->records().size(), 2u);
  EXPECT_EQ((*registry->authenticate(key_text(1), clock.wall()))->id, "yaml");
  EXPECT_FALSE((*registry->authenticate(key_text(1), clock.wall()))->is_stored);
  EXPECT_TRUE((*registry->authenticate(key_text(3), clock.wall()))->is_stored);
  EXPECT_TRUE(registry->authenticate(key_text(2), clock.wall()).has_error());
  EXPECT_TRUE(registry->authenticate(key_text(4), clock.wall()).has_error());
}

TEST_F(Registry, OwnersAreInherited) {
  snapshot.orgs["acme"] = {"acme", "", {"org-guard", "shared"}};
  snapshot.teams["red"] = {"red", "acme", {"team-guard"}};
  snapshot.teams["blue"] = {"blue", "", {}};
  snapshot.agents["bot"] = {"bot", "red", {"agent-guard", "shared"}};
  const struct {
    const char* what;
    const char *agent, *team, *org;
    const char *expect_agent, *expect_team, *expect_org;
  } cases[] = {
      {"from the agent up", "bot", "", "", "bot", "red", "acme"},
      {"from the team up", "", "red", "", "", "red", "acme"},
      {"org only", "", "", "acme", "", "", "acme"},
      {"nobody", "", "", "", "", "", ""},
      {"own team wins", "bot", "blue", "", "bot", "blue", ""},
      {"own org wins", "bot", "", "other", "bot", "red", "other"},
      {"unknown agent", "ghost", "", "", "ghost", "", ""},
      {"unknown team", "", "ghost", "", "", "ghost", ""},
  };
  for (const auto& c : cases) {
    config::Key key = key_of("k", 1);
    key.agent = c.agent, key.team = c.team, key.org = c.org;
    snapshot.keys = {key};
    const auto registry = build();
    const KeyRecord& record = registry->records()[0];
    EXPECT_EQ(record.agent, c.expect_agent) << c.what;
    EXPECT_EQ(record.team, c.expect_team) << c.what;
    EXPECT_EQ(record.org, c.expect_org) << c.what;
    EXPECT_EQ(record.scopes, ledger.resolve({{ScopeKind::key, "k"},
                                             {ScopeKind::agent, c.expect_agent},
                                             {ScopeKind::team, c.expect_team},
                                             {ScopeKind::org, c.expect_org}}))
        << c.what;
  }
  config::Key key = key_of("k", 1);
  key.agent = "bot";
  key.guardrails = {"key-guard"};
  snapshot.keys = {key};
  EXPECT_EQ(
      build()->records()[0].guardrails,
      (std::vector<std::string>{"key-guard", "agent-guard", "shared", "team-guard", "org-guard"}));
}

// Traces are an owner's: of two owners that are called alike each has its own.
TEST_F(Registry, TheTraceOwnerIsTheWidestOneByKind) {
  snapshot.keys = {key_of("org", 1), key_of("team", 2), key_of("agent", 3), key_of("nobody", 4)};
  snapshot.keys[0].org = snapshot.keys[1].team = snapshot.keys[2].agent = "acme";
  snapshot.keys[0].team = "crew";
  snapshot.keys[3].loop_breaker = std::make_shared<const config::LoopBreaker>();
  const auto registry = build();
  EXPECT_EQ(registry->find_by_id("org")->trace_owner, "org/acme");
  EXPECT_EQ(registry->find_by_id("team")->trace_owner, "team/acme");
  EXPECT_EQ(registry->find_by_id("agent")->trace_owner, "agent/acme");
  EXPECT_EQ(registry->find_by_id("nobody")->trace_owner, "");
  EXPECT_EQ(registry->find_by_id("nobody")->loop_breaker, snapshot.keys[3].loop_breaker);
  EXPECT_EQ(registry->find_by_id("org")->loop_breaker, nullptr);
}

TEST_F(Registry, PermissionsComeWithTheRecord) {
  config::Key key = key_of("k", 1);
  key.allow.models = {"fast"};
  snapshot.keys = {key};
  const auto registry = build();
  const KeyRecord* record = *registry->authenticate(key_text(1), clock.wall());
  EXPECT_TRUE(record->permissions.model("fast"));
  EXPECT_FALSE(record->permissions.model("slow"));
}

TEST_F(Registry, HoldsThroughTheRecordsPath) {
  snapshot.budgets.push_back({ScopeKind::team, "red", {}});
  snapshot.budgets[0].budget.limit = {100};
  snapshot.teams["red"] = {"red", "", {}};
  config::Key key = key_of("k", 1);
  key.team = "red";
  snapshot.keys = {key};
  class Nothing final : public budget::SpendHistory {
    base::Result<budget::Sums> settled_since(ScopeKind, std::string_view, base::WallTime) override {
      return budget::Sums{};
    }
    base::Result<std::vector<std::string>> live_scopes_since(ScopeKind, base::WallTime,
                                                             std::size_t) override {
      return std::vector<std::string>();
    }
    base::Result<bool> has_overrun_since(ScopeKind, std::string_view, base::WallTime) override {
      return false;
    }
    base::Result<std::optional<base::WallTime>> newest_charge() override {
      return std::optional<base::WallTime>();
    }
  } history;
  ASSERT_TRUE(ledger.configure(snapshot, history).has_value());
  const auto registry = build();
  const KeyRecord* record = *registry->authenticate(key_text(1), clock.wall());
  EXPECT_TRUE(ledger.hold(record->scopes, {}, base::NanoUsd{100}).has_value());
  EXPECT_TRUE(ledger.hold(record->scopes, {}, base::NanoUsd{101}).has_error());
}

}  // namespace
}  // namespace tollgate::domain::keys
