#pragma once

#include <vector>

#include "store/sqlite.hpp"
#include "tollgate/base/result.hpp"
#include "tollgate/store/stored_key.hpp"

/// Tables `virtual_key` and `revocation`. Each function runs inside the caller's transaction.
namespace tollgate::store {

[[nodiscard]] base::Result<void> insert_key(Database& db, const StoredKey& key);
[[nodiscard]] base::Result<void> insert_revocation(Database& db, const Revocation& revocation);
/// Rows whose allow-list or digest cannot be read are left out: such a key must not work.
[[nodiscard]] base::Result<std::vector<StoredKey>> select_keys(Database& db);
[[nodiscard]] base::Result<std::vector<Revocation>> select_revocations(Database& db);

}  // namespace tollgate::store
