#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tollgate/config/snapshot.hpp"
#include "tollgate/store/stored_key.hpp"

namespace tollgate::app {

/// What `keys new` asks for, as JSON between the command line and the daemon.
struct NewKey {
  config::Key key;      ///< id, owners, tags, expires, allow; digest and last4 filled in
  base::Secret secret;  ///< shown once
};

/// Reads and completes a request for a key. Throws std::runtime_error naming the field at fault.
[[nodiscard]] NewKey read_new_key(const nlohmann::json& request);
[[nodiscard]] nlohmann::json describe(const config::Key& key, std::string_view source,
                                      bool revoked);

}  // namespace tollgate::app
