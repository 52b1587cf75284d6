#pragma once

#include <string>

namespace tollgate::store {

/// Whether `file` is one that the store makes for the database `audit_path`: itself, what SQLite
/// keeps beside it, the lock, a body segment. Compares names only; both are absolute, without links
/// and dots.
[[nodiscard]] bool is_audit_file(const std::string& audit_path, const std::string& file);

}  // namespace tollgate::store
