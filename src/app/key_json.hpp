#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "tollgate/admin/http_service.hpp"
#include "tollgate/base/clock.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/store/audit_store.hpp"
#include "tollgate/store/stored_key.hpp"

namespace tollgate::app {

/// What `keys new` asks for, as JSON between the command line and the daemon.
struct NewKey {
  config::Key key;      ///< id, owners, tags, expires, allow; digest and last4 filled in
  base::Secret secret;  ///< shown once
};

/// Reads and completes a request for a key. Throws std::runtime_error naming the field at fault.
[[nodiscard]] NewKey read_new_key(const nlohmann::json& request);
/// A key for lists. `state` is one of ok, revoked, disabled and expired (at `now`).
[[nodiscard]] nlohmann::json describe(const config::Key& key, std::string_view source, bool revoked,
                                      base::WallTime now);

/// Makes a key and writes it to the store: the answer to POST /keys, by the daemon for the control
/// socket and by the command line itself when no daemon runs. Blocks until the key is on disk.
///
/// @param body   JSON, as read_new_key takes it
/// @param taken  whether a key of that id exists, in the YAML or in the store
/// @param store  asked for when the request is found good, not before
/// @return 200 with the key (the one time it is shown), its digest and warnings; 400 with every
///         problem of the request; the store's error otherwise.
[[nodiscard]] admin::Response create_key(const std::string& body, const config::Snapshot& snapshot,
                                         const std::function<bool(const std::string& id)>& taken,
                                         const std::function<store::AuditStore&()>& store,
                                         const base::Clock& clock);
/// {"error": {"code": ..., "message": ...}}
[[nodiscard]] admin::Response error_response(int status, std::string_view code,
                                             std::string_view message);

}  // namespace tollgate::app
