#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/resolve.hpp"
#include "tollgate/base/strings.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::config {
namespace {

void add_owners(Reader& reader, const NameMap<OwnerDoc>& docs, const char* parent_key,
                const NameMap<Owner>* parents, NameMap<Owner>& owners) {
  for (const auto& [id, doc] : docs) {
    owners.emplace(id, Owner{id, doc.parent, doc.guardrails});
    if (!doc.parent.empty() && !parents->contains(doc.parent))
      unknown_reference(reader, join_path(doc.path, parent_key), parent_key, doc.parent,
                        keys_of(*parents));
  }
}

/// Fills a key's owner from its parent's, and refuses two that disagree.
void inherit(Reader& reader, const KeyDoc& doc, const char* key, const std::string& child,
             const NameMap<Owner>& children, std::string& value) {
  const auto found = children.find(child);
  if (found == children.end() || found->second.parent.empty()) return;
  if (value.empty()) {
    value = found->second.parent;
  } else if (value != found->second.parent) {
    reader.problem_at(join_path(doc.path, key),
                      fmt::format("{} is not the {} of {}", in_quotes(value), key, child),
                      fmt::format("{}, or no {} here", in_quotes(found->second.parent), key));
  }
}

/// Exact names and "*" for every one; `known` are the names that exist.
NameMap<std::vector<std::string>> resolve_reach(Reader& reader,
                                                const NameMap<std::vector<std::string>>& from,
                                                const std::vector<std::string>& known,
                                                const std::string& path, std::string_view kind) {
  NameMap<std::vector<std::string>> to;
  for (const auto& [name, globs] : from) {
    if (name == "*") continue;
    if (std::find(known.begin(), known.end(), name) == known.end())
      unknown_reference(reader, join_path(path, name), kind, name, known);
    to.emplace(name, globs);
  }
  if (const auto all = from.find("*"); all != from.end())
    for (const std::string& name : known) to.emplace(name, all->second);
  return to;
}

/// An allow-list entry that can never match anything is most likely a typo.
void warn_unmatched(Reader& reader, const std::vector<std::string>& globs,
                    const std::vector<std::string>& known, const std::string& path,
                    std::string_view kind) {
  for (std::size_t i = 0; i < globs.size(); ++i) {
    const bool matches = std::any_of(known.begin(), known.end(), [&](const std::string& name) {
      return base::glob_match(globs[i], name);
    });
    if (matches || globs[i] == "*") continue;
    const std::string item = join_path(path, i);
    reader.warning_at(reader.has(item) ? item : path,
                      fmt::format("{} matches no {}", in_quotes(globs[i]), kind), "",
                      nearest(globs[i], known));
  }
}

Key make_key(Reader& reader, const KeyDoc& doc, const Snapshot& snapshot) {
  Key key;
  key.id = doc.id;
  key.digest = doc.digest.value_or(base::Sha256Digest{});
  key.last4 = doc.last4;
  if (!doc.last4.empty() && (doc.last4.size() != 4 || !is_token(doc.last4)))
    reader.problem_at(join_path(doc.path, "last4"), "is not four characters",
                      "the last four characters of the key");
  key.agent = doc.agent;
  key.team = doc.team;
  key.org = doc.org;
  const auto check = [&](const char* name, const std::string& id, const NameMap<Owner>& owners) {
    if (!id.empty() && !owners.contains(id))
      unknown_reference(reader, join_path(doc.path, name), name, id, keys_of(owners));
  };
  check("agent", key.agent, snapshot.agents);
  check("team", key.team, snapshot.teams);
  check("org", key.org, snapshot.orgs);
  inherit(reader, doc, "team", key.agent, snapshot.agents, key.team);
  inherit(reader, doc, "org", key.team, snapshot.teams, key.org);
  key.tags = doc.tags;
  const std::set<std::string> tags(doc.tags.begin(), doc.tags.end());
  const auto scopes =
      static_cast<std::size_t>(std::count_if(tags.begin(), tags.end(), [&](const std::string& tag) {
        return std::binary_search(snapshot.tags.begin(), snapshot.tags.end(), tag);
      }));
  if (scopes > kMaxTagScopes)
    reader.problem_at(join_path(doc.path, "tags"),
                      fmt::format("bears {} tags that have an entry in tags", scopes),
                      fmt::format("at most {}; any number of others", kMaxTagScopes));
  key.expires = doc.expires;
  key.disabled = doc.disabled;
  key.guardrails = doc.guardrails;

  const std::string allow = join_path(doc.path, "allow");
  key.allow.surfaces = doc.allow.surfaces;
  key.allow.models = doc.allow.models;
  key.allow.providers = doc.allow.providers;
  key.allow.paths = doc.allow.paths;
  key.allow.mcp = resolve_reach(reader, doc.allow.mcp, keys_of(snapshot.mcp_servers),
                                join_path(allow, "mcp"), "MCP server");
  key.allow.a2a = resolve_reach(reader, doc.allow.a2a, keys_of(snapshot.a2a_agents),
                                join_path(allow, "a2a"), "A2A agent");
  warn_unmatched(reader, doc.allow.models, keys_of(snapshot.models), join_path(allow, "models"),
                 "model");
  warn_unmatched(reader, doc.allow.providers, keys_of(snapshot.providers),
                 join_path(allow, "providers"), "provider");
  return key;
}

void warn_unless_capped(Reader& reader, const SpendingCaps& caps, const std::string& path,
                        const Key& key, std::string_view expected) {
  if (caps.bound(key)) return;
  reader.warning_at(
      path,
      fmt::format("key {} has no budget on any scope that bounds its spending", in_quotes(key.id)),
      std::string(expected));
}

}  // namespace

Key with_owners(Key key, const Snapshot& snapshot) {
  const auto fill = [](const std::string& child, const NameMap<Owner>& children,
                       std::string& parent) {
    const auto found = children.find(child);
    if (parent.empty() && found != children.end()) parent = found->second.parent;
  };
  fill(key.agent, snapshot.agents, key.team);
  fill(key.team, snapshot.teams, key.org);
  return key;
}

KeyReview review_key(const Key& key, const Snapshot& snapshot, base::WallTime now) {
  const SystemEnv env;
  Reader reader("", env);
  KeyDoc doc;
  doc.id = key.id;
  doc.last4 = key.last4;
  doc.agent = key.agent;
  doc.team = key.team;
  doc.org = key.org;
  doc.tags = key.tags;
  doc.allow = {key.allow.surfaces, key.allow.models, key.allow.providers,
               key.allow.paths,    key.allow.mcp,    key.allow.a2a};
  const Key completed = make_key(reader, doc, snapshot);
  for (const std::string& name : key.guardrails)
    if (!snapshot.guardrails.contains(name))
      unknown_reference(reader, "guardrails", "guardrail", name, keys_of(snapshot.guardrails));
  const std::vector<std::string> surfaces(surface_names().begin(), surface_names().end());
  for (const std::string& glob : key.allow.surfaces)
    if (std::none_of(surfaces.begin(), surfaces.end(),
                     [&](const std::string& name) { return base::glob_match(glob, name); }))
      unknown_reference(reader, "allow.surfaces", "surface", glob, surfaces);
  if (key.expires && *key.expires <= now)
    reader.problem_at("expires", "is in the past", "a time to come");
  // The budgets of a key stand in the YAML, which a key of the store is not in.
  warn_unless_capped(reader, SpendingCaps(snapshot), "", completed,
                     "an agent, team or org with budgets as its owner; budgets of its own need the "
                     "key's digest in the YAML");
  return {reader.take_problems(), reader.take_warnings()};
}

void resolve_access(Reader& reader, const RootDoc& root, Snapshot& out) {
  add_owners(reader, root.orgs, "", nullptr, out.orgs);
  add_owners(reader, root.teams, "org", &out.orgs, out.teams);
  add_owners(reader, root.agents, "team", &out.teams, out.agents);

  std::map<std::string, std::size_t> ids;
  std::map<base::Sha256Digest, std::string> digests;
  for (std::size_t i = 0; i < root.keys.size(); ++i) {
    const KeyDoc& doc = root.keys[i];
    out.keys.push_back(make_key(reader, doc, out));
    if (const auto [first, fresh] = ids.emplace(doc.id, i); !fresh && !doc.id.empty())
      reader.problem_at(
          join_path(doc.path, "id"),
          fmt::format("{} is already the id of keys[{}]", in_quotes(doc.id), first->second),
          "an id of its own");
    if (!doc.digest) continue;
    if (const auto [first, fresh] = digests.emplace(*doc.digest, doc.path); !fresh)
      reader.problem_at(join_path(doc.path, "digest"),
                        fmt::format("is already the digest of {}", first->second),
                        "a key of its own");
  }
  const SpendingCaps caps(out);
  for (std::size_t i = 0; i < root.keys.size(); ++i)
    warn_unless_capped(reader, caps, root.keys[i].path, out.keys[i],
                       "a budget with a limit in US dollars here or at its agent, team or org");
}

}  // namespace tollgate::config
