#include "tollgate/domain/keys/key_registry.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "tollgate/domain/keys/key_format.hpp"

namespace tollgate::domain::keys {
namespace {

using config::ScopeKind;

using Owners = std::map<std::string, config::Owner, std::less<>>;

const config::Owner* find_owner(const Owners& owners, std::string_view id) {
  const auto it = owners.find(id);
  return it == owners.end() ? nullptr : &it->second;
}

void append_once(std::vector<std::string>& names, const std::vector<std::string>& more) {
  for (const std::string& name : more) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
}

/// The digest is random by itself: its first bytes are the hash. Who presents keys cannot choose
/// digests that collide, and only keys of the configuration and the store are ever inserted.
std::size_t hash_of(const base::Sha256Digest& digest) noexcept {
  std::size_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

/// Stands in for an unknown key, so that unknown takes the same way as revoked.
const KeyRecord& nobody() {
  static const Revocations::Flag kNotRevoked{false};
  static const KeyRecord kNobody = [] {
    KeyRecord record;
    record.revoked = &kNotRevoked;
    return record;
  }();
  return kNobody;
}

std::string trace_owner(const KeyRecord& record) {
  if (!record.org.empty()) return "org/" + record.org;
  if (!record.team.empty()) return "team/" + record.team;
  return record.agent.empty() ? std::string() : "agent/" + record.agent;
}

base::Error refused() {
  return base::Error(base::ErrorCode::invalid_api_key,
                     "The API key is not valid here: unknown, revoked or expired.");
}

}  // namespace

void KeyRegistry::add(const config::Key& key, bool is_stored, const config::Snapshot& snapshot,
                      Revocations& revocations, budget::Ledger& ledger) {
  KeyRecord record;
  record.id = key.id;
  record.digest = key.digest;
  record.last4 = key.last4;
  record.agent = key.agent;
  record.team = key.team;
  record.org = key.org;
  const config::Owner* agent = find_owner(snapshot.agents, record.agent);
  if (record.team.empty() && agent != nullptr) record.team = agent->parent;
  const config::Owner* team = find_owner(snapshot.teams, record.team);
  if (record.org.empty() && team != nullptr) record.org = team->parent;
  const config::Owner* org = find_owner(snapshot.orgs, record.org);
  record.trace_owner = trace_owner(record);
  record.loop_breaker = key.loop_breaker;
  record.tags = key.tags;
  append_once(record.guardrails, key.guardrails);
  for (const config::Owner* owner : {agent, team, org}) {
    if (owner != nullptr) append_once(record.guardrails, owner->guardrails);
  }
  record.expires = key.expires;
  record.is_disabled = key.disabled;
  record.is_stored = is_stored;
  record.permissions = Permissions(key.allow);
  std::vector<budget::ScopeName> scopes{{ScopeKind::key, record.id},
                                        {ScopeKind::agent, record.agent},
                                        {ScopeKind::team, record.team},
                                        {ScopeKind::org, record.org}};
  for (const std::string& tag : record.tags)
    if (std::binary_search(snapshot.tags.begin(), snapshot.tags.end(), tag))
      record.scoped_tags.push_back(tag);
  for (const std::string& tag : record.scoped_tags) scopes.push_back({ScopeKind::tag, tag});
  record.scopes = ledger.resolve(scopes);
  record.live = ledger.live_sources({record.id, record.agent, record.team, record.org});
  record.revoked = &revocations.flag(key.digest);
  records_.push_back(std::move(record));
}

std::shared_ptr<const KeyRegistry> KeyRegistry::build(const config::Snapshot& snapshot,
                                                      std::span<const config::Key> stored,
                                                      Revocations& revocations,
                                                      budget::Ledger& ledger) {
  std::shared_ptr<KeyRegistry> registry(new KeyRegistry());
  registry->records_.reserve(snapshot.keys.size() + stored.size());
  for (const config::Key& key : snapshot.keys) {
    registry->add(key, false, snapshot, revocations, ledger);
  }
  std::set<std::string_view> ids;
  std::set<base::Sha256Digest> digests;
  for (const config::Key& key : snapshot.keys) {
    ids.insert(key.id);
    digests.insert(key.digest);
  }
  for (const config::Key& key : stored) {
    if (!ids.insert(key.id).second || !digests.insert(key.digest).second) continue;
    registry->add(key, true, snapshot, revocations, ledger);
  }
  registry->index();
  return registry;
}

void KeyRegistry::index() {
  std::size_t size = 16;
  while (size < records_.size() * 2) size *= 2;
  buckets_.assign(size, 0);
  for (std::uint32_t number = 0; number < records_.size(); ++number) {
    if (find(records_[number].digest) != nullptr) continue;  // the first one wins
    std::size_t at = hash_of(records_[number].digest) & (size - 1);
    while (buckets_[at] != 0) at = (at + 1) & (size - 1);
    buckets_[at] = number + 1;
  }
}

const KeyRecord* KeyRegistry::find(const base::Sha256Digest& digest) const noexcept {
  const std::size_t mask = buckets_.size() - 1;
  for (std::size_t at = hash_of(digest) & mask; buckets_[at] != 0; at = (at + 1) & mask) {
    const KeyRecord& record = records_[buckets_[at] - 1];
    if (record.digest == digest) return &record;
  }
  return nullptr;
}

const KeyRecord* KeyRegistry::find_by_id(std::string_view id) const noexcept {
  const auto it = std::find_if(records_.begin(), records_.end(),
                               [&](const KeyRecord& record) { return record.id == id; });
  return it == records_.end() ? nullptr : &*it;
}

base::Result<const KeyRecord*> KeyRegistry::authenticate(std::string_view presented,
                                                         base::WallTime now) const {
  // The shape bounds what is hashed. The checksum is not looked at: a digest that is found proves
  // it, and one that is not is refused the same way.
  if (!has_key_shape(presented)) return refused();
  const KeyRecord* found = find(key_digest(presented));
  const KeyRecord& record = found != nullptr ? *found : nobody();
  // Every condition is worked out, then one branch: no early way out to time.
  const int faults = int{found == nullptr} + int{record.is_disabled} + int{record.is_revoked()} +
                     int{record.is_expired(now)};
  if (faults != 0) return refused();
  return found;
}

}  // namespace tollgate::domain::keys
