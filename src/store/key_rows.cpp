#include "store/key_rows.hpp"

#include <cstring>

#include "store/record_json.hpp"

namespace tollgate::store {
namespace {

base::Error failed(const Database& db) {
  return {base::ErrorCode::audit_unavailable, "the key tables cannot be used", db.error_text()};
}

base::WallTime wall(std::int64_t us) {
  return base::WallTime(std::chrono::microseconds(us));
}
bool digest_from(std::string_view blob, base::Sha256Digest& out) {
  if (blob.size() != out.size()) return false;
  std::memcpy(out.data(), blob.data(), out.size());
  return true;
}

}  // namespace

base::Result<void> insert_key(Database& db, const StoredKey& stored) {
  const config::Key& key = stored.key;
  Statement insert;
  if (db.prepare("INSERT INTO virtual_key(id,digest,last4,agent,team,org,tags,guardrails,allow,"
                 "expires_us,created_us,revoked_us) VALUES(?,?,?,?,?,?,?,?,?,?,?,NULL)",
                 insert) != SQLITE_OK) {
    return failed(db);
  }
  std::string tags;
  std::string guardrails;
  std::string allow;
  append_json(tags, key.tags);
  append_json(guardrails, key.guardrails);
  append_json(allow, key.allow);
  insert.bind(1, key.id);
  insert.bind(2, std::span<const std::uint8_t>(key.digest));
  insert.bind(3, key.last4);
  insert.bind_or_null(4, key.agent);
  insert.bind_or_null(5, key.team);
  insert.bind_or_null(6, key.org);
  insert.bind(7, tags);
  insert.bind(8, guardrails);
  insert.bind(9, allow);
  if (key.expires) {
    insert.bind(10, base::to_micros(*key.expires));
  } else {
    insert.bind_null(10);
  }
  insert.bind(11, base::to_micros(stored.created));
  const int rc = insert.run();
  if (rc == SQLITE_OK) return {};
  if ((rc & 0xff) == SQLITE_CONSTRAINT) {
    return base::Error(base::ErrorCode::invalid_request,
                       "a key of this id or value exists already");
  }
  return failed(db);
}

base::Result<void> insert_revocation(Database& db, const Revocation& revocation) {
  Statement insert;
  Statement mark;
  // The first revocation stays: its time is what an investigation asks for.
  if (db.prepare(
          "INSERT OR IGNORE INTO revocation(digest,key_id,revoked_us,reason) VALUES(?,?,?,?)",
          insert) != SQLITE_OK ||
      db.prepare("UPDATE virtual_key SET revoked_us=? WHERE digest=? AND revoked_us IS NULL",
                 mark) != SQLITE_OK) {
    return failed(db);
  }
  insert.bind(1, std::span<const std::uint8_t>(revocation.digest));
  insert.bind_or_null(2, revocation.key_id);
  insert.bind(3, base::to_micros(revocation.revoked_at));
  insert.bind_or_null(4, revocation.reason);
  mark.bind(1, base::to_micros(revocation.revoked_at));
  mark.bind(2, std::span<const std::uint8_t>(revocation.digest));
  if (insert.run() != SQLITE_OK || mark.run() != SQLITE_OK) return failed(db);
  return {};
}

base::Result<std::vector<StoredKey>> select_keys(Database& db) {
  Statement row;
  if (db.prepare(
          "SELECT id,digest,last4,agent,team,org,tags,guardrails,allow,expires_us,created_us,"
          "revoked_us FROM virtual_key ORDER BY created_us, id",
          row) != SQLITE_OK) {
    return failed(db);
  }
  std::vector<StoredKey> out;
  int rc = SQLITE_OK;
  while ((rc = row.step()) == SQLITE_ROW) {
    StoredKey stored;
    config::Key& key = stored.key;
    auto allow = allow_from_json(row.text(8));
    if (!allow || !digest_from(row.text(1), key.digest)) continue;
    key.id = row.text(0);
    key.last4 = row.text(2);
    key.agent = row.text(3);
    key.team = row.text(4);
    key.org = row.text(5);
    key.tags = texts_from_json(row.text(6));
    key.guardrails = texts_from_json(row.text(7));
    key.allow = std::move(*allow);
    if (!row.is_null(9)) key.expires = wall(row.integer(9));
    stored.created = wall(row.integer(10));
    if (!row.is_null(11)) stored.revoked_at = wall(row.integer(11));
    out.push_back(std::move(stored));
  }
  if (rc != SQLITE_DONE) return failed(db);
  return out;
}

base::Result<std::vector<Revocation>> select_revocations(Database& db) {
  Statement row;
  if (db.prepare("SELECT digest,key_id,revoked_us,reason FROM revocation ORDER BY revoked_us",
                 row) != SQLITE_OK) {
    return failed(db);
  }
  std::vector<Revocation> out;
  int rc = SQLITE_OK;
  while ((rc = row.step()) == SQLITE_ROW) {
    Revocation revocation;
    if (!digest_from(row.text(0), revocation.digest)) continue;
    revocation.key_id = row.text(1);
    revocation.revoked_at = wall(row.integer(2));
    revocation.reason = row.text(3);
    out.push_back(std::move(revocation));
  }
  if (rc != SQLITE_DONE) return failed(db);
  return out;
}

}  // namespace tollgate::store
