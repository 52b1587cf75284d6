#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/config/snapshot.hpp"
#include "tollgate/store/audit_record.hpp"

/// The JSON columns of the audit and key tables. Writing appends to a reused string without a tree
/// (once per row on the writer); reading is for people and may be slow.
namespace tollgate::store {

void append_json(std::string& out, const std::vector<std::string>& texts);
void append_json(std::string& out, std::span<const AuditAttempt> attempts);
void append_json(std::string& out, const std::vector<AuditVerdict>& verdicts);
void append_json(std::string& out, const config::Allow& allow);
/// As texts "kind:id".
void append_json(std::string& out, std::span<const AuditScope> scopes);

/// Each leaves out what it cannot read: a damaged column must not hide the rest of the row.
[[nodiscard]] std::vector<std::string> texts_from_json(std::string_view json);
[[nodiscard]] std::vector<AuditAttempt> attempts_from_json(std::string_view json);
[[nodiscard]] std::vector<AuditVerdict> verdicts_from_json(std::string_view json);
/// Absent when damaged: such a key must allow nothing.
[[nodiscard]] std::optional<config::Allow> allow_from_json(std::string_view json);

}  // namespace tollgate::store
