#include "app/key_json.hpp"

#include <stdexcept>

#include "tollgate/base/digest.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/config/load.hpp"
#include "tollgate/domain/keys/key_format.hpp"

namespace tollgate::app {
namespace {

std::vector<std::string> strings(const nlohmann::json& value, const char* field) {
  std::vector<std::string> out;
  if (!value.is_array()) throw std::runtime_error(std::string(field) + ": expected a list of text");
  for (const auto& item : value) {
    if (!item.is_string()) throw std::runtime_error(std::string(field) + ": expected text");
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::map<std::string, std::vector<std::string>, std::less<>> by_peer(const nlohmann::json& value,
                                                                     const char* field) {
  std::map<std::string, std::vector<std::string>, std::less<>> out;
  if (!value.is_object()) throw std::runtime_error(std::string(field) + ": expected a mapping");
  for (const auto& [name, globs] : value.items()) out.emplace(name, strings(globs, field));
  return out;
}

bool is_id(const std::string& text) {
  return !text.empty() && text.size() <= 64 &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string::npos;
}

}  // namespace

NewKey read_new_key(const nlohmann::json& request) {
  NewKey made;
  config::Key& key = made.key;
  for (const auto& [field, value] : request.items()) {
    if (field == "id")
      key.id = value.get<std::string>();
    else if (field == "agent")
      key.agent = value.get<std::string>();
    else if (field == "team")
      key.team = value.get<std::string>();
    else if (field == "org")
      key.org = value.get<std::string>();
    else if (field == "tags")
      key.tags = strings(value, "tags");
    else if (field == "guardrails")
      key.guardrails = strings(value, "guardrails");
    else if (field == "surfaces")
      key.allow.surfaces = strings(value, "surfaces");
    else if (field == "models")
      key.allow.models = strings(value, "models");
    else if (field == "providers")
      key.allow.providers = strings(value, "providers");
    else if (field == "paths")
      key.allow.paths = strings(value, "paths");
    else if (field == "mcp")
      key.allow.mcp = by_peer(value, "mcp");
    else if (field == "a2a")
      key.allow.a2a = by_peer(value, "a2a");
    else if (field == "expires") {
      key.expires = base::parse_rfc3339(value.get<std::string>());
      if (!key.expires)
        throw std::runtime_error("expires: expected a time like 2027-01-31T00:00:00Z");
    } else {
      throw std::runtime_error("unknown field " + field);
    }
  }
  if (!is_id(key.id))
    throw std::runtime_error("id: expected 1 to 64 letters, digits, '.', '_' or '-'");
  // The defaults of the YAML's `allow`, in one place for keys made at run time.
  if (!request.contains("surfaces")) key.allow.surfaces = {"*"};
  if (!request.contains("models")) key.allow.models = {"*"};
  if (!request.contains("providers")) key.allow.providers = {"*"};
  made.secret = domain::keys::generate_key();
  key.digest = domain::keys::key_digest(made.secret.reveal());
  key.last4 = domain::keys::last4(made.secret.reveal());
  return made;
}

nlohmann::json describe(const config::Key& key, std::string_view source, bool revoked,
                        base::WallTime now) {
  nlohmann::json out = {{"id", key.id},     {"last4", key.last4}, {"agent", key.agent},
                        {"team", key.team}, {"org", key.org},     {"tags", key.tags},
                        {"source", source}, {"revoked", revoked}, {"disabled", key.disabled}};
  out["unwritten"] = false;
  out["expires"] = key.expires ? nlohmann::json(base::format_rfc3339(*key.expires)) : nullptr;
  out["state"] = revoked                              ? "revoked"
                 : key.disabled                       ? "disabled"
                 : key.expires && *key.expires <= now ? "expired"
                                                      : "ok";
  return out;
}

admin::Response error_response(int status, std::string_view code, std::string_view message) {
  const nlohmann::json body = {{"error", {{"code", code}, {"message", message}}}};
  return {status, "application/json",
          body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

admin::Response create_key(const std::string& body, const config::Snapshot& snapshot,
                           const std::function<bool(const std::string& id)>& taken,
                           const std::function<store::AuditStore&()>& store,
                           const base::Clock& clock) {
  NewKey made;
  try {
    made = read_new_key(nlohmann::json::parse(body));
  } catch (const std::exception& failure) {
    return error_response(400, "invalid_request", failure.what());
  }
  const auto text = [](const config::Problem& problem) {
    std::string out = problem.path.empty() ? problem.what : problem.path + ": " + problem.what;
    if (!problem.expected.empty()) out += "; expected " + problem.expected;
    if (!problem.suggestion.empty()) out += "; did you mean \"" + problem.suggestion + "\"?";
    return out;
  };
  const base::WallTime now = clock.wall();
  const auto review = config::review_key(made.key, snapshot, now);
  std::string problems;
  if (taken(made.key.id)) problems = "id: a key with this id exists";
  for (const auto& problem : review.problems)
    problems += (problems.empty() ? "" : "\n") + text(problem);
  if (!problems.empty()) return error_response(400, "invalid_request", problems);

  store::StoredKey stored;
  stored.key = made.key;
  stored.created = now;
  const auto done = store().create_key(std::move(stored)).get();
  if (done.has_error())
    return error_response(done.error().http_status(), "store", done.error().message());
  nlohmann::json out = describe(config::with_owners(made.key, snapshot), "store", false, now);
  out["key"] = std::string(made.secret.reveal());
  out["digest"] = "sha256:" + base::to_hex(made.key.digest);
  out["warnings"] = nlohmann::json::array();
  for (const auto& warning : review.warnings) out["warnings"].push_back(text(warning));
  return {200, "application/json", out.dump()};
}

}  // namespace tollgate::app
