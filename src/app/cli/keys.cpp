#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "app/cli/commands.hpp"
#include "app/key_json.hpp"
#include "tollgate/admin/http_service.hpp"
#include "tollgate/base/clock.hpp"
#include "tollgate/config/load.hpp"
#include "tollgate/store/audit_reader.hpp"
#include "tollgate/store/audit_store.hpp"

namespace tollgate::app::cli {
namespace {

using nlohmann::json;

struct Options {
  std::string config = "config/tollgate.yaml";
  bool as_json = false;
  std::string id, agent, team, org, expires, reason;
  std::vector<std::string> tags, surfaces, models, providers, paths, guardrails, mcp, a2a;
};

config::SnapshotPtr load(const std::string& path) {
  auto loaded = config::load_file(path, config::SystemEnv());
  if (loaded.ok()) return loaded.snapshot;
  std::string text;
  for (const auto& problem : loaded.problems) text += to_string(problem) + "\n";
  throw std::runtime_error(text);
}

std::unique_ptr<store::AuditStore> open_store(const config::Snapshot& snapshot,
                                              const base::Clock& clock) {
  store::StoreOptions options;
  options.audit = snapshot.audit;
  auto opened = store::AuditStore::open(std::move(options), clock);
  if (opened.has_error()) throw std::runtime_error(opened.error().message());
  return std::move(*opened);
}

/// "server=tool,tool" into {"server": ["tool", ...]}.
json by_peer(const std::vector<std::string>& entries) {
  json out = json::object();
  for (const std::string& entry : entries) {
    const std::size_t equals = entry.find('=');
    json globs = json::array();
    if (equals == std::string::npos) {
      globs.push_back("*");
    } else {
      std::string rest = entry.substr(equals + 1);
      for (std::size_t at = 0; at <= rest.size();) {
        const std::size_t comma = std::min(rest.find(',', at), rest.size());
        globs.push_back(rest.substr(at, comma - at));
        at = comma + 1;
      }
    }
    out[entry.substr(0, equals)] = globs;
  }
  return out;
}

json request_of(const Options& options) {
  json request = {{"id", options.id}};
  const auto text = [&request](const char* name, const std::string& value) {
    if (!value.empty()) request[name] = value;
  };
  const auto list = [&request](const char* name, const std::vector<std::string>& value) {
    if (!value.empty()) request[name] = value;
  };
  text("agent", options.agent);
  text("team", options.team);
  text("org", options.org);
  text("expires", options.expires);
  list("tags", options.tags);
  list("surfaces", options.surfaces);
  list("models", options.models);
  list("providers", options.providers);
  list("paths", options.paths);
  list("guardrails", options.guardrails);
  if (!options.mcp.empty()) request["mcp"] = by_peer(options.mcp);
  if (!options.a2a.empty()) request["a2a"] = by_peer(options.a2a);
  return request;
}

int answer(const admin::Response& response, bool as_json, const auto& print) {
  const json body = json::parse(response.body, nullptr, false);
  if (response.status != 200) {
    const std::string message = body.is_object() && body.contains("error")
                                    ? body["error"].value("message", "")
                                    : response.body;
    fmt::print(stderr, "tollgate: {}\n", message);
    return response.status >= 500 ? kFailed : kNo;
  }
  if (as_json) {
    fmt::print("{}\n", body.dump(2));
  } else {
    print(body);
  }
  return kOk;
}

void print_new(const json& body) {
  fmt::print("{}\n", body["key"].get<std::string>());
  fmt::print(stderr,
             "This is the only time the key is shown. Keep it in a secret store.\n"
             "For the YAML instead of the store:  digest: {}\n",
             body["digest"].get<std::string>());
}

int make_key(const Options& options) {
  const auto snapshot = load(options.config);
  const json request = request_of(options);
  const auto response =
      admin::control_call(snapshot->control_socket, "POST", "/keys", request.dump());
  if (response.status != 0) return answer(response, options.as_json, print_new);
  // No daemon: the store is ours to write.
  const base::SystemClock clock;
  NewKey made = read_new_key(request);
  for (const auto& key : snapshot->keys)
    if (key.id == made.key.id) throw std::runtime_error("a key with this id is in the YAML");
  const auto store = open_store(*snapshot, clock);
  store::StoredKey stored;
  stored.key = made.key;
  stored.created = clock.wall();
  auto done = store->create_key(std::move(stored)).get();
  if (done.has_error()) throw std::runtime_error(done.error().message());
  json body = describe(made.key, "store", false);
  body["key"] = std::string(made.secret.reveal());
  body["digest"] = "sha256:" + base::to_hex(made.key.digest);
  if (options.as_json) {
    fmt::print("{}\n", body.dump(2));
  } else {
    print_new(body);
  }
  return kOk;
}

int revoke_key(const Options& options) {
  const auto snapshot = load(options.config);
  const json request = {{"id", options.id}, {"reason", options.reason}};
  const auto response =
      admin::control_call(snapshot->control_socket, "POST", "/keys/revoke", request.dump());
  const auto print = [](const json& body) {
    fmt::print("{} is revoked\n", body["id"].get<std::string>());
  };
  if (response.status != 0) return answer(response, options.as_json, print);
  const base::SystemClock clock;
  store::Revocation revocation;
  bool found = false;
  for (const auto& key : snapshot->keys) {
    if (key.id != options.id) continue;
    revocation.digest = key.digest;
    found = true;
  }
  const auto store = open_store(*snapshot, clock);
  if (!found) {
    auto reader = store::AuditReader::open(snapshot->audit.path);
    if (reader.has_error()) throw std::runtime_error(reader.error().message());
    auto keys = (*reader)->keys();
    if (keys.has_error()) throw std::runtime_error(keys.error().message());
    for (const auto& key : *keys) {
      if (key.key.id != options.id) continue;
      revocation.digest = key.key.digest;
      found = true;
    }
  }
  if (!found) {
    fmt::print(stderr, "tollgate: no key with this id\n");
    return kNo;
  }
  revocation.key_id = options.id;
  revocation.reason = options.reason;
  revocation.revoked_at = clock.wall();
  auto done = store->revoke_key(revocation).get();
  if (done.has_error()) throw std::runtime_error(done.error().message());
  const json body = {{"id", options.id}, {"revoked", true}};
  if (options.as_json) {
    fmt::print("{}\n", body.dump(2));
  } else {
    print(body);
  }
  return kOk;
}

void print_list(const json& body) {
  fmt::print("{:<24} {:<6} {:<6} {:<16} {:<16} {:<16} {:<8} {}\n", "ID", "LAST4", "SOURCE", "AGENT",
             "TEAM", "ORG", "STATE", "EXPIRES");
  for (const auto& key : body["keys"]) {
    const bool revoked = key["revoked"].get<bool>();
    const bool disabled = key["disabled"].get<bool>();
    fmt::print("{:<24} {:<6} {:<6} {:<16} {:<16} {:<16} {:<8} {}\n", key["id"].get<std::string>(),
               key["last4"].get<std::string>(), key["source"].get<std::string>(),
               key["agent"].get<std::string>(), key["team"].get<std::string>(),
               key["org"].get<std::string>(),
               revoked    ? "revoked"
               : disabled ? "disabled"
                          : "ok",
               key["expires"].is_null() ? "never" : key["expires"].get<std::string>());
  }
}

int list_keys(const Options& options) {
  const auto snapshot = load(options.config);
  const auto response = admin::control_call(snapshot->control_socket, "GET", "/keys", {});
  if (response.status != 0) return answer(response, options.as_json, print_list);
  json body = {{"keys", json::array()}};
  auto reader = store::AuditReader::open(snapshot->audit.path);
  std::vector<store::Revocation> revocations;
  std::vector<store::StoredKey> stored;
  if (!reader.has_error()) {
    auto revoked = (*reader)->revocations();
    auto keys = (*reader)->keys();
    if (!revoked.has_error()) revocations = *revoked;
    if (!keys.has_error()) stored = *keys;
  }
  const auto is_revoked = [&revocations](const base::Sha256Digest& digest) {
    return std::any_of(revocations.begin(), revocations.end(),
                       [&](const auto& revocation) { return revocation.digest == digest; });
  };
  for (const auto& key : snapshot->keys)
    body["keys"].push_back(describe(key, "yaml", is_revoked(key.digest)));
  for (const auto& key : stored)
    body["keys"].push_back(describe(key.key, "store", is_revoked(key.key.digest)));
  if (options.as_json) {
    fmt::print("{}\n", body.dump(2));
  } else {
    print_list(body);
  }
  return kOk;
}

}  // namespace

void add_keys(CLI::App& app, Action& action) {
  CLI::App* const keys = app.add_subcommand(
      "keys", "Virtual keys: through the control socket of a running gateway, else in the store");
  keys->require_subcommand(1);
  auto options = std::make_shared<Options>();
  const auto common = [options](CLI::App* command) {
    command->add_option("-c,--config", options->config, "Configuration file")
        ->capture_default_str();
    command->add_flag("--json", options->as_json, "As JSON");
  };
  CLI::App* const make = keys->add_subcommand("new", "Make a key and print it, once");
  common(make);
  make->add_option("id", options->id, "Name of the key")->required();
  make->add_option("--agent", options->agent, "Owning agent");
  make->add_option("--team", options->team, "Owning team");
  make->add_option("--org", options->org, "Owning organisation");
  make->add_option("--tag", options->tags, "Tag (repeatable)");
  make->add_option("--expires", options->expires, "RFC 3339 time");
  make->add_option("--surface", options->surfaces, "Allowed surface (repeatable; default all)");
  make->add_option("--model", options->models, "Allowed model alias, * allowed (repeatable)");
  make->add_option("--provider", options->providers, "Allowed provider (repeatable)");
  make->add_option("--path", options->paths, "Allowed other /v1 path (repeatable; default none)");
  make->add_option("--mcp", options->mcp, "server or server=tool,tool (repeatable; default none)");
  make->add_option("--a2a", options->a2a, "agent or agent=method,... (repeatable; default none)");
  make->add_option("--guardrail", options->guardrails, "Guardrail (repeatable)");
  make->callback([options, &action] { action = [options] { return make_key(*options); }; });

  CLI::App* const list =
      keys->add_subcommand("list", "List keys; of each only the last four characters");
  common(list);
  list->callback([options, &action] { action = [options] { return list_keys(*options); }; });

  CLI::App* const revoke = keys->add_subcommand(
      "revoke", "Revoke a key for good: outlives YAML and reload, holds at once");
  common(revoke);
  revoke->add_option("id", options->id, "Name of the key")->required();
  revoke->add_option("--reason", options->reason, "For the record");
  revoke->callback([options, &action] { action = [options] { return revoke_key(*options); }; });
}

}  // namespace tollgate::app::cli
