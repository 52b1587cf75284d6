#include "fixture.hpp"

namespace tollgate::store::testing {
namespace {

StoredKey key(const std::string& id) {
  StoredKey stored;
  stored.key.id = id;
  stored.key.digest = base::sha256("secret of " + id);
  stored.key.last4 = "abcd";
  stored.key.agent = "a";
  stored.key.team = "t";
  stored.key.org = "o";
  stored.key.tags = {"x", "y \"z\""};
  stored.key.guardrails = {"strict"};
  stored.key.expires = at(kNoonUs + kMinuteUs);
  stored.key.allow.surfaces = {"openai"};
  stored.key.allow.models = {"*"};
  stored.key.allow.providers = {"openai"};
  stored.key.allow.paths = {"/v1/files*"};
  stored.key.allow.mcp = {{"files", {"read_*"}}, {"none", {}}};
  stored.key.allow.a2a = {{"planner", {"message/send"}}};
  stored.created = at(kNoonUs);
  return stored;
}

class KeysTest : public StoreTest {
 protected:
  base::Result<void> create(const StoredKey& k) { return store_->create_key(k).get(); }
};

TEST_F(KeysTest, AKeyComesBackAsItWasMade) {
  open();
  const StoredKey in = key("k1");
  ASSERT_TRUE(create(in).has_value());
  const auto keys = *reader()->keys();
  ASSERT_EQ(keys.size(), 1u);
  const config::Key& out = keys[0].key;
  EXPECT_EQ(out.id, in.key.id);
  EXPECT_EQ(out.digest, in.key.digest);
  EXPECT_EQ(out.last4, in.key.last4);
  EXPECT_EQ(out.agent + out.team + out.org, "ato");
  EXPECT_EQ(out.tags, in.key.tags);
  EXPECT_EQ(out.guardrails, in.key.guardrails);
  EXPECT_EQ(out.expires, in.key.expires);
  EXPECT_EQ(out.allow.surfaces, in.key.allow.surfaces);
  EXPECT_EQ(out.allow.models, in.key.allow.models);
  EXPECT_EQ(out.allow.providers, in.key.allow.providers);
  EXPECT_EQ(out.allow.paths, in.key.allow.paths);
  EXPECT_EQ(out.allow.mcp, in.key.allow.mcp);
  EXPECT_EQ(out.allow.a2a, in.key.allow.a2a);
  EXPECT_EQ(keys[0].created, in.created);
  EXPECT_FALSE(keys[0].revoked_at.has_value());
}

TEST_F(KeysTest, ATakenIdOrDigestIsRefused) {
  open();
  ASSERT_TRUE(create(key("k1")).has_value());
  StoredKey same_id = key("k1");
  same_id.key.digest = base::sha256("other");
  EXPECT_EQ(create(same_id).error().code(), base::ErrorCode::invalid_request);
  StoredKey same_digest = key("k2");
  same_digest.key.digest = key("k1").key.digest;
  EXPECT_EQ(create(same_digest).error().code(), base::ErrorCode::invalid_request);
  EXPECT_EQ(reader()->keys()->size(), 1u);
}

TEST_F(KeysTest, ARevocationMarksTheKeyAndOutlivesIt) {
  open();
  ASSERT_TRUE(create(key("k1")).has_value());
  const Revocation revocation{key("k1").key.digest, "k1", at(kNoonUs + 5), "leaked"};
  ASSERT_TRUE(store_->revoke_key(revocation).get().has_value());
  Revocation later = revocation;
  later.revoked_at = at(kNoonUs + 99);
  ASSERT_TRUE(store_->revoke_key(later).get().has_value()) << "again is not an error";
  reopen();
  EXPECT_EQ((*reader()->keys())[0].revoked_at, at(kNoonUs + 5));
  tamper("DELETE FROM virtual_key");
  const auto all = *reader()->revocations();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].digest, revocation.digest);
  EXPECT_EQ(all[0].key_id, "k1");
  EXPECT_EQ(all[0].revoked_at, at(kNoonUs + 5));
  EXPECT_EQ(all[0].reason, "leaked");
}

TEST_F(KeysTest, AKeyOfTheConfigurationCanBeRevokedByDigest) {
  open();
  ASSERT_TRUE(store_->revoke_key({base::sha256("yaml key"), "", at(1), ""}).get().has_value());
  EXPECT_EQ((*reader()->revocations())[0].digest, base::sha256("yaml key"));
}

TEST_F(KeysTest, AKeyWithADamagedAllowListDoesNotWork) {
  open();
  ASSERT_TRUE(create(key("k1")).has_value());
  ASSERT_TRUE(create(key("k2")).has_value());
  tamper("UPDATE virtual_key SET allow='{\"models\":[' WHERE id='k1'");
  const auto keys = *reader()->keys();
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].key.id, "k2");
}

TEST_F(KeysTest, TheWriterThreadAnswersAfterTheRecordsBefore) {
  options_.on_state = nullptr;
  options_.audit.flush_interval = std::chrono::milliseconds(60'000);
  open();
  store_->start();
  put(call("req_1", 1));
  ASSERT_TRUE(create(key("k1")).has_value()) << "wakes the writer";
  EXPECT_EQ(number("SELECT count(*) FROM audit"), 1);
  EXPECT_TRUE(store_->flush_now());
  ASSERT_TRUE(store_->stop(std::chrono::milliseconds(0)).has_value());
  EXPECT_EQ(reader()->keys()->size(), 1u);
}

}  // namespace
}  // namespace tollgate::store::testing
