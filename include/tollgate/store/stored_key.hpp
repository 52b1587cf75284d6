#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/digest.hpp"
#include "tollgate/config/snapshot.hpp"

namespace tollgate::store {

/// A virtual key made at run time. Holds the digest of the key, never the key.
struct StoredKey {
  config::Key key;  ///< `disabled` is not stored: revoked_at says it
  base::WallTime created{};
  std::optional<base::WallTime> revoked_at;
};

/// The word that a key is no longer good. Outlives the key's row, the YAML and every reload.
struct Revocation {
  base::Sha256Digest digest{};  ///< of the key
  std::string key_id;           ///< for people; the digest decides
  base::WallTime revoked_at{};
  std::string reason;
};

}  // namespace tollgate::store
