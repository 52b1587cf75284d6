#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "app/cli/commands.hpp"
#include "app/cli/common.hpp"
#include "app/key_json.hpp"

namespace tollgate::app::cli {
namespace {
namespace keys_command {

using nlohmann::json;

struct Options {
  std::string config = "config/tollgate.yaml";
  bool as_json = false;
  std::string id, agent, team, org, expires, reason;
  std::vector<std::string> tags, surfaces, models, providers, paths, guardrails, mcp, a2a;
};

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

void print_new(const json& body) {
  fmt::print("{}\n", body["key"].get<std::string>());
  fmt::print(stderr,
             "This is the only time the key is shown. Keep it in a secret store.\n"
             "For the YAML instead of the store:  digest: {}\n",
             body["digest"].get<std::string>());
}

std::vector<store::StoredKey> stored_keys(const config::Snapshot& snapshot) {
  const auto reader = open_reader(snapshot);
  if (!reader) return {};
  return unwrap(reader->keys());
}

/// The store if there is one; a request that comes to nothing must not make one. Opened before it
/// is read, so that one of an older version is brought up to date.
std::unique_ptr<store::AuditStore> open_existing(const config::Snapshot& snapshot,
                                                 const base::Clock& clock) {
  return has_store(snapshot) ? open_store(snapshot, clock) : nullptr;
}

int make_key(const Options& options) {
  const auto snapshot = load_beside(options.config);
  const std::string request = request_of(options).dump();
  auto response = admin::control_call(snapshot->control_socket, "POST", "/keys", request);
  if (response.status == 0) {  // no gateway runs: the store is ours to write
    const base::SystemClock clock;
    std::unique_ptr<store::AuditStore> opened = open_existing(*snapshot, clock);
    const auto store = [&]() -> store::AuditStore& {
      if (!opened) opened = open_store(*snapshot, clock);
      return *opened;
    };
    const auto stored = stored_keys(*snapshot);
    const auto taken = [&](const std::string& id) {
      const auto in_yaml = [&id](const config::Key& key) { return key.id == id; };
      const auto in_store = [&id](const store::StoredKey& key) { return key.key.id == id; };
      return std::any_of(snapshot->keys.begin(), snapshot->keys.end(), in_yaml) ||
             std::any_of(stored.begin(), stored.end(), in_store);
    };
    response = create_key(request, *snapshot, taken, store, clock);
  }
  const int code = print_answer(response, options.as_json, print_new);
  if (code == kOk) {
    const json body = json::parse(response.body);
    for (const auto& warning : body["warnings"])
      fmt::print(stderr, "warning: {}\n", warning.get<std::string>());
  }
  return code;
}

void print_revoked(const json& body) {
  fmt::print("{} is revoked\n", body["id"].get<std::string>());
}

int revoke_key(const Options& options) {
  const auto snapshot = load_beside(options.config);
  const json request = {{"id", options.id}, {"reason", options.reason}};
  const auto response =
      admin::control_call(snapshot->control_socket, "POST", "/keys/revoke", request.dump());
  if (response.status != 0) return print_answer(response, options.as_json, print_revoked);
  const base::SystemClock clock;
  store::Revocation revocation;
  bool found = false;
  for (const auto& key : snapshot->keys) {
    if (key.id != options.id) continue;
    revocation.digest = key.digest;
    found = true;
  }
  auto store = open_existing(*snapshot, clock);
  if (!found) {
    for (const auto& key : stored_keys(*snapshot)) {
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
  if (!store) store = open_store(*snapshot, clock);
  const auto done = store->revoke_key(revocation).get();
  if (done.has_error()) throw std::runtime_error(done.error().message());
  const json body = {{"id", options.id}, {"revoked", true}};
  return print_answer({200, "application/json", body.dump()}, options.as_json, print_revoked);
}

void print_list(const json& body) {
  fmt::print("{:<24} {:<6} {:<6} {:<16} {:<16} {:<16} {:<8} {}\n", "ID", "LAST4", "SOURCE", "AGENT",
             "TEAM", "ORG", "STATE", "EXPIRES");
  for (const auto& key : body["keys"])
    fmt::print("{:<24} {:<6} {:<6} {:<16} {:<16} {:<16} {:<8} {}\n", key["id"].get<std::string>(),
               key["last4"].get<std::string>(), key["source"].get<std::string>(),
               key["agent"].get<std::string>(), key["team"].get<std::string>(),
               key["org"].get<std::string>(), key["state"].get<std::string>(),
               key["expires"].is_null() ? "never" : key["expires"].get<std::string>());
  for (const auto& key : body["keys"])
    if (key.value("unwritten", false))
      fmt::print(stderr, "warning: the revocation of {} is not on disk yet\n",
                 key["id"].get<std::string>());
}

/// What a running gateway would list, from the configuration and the store.
json list_from_record(const config::Snapshot& snapshot) {
  const auto reader = open_reader(snapshot);
  std::vector<store::Revocation> revocations;
  std::vector<store::StoredKey> stored;
  if (reader) {
    revocations = unwrap(reader->revocations());
    stored = unwrap(reader->keys());
  }
  const base::WallTime now = base::SystemClock().wall();
  json body = {{"keys", json::array()}};
  const auto add = [&](const config::Key& key, const char* source) {
    const bool revoked =
        std::any_of(revocations.begin(), revocations.end(),
                    [&](const auto& revocation) { return revocation.digest == key.digest; });
    body["keys"].push_back(describe(key, source, revoked, now));
  };
  for (const auto& key : snapshot.keys) add(key, "yaml");
  for (const auto& key : stored) add(config::with_owners(key.key, snapshot), "store");
  return body;
}

int list_keys(const Options& options) {
  const auto snapshot = load_beside(options.config);
  auto response = admin::control_call(snapshot->control_socket, "GET", "/keys", {});
  if (response.status == 0)
    response = {200, "application/json", list_from_record(*snapshot).dump()};
  return print_answer(response, options.as_json, print_list);
}

}  // namespace keys_command
}  // namespace

void add_keys(CLI::App& app, Action& action) {
  using namespace keys_command;
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
