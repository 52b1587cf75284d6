#pragma once

#include <string>

namespace tollgate::store {

/// Whether `file` is one that the store makes for the database `audit_path`: itself, what SQLite
/// keeps beside it, the lock, a body segment. Compares names only; both are absolute, without links
/// and dots.
[[nodiscard]] bool is_audit_file(const std::string& audit_path, const std::string& file);

/// Why the store would refuse to open what `path` is already, as far as its first bytes tell;
/// empty: it is a database of ours, or becomes one. Opens nothing as a database, so it leaves no
/// file behind and disturbs no process that has it open.
[[nodiscard]] std::string audit_file_fault(const std::string& path);

}  // namespace tollgate::store
